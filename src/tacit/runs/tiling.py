"""Images of any size through a translator: whole where they are small, else in tiles that leave no seams."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from tacit.protocol import Reach
from tacit.runs.run import Run

__all__ = ["Turn", "translated"]

PIXELS = 2**20  # of the output that are made at once: a net of 64 channels takes 256 MB for one map of them
BLENDED = 64  # pixels of the input over which two tiles pass into one another, where a net looks everywhere

Turn = str | None
"""Which way, of two domains: ``target`` or ``source``."""


@torch.inference_mode()
def translated(run: Run, x: Tensor, *, to: Turn = None, pixels: int = PIXELS) -> Tensor:
    """Returns an image in the other domain, in its own size or in as many times that as the translator enlarges.

    A translator of images of one size is given the image at that size, and what it makes is brought back.

    Arguments:
        run: A run that translates images.
        x: In [0, 1], shape (C, H, W), with the channels of the run's images.
        to: Which way.
        pixels: Of the output that are made at once.

    Returns:
        In [0, 1], shape (channels, zoom * H, zoom * W).
    """
    reach = getattr(run.method, "reach", None)
    if not isinstance(reach, Reach) or run.parent is not None:
        return resized(run, x, to)
    side = int(math.sqrt(pixels)) // reach.zoom // reach.multiple * reach.multiple
    side = max(side, reach.multiple)
    if max(x.shape[1:]) <= side or x.shape[1] * x.shape[2] * reach.zoom**2 <= pixels:
        return whole(run, x, reach, to)
    margin = BLENDED // 2 if reach.pixels is None else reach.pixels
    margin = min(-(-margin // reach.multiple) * reach.multiple, (side - 1) // 2 // reach.multiple * reach.multiple)
    return tiled(run, x, reach, to, side, margin)


def resized(run: Run, x: Tensor, to: Turn) -> Tensor:
    """Translates an image at the run's size, and brings the result to the image's own."""
    small = interpolate(x[None], size=run.spec.shape[1:], mode="bicubic", antialias=True).clamp(0, 1)
    made = run.chain.translate(small.to(run.device), to=to).cpu()
    zoom = made.shape[2] / small.shape[2]
    size = [round(zoom * side) for side in x.shape[1:]]
    return interpolate(made, size=size, mode="bicubic", antialias=True).clamp(0, 1)[0]


def whole(run: Run, x: Tensor, reach: Reach, to: Turn) -> Tensor:
    """Translates an image at once, continued at its right and lower edge to what the net divides."""
    height, width = x.shape[1:]
    more = (0, -width % reach.multiple, 0, -height % reach.multiple)
    mode = "reflect" if more[1] < width and more[3] < height else "replicate"
    made: Tensor = run.chain.translate(pad(x[None], more, mode=mode).to(run.device), to=to).cpu()
    return made[0, :, : reach.zoom * height, : reach.zoom * width]


def tiled(run: Run, x: Tensor, reach: Reach, to: Turn, side: int, margin: int) -> Tensor:
    """Translates an image tile by tile.

    Where a net looks no farther than the margin, what lies within it of a tile's inner edges is dropped, and the rest
    is what the whole image would give. Elsewhere two tiles pass into one another over the margins of both.

    Arguments:
        run: The run.
        x: The image, shape (C, H, W).
        reach: Of its translator.
        to: Which way.
        side: Height and width of a tile.
        margin: Of the input, in pixels, less than half of a tile.
    """
    height, width = x.shape[1:]
    total = weights = torch.zeros(())
    for top, bottom in spans(height, side, margin):
        for left, right in spans(width, side, margin):
            made = whole(run, x[:, top:bottom, left:right], reach, to)
            if not total.dim():
                total = made.new_zeros(made.shape[0], reach.zoom * height, reach.zoom * width)
                weights = made.new_zeros(total.shape[1:])
            sharp = reach.pixels is not None
            rows = ramp(top, bottom, height, margin, sharp=sharp).repeat_interleave(reach.zoom)
            columns = ramp(left, right, width, margin, sharp=sharp).repeat_interleave(reach.zoom)
            weight = rows[:, None] * columns  # (zoom * h, zoom * w)
            place = (slice(reach.zoom * top, reach.zoom * bottom), slice(reach.zoom * left, reach.zoom * right))
            total[:, *place] += weight * made
            weights[place] += weight
    return total / weights


def spans(length: int, side: int, margin: int) -> Iterator[tuple[int, int]]:
    """Yields where tiles begin and end along one side of an image; neighbours share two margins.

    Example:
        >>> list(spans(20, 12, 2)), list(spans(9, 12, 2))
        ([(0, 12), (8, 20)], [(0, 9)])
    """
    start = 0
    while start + side < length:
        yield start, start + side
        start += side - 2 * margin
    yield start, length


def ramp(start: int, stop: int, length: int, margin: int, *, sharp: bool) -> Tensor:
    """Returns how much each row of a tile counts, shape (stop - start,): less near edges that are not the image's.

    Example:
        >>> ramp(0, 6, 20, 2, sharp=True).tolist()
        [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]
        >>> ramp(0, 6, 20, 2, sharp=False).tolist()
        [1.0, 1.0, 0.875, 0.625, 0.375, 0.125]
    """
    place = torch.arange(start, stop) + 0.5
    far = torch.full_like(place, torch.inf)  # from the nearest inner edge
    if start > 0:
        far = torch.minimum(far, place - start)
    if stop < length:
        far = torch.minimum(far, stop - place)
    return (far > margin).float() if sharp else (far / (2 * margin)).clamp(max=1)
