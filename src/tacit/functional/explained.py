"""How much of a quantity a factor explains, without an assumption on how."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["quantile_groups", "share_explained"]


def share_explained(values: Tensor, group: Tensor) -> float:
    """Returns the share of a quantity's variance that lies between groups, corrected for chance.

    The share of sums of squares, eta^2, is (B - 1) / (N - 1) on average over all permutations of N samples among B
    groups; the correction takes that to 0, and leaves 1 at 1. Of a factor that explains nothing, it is as often below
    0 as above.

    Arguments:
        values: The quantity, shape (N,).
        group: The group of each sample, int64 (N,).

    Returns:
        At most 1; nan where there are fewer than two groups, as many groups as samples, or no variance.

    References:
        Kelley 1935, An Unbiased Correlation Ratio Measure, PNAS 21(9).

    Example:
        >>> share_explained(torch.tensor([1.0, 1.0, 3.0, 3.0]), torch.tensor([0, 0, 1, 1]))
        1.0
    """
    values = values.double() - values.double().mean()
    place, counts = group.unique(return_inverse=True, return_counts=True)[1:]
    n, between = len(values), len(counts)
    total = values.square().sum()
    if not 1 < between < n or total == 0:
        return float("nan")
    sums = values.new_zeros(between).index_add_(0, place, values)  # (B,)
    share = (sums.square() / counts).sum() / total
    chance = (between - 1) / (n - 1)
    return float((share - chance) / (1 - chance))


def quantile_groups(x: Tensor, count: int = 10) -> Tensor:
    """Returns groups of nearly equal size by rising order, int64 (N,); equal numbers are in one group.

    Arguments:
        x: Numbers, shape (N,); nan is missing, and makes a group of its own, -1.
        count: Greatest number of groups.

    Example:
        >>> quantile_groups(torch.tensor([5.0, 1.0, 1.0, 9.0]), 2)
        tensor([1, 0, 0, 1])
    """
    x = x.double()
    present = ~x.isnan()
    distinct, place = x[present].unique(return_inverse=True)
    group = torch.full((len(x),), -1)
    if len(distinct) <= count:
        group[present] = place
    else:
        inner = torch.arange(1, count, dtype=x.dtype) / count
        group[present] = torch.bucketize(x[present], torch.quantile(x[present], inner))
    return group
