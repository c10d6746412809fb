"""Local outlier factor."""

from __future__ import annotations

import torch
from torch import Tensor

from tacit.errors import DataError, OptionError
from tacit.functional.draws import part_of
from tacit.functional.neighbours import nearest, nearest_others
from tacit.protocol import Method, Spec

__all__ = ["LOF"]

LEAST = 1e-10  # added to mean distances: a sample with more equals than neighbours has a density all the same


class LOF(Method):
    """What lies in a sparser place than its neighbours is strange.

    The anomaly score is how many times denser the places of a sample's nearest landmarks are than its own: about 1
    within a group, however dense the group, and above 1 outside. A landmark that is scored again is the first of its
    own neighbours, at distance 0, which lowers its score a little.

    Arguments:
        spec: What one sample is.
        neighbours: Number of neighbours; lowered where there are too few.
        landmarks: Greatest number of training samples that are compared with, drawn at random.

    References:
        Breunig, Kriegel, Ng & Sander 2000, LOF: Identifying Density-Based Local Outliers, SIGMOD; definitions 3-7.
    """

    reference: Tensor
    reach: Tensor
    density: Tensor

    def __init__(self, spec: Spec, *, neighbours: int = 20, landmarks: int = 10_000) -> None:
        super().__init__(spec)
        if neighbours < 1 or landmarks < 2:
            raise OptionError(f"neighbours is {neighbours} and landmarks is {landmarks}; they are at least 1 and 2")
        self.neighbours, self.landmarks = neighbours, landmarks
        self.note = ""
        self.learns("reference", None, spec.size)  # landmarks, (M, D)
        self.learns("reach", None)  # k-distance of each landmark
        self.learns("density", None)  # local reachability density of each landmark

    def fit(self, x: Tensor, **needed: Tensor) -> None:
        """Measures how dense the places of training samples are; they have shape (N, *spec.shape).

        Raises:
            DataError: If there are fewer than two samples.
        """
        if len(x) < 2:
            raise DataError("one sample has no neighbours; give at least two")
        notes = []
        if len(x) > self.landmarks:
            notes.append(f"compares with {self.landmarks:,} of {len(x):,} samples, drawn at random")
        x = part_of(x, self.landmarks)
        if len(x) <= self.neighbours:
            notes.append(f"neighbours is lowered to {len(x) - 1}, all other samples")
        self.reference = x.flatten(1).clone()
        distance, index = nearest_others(self.reference, self._count())
        self.reach = distance[:, -1].contiguous()
        self.density = self._density(distance, index)
        self.note = "; ".join(notes)

    def _count(self) -> int:
        return min(self.neighbours, len(self.reference) - 1)

    def _density(self, distance: Tensor, index: Tensor) -> Tensor:
        reachability = torch.maximum(distance, self.reach[index])  # (N, k), definition 5
        return 1 / (reachability.mean(1) + LEAST)  # definition 6

    def anomaly_score(self, x: Tensor) -> Tensor:
        """Returns local outlier factors, shape (N,)."""
        distance, index = nearest(x.flatten(1), self.reference, self._count())
        return self.density[index].mean(1) / self._density(distance, index)  # definition 7
