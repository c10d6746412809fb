"""The Concrete distribution against torch's, a chi-squared test, and quadrature."""

from __future__ import annotations

import math

import pytest
import scipy.stats
import torch
from torch.distributions import Categorical, RelaxedBernoulli, kl_divergence
from torch.distributions.relaxed_categorical import ExpRelaxedCategorical

from tacit.functional.relaxed import concrete, concrete_log_prob, draw_one_hot, gumbel, kl_uniform, straight_through

LOGITS = torch.tensor([1.0, -0.5, 0.3, 0.0, -2.0])
CPU = torch.device("cpu")
MANY = 20_000


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def are_draws_of_the_softmax(counts: torch.Tensor) -> bool:
    return bool(scipy.stats.chisquare(MANY * counts / counts.sum(), MANY * LOGITS.double().softmax(0)).pvalue > 0.01)


def test_gumbel_draws_have_the_gumbel_distribution() -> None:
    draws = gumbel(MANY, device=CPU, generator=generator())
    assert torch.isfinite(draws).all()
    assert scipy.stats.kstest(draws.numpy(), "gumbel_r").pvalue > 0.01


def test_gumbel_draws_are_finite_at_the_ends_of_the_uniform(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = torch.tensor([0.0, 1.0])
    monkeypatch.setattr("tacit.functional.relaxed.uniform", lambda *shape, device, generator: ends)
    assert torch.isfinite(gumbel(2, device=CPU)).all()


@pytest.mark.parametrize("tau", [1e-3, 0.5, 5.0])
def test_the_greatest_entry_is_a_draw_of_the_softmax(tau: float) -> None:
    rows = concrete(LOGITS.expand(MANY, 5), tau, generator=generator())
    torch.testing.assert_close(rows.exp().sum(-1), torch.ones(MANY))
    assert are_draws_of_the_softmax(torch.bincount(rows.argmax(-1), minlength=5).double())


def test_frequencies_at_no_temperature_are_the_softmax() -> None:
    y = concrete(LOGITS.expand(MANY, 5), 1e-3, generator=generator(1)).exp()
    assert (y.amax(-1) > 0.999).float().mean() > 0.99
    assert are_draws_of_the_softmax(y.double().sum(0))
    hard = draw_one_hot(LOGITS.expand(MANY, 5), generator=generator(2))
    assert set(hard.unique().tolist()) == {0.0, 1.0} and (hard.sum(-1) == 1).all()
    assert are_draws_of_the_softmax(hard.double().sum(0))


def test_logits_count_up_to_a_constant_only() -> None:
    rows = [concrete(LOGITS + shift, 0.7, generator=generator()) for shift in (0.0, 30.0)]
    torch.testing.assert_close(*rows, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(kl_uniform(LOGITS), kl_uniform(LOGITS + 30), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("tau", [0.1, 1.0])
def test_the_log_density_is_torchs(tau: float) -> None:
    logits = torch.randn(6, 4, generator=generator(), dtype=torch.float64)
    log_y = concrete(logits, tau, generator=generator(1))
    reference = ExpRelaxedCategorical(torch.tensor(tau, dtype=torch.float64), logits=logits).log_prob(log_y)
    torch.testing.assert_close(concrete_log_prob(log_y, logits, tau), reference)


def test_the_log_density_of_three_categories_integrates_to_one() -> None:
    """The density of log y is that of (y_1, y_2) times y_1 y_2 y_3, as a sum over the simplex shows."""
    step = 1 / 800
    axis = (torch.arange(800, dtype=torch.float64) + 0.5) * step
    first, second = torch.meshgrid(axis, axis, indexing="ij")
    y = torch.stack([first, second, 1 - first - second], -1)[first + second < 1 - step / 2]
    density = concrete_log_prob(y.log(), LOGITS[:3].double(), 0.8).exp() / y.prod(-1)
    assert density.sum().item() * step**2 == pytest.approx(1, abs=0.01)


def test_two_categories_with_one_logit_are_the_binary_concrete() -> None:
    logit, tau = 0.8, 0.6
    logits = torch.tensor([logit, 0.0])
    first = concrete(logits.expand(5_000, 2), tau, generator=generator()).exp()[:, 0]
    torch.manual_seed(0)
    theirs = RelaxedBernoulli(torch.tensor(tau), logits=torch.tensor(logit)).sample((5_000,))
    assert scipy.stats.ks_2samp(first.numpy(), theirs.numpy()).pvalue > 0.01
    y = torch.tensor([0.2, 0.5, 0.9])
    log_y = torch.stack([y, 1 - y], -1).log()
    own = concrete_log_prob(log_y, logits, tau) - (y * (1 - y)).log()  # from log y to y
    torch.testing.assert_close(own, RelaxedBernoulli(torch.tensor(tau), logits=torch.tensor(logit)).log_prob(y))


def test_straight_through_is_exactly_one_hot_with_the_gradient_of_the_relaxed_row() -> None:
    logits = torch.randn(2_000, 5, generator=generator()).requires_grad_()
    weight = torch.randn(5, generator=generator(1))
    (hard_grad,) = torch.autograd.grad((straight_through(concrete(logits, 0.7, generator=generator(2)).exp()) @ weight)
                                       .sum(), logits)
    relaxed = concrete(logits, 0.7, generator=generator(2)).exp()
    (soft_grad,) = torch.autograd.grad((relaxed @ weight).sum(), logits)
    torch.testing.assert_close(hard_grad, soft_grad, atol=0, rtol=0)
    assert soft_grad.abs().sum() > 0
    hard = straight_through(relaxed)
    assert set(hard.unique().tolist()) == {0.0, 1.0} and (hard.sum(-1) == 1).all()
    assert torch.equal(hard.argmax(-1), relaxed.argmax(-1))


def test_the_gradient_of_a_relaxed_row_is_that_of_finite_differences() -> None:
    logits = LOGITS.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda a: concrete(a, 0.7, generator=generator()).exp(), (logits,))


def test_the_divergence_is_torchs_and_nothing_at_the_uniform() -> None:
    logits = 3 * torch.randn(50, 7, generator=generator())
    uniform = Categorical(logits=torch.zeros(50, 7))
    torch.testing.assert_close(kl_uniform(logits), kl_divergence(Categorical(logits=logits), uniform))
    assert (kl_uniform(logits) > 0).all() and (kl_uniform(100 * logits) <= math.log(7) + 1e-5).all()
    torch.testing.assert_close(kl_uniform(torch.full((3, 7), 2.0)), torch.zeros(3), atol=1e-6, rtol=0)


def test_all_randomness_is_the_generators() -> None:
    many = LOGITS.expand(9, 5)
    for call in (lambda g: concrete(many, 0.5, generator=g), lambda g: draw_one_hot(many, generator=g)):
        assert torch.equal(call(generator(1)), call(generator(1)))
        assert not torch.equal(call(generator(1)), call(generator(2)))
