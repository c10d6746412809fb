"""The corrected share of variance against permutations and closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from tacit.functional.explained import quantile_groups, share_explained


def slow_share(values: torch.Tensor, group: torch.Tensor) -> float:
    within = sum(float((values[group == g] - values[group == g].mean()).square().sum()) for g in group.unique())
    return 1 - within / float((values - values.mean()).square().sum())


def test_correction_takes_the_mean_over_permutations_to_0() -> None:
    generator = torch.Generator().manual_seed(0)
    values, group = torch.randn(60, generator=generator).exp().double(), torch.arange(60) % 7
    shuffled = [values[torch.randperm(60, generator=generator)] for _ in range(1_000)]
    chance = sum(slow_share(v, group) for v in shuffled) / 1_000
    share = slow_share(values, group)
    assert share_explained(values, group) == pytest.approx((share - chance) / (1 - chance), abs=5e-3)
    mean = sum(share_explained(v, group) for v in shuffled) / 1_000
    assert abs(mean) < 8e-3 < chance


def test_share_is_that_of_groups_with_a_known_spread() -> None:
    generator = torch.Generator().manual_seed(1)
    group = torch.arange(20_000) % 4
    values = 2.0 * group + torch.randn(20_000, generator=generator, dtype=torch.float64)
    expected = 4 * 1.25 / (4 * 1.25 + 1)  # the variance of 0, 1, 2, 3 is 1.25
    assert share_explained(values, group) == pytest.approx(expected, abs=0.01)
    assert share_explained(values * 1e-6 + 1e3, group) == pytest.approx(share_explained(values, group), rel=1e-5)


def test_a_bent_relation_is_seen() -> None:
    x = torch.linspace(-1, 1, 1_000)
    assert abs(float(torch.corrcoef(torch.stack([x, x.square()]))[0, 1])) < 1e-5
    assert share_explained(x.square(), quantile_groups(x)) > 0.9


def test_nothing_is_said_where_nothing_can_be() -> None:
    values = torch.arange(6.0)
    assert math.isnan(share_explained(values, torch.zeros(6, dtype=torch.int64)))
    assert math.isnan(share_explained(values, torch.arange(6)))
    assert math.isnan(share_explained(torch.ones(6), torch.arange(6) % 2))


def test_groups_are_tenths_with_equal_numbers_together_and_missing_apart() -> None:
    x = torch.arange(1_000.0).roll(123)
    assert quantile_groups(x).bincount().tolist() == pytest.approx([100] * 10, abs=1)
    assert (quantile_groups(x).diff()[x.diff() > 0] >= 0).all()
    many = torch.cat([torch.zeros(500), torch.arange(1.0, 501.0), torch.tensor([math.nan])])
    group = quantile_groups(many)
    assert len(group[:500].unique()) == 1 and group[-1] == -1 and (group[:-1] >= 0).all()
    assert quantile_groups(torch.tensor([7.0, 3.0, 7.0])).tolist() == [1, 0, 1]
