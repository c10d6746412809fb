"""Uniform manifold approximation and projection."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from tacit.errors import DataError, MissingExtra, OptionError
from tacit.functional.landmarks import along, coincide, landmarks
from tacit.functional.neighbours import memberships, nearest, nearest_others
from tacit.protocol import Method, Spec

__all__ = ["UMAP"]

ROWS = 4_096  # samples that are placed at a time
ROUNDS = 50  # in which a new sample settles
RATE = 0.25  # of its first step; the last is 0
PUSHED = 5  # landmarks that push a sample away, for each that pulls with all its weight
DRAWN = 20  # landmarks that stand for all that push, drawn anew for each round


class UMAP(Method):
    """A map of who is near whom.

    Some samples, the landmarks, are laid out together, from their first two principal axes; all others are placed
    among them one by one, so that a sample's place depends on nothing but itself. A landmark stays where it is.
    Distances are those along the first 50 principal axes.

    Arguments:
        spec: What one sample is.
        neighbours: Size of a neighbourhood, the sample itself included; lowered where there are too few.
        min_dist: Distance on the map below which samples need not come closer, in [0, 1].
        landmarks: Greatest number of samples that are laid out together, drawn at random.
        iterations: Rounds of the layout.

    References:
        McInnes, Healy & Melville 2018, arXiv:1802.03426; algorithms 1-5.
        Kobak & Linderman 2021, Initialization is critical for preserving global data structure in both t-SNE and
        UMAP, Nature Biotechnology 39 (start).
    """

    mean: Tensor
    axes: Tensor
    reference: Tensor
    places: Tensor
    curve: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        neighbours: int = 15,
        min_dist: float = 0.1,
        landmarks: int = 10_000,
        iterations: int = 500,
    ) -> None:
        super().__init__(spec)
        if neighbours < 3 or landmarks < 8 or iterations < 1:
            raise OptionError(f"neighbours is {neighbours}, landmarks {landmarks} and iterations {iterations}; they "
                              "are at least 3, 8 and 1")
        if not 0 <= min_dist <= 1:
            raise OptionError(f"min_dist is {min_dist}; it is from 0 to 1")
        self.neighbours, self.min_dist, self.landmarks, self.iterations = neighbours, min_dist, landmarks, iterations
        self.note = ""
        self.learns("mean", spec.size)
        self.learns("axes", None, spec.size)  # (d, D)
        self.learns("reference", None, None)  # landmarks along the axes, (M, d)
        self.learns("places", None, 2)  # of the landmarks on the map
        self.learns("curve", 2)  # a and b of 1 / (1 + a r^2b), the membership at distance r on the map

    def fit(self, x: Tensor, **needed: Tensor) -> None:
        """Lays the landmarks of training samples out; they have shape (N, *spec.shape).

        Raises:
            DataError: If there are fewer than eight samples.
            MissingExtra: If umap-learn is not installed.
        """
        if len(x) < 8:
            raise DataError(f"{len(x)} samples are too few for a map; give at least 8")
        notes = []
        if len(x) > self.landmarks:
            notes.append(f"laid out {self.landmarks:,} of {len(x):,} samples, drawn at random; the others are placed "
                         "among them")
        self.mean, self.axes, self.reference = landmarks(x, self.landmarks)
        if len(self.reference) < self.neighbours:
            notes.append(f"neighbours is lowered to {len(self.reference)}, all samples")
        self.curve.copy_(torch.tensor(load().find_ab_params(1.0, self.min_dist)))
        distance, index = nearest_others(self.reference, self._others())
        graph = union(index, memberships(distance))
        self.places = lay_out(graph, self.reference, self.curve, self.iterations).to(x.device)
        self.note = "; ".join(notes)

    def _others(self) -> int:
        return min(self.neighbours, len(self.reference)) - 1

    @torch.no_grad()
    def embed(self, x: Tensor) -> Tensor:
        """Returns places on the map, shape (N, 2); no gradient flows through them."""
        distance, index = nearest(along(x, self.mean, self.axes), self.reference, self._others())
        parts = zip(memberships(distance).split(ROWS), index.split(ROWS), strict=True)
        placed = torch.cat([place(weight, near, self.places, self.curve) for weight, near in parts])
        same = coincide(distance[:, 0], self.reference)
        return torch.where(same[:, None], self.places[index[:, 0]], placed)


def union(index: Tensor, weight: Tensor) -> Any:
    """Returns the weight with which either of two samples belongs to the other's neighbourhood, sparse (M, M)."""
    m, k = index.shape
    starts = np.arange(0, m * k + 1, k)
    one = sparse.csr_matrix((weight.flatten().cpu().numpy(), index.flatten().cpu().numpy(), starts), shape=(m, m))
    return one + one.T - one.multiply(one.T)


def lay_out(graph: Any, reference: Tensor, curve: Tensor, iterations: int) -> Tensor:
    """Returns a layout of all landmarks, shape (M, 2), its bounding box centred at 0: algorithm 5."""
    rows = reference.float().cpu().numpy()
    start = np.zeros((len(rows), 2), dtype=np.float32)
    start[:, : rows.shape[1]] = rows[:, :2]
    start += 1e-2 * (start.std() or 1.0) * torch.randn(len(rows), 2).numpy()  # else equal samples never part
    state = np.random.RandomState(int(torch.randint(2**31, ())))
    a, b = curve.tolist()
    layout, _ = load().simplicial_set_embedding(
        rows, graph, n_components=2, initial_alpha=1.0, a=a, b=b, gamma=1.0, negative_sample_rate=PUSHED,
        n_epochs=iterations, init=start, random_state=state, metric="euclidean", metric_kwds={}, densmap=False,
        densmap_kwds={}, output_dens=False,
    )
    places = torch.from_numpy(layout)
    return places - (places.amax(0) + places.amin(0)) / 2


def place(weight: Tensor, index: Tensor, places: Tensor, curve: Tensor) -> Tensor:
    """Returns where samples settle among landmarks that stand still, shape (N, 2).

    They go down the expected gradient of the layout's cross-entropy. The landmarks that stand for all that push are
    the same for every sample and at every call.

    Arguments:
        weight: Memberships of the nearest landmarks, shape (N, k).
        index: Which those are, int64 (N, k).
        places: Of all landmarks, shape (M, 2).
        curve: a and b, shape (2,).
    """
    a, b = curve
    total = weight.sum(1, keepdim=True)
    y = (weight[..., None] * places[index]).sum(1) / total  # (N, 2)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(len(places), (ROUNDS, DRAWN), generator=generator).to(places.device)
    for step, pushing in enumerate(drawn):
        apart = y[:, None] - places[index]  # (N, k, 2)
        square = apart.square().sum(-1).clamp_min(1e-6)
        pull = 2 * a * b * square ** (b - 1) / (1 + a * square**b)
        force = -((weight * pull)[..., None] * apart).clamp(-4, 4).sum(1)
        apart = y[:, None] - places[pushing]  # (N, DRAWN, 2)
        square = apart.square().sum(-1)
        push = 2 * b / ((1e-3 + square) * (1 + a * square**b))
        force += PUSHED * total * (push[..., None] * apart).clamp(-4, 4).mean(1)
        y = y + RATE * (1 - step / ROUNDS) * force
    return y


def load() -> Any:
    """Returns the library's module; it takes seconds to import."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImportWarning)  # that a part of it lacks TensorFlow
            from umap import umap_
    except ImportError:
        raise MissingExtra("umap-learn", "maps", "UMAP") from None
    return umap_
