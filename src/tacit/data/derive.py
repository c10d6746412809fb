"""Pairs out of images alone: from each image something poorer is made, from which a method learns to restore it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from tacit.data.dataset import as_float
from tacit.data.pixels import recoloured
from tacit.errors import DataError, OptionError, did_you_mean

__all__ = ["DERIVATIONS", "Derivation", "blur", "edges", "grey", "low_resolution"]

CHUNK = 2**20  # values at a time
SMOOTHED = 0.7  # pixels: a standard deviation that takes the noise, and leaves lines that are two pixels apart
STRONGEST = 0.98  # quantile of an image's thinned gradients that is drawn black
FAINTEST = 0.1  # share of that below which nothing is drawn


@dataclass(frozen=True)
class Derivation:
    """What is derived of each image.

    Arguments:
        name: Of `DERIVATIONS`.
        amount: Pixels of a blur's standard deviation, or how many times smaller; 0 where there is none.

    Example:
        >>> Derivation.parse("low-resolution:2")(torch.zeros(5, 3, 8, 6, dtype=torch.uint8)).shape
        torch.Size([5, 3, 4, 3])
    """

    name: str
    amount: float = 0.0

    @classmethod
    def parse(cls, said: str) -> Self:
        """Reads ``KIND`` or ``KIND:AMOUNT``.

        Raises:
            OptionError: If the kind is unknown, or cannot have that amount.
        """
        name, colon, amount = said.partition(":")
        if name not in DERIVATIONS:
            raise OptionError(f"--derive {name!r} is unknown; there are {', '.join(DERIVATIONS)}."
                              + did_you_mean(name, DERIVATIONS))
        if name not in DEFAULTS:
            if colon:
                raise OptionError(f"--derive {said} has an amount, and {name} takes none; write --derive {name}")
            return cls(name)
        if not colon:
            return cls(name, DEFAULTS[name])
        try:
            number = float(amount)
        except ValueError:
            number = math.nan
        if not (0 < number < math.inf) or name == "low-resolution" and (number < 2 or number % 1):
            raise OptionError(f"--derive {said}: expected {EXPECTED[name]}, as {name}:{DEFAULTS[name]:g}")
        return cls(name, number)

    def __str__(self) -> str:
        """Returns what `parse` reads."""
        return f"{self.name}:{self.amount:g}" if self.amount else self.name

    @property
    def multiple(self) -> int:
        """Of which images' sides must be multiples."""
        return int(self.amount) if self.name == "low-resolution" else 1

    def check(self, x: Tensor, source: str) -> None:
        """Raises what speaks against deriving it of some images, (N, C, H, W), of a source.

        Raises:
            DataError: If nothing would be lost, so that there is nothing to learn.
            OptionError: If the amount does not fit the images' size.
        """
        channels, height, width = x.shape[1:]
        if self.name == "grey" and channels == 1:
            raise DataError(f"--derive grey of {source}, whose images are grey already, leaves nothing to learn; give "
                            "images in colour")
        if self.name == "blur" and self.amount > max(height, width):
            raise OptionError(f"--derive {self}: the blur is wider than images of {height} x {width}")
        factor = int(self.amount)
        if self.name == "low-resolution" and (height % factor or width % factor):
            near = max(1, round(min(height, width) / factor)) * factor
            raise OptionError(f"--derive {self}: images of {height} x {width} do not divide by {factor}; --size {near} "
                              "does")

    def __call__(self, x: Tensor) -> Tensor:
        """Returns what is derived of images, (N, C, H, W), uint8 or float in [0, 1], in the same precision."""
        parts = x.split(max(1, CHUNK // x[0].numel()))
        return torch.cat([_stored(DERIVATIONS[self.name](as_float(part), self.amount), x) for part in parts])


def grey(x: Tensor, amount: float = 0.0) -> Tensor:
    """Returns the luma of images, (N, 1, H, W).

    References:
        ITU-R BT.601.
    """
    return recoloured(x, "grey")


def edges(x: Tensor, amount: float = 0.0) -> Tensor:
    """Returns drawings of images in dark lines on white, (N, 1, H, W).

    A line is where the gradient of the colour that changes most is greatest across the line; how dark it is, says how
    great, in comparison with the strongest lines of the same image.

    References:
        Canny 1986, A computational approach to edge detection (smoothing, gradient, thinning).
    """
    smooth = blur(x, SMOOTHED)
    across = _filtered(_filtered(smooth, SLOPE, 3), HAT, 2)  # Sobel's, (N, C, H, W)
    down = _filtered(_filtered(smooth, SLOPE, 2), HAT, 3)
    strength, channel = torch.hypot(across, down).max(1, keepdim=True)  # (N, 1, H, W)
    thin = strength * _peaks(strength, torch.atan2(down.gather(1, channel), across.gather(1, channel)))
    strongest = _strongest(thin).clamp_min(1e-3)  # so that flat images stay white
    line = ((thin / strongest - FAINTEST) / (1 - FAINTEST)).clamp(0, 1)
    return 1 - line


def _peaks(strength: Tensor, angle: Tensor) -> Tensor:
    """Returns whether no neighbour across its line is stronger than a place, bool (N, 1, H, W)."""
    h, w = strength.shape[2:]
    around = F.pad(strength, (1, 1, 1, 1))
    sector = (angle / (math.pi / 4)).round().long() % 4  # of the four lines through a place, that along the gradient
    peak = torch.zeros_like(strength, dtype=torch.bool)
    for i, (down, right) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        ahead = around[:, :, 1 + down : 1 + down + h, 1 + right : 1 + right + w]
        behind = around[:, :, 1 - down : 1 - down + h, 1 - right : 1 - right + w]
        peak |= (sector == i) & (strength > ahead) & (strength >= behind)  # of two that are equal, one
    return peak


def _strongest(thin: Tensor) -> Tensor:
    """Returns a high quantile of each image's thinned gradients, leaving out the zeros, (N, 1, 1, 1)."""
    flat = thin.flatten(1)  # (N, H W)
    place = ((1 - STRONGEST) * (flat > 0).sum(1, keepdim=True)).long()  # (N, 1), among the greatest
    return flat.topk(int(place.max()) + 1).values.gather(1, place).view(-1, 1, 1, 1)


def blur(x: Tensor, sigma: float = 2.0) -> Tensor:
    """Returns images blurred by a Gaussian, continued beyond the border by its values, (N, C, H, W)."""
    reach = math.ceil(3 * sigma)
    weight = torch.softmax(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2, dim=0).tolist()  # a Gaussian, sum 1
    return _filtered(_filtered(x, weight, 3), weight, 2)


def low_resolution(x: Tensor, factor: float = 4.0) -> Tensor:
    """Returns images some whole number of times smaller, by bicubic interpolation that does not alias, (N, C, h, w)."""
    size = (x.shape[2] // int(factor), x.shape[3] // int(factor))
    return F.interpolate(x, size, mode="bicubic", antialias=True, align_corners=False)


def _filtered(x: Tensor, weights: Sequence[float], dim: int) -> Tensor:
    """Returns images (N, C, H, W) filtered along an axis, continued beyond the border by its values.

    A sum of shifted images is quicker on a CPU than a convolution of single channels, ten times at 32 x 32.
    """
    reach, size = len(weights) // 2, x.shape[dim]
    padded = F.pad(x, (reach, reach, 0, 0) if dim == 3 else (0, 0, reach, reach), mode="replicate")
    total = torch.zeros_like(x)
    for i, weight in enumerate(weights):
        total.add_(padded.narrow(dim, i, size), alpha=weight)
    return total


SLOPE, HAT = (-0.5, 0.0, 0.5), (0.25, 0.5, 0.25)

DERIVATIONS: Mapping[str, Callable[[Tensor, float], Tensor]] = {
    "grey": grey,
    "edges": edges,
    "blur": blur,
    "low-resolution": low_resolution,
}
DEFAULTS = {"blur": 2.0, "low-resolution": 4.0}
EXPECTED = {"blur": "a standard deviation in pixels above 0", "low-resolution": "a whole number from 2 on"}


def _stored(y: Tensor, like: Tensor) -> Tensor:
    y = y.clamp(0, 1)
    return y.mul_(255).round_().to(torch.uint8) if like.dtype == torch.uint8 else y
