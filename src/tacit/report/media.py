"""Media of a page that needs no network: samples as data URLs, thumbnails in one sheet, rows of tables as words."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tacit.data.coding import decode
from tacit.data.dataset import Data
from tacit.pictures.grid import pixels
from tacit.protocol import Spec

__all__ = ["Atlas", "Sample", "atlas", "column_names", "data_url", "picture", "rows", "samples", "side_for",
           "thumbnails"]

WIDEST = 900  # pixels of a picture on the page
SIDES = (12, 96)  # pixels of a thumbnail's longer side, at least and at most
TEXTURE = 0.9  # bytes that a pixel of a small photograph takes as WebP of quality 85
QUALITIES = (90, 80, 65, 50, 30)  # tried in this order until a sheet is small enough
TINY = 3 * 48 * 48  # values of an image whose pixels are seen one by one
FEW = 12  # values of a vector that can be read as a row
CHUNK = 512  # images that are made small at a time

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Sample:
    """One sample as a page shows it.

    Arguments:
        id: Its id, or its number where ids are left out.
        picture: A data URL, or nothing.
        cells: Its values in words, in the order of `column_names`; empty for what is no row.
        label: Its class, or nothing.
    """

    id: str
    picture: str = ""
    cells: tuple[str, ...] = ()
    label: str = ""


@dataclass(frozen=True)
class Atlas:
    """Thumbnails in one picture, in rows from the upper left.

    Arguments:
        url: The picture as a data URL.
        width: Of a thumbnail, in pixels.
        height: Of a thumbnail, in pixels.
        columns: Thumbnails in a row.
    """

    url: str
    width: int
    height: int
    columns: int


def side_for(count: int, most: int) -> int:
    """Returns the longer side that so many thumbnails may have, in pixels, to take about `most` bytes together.

    Example:
        >>> side_for(100, 4_000_000), side_for(4_000, 6_000_000)
        (96, 41)
    """
    fitting = math.sqrt(most / (TEXTURE * max(1, count)))
    return round(min(max(fitting, SIDES[0]), SIDES[1]))


def samples(data: Data, ids: Sequence[str], side: int) -> list[Sample]:
    """Returns samples as a page shows them.

    Arguments:
        data: The samples, few enough to be shown one by one.
        ids: What each is called on the page.
        side: Longer side of a picture, in pixels.
    """
    pictures = thumbnails(data.everything(), side) if data.spec.kind == "image" else [""] * len(data)
    cells = rows(data.x, data.spec) or [()] * len(data)
    classes = data.spec.classes
    labels = [-1] * len(data) if data.label is None else data.label.tolist()
    return [
        Sample(name, image, row, classes[k] if 0 <= k < len(classes) else "")
        for name, image, row, k in zip(ids, pictures, cells, labels, strict=True)
    ]


def column_names(spec: Spec) -> tuple[str, ...]:
    """Returns how the cells of a row are called; nothing where a sample is no row."""
    if spec.kind == "table":
        return tuple(c.name for c in spec.columns)
    return tuple(str(i) for i in range(1, spec.size + 1)) if spec.kind == "vector" and spec.size <= FEW else ()


def rows(x: Tensor, spec: Spec) -> list[tuple[str, ...]]:
    """Returns the values of samples in words, one for each of `column_names`; nothing where a sample is no row.

    Arguments:
        x: Samples, or what a method made, shape (N, *spec.shape).
        spec: What one sample is.
    """
    names = column_names(spec)
    if not names:
        return []
    known = decode(x, spec) if spec.kind == "table" else dict(zip(names, x.float().flatten(1).T.numpy(), strict=True))
    return list(zip(*([word(v) for v in known[name].tolist()] for name in names), strict=True))


def word(value: float | str) -> str:
    """Returns a cell as a person reads it; a dash where it is missing.

    Example:
        >>> word(-0.0), word(0.123456), word("Private"), word(float("nan"))
        ('0', '0.1235', 'Private', '–')
    """
    if isinstance(value, str):
        return value or "–"
    if math.isnan(value):
        return "–"
    value += 0.0  # minus zero is zero
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.4g}"


def thumbnails(x: Tensor, side: int) -> list[str]:
    """Returns images as data URLs, none with a side of more than `side` pixels.

    Arguments:
        x: Images in [0, 1], shape (N, C, H, W).
        side: In pixels.
    """
    return [data_url(image, 88) for part in small(x, side) for image in part]


def atlas(data: Data, most: int) -> Atlas:
    """Returns all images of data as one sheet of at most about `most` bytes.

    Arguments:
        data: Images.
        most: In bytes, before they are written as text, which adds a third.
    """
    side = side_for(len(data), most)
    parts = (data.batch(index).x for index in torch.arange(len(data)).split(CHUNK))
    tiles = np.concatenate([part for x in parts for part in small(x, side)])  # (N, h, w, 3)
    count, high, wide = tiles.shape[:3]
    columns = math.ceil(math.sqrt(count * high / wide))
    down = math.ceil(count / columns)
    sheet = np.zeros((columns * down, high, wide, 3), np.uint8)
    sheet[:count] = tiles
    sheet = sheet.reshape(down, columns, high, wide, 3).transpose(0, 2, 1, 3, 4)  # (down, h, columns, w, 3)
    return Atlas(fitting(sheet.reshape(down * high, columns * wide, 3), most), wide, high, columns)


def fitting(sheet: Array, most: int) -> str:
    """Returns a picture as a data URL, without loss where that is small, else of the best quality that fits."""
    exact = webp(sheet, lossless=True) if sheet.size < most else b""
    if exact and len(exact) < most / 8:
        return address(exact)
    for quality in QUALITIES:
        lossy = webp(sheet, quality=quality)
        if len(lossy) <= most:
            break
    return address(lossy)


def small(x: Tensor, side: int) -> Iterator[Array]:
    """Yields images as 8-bit colour, shape (n, h, w, 3) each time, no side longer than `side` pixels."""
    high, wide = x.shape[-2:]
    scale = min(1.0, side / max(high, wide))
    size = max(1, round(wide * scale)), max(1, round(high * scale))
    for part in x.split(CHUNK):
        full = pixels(part)
        if scale == 1.0:
            yield full
        else:
            shrunk = [Image.fromarray(image).resize(size, Image.Resampling.LANCZOS) for image in full]
            yield np.stack([np.asarray(image) for image in shrunk])


def picture(path: Path) -> str | None:
    """Returns a picture as a data URL, no wider than the page needs it; None where there is none."""
    if not path.is_file():
        return None
    with Image.open(path) as image:
        shown = image.convert("RGB")
    if shown.width > WIDEST:
        shown = shown.resize((WIDEST, round(shown.height * WIDEST / shown.width)), Image.Resampling.LANCZOS)
    return data_url(np.asarray(shown), 88)


def data_url(image: Array, quality: int) -> str:
    """Returns 8-bit colour pixels, shape (H, W, 3), as a data URL; without loss where that takes little more."""
    lossy = webp(image, quality=quality)
    exact = webp(image, lossless=True) if image.size <= TINY else b""
    return address(exact if exact and len(exact) <= 1.5 * len(lossy) else lossy)


def webp(image: Array, **options: Any) -> bytes:
    """Returns 8-bit colour pixels, shape (H, W, 3), as WebP."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", method=4, **options)
    return buffer.getvalue()


def address(image: bytes) -> str:
    """Returns WebP as a data URL."""
    return "data:image/webp;base64," + base64.b64encode(image).decode()
