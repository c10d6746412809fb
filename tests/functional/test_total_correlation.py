"""Estimates from a batch against slow loops, closed forms and averages over all batches."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn.functional import softplus

from tacit.functional import total_correlation as tc
from tacit.functional.divergences import kl_standard_normal


def posteriors(n: int = 6, d: int = 3, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mean, log_var, eps = (torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(3))
    return mean + (0.5 * log_var).exp() * eps, mean, log_var


@pytest.mark.parametrize("weights", [tc.minibatch_stratified, tc.minibatch_weighted])
def test_the_terms_are_the_slow_sums(weights: Callable[[int, int], Tensor]) -> None:
    z, mean, log_var = posteriors()
    log_weights = weights(6, 20).double()
    found = tc.decomposed(z, mean, log_var, log_weights)
    for i in range(6):
        density = [[math.exp(Normal(mean[j, k], (0.5 * log_var[j, k]).exp()).log_prob(z[i, k]).item())
                    for k in range(3)] for j in range(6)]  # fmt: skip
        w = log_weights[i].exp().tolist()
        q = sum(w[j] * math.prod(density[j]) for j in range(6))
        alone = [sum(w[j] * density[j][k] for j in range(6)) for k in range(3)]
        prior = sum(Normal(0.0, 1.0).log_prob(z[i, k]).item() for k in range(3))
        assert found.mutual_information[i].item() == pytest.approx(math.log(math.prod(density[i]) / q), abs=1e-6)
        assert found.total_correlation[i].item() == pytest.approx(math.log(q / math.prod(alone)), abs=1e-6)
        assert found.dimension_kl[i].item() == pytest.approx(math.log(math.prod(alone)) - prior, abs=1e-6)


def test_the_terms_sum_to_the_kl_on_average_over_draws() -> None:
    _, mean, log_var = posteriors()
    generator = torch.Generator().manual_seed(1)
    log_weights = tc.minibatch_stratified(6, 50).double()
    eps = torch.randn(600, 6, 3, generator=generator, dtype=torch.float64)
    sums = torch.stack([
        sum(tc.decomposed(mean + (0.5 * log_var).exp() * e, mean, log_var, log_weights)).mean() for e in eps
    ])  # fmt: skip
    exact = kl_standard_normal(mean, log_var).sum(1).mean()
    assert abs(sums.mean() - exact) < 4 * sums.std() / math.sqrt(600)


def test_stratified_weights_give_q_on_average_over_every_batch() -> None:
    """Of eight posteriors, all ordered batches of three that begin with the one that z was drawn from."""
    z, mean, log_var = posteriors(8)
    density = Normal(mean, (0.5 * log_var).exp()).log_prob(z[0]).sum(1).exp()  # (8,), q(z_0 | x_j)
    weights = tc.minibatch_stratified(3, 8)[0].exp().double()
    batches = torch.tensor([(0, *rest) for rest in itertools.permutations(range(1, 8), 2)])
    mean_estimate = (density[batches] * weights).sum(1).mean()
    assert mean_estimate.item() == pytest.approx(density.mean().item(), rel=1e-6)


@pytest.mark.parametrize(("batch", "samples"), [(2, 5), (7, 7), (7, 3), (64, 50_000)])
def test_stratified_weights_sum_to_1_with_the_own_one_on_the_diagonal(batch: int, samples: int) -> None:
    weights = tc.minibatch_stratified(batch, samples).exp()
    torch.testing.assert_close(weights.sum(1), torch.ones(batch))
    torch.testing.assert_close(weights.sum(0), torch.ones(batch))
    torch.testing.assert_close(weights.diagonal(), torch.full((batch,), 1 / max(batch, samples)))


def test_of_one_sample_nothing_is_said() -> None:
    z, mean, log_var = posteriors(1)
    found = tc.decomposed(z, mean, log_var, tc.minibatch_stratified(1, 1_000).double())
    assert found.mutual_information.item() == pytest.approx(0, abs=1e-12)
    assert found.total_correlation.item() == pytest.approx(0, abs=1e-12)


def correlated(n: int, rho: float, generator: torch.Generator) -> Tensor:
    u, v = torch.randn(2, n, generator=generator)
    return torch.stack([u, rho * u + math.sqrt(1 - rho**2) * v], 1)


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_with_all_samples_in_the_batch_the_correlation_is_that_of_the_gaussian(rho: float) -> None:
    """Posteriors of spread 0.5 around draws of a Gaussian make q(z) nearly a Gaussian of covariance rho."""
    means = correlated(1_000, rho, torch.Generator().manual_seed(0)).double()
    z = means + 0.5 * torch.randn(1_000, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weights = torch.full((1_000, 1_000), -math.log(1_000), dtype=torch.float64)
    found = tc.decomposed(z, means, torch.full_like(means, 2 * math.log(0.5)), weights)
    exact = -0.5 * math.log(1 - (rho / 1.25) ** 2)
    assert found.total_correlation.mean().item() == pytest.approx(exact, abs=0.05)


def test_permuting_keeps_every_marginal_exactly_and_breaks_the_pairs() -> None:
    z = correlated(500, 0.9, torch.Generator().manual_seed(0))
    made = tc.permuted(z, generator=torch.Generator().manual_seed(1))
    assert torch.equal(made.sort(0).values, z.sort(0).values)
    assert abs(torch.corrcoef(made.T)[0, 1]) < 0.15 < abs(torch.corrcoef(z.T)[0, 1])
    same = torch.stack([z[:, 0], z[:, 0]], 1)
    moved = tc.permuted(same, generator=torch.Generator().manual_seed(1))
    assert (moved[:, 0] != moved[:, 1]).float().mean() > 0.9, "each dimension has an order of its own"


@pytest.mark.parametrize("rho", [0.0, 0.7])
def test_a_discriminator_of_permuted_latents_finds_the_total_correlation(rho: float) -> None:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(2)
    net = nn.Sequential(nn.Linear(2, 32), nn.SiLU(), nn.Linear(32, 32), nn.SiLU(), nn.Linear(32, 1))
    adam = torch.optim.Adam(net.parameters(), lr=1e-2, fused=True)
    for step in range(200):
        adam.param_groups[0]["lr"] = 1e-2 * (1 - step / 200)
        z, other = correlated(512, rho, generator), correlated(512, rho, generator)
        loss = softplus(-net(z)).mean() + softplus(net(tc.permuted(other, generator=generator))).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    with torch.no_grad():
        found = net(correlated(20_000, rho, generator)).mean().item()
    assert found == pytest.approx(-0.5 * math.log(1 - rho**2), abs=0.05)
