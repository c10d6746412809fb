"""K-means clustering."""

from __future__ import annotations

import warnings

import torch
from sklearn import cluster
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from tacit.errors import DataError, OptionError
from tacit.protocol import Method, Spec

__all__ = ["KMeans"]

MANY = 100_000  # above this number of samples, centres move by mini-batches


class KMeans(Method):
    """Clusters around centres.

    The anomaly score is the distance to the nearest centre. More than 100,000 samples are fitted in mini-batches.

    Arguments:
        spec: What one sample is.
        clusters: Number of clusters.
        restarts: Number of fits from new starts; the one of least distance is kept.

    References:
        Lloyd 1982, Least Squares Quantization in PCM, IEEE Trans. Inf. Theory 28(2).
        Arthur & Vassilvitskii 2007, k-means++: The Advantages of Careful Seeding, SODA.
        Sculley 2010, Web-Scale K-Means Clustering, WWW (mini-batches).
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
        kind = cluster.KMeans if len(x) <= MANY else cluster.MiniBatchKMeans
        model = kind(self.clusters, n_init=self.restarts, random_state=int(torch.randint(2**31, ())))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct samples than clusters: noted below
            model.fit(x.flatten(1).cpu().numpy())
        self.centres.copy_(torch.from_numpy(model.cluster_centers_))
        used = len(set(model.labels_.tolist()))
        self.note = "" if used == self.clusters else f"only {used} of {self.clusters} clusters have samples"

    def assign(self, x: Tensor) -> Tensor:
        """Returns the nearest centre of each sample, int64 (N,)."""
        index: Tensor = torch.cdist(x.flatten(1), self.centres).argmin(1)
        return index

    def anomaly_score(self, x: Tensor) -> Tensor:
        """Returns the distance to the nearest centre, shape (N,)."""
        # from the difference: cdist loses small distances to cancellation
        distance: Tensor = torch.linalg.vector_norm(x.flatten(1) - self.centres[self.assign(x)], dim=1)
        return distance
