"""The jackknife against the t interval, and whether its intervals cover the truth."""

from __future__ import annotations

import pytest
import scipy.stats
import torch

from tacit.functional.jackknife import groups, jackknife_interval


def test_groups_are_a_partition_of_nearly_equal_parts() -> None:
    parts = groups(47, 10, seed=3)
    assert torch.cat(parts).sort().values.tolist() == list(range(47))
    assert {len(p) for p in parts} == {4, 5}
    assert all(torch.equal(a, b) for a, b in zip(parts, groups(47, 10, seed=3), strict=True))
    assert len(groups(3, 10)) == 3


def test_interval_of_a_mean_is_the_t_interval_of_group_means() -> None:
    x = torch.randn(200, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    parts = groups(200, 20)
    without = torch.stack([(x.sum() - x[p].sum()) / 190 for p in parts])
    means = torch.stack([x[p].mean() for p in parts]).numpy()
    expected = scipy.stats.t.interval(0.95, 19, loc=means.mean(), scale=scipy.stats.sem(means))
    assert jackknife_interval(float(x.mean()), without) == pytest.approx(expected)


def test_intervals_of_a_variance_cover_it() -> None:
    generator, covered = torch.Generator().manual_seed(0), 0
    for _ in range(300):
        x = torch.randn(400, generator=generator)
        without = torch.stack([x.square().sum() - x[p].square().sum() for p in groups(400)]) / 380
        low, high = jackknife_interval(float(x.square().mean()), without.double())
        covered += low <= 1 <= high
    assert 0.91 < covered / 300 < 0.99
