import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from tacit.functional.divergences import discriminator_value, jensen_shannon, kl_standard_normal
from tacit.functional.likelihoods import gaussian

GRID = torch.linspace(-12, 14, 26_001, dtype=torch.float64)[:, None]
CELL = 1e-3


def density(mean: float, sigma: float) -> Tensor:
    return gaussian(GRID, torch.tensor(mean).double(), torch.tensor(sigma).double().log())


def test_kl_is_that_of_torch_in_each_dimension() -> None:
    mean, log_var = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = kl_divergence(Normal(mean, (0.5 * log_var).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(kl_standard_normal(mean, log_var), expected)


def test_kl_of_the_prior_is_zero() -> None:
    assert kl_standard_normal(torch.zeros(2, 3), torch.zeros(2, 3)).abs().max() == 0


def test_the_best_discriminator_of_two_gaussians() -> None:
    log_p, log_q = density(0, 1), density(1, 1.5)
    best = log_p - log_q
    assert best[GRID[:, 0].abs().argmin()].sigmoid().item() == pytest.approx(0.651965, abs=1e-6)
    assert discriminator_value(log_p, log_q, best, CELL).item() == pytest.approx(-1.187714, abs=1e-6)
    assert jensen_shannon(log_p, log_q, CELL).item() == pytest.approx(0.099290, abs=1e-6)


def test_no_other_discriminator_is_worth_more() -> None:
    log_p, log_q = density(0, 1), density(1, 1.5)
    best = discriminator_value(log_p, log_q, log_p - log_q, CELL)
    for other in (0.9 * (log_p - log_q), log_p - log_q + 0.1, torch.zeros_like(log_p)):
        assert discriminator_value(log_p, log_q, other, CELL) < best


def test_jensen_shannon_runs_from_zero_to_log_two() -> None:
    same, far = density(0, 1), density(0, 0.01)
    assert jensen_shannon(same, same, CELL).item() == pytest.approx(0, abs=1e-12)
    assert jensen_shannon(density(-6, 0.1), density(6, 0.1), CELL).item() == pytest.approx(math.log(2), abs=1e-6)
    assert jensen_shannon(same, far, CELL).item() == pytest.approx(jensen_shannon(far, same, CELL).item(), abs=1e-12)
