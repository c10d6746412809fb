"""Images side by side."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from tacit.files import written_whole
from tacit.pictures.theme import GREY, INK, PAPER

__all__ = ["enlarge", "grid", "pairs", "pixels", "rows", "save", "stacked"]

VISIBLE = 64  # pixels that the longer side of an image should have, to be seen
READABLE = 112  # and that which has a caption


def pixels(images: Tensor) -> NDArray[np.uint8]:
    """Returns 8-bit colour images, shape (N, H, W, 3).

    One channel is grey, three are red, green and blue; of two the mean, of more than three the first three are shown.

    Arguments:
        images: In [0, 1], shape (N, C, H, W); what is outside is clipped.
    """
    images = images.detach().float().cpu().nan_to_num(0).clamp(0, 1)
    shown = images.mean(1, keepdim=True) if images.shape[1] == 2 else images[:, :3]
    shown = shown.expand(-1, 3, -1, -1).permute(0, 2, 3, 1)  # (N, H, W, 3)
    return (shown * 255).round().to(torch.uint8).numpy()


def enlarge(images: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """Returns images each of whose pixels is a square of `scale` by `scale`, shape (N, H * scale, W * scale, 3)."""
    return images.repeat(scale, axis=1).repeat(scale, axis=2)


def grid(
    images: Tensor,
    *,
    columns: int | None = None,
    gap: int = 2,
    scale: int | None = None,
    captions: Sequence[str] | None = None,
) -> Image.Image:
    """Returns images in rows.

    Arguments:
        images: In [0, 1], shape (N, C, H, W), N at least 1.
        columns: Images per row; by default as many as make the grid nearly square.
        gap: Pixels between images.
        scale: Factor of enlargement; by default what brings small images to 64 pixels, or 112 with captions.
        captions: A line below each image, shortened where it is too long.

    Example:
        >>> grid(torch.zeros(6, 1, 32, 32), columns=3, gap=2).size
        (200, 134)
    """
    columns = columns or near_square(len(images))
    tiles = enlarge(pixels(images), scale or factor(images, VISIBLE if captions is None else READABLE))
    below = 0 if captions is None else 20
    high, wide = tiles.shape[1] + below + gap, tiles.shape[2] + gap
    page = Image.new("RGB", (columns * wide + gap, math.ceil(len(tiles) / columns) * high + gap), PAPER)
    draw = ImageDraw.Draw(page)
    for i, tile in enumerate(tiles):
        x, y = gap + i % columns * wide, gap + i // columns * high
        page.paste(Image.fromarray(tile), (x, y))
        if captions is not None:
            text = shortened(captions[i], tile.shape[1])
            draw.text((x + tile.shape[1] / 2, y + tile.shape[0] + 4), text, fill=INK, font=font(11), anchor="ma")
    return page


def pairs(
    top: Tensor, bottom: Tensor, *, columns: int | None = None, names: tuple[str, str] | None = None
) -> Image.Image:
    """Returns images with their counterparts directly below them.

    Arguments:
        top: In [0, 1], shape (N, C, H, W).
        bottom: Likewise, the counterpart of each.
        columns: Pairs per row; by default as many as make the picture nearly square.
        names: What the upper and the lower ones are, written beside each row.
    """
    return rows((top, bottom), columns=columns, names=names)


def rows(sets: Sequence[Tensor], *, columns: int | None = None, names: Sequence[str] | None = None) -> Image.Image:
    """Returns images with all their counterparts directly below them, one set a row.

    Arguments:
        sets: Images in [0, 1], and the counterpart of each in every further set, each of shape (N, C, H, W).
        columns: Images per row; by default as many as make the picture nearly square.
        names: What the images of each set are, written beside each of its rows.

    Example:
        >>> rows([torch.zeros(4, 1, 8, 8)] * 3, columns=2).size
        (134, 408)
    """
    count = len(sets[0])
    columns = min(count, columns or near_square(len(sets) * count))
    high = [images.shape[-2] * factor(images) for images in sets]
    left = 0 if not names else 16 + math.ceil(max(font(12).getlength(name) for name in names))
    bands = [
        functools.reduce(stacked, [grid(images[i : i + columns], columns=columns) for images in sets])
        for i in range(0, count, columns)
    ]
    page = Image.new("RGB", (left + bands[0].width, sum(band.height + 8 for band in bands) - 8), PAPER)
    draw = ImageDraw.Draw(page)
    y = 0
    for band in bands:
        page.paste(band, (left, y))
        middle = y + 2
        for name, tall in zip(names or (), high, strict=False):
            draw.text((left - 8, middle + tall / 2), name, fill=GREY, font=font(12), anchor="rm")
            middle += tall + 2
        y += band.height + 8
    return page


def stacked(upper: Image.Image, lower: Image.Image) -> Image.Image:
    """Returns one picture above another, their margins shared."""
    both = Image.new("RGB", (max(upper.width, lower.width), upper.height + lower.height - 2), PAPER)
    both.paste(upper, (0, 0))
    both.paste(lower, (0, upper.height - 2))
    return both


def near_square(count: int) -> int:
    """Returns how many columns make a nearly square grid, the last row as full as it can be.

    Example:
        >>> [near_square(n) for n in (1, 2, 10, 64)]
        [1, 2, 5, 8]
    """
    least = max(1, math.ceil(math.sqrt(count)))
    return min(range(least, least + max(1, least // 3) + 1), key=lambda c: (-count % c, c))


def factor(images: Tensor, side: int = VISIBLE) -> int:
    """Returns by how much images are enlarged so that their longer side is about so many pixels."""
    return max(1, round(side / max(images.shape[-2:])))


def shortened(text: str, width: int) -> str:
    """Returns the text, with an ellipsis in its middle where it is wider than `width` pixels."""
    keep = len(text)
    short = text
    while keep > 1 and font(11).getlength(short) > width:
        keep -= 1
        short = text[: (keep + 1) // 2] + "…" + text[len(text) - keep // 2 :]
    return short


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Returns the font of every picture, in pixels."""
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", size)


def save(image: Image.Image, path: str | Path) -> Path:
    """Writes an image as PNG, under a temporary name that is then renamed."""
    with written_whole(path) as temporary:
        image.save(temporary, format="png")
    return Path(path)
