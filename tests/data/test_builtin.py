"""The sources that are built in: what they hold, and that sample i depends on i alone."""

from typing import Any

import numpy as np
import pytest
import torch

from tacit.data.builtin import BUILTIN, MIXTURE, SHAPES, mixture_log_density, render_shapes
from tacit.data.options import ReadOptions
from tacit.data.raw import Raw
from tacit.errors import OptionError

RENDERED = ["shapes", "moons", "rings", "mixture-1d"]


def opened(name: str, **options: Any) -> Raw:
    return BUILTIN[name](ReadOptions(**options))


def test_digits_are_the_digits() -> None:
    raw = opened("digits")
    assert raw.x.shape == (1797, 1, 8, 8) and raw.x.dtype == torch.uint8
    assert raw.x.min() == 0 and raw.x.max() == 255
    assert raw.label[:4] == ["0", "1", "2", "3"] and set(raw.label) == set("0123456789")
    assert raw.ids[:2] == ["digits/0000", "digits/0001"] and raw.range == (0.0, 1.0)


def test_digits_take_a_size_and_no_count() -> None:
    raw = opened("digits", size=16, colour="rgb", labels="none")
    assert raw.x.shape == (1797, 3, 16, 16) and raw.label is None
    assert "3 x 16 x 16" in raw.notes[0]
    with pytest.raises(OptionError, match="1,797"):
        opened("digits", count=10)


@pytest.mark.parametrize("name", RENDERED)
def test_fewer_samples_are_the_first_of_more(name: str) -> None:
    few, many = opened(name, count=40), opened(name, count=1300)
    assert torch.equal(few.x, many.x[:40])
    assert list(few.ids) == list(many.ids[:40]) and list(few.label) == list(many.label[:40])
    assert all(np.array_equal(few.columns[k], many.columns[k][:40]) for k in few.columns)
    assert few.fingerprint != many.fingerprint == opened(name, count=1300).fingerprint


@pytest.mark.parametrize("name", RENDERED)
def test_labels_are_about_even_and_count_is_checked(name: str) -> None:
    labels = opened(name, count=900).label
    shares = {word: labels.count(word) / 900 for word in set(labels)}
    assert min(shares.values()) > 0.25
    with pytest.raises(OptionError, match="0"):
        opened(name, count=0)


def test_shapes_lie_where_their_factors_say() -> None:
    raw = opened("shapes", count=200, size=48)
    assert raw.x.shape == (200, 3, 48, 48) and raw.x.dtype == torch.uint8
    light = raw.x.float().amax(1) / 255  # (N, H, W), coverage: value is 1
    middles = (torch.arange(48) + 0.5) / 48
    across = (light.sum(1) * middles).sum(1) / light.sum((1, 2))
    down = (light.sum(2) * middles).sum(1) / light.sum((1, 2))
    radius = torch.from_numpy(raw.columns["scale"])
    assert ((across - torch.from_numpy(raw.columns["x"])).abs() < 0.2 * radius).all()
    assert ((down - torch.from_numpy(raw.columns["y"])).abs() < 0.2 * radius).all()
    assert light[:, [0, -1]].max() == 0 and light[:, :, [0, -1]].max() == 0, "nothing touches the border"
    assert [SHAPES[s] for s in raw.columns["shape"]] == raw.label


def test_the_area_of_each_shape_is_that_of_its_outline() -> None:
    factors = {"shape": np.arange(3), "scale": np.full(3, 0.4), "angle": np.array([10.0, 50, 77]), "x": np.full(3, 0.5),
               "y": np.full(3, 0.5), "colour": np.zeros(3)}
    area = render_shapes(factors, 100)[:, 0].float().sum((1, 2)) / 255  # in pixels; red is full
    half = 0.55
    unit = torch.tensor([np.pi * 0.55, 4 * half**2 + np.pi * half**2, 2.0])
    torch.testing.assert_close(area, unit * 40**2, rtol=0.01, atol=0)


def test_shapes_are_anti_aliased_and_turn_anticlockwise() -> None:
    factors = {"shape": np.zeros(2), "scale": np.full(2, 0.4), "angle": np.array([0.0, 45]), "x": np.full(2, 0.5),
               "y": np.full(2, 0.5), "colour": np.zeros(2)}
    flat, turned = render_shapes(factors, 64)[:, 0].float()
    assert ((flat > 0) & (flat < 255)).sum() > 40
    torch.testing.assert_close(flat, flat.flip(0).flip(1))
    diagonal = torch.arange(64)
    up, down = turned[63 - diagonal, diagonal].sum(), turned[diagonal, diagonal].sum()
    assert up > 1.3 * down, "the long axis goes to the upper right"


def test_hue_is_the_colour() -> None:
    factors = {k: np.full(3, v) for k, v in {"shape": 2, "scale": 0.4, "angle": 0, "x": 0.5, "y": 0.5}.items()}
    centre = render_shapes({**factors, "colour": np.array([0, 1 / 3, 2 / 3])}, 16)[:, :, 8, 8]
    assert centre.argmax(1).tolist() == [0, 1, 2] and (centre.max(1).values == 255).all()


def test_rings_and_moons_lie_on_their_circles() -> None:
    rings = opened("rings", count=600)
    inner = torch.tensor([word == "inner" for word in rings.label])
    radius = rings.x.norm(dim=1)
    assert abs(radius[inner].mean() - 1) < 0.02 and abs(radius[~inner].mean() - 2) < 0.02
    moons = opened("moons", count=600)
    upper = torch.tensor([word == "upper" for word in moons.label])
    assert moons.x.dtype == torch.float32 and rings.range is None
    assert abs(moons.x[upper].norm(dim=1).mean() - 1) < 0.02
    assert abs((moons.x[~upper] - torch.tensor([1.0, 0.5])).norm(dim=1).mean() - 1) < 0.02


def test_mixture_has_the_density_that_it_states() -> None:
    raw = opened("mixture-1d", count=20_000)
    assert raw.x.shape == (20_000, 1)
    for (weight, mean, deviation), word in zip(MIXTURE, ("left", "right"), strict=True):
        part = raw.x[torch.tensor([w == word for w in raw.label])]
        assert abs(len(part) / 20_000 - weight) < 0.01
        assert abs(part.mean() - mean) < 0.02 and abs(part.std() - deviation) < 0.02
    grid = torch.linspace(-6, 6, 4001)[:, None]
    density = mixture_log_density(grid).exp()
    assert density.shape == (4001,) and abs(torch.trapezoid(density, grid[:, 0]) - 1) < 1e-4
    cumulative = torch.cumulative_trapezoid(density, grid[:, 0])
    seen = torch.searchsorted(raw.x[:, 0].sort().values, grid[1:, 0]) / 20_000
    assert (cumulative - seen).abs().max() < 1.6 / 20_000**0.5, "Kolmogorov-Smirnov, 1 %"
