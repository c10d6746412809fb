"""Sources that are built in: nothing is downloaded, and sample i is the same whatever the number of samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tacit.data.fingerprint import fingerprint
from tacit.data.options import ReadOptions
from tacit.data.pixels import brought
from tacit.data.raw import Raw
from tacit.errors import OptionError
from tacit.protocol import Kind

__all__ = ["BUILTIN", "MIXTURE", "mixture_log_density", "render_shapes"]

Array = np.ndarray[Any, Any]

MIXTURE = ((0.3, -2.0, 0.3), (0.7, 1.0, 0.5))  # weight, mean and standard deviation of each Gaussian of mixture-1d
SHAPES = ("ellipse", "heart", "square")
CHUNK = 1024


def digits(options: ReadOptions) -> Raw:
    """Returns 1,797 handwritten digits, grey, 8 x 8, of the test set of Alpaydin and Kaynak (1998).

    Raises:
        OptionError: If a number of samples is asked for.
    """
    from sklearn.datasets import load_digits

    if options.count is not None:
        raise OptionError("digits are 1,797 samples, not rendered to a count; --limit N reads fewer")
    found = load_digits()
    x = torch.from_numpy(np.rint(found.images * (255 / 16)).astype(np.uint8))[:, None]  # (N, 1, 8, 8)
    return _raw("digits", "image", x, options, label=[str(d) for d in found.target])


def shapes(options: ReadOptions) -> Raw:
    """Returns coloured ellipses, hearts and squares on black, rendered from known factors.

    The factors, each uniform and independent of the others, are kept as columns: ``shape`` (a number of `SHAPES`),
    ``scale`` (radius of the circle around it, in image widths, 0.18 to 0.32), ``angle`` (degrees anticlockwise, 0 to
    360), ``x`` and ``y`` (centre from the left and the top, in image widths, 0.34 to 0.66), ``colour`` (hue, 0 to 1).
    """
    u = np.random.default_rng(0).random((_count(options, 3000), 6))  # filled row by row: row i depends on i only
    factors = {
        "shape": (u[:, 0] * len(SHAPES)).astype(np.int64),
        "scale": 0.18 + 0.14 * u[:, 1],
        "angle": 360 * u[:, 2],
        "x": 0.34 + 0.32 * u[:, 3],
        "y": 0.34 + 0.32 * u[:, 4],
        "colour": u[:, 5],
    }
    x = render_shapes(factors, options.size or 32)
    return _raw("shapes", "image", x, options, label=[SHAPES[s] for s in factors["shape"]], columns=factors)


def moons(options: ReadOptions) -> Raw:
    """Returns points on two interleaved half circles of radius 1, with Gaussian noise of 0.08."""
    u, noise = _draws(options, columns=2)
    lower, angle = u[:, 0] >= 0.5, np.pi * u[:, 1]
    x = np.where(lower, 1 - np.cos(angle), np.cos(angle))
    y = np.where(lower, 0.5 - np.sin(angle), np.sin(angle))
    points = np.stack([x, y], axis=1) + 0.08 * noise  # (N, 2)
    return _raw("moons", "vector", _floats(points), options, label=_named(lower, "upper", "lower"))


def rings(options: ReadOptions) -> Raw:
    """Returns points on two concentric circles of radius 1 and 2, with Gaussian noise of 0.08."""
    u, noise = _draws(options, columns=2)
    outer, angle = u[:, 0] >= 0.5, 2 * np.pi * u[:, 1]
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (1 + outer)[:, None] + 0.08 * noise  # (N, 2)
    return _raw("rings", "vector", _floats(points), options, label=_named(outer, "inner", "outer"))


def mixture_1d(options: ReadOptions) -> Raw:
    """Returns numbers drawn from 0.3 N(-2, 0.3^2) + 0.7 N(1, 0.5^2), shape (N, 1); see `mixture_log_density`."""
    u, noise = _draws(options, columns=1)
    right = u[:, :1] >= MIXTURE[0][0]  # (N, 1)
    _, mean, deviation = (np.where(right, b, a) for a, b in zip(*MIXTURE, strict=True))
    return _raw("mixture-1d", "vector", _floats(mean + deviation * noise), options,
                label=_named(right[:, 0], "left", "right"))


def mixture_log_density(x: Tensor) -> Tensor:
    """Returns the log density of mixture-1d in nats, shape (N,).

    Arguments:
        x: Places, shape (N, 1).

    Example:
        >>> mixture_log_density(torch.tensor([[-2.0], [1.0]])).exp()
        tensor([0.3989, 0.5585])
    """
    weight, mean, deviation = (x.new_tensor(part) for part in zip(*MIXTURE, strict=True))  # each (2,)
    gaussians = -0.5 * ((x - mean) / deviation) ** 2 - (deviation * math.sqrt(2 * math.pi)).log()  # (N, 2)
    return (gaussians + weight.log()).logsumexp(1)


def render_shapes(factors: Mapping[str, Array], size: int) -> Tensor:
    """Returns pictures of shapes, anti-aliased by their signed distance, uint8 (N, 3, size, size).

    Arguments:
        factors: ``shape scale angle x y colour``, each of shape (N,), in the units of `shapes`.
        size: Height and width in pixels.
    """
    table = torch.stack([torch.from_numpy(np.asarray(factors[k], np.float64)).float() for k in FACTORS], dim=1)
    return torch.cat([_render(part, size) for part in table.split(CHUNK)])


FACTORS = ("shape", "scale", "angle", "x", "y", "colour")


def _render(factors: Tensor, size: int) -> Tensor:
    """Returns pictures of one chunk of factors (n, 6)."""
    shape, scale, angle, x, y, colour = (f[:, None, None] for f in factors.unbind(1))  # each (n, 1, 1)
    middles = (torch.arange(size) + 0.5) / size
    u, v = (middles[None, None, :] - x) / scale, (y - middles[None, :, None]) / scale  # to the right, up; unit circle
    cos, sin = angle.deg2rad().cos(), angle.deg2rad().sin()
    u, v = u * cos + v * sin, v * cos - u * sin  # (n, size, size), turned back
    distance = torch.stack([outline(u, v) for outline in OUTLINES])  # (3, n, size, size)
    distance = distance.gather(0, shape.long().expand(1, *u.shape))[0] * scale * size  # in pixels
    cover = (0.5 - distance).clamp_(0, 1)
    pixels = cover[:, None] * _rgb(colour[:, 0, 0])[:, :, None, None]  # (n, 3, size, size)
    return pixels.mul_(255).round_().to(torch.uint8)


def _ellipse(u: Tensor, v: Tensor) -> Tensor:
    """Returns about the distance to an ellipse of half axes 1 and 0.55: its quadratic over that one's slope."""
    radius, slope = (u**2 + (v / 0.55) ** 2).sqrt(), (u**2 + (v / 0.55**2) ** 2).sqrt()
    return radius * (radius - 1) / slope.clamp_min(1e-6)


def _square(u: Tensor, v: Tensor) -> Tensor:
    """Returns the distance to the square whose corners lie on the unit circle, negative inside."""
    return _box(u, v, 0.5**0.5)


def _heart(u: Tensor, v: Tensor) -> Tensor:
    """Returns the distance to a heart: a square on its corner, with a disc on each of its upper sides."""
    half = 0.55  # of the square's side
    v = v + 0.17  # so that the unit circle holds it
    square = _box((u + v) * 0.5**0.5, (v - u) * 0.5**0.5, half)
    away = half * 0.5**0.5  # of the middle of an upper side
    disc = ((u.abs() - away) ** 2 + (v - away) ** 2).sqrt() - half
    return torch.minimum(square, disc)


def _box(u: Tensor, v: Tensor, half: float) -> Tensor:
    """Returns the distance to a square of side 2 `half` around the origin, negative inside."""
    across, up = u.abs() - half, v.abs() - half
    outside = (across.clamp_min(0) ** 2 + up.clamp_min(0) ** 2).sqrt()
    return outside + torch.maximum(across, up).clamp_max(0)


OUTLINES: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (_ellipse, _heart, _square)  # in the order of SHAPES


def _rgb(hue: Tensor) -> Tensor:
    """Returns colours of a hue in [0, 1], saturation 0.75 and value 1, shape (n, 3)."""
    place = (hue[:, None] * 6 + torch.tensor([0.0, 4.0, 2.0])) % 6
    return 1 - 0.75 * (1 - ((place - 3).abs() - 1).clamp(0, 1))


def _count(options: ReadOptions, default: int) -> int:
    count = default if options.count is None else options.count
    if count < 1:
        raise OptionError(f"--count is {count}; expected the number of samples to make, 1 or more")
    return count


def _draws(options: ReadOptions, columns: int) -> tuple[Array, Array]:
    """Returns uniform and Gaussian numbers, each (N, columns), of streams of their own: row i depends on i only."""
    shape = (_count(options, 2000), columns)
    return np.random.default_rng([0, 0]).random(shape), np.random.default_rng([0, 1]).standard_normal(shape)


def _floats(points: Array) -> Tensor:
    return torch.from_numpy(points.astype(np.float32))


def _named(second: Array, first: str, other: str) -> list[str]:
    return [other if s else first for s in second.tolist()]


def _raw(name: str, kind: Kind, x: Tensor, options: ReadOptions, label: list[str],
         columns: dict[str, Array] | None = None) -> Raw:
    notes: list[str] = []
    if kind == "image":
        x, notes = brought(x, options)
    return Raw(
        name, kind, [f"{name}/{i:04d}" for i in range(len(x))], fingerprint(name, x), x,
        range=(0.0, 1.0) if kind == "image" else None, label=None if options.labels == "none" else label,
        columns=columns or {}, notes=notes,
    )


BUILTIN: Mapping[str, Callable[[ReadOptions], Raw]] = {
    "digits": digits,
    "shapes": shapes,
    "moons": moons,
    "rings": rings,
    "mixture-1d": mixture_1d,
}
