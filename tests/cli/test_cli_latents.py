"""``tacit sample`` with latents, and ``tacit project``: pictures, arrays, and what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tacit
from tacit.cli.main import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: Any) -> Path:
    """Principal components of digits, with standard normal latents."""
    path: Path = tmp_path_factory.mktemp("latents") / "run"
    tacit.fit("pca", "digits", latent=16, whiten=True, out=path)
    return path


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: Any) -> Path:
    """The same of samples that are no images."""
    path: Path = tmp_path_factory.mktemp("latents") / "numbers"
    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    np.save(path.parent / "x.npy", x)
    tacit.fit("pca", str(path.parent / "x.npy"), latent=2, whiten=True, out=path)
    return path


def said(words: list[str], capsys: Capture, code: int = 0) -> str:
    assert main(words) == code
    shown = capsys.readouterr()
    return shown.err if code else shown.out


def test_walks_are_rows_of_nine(run: Path, tmp_path: Path, capsys: Capture) -> None:
    out = said(["sample", str(run), "--interpolate", "spherical", "-o", "w.png"], capsys)
    assert "spherical walks between samples" in out and out.endswith("wrote w.png\n")
    with Image.open(tmp_path / "w.png") as walks:
        assert walks.size == (9 * 66 + 2, 8 * 66 + 2)
    said(["sample", str(run), "--interpolate", "linear", "-n", "2", "-o", "l.png"], capsys)
    with Image.open(tmp_path / "l.png") as walks:
        assert walks.size == (9 * 66 + 2, 2 * 66 + 2)


def test_arithmetic_shows_its_terms_above_the_result(run: Path, tmp_path: Path, capsys: Capture) -> None:
    said(["sample", str(run), "--numbered", "-n", "6", "-o", "n.png"], capsys)
    out = said(["sample", str(run), "--arithmetic", "3,4 - 5", "-o", "a.png"], capsys)
    assert out.startswith("3, 4 - 5, of latents of")
    with Image.open(tmp_path / "a.png") as shown, Image.open(tmp_path / "n.png") as numbered:
        side = 112 + 2
        assert shown.size == (9 * side + 2, 3 * (side + 20) + 2)
        third = numbered.crop((2, 2 + side + 20, 114, 114 + side + 20))  # number 3, in the second row of three
        assert third.tobytes() == shown.crop((2, 2, 114, 114)).tobytes()
    assert said(["sample", str(run), "--arithmetic", "'3' - '1' + '7'"], capsys).startswith('"3" - "1" + "7", of')


def test_truncated_samples_lie_nearer_to_the_mean(numbers: Path, tmp_path: Path, capsys: Capture) -> None:
    for name, more in (("cut", ["--truncation", "0.2"]), ("whole", [])):
        said(["sample", str(numbers), "-n", "200", *more, "-o", f"{name}.npz"], capsys)
    cut, whole = (np.load(tmp_path / f"{name}.npz")["x"] for name in ("cut", "whole"))
    assert cut.var() < 0.1 * whole.var()


def test_samples_that_are_no_images_are_arrays(numbers: Path, tmp_path: Path, capsys: Capture) -> None:
    said(["sample", str(numbers), "--interpolate", "linear", "-n", "3", "-o", "w.npz"], capsys)
    held = np.load(tmp_path / "w.npz")
    assert held["x"].shape == (3, 9, 4) and held["z"].shape == (3, 9, 2)
    said(["sample", str(numbers), "--arithmetic", "1 - 2", "-o", "a.npz"], capsys)
    assert np.load(tmp_path / "a.npz")["z"].shape == (9, 2)


def test_projections_are_what_decode_makes_of_their_latents(run: Path, tmp_path: Path, capsys: Capture) -> None:
    out = said(["project", str(run), "-n", "5", "--steps", "40", "-o", "p.npz"], capsys).splitlines()
    assert out[0].startswith("PSNR in dB, 5 samples: mean ") and len(out) == 8
    assert out[-2:] == ["wrote p.npz", "wrote p.png"]
    held = np.load(tmp_path / "p.npz")
    np.testing.assert_allclose(float(out[1].split()[-1]), -10 * np.log10(held["error"][0]), rtol=1e-3)
    said(["decode", str(run), "p.npz", "-o", "d.png"], capsys)
    decoded = tacit.load(run).decode(held["z"])
    np.testing.assert_allclose(decoded.numpy(), held["x"], atol=1e-6)
    with Image.open(tmp_path / "p.png") as pairs:
        assert pairs.height > 128
    again = said(["project", str(run), "-n", "5", "--steps", "40", "-o", "q.npz"], capsys).splitlines()
    assert again[:6] == out[:6]


def test_targets_come_to_the_size_of_the_run(run: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "photos").mkdir()
    for i in range(3):
        Image.new("L", (31, 40), 80 * i).save(tmp_path / "photos" / f"{i}.png")
    out = said(["project", str(run), "photos", "--steps", "5", "--features", str(run), "-o", "p.npz"], capsys)
    assert "2.png: " in out and np.load(tmp_path / "p.npz")["x"].shape == (3, 1, 8, 8)


def test_what_cannot_be_is_one_line(run: Path, numbers: Path, tmp_path: Path, capsys: Capture) -> None:
    def fails(*words: str) -> str:
        return said(list(words), capsys, 2)

    assert "no Gaussian" not in fails("sample", str(run), "--truncation", "0")
    assert "take one at a time" in fails("sample", str(run), "--numbered", "--arithmetic", "1")
    assert "leave out --each" in fails("sample", str(run), "--numbered", "--each")
    assert "--temperature is not known to latents" in fails("sample", str(run), "--numbered", "--temperature", "0.5")
    assert "--number is not known to --arithmetic" in fails("sample", str(run), "--arithmetic", "3", "-n", "4")
    assert "no class 'smile'" in fails("sample", str(run), "--arithmetic", "smile - 3")
    assert "--number takes a whole number from 1" in fails("sample", str(run), "-n", "0")
    assert "--steps takes a whole number from 0" in fails("project", str(run), "--steps", "-1")
    assert "is a run on vector 4" in fails("project", str(run), "--features", str(numbers))
    np.save(tmp_path / "wide.npy", np.zeros((3, 7), dtype=np.float32))
    assert "7" in fails("project", str(numbers), "wide.npy")
    said(["project", str(numbers), "--steps", "3", "-n", "2", "-o", "p.npz"], capsys)
    assert "is there already" in fails("project", str(numbers), "--steps", "3", "-n", "2", "-o", "p.npz")
    nmf = tmp_path / "nmf"
    tacit.fit("nmf", "digits", latent=4, out=nmf)
    assert "does not draw latents" in fails("project", str(nmf))
