"""How alike two sets of features are: a kernel's distance, and whether each lies where the other does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Generator, Tensor

__all__ = ["Discrepancy", "inside", "kernel_distance", "kernel_distances", "precision_recall", "radii"]

CELLS = 2**23  # of a table of pairs that are held at a time


class Discrepancy(NamedTuple):
    """An unbiased estimate of the squared maximum mean discrepancy, and how sure it is.

    Arguments:
        value: The estimate; about 0, and as often below, where both sets are drawn from one distribution.
        error: Its standard error by the jackknife over both sets.
    """

    value: float
    error: float


def kernel_distance(x: Tensor, y: Tensor) -> Discrepancy:
    """Compares two sets of features by the kernel (x'y / D + 1)^3, over all pairs.

    Arguments:
        x: Features, shape (N, D), N at least 3.
        y: Features, shape (M, D), M at least 3.

    References:
        Binkowski et al. 2018, arXiv:1801.01401, section 3 (KID, where the features are Inception's).
        Gretton et al. 2012, A Kernel Two-Sample Test, JMLR 13, equation 3 (the unbiased estimate).
        Arvesen 1969, Jackknifing U-Statistics, Ann. Math. Stat. 40 (the standard error over two samples).
    """
    n, m = len(x), len(y)
    xx, yy = own_sums(x), own_sums(y)  # (N,), (M,)
    xy, yx = kernel_sums(x, y)  # (N,), (M,)
    within_x, within_y, between = xx.sum() / (n * (n - 1)), yy.sum() / (m * (m - 1)), xy.sum() / (n * m)
    value = within_x + within_y - 2 * between
    without_x = (xx.sum() - 2 * xx) / ((n - 1) * (n - 2)) + within_y - 2 * (xy.sum() - xy) / ((n - 1) * m)
    without_y = within_x + (yy.sum() - 2 * yy) / ((m - 1) * (m - 2)) - 2 * (yx.sum() - yx) / (n * (m - 1))
    variance = sum((len(w) - 1) * w.var(correction=0) for w in (without_x, without_y))
    return Discrepancy(float(value), math.sqrt(float(variance)))


def kernel_distances(
    x: Tensor, y: Tensor, *, subsets: int = 100, size: int = 1_000, generator: Generator | None = None
) -> Tensor:
    """Returns the estimate for each of many pairs of random subsets, whose mean is what KID is published as.

    Arguments:
        x: Features, shape (N, D).
        y: Features, shape (M, D).
        subsets: How many.
        size: Of each, lowered to N and M where these are less.
        generator: Of the draws.

    Returns:
        Shape (subsets,), float64.
    """
    size = min(size, len(x), len(y))
    found = []
    for _ in range(subsets):
        some = x[torch.randperm(len(x), generator=generator)[:size]]
        others = y[torch.randperm(len(y), generator=generator)[:size]]
        within = (own_sums(some).sum() + own_sums(others).sum()) / (size * (size - 1))
        found.append(within - 2 * kernel_sums(some, others)[0].sum() / size**2)
    return torch.stack(found)


def kernel(x: Tensor, y: Tensor) -> Tensor:
    """Returns the kernel of all pairs, shape (N, M)."""
    return (x @ y.T).div_(x.shape[1]).add_(1).pow_(3)


def kernel_sums(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the sums of the kernel of all pairs over the second set and over the first, float64 (N,) and (M,)."""
    rows, columns = [], torch.zeros(len(y), dtype=torch.float64, device=y.device)
    for part in parts(x, len(y)):
        table = kernel(part, y)
        rows.append(table.sum(1, dtype=torch.float64))
        columns += table.sum(0, dtype=torch.float64)
    return torch.cat(rows), columns


def own_sums(x: Tensor) -> Tensor:
    """Returns the sum of each feature's kernel with all others of its set, float64 (N,); each pair is taken once."""
    sums, start = torch.zeros(len(x), dtype=torch.float64, device=x.device), 0
    for part in parts(x, len(x)):
        stop = start + len(part)
        sums[start:stop] += kernel(part, part).fill_diagonal_(0).sum(1, dtype=torch.float64)
        after = kernel_sums(part, x[stop:])
        sums[start:stop] += after[0]
        sums[stop:] += after[1]
        start = stop
    return sums


def precision_recall(real: Tensor, made: Tensor, k: int = 3) -> tuple[Tensor, Tensor]:
    """Says which made features lie where real ones do, and which real ones lie where made ones do.

    Arguments:
        real: Features of data, shape (N, D).
        made: Features of samples, shape (M, D).
        k: Neighbours by which the manifold of each set is drawn.

    Returns:
        Whether each made feature is in the manifold of the real ones, bool (M,): its mean is the precision. Whether
        each real feature is in the manifold of the made ones, bool (N,): its mean is the recall.

    References:
        Kynkaanniemi et al. 2019, arXiv:1904.06991, equations 1-3.

    Example:
        >>> real, made = torch.tensor([[0.0], [1.0], [9.0]]), torch.tensor([[0.5], [0.6], [0.7]])
        >>> [flags.tolist() for flags in precision_recall(real, made, k=1)]
        [[True, True, True], [False, False, False]]
    """
    return inside(made, real, radii(real, k)), inside(real, made, radii(made, k))


def radii(x: Tensor, k: int) -> Tensor:
    """Returns the squared distance of each feature to its k-th nearest other, shape (N,)."""
    x = x - x.mean(0)  # far from zero, distances would be lost to cancellation
    found = [part.topk(k + 1, largest=False).values[:, -1] for part in squared_distances(x, x)]  # itself is the nearest
    return torch.cat(found).clamp_min(0)


def inside(x: Tensor, reference: Tensor, radius: Tensor) -> Tensor:
    """Returns whether each feature is within the radius of any reference, bool (N,).

    Arguments:
        x: Features, shape (N, D).
        reference: Features, shape (M, D).
        radius: Squared radius around each reference, shape (M,).
    """
    centre = reference.mean(0)
    x, reference = x - centre, reference - centre
    longest = max(float(x.square().sum(1).max()), float(reference.square().sum(1).max()))
    rounding = 8 * torch.finfo(x.dtype).eps * longest  # else a copy of a feature that occurs k times would be outside
    return torch.cat([(part <= radius + rounding).any(1) for part in squared_distances(x, reference)])


def squared_distances(x: Tensor, reference: Tensor) -> Iterator[Tensor]:
    """Yields squared distances of consecutive features to all references, each of shape (n, M)."""
    lengths = reference.square().sum(1)
    for part in parts(x, len(reference)):
        yield torch.addmm(lengths[None], part, reference.T, alpha=-2).add_(part.square().sum(1)[:, None])


def parts(x: Tensor, width: int) -> list[Tensor]:
    """Returns consecutive parts of which a table with so many columns fits into the memory."""
    return list(x.split(max(1, CELLS // max(1, width))))
