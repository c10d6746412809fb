"""Annealing between Gaussians, whose constants are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal

from tacit.functional.annealing import anneal, evaluated, moved, sigmoid_schedule, step_sizes
from tacit.functional.importance import log_mean_exp

N, D, SIGMA = 6, 5, 0.7


@pytest.fixture(scope="module")
def linear():
    """Observations of x = W z + sigma e, with what is known of them in closed form."""
    g = torch.Generator().manual_seed(0)
    w = torch.randn(D, 2, generator=g, dtype=torch.float64)
    x = torch.randn(N, 2, generator=g, dtype=torch.float64) @ w.T
    x += SIGMA * torch.randn(N, D, generator=g, dtype=torch.float64)
    log_p = MultivariateNormal(torch.zeros(D).double(), w @ w.T + SIGMA**2 * torch.eye(D)).log_prob(x)
    covariance = torch.linalg.inv(torch.eye(2) + w.T @ w / SIGMA**2)
    return x, w, log_p, x @ w @ covariance / SIGMA**2, covariance


def prior(z: Tensor) -> Tensor:
    return Normal(0.0, 1.0).log_prob(z).sum(-1)


def joint(x: Tensor, w: Tensor):
    return lambda z: prior(z) + Normal(z @ w.T, SIGMA).log_prob(x).sum(-1)


def draws(k: int, seed: int) -> Tensor:
    return torch.randn(k, N, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_constant_of_a_linear_gaussian_model_is_found_to_a_hundredth_of_a_nat(linear) -> None:
    """From a Gaussian that is off, and narrow as a mean field's, to the joint density; and back from the posterior."""
    x, w, log_p, mean, covariance = linear
    spread = covariance.diagonal().sqrt()
    first, last = (lambda z: Normal(mean + 0.5 * spread, spread).log_prob(z).sum(-1)), joint(x, w)
    how = {"temperatures": sigmoid_schedule(20), "scale": spread, "generator": torch.Generator().manual_seed(1)}
    start = mean + spread * (0.5 + draws(800, 3))
    steps = step_sizes(first, last, start[:4], **how)
    assert steps.shape == (19, N)
    up = anneal(first, last, start[4:], steps=steps, **how)
    assert up.log_w.dtype == torch.float64 and up.z.shape == (796, N, 2)
    torch.testing.assert_close(log_mean_exp(up.log_w).mean(), log_p.mean(), atol=0.01, rtol=0)
    true = mean + draws(800, 4) @ torch.linalg.cholesky(covariance).T
    down = anneal(last, first, true, steps=steps.flip(0), **how)
    torch.testing.assert_close(-log_mean_exp(down.log_w).mean(), log_p.mean(), atol=0.01, rtol=0)


def test_importance_weights_find_it_as_well(linear) -> None:
    x, w, log_p, mean, covariance = linear
    spread = 1.2 * covariance.diagonal().sqrt()
    z = mean + spread * draws(10_000, 5)
    log_w = joint(x, w)(z) - Normal(mean, spread).log_prob(z).sum(-1)
    torch.testing.assert_close(log_mean_exp(log_w), log_p, atol=0.02, rtol=0)
    torch.testing.assert_close(log_mean_exp(log_w).mean(), log_p.mean(), atol=0.01, rtol=0)


def test_weights_are_unbiased_whatever_the_step_size(linear) -> None:
    """A single chain with far too few temperatures and bad steps is no less unbiased than a good one, only noisier."""
    x, w, log_p, _, _ = linear
    first = lambda z: Normal(0.0, 0.6).log_prob(z).sum(-1)  # noqa: E731
    for size in (0.01, 0.3, 5.0):
        found = anneal(
            lambda z: prior(z), first, draws(15_000, 6), temperatures=torch.linspace(0, 1, 4).double(),
            steps=torch.full((2, N), size), leapfrogs=2, generator=torch.Generator().manual_seed(7),
        )  # fmt: skip
        torch.testing.assert_close(log_mean_exp(found.log_w).mean(), torch.tensor(0.0).double(), atol=0.01, rtol=0)


def test_one_step_of_the_path_is_plain_importance_sampling(linear) -> None:
    x, w, *_ = linear
    z = draws(50, 8)
    found = anneal(prior, joint(x, w), z, temperatures=torch.tensor([0.0, 1.0]), steps=torch.empty(0, N))
    torch.testing.assert_close(found.log_w, joint(x, w)(z) - prior(z))
    assert torch.equal(found.z, z) and found.acceptance.eq(0).all()


def test_below_and_above_enclose_the_truth_and_draw_nearer_with_temperatures(linear) -> None:
    x, w, log_p, mean, covariance = linear
    true = mean + draws(40, 9) @ torch.linalg.cholesky(covariance).T
    gaps = []
    for count in (3, 30):
        betas, g = sigmoid_schedule(count), torch.Generator().manual_seed(10)
        steps = step_sizes(prior, joint(x, w), draws(4, 11), temperatures=betas, generator=g)
        up = anneal(prior, joint(x, w), draws(40, 12), temperatures=betas, steps=steps, generator=g)
        down = anneal(joint(x, w), prior, true, temperatures=betas, steps=steps.flip(0), generator=g)
        low, high = up.log_w.mean(0), -down.log_w.mean(0)  # single chains: the loosest of bounds
        assert (low < log_p).all() and (log_p < high).all()
        gaps.append(float((high - low).mean()))
    assert gaps[1] < 0.4 * gaps[0]


def test_a_move_leaves_the_density_at_its_temperature_invariant(linear) -> None:
    x, w, log_p, mean, covariance = linear
    posterior = MultivariateNormal(mean, covariance)
    z = mean + draws(8_000, 13) @ torch.linalg.cholesky(covariance).T
    path, g = (prior, joint(x, w)), torch.Generator().manual_seed(14)
    state = evaluated(path, z)
    for _ in range(3):
        state, chance = moved(path, state, 1.0, torch.full((N,), 0.35), 1.0, 3, g)
    assert 0.3 < chance.mean() < 0.9
    torch.testing.assert_close(state.z.mean(0), mean, atol=0.02, rtol=0)
    torch.testing.assert_close(torch.stack([torch.cov(state.z[:, n].T) for n in range(N)]), covariance.expand(N, 2, 2),
                               atol=0.02, rtol=0.03)  # fmt: skip
    assert (state.z - z).abs().mean() > 0.1
    torch.testing.assert_close(state.last[0] - posterior.log_prob(state.z), log_p.expand(8_000, N))


def test_leapfrog_steps_are_reversible_and_keep_energy(linear) -> None:
    x, w, *_ = linear
    path, z = (prior, joint(x, w)), draws(100, 15)
    _, chance = moved(path, evaluated(path, z), 0.5, torch.full((N,), 0.01), 1.0, 10, torch.Generator().manual_seed(0))
    assert chance.min() > 0.995
    errors = []
    for size in (0.02, 0.01):  # an integrator of second order: half the step, a quarter of the error
        _, chance = moved(path, evaluated(path, z), 1.0, torch.full((N,), size), 1.0, round(0.2 / size),
                          torch.Generator().manual_seed(0))  # fmt: skip
        errors.append(float((1 - chance).mean()))
    assert 2.5 < errors[0] / errors[1] < 6


def test_step_sizes_come_to_the_acceptance_that_they_aim_at(linear) -> None:
    x, w, *_ = linear
    betas = torch.linspace(0, 1, 61).double()
    found = step_sizes(prior, joint(x, w), draws(8, 16), temperatures=betas, generator=torch.Generator().manual_seed(1))
    run = anneal(prior, joint(x, w), draws(8, 17), temperatures=betas, steps=found,
                 generator=torch.Generator().manual_seed(2))  # fmt: skip
    assert 0.55 < run.acceptance.mean() < 0.75
    assert found[-1].mean() < found[0].mean(), "the posterior is narrower than the prior"


def test_where_the_density_ends_a_walk_is_not_taken() -> None:
    def half(z: Tensor) -> Tensor:
        return prior(z) + torch.where(z[..., 0] > 0, 0.0, -math.inf)

    state = evaluated((half, half), draws(500, 18).abs())
    after, chance = moved((half, half), state, 0.5, torch.full((N,), 1.0), 1.0, 2, torch.Generator().manual_seed(3))
    assert (after.z[..., 0] > 0).all() and chance.isfinite().all() and (chance == 0).any()


def test_the_schedule_is_its_own_mirror() -> None:
    found = sigmoid_schedule(50)
    torch.testing.assert_close(found, 1 - found.flip(0))
    assert found[0] == 0 and found[-1] == 1 and (found.diff() > 0).all()


def test_a_seed_decides_everything(linear) -> None:
    x, w, *_ = linear
    state = torch.get_rng_state()
    betas = sigmoid_schedule(5)
    first, second = (
        anneal(prior, joint(x, w), draws(3, 19), temperatures=betas, steps=torch.full((4, N), 0.3),
               generator=torch.Generator().manual_seed(4)).log_w
        for _ in range(2)
    )  # fmt: skip
    assert torch.equal(first, second) and torch.equal(state, torch.get_rng_state())
