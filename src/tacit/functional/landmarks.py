"""Landmarks: some samples along few axes, among which all others are placed."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from tacit.functional.draws import part_of
from tacit.functional.principal import principal_axes

__all__ = ["Landmarks", "along", "coincide", "landmarks"]

AXES = 50  # of more dimensions, the principal ones count
SAME = 1e-5  # share of the landmarks' root mean square up to which a distance is rounding


class Landmarks(NamedTuple):
    """Some samples along their principal axes, in single precision.

    Arguments:
        mean: Mean of the samples, shape (D,).
        axes: Orthonormal rows by falling variance, shape (d, D), d at most 50.
        reference: The samples less their mean along the axes, shape (M, d).
    """

    mean: Tensor
    axes: Tensor
    reference: Tensor


def landmarks(x: Tensor, count: int) -> Landmarks:
    """Returns samples as landmarks, or `count` of them, drawn by torch's generator, where they are more.

    Arguments:
        x: Samples, at least two, shape (N, ...).
        count: Greatest number of landmarks, at least two.

    Example:
        >>> import torch
        >>> landmarks(torch.tensor([[0.0, 0.0], [4.0, 0.0]]), 9).reference
        tensor([[-2.],
                [ 2.]])
    """
    x = part_of(x, count).flatten(1)  # (M, D)
    found = principal_axes(x, min(AXES, x.shape[1], len(x) - 1))
    mean, axes = found.mean.float(), found.directions.float().contiguous()
    return Landmarks(mean, axes, along(x, mean, axes))


def along(x: Tensor, mean: Tensor, axes: Tensor) -> Tensor:
    """Returns samples, shape (N, ...), less a mean (D,) along axes (d, D), shape (N, d)."""
    return (x.flatten(1) - mean) @ axes.T


def coincide(distance: Tensor, reference: Tensor) -> Tensor:
    """Returns which samples are one with a landmark, but for rounding: bool, of the shape of `distance`.

    Arguments:
        distance: From each sample to its nearest landmark.
        reference: The landmarks along the axes, shape (M, d).

    Example:
        >>> import torch
        >>> coincide(torch.tensor([1e-6, 1e-3]), torch.eye(3))
        tensor([ True, False])
    """
    return distance <= SAME * reference.square().sum(1).mean().sqrt()
