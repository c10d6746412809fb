"""``tacit reconstruct --corrupt``: three rows of images, and what was gained, said."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import tacit
from tacit.cli.main import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: Any) -> Path:
    """Principal components, which cannot keep most of the noise."""
    path: Path = tmp_path_factory.mktemp("reconstruct") / "run"
    tacit.fit("pca", "digits", latent=16, out=path)
    return path


def asked(run: Path, more: str, capsys: Capture, code: int = 0) -> str:
    assert main(["reconstruct", str(run), *more.split()]) == code
    said = capsys.readouterr()
    return said.err if code else said.out


def test_restored_samples_are_nearer_than_corrupted_ones_and_all_are_shown(
    run: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = asked(run, "--corrupt gaussian:0.2 --seed 5 -n 4 -o a.png", capsys)
    assert re.search(r"^corrupted by gaussian:0.2, seed 5: \d+ held-out samples$", out, re.M)
    found = {of: [float(v) for v in re.findall(r"-?[\d.]+", rest)]
             for of, rest in re.findall(r"^PSNR, (.*): (.*) dB$", out, re.M)}
    assert found.keys() == {"corrupted", "restored", "restored less corrupted"}
    assert all(low < value < high for value, low, high in found.values())
    assert found["restored"][1] > found["corrupted"][2] and found["restored less corrupted"][1] > 0
    assert "SSIM, restored: " in out and out.endswith("wrote a.png\n")
    asked(run, "-n 4 -o b.png", capsys)
    with Image.open(tmp_path / "a.png") as three, Image.open(tmp_path / "b.png") as two:
        assert three.height > two.height > 64  # a row more
    assert asked(run, "--corrupt gaussian:0.2 --seed 6 -o c.png", capsys) != out


def test_what_cannot_be_is_one_line(run: Path, capsys: Capture) -> None:
    assert "Did you mean 'masking'" in asked(run, "--corrupt maskin:0.5", capsys, 2)
    assert "does not fit into 8 x 8" in asked(run, "--corrupt block:9", capsys, 2)
    assert "--seed takes a whole number from 0" in asked(run, "--seed -1", capsys, 2)
