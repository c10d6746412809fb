"""Pictures: all that should be there is, and nothing is cut off."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from tacit.pictures import plots
from tacit.pictures.theme import oklab, palette

PAPER = (252, 252, 250)


def looked_at(path: Path) -> Any:
    """Returns the pixels of a picture whose rim is empty: nothing was cut off."""
    with Image.open(path) as image:
        picture = np.asarray(image.convert("RGB"))
    for rim in (picture[:12], picture[-12:], picture[:, :12], picture[:, -12:]):
        assert (rim == PAPER).all()
    assert (picture != PAPER).any(2).mean() > 0.003
    return picture


def has(picture: Any, colour: str) -> bool:
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((np.abs(picture.astype(int) - wanted).max(2) < 12).any())


def test_curves_have_a_panel_for_each_term_and_a_row_for_each_player(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"step": i, "seconds": 0.1, "discriminator/loss": 1 / (i + 1), "discriminator/real": 0.5, "generator/loss": i,
         "note": "text", "held_out/generator/loss": i + 1, "generator/broken": math.nan}
        for i in range(200)
    ]  # fmt: skip
    picture = looked_at(plots.curves(rows, tmp_path / "a.png", title="GAN at $5"))
    assert picture.shape == (120 + 2 * 380, 40 + 2 * 520, 3)
    assert has(picture, "#33608f") and has(picture, "#d1703c")


def test_curves_skip_what_is_no_number() -> None:
    rows = [{"step": 5, "a/b": 1.0}, {"step": 9, "a/b": math.inf, "c": True}, {"step": 12, "a/b": 3}]
    assert plots.gathered(rows) == {"a/b": ([5.0, 12.0], [1.0, 3.0])}


@pytest.mark.parametrize("rows", [[], [{"step": 0, "model/loss": 1.0}], [{"loss": 2.0}, {"loss": 2.0}]])
def test_curves_of_little_can_be_drawn(rows: list[dict[str, float]], tmp_path: Path) -> None:
    looked_at(plots.curves(rows, tmp_path / "a.png"))


def test_smoothing_keeps_a_straight_line_and_its_ends() -> None:
    line = list(range(400))
    np.testing.assert_allclose(plots.smoothed([3.0] * 90), 3)
    np.testing.assert_allclose(plots.smoothed(line)[10:-10], line[10:-10])


def test_histogram_of_groups(tmp_path: Path) -> None:
    values = {"training": torch.randn(500), "held-out": torch.cat([torch.randn(50) + 1, torch.tensor([math.nan])])}
    looked_at(plots.histogram(values, tmp_path / "a.png", title="Strangeness", xlabel="nats"))
    looked_at(plots.histogram(torch.zeros(10), tmp_path / "b.png", title="All equal"))


def test_densities(tmp_path: Path) -> None:
    places = torch.linspace(-3, 3, 50)
    density = (places, places.exp())
    path = plots.densities_1d(torch.randn(500, 1), 9 * torch.randn(300), tmp_path / "a.png", density=density)
    picture = looked_at(path)
    assert has(picture, "#c9ced6") and has(picture, "#d1703c") and has(picture, "#33608f")


def test_scatter_shows_both_sides_on_one_scale(tmp_path: Path) -> None:
    data = torch.rand(300, 2)
    picture = looked_at(plots.scatter_2d(data, data[:100] / 10, tmp_path / "a.png"))
    left, right = picture[:, : picture.shape[1] // 2], picture[:, picture.shape[1] // 2 :]
    assert (left != PAPER).any(2).sum() > 2 * (right != PAPER).any(2).sum()  # the smaller cloud covers less
    looked_at(plots.scatter_2d(data, torch.full((5, 2), math.nan), tmp_path / "b.png"))


def test_exemplars_show_images_to_the_pixel(tmp_path: Path) -> None:
    image = torch.rand(1, 3, 16, 16)
    groups = [("a cluster\n12 samples", image.expand(3, -1, -1, -1)), ("b", torch.zeros(7, 3, 16, 16))]
    picture = looked_at(plots.exemplars(groups, tmp_path / "a.png", subtitle="the nearest to each centre"))
    tile = plots.enlarge(plots.pixels(image), 4)[0]
    found = [
        (y, x)
        for y, x in itertools.product(range(130, 170), [300, 368, 436])
        if (picture[y : y + 64, x : x + 64] == tile).all()
    ]
    assert found == [(150, 300), (150, 368), (150, 436)]


def test_table(tmp_path: Path) -> None:
    rows = [["a/very/long/path/" * 9, "3.5", "12%"], ["b", "−4", "7%"]]
    looked_at(plots.table(["id", "age", "share"], rows, tmp_path / "a.png", title="Rows"))
    long = plots.table(["id", "age", "share"], rows, tmp_path / "b.png", title="a long title " * 30, subtitle="x" * 200)
    looked_at(long)
    assert plots.is_number("1,024") and plots.is_number("−3.5%") and not plots.is_number("Bachelors")


def test_no_global_state_is_touched(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    plots.histogram(torch.randn(10), tmp_path / "a.png", title="a")
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("count", [0, 1, 12, 40])
def test_colours_differ(count: int) -> None:
    colours = palette(count)
    seen = [oklab(*bytes.fromhex(c[1:])) for c in colours]
    assert len(colours) == count
    assert all(math.dist(a, b) > 0.06 for a, b in itertools.combinations(seen, 2))
    assert all(math.dist(a, oklab(*PAPER)) > 0.15 for a in seen)


def test_oklab_is_the_published_one() -> None:
    assert oklab(255, 255, 255) == pytest.approx((1, 0, 0), abs=1e-3)
    assert oklab(255, 0, 0) == pytest.approx((0.628, 0.225, 0.126), abs=1e-3)
