"""``tacit translate``: names and sizes are kept, what cannot be read is skipped by name, nothing is overwritten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tacit
from tacit.cli.main import main


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures of 16 x 16, six of them in a folder below."""
    folder = tmp_path_factory.mktemp("photos")
    draw = np.random.default_rng(0)
    (folder / "below").mkdir()
    for i in range(12):
        pixels = np.kron(draw.integers(0, 256, (4, 4, 3), np.uint8), np.ones((4, 4, 1), np.uint8))
        Image.fromarray(pixels).save(folder / ("below" if i % 2 else ".") / f"{i:02d}.png")
    return folder


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A colouriser that has hardly begun."""
    out = tmp_path_factory.mktemp("run") / "colours"
    tacit.fit("pix2pix", str(photos), derive="grey", width=4, steps=1, batch=4, out=out)
    return out


def seen(path: Path) -> tuple[int, int, str]:
    with Image.open(path) as image:
        return *image.size, image.mode


def tell(capsys: Any, *words: object) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    out, error = capsys.readouterr()
    return code, out, error


def test_names_and_sizes_are_kept_and_the_unreadable_skipped(run: Path, tmp_path: Path, capsys: Any) -> None:
    source = tmp_path / "in"
    (source / "deep").mkdir(parents=True)
    draw = np.random.default_rng(1)
    sizes = {"a.png": (40, 23), "deep/b.jpg": (16, 16), "deep/c.gif": (9, 31)}
    for name, (width, height) in sizes.items():
        Image.fromarray(draw.integers(0, 256, (height, width, 3), np.uint8)).save(source / name)
    (source / "broken.png").write_bytes(b"no image")
    (source / "notes.txt").write_text("no image either")
    out = tmp_path / "out"
    code, said, error = tell(capsys, "translate", run, source, "-o", out)
    assert code == 0, error
    assert "skipped: broken.png: " in said and "translated: 3 of 4 images" in said
    assert {str(p.relative_to(out)): seen(p) for p in out.rglob("*") if p.is_file()} == {
        "a.png": (40, 23, "RGB"), "deep/b.jpg": (16, 16, "RGB"), "deep/c.gif.png": (9, 31, "RGB")
    }
    code, _, error = tell(capsys, "translate", run, source, "-o", out)
    assert code == 2 and "--overwrite" in error
    assert tell(capsys, "translate", run, source, "-o", out, "--overwrite")[0] == 0


def test_own_images_are_shown(run: Path, tmp_path: Path, capsys: Any) -> None:
    code, said, error = tell(capsys, "translate", run, "-o", tmp_path / "own.png", "-n", 1)
    assert code == 0, error
    assert seen(tmp_path / "own.png")[1] > 3 * 16
    code, _, error = tell(capsys, "translate", run, "--derive")
    assert code == 2 and "--derive is for DATA" in error


def test_enlarged_by_what_was_learned(photos: Path, tmp_path: Path, capsys: Any) -> None:
    tacit.fit("srresnet", str(photos), derive="low-resolution:2", width=4, blocks=1, steps=1, batch=4,
              out=tmp_path / "sr")
    Image.new("RGB", (21, 10)).save(tmp_path / "small.png")
    code, _, error = tell(capsys, "translate", tmp_path / "sr", tmp_path / "small.png", "-o", tmp_path / "large")
    assert code == 0, error
    assert seen(tmp_path / "large" / "small.png")[:2] == (42, 20)
    code, _, error = tell(capsys, "translate", tmp_path / "sr", photos, "--derive", "-o", tmp_path / "again")
    assert code == 0, error
    assert seen(tmp_path / "again" / "00.png")[:2] == (16, 16)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nowhere"], "there is no nowhere"),
        (["{run}/config.yaml"], "holds no images"),
        (["{photos}", "-o", "{photos}"], "holds the images themselves"),
        (["{photos}", "--to", "source"], "one way only"),
    ],
)
def test_bad_input(words: list[str], expected: str, run: Path, photos: Path, capsys: Any) -> None:
    code, _, error = tell(capsys, "translate", run, *(word.format(run=run, photos=photos) for word in words))
    assert code == 2 and expected in error and "\n" not in error.strip()
