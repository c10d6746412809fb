"""One look for every picture: ink on light paper, a small set of colours, and a page to draw on."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tacit.files import written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ACCENT", "DPI", "FAINT", "GREY", "INK", "PAPER", "SECOND", "dress", "headline", "page", "palette"]

PAPER = "#fcfcfa"
INK = "#22262e"
GREY = "#757b86"
FAINT = "#e3e4e4"
ACCENT = "#33608f"
SECOND = "#d1703c"
DPI = 144  # so that a point is two pixels

# Paul Tol's "muted" scheme, which people with any colour vision tell apart, and three of his that go with it
COLOURS = (
    "#332288", "#cc6677", "#117733", "#ddaa33", "#88ccee", "#882255", "#44aa99", "#999933", "#aa4499", "#ee7733",
    "#4477aa", "#997755",
)  # fmt: skip

LOOK: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "figure.facecolor": PAPER,
    "figure.dpi": DPI,
    "axes.facecolor": PAPER,
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
}


@functools.cache
def palette(count: int) -> tuple[str, ...]:
    """Returns colours that are told apart as well as so many can be.

    Up to twelve are a scheme that is safe for colour-blind people; each after those is the farthest in Oklab from all
    before it.

    Example:
        >>> palette(2)
        ('#332288', '#cc6677')
    """
    chosen = list(COLOURS[:count])
    if count <= len(chosen):
        return tuple(chosen)
    steps = range(24, 232, 16)
    candidates = {f"#{r:02x}{g:02x}{b:02x}": oklab(r, g, b) for r in steps for g in steps for b in steps}
    candidates = {  # neither too pale to be seen on paper, nor loud
        name: place for name, place in candidates.items() if 0.32 < place[0] < 0.82 and math.hypot(*place[1:]) < 0.15
    }
    room = {n: min(math.dist(p, oklab(*bytes.fromhex(c[1:]))) for c in COLOURS) for n, p in candidates.items()}
    while len(chosen) < count:
        chosen.append(max(room, key=room.__getitem__))
        added = candidates[chosen[-1]]
        room = {name: min(d, math.dist(candidates[name], added)) for name, d in room.items()}
    return tuple(chosen)


def oklab(red: int, green: int, blue: int) -> tuple[float, float, float]:
    """Returns lightness and two opponent colours of a colour of 8 bits, in which distance is as seen.

    References:
        Ottosson 2020, A perceptual color space for image processing.
    """
    r, g, b = (c / 3294.6 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in (red, green, blue))
    long = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    medium = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    short = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


@contextmanager
def page(path: str | Path, width: int, height: int) -> Iterator[Figure]:
    """Gives a page to draw on, and writes it as PNG when all is drawn.

    Arguments:
        path: Where to; written under a temporary name and renamed.
        width: In pixels.
        height: In pixels.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
        FigureCanvasAgg(figure)
        yield figure
        with written_whole(path) as temporary:
            figure.savefig(temporary, format="png", dpi=DPI, facecolor=PAPER)


def headline(figure: Figure, title: str, subtitle: str = "", left: int = 48) -> None:
    """Writes a title, and a quieter line below it, at the top left of a page; long ones smaller, then shortened."""
    width, height = figure.get_size_inches() * DPI
    for text, y, size, weight, colour in ((title, 62, 14, "bold", INK), (subtitle, 96, 9, "normal", GREY)):
        line = figure.text(left / width, 1 - y / height, text, fontsize=size, fontweight=weight, color=colour)
        share = (width - 2 * left) / max(line.get_window_extent().width, 1)
        if share < 0.7:
            line.set_text(text[: max(1, int(len(text) * share / 0.7) - 2)] + "…")
        line.set_fontsize(size * min(1, max(share, 0.7)))


def dress(axes: Axes, xlabel: str = "", ylabel: str = "") -> None:
    """Gives axes a faint grid behind the data, few ticks, and labels."""
    axes.set_axisbelow(True)
    axes.grid(color=FAINT, linewidth=0.6)
    axes.tick_params(length=0, pad=5)
    axes.locator_params(nbins=5, min_n_ticks=3)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.spines["left"].set_visible(False)
