"""Mixtures of discretised logistics for images: the channels of a pixel share one component, and each leans on those
before it.

References:
    Salimans et al. 2017, arXiv:1701.05517, sections 2.1 and 2.2.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn.functional import log_softmax, logsigmoid, softplus

from tacit.functional.noise import uniform

__all__ = ["Mixture", "at", "log_prob", "mean", "parameter_count", "pick", "sample", "unpack"]

COLDEST = 1e-6  # temperature
LEAST = -7.0  # log of the scale, where the data span [-1, 1]: a ninth of the width of an 8-bit level


class Mixture(NamedTuple):
    """The parameters of K components for each pixel, where the data span [-1, 1].

    Arguments:
        logits: Of the components, shape (N, K, H, W).
        means: Of each channel where those before it are 0, shape (N, K, C, H, W).
        log_scales: At least -7, shape of `means`.
        coefficients: Of channel j < c in the mean of channel c, in [-1, 1], shape (N, K, C (C - 1) / 2, H, W), in the
            order (1, 0), (2, 0), (2, 1), ...
    """

    logits: Tensor
    means: Tensor
    log_scales: Tensor
    coefficients: Tensor

    def mean_of(self, channel: int, before: Tensor) -> Tensor:
        """Returns a channel's means given the channels before it, shape (N, K, H, W).

        Arguments:
            channel: Counted from 0.
            before: In [-1, 1], shape (N, 1 or K, channel, H, W).
        """
        first = channel * (channel - 1) // 2
        lean = self.coefficients[:, :, first : first + channel]  # (N, K, c, H, W)
        return self.means[:, :, channel] + (lean * before).sum(2)  # equation 3


def parameter_count(channels: int, components: int) -> int:
    """Returns P, the number of parameters of one pixel.

    Example:
        >>> parameter_count(3, 10), parameter_count(1, 10)
        (100, 30)
    """
    return components * (1 + 2 * channels + channels * (channels - 1) // 2)


def unpack(parameters: Tensor, channels: int) -> Mixture:
    """Returns the parts of a net's output, shape (N, P, H, W)."""
    pairs = channels * (channels - 1) // 2
    parts = parameters.unflatten(1, (-1, 1 + 2 * channels + pairs))  # (N, P, H, W) -> (N, K, 1 + 2 C + pairs, H, W)
    logits, means, log_scales, coefficients = parts.split([1, channels, channels, pairs], 2)
    return Mixture(logits.squeeze(2), means, log_scales.clamp_min(LEAST), coefficients.tanh())


def log_prob(x: Tensor, parameters: Tensor, levels: int = 256) -> Tensor:
    """Returns the log probability of images whose values are rounded to levels.

    Arguments:
        x: Images on the grid {0, 1 / (levels - 1), ..., 1}, shape (N, C, H, W).
        parameters: Shape (N, P, H, W), P = `parameter_count` of C and of the number of components.
        levels: Number of different values.

    Returns:
        Nats, shape (N,).
    """
    mixture, data = unpack(parameters, x.shape[1]), (2 * x - 1).unsqueeze(1)  # (N, 1, C, H, W)
    means = torch.stack([mixture.mean_of(c, data[:, :, :c]) for c in range(x.shape[1])], 2)  # (N, K, C, H, W)
    each = log_mass(data, means, mixture.log_scales, levels).sum(2) + log_softmax(mixture.logits, 1)  # (N, K, H, W)
    return each.logsumexp(1).flatten(1).sum(1)  # (N, H, W) -> (N,)


def log_mass(x: Tensor, means: Tensor, log_scales: Tensor, levels: int) -> Tensor:
    """Returns the log of the logistic's mass on each value's bin, where the outer bins reach to infinity (equation 2).

    Every branch is finite everywhere, and so are the gradients of those that are not taken.
    """
    half, sharpness = 1 / (levels - 1), (-log_scales).exp()
    upper, lower = (x - means + half) * sharpness, (x - means - half) * sharpness
    # log(sigmoid(u) - sigmoid(l)) = logsigmoid(u) + logsigmoid(-l) + log(1 - exp(l - u)), which never cancels
    inner = logsigmoid(upper) + logsigmoid(-lower) + torch.log(-torch.expm1(-2 * half * sharpness))
    return torch.where(x < half - 1, logsigmoid(upper), torch.where(x > 1 - half, logsigmoid(-lower), inner))


def sample(
    parameters: Tensor,
    channels: int,
    *,
    levels: int = 256,
    temperature: float = 1.0,
    generator: Generator | None = None,
) -> Tensor:
    """Returns draws, channel after channel, clipped and rounded to the levels as `log_prob` counts them.

    Arguments:
        parameters: Shape (N, P, H, W).
        channels: C.
        levels: Number of different values.
        temperature: Of the choice of the component, and of the logistics' scales; 0 takes the likeliest and its mean.
        generator: Of all randomness.

    Returns:
        Images on the grid {0, 1 / (levels - 1), ..., 1}, shape (N, C, H, W).
    """
    n, _, *grid = parameters.shape
    u = uniform(n, 1 + channels, *grid, device=parameters.device, generator=generator)
    return at(parameters, u, levels=levels, temperature=temperature)


def at(parameters: Tensor, u: Tensor, *, levels: int = 256, temperature: float = 1.0) -> Tensor:
    """Returns the images that uniform noise stands for: `sample` of noise that is given.

    Arguments:
        parameters: Shape (N, P, H, W).
        u: In [0, 1): for the choice of the component, then for each channel, shape (N or 1, 1 + C, H, W).
        levels: Number of different values.
        temperature: As in `sample`.
    """
    channels, step = u.shape[1] - 1, 2 / (levels - 1)
    mixture = unpack(parameters, channels)
    chosen = pick(mixture.logits, u[:, 0], temperature).unsqueeze(1)  # (N, 1, H, W)
    noise = u[:, 1:].clamp_min(torch.finfo(u.dtype).tiny).logit()  # of the standard logistic, (N or 1, C, H, W)
    drawn = mixture.means[:, :1, :0]  # (N, 1, c, H, W), in [-1, 1]
    for c in range(channels):
        scale = temperature * mixture.log_scales[:, :, c].gather(1, chosen).exp()  # (N, 1, H, W)
        value = mixture.mean_of(c, drawn).gather(1, chosen) + scale * noise[:, c : c + 1]
        rounded = ((value.clamp(-1, 1) + 1) / step).round() * step - 1
        drawn = torch.cat([drawn, rounded.unsqueeze(2)], 2)
    return ((drawn.squeeze(1) + 1) / step).round() / (levels - 1)


def pick(logits: Tensor, u: Tensor, temperature: float = 1.0) -> Tensor:
    """Returns the categories that uniform noise stands for, by the inverse of the cumulative probabilities.

    Arguments:
        logits: Shape (N, K, ...).
        u: In [0, 1), shape (N or 1, ...).
        temperature: That the logits are divided by; 0 picks the likeliest.

    Returns:
        Int64, shape (N, ...).

    Example:
        >>> pick(torch.zeros(1, 4, 3), torch.tensor([[0.1, 0.3, 0.8]]))
        tensor([[0, 1, 3]])
    """
    below = (logits / max(temperature, COLDEST)).softmax(1).cumsum(1) <= u.unsqueeze(1)  # (N, K, ...)
    return below.sum(1).clamp_max(logits.shape[1] - 1)  # rounding may leave their sum below u


def mean(parameters: Tensor, channels: int) -> Tensor:
    """Returns the mean of the clipped values, which that of the rounded ones differs from by less than half a level.

    A channel leans on the means of those before it in its component, so that the mean of later channels is exact only
    where clipping does not matter.

    Arguments:
        parameters: Shape (N, P, H, W).
        channels: C.

    Returns:
        Images in [0, 1], shape (N, C, H, W).
    """
    mixture = unpack(parameters, channels)
    made = mixture.means[:, :, :0]  # (N, K, c, H, W)
    for c in range(channels):
        centre, scale = mixture.mean_of(c, made), mixture.log_scales[:, :, c].exp()
        # E[clip(X)] = -1 + the integral over t in [-1, 1] of P(X > t) = sigmoid((centre - t) / scale)
        expected = scale * (softplus((centre + 1) / scale) - softplus((centre - 1) / scale)) - 1
        made = torch.cat([made, expected.unsqueeze(2)], 2)
    weights = mixture.logits.softmax(1).unsqueeze(2)  # (N, K, 1, H, W)
    return ((weights * made).sum(1).clamp(-1, 1) + 1) / 2
