"""Samples beside their nearest: each image where it should be, to the pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tacit.pictures.nearest import ACROSS, APART, GAP, LEFT, SIDE, TOP, beside_nearest


@pytest.mark.parametrize("count", [1, 5])
def test_neighbours_stand_right_of_their_sample(count: int, tmp_path: Path) -> None:
    shade = 12 * torch.arange(count * 4).view(count, 4)  # the sample, and its three nearest
    images = shade[:, :, None, None, None] / 255 * torch.ones(1, 8, 8)
    path = beside_nearest(images[:, 0], images[:, 1:], torch.rand(count, 3), tmp_path / "n.png", title="Nearest")
    with Image.open(path) as image:
        page = np.asarray(image.convert("RGB"))
    pitch = page.shape[0] - TOP - 30 if count == 1 else (page.shape[0] - TOP - 30) // 2
    for i in range(count):
        for j in range(4):
            left = LEFT + i % ACROSS * (4 * SIDE + 4 * GAP + APART) + j * (SIDE + GAP) + GAP * (j > 0)
            tile = page[TOP + i // ACROSS * pitch :, left:][:SIDE, :SIDE]
            assert (tile == int(shade[i, j])).all()


def test_large_images_fit(tmp_path: Path) -> None:
    path = beside_nearest(torch.rand(4, 3, 120, 90), torch.rand(4, 3, 3, 120, 90), 100 * torch.rand(4, 3),
                          tmp_path / "n.png", title="Samples of a method and their nearest data")
    with Image.open(path) as image:
        page = np.asarray(image.convert("L"))
    assert (page[:, -12:] > 240).all() and (page[-12:] > 240).all()  # nothing runs off
