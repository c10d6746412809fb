"""Images side by side, to the pixel."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tacit.pictures.grid import grid, near_square, pairs, pixels, rows, save, shortened


def test_every_image_is_where_it_should_be() -> None:
    images = torch.arange(6).view(6, 1, 1, 1) / 10 * torch.ones(1, 1, 4, 5)
    page = np.asarray(grid(images, columns=3, gap=3, scale=2))
    assert page.shape == (3 + 2 * 11, 3 + 3 * 13, 3)
    for i in range(6):
        top, left = 3 + i // 3 * 11, 3 + i % 3 * 13
        assert (page[top : top + 8, left : left + 10] == round(255 * i / 10)).all()
    assert (page[:3] == (252, 252, 250)).all() and (page[:, -3:] == (252, 252, 250)).all()


def test_channels_are_shown_as_stated() -> None:
    x = torch.tensor([0.0, 0.2, 0.4, 0.6]).view(1, 4, 1, 1)
    assert pixels(x[:, 1:2])[0, 0, 0].tolist() == [51, 51, 51]
    assert pixels(x[:, :2])[0, 0, 0].tolist() == [26, 26, 26]  # the mean of two
    assert pixels(x[:, :3])[0, 0, 0].tolist() == [0, 51, 102]
    assert pixels(x)[0, 0, 0].tolist() == [0, 51, 102]  # the first three


def test_what_is_out_of_range_is_clipped() -> None:
    x = torch.tensor([-1.0, 2.0, float("nan")]).view(3, 1, 1, 1)
    assert pixels(x)[:, 0, 0, 0].tolist() == [0, 255, 0]


def test_small_images_are_enlarged_by_whole_pixels() -> None:
    assert grid(torch.rand(1, 1, 8, 8), gap=0).size == (64, 64)
    assert grid(torch.rand(1, 3, 28, 28), gap=0).size == (56, 56)
    assert grid(torch.rand(1, 3, 200, 100), gap=0).size == (100, 200)


def test_captions_fit_below_their_images() -> None:
    page = np.asarray(grid(torch.zeros(2, 1, 8, 8), columns=2, captions=["two", "a very long name " * 9]))
    strip = page[2 + 112 : -2]
    assert (strip.min(axis=(0, 2)) < 100).sum() > 20  # there is ink
    assert (strip[:, :2] > 200).all() and (strip[:, -2:] > 200).all()  # and none at the edges
    assert len(shortened("a very long name " * 9, 112)) < 25


@pytest.mark.parametrize("count", range(1, 40))
def test_grids_are_nearly_square(count: int) -> None:
    columns = near_square(count)
    assert columns**2 >= count and columns <= 1.4 * count**0.5 + 1


def test_pairs_lie_one_above_the_other() -> None:
    top, bottom = torch.full((5, 1, 8, 8), 0.2), torch.full((5, 1, 8, 8), 0.8)
    page = np.asarray(pairs(top, bottom, columns=3))
    column = page[:, 10, 0].tolist()
    runs = [v for i, v in enumerate(column) if i == 0 or v != column[i - 1]]
    assert runs == [252, 51, 252, 204, 252, 51, 252, 204, 252]
    named = pairs(top, bottom, columns=3, names=("data", "restored"))
    assert named.width > page.shape[1] and named.height == page.shape[0]


def test_every_set_has_its_row_and_its_name_beside_it() -> None:
    sets = [torch.full((5, 1, 8, 8), v) for v in (0.2, 0.5, 0.8)]
    page = np.asarray(rows(sets, columns=3))
    column = page[:, 10, 0].tolist()
    found = [v for i, v in enumerate(column) if i == 0 or v != column[i - 1]]
    assert found == [252, *(v for band in range(2) for grey in (51, 128, 204) for v in (grey, 252))]
    named = np.asarray(rows(sets, columns=3, names=("clean", "corrupted", "restored")))
    margin = named[:, : named.shape[1] - page.shape[1]].min(axis=(1, 2)) < 200  # lines of ink
    starts = (np.diff(margin.astype(int), prepend=0) == 1).nonzero()[0]
    middles = [2 + 66 * i + 32 + 208 * band for band in range(2) for i in range(3)]
    assert all(min(abs(starts + 5 - m)) < 8 for m in middles)
    assert (named[:, -page.shape[1] :] == page).all()


def test_a_failed_save_leaves_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(Image.new("RGB", (3, 3), "red"), tmp_path / "new" / "a.png")

    def fails(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="no space"):
        save(Image.new("RGB", (3, 3), "blue"), path)
    assert os.listdir(path.parent) == ["a.png"]
    with Image.open(path) as image:
        assert image.getpixel((0, 0)) == (255, 0, 0)
