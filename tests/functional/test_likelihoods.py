import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Normal

from tacit.functional import likelihoods


@pytest.fixture
def x() -> Tensor:
    return torch.randn(6, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_gaussian_is_torchs_with_the_constant(x: Tensor) -> None:
    mean, log_sigma = x.roll(1, 0), torch.tensor(-0.7, dtype=torch.float64)
    ours = likelihoods.gaussian(x, mean, log_sigma)
    assert ours.shape == (6,)
    torch.testing.assert_close(ours, Normal(mean, log_sigma.exp()).log_prob(x).sum((1, 2)))


def test_gaussian_takes_a_sigma_for_each_value(x: Tensor) -> None:
    log_sigma = torch.linspace(-1, 1, 3, dtype=torch.float64)
    ours = likelihoods.gaussian(x, torch.zeros_like(x), log_sigma)
    torch.testing.assert_close(ours, Normal(0.0, log_sigma.exp()).log_prob(x).sum((1, 2)))


def test_bernoulli_is_torchs_and_keeps_its_precision(x: Tensor) -> None:
    binary = (x > 0).double()
    ours = likelihoods.bernoulli(binary, 3 * x)
    torch.testing.assert_close(ours, Bernoulli(logits=3 * x).log_prob(binary).sum((1, 2)))
    sure = likelihoods.bernoulli(torch.ones(1, 1), torch.tensor([[40.0]]))
    assert sure.item() == pytest.approx(-math.exp(-40), abs=1e-12)


def test_categorical_is_the_cross_entropy_and_silent_on_zeros() -> None:
    logits = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    x = torch.eye(5)[:4].clone()
    x[3] = 0
    expected = -torch.nn.functional.cross_entropy(logits[:3], torch.arange(3), reduction="none")
    torch.testing.assert_close(likelihoods.categorical(x, logits), torch.cat([expected, torch.zeros(1)]))


@pytest.mark.parametrize(("mean", "scale"), [(0.5, 0.1), (0.93, 0.05), (0.0, 0.001), (1.2, 0.02), (0.5, 30.0)])
def test_discretised_logistic_sums_to_one(mean: float, scale: float) -> None:
    x = (torch.arange(256, dtype=torch.float64) / 255)[:, None]
    log_p = likelihoods.discretised_logistic(x, torch.full_like(x, mean), torch.tensor(scale).double().log())
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-6)


def test_discretised_logistic_of_one_bin_is_a_difference_of_sigmoids() -> None:
    x, mean, scale = torch.tensor([[100 / 255]]), torch.tensor([[0.4]]), torch.tensor(0.05)
    expected = ((x - mean + 0.5 / 255) / scale).sigmoid() - ((x - mean - 0.5 / 255) / scale).sigmoid()
    ours = likelihoods.discretised_logistic(x, mean, scale.log())
    torch.testing.assert_close(ours, expected.log()[0], rtol=1e-4, atol=1e-4)


def test_discretised_logistic_stays_finite_far_from_the_data() -> None:
    mean = torch.tensor([[1.0, 0.0, 0.5]], requires_grad=True)
    log_scale = torch.tensor(-7.0, requires_grad=True)
    log_p = likelihoods.discretised_logistic(torch.tensor([[0.0, 1.0, 0.25]]), mean, log_scale)
    log_p.sum().backward()
    assert log_p.isfinite().all()
    assert mean.grad is not None and mean.grad.isfinite().all()
    assert log_scale.grad is not None and log_scale.grad.isfinite()


def test_bits_per_dim_of_discrete_data_is_entropy_plus_kl() -> None:
    p, q = torch.tensor([0.5, 0.25, 0.25]).double(), torch.tensor([0.2, 0.2, 0.6]).double()
    coded = (p * likelihoods.bits_per_dim(likelihoods.categorical(torch.eye(3).double(), q.log()), 1)).sum()
    entropy, kl = -(p * p.log2()).sum(), (p * (p / q).log2()).sum()
    assert coded.item() == pytest.approx((entropy + kl).item(), abs=1e-6)


def test_bits_per_dim_of_the_uniform_density_over_eight_bits() -> None:
    assert likelihoods.bits_per_dim(torch.zeros(2), 3072, levels=256).tolist() == [8, 8]
