"""Maps: what is shown, where, and in what colour."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tacit.pictures import maps
from tacit.pictures.maps import scatter_map

PAPER = (252, 252, 250)


def places(n: int = 300) -> torch.Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([30.0, 10.0])


def picture_of(path: Path) -> Any:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def rim_is_empty(path: Path) -> bool:
    picture = picture_of(path)
    return all((rim == PAPER).all() for rim in (picture[:12], picture[-12:], picture[:, :12], picture[:, -12:]))


@pytest.mark.parametrize("thumbnails", [None, torch.rand(300, 3, 40, 20), torch.rand(300, 1, 8, 8)])
def test_maps_by_class(thumbnails: torch.Tensor | None, tmp_path: Path) -> None:
    labels = torch.arange(300) % 40 - 1
    names = [f"a class with quite a long name, number {i}" for i in range(39)]
    path = scatter_map(places(), tmp_path / "a.png", labels=labels, names=names, thumbnails=thumbnails, title="$ and _")
    assert rim_is_empty(path)


def test_maps_by_value_and_by_nothing(tmp_path: Path) -> None:
    values = torch.arange(300.0)
    values[3] = math.nan
    coloured = scatter_map(places(), tmp_path / "a.png", values=values, names=["distance to the nearest centre, nats"])
    plain = scatter_map(places(), tmp_path / "b.png")
    assert rim_is_empty(coloured) and rim_is_empty(plain)
    assert picture_of(coloured).shape[1] > picture_of(plain).shape[1]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_few_or_equal_places_have_a_map(count: int, tmp_path: Path) -> None:
    where = torch.ones(count, 2)
    assert rim_is_empty(scatter_map(where, tmp_path / "a.png", labels=torch.zeros(count, dtype=torch.int64)))
    assert rim_is_empty(scatter_map(where, tmp_path / "b.png", thumbnails=torch.rand(count, 1, 8, 8)))


def test_places_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    where = places()
    where[7] = math.nan
    labels = torch.arange(300) % 3
    scatter_map(where, tmp_path / "a.png", labels=labels, thumbnails=torch.rand(300, 1, 8, 8))
    scatter_map(where, tmp_path / "b.png", values=labels.float())


def test_proportions_are_kept_and_far_places_moved_to_the_edge() -> None:
    where = np.array([[0.0, 0.0], [4.0, 1.0], [2.0, 2.0]] * 1_000 + [[1e6, 1.0]])
    shown, width, height = maps.on_canvas(where, 0)
    step = shown[1] - shown[0]
    assert step[0] == pytest.approx(4 * step[1])
    assert (width, height) == (maps.SIDE, 724)  # no wider nor higher than the places need
    assert (shown >= 0).all() and (shown <= [width, height]).all()
    assert maps.on_canvas(where, 1_000)[2] == 1_000


def test_each_cell_shows_the_sample_in_the_midst_of_its_own() -> None:
    where = np.random.default_rng(0).uniform(0, [1_399, 1_010], (2_000, 2))
    chosen = maps.with_room(where, (1_399, 1_010), (100, 70))
    corners = {(top, left) for _, top, left in chosen}
    assert len(corners) == len(chosen) == 19 * 10
    assert max(top for top, _ in corners) == 900 and max(left for _, left in corners) == 18 * 70  # whole cells only
    for i, top, left in chosen:
        x, y = where[:, 0], 1_010 - where[:, 1]
        own = (left <= x) & ((x < left + 70) | (left == 18 * 70)) & (top <= y) & ((y < top + 100) | (top == 900))
        assert own[i]
        far = np.linalg.norm(where - where[own].mean(0), axis=1)
        assert far[i] == pytest.approx(far[own].min())


def test_a_thumbnail_is_shown_in_its_cell_and_frame() -> None:
    where, image = np.array([[100.0, 850.0]]), torch.rand(1, 1, 8, 8)
    canvas = maps.mosaic(where, (800, 900), image, np.array([[1.0, 0.0, 0.0, 1.0]]))
    rows, columns = np.nonzero(canvas[..., 3])
    assert rows.min() <= 50 <= rows.max() and columns.min() <= 100 <= columns.max()
    tile = canvas[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1, :3]
    assert tile.shape == (52, 52, 3) and (tile[0] == (255, 0, 0)).all()
    np.testing.assert_array_equal(tile[2:-2:6, 2:-2:6, 0], (image[0, 0] * 255).round())


def test_legend_counts_and_puts_the_unlabelled_last() -> None:
    groups = maps.legend_of(np.array([2, 0, 2, -1, 2]), ["zero", "one", "two"])
    assert [group[:3] for group in groups] == [(0, "zero", 1), (2, "two", 3), (-1, "none", 1)]
    assert maps.legend_of(np.array([5, 1]), None)[1][1] == "5"


def test_names_stand_in_the_densest_part() -> None:
    dense = np.random.default_rng(0).normal(300, 10, (90, 2))
    loose = 1_000.0 + 7 * np.arange(50)[:, None] * np.ones(2)
    assert maps.densest(np.concatenate([dense, loose])) == pytest.approx((300, 300), abs=30)
