"""The page of a source: what is in it, with pictures, before anything is fitted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tacit.data.dataset import Data
from tacit.data.facts import Duplicates, Facts
from tacit.functional.draws import shuffled, some
from tacit.pictures.grid import pixels
from tacit.report.media import Sample, data_url
from tacit.report.pages import environment, write
from tacit.study.timing import Timing, lasting

__all__ = ["write_data_page"]

BARS = 8  # for which a picture of bars has room at least
SHEET, PER_CLASS, PER_GROUP = 96, 10, 8  # pictures of all samples, of a class, of a group of duplicates
CLASSES, GROUPS, NAMES, LOST = 40, 24, 4, 1_000  # how many are shown
WIDEST = 96  # pixels of a picture
SEED = 0
ABOVE = re.compile(r"(?<![\w.])(?:~|[A-Za-z]:)?(?:[/\\][^\s/\\'\"]+)*[/\\](?=[^\s/\\])")  # of an absolute path


@dataclass(frozen=True)
class Shelf:
    """Samples that stand together: a title, how many there are, their share of the largest shelf, some of them."""

    title: str
    count: int
    share: float
    tiles: Sequence[Sample]
    names: Sequence[str] = ()


def write_data_page(facts: Facts, path: Path, *, timings: Sequence[Timing] = (), command: str = "") -> Path:
    """Writes what is known of data as one HTML file that needs no network, and in which no absolute path stands.

    Arguments:
        facts: What is known.
        path: Where to.
        timings: How long methods take, if that is known.
        command: The command line that makes the page again.
    """
    made = environment()
    made.filters |= {"bare": bare, "lasting": lasting, "heights": heights}
    data = facts.data
    html = made.get_template("data.html").render(
        facts=facts, data=data, timings=timings, command=command, sheet=tiles(data, drawn(data)),
        classes=class_shelves(facts), groups=group_shelves(facts), lost=data.skipped[:LOST],
    )
    return write(html, path)


def bare(text: str) -> str:
    """Returns text in which only the last part of each absolute path is left.

    Example:
        >>> bare("labels from /home/me/photos/labels.csv, 1/2 of train/cat")
        'labels from labels.csv, 1/2 of train/cat'
    """
    return ABOVE.sub("", text)


def heights(bars: Sequence[float]) -> list[tuple[float, float, float]]:
    """Returns left edge, width and height of each bar in per cent, the highest 100; few bars leave room at the right.

    Example:
        >>> heights([0.1, 0.2])
        [(0.0, 11.25, 50.0), (12.5, 11.25, 100.0)]
    """
    most, place = max(bars, default=1.0) or 1.0, 100 / max(len(bars), BARS)
    return [(i * place, 0.9 * place, 100 * bar / most) for i, bar in enumerate(bars)]


# Which samples -------------------------------------------------------------------------------------------------------


def drawn(data: Data) -> Tensor:
    """Returns the positions of samples, drawn at random."""
    return shuffled(torch.arange(len(data)), SEED)[:SHEET]


def class_shelves(facts: Facts) -> list[Shelf]:
    """Returns the largest classes with samples of each drawn at random, in the classes' own order."""
    data, counts = facts.data, facts.classes
    largest = sorted(counts, key=lambda name: -counts[name])[:CLASSES]
    most = max(counts.values(), default=0) or 1
    return [
        Shelf(name, count, 100 * count / most, tiles(data, some(members(data, number), PER_CLASS, SEED)))
        for number, (name, count) in enumerate(counts.items()) if name in largest
    ]


def members(data: Data, number: int) -> Tensor:
    """Returns the positions of a class's samples."""
    return torch.zeros(0, dtype=torch.int64) if data.label is None else (data.label == number).nonzero().flatten()


def group_shelves(facts: Facts) -> list[Shelf]:
    """Returns groups of duplicates: the largest near ones, then the largest exact ones, of each at least half."""
    near, exact = ([g for g in facts.duplicates if g.exact == kind] for kind in (False, True))
    half = GROUPS // 2
    shown = near[: max(half, GROUPS - len(exact))] + exact[: max(half, GROUPS - len(near))]
    return [shelf(facts.data, group) for group in shown[:GROUPS]]


def shelf(data: Data, group: Duplicates) -> Shelf:
    """Returns one group of duplicates."""
    first = torch.tensor(group.positions[:PER_GROUP])
    return Shelf("exact" if group.exact else "near", len(group.positions), 0.0, tiles(data, first),
                 [data.ids[i] for i in group.positions[:NAMES]])


# Pictures ------------------------------------------------------------------------------------------------------------


def tiles(data: Data, positions: Tensor) -> list[Sample]:
    """Returns samples as small pictures; none where samples are no images."""
    if data.spec.kind != "image" or not len(positions):
        return []
    images = pixels(data.batch(positions).x)  # (n, H, W, 3)
    return [Sample(data.ids[i], picture(image)) for i, image in zip(positions.tolist(), images, strict=True)]


def picture(image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> str:
    """Returns an image, shape (H, W, 3), as a data URL, no wider than the page needs it."""
    shown = Image.fromarray(image)
    shown.thumbnail((WIDEST, WIDEST), Image.Resampling.LANCZOS)
    return data_url(np.asarray(shown), 85)
