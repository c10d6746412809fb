"""Which samples a study shows."""

from __future__ import annotations

import torch
from torch import Tensor

from tacit.data.dataset import Data
from tacit.evaluation.case import drawn
from tacit.evaluation.shortcuts import factors_beside_labels
from tacit.study.result import Shown

__all__ = ["distinct", "in_range", "shown_of"]

SHOWN = 4_000


def shown_of(data: Data, most: int = SHOWN, *, seed: int = 0) -> Shown:
    """Draws the samples that a report can show, with all that is known of them but split and class.

    Arguments:
        data: All samples.
        most: Greatest number of them.
        seed: Of the draw.
    """
    shown = drawn(data, torch.arange(len(data)), most, seed)
    known = factors_beside_labels(shown)
    return Shown(shown, len(data), {name: values for name, values in known.items() if name != "split"})


def distinct(order: Tensor, twins: Tensor | None, count: int) -> Tensor:
    """Returns the first positions of an order, of which no two are duplicates of one another.

    Arguments:
        order: Positions, int64 (n,).
        twins: As `Data.twins`; None where no duplicates were looked for.
        count: How many positions to return at most.

    Example:
        >>> distinct(torch.tensor([2, 0, 1, 3]), torch.tensor([7, 8, 7, 9]), 3)
        tensor([2, 1, 3])
    """
    if twins is None:
        return order[:count]
    first: dict[int, int] = {}
    for position, twin in zip(order.tolist(), twins[order].tolist(), strict=True):
        first.setdefault(twin, position)
        if len(first) == count:
            break
    return torch.tensor(list(first.values()), dtype=torch.int64)


def in_range(x: Tensor, limits: tuple[float, float] | None) -> Tensor:
    """Returns what a method made, within the range of the data where they have one."""
    return x if limits is None else x.clamp(*limits)
