"""A few samples that stand for all: what is diverse and typical first."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tacit.functional.draws import some

__all__ = ["representative_order"]

REACH = 1 / 20  # of the samples: how many a representative covers
SAME = 1e-5  # share of the samples' root mean square up to which a distance is rounding


def representative_order(z: Tensor, count: int, *, seed: int = 0, most: int = 2_000) -> Tensor:
    """Returns samples such that each next one covers most of what those before it do not cover.

    A sample is covered by the nearest of those chosen, to exp(-(d / s)^2) of 1, where s is the distance within which
    half of the samples have a twentieth of all. As coverage ends at 1, a sample that is far from all others gains no
    more than itself: the first ones are typical, and of different kinds. The sum of coverage is submodular, so that
    any first k cover at least 1 - 1 / e of what the best k would.

    Arguments:
        z: Representations, shape (N, ...); their Euclidean distances count.
        count: How many to return; fewer where there are fewer.
        seed: Of the draw, where only some samples are looked at.
        most: Samples that are looked at; each step takes most^2 operations.

    Returns:
        Positions in `z`, int64 (count,); those of a smaller count are their beginning.

    References:
        Nemhauser, Wolsey & Fisher 1978, An analysis of approximations for maximizing submodular set functions,
        Mathematical Programming 14 (the greedy order and its bound).
        Mirzasoleiman, Karbasi, Sarkar & Krause 2013, Distributed Submodular Maximization, NIPS (exemplars).

    Example:
        >>> representative_order(torch.tensor([[0.0], [0.1], [0.2], [9.0], [9.1], [50.0]]), 2).tolist()
        [1, 3]
    """
    looked = some(torch.arange(len(z)), most, seed)
    near = closeness(z[looked.to(z.device)])  # (n, n)
    count = min(count, len(looked))
    covered, left = near.new_zeros(len(near)), near.new_zeros(len(near))
    chosen: list[int] = []
    for _ in range(count):
        gain = (near - covered).clamp_min_(0).sum(1) + left  # of each as the next
        best = int(gain.argmax())
        chosen.append(best)
        covered, left[best] = torch.maximum(covered, near[best]), -math.inf
    return looked[torch.tensor(chosen, dtype=torch.int64)]


def closeness(z: Tensor) -> Tensor:
    """Returns how far each sample covers each other, float64 (N, N): 1 for itself and its equals, 0 far away."""
    z = z.flatten(1).double()
    z = z - z.mean(0)
    distance = torch.cdist(z, z).fill_diagonal_(0)
    place = min(len(z), max(2, math.ceil(REACH * len(z))))  # the first is a sample itself
    reach = distance.kthvalue(place, dim=1).values.median()
    least = SAME * z.square().sum(1).mean().sqrt() + torch.finfo(z.dtype).tiny
    return torch.exp(-(distance / reach.maximum(least)).square())
