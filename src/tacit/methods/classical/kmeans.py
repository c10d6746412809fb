"""K-means clustering."""

from __future__ import annotations

import warnings

import torch
from sklearn import cluster
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from tacit.errors import DataError, OptionError
from tacit.functional.draws import part_of
from tacit.functional.neighbours import nearest
from tacit.protocol import Method, Spec

__all__ = ["KMeans"]

MOST = 2**25  # values that every restart sees; of more samples a part is drawn


class KMeans(Method):
    """Clusters around centres.

    The anomaly score is the distance to the nearest centre. Of data with more than 2^25 values, the restarts see only
    as many samples as have so many, but at least 10,000, drawn at random; the best goes on with all.

    Arguments:
        spec: What one sample is.
        clusters: Number of clusters.
        restarts: Number of fits from new starts; the one of least distance is kept.

    References:
        Lloyd 1982, Least Squares Quantization in PCM, IEEE Trans. Inf. Theory 28(2).
        Arthur & Vassilvitskii 2007, k-means++: The Advantages of Careful Seeding, SODA.
    """

    centres: Tensor

    def __init__(self, spec: Spec, *, clusters: int = 10, restarts: int = 4) -> None:
        super().__init__(spec)
        if clusters < 1 or restarts < 1:
            raise OptionError(f"clusters is {clusters} and restarts is {restarts}; both are at least 1")
        self.clusters, self.restarts = clusters, restarts
        self.note = ""
        self.learns("centres", clusters, spec.size)

    def fit(self, x: Tensor, **needed: Tensor) -> None:
        """Finds the centres of training samples, shape (N, *spec.shape).

        Raises:
            DataError: If there are fewer samples than clusters.
        """
        if len(x) < self.clusters:
            raise DataError(f"{len(x)} samples cannot make {self.clusters} clusters; set clusters to {len(x)} or less")
        rows = x.flatten(1).cpu()
        most = max(10_000, MOST // self.spec.size, self.clusters)
        part = part_of(rows, most)
        seed = int(torch.randint(2**31, ()))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct samples than clusters: noted below
            model = cluster.KMeans(self.clusters, n_init=self.restarts, random_state=seed).fit(part.numpy())
            if len(part) < len(rows):
                model = cluster.KMeans(self.clusters, init=model.cluster_centers_, n_init=1).fit(rows.numpy())
        self.centres.copy_(torch.from_numpy(model.cluster_centers_))
        used = len(set(model.labels_.tolist()))
        self.note = "" if used == self.clusters else f"only {used} of {self.clusters} clusters have samples"

    def assign(self, x: Tensor) -> Tensor:
        """Returns the nearest centre of each sample, int64 (N,)."""
        return nearest(x.flatten(1), self.centres, 1)[1][:, 0]

    def anomaly_score(self, x: Tensor) -> Tensor:
        """Returns the distance to the nearest centre, shape (N,)."""
        return nearest(x.flatten(1), self.centres, 1)[0][:, 0]
