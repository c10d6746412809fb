"""How likely data are under what a decoder says of them: log densities in nats, summed over all but the first axis."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax, logsigmoid

__all__ = [
    "bernoulli",
    "bits_per_dim",
    "categorical",
    "discretised_logistic",
    "gaussian",
    "gaussian_each",
    "nats",
    "standard_normal",
]


def nats(log_p: Tensor) -> Tensor:
    """Returns the log probability of each sample, shape (N,), from that of each of its values, shape (N, ...)."""
    return log_p.flatten(1).sum(1)


def bernoulli(x: Tensor, logits: Tensor) -> Tensor:
    """Returns log Bernoulli(x; sigmoid(logits)).

    Of data between 0 and 1 it is no log probability, for the Bernoulli has no mass there: such nats compare with no
    other model's.

    Arguments:
        x: Data in {0, 1}, shape (N, ...).
        logits: Log odds of 1, shape of `x`.

    Returns:
        Nats, shape (N,).
    """
    return -nats(binary_cross_entropy_with_logits(logits, x, reduction="none"))


def gaussian(x: Tensor, mean: Tensor, log_sigma: Tensor) -> Tensor:
    """Returns log N(x; mean, diag(sigma^2)), constant included.

    Arguments:
        x: Data, shape (N, ...).
        mean: Shape of `x`.
        log_sigma: Log of the standard deviation, any shape that `x` broadcasts.

    Returns:
        Nats, shape (N,).

    Example:
        >>> round(gaussian(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(())).item(), 6)  # -log 2 pi
        -1.837877
    """
    return nats(gaussian_each(x, mean, log_sigma))


def gaussian_each(x: Tensor, mean: Tensor, log_sigma: Tensor) -> Tensor:
    """Returns the log density of each value, shape of `x`."""
    return -0.5 * ((x - mean) * (-log_sigma).exp()).square() - log_sigma - 0.5 * math.log(2 * math.pi)


def standard_normal(z: Tensor) -> Tensor:
    """Returns the log density of N(0, 1) at each value in nats, shape of `z`."""
    return -0.5 * z.square() - 0.5 * math.log(2 * math.pi)


def categorical(x: Tensor, logits: Tensor) -> Tensor:
    """Returns log Categorical(x; softmax(logits)); a row of zeros says nothing and costs nothing.

    Arguments:
        x: One-hot rows, shape (N, K).
        logits: Shape of `x`.

    Returns:
        Nats, shape (N,).
    """
    return (x * log_softmax(logits, -1)).sum(-1)  # (N, K) -> (N,)


def discretised_logistic(x: Tensor, mean: Tensor, log_scale: Tensor, levels: int = 256) -> Tensor:
    """Returns the log of the logistic's mass on each value's bin; the outer bins reach to infinity.

    The probabilities of the levels sum to 1, so that the nats are those of the 8-bit data themselves.

    Arguments:
        x: Data on the grid {0, 1 / (levels - 1), ..., 1}, shape (N, ...).
        mean: Shape of `x`.
        log_scale: Log of the logistic's scale, any shape that `x` broadcasts.
        levels: Number of different values.

    Returns:
        Nats, shape (N,).

    References:
        Kingma et al. 2016, arXiv:1606.04934, section 5.2; Salimans et al. 2017, arXiv:1701.05517, section 2.1.
    """
    half = 0.5 / (levels - 1)
    upper = (x - mean + half) * (-log_scale).exp()
    lower = (x - mean - half) * (-log_scale).exp()
    # log(sigmoid(u) - sigmoid(l)) = logsigmoid(u) + logsigmoid(-l) + log(1 - exp(l - u)), which never cancels
    inner = logsigmoid(upper) + logsigmoid(-lower) + torch.log(-torch.expm1(lower - upper))
    return nats(torch.where(x < half, logsigmoid(upper), torch.where(x > 1 - half, logsigmoid(-lower), inner)))


def bits_per_dim(log_prob: Tensor, dims: int, levels: int | None = None) -> Tensor:
    """Returns the code length of one value.

    Arguments:
        log_prob: Nats, shape (N,).
        dims: Number of values in one sample.
        levels: For a density over data that were brought to [0, 1): how many levels that interval holds. None for
            the probability of discrete data.

    Returns:
        Bits per dimension, shape (N,).

    Example:
        >>> bits_per_dim(torch.zeros(1), 3072, levels=256)  # the uniform density over 8-bit data
        tensor([8.])
    """
    offset = 0.0 if levels is None else math.log2(levels)
    return -log_prob / (dims * math.log(2)) + offset
