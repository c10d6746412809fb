"""t-distributed stochastic neighbour embedding."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tacit.errors import DataError, MissingExtra, OptionError
from tacit.functional.landmarks import along, coincide, landmarks
from tacit.functional.neighbours import nearest
from tacit.protocol import Method, Spec

__all__ = ["TSNE"]

NEAR = 15  # landmarks among which a new sample is placed: three times their perplexity
SMALL = 5_000  # landmarks up to which forces are summed over a tree, above on a grid
EARLY = 250  # rounds of early exaggeration


class TSNE(Method):
    """A map that keeps neighbours together.

    Some samples, the landmarks, are laid out together; all others are placed among them one by one, so that a sample's
    place depends on nothing but itself. A landmark stays where it is. Distances are those along the first 50
    principal axes.

    Arguments:
        spec: What one sample is.
        perplexity: Number of neighbours that count for a landmark; lowered where there are too few.
        landmarks: Greatest number of samples that are laid out together, drawn at random.
        iterations: Rounds of the layout, after 250 of early exaggeration.

    References:
        van der Maaten & Hinton 2008, Visualizing Data using t-SNE, JMLR 9.
        Policar, Strazar & Zupan 2024, openTSNE, JSS 109(3) (placing new samples).
        Kobak & Berens 2019, The art of using t-SNE, arXiv:1812.00869 (start and learning rate).
    """

    mean: Tensor
    axes: Tensor
    reference: Tensor
    places: Tensor

    def __init__(
        self, spec: Spec, *, perplexity: float = 30.0, landmarks: int = 10_000, iterations: int = 500
    ) -> None:
        super().__init__(spec)
        if perplexity < 2 or landmarks < 8 or iterations < 1:
            raise OptionError(f"perplexity is {perplexity}, landmarks {landmarks} and iterations {iterations}; they "
                              "are at least 2, 8 and 1")
        self.perplexity, self.landmarks, self.iterations = perplexity, landmarks, iterations
        self.note = ""
        self.learns("mean", spec.size)
        self.learns("axes", None, spec.size)  # (d, D)
        self.learns("reference", None, None)  # landmarks along the axes, (M, d)
        self.learns("places", None, 2)  # of the landmarks on the map

    def fit(self, x: Tensor, **needed: Tensor) -> None:
        """Lays the landmarks of training samples out; they have shape (N, *spec.shape).

        Raises:
            DataError: If there are fewer than eight samples.
            MissingExtra: If openTSNE is not installed.
        """
        if len(x) < 8:
            raise DataError(f"{len(x)} samples are too few for a map; give at least 8")
        notes = []
        if len(x) > self.landmarks:
            notes.append(f"laid out {self.landmarks:,} of {len(x):,} samples, drawn at random; the others are placed "
                         "among them")
        self.mean, self.axes, self.reference = landmarks(x, self.landmarks)
        perplexity = min(self.perplexity, (len(self.reference) - 1) / 3)
        if perplexity < self.perplexity:
            notes.append(f"perplexity is lowered to {perplexity:.1f}, a third of the other samples")
        self.places = lay_out(self.reference, perplexity, self.iterations).to(x.device)
        self.note = "; ".join(notes)

    @torch.no_grad()
    def embed(self, x: Tensor) -> Tensor:
        """Returns places on the map, shape (N, 2); no gradient flows through them."""
        distance, index = nearest(along(x, self.mean, self.axes), self.reference, min(NEAR, len(self.reference)))
        placed = place(distance, index, self.places).to(x.device)
        same = coincide(distance[:, 0], self.reference)
        return torch.where(same[:, None], self.places[index[:, 0]], placed)


def lay_out(reference: Tensor, perplexity: float, iterations: int) -> Tensor:
    """Returns a layout of all landmarks, shape (M, 2), its bounding box centred at 0."""
    open_tsne, affinity = load()
    rows = reference.double().cpu().numpy()
    jobs = threads(len(rows))
    near = affinity.PerplexityBasedNN(
        rows, perplexity=perplexity, method="exact", n_jobs=jobs, knn_kwargs={"algorithm": "brute"}
    )
    start = np.zeros((len(rows), 2))
    start[:, : rows.shape[1]] = rows[:, :2]
    start += 1e-2 * (start.std() or 1.0) * torch.randn(len(rows), 2).numpy()  # else equal samples never part
    start *= 1e-4 / start[:, 0].std()
    forces = "bh" if len(rows) <= SMALL else "fft"
    layout = open_tsne.TSNEEmbedding(start, near, negative_gradient_method=forces, n_jobs=jobs)
    layout.optimize(EARLY, exaggeration=12, momentum=0.8, inplace=True)
    layout.optimize(iterations, momentum=0.8, inplace=True)
    places = torch.from_numpy(np.array(layout)).float()
    return places - (places.amax(0) + places.amin(0)) / 2


def place(distance: Tensor, index: Tensor, places: Tensor) -> Tensor:
    """Returns where samples settle among landmarks that stand still, shape (N, 2).

    Arguments:
        distance: To the nearest landmarks, shape (N, k).
        index: Which those are, int64 (N, k).
        places: Of all landmarks, shape (M, 2).
    """
    open_tsne, affinity = load()
    jobs = threads(len(index))
    pull = affinity.joint_probabilities_nn(
        index.cpu().numpy(), distance.double().cpu().numpy(), [index.shape[1] / 3], symmetrize=False,
        normalization="point-wise", n_reference_samples=len(places), n_jobs=jobs,
    )  # (N, M), sparse
    fixed = open_tsne.TSNEEmbedding(places.double().cpu().numpy(), SimpleNamespace(P=np.empty((len(places), 0))))
    start = places[index].double().cpu().numpy()  # (N, k, 2)
    settled = open_tsne.PartialTSNEEmbedding(
        np.median(start, axis=1), fixed, pull, negative_gradient_method="bh", n_jobs=jobs
    )
    settled.optimize(100, learning_rate=0.1, exaggeration=1.5, momentum=0.8, max_grad_norm=0.25, inplace=True)
    return torch.from_numpy(np.array(settled)).float()


def threads(samples: int) -> int:
    """Returns how many threads are worth starting in each of hundreds of short rounds."""
    return torch.get_num_threads() if samples >= 1_000 else 1


def load() -> tuple[Any, Any]:
    """Returns the library's modules of layouts and of affinities; they take a second to import."""
    try:
        from openTSNE import affinity, tsne
    except ImportError:
        raise MissingExtra("openTSNE", "maps", "t-SNE") from None
    return tsne, affinity
