"""How much noise there is at each step of a diffusion.

A diffusion preserves the variance: x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) noise. Divided by sqrt(abar_t) the same
sample is x_0 + sigma_t noise with sigma_t^2 = (1 - abar_t) / abar_t, in which coordinates every model here is sampled.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

__all__ = [
    "Variance", "alpha_bars", "cosine_betas", "karras_sigmas", "linear_betas", "noise_levels", "reverse_kl",
    "reverse_variance", "spaced",
]

Variance = Literal["small", "large"]

CAP = 0.999  # greatest beta, so that no step forgets everything


def linear_betas(timesteps: int, first: float = 1e-4, last: float = 0.02) -> Tensor:
    """Returns betas that rise linearly, scaled by 1000 / T so that T steps add up to as much noise as 1000 do.

    Arguments:
        timesteps: T, the number of steps.
        first: The first beta, of 1000.
        last: The last beta, of 1000.

    Returns:
        Double precision, shape (T,), at most 0.999.

    References:
        Ho et al. 2020, arXiv:2006.11239, section 4.

    Example:
        >>> float(linear_betas(1000).sum().round(decimals=6))
        10.05
    """
    scale = 1000 / timesteps
    return torch.linspace(scale * first, scale * last, timesteps, dtype=torch.float64).clamp_max(CAP)


def cosine_betas(timesteps: int, offset: float = 0.008) -> Tensor:
    """Returns betas whose abar falls as a squared cosine: more of the steps are at middling noise.

    Arguments:
        timesteps: T, the number of steps.
        offset: Keeps the first beta from being too small.

    Returns:
        Double precision, shape (T,), at most 0.999.

    References:
        Nichol & Dhariwal 2021, arXiv:2102.09672, equation 17.
    """
    t = torch.arange(timesteps + 1, dtype=torch.float64) / timesteps
    abar = ((t + offset) / (1 + offset) * math.pi / 2).cos().square()
    return (1 - abar[1:] / abar[:-1]).clamp_max(CAP)


def alpha_bars(betas: Tensor) -> Tensor:
    """Returns abar_t = prod_s (1 - beta_s), the share of the variance that is signal, shape (T,)."""
    return (1 - betas).cumprod(0)


def noise_levels(abar: Tensor) -> Tensor:
    """Returns sigma = sqrt((1 - abar) / abar), shape of `abar`."""
    return ((1 - abar) / abar).sqrt()


def reverse_variance(sigma: Tensor, lower: Tensor, variance: Variance = "small") -> Tensor:
    """Returns the variance of one step back, p(x_lower | x_sigma), in coordinates x_0 + sigma noise.

    ``small`` is the posterior's given x_0, right for data that are a single point; ``large`` is beta in these
    coordinates, right for data that are N(0, I). The truth is between them. Times abar of `lower`, they are the
    paper's variances.

    Arguments:
        sigma: Noise before the step.
        lower: Noise after it, less than `sigma`.
        variance: Which of the two.

    References:
        Ho et al. 2020, arXiv:2006.11239, equation 7 and section 3.2.
    """
    lost = sigma.square() - lower.square()
    if variance == "small":
        return lost * lower.square() / sigma.square()
    return lost * (1 + lower.square()) / (1 + sigma.square())


def reverse_kl(x_0: Tensor, told: Tensor, sigma: Tensor, lower: Tensor, variance: Variance = "small") -> Tensor:
    """Returns KL(q(x_lower | x_sigma, x_0) || p(x_lower | x_sigma)) of each value, where p has x_0 as it was told.

    Arguments:
        x_0: The sample, shape (N, ...).
        told: What the model takes it for, shape (N, ...).
        sigma: Noise before the step, any shape that `x_0` broadcasts.
        lower: Noise after it, above 0 and less than `sigma`.
        variance: Of p; q has the small one.

    Returns:
        Nats, shape (N, ...).

    References:
        Ho et al. 2020, arXiv:2006.11239, equations 5 and 8.
    """
    own, model = reverse_variance(sigma, lower), reverse_variance(sigma, lower, variance)
    apart = (1 - (lower / sigma).square()) * (x_0 - told)  # of the means, equation 7
    return 0.5 * (apart.square() / model + own / model - 1 - (own / model).log())


def karras_sigmas(steps: int, least: float, greatest: float, rho: float = 7.0) -> Tensor:
    """Returns falling noise levels, close to one another where there is little noise, and 0 behind them.

    Arguments:
        steps: How many, without the 0.
        least: The last above 0.
        greatest: The first.
        rho: How much closer the small ones are.

    Returns:
        Double precision, shape (steps + 1,).

    References:
        Karras et al. 2022, arXiv:2206.00364, equation 5.
    """
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    sigmas = (greatest ** (1 / rho) + ramp * (least ** (1 / rho) - greatest ** (1 / rho))) ** rho
    return torch.cat([sigmas, sigmas.new_zeros(1)])


def spaced(timesteps: int, steps: int) -> Tensor:
    """Returns evenly spaced timesteps of T, falling from T - 1.

    Arguments:
        timesteps: T, the number of steps of the diffusion.
        steps: How many to take, at most T.

    Returns:
        Int64, shape (steps,).

    References:
        Lin et al. 2023, arXiv:2305.08891, table 2 (trailing: the first is the one of pure noise).

    Example:
        >>> spaced(1000, 4)
        tensor([999, 749, 499, 249])
    """
    behind = torch.arange(steps, dtype=torch.float64) * timesteps / steps
    return (timesteps - behind).round().long() - 1
