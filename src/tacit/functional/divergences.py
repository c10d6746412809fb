"""How far distributions are apart, in nats."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

__all__ = ["discriminator_value", "jensen_shannon", "kl_standard_normal"]


def kl_standard_normal(mean: Tensor, log_var: Tensor) -> Tensor:
    """Returns KL(N(mean, diag(exp(log_var))) || N(0, I)) of each dimension; the sum over them is that of a sample.

    Arguments:
        mean: Shape (N, d).
        log_var: Log of the variance, shape (N, d).

    Returns:
        Nats, shape (N, d), at least 0.

    References:
        Kingma & Welling 2013, arXiv:1312.6114, appendix B.

    Example:
        >>> kl_standard_normal(torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2))
        tensor([[0.5000, 0.0000]])
    """
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var)


def discriminator_value(log_p: Tensor, log_q: Tensor, logits: Tensor, cell: float) -> Tensor:
    """Returns V(D) = E_p[log D(x)] + E_q[log(1 - D(x))] by quadrature on an even grid.

    The greatest value has D* = p / (p + q), whose logit is log p - log q.

    Arguments:
        log_p: Log density of the data on the grid, shape (M,).
        log_q: Log density of the generator, shape (M,).
        logits: Log odds that the discriminator gives for data, shape (M,).
        cell: Length, area or volume of one cell of the grid.

    Returns:
        A scalar.

    References:
        Goodfellow et al. 2014, arXiv:1406.2661, equations 2 and 3.
    """
    return cell * (log_p.exp() * logsigmoid(logits) + log_q.exp() * logsigmoid(-logits)).sum()


def jensen_shannon(log_p: Tensor, log_q: Tensor, cell: float) -> Tensor:
    """Returns the Jensen-Shannon divergence by quadrature on an even grid; it is (V(D*) + log 4) / 2.

    Arguments:
        log_p: Log density on the grid, shape (M,).
        log_q: Log density of the other, shape (M,).
        cell: Length, area or volume of one cell of the grid.

    Returns:
        A scalar in [0, log 2].

    References:
        Goodfellow et al. 2014, arXiv:1406.2661, equations 5 and 6.
    """
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    return 0.5 * cell * (log_p.exp() * (log_p - log_m) + log_q.exp() * (log_q - log_m)).sum()
