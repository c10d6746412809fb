"""Planted shortcuts are called out, and what is none is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import tacit
from tacit.evaluation.factors import explained
from tacit.evaluation.measure import Measure
from tacit.evaluation.shortcuts import (
    ANY,
    CENTRE,
    factors_beside_labels,
    group_shares,
    map_shares,
    warning_of,
)
from tacit.functional.association import groups_explained, largest_share


@pytest.fixture(scope="module")
def digits() -> tuple[Any, Any]:
    """600 digits, and the same of which each is darker by a factor of its own."""
    from sklearn.datasets import load_digits

    images = load_digits().images[:600] / 16
    scale = np.random.default_rng(0).uniform(0.2, 1, (600, 1, 1))
    return (np.round(255 * images).astype(np.uint8), np.round(255 * images * scale).astype(np.uint8))


def measured(data: Any, places: torch.Tensor) -> list[Measure]:
    return list(map_shares(places, factors_beside_labels(data), "all samples"))


def test_brightness_that_was_planted_is_called_out(digits: tuple[Any, Any], tmp_path: Any) -> None:
    plain, planted = (tacit.fit("pca", x, latent=2, out=tmp_path / name, split="0")
                      for x, name in zip(digits, ("plain", "planted"), strict=True))
    assert warning_of(measured(planted.data(), planted.embed())).startswith("this map is mostly brightness (axis 1: 9")
    assert warning_of(measured(plain.data(), plain.embed())) == ""


def test_a_map_with_what_is_faint_in_its_middle_is_called_out() -> None:
    generator = torch.Generator().manual_seed(0)
    out, turn = 1 + torch.rand(400, generator=generator), 6.3 * torch.rand(400, generator=generator)
    places = torch.stack([out * turn.cos(), out * turn.sin()], 1) + 50
    shares = list(map_shares(places, {"brightness": out.numpy()}, "all"))
    assert all(abs(m.value) < 0.1 for m in shares if m.of != CENTRE)
    assert warning_of(shares).startswith("this map is mostly brightness (distance from the centre: ")


def test_groups_by_brightness_are_called_out(digits: tuple[Any, Any]) -> None:
    data = tacit.open_data(digits[1])
    factors = factors_beside_labels(data)
    bright = torch.from_numpy(factors["brightness"])
    group = (bright > bright.median()).long()
    assert warning_of(group_shares(group, factors, "all")).startswith("these clusters are mostly brightness (")
    other = torch.randint(5, (600,), generator=torch.Generator().manual_seed(0))
    shares = list(group_shares(other, factors, "all"))
    assert shares and all(abs(m.value) < 0.05 for m in shares) and warning_of(shares) == ""


def test_a_turned_map_has_the_same_share_along_any_direction() -> None:
    generator = torch.Generator().manual_seed(0)
    places = torch.randn(400, 2, generator=generator)
    factors = {"place": places[:, 0].numpy(), "chance": torch.randn(400, generator=generator).numpy()}
    turn = torch.tensor([[0.6, 0.8], [-0.8, 0.6]])
    straight, turned = ({(m.name, m.of): m for m in map_shares(p, factors, "all")} for p in (places, places @ turn))
    key = ("explained by place", ANY)
    assert turned[key].value == pytest.approx(straight[key].value, abs=1e-6) and straight[key].value > 0.9
    assert turned["explained by place", "axis 1"].value < 0.6
    assert abs(straight["explained by chance", ANY].value) < 0.05
    assert warning_of(straight.values()).startswith("this map is mostly place (axis 1: 9")
    assert warning_of(turned.values()).startswith("this map is mostly place (along one direction: 9")


@pytest.mark.parametrize("share", [largest_share, groups_explained])
def test_intervals_cover_what_is_true(share: Any) -> None:
    """The truth: the share over very many samples."""
    def drawn(seed: int, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        factor = torch.randint(4, (n,), generator=generator)
        if share is groups_explained:
            random = torch.randint(3, (n,), generator=generator)
            return torch.where(torch.rand(n, generator=generator) < 0.5, factor % 3, random), factor
        places = torch.randn(n, 2, generator=generator)
        return torch.stack([places[:, 0], factor + places[:, 1]], 1), factor

    truth, covered = share(*drawn(999, 100_000)), 0
    for seed in range(12):
        values, factor = drawn(seed, 400)
        _, low, high = explained(values, {"factor": factor.numpy()}, share=share, seed=seed)["factor"]
        covered += low <= truth <= high
    assert covered >= 9


def test_words_follow_the_lower_end() -> None:
    def share(name: str, value: float, low: float, of: str = "axis 1", question: str = "maps") -> Measure:
        return Measure(question, f"explained by {name}", value, "", of=of, low=low, high=1.0)

    assert warning_of([share("hue", 0.6, 0.4), share("width", 0.9, 0.8, "axis 2"), share("mode", 0.3, 0.2)]) == \
        "this map is mostly image width (axis 2: 90 %), partly hue (axis 1: 60 %)"
    assert warning_of([share("date", 0.7, 0.6, "", "clusters"), share("folder", 0.8, 0.7, "", "clusters")]) == \
        "these clusters are mostly folder (80 %) and date (70 %)"
    assert warning_of([share("hue", 0.24, 0.23), Measure("maps", "trustworthiness", 0.9, "", low=0.9, high=0.9)]) == ""
    assert warning_of([]) == ""


def test_a_folder_that_is_the_label_is_no_shortcut(digits: tuple[Any, Any]) -> None:
    data = tacit.open_data((digits[0], np.arange(600) % 3))
    row = np.arange(600)
    data.columns = {"folder": np.array(list("abc"))[row % 3], "camera": np.array(list("xy"))[row % 2]}
    assert {"camera", "brightness"} <= set(factors_beside_labels(data))
    assert "folder" not in factors_beside_labels(data)
    data.label = None
    assert "folder" in factors_beside_labels(data)