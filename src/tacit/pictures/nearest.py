"""Samples beside the data nearest to them."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from tacit.pictures.grid import enlarge, factor, pixels
from tacit.pictures.theme import GREY, headline, page

__all__ = ["beside_nearest"]

SIDE, GAP, APART = 88, 6, 40  # pixels: of a longer side about, between images, and between groups
LEFT, TOP, CAPTION, FOOT = 48, 138, 26, 30
ACROSS = 3  # groups


def beside_nearest(
    made: Tensor, near: Tensor, distance: Tensor, path: str | Path, *, title: str, subtitle: str = ""
) -> Path:
    """Draws each sample, and right of it the images nearest to it with their distances.

    Arguments:
        made: Samples in [0, 1], shape (N, C, H, W).
        near: The images nearest to each, the nearest first, shape (N, k, C, H, W).
        distance: How far they are, shape (N, k).
        path: Where to write.
        title: Headline.
        subtitle: A line below it.
    """
    count, k = distance.shape
    scale = factor(made, SIDE)
    samples = enlarge(pixels(made), scale)
    others = enlarge(pixels(near.flatten(0, 1)), scale)  # (N * k, H, W, 3)
    tall, wide = samples.shape[1:3]
    group = (k + 1) * max(wide, SIDE) + (k + 1) * GAP + APART
    lines = -(-count // ACROSS)
    pitch = tall + CAPTION + 14
    width, height = 2 * LEFT + ACROSS * group - APART, TOP + lines * pitch + FOOT
    with page(path, width, height) as figure:
        headline(figure, title, subtitle)
        for i in range(count):
            left, top = LEFT + i % ACROSS * group, height - TOP - i // ACROSS * pitch
            tiles = [(samples[i], "sample"), *((others[i * k + j], f"{float(distance[i, j]):.2f}") for j in range(k))]
            for j, (tile, caption) in enumerate(tiles):
                x = left + j * (max(wide, SIDE) + GAP) + GAP * (j > 0)  # what was made stands a little apart
                figure.figimage(tile, x, top - tall)
                figure.text((x + wide / 2) / width, (top - tall - 6) / height, caption, fontsize=8, color=GREY,
                            ha="center", va="top")  # fmt: skip
    return Path(path)
