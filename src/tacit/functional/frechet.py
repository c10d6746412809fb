"""The Frechet distance between the Gaussians that have the mean and covariance of two sets of features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

__all__ = ["Moments", "frechet_distance"]

ROWS = 4_096  # features that are held in double precision at a time


@dataclass(frozen=True)
class Moments:
    """Count, mean and scatter of features, in double precision; the sum of two is that of both sets together.

    Features that come in parts need not be kept: add up the moments of the parts.

    Arguments:
        count: Number of features.
        mean: Their mean, shape (D,).
        scatter: Sum over features of the outer products of their distances from the mean, shape (D, D).

    References:
        Chan, Golub & LeVeque 1979, Updating Formulae and a Pairwise Algorithm for Computing Sample Variances.

    Example:
        >>> moments = Moments.of(torch.tensor([[0.0], [2.0]])) + Moments.of(torch.tensor([[4.0]]))
        >>> moments.mean, moments.covariance
        (tensor([2.], dtype=torch.float64), tensor([[4.]], dtype=torch.float64))
    """

    count: int
    mean: Tensor
    scatter: Tensor

    @classmethod
    def of(cls, x: Tensor) -> Self:
        """Returns the moments of features, shape (N, D), N at least 1."""
        first, *others = x.split(ROWS)
        moments = cls._of_part(first)
        for part in others:
            moments = moments + cls._of_part(part)
        return moments

    @classmethod
    def _of_part(cls, x: Tensor) -> Self:
        x = x.double()
        mean = x.mean(0)
        centred = x - mean
        return cls(len(x), mean, centred.T @ centred)

    def __add__(self, other: Self) -> Self:
        """Returns the moments of both sets together."""
        count = self.count + other.count
        step = other.mean - self.mean
        between = torch.outer(step, step) * (self.count * other.count / count)
        mean = self.mean + step * (other.count / count)
        return type(self)(count, mean, self.scatter + other.scatter + between)

    @property
    def covariance(self) -> Tensor:
        """The unbiased covariance, shape (D, D)."""
        return self.scatter / (self.count - 1)


def frechet_distance(a: Moments, b: Moments) -> float:
    """Returns |mean_a - mean_b|^2 + tr(A + B - 2 (A^(1/2) B A^(1/2))^(1/2)), the squared 2-Wasserstein distance.

    Unlike a root of AB, both roots are of symmetric matrices, and stay real where features are fewer than dimensions.

    Arguments:
        a: Moments of at least two features.
        b: Moments of at least two features of the same dimension.

    References:
        Heusel et al. 2017, arXiv:1706.08500, equation 6. Dowson & Landau 1982, The Frechet Distance between
        Multivariate Normal Distributions, equation 4.

    Example:
        >>> two = Moments.of(torch.tensor([[-1.0], [1.0]]))  # of variance 2
        >>> eight = Moments.of(torch.tensor([[1.0], [5.0]]))  # of variance 8
        >>> round(frechet_distance(two, eight), 6)  # (0 - 3)^2 + (2^(1/2) - 8^(1/2))^2
        11.0
    """
    first, second = a.covariance, b.covariance
    root = half(first)
    shared = known(torch.linalg.eigvalsh(root.T @ second @ root)).sqrt().sum()
    return float((a.mean - b.mean).square().sum() + first.trace() + second.trace() - 2 * shared)


def half(covariance: Tensor) -> Tensor:
    """Returns R with R R' equal to a covariance, shape (D, rank); R' B R has the spectrum of A^(1/2) B A^(1/2)."""
    values, vectors = torch.linalg.eigh(covariance)
    values = known(values)
    root: Tensor = vectors[:, values > 0] * values[values > 0].sqrt()
    return root


def known(values: Tensor) -> Tensor:
    """Returns eigenvalues with 0 in place of those that rounding alone has made."""
    if not len(values):
        return values
    least = len(values) * torch.finfo(values.dtype).eps * values.max().clamp_min(0)
    kept: Tensor = values.masked_fill(values <= least, 0)
    return kept
