import math

import pytest
import torch

from tacit.functional.schedules import (
    alpha_bars,
    cosine_betas,
    karras_sigmas,
    linear_betas,
    noise_levels,
    reverse_kl,
    reverse_variance,
    spaced,
)

LINEAR = alpha_bars(linear_betas(1000))


def posterior_variances(variance="small"):
    """Those of the paper: abar_(t-1) times the ones in coordinates x_0 + sigma noise."""
    sigmas = noise_levels(LINEAR)
    return LINEAR[:-1] * reverse_variance(sigmas[1:], sigmas[:-1], variance)  # t = 1 ... 999


def test_how_much_signal_is_left():
    expected = torch.tensor([0.9999, 0.897018, 0.0785872, 4.03583e-5], dtype=torch.float64)
    torch.testing.assert_close(LINEAR[[0, 99, 499, 999]], expected, rtol=1e-5, atol=0)
    cosine = alpha_bars(cosine_betas(1000))[[0, 499, 999]]
    torch.testing.assert_close(cosine, cosine.new_tensor([0.999959, 0.493843, 2.42873e-9]), rtol=2e-5, atol=0)


def test_fewer_steps_end_in_as_much_noise():
    for steps in (250, 4000):
        assert alpha_bars(linear_betas(steps))[-1].log().item() == pytest.approx(LINEAR[-1].log().item(), rel=0.03)
        assert linear_betas(steps).max() <= 0.999 and cosine_betas(steps).max() <= 0.999


def test_variances_are_those_of_the_paper():
    small = posterior_variances()
    expected = small.new_tensor([5.45327e-5, 0.0100513, 0.02])
    torch.testing.assert_close(small[[0, 499, 998]], expected, rtol=2e-5, atol=0)
    torch.testing.assert_close(posterior_variances("large"), linear_betas(1000)[1:])
    betas = linear_betas(1000)
    for t in (1, 2, 10, 700):  # equation 7
        slow = (1 - LINEAR[t - 1]) / (1 - LINEAR[t]) * betas[t]
        assert small[t - 1].item() == pytest.approx(slow.item(), rel=1e-9)


@pytest.mark.parametrize("name", ["linear", "squaredcos_cap_v2"])
def test_schedules_are_those_of_diffusers(name):
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDPMScheduler(1000, beta_schedule=name)
    betas = linear_betas(1000) if name == "linear" else cosine_betas(1000)
    torch.testing.assert_close(betas.float(), theirs.betas, rtol=0, atol=1e-6)
    torch.testing.assert_close(alpha_bars(betas).float(), theirs.alphas_cumprod, rtol=0, atol=1e-6)
    if name == "linear":
        for kind, ours in (("fixed_small", posterior_variances()), ("fixed_large", posterior_variances("large"))):
            for t in (1, 500, 999):
                assert theirs._get_variance(t, variance_type=kind).item() == pytest.approx(ours[t - 1].item(), abs=1e-6)


@pytest.mark.parametrize("variance", ["small", "large"])
def test_kl_of_a_step_is_that_of_torch(variance):
    x_0, told = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    sigma, lower, x = torch.tensor(1.7).double(), torch.tensor(1.1).double(), torch.randn(4, 3).double()

    def step(x_0, kind):
        mean = x_0 + (lower / sigma) ** 2 * (x - x_0)
        return torch.distributions.Normal(mean, reverse_variance(sigma, lower, kind).sqrt())

    slow = torch.distributions.kl_divergence(step(x_0, "small"), step(told, variance))
    torch.testing.assert_close(reverse_kl(x_0, told, sigma, lower, variance), slow)


def test_large_and_small_bracket_the_true_variance():
    """Of data N(0, s^2) a step back has the variance (1 / (sigma^2 - lower^2) + 1 / (s^2 + lower^2))^-1."""
    sigma, lower = torch.tensor(1.5).double(), torch.tensor(1.2).double()
    for s in (0.0, 0.3, 1.0):
        true = 1 / (1 / (sigma**2 - lower**2) + 1 / (s**2 + lower**2))
        low, high = reverse_variance(sigma, lower), reverse_variance(sigma, lower, "large")
        assert low - 1e-12 <= true <= high + 1e-12
        assert math.isclose(true, low if s == 0 else high) == (s != 0.3)


def test_karras_levels():
    sigmas = karras_sigmas(18, 0.002, 80.0)
    assert len(sigmas) == 19 and sigmas[-1] == 0 and (sigmas.diff() < 0).all()
    assert sigmas[0].item() == pytest.approx(80) and sigmas[17].item() == pytest.approx(0.002)
    slow = [(80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7 for i in range(18)]
    assert sigmas[:-1].tolist() == pytest.approx(slow)
    assert karras_sigmas(1, 0.002, 80.0).tolist() == pytest.approx([80.0, 0.0])


@pytest.mark.parametrize("steps", [1, 7, 50, 999, 1000])
def test_spaced_timesteps_start_at_pure_noise(steps):
    t = spaced(1000, steps)
    assert len(t) == steps and t[0] == 999 and t[-1] >= 0 and (t.diff() < 0).all()
    assert steps != 50 or t.diff().unique().tolist() == [-20]
