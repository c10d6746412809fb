"""How sure a value is: intervals by the bootstrap."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["bootstrap", "mean_interval"]

TIMES = 1_000
LEVEL = 0.95


def mean_interval(values: Tensor, *, seed: int = 0, times: int = TIMES) -> tuple[float, float, float]:
    """Returns the mean of independent values and the ends of its 95 % interval by the percentile bootstrap.

    Arguments:
        values: One for each sample, shape (N,).
        seed: Of the draws.
        times: How many.

    References:
        Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.

    Example:
        >>> mean_interval(torch.ones(10))
        (1.0, 1.0, 1.0)
    """
    values = values.double().cpu()
    mean = float(values.mean())
    return mean, *bootstrap(lambda index: float(values[index].mean()), len(values), seed=seed, times=times)


def bootstrap(
    statistic: Callable[[Tensor], float], n: int, *, seed: int = 0, times: int = TIMES
) -> tuple[float, float]:
    """Returns the ends of a statistic's 95 % interval by the percentile bootstrap over samples.

    Arguments:
        statistic: Gives the value for the samples at some positions, int64 (n,), drawn with replacement.
        n: Number of samples.
        seed: Of the draws.
        times: How many.
    """
    generator = torch.Generator().manual_seed(seed)
    draws = [statistic(torch.randint(n, (n,), generator=generator)) for _ in range(times)]
    return ends(torch.tensor(draws, dtype=torch.float64))


def ends(draws: Tensor) -> tuple[float, float]:
    """Returns the quantiles between which 95 % of draws lie."""
    tail = (1 - LEVEL) / 2
    low, high = torch.quantile(draws, torch.tensor([tail, 1 - tail], dtype=draws.dtype)).tolist()
    return low, high
