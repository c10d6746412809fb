"""Importance weights: what a bound gains by several draws, and how many of them counted."""

from __future__ import annotations

import math

from torch import Tensor

__all__ = ["effective_draws", "log_mean_exp"]


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
