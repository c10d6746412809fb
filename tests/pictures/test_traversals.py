"""Rows of images along dimensions: all are there, and what has collapsed is grey."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tacit.pictures.traversals import LEFT, TOP, faded, traversals

PAPER = (252, 252, 250)


def drawn(path: Path) -> Any:
    with Image.open(path) as image:
        picture = np.asarray(image.convert("RGB"))
    for rim in (picture[:12], picture[-12:], picture[:, :12], picture[:, -12:]):
        assert (rim == PAPER).all(), "something is cut off"
    return picture


@pytest.mark.parametrize("channels", [1, 3])
def test_each_row_and_column_is_where_it_belongs_and_the_collapsed_are_grey(tmp_path: Path, channels: int) -> None:
    images = torch.zeros(3, 5, channels, 16, 16)
    images[:, :, 0] = torch.linspace(0.2, 1, 15).view(3, 5, 1, 1)  # red where there are colours
    captions = ["dimension 2\nKL 1.20 nats", "dimension 1\nKL 0.70 nats", "dimension 3\nKL 0.00 nats, collapsed"]
    picture = drawn(traversals(images, captions, [False, False, True], tmp_path / "t.png", title="Walks", subtitle="s"))
    for i in range(3):
        for j in range(5):
            x, y = LEFT + j * 68 + 32, TOP + i * 72 + 32  # the middle of the tile: 16 pixels are enlarged to 64
            level = round(255 * float(images[i, j, 0, 0, 0]))
            other = level if channels == 1 else 0
            expected = np.array([level, other, other], np.uint8)
            if i == 2:
                expected = faded(expected[None, None])[0, 0]
                assert np.ptp(expected.astype(int)) <= 2 and expected.min() > 185
            assert np.abs(picture[y, x].astype(int) - expected).max() <= 1, (i, j)
    for top in (TOP, TOP + 72, TOP + 144):
        assert (picture[top : top + 64, 48:LEFT] != PAPER).any(), "a caption is missing"


def test_long_captions_stay_left_of_their_images(tmp_path: Path) -> None:
    images = torch.ones(1, 2, 1, 64, 64)
    name = "a very long name of a dimension " * 5
    picture = drawn(traversals(images, [f"{name}\n{name}"], [False], tmp_path / "t.png", title="T"))
    assert (picture[TOP : TOP + 64, LEFT - 8 : LEFT] == PAPER).all()
