"""How much of an image is fine detail: its power by spatial frequency."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

__all__ = ["high_frequency_power", "power_spectrum", "radial_power"]

HIGH = 0.25  # cycles per pixel from which a frequency is high: half of the greatest along an axis (Nyquist's)


def power_spectrum(x: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the power of images at each frequency, averaged over channels, without that of their mean.

    A Hann window takes the step between opposite borders away, which would be counted as detail however blurred an
    image is. The mean under the window is subtracted first, so that frequency 0 has no power; the window spreads each
    frequency over its neighbours.

    Arguments:
        x: Images, shape (N, C, H, W).

    Returns:
        The frequencies' lengths in cycles per pixel, shape (H, W), and the power, float64, shape (N, H, W): of white
        noise of variance 1 its expectation is about 1 at each.

    References:
        Blackman & Tukey 1958, The Measurement of Power Spectra (the window named after von Hann).
    """
    x = x.double()
    height, width = x.shape[2:]
    down, across = (torch.hann_window(n + 2, periodic=False, dtype=x.dtype, device=x.device)[1:-1] for n in x.shape[2:])
    window = down[:, None] * across  # (H, W); without the zeros at its ends, so that every pixel counts
    centred = x - (window * x).sum((2, 3), keepdim=True) / window.sum()
    power = torch.fft.fft2(window * centred).abs().square().mean(1) / window.square().sum()  # (N, C, H, W) -> (N, H, W)
    rows, columns = (torch.fft.fftfreq(n, dtype=x.dtype, device=x.device) for n in (height, width))
    return (rows[:, None].square() + columns.square()).sqrt(), power


def radial_power(x: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the power of images by the length of the frequency, averaged over directions and channels.

    Arguments:
        x: Images, shape (N, C, H, W), both sides at least 2.

    Returns:
        The middle of each ring in cycles per pixel, up to 1/2, shape (K,), and the power, float64, shape (N, K); K is
        half of the shorter side.
    """
    length, power = power_spectrum(x)
    count = min(x.shape[2:]) // 2
    ring = (length * 2 * count).round().long()  # (H, W); 0 is the mean's
    inside = ring <= count
    member = one_hot(ring[inside], count + 1).to(power)  # (F, 1 + K)
    mean = power[:, inside] @ member / member.sum(0).clamp_min(1)  # (N, F) -> (N, 1 + K)
    return torch.arange(1, count + 1, device=x.device).to(power) / (2 * count), mean[:, 1:]


def high_frequency_power(x: Tensor) -> Tensor:
    """Returns the mean power of images at frequencies above half of Nyquist's, of all directions.

    Arguments:
        x: Images, shape (N, C, H, W), both sides at least 3.

    Returns:
        Float64, shape (N,).

    Example:
        >>> checkers = torch.tensor([[0.0, 1.0] * 4, [1.0, 0.0] * 4] * 4)
        >>> ramp = torch.linspace(0, 1, 8).expand(8, 8)
        >>> power = high_frequency_power(torch.stack([checkers, ramp])[:, None])
        >>> bool(power[0] > 100 * power[1])
        True
    """
    length, power = power_spectrum(x)
    return power[:, length > HIGH].mean(1)
