"""The bound on the likelihood that a denoiser gives."""

from __future__ import annotations

from itertools import pairwise

from torch import Generator, Tensor

from tacit.functional.likelihoods import gaussian, nats
from tacit.functional.noise import normal, uniform
from tacit.functional.samplers import Denoiser
from tacit.functional.schedules import Variance, reverse_kl

__all__ = ["diffusion_bound"]


def diffusion_bound(
    denoise: Denoiser, x_0: Tensor, sigmas: Tensor, *, variance: Variance, terms: int, generator: Generator
) -> Tensor:
    """Returns an unbiased draw of a diffusion's lower bound on log p(x_0).

    p(x_0 | x_1) is the density of a Gaussian whose variance is the noise of the first timestep, so that values which
    are all the same, or lie on a grid finer than that noise, gain no more nats than it allows. This step counts in
    full. Of the T - 1 others, `terms` are drawn for each sample, one from each of as many stretches of time, which are
    shortest where there is little noise and the terms are large.

    Arguments:
        denoise: The model, told the noise level of each sample.
        x_0: Samples, shape (N, ...).
        sigmas: Noise levels of the timesteps, rising, shape (T,).
        variance: Of a step back.
        terms: Calls of the denoiser for each sample; T - 1 and more count every step.
        generator: Of the noise.

    Returns:
        Nats, shape (N,).

    References:
        Ho et al. 2020, arXiv:2006.11239, equation 5.
    """

    def noisy(sigma: Tensor) -> Tensor:
        return x_0 + sigma * normal(*x_0.shape, device=x_0.device, generator=generator)

    ones = [1] * (x_0.dim() - 1)
    first = sigmas[0].expand(len(x_0), *ones)  # (N, 1, ...)
    bound = gaussian(x_0, denoise(noisy(first), first), first.log()) - nats(prior_kl(x_0, sigmas[-1]))
    for begin, end in pairwise(stretches(len(sigmas), terms)):
        u = uniform(len(x_0), *ones, device=x_0.device, generator=generator)  # (N, 1, ...)
        t = (begin + (end - begin) * u).long().clamp_max(end - 1)
        sigma, lower = sigmas[t], sigmas[t - 1]
        told = denoise(noisy(sigma), sigma)
        bound = bound - (end - begin) * nats(reverse_kl(x_0, told, sigma, lower, variance))
    return bound


def prior_kl(x_0: Tensor, sigma: Tensor) -> Tensor:
    """Returns KL(q(x_T | x_0) || N(0, I)) of each value in nats; x_T is (x_0 + sigma noise) / sqrt(1 + sigma^2)."""
    signal, noise = 1 / (1 + sigma.square()), sigma.square() / (1 + sigma.square())  # abar, 1 - abar
    return 0.5 * (signal * x_0.square() + noise - 1 - noise.log())


def stretches(timesteps: int, terms: int) -> list[int]:
    """Returns the timesteps from 1 to T at which stretches begin and end, whose lengths rise linearly.

    Example:
        >>> stretches(1000, 6), stretches(5, 10)
        ([1, 29, 112, 251, 445, 695, 1000], [1, 2, 3, 4, 5])
    """
    last = timesteps - 1
    terms = min(terms, last)
    return [1 + max(i, round(last * (i / terms) ** 2)) for i in range(terms + 1)]
