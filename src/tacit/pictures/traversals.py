"""Images along each dimension of a code, one row for each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tacit.pictures.grid import enlarge, factor, pixels
from tacit.pictures.plots import shortened_to
from tacit.pictures.theme import GREY, INK, PAPER, headline, page

__all__ = ["traversals"]

LEFT, TOP, FOOT, GAP = 290, 150, 36, 4  # pixels
LEAST = 900  # of the width, so that a headline has room
FADED = 0.75  # how far a collapsed row goes to the colour of the paper


def traversals(
    images: Tensor, captions: Sequence[str], grey: Sequence[bool], path: str | Path, *, title: str, subtitle: str = ""
) -> Path:
    """Draws one row of images for each dimension; rows of those that carry nothing are grey and faint.

    Arguments:
        images: In [0, 1], shape (rows, columns, C, H, W).
        captions: Of each row; what follows a line break is written smaller.
        grey: Whether each row is of a collapsed dimension.
        path: Where to write.
        title: Headline.
        subtitle: A line below it.
    """
    rows, columns = images.shape[:2]
    flat = images.flatten(0, 1)
    tiles = enlarge(pixels(flat), factor(flat))
    tall, wide = tiles.shape[1:3]
    tiles = tiles.reshape(rows, columns, tall, wide, 3)
    pitch = max(tall, 44) + 2 * GAP
    width = max(LEFT + columns * (wide + GAP) + 44, LEAST)
    height = TOP + rows * pitch + FOOT
    with page(path, width, height) as figure:
        headline(figure, title, subtitle)
        for i, (caption, faint) in enumerate(zip(captions, grey, strict=True)):
            top = height - TOP - pitch * i  # from the bottom of the page
            for j, tile in enumerate(tiles[i]):
                figure.figimage(faded(tile) if faint else tile, LEFT + j * (wide + GAP), top - tall)
            name, _, more = caption.partition("\n")
            x, middle, align = 48 / width, top - tall / 2, "bottom" if more else "center"
            colour = GREY if faint else INK
            figure.text(x, (middle + 3 * bool(more)) / height, shortened_to(name, LEFT - 60, 10), fontsize=10,
                        va=align, color=colour)
            figure.text(x, (middle - 6) / height, shortened_to(more, LEFT - 60, 8.5), fontsize=8.5, va="top",
                        color=GREY)
    return Path(path)


def faded(tile: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns an image, (H, W, 3), without colour and nearly as light as the paper."""
    paper = np.array([int(PAPER[i : i + 2], 16) for i in (1, 3, 5)])
    luma = tile.mean(2, keepdims=True)  # (H, W, 1)
    mixed: NDArray[np.uint8] = np.rint(FADED * paper + (1 - FADED) * luma).astype(np.uint8)
    return mixed
