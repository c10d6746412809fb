import math

import torch

from tacit.evaluation.intervals import bootstrap, mean_interval


def test_the_interval_of_a_mean_is_the_normal_one_for_many_values():
    values = torch.randn(4_000, generator=torch.Generator().manual_seed(1)) * 3 + 2
    mean, low, high = mean_interval(values, times=2_000)
    half = 1.96 * values.double().std().item() / math.sqrt(len(values))
    assert math.isclose(mean, values.double().mean().item(), rel_tol=1e-12)
    assert abs(low - (mean - half)) < 0.1 * half
    assert abs(high - (mean + half)) < 0.1 * half


def test_intervals_cover_the_truth_as_often_as_they_say():
    draws = torch.rand(200, 50, generator=torch.Generator().manual_seed(2))
    covered = 0
    for i, values in enumerate(draws):
        _, low, high = mean_interval(values, seed=i, times=200)
        covered += low <= 0.5 <= high
    assert 0.88 < covered / len(draws) < 0.99


def test_the_bootstrap_of_a_mean_is_that_of_its_values_and_repeats():
    values = torch.rand(300, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    ends = bootstrap(lambda index: float(values[index].mean()), 300, seed=5, times=300)
    assert ends == mean_interval(values, seed=5, times=300)[1:]
    assert ends != bootstrap(lambda index: float(values[index].mean()), 300, seed=6, times=300)
