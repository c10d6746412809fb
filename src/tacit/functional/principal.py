"""The directions in which samples vary most."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import scipy.linalg
import torch
from torch import Tensor

__all__ = ["Axes", "principal_axes"]

EXACT = 4_096  # above this side length an eigendecomposition takes minutes
DOUBLE = 512  # values up to which single precision saves no time that matters
ROWS = 4_096  # samples that are held in double precision at a time


class Axes(NamedTuple):
    """Principal axes, in double precision.

    Arguments:
        mean: Mean of the samples, shape (D,).
        directions: Orthonormal rows by falling variance, shape (q, D); the largest entry of each is positive.
        variances: Mean square of the samples along each direction, shape (q,).
        total: Mean square over all directions, a scalar.
    """

    mean: Tensor
    directions: Tensor
    variances: Tensor
    total: Tensor


def principal_axes(x: Tensor, count: int) -> Axes:
    """Returns the leading principal axes of samples.

    Exact where a sample has, or the samples number, at most 4,096; else by a randomised decomposition, whose draws
    come from torch's generator. Variances are those of maximum likelihood: sums are divided by N, not N - 1.

    Arguments:
        x: Samples, shape (N, D).
        count: Number of axes, at most D, and less than N where D is over 4,096.

    References:
        Halko, Martinsson & Tropp 2011, arXiv:0909.4061 (the randomised decomposition).

    Example:
        >>> axes = principal_axes(torch.tensor([[-2.0, 0.1], [2.0, -0.1]]), 1)
        >>> axes.variances.round(decimals=2)
        tensor([4.0100], dtype=torch.float64)
    """
    mean = sum_over(x, lambda part: part.sum(0)) / len(x)
    total = sum_over(x, lambda part: (part - mean).square().sum()) / len(x)
    few = DOUBLE < x.shape[1] and count < len(x) < x.shape[1]  # the samples' products are then the smaller matrix
    if x.shape[1] <= EXACT and not few:
        # many products are taken in single, all sums in double precision
        form = torch.float64 if x.shape[1] <= DOUBLE else torch.float32
        square = sum_over(x, lambda part: gram((part - mean).to(form).T).double()) / len(x)  # (D, D)
        directions, variances = leading(square, count)
    else:
        directions, variances = wide_axes(x, mean, count)
    peak = directions.gather(1, directions.abs().argmax(1, keepdim=True))  # (q, 1)
    return Axes(mean, directions * peak.sign(), variances.clamp_min(0), total)


def sum_over(x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """Returns the sum of a function of consecutive samples, which it sees in double precision."""
    first, *others = x.split(ROWS)
    total = function(first.double())
    for part in others:
        total += function(part.double())
    return total


def wide_axes(x: Tensor, mean: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Returns directions and variances of samples with very many values."""
    centred = x - mean.to(x.dtype)
    if len(x) <= EXACT:
        columns, variances = leading(gram(centred).double() / len(x), count)  # (N, N) has the covariance's eigenvalues
        directions = (columns.to(x.dtype) @ centred).double()
        return torch.nn.functional.normalize(directions, dim=1), variances
    _, singular, right = torch.svd_lowrank(centred, q=min(count + 16, *x.shape), niter=4)
    return right[:, :count].T.double(), singular[:count].double().square() / len(x)


def gram(rows: Tensor) -> Tensor:
    """Returns the inner products of rows, shape (rows, rows)."""
    return rows @ rows.T


def leading(square: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Returns the eigenvectors of the greatest eigenvalues as rows, and those values, by falling order.

    Where few of many are wanted, the others are not computed.
    """
    if len(square) > DOUBLE and 4 * count < len(square):
        between = (len(square) - count, len(square) - 1)
        values, columns = map(torch.from_numpy, scipy.linalg.eigh(square.cpu().numpy(), subset_by_index=between))
        values, columns = values.to(square.device), columns.to(square.device)
    else:
        values, columns = torch.linalg.eigh(square)
    return columns.flip(1)[:, :count].T, values.flip(0)[:count]
