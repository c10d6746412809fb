"""Power by frequency against waves, white noise and the transfer function of a Gaussian blur."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tacit.functional.spectra import high_frequency_power, power_spectrum, radial_power


def noise(n: int = 200, size: tuple[int, int] = (32, 32)) -> Tensor:
    return torch.randn(n, 2, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def blurred(x: Tensor, sigma: float) -> Tensor:
    """The periodic image times a Gaussian's transfer function, exp(-2 pi^2 sigma^2 f^2)."""
    down, across = (torch.fft.fftfreq(n, dtype=x.dtype) for n in x.shape[2:])
    transfer = torch.exp(-2 * math.pi**2 * sigma**2 * (down[:, None].square() + across.square()))
    return torch.fft.ifft2(torch.fft.fft2(x) * transfer).real


def test_white_noise_has_power_1_everywhere_but_in_the_middle() -> None:
    length, power = power_spectrum(noise(1_000))
    mean = power.mean(0)
    assert mean[0, 0] < 1e-20
    torch.testing.assert_close(mean[length > 0.1], torch.ones_like(mean[length > 0.1]), atol=0.15, rtol=0)
    assert float(high_frequency_power(noise()).mean()) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("size", [(32, 32), (20, 31), (8, 8)])
def test_a_wave_has_its_power_in_its_ring(size: tuple[int, int]) -> None:
    place = torch.arange(size[1], dtype=torch.float64)
    for f in (0.125, 0.375):
        wave = torch.cos(2 * math.pi * f * place).expand(1, 1, *size)
        middle, power = radial_power(wave)
        assert middle.shape == power[0].shape == (min(size) // 2,) and middle[-1] == 0.5
        assert abs(float(middle[power[0].argmax()]) - f) <= 0.5 / min(size) + 1e-9


@pytest.mark.parametrize("sigma", [0.3, 0.6, 1.0])
def test_a_blur_leaves_what_its_transfer_function_says(sigma: float) -> None:
    x = noise(400)
    length, _ = power_spectrum(x[:1])
    expected = torch.exp(-4 * math.pi**2 * sigma**2 * length[length > 0.25].square()).mean()
    found = high_frequency_power(blurred(x, sigma)).mean() / high_frequency_power(x).mean()
    assert float(found) == pytest.approx(float(expected), rel=0.1)


def test_borders_that_differ_are_no_detail() -> None:
    ramp = torch.linspace(0, 1, 32, dtype=torch.float64).expand(1, 1, 32, 32)
    bare = torch.fft.fft2(ramp - ramp.mean()).abs().square()[0] / ramp[0, 0].numel()  # without a window
    length, _ = power_spectrum(ramp)
    assert float(high_frequency_power(ramp)) < 1e-2 * float(bare[:, length > 0.25].mean())


def test_brightness_counts_for_nothing_and_contrast_by_its_square() -> None:
    x = noise(5)
    torch.testing.assert_close(high_frequency_power(3 * x + 7), 9 * high_frequency_power(x))
    assert (high_frequency_power(torch.full((2, 1, 9, 9), 0.3)) < 1e-20).all()
    grey = x[:, :1]
    torch.testing.assert_close(high_frequency_power(grey.expand(-1, 3, -1, -1)), high_frequency_power(grey))
