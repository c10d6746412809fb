"""Samplers on denoisers that are known exactly, and against diffusers' schedulers."""

import math

import pytest
import torch
from scipy.stats import wasserstein_distance

from tacit.functional.samplers import ancestral, ddim, heun
from tacit.functional.schedules import alpha_bars, karras_sigmas, linear_betas, noise_levels, spaced

SIGMAS = noise_levels(alpha_bars(linear_betas(1000)))
ZERO = torch.zeros(1, dtype=torch.float64)


def exact(x, sigma):
    """E[x_0 | x] of 0.3 N(-2, 0.3^2) + 0.7 N(1, 0.5^2), shape (N,)."""
    noise = sigma * sigma
    left, right = 0.09 + noise, 0.25 + noise
    log_odds = math.log(7 / 3) + 0.5 * (left / right).log() + 0.5 * ((x + 2) ** 2 / left - (x - 1) ** 2 / right)
    told_left, told_right = (0.09 * x - 2 * noise) / left, (0.25 * x + noise) / right
    return torch.lerp(told_left, told_right, log_odds.sigmoid())


def quantiles(n):
    """As many draws of N(0, 1) as even as can be."""
    return torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)


def truth(n):
    return torch.cat([-2 + 0.3 * quantiles(3 * n // 10), 1 + 0.5 * quantiles(7 * n // 10)])


def paper(steps):
    return torch.cat([SIGMAS[spaced(1000, steps)], ZERO])


def start(n, sigma):
    return sigma * quantiles(n)


EDM = (0.002, 80.0)


@pytest.mark.parametrize(("sampler", "options", "sigmas", "distance"), [
    (ancestral, {"variance": "small"}, paper(1000), 0.0188),
    (ancestral, {"variance": "large"}, paper(1000), 0.0064),
    (ancestral, {}, paper(50), 0.0519),
    (ddim, {}, paper(50), 0.0242),
    (ddim, {}, paper(1000), 0.0056),
    (ddim, {"eta": 1.0}, paper(50), 0.0467),
    (ddim, {}, karras_sigmas(18, *EDM), 0.1258),
    (heun, {}, karras_sigmas(18, *EDM), 0.0308),
    (heun, {}, karras_sigmas(40, *EDM), 0.0079),
    (heun, {"churn": 10.0}, karras_sigmas(40, *EDM), 0.01),
])  # fmt: skip
def test_samples_are_those_of_the_mixture(sampler, options, sigmas, distance):
    n = 20_000
    x = start(n, (1 + sigmas[0] ** 2).sqrt())
    made = sampler(exact, x, sigmas, generator=torch.Generator().manual_seed(2), **options)
    assert wasserstein_distance(made, truth(n)) < 2 * distance


@pytest.mark.parametrize(("sampler", "order"), [(ddim, 1), (heun, 2)])
def test_order_of_convergence(sampler, order):
    x = start(200, 80.0)
    fine = heun(exact, x, karras_sigmas(2000, *EDM))
    errors = [(sampler(exact, x, karras_sigmas(steps, *EDM)) - fine).abs().mean() for steps in (40, 80, 160)]
    falls = [math.log2(a / b) for a, b in zip(errors, errors[1:], strict=False)]
    assert falls == pytest.approx([order, order], abs=0.25)


def test_ddim_without_noise_is_eulers_method():
    sigmas, x = karras_sigmas(10, *EDM), start(50, 80.0)
    made = ddim(exact, x, sigmas)
    for sigma, lower in zip(sigmas[:-1], sigmas[1:], strict=True):
        x = x + (lower - sigma) * (x - exact(x, sigma)) / sigma
    torch.testing.assert_close(made, x)


def test_ddim_with_all_the_noise_is_ancestral():
    sigmas, x = paper(20), start(50, 150.0)
    first, second = (torch.Generator().manual_seed(0) for _ in range(2))
    noisy = ddim(exact, x, sigmas, eta=1.0, generator=first)
    torch.testing.assert_close(noisy, ancestral(exact, x, sigmas, generator=second))


def test_calls_of_the_denoiser():
    for sampler, calls in ((ancestral, 10), (ddim, 10), (heun, 19)):
        asked = []

        def counted(x, sigma, asked=asked):
            asked.append(float(sigma))
            return exact(x, sigma)

        sampler(counted, start(5, 80.0), karras_sigmas(10, *EDM))
        assert len(asked) == calls and min(asked) > 0, sampler


def test_one_step_takes_noise_away_at_once():
    x = start(5, 80.0)
    for sampler in (ancestral, ddim, heun):
        torch.testing.assert_close(sampler(exact, x, torch.tensor([80.0, 0.0]).double()), exact(x, torch.tensor(80.0)))


def test_churn_is_limited_and_leaves_the_level_right():
    """Of data that are a single point the churned x is still N(0, sigma^2): every step ends on the level it aims at."""
    seen = []

    def zero(x, sigma):
        seen.append((x.std() / sigma).item())
        return torch.zeros_like(x)

    heun(zero, start(20_000, 80.0), karras_sigmas(10, *EDM), churn=1e9, generator=torch.Generator().manual_seed(0))
    assert seen == pytest.approx([1.0] * len(seen), abs=0.05)


def precisely(scheduler):
    """The scheduler with its tables in double precision: in single, 1 - abar has lost four digits at t = 0."""
    scheduler.betas = linear_betas(1000)
    scheduler.alphas = 1 - scheduler.betas
    scheduler.alphas_cumprod = scheduler.alphas.cumprod(0)
    return scheduler


def one_step(sampler, x_t, eps, t, before, **options):
    """A sampler's x after its first step, in the paper's coordinates: what it shows to the denoiser next."""
    abar = alpha_bars(linear_betas(1000))
    shown = []

    def denoise(x, sigma):
        shown.append(x)
        return x - sigma * eps

    sigmas = torch.cat([SIGMAS[[t, before]], ZERO])
    sampler(denoise, x_t / abar[t].sqrt(), sigmas, generator=torch.Generator().manual_seed(3), **options)
    return shown[1] * abar[before].sqrt()


@pytest.mark.parametrize("variance", ["small", "large"])
@pytest.mark.parametrize("t", [1, 20, 500, 999])
def test_a_step_back_is_that_of_diffusers(variance, t):
    diffusers = pytest.importorskip("diffusers")
    scheduler = precisely(diffusers.DDPMScheduler(1000, variance_type=f"fixed_{variance}", clip_sample=False))
    x, eps = torch.randn(2, 8, 8, generator=torch.Generator().manual_seed(0))
    theirs = scheduler.step(eps, t, x, generator=torch.Generator().manual_seed(3)).prev_sample
    ours = one_step(ancestral, x.double(), eps.double(), t, t - 1, variance=variance)
    torch.testing.assert_close(ours.float(), theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("t", [999, 499, 39])
def test_a_ddim_step_is_that_of_diffusers(eta, t):
    diffusers = pytest.importorskip("diffusers")
    scheduler = precisely(diffusers.DDIMScheduler(1000, clip_sample=False, timestep_spacing="trailing"))
    scheduler.set_timesteps(50)
    assert scheduler.timesteps.tolist() == spaced(1000, 50).tolist()
    x, eps = torch.randn(2, 8, 8, generator=torch.Generator().manual_seed(0))
    theirs = scheduler.step(eps, t, x, eta=eta, generator=torch.Generator().manual_seed(3)).prev_sample
    ours = one_step(ddim, x.double(), eps.double(), t, t - 20, eta=eta)
    torch.testing.assert_close(ours.float(), theirs, rtol=1e-6, atol=1e-6)
