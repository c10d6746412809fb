"""Hierarchical density-based clustering."""

from __future__ import annotations

import torch
from sklearn import cluster
from torch import Tensor

from tacit.errors import DataError, OptionError
from tacit.functional.landmarks import along, coincide, landmarks
from tacit.functional.neighbours import nearest
from tacit.protocol import Method, Spec

__all__ = ["HDBSCAN"]

ROWS = 1_024  # samples whose distances to all landmarks are held at a time


class HDBSCAN(Method):
    """Clusters of any shape where samples are dense; what lies between them belongs to none.

    The distance that counts is mutual reachability: that between two samples, but at least the core distance of each,
    within which it has `min_samples` samples, itself among them. A cluster's margin is the distance from it to the
    nearest landmark outside. A new sample joins the cluster of the nearest landmark that is nearer than its
    cluster's margin, as it would have done had it been there when the hierarchy was cut; where there is none it
    belongs to none, -1. A landmark keeps its cluster. Clusters are numbered by size, the largest first. Distances are
    those along the first 50 principal axes.

    Arguments:
        spec: What one sample is.
        min_cluster_size: Least number of landmarks that make a cluster.
        min_samples: Number of samples within the core distance; more of them leave more samples without a cluster.
        landmarks: Greatest number of samples that are clustered together, drawn at random.

    References:
        Campello, Moulavi & Sander 2013, Density-Based Clustering Based on Hierarchical Density Estimates, PAKDD.
        McInnes & Healy 2017, Accelerated Hierarchical Density Based Clustering, arXiv:1705.07321.
    """

    mean: Tensor
    axes: Tensor
    reference: Tensor
    core: Tensor
    label: Tensor
    margin: Tensor

    def __init__(
        self, spec: Spec, *, min_cluster_size: int = 20, min_samples: int = 5, landmarks: int = 10_000
    ) -> None:
        super().__init__(spec)
        if min_cluster_size < 2 or min_samples < 2 or landmarks < 2:
            raise OptionError(f"min_cluster_size is {min_cluster_size}, min_samples {min_samples} and landmarks "
                              f"{landmarks}; each is at least 2")
        self.min_cluster_size, self.min_samples, self.landmarks = min_cluster_size, min_samples, landmarks
        self.note = ""
        self.learns("mean", spec.size)
        self.learns("axes", None, spec.size)  # (d, D)
        self.learns("reference", None, None)  # landmarks along the axes, (M, d)
        self.learns("core", None)  # core distance of each landmark
        self.learns("label", None, dtype=torch.int64)  # of each landmark
        self.learns("margin", None)  # of each cluster

    def fit(self, x: Tensor, **needed: Tensor) -> None:
        """Finds the clusters of training samples, shape (N, *spec.shape).

        Raises:
            DataError: If there are fewer samples than make two clusters.
        """
        least = max(2 * self.min_cluster_size, self.min_samples)
        if min(len(x), self.landmarks) < least:
            raise DataError(f"{len(x)} samples and {self.landmarks} landmarks are too few for two clusters of "
                            f"{self.min_cluster_size}; give {least} or more, or lower min_cluster_size")
        notes = []
        if len(x) > self.landmarks:
            notes.append(f"clustered {self.landmarks:,} of {len(x):,} samples, drawn at random; the others join them")
        self.mean, self.axes, self.reference = landmarks(x, self.landmarks)
        model = cluster.HDBSCAN(self.min_cluster_size, min_samples=self.min_samples, copy=True)
        labels = torch.from_numpy(model.fit_predict(self.reference.cpu().numpy())).long()
        self.label = by_size(labels).to(x.device)
        self.core = nearest(self.reference, self.reference, self.min_samples)[0][:, -1].contiguous()
        self.margin = margins(self.reference, self.core, self.label)
        nowhere = float((self.label < 0).float().mean())
        notes.append(f"{len(self.margin)} clusters; {nowhere:.0%} of the samples are in none")
        self.note = "; ".join(notes)

    @torch.no_grad()
    def assign(self, x: Tensor) -> Tensor:
        """Returns the cluster of each sample, int64 (N,); -1 for none."""
        if not len(self.margin):
            return torch.full((len(x),), -1, device=x.device)
        return torch.cat([self._assign(part) for part in along(x, self.mean, self.axes).split(ROWS)])

    def _assign(self, x: Tensor) -> Tensor:
        near, index = nearest(x, self.reference, self.min_samples - 1)  # a sample is the first within its own core
        distance = torch.cdist(x, self.reference)  # (n, M)
        mutual = torch.maximum(distance.clamp_min(self.core), near[:, -1:])
        joins = (self.label >= 0) & (mutual < self.margin[self.label])
        mutual = mutual.masked_fill(~joins, torch.inf)
        least = mutual.amin(1, keepdim=True)  # that of many landmarks, where the sample's core distance is the greatest
        nearest_joined = distance.masked_fill(mutual > least, torch.inf).argmin(1)
        label = torch.where(least[:, 0].isfinite(), self.label[nearest_joined], -1)
        same = coincide(near[:, 0], self.reference)
        return torch.where(same, self.label[index[:, 0]], label)


def by_size(label: Tensor) -> Tensor:
    """Returns labels renumbered by falling size; -1 stays.

    Example:
        >>> by_size(torch.tensor([-1, 0, 1, 1]))
        tensor([-1,  1,  0,  0])
    """
    size = label[label >= 0].bincount()
    rank = size.argsort(descending=True, stable=True).argsort()
    return torch.where(label < 0, -1, rank[label]) if len(rank) else label


def margins(reference: Tensor, core: Tensor, label: Tensor) -> Tensor:
    """Returns the least mutual reachability between each cluster and all landmarks outside, shape (K,).

    By the cut property of minimum spanning trees this is the height at which the hierarchy sets the cluster apart.

    Arguments:
        reference: Landmarks, shape (M, d).
        core: Their core distances, shape (M,).
        label: Their clusters, int64 (M,); -1 for none.
    """
    margin = reference.new_full((int(label.max()) + 1,), torch.inf)
    for part in (label >= 0).nonzero().flatten().split(ROWS):
        mutual = torch.cdist(reference[part], reference).clamp_min(core).clamp_min(core[part, None])  # (n, M)
        outside = mutual.masked_fill(label[part, None] == label, torch.inf).amin(1)
        margin.scatter_reduce_(0, label[part], outside, "amin")
    return margin
