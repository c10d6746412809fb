"""How sure a statistic is that is no mean: leave out one group of samples after the other."""

from __future__ import annotations

import math

import scipy.stats
import torch
from torch import Tensor

__all__ = ["groups", "jackknife_interval"]

LEVEL = 0.95


def groups(n: int, count: int = 20, *, seed: int = 0) -> tuple[Tensor, ...]:
    """Returns positions of samples in random groups of nearly equal size, each int64.

    Arguments:
        n: Number of samples.
        count: Number of groups, lowered to n.
        seed: Of the draw.
    """
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return order.tensor_split(min(count, n))


def jackknife_interval(value: float, without: Tensor) -> tuple[float, float]:
    """Returns the ends of a statistic's 95 % interval by the delete-a-group jackknife.

    It says how far the statistic varies from draw to draw of the samples, not how far it is biased.

    Arguments:
        value: The statistic of all samples.
        without: The statistic without each of G groups of nearly equal size, shape (G,), G at least 2.

    References:
        Kott 2001, The Delete-a-Group Jackknife, Journal of Official Statistics 17(4).

    Example:
        >>> x = torch.tensor([1.0, 2.0, 3.0, 4.0])
        >>> without = torch.stack([(x.sum() - one) / 3 for one in x])
        >>> [round(end, 4) for end in jackknife_interval(2.5, without)]  # as the t interval of a mean
        [0.4457, 4.5543]
    """
    count = len(without)
    error = math.sqrt((count - 1) / count * float((without - without.mean()).square().sum()))
    reach = float(scipy.stats.t.ppf((1 + LEVEL) / 2, count - 1)) * error
    return value - reach, value + reach
