"""How much a factor explains of several quantities together, and of a grouping, without an assumption on how."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["groups_explained", "largest_share"]

SHUFFLES = 20
FLAT = 1e-9  # share of the greatest variance up to which a direction has none


def largest_share(values: Tensor, group: Tensor, *, seed: int = 0) -> float:
    """Returns the largest share of variance between groups along any direction, corrected for chance.

    It is the greatest eigenvalue of the covariance of group means against the covariance of all: the share along the
    direction of Fisher's discriminant. Turning or stretching the values leaves it as it is. Some direction always
    separates groups best: the mean over 20 shuffles of the samples is taken to 0, and 1 stays at 1.

    Arguments:
        values: The quantities, shape (N, D).
        group: The group of each sample, int64 (N,).
        seed: Of the shuffles.

    Returns:
        At most 1; nan where there are fewer than two groups, as many groups as samples, or no variance.

    References:
        Fisher 1936, The use of multiple measurements in taxonomic problems, Annals of Eugenics 7.

    Example:
        >>> x = torch.tensor([[0.0, 0.0], [1.0, 1.0], [5.0, 6.0], [6.0, 7.0], [9.0, 8.0], [2.0, 5.0]])
        >>> round(largest_share(x - x[:, :1], torch.tensor([0, 0, 1, 1, 2, 3])), 6)  # only x[1] - x[0] is left
        1.0
    """
    place, counts = group.unique(return_inverse=True, return_counts=True)[1:]
    rows = whitened(values.double())  # (N, rank)
    if not 1 < len(counts) < len(rows) or not rows.shape[1]:
        return float("nan")
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(len(rows), generator=generator) for _ in range(SHUFFLES)]
    chance = sum(between(rows[order], place, counts) for order in orders) / SHUFFLES
    share = between(rows, place, counts)
    return (share - chance) / (1 - chance) if chance < 1 else float("nan")


def whitened(values: Tensor) -> Tensor:
    """Returns values of sum of squares 1 along each direction in which they vary, (N, rank), for (N, D)."""
    left, singular, _ = torch.linalg.svd(values - values.mean(0), full_matrices=False)
    kept: Tensor = left[:, singular > FLAT**0.5 * singular.max()]
    return kept


def between(rows: Tensor, place: Tensor, counts: Tensor) -> float:
    """Returns the greatest share of whitened values (N, rank) between groups, by their places and counts."""
    sums = rows.new_zeros(len(counts), rows.shape[1]).index_add_(0, place, rows)  # (groups, rank)
    return float(torch.linalg.matrix_norm(sums / counts.sqrt()[:, None], 2).square())


def groups_explained(told: Tensor, by: Tensor) -> float:
    """Returns how much of a grouping another one explains: Goodman and Kruskal's tau, corrected for chance.

    Tau is the share by which errors fall when groups are guessed, in their proportions, with the other grouping known.
    It is also the share of variance of the groups' indicators between the other's groups, and (B - 1) / (N - 1) on
    average over all permutations of N samples among B; the correction takes that to 0, and leaves 1 at 1.

    Arguments:
        told: The grouping that is to be explained, int64 (N,).
        by: The one that may explain it, int64 (N,).

    Returns:
        At most 1; nan where either has fewer than two groups, or the other as many as samples.

    References:
        Goodman & Kruskal 1954, Measures of Association for Cross Classifications, JASA 49, section 9.
        Light & Margolin 1971, An Analysis of Variance for Categorical Data, JASA 66 (tau as a share of variance).

    Example:
        >>> groups_explained(torch.tensor([0, 0, 1, 1]), torch.tensor([5, 5, 3, 3]))
        1.0
    """
    rows, columns = (g.unique(return_inverse=True)[1] for g in (by, told))
    n, wide, high = len(told), int(columns.max()) + 1, int(rows.max()) + 1
    if not (wide > 1 and 1 < high < n):
        return float("nan")
    table = torch.bincount(rows * wide + columns, minlength=high * wide).view(high, wide).double() / n
    known = float((table.square() / table.sum(1, keepdim=True)).sum())
    blind = float(table.sum(0).square().sum())
    tau, chance = (known - blind) / (1 - blind), (high - 1) / (n - 1)
    return (tau - chance) / (1 - chance)
