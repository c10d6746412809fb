"""Importance weights: what a bound gains by several draws, and how many of them counted."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["effective_draws", "grouped", "importance_weights", "log_mean_exp"]

Infer = Callable[[int], tuple[Tensor, Tensor]]
LogJoint = Callable[[Tensor, Tensor], Tensor]


def log_mean_exp(log_w: Tensor, dim: int = 0) -> Tensor:
    """Returns log((1 / k) sum_i w_i) over the k draws along `dim`.

    Arguments:
        log_w: Log weights log p(x, z_i) - log q(z_i | x), shape (k, N).
        dim: The axis of the draws.

    Returns:
        Nats, shape (N,).

    References:
        Burda et al. 2015, arXiv:1509.00519, equation 8.
    """
    return log_w.logsumexp(dim) - math.log(log_w.shape[dim])


def effective_draws(log_w: Tensor, dim: int = 0) -> Tensor:
    """Returns the effective sample size (sum w)^2 / sum w^2, between 1 and k.

    Arguments:
        log_w: Log weights, shape (k, N).
        dim: The axis of the draws.

    Returns:
        Shape (N,).
    """
    return (2 * log_w.logsumexp(dim) - (2 * log_w).logsumexp(dim)).exp()


def importance_weights(infer: Infer, log_joint: LogJoint, x: Tensor, k: int, *, rows: int) -> Tensor:
    """Returns log p(x, z_i) - log q(z_i | x) of k draws of each sample, some at a time.

    Arguments:
        infer: Given a number k', returns as many draws of the latents of each sample, shape (k', N, ...), and the log
            of their probability in nats, shape (k', N).
        log_joint: Given samples, shape (M, ...), and a latent of each, returns log p(x, z) in nats, shape (M,).
        x: Samples, shape (N, ...).
        k: Draws.
        rows: Pairs of sample and draw that are decoded at once, or one draw of each sample where that is more.

    Returns:
        Nats, shape (k, N).
    """
    chunks = []
    for some in torch.arange(k).split(max(1, rows // len(x))):
        z, log_q = infer(len(some))
        again = x.repeat(len(some), *[1] * (x.dim() - 1))  # (N, ...) -> (k' N, ...)
        chunks.append(log_joint(again, z.flatten(0, 1)).unflatten(0, log_q.shape) - log_q)
    return torch.cat(chunks)


def grouped(log_w: Tensor, k: int) -> Tensor:
    """Returns log weights in groups of k draws, of which each gives a bound of its own; left-over draws are dropped.

    The mean of the groups' bounds is a less noisy draw of the k-sample bound. Of the same weights it never falls from
    k to a multiple of k, sample by sample, for the log of a mean is at least the mean of logs.

    Arguments:
        log_w: Log weights, shape (K, N).
        k: Draws of one group, at most K.

    Returns:
        Shape (K // k, k, N).

    Example:
        >>> log_w = torch.tensor([0.5, 1.5, 1.0, 4.0]).log()[:, None]
        >>> log_mean_exp(grouped(log_w, 2), dim=1).exp()
        tensor([[1.0000],
                [2.5000]])
    """
    groups: Tensor = log_w[: len(log_w) // k * k].unflatten(0, (-1, k))
    return groups
