"""Isolation forest."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from sklearn import ensemble
from torch import Tensor

from tacit.errors import DataError, OptionError
from tacit.protocol import Method, Spec

__all__ = ["IsolationForest"]

ROWS = 4_096  # samples that walk down the trees at a time


class IsolationForest(Method):
    """What few random cuts set apart is strange.

    Each tree cuts a few samples by random thresholds until they are alone. The anomaly score is
    2^(-E[path] / c(subsample)), in (0, 1]: about 0.5 for usual samples, near 1 for the strangest.

    Arguments:
        spec: What one sample is.
        trees: Number of trees.
        subsample: Number of samples that each tree sees.

    References:
        Liu, Ting & Zhou 2008, Isolation Forest, ICDM; equations 1 and 2.
    """

    roots: Tensor
    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    path: Tensor

    def __init__(self, spec: Spec, *, trees: int = 100, subsample: int = 256) -> None:
        super().__init__(spec)
        if trees < 1 or subsample < 2:
            raise OptionError(f"trees is {trees} and subsample is {subsample}; they are at least 1 and 2")
        self.trees, self.subsample = trees, subsample
        self.learns("roots", trees, dtype=torch.int64)
        for name in ("feature", "left", "right"):  # of the nodes of all trees; a leaf's children are the leaf itself
            self.learns(name, None, dtype=torch.int64)
        self.learns("threshold", None)
        self.learns("path", None)  # of each leaf, in E[path] of as many trees and samples

    def fit(self, x: Tensor, **needed: Tensor) -> None:
        """Grows the trees on training samples, shape (N, *spec.shape).

        Raises:
            DataError: If there are fewer than two samples.
        """
        if len(x) < 2:
            raise DataError("one sample cannot be set apart from others; give at least two")
        seen = min(self.subsample, len(x))
        forest = ensemble.IsolationForest(
            n_estimators=self.trees, max_samples=seen, random_state=int(torch.randint(2**31, ()))
        ).fit(x.flatten(1).float().cpu().numpy())
        grown = [one.tree_ for one in forest.estimators_]
        sizes = np.array([tree.node_count for tree in grown])
        starts = sizes.cumsum() - sizes
        usual = float(unsuccessful_search(np.array([seen]))[0])
        nodes = [tree_nodes(tree, start) for tree, start in zip(grown, starts, strict=True)]
        self.roots.copy_(torch.from_numpy(starts))
        self.feature, self.left, self.right, threshold, path = (
            torch.from_numpy(np.concatenate(column)) for column in zip(*nodes, strict=True)
        )
        self.threshold, self.path = threshold, (path / (self.trees * usual)).float()

    def anomaly_score(self, x: Tensor) -> Tensor:
        """Returns how soon samples are alone, shape (N,), in (0, 1]."""
        return torch.cat([self._score(part) for part in x.flatten(1).split(ROWS)])

    def _score(self, x: Tensor) -> Tensor:
        node = self.roots.expand(len(x), -1)  # (n, trees)
        for _ in range(math.ceil(math.log2(self.subsample))):  # the trees' greatest depth
            value = x.gather(1, self.feature[node])
            node = torch.where(value <= self.threshold[node], self.left[node], self.right[node])
        return torch.exp2(-self.path[node].sum(1))


def tree_nodes(tree: Any, start: int) -> tuple[np.ndarray[Any, Any], ...]:
    """Returns feature, left and right child, threshold and path length of each node, numbered from `start`."""
    own = np.arange(tree.node_count)
    leaf = tree.children_left < 0
    left, right = np.where(leaf, own, tree.children_left), np.where(leaf, own, tree.children_right)
    depth = np.zeros(tree.node_count)
    for node in own[~leaf]:  # a parent comes before its children
        depth[[left[node], right[node]]] = depth[node] + 1
    # x <= t holds for the same floats x when t is rounded down to a float
    threshold = tree.threshold.astype(np.float32)
    threshold = np.where(threshold > tree.threshold, np.nextafter(threshold, np.float32(-np.inf)), threshold)
    path = depth + unsuccessful_search(tree.n_node_samples)
    return np.where(leaf, 0, tree.feature), left + start, right + start, threshold, path


def unsuccessful_search(n: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Returns c(n), the mean path of a search that fails in a binary tree of n samples (equation 1).

    Example:
        >>> unsuccessful_search(np.array([1, 2, 256])).round(2).tolist()
        [0.0, 1.0, 10.24]
    """
    many = np.maximum(n, 3)
    c = 2 * (np.log(many - 1) + np.euler_gamma) - 2 * (many - 1) / many
    return np.where(n > 2, c, np.where(n == 2, 1.0, 0.0))
