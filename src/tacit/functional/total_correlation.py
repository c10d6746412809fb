"""How far the dimensions of a latent depend on one another: estimates from a batch."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from tacit.functional.likelihoods import gaussian_each, standard_normal

__all__ = ["Decomposition", "decomposed", "minibatch_stratified", "minibatch_weighted", "permuted"]


class Decomposition(NamedTuple):
    """Three terms of which the KL divergence from q(z | x) to the prior is the sum, each of each sample, shape (N,).

    Arguments:
        mutual_information: log q(z | x) - log q(z): what the latent says of which sample it is.
        total_correlation: log q(z) - sum_j log q(z_j): how far its dimensions depend on one another.
        dimension_kl: sum_j log q(z_j) - log p(z_j): how far each dimension is from the prior.
    """

    mutual_information: Tensor
    total_correlation: Tensor
    dimension_kl: Tensor


def minibatch_stratified(batch: int, samples: int) -> Tensor:
    """Returns the log weights with which a batch's posteriors make q(z), by minibatch stratified sampling.

    With M = batch - 1, the posterior that z was drawn from weighs 1 / N, one other (N - M) / (N M), and the rest 1 / M:
    the weighted sum is q(z) on average over batches.

    Arguments:
        batch: Posteriors in the batch; of one alone, q(z) is taken to be that one.
        samples: Number N of training samples; taken as `batch` where it is less.

    Returns:
        Shape (batch, batch), for each z a row.

    References:
        Chen et al. 2018, arXiv:1802.04942, appendix C.2, equation S6.

    Example:
        >>> minibatch_stratified(3, 10).exp()
        tensor([[0.1000, 0.4000, 0.5000],
                [0.5000, 0.1000, 0.4000],
                [0.4000, 0.5000, 0.1000]])
    """
    n, m = max(samples, batch), batch - 1
    if not m:
        return torch.zeros(1, 1)
    row = torch.full((batch,), 1 / m)
    row[0], row[1] = 1 / n, (n - m) / (n * m)
    return torch.stack([row.roll(i) for i in range(batch)]).log()


def minibatch_weighted(batch: int, samples: int) -> Tensor:
    """Returns the log weights of minibatch weighted sampling, 1 / (N M) for each of M posteriors.

    They do not sum to 1: the estimate of log q(z) is low by log M to log N, and so is that of each log q(z_j).

    Arguments:
        batch: Posteriors M in the batch.
        samples: Number N of training samples; taken as `batch` where it is less.

    Returns:
        Shape (batch, batch).

    References:
        Chen et al. 2018, arXiv:1802.04942, appendix C.1, equation S4.
    """
    return torch.full((batch, batch), -math.log(max(samples, batch) * batch))


def decomposed(z: Tensor, mean: Tensor, log_var: Tensor, log_weights: Tensor) -> Decomposition:
    """Returns estimates of the terms of the KL divergence, with q(z) made of a batch's posteriors.

    They sum to log q(z | x) - log p(z) exactly, whatever the weights.

    Arguments:
        z: A draw from each posterior, shape (N, d).
        mean: Of the posteriors, shape (N, d).
        log_var: Log of their variances, shape (N, d).
        log_weights: Of posterior j in the estimate of q(z_i), shape (N, N).

    References:
        Chen et al. 2018, arXiv:1802.04942, equation 2.
    """
    each = gaussian_each(z[:, None], mean, 0.5 * log_var)  # (N, N, d): log q(z_i | x_j) of each dimension
    log_q_x = each.diagonal().sum(0)  # (d, N) -> (N,)
    log_q = (each.sum(2) + log_weights).logsumexp(1)  # (N,)
    log_q_alone = (each + log_weights[:, :, None]).logsumexp(1).sum(1)  # (N, N, d) -> (N, d) -> (N,)
    return Decomposition(log_q_x - log_q, log_q - log_q_alone, log_q_alone - standard_normal(z).sum(1))


def permuted(z: Tensor, *, generator: Generator | None = None) -> Tensor:
    """Returns latents whose dimensions are permuted over the batch, each by itself: nearly draws of prod_j q(z_j).

    Arguments:
        z: Shape (N, d).
        generator: Of the permutations, on any device; by default that of the latents' device.

    Returns:
        Shape (N, d); the values of each dimension are those of `z`.

    References:
        Kim & Mnih 2018, arXiv:1802.05983, algorithm 1.
    """
    where = z.device if generator is None else generator.device
    order = torch.rand(z.shape, generator=generator, device=where).argsort(0)
    return z.gather(0, order.to(z.device))
