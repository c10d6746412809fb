"""A part of many, drawn at random."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["part_of", "shuffled", "some"]


def some(positions: Tensor, count: int, seed: int) -> Tensor:
    """Returns at most `count` of some positions, int64 (n,), the same for the same seed, in their own order.

    Example:
        >>> some(torch.arange(5), 9, seed=0)
        tensor([0, 1, 2, 3, 4])
    """
    order = shuffled(torch.arange(len(positions)), seed)[:count]
    return positions[order.sort().values]


def shuffled(positions: Tensor, seed: int) -> Tensor:
    """Returns positions, int64 (n,), in random order, the same for the same seed."""
    return positions[torch.randperm(len(positions), generator=torch.Generator().manual_seed(seed))]


def part_of(x: Tensor, count: int) -> Tensor:
    """Returns samples, shape (N, ...), or `count` of them in random order by torch's generator where they are more."""
    return x if len(x) <= count else x[torch.randperm(len(x))[:count].to(x.device)]
