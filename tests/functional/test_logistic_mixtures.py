"""The discretised logistic mixture against enumeration, the formula of the paper's code, and its own draws."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from tacit.functional import logistic_mixtures as mixtures
from tacit.functional.likelihoods import discretised_logistic


def parameters(n: int, channels: int, components: int, *grid: int, seed: int = 0) -> Tensor:
    """Parameters of narrow and wide components, some of them beyond the edges."""
    generator = torch.Generator().manual_seed(seed)
    count = mixtures.parameter_count(channels, components)
    return torch.randn(n, count, *grid, generator=generator, dtype=torch.float64)


def narrowed(p: Tensor, channels: int, by: float) -> Tensor:
    """Returns the parameters with log-scales that are lower by `by`."""
    parts = p.unflatten(1, (-1, mixtures.parameter_count(channels, 1))).clone()
    parts[:, :, 1 + channels : 1 + 2 * channels] -= by
    return parts.flatten(1, 2)


def every(levels: int, channels: int) -> Tensor:
    """Returns every pixel there is, shape (levels^C, C, 1, 1)."""
    grid = [i / (levels - 1) for i in range(levels)]
    return torch.tensor(list(itertools.product(grid, repeat=channels)), dtype=torch.float64)[:, :, None, None]


@pytest.mark.parametrize(("channels", "levels"), [(1, 256), (1, 2), (2, 16), (3, 5), (4, 3)])
@pytest.mark.parametrize("narrower", [0.0, 3.0, 9.0])
def test_probabilities_sum_to_one(channels: int, levels: int, narrower: float) -> None:
    x = every(levels, channels)
    p = narrowed(parameters(1, channels, 3, 1, 1), channels, narrower)
    total = mixtures.log_prob(x, p.expand(len(x), -1, -1, -1), levels).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-9)


def slow_pixel(x: list[float], p: Tensor, components: int) -> float:
    """The likelihood of one RGB pixel, written value by value after the formula of openai/pixel-cnn."""

    def sigmoid(v: float) -> float:
        return 1 / (1 + math.exp(-v)) if v > 0 else math.exp(v) / (1 + math.exp(v))

    x, per, total = [2 * v - 1 for v in x], p.view(components, 10).tolist(), 0.0
    weights = torch.softmax(p.view(components, 10)[:, 0], 0).tolist()
    for weight, (_, m0, m1, m2, s0, s1, s2, a, b, c) in zip(weights, per, strict=True):
        a, b, c = math.tanh(a), math.tanh(b), math.tanh(c)
        means = [m0, m1 + a * x[0], m2 + b * x[0] + c * x[1]]
        product = weight
        for value, mean, log_scale in zip(x, means, (s0, s1, s2), strict=True):
            scale = math.exp(max(log_scale, -7.0))
            below = 0.0 if value < -0.999 else sigmoid((value - mean - 1 / 255) / scale)
            above = 1.0 if value > 0.999 else sigmoid((value - mean + 1 / 255) / scale)
            product *= above - below
        total += product
    return math.log(total)


def test_it_is_the_formula_of_the_papers_code() -> None:
    p = parameters(4, 3, 5, 2, 3)
    x = torch.randint(256, (4, 3, 2, 3), generator=torch.Generator().manual_seed(1)).double() / 255
    x[0, :, 0, 0], x[1, :, 0, 0] = 0.0, 1.0
    expected = [
        sum(slow_pixel(x[n, :, i, j].tolist(), p[n, :, i, j], 5) for i in range(2) for j in range(3)) for n in range(4)
    ]
    torch.testing.assert_close(mixtures.log_prob(x, p), torch.tensor(expected).double(), rtol=1e-6, atol=1e-5)
    single = mixtures.log_prob(x.float(), p.float())
    torch.testing.assert_close(single, torch.tensor(expected), rtol=1e-5, atol=1e-4)


def test_one_component_of_one_channel_is_the_discretised_logistic() -> None:
    p = parameters(6, 1, 1, 4, 4)
    x = torch.randint(256, (6, 1, 4, 4), generator=torch.Generator().manual_seed(1)).double() / 255
    mean, log_scale = (p[:, 1:2] + 1) / 2, p[:, 2:3] - math.log(2)  # data that span [0, 1] have half the scale
    torch.testing.assert_close(mixtures.log_prob(x, p), discretised_logistic(x, mean, log_scale))


@pytest.mark.parametrize(("channels", "levels"), [(1, 8), (2, 3)])
def test_draws_come_as_often_as_the_probabilities_say(channels: int, levels: int) -> None:
    n, x = 20_000, every(levels, channels)
    p = narrowed(parameters(1, channels, 2, 1, 1, seed=3), channels, 1.0)
    generator = torch.Generator().manual_seed(0)
    drawn = mixtures.sample(p.expand(n, -1, -1, -1), channels, levels=levels, generator=generator)
    expected = n * mixtures.log_prob(x, p.expand(len(x), -1, -1, -1), levels).exp()
    place = (drawn.flatten(1) * (levels - 1)).round().long() @ levels ** torch.arange(channels).flip(0)
    counts = place.bincount(minlength=len(x))
    assert expected.min() > 5
    assert chisquare(counts.numpy(), expected.numpy()).pvalue > 1e-3


def test_draws_lie_on_the_grid_and_are_the_generators() -> None:
    p = parameters(3, 3, 4, 5, 2).float()
    first, again, other = (mixtures.sample(p, 3, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert first.shape == (3, 3, 5, 2) and torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(first, (first * 255).round() / 255)
    assert first.min() >= 0 and first.max() <= 1


def test_without_temperature_the_likeliest_component_gives_its_mean() -> None:
    p = torch.zeros(1, 6, 1, 1)
    p[0, :, 0, 0] = torch.tensor([0.0, 0.9, 0.0, 2.0, -0.6, 0.0])  # (logit, mean, log-scale) of two components
    assert mixtures.sample(p, 1, levels=11, temperature=0.0).item() == pytest.approx(0.2)


def test_the_mean_is_that_of_the_levels() -> None:
    x = every(256, 1)
    for narrower in (0.0, 2.0, 4.0):
        p = narrowed(parameters(1, 1, 3, 1, 1), 1, narrower)
        exact = (x.flatten() * mixtures.log_prob(x, p.expand(256, -1, -1, -1)).exp()).sum()
        assert mixtures.mean(p, 1).item() == pytest.approx(exact.item(), abs=0.5 / 255)


def test_the_mean_of_coupled_channels_is_that_of_draws_away_from_the_edges() -> None:
    p = torch.zeros(1, 10, 1, 1)
    p[0, :, 0, 0] = torch.tensor([0.0, 0.3, -0.1, 0.2, -4.0, -4.0, -4.0, 0.8, -0.5, 0.4])
    drawn = mixtures.sample(p.expand(4000, -1, -1, -1), 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.mean(0, keepdim=True), mixtures.mean(p, 3), atol=2e-3, rtol=0)
    red = 0.3
    green = -0.1 + math.tanh(0.8) * red
    blue = 0.2 + math.tanh(-0.5) * red + math.tanh(0.4) * green
    expected = (torch.tensor([red, green, blue]) + 1) / 2
    torch.testing.assert_close(mixtures.mean(p, 3).flatten(), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("log_scale", [-60.0, -7.0, 0.0, 60.0])
@pytest.mark.parametrize("mean", [-300.0, 0.0, 300.0])
def test_it_stays_finite_far_from_the_data(log_scale: float, mean: float) -> None:
    p = torch.randn(5, 20, 1, 1, generator=torch.Generator().manual_seed(0))
    parts = p.unflatten(1, (2, 10))
    parts[:, :, 1:4], parts[:, :, 4:7] = mean, log_scale
    p.requires_grad_()
    x = torch.tensor([0.0, 1 / 255, 0.5, 254 / 255, 1.0]).view(5, 1, 1, 1).expand(5, 3, 1, 1)
    log_p = mixtures.log_prob(x, p)
    log_p.sum().backward()
    assert log_p.isfinite().all() and (log_p <= 0).all()
    assert p.grad is not None and p.grad.isfinite().all()


def test_picks_come_as_often_as_the_softmax_says_and_coldly_are_the_likeliest() -> None:
    logits = torch.tensor([0.5, -1.0, 2.0, -200.0, 1.0])[None, :, None]
    u = (torch.arange(10_000) + 0.5)[None] / 10_000
    shares = mixtures.pick(logits, u).flatten().bincount(minlength=5) / 10_000
    torch.testing.assert_close(shares, logits[0, :, 0].softmax(0), atol=2e-4, rtol=0)
    warm = mixtures.pick(logits, u, temperature=2.0).flatten().bincount(minlength=5) / 10_000
    torch.testing.assert_close(warm, (logits[0, :, 0] / 2).softmax(0), atol=2e-4, rtol=0)
    assert set(mixtures.pick(logits, u, temperature=0.0).unique().tolist()) == {2}
    assert mixtures.pick(torch.zeros(1, 3, 1), torch.tensor([[1 - 2**-24]])).item() == 2
