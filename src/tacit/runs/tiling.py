"""Images of any size through a translator: whole, or where they are large and it looks not far, tile by tile."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from tacit.nets.translators import padded
from tacit.protocol import Reach
from tacit.runs.run import Run

__all__ = ["Turn", "at_size", "translated"]

PIXELS = 2**20  # of the output that are made at once: a net of 64 channels takes 256 MB for one map of them
WHOLE = 2**22  # that are made at once where a net looks at all of an image, so that tiles would not do
FIXED = Reach()  # of what takes images of one size only

Turn = str | None
"""Which way, of two domains: ``target`` or ``source``."""


@torch.inference_mode()
def translated(run: Run, x: Tensor, *, to: Turn = None, pixels: int = PIXELS, most: int = WHOLE) -> Tensor:
    """Returns an image in the other domain, in its own size or in as many times that as the translator enlarges.

    A translator of images of one size is given the image at that size, and one that looks at all of an image, as
    through norms over it, is given a large image at a smaller size; what they make is brought back.

    Arguments:
        run: A run that translates images.
        x: In [0, 1], shape (C, H, W), with the channels of the run's images.
        to: Which way.
        pixels: Of the output that are made at once, tile by tile.
        most: Pixels of the output that are made of a whole image, where tiles would not agree.

    Returns:
        In [0, 1], shape (channels, zoom * H, zoom * W).
    """
    reach = reach_of(run)
    if (size := at_size(run, x.shape, most)) is not None:
        return resized(run, x, size, reach, to)
    return whole(run, x, reach, to, pixels)


def at_size(run: Run, shape: torch.Size, most: int = WHOLE) -> tuple[int, int] | None:
    """Returns the height and width at which an image is translated and from which it is brought back; None for its own.

    Arguments:
        run: A run that translates images.
        shape: Of the image, (C, H, W).
        most: As `translated` takes it.
    """
    reach, (_, height, width) = reach_of(run), shape
    if reach is FIXED:
        _, own_height, own_width = run.spec.shape
        return None if (height, width) == (own_height, own_width) else (own_height, own_width)
    shrink = math.sqrt(most / (height * width * reach.zoom**2))
    if reach.pixels is not None or shrink >= 1:
        return None
    return max(1, int(height * shrink)), max(1, int(width * shrink))


def reach_of(run: Run) -> Reach:
    """Returns how far a run's translator looks; `FIXED` for one that takes images of one size only."""
    reach = getattr(run.method, "reach", None)
    return reach if isinstance(reach, Reach) and run.parent is None else FIXED


def resized(run: Run, x: Tensor, size: tuple[int, int], reach: Reach, to: Turn) -> Tensor:
    """Translates an image at another size, and brings the result to the image's own."""
    small = interpolate(x[None], size=size, mode="bicubic", antialias=True).clamp(0, 1)[0]
    made = whole(run, small, reach, to)
    zoom = made.shape[1] / size[0]
    back = [round(zoom * side) for side in x.shape[1:]]
    return interpolate(made[None], size=back, mode="bicubic", antialias=True).clamp(0, 1)[0]


def whole(run: Run, x: Tensor, reach: Reach, to: Turn, pixels: int = PIXELS) -> Tensor:
    """Translates an image in its own size, tile by tile where it is large and the net looks not far.

    What is not a multiple of what the net takes is continued at all sides alike, as the nets do it by themselves, so
    that an image lies among its continuation as it lay in training.
    """
    height, width = x.shape[1:]
    if reach.multiple > 1:
        x = padded(x[None], reach.multiple)[0]
    if reach.pixels is None or x.shape[1] * x.shape[2] * reach.zoom**2 <= pixels:
        made = at_once(run, x, to)
    else:
        margin = -(-reach.pixels // reach.multiple) * reach.multiple
        side = int(math.sqrt(pixels)) // reach.zoom // reach.multiple * reach.multiple
        made = tiled(run, x, reach, to, max(side, 4 * margin + reach.multiple), margin)
    top, left = ((more - own) // 2 for more, own in zip(x.shape[1:], (height, width), strict=True))
    return made.narrow(1, reach.zoom * top, reach.zoom * height).narrow(2, reach.zoom * left, reach.zoom * width)


def at_once(run: Run, x: Tensor, to: Turn) -> Tensor:
    """Returns what the net makes of an image, shape (C, H, W)."""
    made: Tensor = run.chain.translate(x[None].to(run.device), to=to)
    return made[0].cpu()


def tiled(run: Run, x: Tensor, reach: Reach, to: Turn, side: int, margin: int) -> Tensor:
    """Translates an image tile by tile, as the whole image would be.

    What lies within the margin of a tile's inner edges is dropped, for there the net would have looked beyond.

    Arguments:
        run: The run.
        x: The image, shape (C, H, W), H and W multiples of what the net takes.
        reach: Of its translator.
        to: Which way.
        side: Height and width of a tile, such multiples, too.
        margin: Of the input, in pixels, at least as far as the net looks, and less than half of a tile.
    """
    height, width = x.shape[1:]
    dropped = margin * reach.zoom
    rows = []
    for top, bottom in spans(height, side, margin):
        parts = []
        for left, right in spans(width, side, margin):
            made = at_once(run, x[:, top:bottom, left:right], to)
            parts.append(inner(inner(made, 1, top, bottom, height, dropped), 2, left, right, width, dropped))
        rows.append(torch.cat(parts, 2))
    return torch.cat(rows, 1)


def inner(made: Tensor, dim: int, start: int, stop: int, length: int, dropped: int) -> Tensor:
    """Returns a tile without its margins along one side, but for those that are the image's own edge."""
    first = dropped if start > 0 else 0
    return made.narrow(dim, first, made.shape[dim] - first - (dropped if stop < length else 0))


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
