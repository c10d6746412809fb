"""Who is near whom."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["nearest"]

ROWS = 1_024  # samples whose distances to all references are held at a time


def nearest(x: Tensor, reference: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Finds the nearest references of each sample, exactly.

    Arguments:
        x: Samples, shape (N, D).
        reference: Those among which to look, shape (M, D).
        count: How many to find, at most M.

    Returns:
        Euclidean distances by rising order, shape (N, count), and positions in `reference`, int64 (N, count).

    Example:
        >>> distance, index = nearest(torch.tensor([[0.9]]), torch.tensor([[0.0], [1.0], [3.0]]), 2)
        >>> index
        tensor([[1, 0]])
    """
    centre = reference.mean(0)  # far from zero, cdist would lose distances to cancellation
    found = [_nearest(part - centre, reference - centre, count) for part in x.split(ROWS)]
    distance, index = zip(*found, strict=True)
    return torch.cat(distance), torch.cat(index)


def _nearest(x: Tensor, reference: Tensor, count: int) -> tuple[Tensor, Tensor]:
    index = torch.cdist(x, reference).topk(count, largest=False).indices
    # small distances are lost all the same: those that count are taken again, from the differences
    distance = torch.linalg.vector_norm(x[:, None] - reference[index], dim=-1)  # (n, count)
    distance, order = distance.sort(dim=1)
    return distance, index.gather(1, order)
