"""Curves of measured values with their intervals, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from tacit.pictures.theme import dress, headline, page, palette

__all__ = ["Curve", "Panel", "bands"]

WIDE, HIGH, TOP, BOTTOM, LEFT, RIGHT = 600, 460, 176, 100, 110, 30  # of a panel's field, and around it, in pixels
ROOM = 34  # of a line of the legend


@dataclass(frozen=True)
class Curve:
    """One curve.

    Arguments:
        name: For the legend; curves of one name have one colour in all panels.
        x: Places, shape (M,).
        y: Values, shape (M,).
        low: Lower ends of their intervals, shape (M,).
        high: Upper ends, shape (M,).
    """

    name: str
    x: Tensor
    y: Tensor
    low: Tensor
    high: Tensor


@dataclass(frozen=True)
class Panel:
    """Curves on the same axes, both logarithmic.

    Arguments:
        title: Above the panel.
        xlabel: What the places are, and their unit.
        ylabel: What the values are, and their unit.
        curves: What is drawn.
    """

    title: str
    xlabel: str
    ylabel: str
    curves: Sequence[Curve]


def bands(panels: Sequence[Panel], path: str | Path, *, title: str, subtitle: str = "") -> Path:
    """Draws panels in a row, each curve with a band for its intervals, and one legend below them.

    Arguments:
        panels: From left to right. Panels of the same label of values share their scale.
        path: Where to write.
        title: Headline.
        subtitle: A line below it.
    """
    names = list(dict.fromkeys(curve.name for panel in panels for curve in panel.curves))
    colours = dict(zip(names, palette(len(names)), strict=True))
    rows = -(-len(names) // (2 * len(panels)))  # two names below each panel
    width, height = len(panels) * (LEFT + WIDE + RIGHT) + 20, TOP + HIGH + BOTTOM + ROOM * rows + 20
    limits = {panel.ylabel: span([c for p in panels if p.ylabel == panel.ylabel for c in p.curves]) for panel in panels}
    with page(path, width, height) as figure:
        headline(figure, title, subtitle)
        for i, panel in enumerate(panels):
            left, bottom = LEFT + i * (LEFT + WIDE + RIGHT), BOTTOM + ROOM * rows + 20
            axes = figure.add_axes((left / width, bottom / height, WIDE / width, HIGH / height))
            draw(axes, panel, colours, limits[panel.ylabel])
        figure.legend([line(colours[name]) for name in names], names, loc="lower left", ncols=2 * len(panels),
                      bbox_to_anchor=(48 / width, 12 / height), borderaxespad=0, fontsize=9)  # fmt: skip
    return Path(path)


def draw(axes: Any, panel: Panel, colours: dict[str, str], limits: tuple[float, float]) -> None:
    """Draws one panel."""
    from matplotlib.ticker import LogLocator, NullLocator

    dress(axes, panel.xlabel, panel.ylabel)
    axes.set_title(panel.title, loc="left", fontsize=10, pad=10)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for curve in panel.curves:
        x, y, low, high = (np.asarray(part, dtype=float) for part in (curve.x, curve.y, curve.low, curve.high))
        axes.fill_between(x, low.clip(limits[0]), high.clip(limits[0]), color=colours[curve.name], alpha=0.18, lw=0)
        axes.plot(x, y.clip(limits[0]), color=colours[curve.name], lw=1.6, marker="o", markersize=3)
    places = sorted({float(x) for curve in panel.curves for x in curve.x})
    axes.set_xticks(places, [f"{place:g}" for place in places])
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if limits[1] > 100 * limits[0] else (1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
    axes.set_ylim(*limits)


def span(curves: Sequence[Curve]) -> tuple[float, float]:
    """Returns limits between which all values and their upper ends lie, and no lower end below a third of all values.

    Example:
        >>> from torch import tensor
        >>> span([Curve("", tensor([1.0]), tensor([3.0]), tensor([-1.0]), tensor([4.0]))])
        (1.0, 5.0)
    """
    values = np.concatenate([np.asarray(curve.y, dtype=float) for curve in curves])
    highs = np.concatenate([np.asarray(curve.high, dtype=float) for curve in curves])
    return float(values[values > 0].min(initial=np.inf)) / 3, 1.25 * float(highs.max())


def line(colour: str) -> Any:
    """Returns a line for the legend."""
    from matplotlib.lines import Line2D

    return Line2D([0], [0], color=colour, linewidth=1.6)
