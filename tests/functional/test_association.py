"""What factors explain of maps and groupings, against slow definitions and where the answer is known."""

from __future__ import annotations

import math

import pytest
import scipy.linalg
import torch
from torch.nn.functional import one_hot

from tacit.functional.association import groups_explained, largest_share
from tacit.functional.explained import share_explained


def planted(n: int = 300, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    group = torch.randint(4, (n,), generator=generator)
    places = torch.randn(n, 2, generator=generator) * torch.tensor([3.0, 1.0])
    places[:, 1] += 2 * group
    return places, group


def test_the_share_is_the_greatest_generalised_eigenvalue() -> None:
    places, group = planted()
    x = (places - places.mean(0)).double()
    means = torch.stack([x[group == g].mean(0) for g in range(4)])[group]
    value = scipy.linalg.eigh((means.T @ means).numpy(), (x.T @ x).numpy(), eigvals_only=True)[-1]
    shuffled = [largest_share(x[torch.randperm(300, generator=torch.Generator().manual_seed(s))], group)
                for s in range(40)]
    assert largest_share(places, group) == pytest.approx(value, abs=0.02)  # less what chance gives, 0.015
    assert largest_share(places, group) < value
    assert abs(sum(shuffled) / 40) < 0.005 and min(shuffled) < 0


def test_turned_and_stretched_maps_have_the_same() -> None:
    places, group = planted()
    turn = torch.tensor([[0.6, 0.8], [-0.8, 0.6]])
    for other in (places @ turn, places @ turn * torch.tensor([1.0, 100.0]) + 7, places.flip(1)):
        assert largest_share(other, group) == pytest.approx(largest_share(places, group), abs=1e-5)
    axes = [share_explained(axis, group) for axis in (places @ turn).T]
    assert largest_share(places, group) > max(axes) + 0.1


def test_maps_without_variance_or_groups_have_no_share() -> None:
    places, group = planted(50)
    assert math.isnan(largest_share(torch.zeros(50, 2), group))
    assert math.isnan(largest_share(places, torch.zeros(50, dtype=torch.int64)))
    assert math.isnan(largest_share(places, torch.arange(50)))
    line = torch.stack([places[:, 0], 2 * places[:, 0]], 1)
    assert largest_share(line, group) == pytest.approx(share_explained(places[:, 0], group), abs=0.03)


def test_tau_is_the_indicators_share_of_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    by = torch.randint(5, (400,), generator=generator)
    other = torch.randint(3, (400,), generator=generator)
    told = torch.where(torch.rand(400, generator=generator) < 0.5, by % 3, other)
    columns = one_hot(told).double()
    weight = columns.var(0, correction=0)
    shares = torch.tensor([share_explained(c, by) for c in columns.T], dtype=torch.float64)
    assert groups_explained(told, by) == pytest.approx(float((weight * shares).sum() / weight.sum()), abs=1e-12)
    errors = 1 - sum((told[by == b].bincount(minlength=3).double() / (by == b).sum()).square().sum() * (by == b).sum()
                     for b in range(5)) / 400  # of guesses in proportion
    blind = 1 - (told.bincount().double() / 400).square().sum()
    tau = 1 - float(errors / blind)
    assert groups_explained(told, by) == pytest.approx((tau - 4 / 399) / (1 - 4 / 399), abs=1e-12)


def test_unrelated_groupings_explain_nothing_on_average() -> None:
    found = []
    for seed in range(100):
        generator = torch.Generator().manual_seed(seed)
        found.append(groups_explained(*torch.randint(6, (2, 120), generator=generator)))
    assert abs(sum(found) / 100) < 0.005 and min(found) < 0 < max(found)


def test_a_grouping_of_one_group_has_no_tau() -> None:
    group = torch.arange(10) % 2
    assert math.isnan(groups_explained(torch.zeros(10, dtype=torch.int64), group))
    assert math.isnan(groups_explained(group, torch.zeros(10, dtype=torch.int64)))
    assert math.isnan(groups_explained(group, torch.arange(10)))
