"""Whether those who are near in one space are near in another."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["kept_neighbours", "ranks", "trustworthiness"]


def ranks(x: Tensor) -> Tensor:
    """Returns how near each sample is to each other, int64 (N, N): 1 for the nearest, N for the sample itself.

    Arguments:
        x: Places, shape (N, D).
    """
    x = x.flatten(1).double()
    x = x - x.mean(0)
    distance = torch.cdist(x, x).fill_diagonal_(torch.inf)
    order = distance.argsort(dim=1, stable=True)
    rising = torch.arange(1, len(x) + 1).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, rising)


def trustworthiness(data: Tensor, places: Tensor, k: int) -> Tensor:
    """Returns how far each sample's neighbours on a map are neighbours in the data; their mean is the trustworthiness.

    With data and places exchanged, it is the continuity.

    Arguments:
        data: Ranks in the data, from `ranks`, int64 (N, N).
        places: Ranks on the map, int64 (N, N).
        k: Number of neighbours, less than N / 2.

    Returns:
        Shape (N,), float64: 1 where all k are; about 0.5 on average where the map says nothing.

    References:
        Venna & Kaski 2001, Neighborhood Preservation in Nonlinear Projection Methods, ICANN, equation 1.
    """
    n = len(data)
    excess = ((data - k).clamp_min(0) * (places <= k)).sum(1)  # (N,)
    return 1 - excess.double() * 2 / (k * (2 * n - 3 * k - 1))


def kept_neighbours(data: Tensor, places: Tensor, k: int) -> Tensor:
    """Returns the share of each sample's k nearest in the data that are among its k nearest on a map, float64 (N,).

    Arguments:
        data: Ranks in the data, from `ranks`, int64 (N, N).
        places: Ranks on the map, int64 (N, N).
        k: Number of neighbours.
    """
    return ((data <= k) & (places <= k)).sum(1).double() / k
