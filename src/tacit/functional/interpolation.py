"""Walks between points: straight, or along the sphere that Gaussian draws lie near."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["lerp", "slerp"]

NEARLY = 1e-6  # sine of an angle below which directions count as parallel


def lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Returns points on the straight line from `a` to `b`.

    Arguments:
        a: Where t = 0, shape (..., d).
        b: Where t = 1, shape (..., d).
        t: Share of the way, any shape that broadcasts with (...).

    Example:
        >>> lerp(torch.tensor([0.0, 2.0]), torch.tensor([4.0, 2.0]), torch.tensor(0.25))
        tensor([1., 2.])
    """
    t = t[..., None]
    return (1 - t) * a + t * b


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Returns points on the way from `a` to `b` whose direction turns evenly and whose norm changes evenly.

    Draws of N(0, I) lie near a sphere of radius sqrt(d), which a straight line between two of them leaves and this way
    does not. Parallel points are joined by a straight line; between opposite ones, whose great circle is not defined,
    the way turns through a fixed direction at right angles. In one dimension every way is straight.

    Arguments:
        a: Where t = 0, shape (..., d).
        b: Where t = 1, shape (..., d).
        t: Share of the way, any shape that broadcasts with (...).

    References:
        Shoemake 1985, Animating rotation with quaternion curves. White 2016, arXiv:1609.04468, section 2.1.

    Example:
        >>> slerp(torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0]), torch.tensor(0.5))
        tensor([1.4142, 1.4142])
    """
    if a.shape[-1] < 2:
        return lerp(a, b, t)
    a, b = torch.broadcast_tensors(a, b)
    (u, near), (v, far) = directed(a), directed(b)
    cosine = (u * v).sum(-1, keepdim=True)
    rest = v - cosine * u  # the part of v at right angles to u
    sine = rest.norm(dim=-1, keepdim=True)
    aside = torch.where(sine > NEARLY, rest / sine.clamp_min(NEARLY), across(u))
    angle = torch.atan2(sine, cosine)  # exact where arccos loses all digits: near 0 and pi
    turned = (t[..., None] * angle).cos() * u + (t[..., None] * angle).sin() * aside
    norm = lerp(near, far, t)
    straight = (sine <= NEARLY) & (cosine > 0)
    return torch.where(straight | (near == 0) | (far == 0), lerp(a, b, t), norm * turned)


def directed(z: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the directions of vectors, (..., d), and their norms, (..., 1); a vector of 0 has the direction 0."""
    norm = z.norm(dim=-1, keepdim=True)
    return z / norm.clamp_min(torch.finfo(z.dtype).tiny), norm


def across(u: Tensor) -> Tensor:
    """Returns unit vectors at right angles to unit vectors, (..., d): the axis that each is farthest from, turned."""
    axis = torch.nn.functional.one_hot(u.abs().argmin(-1), u.shape[-1]).to(u.dtype)
    return directed(axis - (axis * u).sum(-1, keepdim=True) * u)[0]
