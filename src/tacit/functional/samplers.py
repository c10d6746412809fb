"""Sampling from a denoiser: plain functions of one signature for every model that learns a score.

A denoiser D(x, sigma) returns E[x_0 | x] of x = x_0 + sigma noise; (D - x) / sigma^2 is the score. A sampler takes x at
the first of falling noise levels to x_0 at the last, which is 0. It asks the device for nothing on the way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Protocol

from torch import Generator, Tensor

from tacit.functional.noise import normal
from tacit.functional.schedules import Variance, reverse_variance

__all__ = ["Denoiser", "Sampler", "ancestral", "ddim", "heun"]

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""From x, shape (N, ...), and sigma, a scalar, to E[x_0 | x], shape of x."""


class Sampler(Protocol):
    """What samplers share."""

    def __call__(
        self, denoise: Denoiser, x: Tensor, sigmas: Tensor, *, generator: Generator | None = None
    ) -> Tensor:
        """Returns samples x_0.

        Arguments:
            denoise: The model.
            x: Noise at the first level: of standard deviation sigmas[0], shape (N, ...).
            sigmas: Noise levels, falling to 0, shape (steps + 1,), on x's device.
            generator: Of all randomness on the way.
        """
        ...


def ancestral(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, variance: Variance = "small", generator: Generator | None = None
) -> Tensor:
    """Returns samples of the diffusion's own reverse chain; the last step adds no noise.

    Arguments:
        denoise: The model.
        x: Noise at the first level, shape (N, ...).
        sigmas: Noise levels, falling to 0, shape (steps + 1,).
        variance: Of each step back.
        generator: Of the noise.

    References:
        Ho et al. 2020, arXiv:2006.11239, algorithm 2.
    """
    *steps, (last, _) = pairwise(sigmas)
    for sigma, lower in steps:
        x_0 = denoise(x, sigma)
        mean = x_0 + (lower / sigma).square() * (x - x_0)  # equation 7
        noise = normal(*x.shape, device=x.device, generator=generator)
        x = mean + reverse_variance(sigma, lower, variance).sqrt() * noise
    return denoise(x, last)


def ddim(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, eta: float = 0.0, generator: Generator | None = None
) -> Tensor:
    """Returns samples of the chain whose noise is eta times the small variance's.

    With eta = 1 it is `ancestral`; with 0, where x alone decides, it is Euler's method on the probability flow.

    Arguments:
        denoise: The model.
        x: Noise at the first level, shape (N, ...).
        sigmas: Noise levels, falling to 0, shape (steps + 1,).
        eta: Share of noise, in [0, 1].
        generator: Of the noise.

    References:
        Song, Meng & Ermon 2020, arXiv:2010.02502, equations 12 and 16.
    """
    for sigma, lower in pairwise(sigmas):
        x_0 = denoise(x, sigma)
        variance = eta**2 * reverse_variance(sigma, lower)
        x = x_0 + (lower.square() - variance).clamp_min(0).sqrt() / sigma * (x - x_0)
        if eta:
            x = x + variance.sqrt() * normal(*x.shape, device=x.device, generator=generator)
    return x


def heun(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, churn: float = 0.0, generator: Generator | None = None
) -> Tensor:
    """Returns samples by Heun's method on the probability flow, second order: 2 steps - 1 calls of the denoiser.

    Arguments:
        denoise: The model.
        x: Noise at the first level, shape (N, ...).
        sigmas: Noise levels, falling to 0, shape (steps + 1,).
        churn: Noise that is added and taken away again over all steps; 0 leaves x alone to decide.
        generator: Of that noise.

    References:
        Karras et al. 2022, arXiv:2206.00364, algorithms 1 and 2.
    """
    gamma = min(churn / (len(sigmas) - 1), math.sqrt(2) - 1)
    *steps, (last, _) = pairwise(sigmas)
    for sigma, lower in steps:
        x, sigma = stirred(x, sigma, gamma, generator)
        slope = (x - denoise(x, sigma)) / sigma  # dx / dsigma
        ahead = x + (lower - sigma) * slope
        x = x + (lower - sigma) * (slope + (ahead - denoise(ahead, lower)) / lower) / 2
    x, last = stirred(x, last, gamma, generator)
    return denoise(x, last)  # Euler's step to 0, where the slope has no value


def stirred(x: Tensor, sigma: Tensor, gamma: float, generator: Generator | None) -> tuple[Tensor, Tensor]:
    """Returns x with its noise raised to (1 + gamma) sigma, and that level."""
    if not gamma:
        return x, sigma
    raised = (1 + gamma) * sigma
    noise = normal(*x.shape, device=x.device, generator=generator)
    return x + (raised.square() - sigma.square()).sqrt() * noise, raised
