"""Accuracy against the number of labels, a curve for each method."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tacit.pictures.theme import GREY, INK, dress, headline, page, palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Point", "accuracy_curves"]

Point = tuple[int, float, float, float]  # number of labels, accuracy, and the ends of its interval
WIDTH, HEIGHT, LEGEND = 1500, 950, 330  # pixels
APART = 0.012  # of the axis, between methods at the same number of labels
DASHES = ((0, (1.5, 2)), (0, (5, 3)))


def accuracy_curves(
    curves: Mapping[str, Sequence[Point]], path: str | Path, *, plain: Collection[str] = (),
    title: str = "Classes from few labels", subtitle: str = "",
) -> Path:  # fmt: skip
    """Draws how accuracy rises with the number of labels, with intervals; names stand at the right, best first.

    Where there is one number of labels only, each method has a line of its own.

    Arguments:
        curves: Points by the name of a method, accuracies in [0, 1].
        path: Where to write.
        plain: Names that are drawn in grey, for comparison.
        title: Headline.
        subtitle: A line below it.
    """
    order = sorted(curves, key=lambda name: curves[name][-1][1], reverse=True)
    coloured = [name for name in curves if name not in plain]
    colours = dict(zip(coloured, palette(len(coloured)), strict=True)) | dict.fromkeys(plain, GREY)
    single = len({point[0] for points in curves.values() for point in points}) == 1
    height = 260 + 62 * len(curves) if single else HEIGHT
    with page(path, WIDTH, height) as figure:
        headline(figure, title, subtitle)
        left, bottom, up = LEGEND if single else 100, 100 / height, (height - 250) / height
        axes = figure.add_axes((left / WIDTH, bottom, (WIDTH - LEGEND - 130) / WIDTH, up))
        if single:
            _lines(axes, curves, order, colours)
        else:
            _curves(axes, curves, order, colours, [name for name in curves if name in plain])
    return Path(path)


def _lines(axes: Axes, curves: Mapping[str, Sequence[Point]], order: Sequence[str], colours: Mapping[str, str]) -> None:
    """Draws one interval above the other, the best on top."""
    labels = curves[order[0]][0][0]
    dress(axes, f"accuracy with {labels:,} labels, %", "")
    for y, name in enumerate(reversed(order)):
        (_, mean, low, high), = curves[name]
        axes.plot([100 * low, 100 * high], [y, y], color=colours[name], linewidth=2.2, solid_capstyle="round")
        axes.plot([100 * mean], [y], "o", color=colours[name], markersize=6)
        axes.annotate(f"{100 * mean:.1f}", (100 * high, y), (8, 0), textcoords="offset points", va="center",
                      fontsize=8.5, color=INK)
    axes.set_ylim(-0.6, len(order) - 0.4)
    axes.set_yticks(range(len(order)), list(reversed(order)), fontsize=9.5, color=INK)
    axes.grid(visible=False, axis="y")


def _curves(axes: Axes, curves: Mapping[str, Sequence[Point]], order: Sequence[str], colours: Mapping[str, str],
            plain: Sequence[str]) -> None:
    """Draws curves over a logarithmic axis, a little apart where their numbers of labels are the same."""
    dress(axes, "labels", "accuracy, %")
    counts = sorted({point[0] for points in curves.values() for point in points})
    span = counts[-1] / counts[0]
    for i, (name, points) in enumerate(curves.items()):
        shift = span ** (APART * (i - (len(curves) - 1) / 2))
        at = [count * shift for count, *_ in points]
        means = [100 * mean for _, mean, _, _ in points]
        style: Any = DASHES[plain.index(name) % 2] if name in plain else "-"
        axes.plot(at, means, linestyle=style, marker="o", color=colours[name], linewidth=1.6, markersize=4)
        axes.vlines(at, [100 * low for *_, low, _ in points], [100 * high for *_, high in points], color=colours[name],
                    linewidth=1.1, alpha=0.7)
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    lowest, highest = (100 * f(point[1] for points in curves.values() for point in points) for f in (min, max))
    axes.set_ylim(max(0.0, lowest - 8), min(101.0, highest + 8))  # a wide interval would flatten all curves
    _names(axes, curves, order, colours)


def _names(axes: Axes, curves: Mapping[str, Sequence[Point]], order: Sequence[str], colours: Mapping[str, str]) -> None:
    """Writes each name at the height where its curve ends, moved down as far as the one above it demands."""
    bottom, top = axes.get_ylim()
    step = 0.042 * (top - bottom)
    free = top
    for i, name in enumerate(order):
        mean = 100 * curves[name][-1][1]
        y = max(min(mean, free), bottom + step * (len(order) - 1 - i))
        free = y - step
        axes.annotate(f"{name}  {mean:.1f}", (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=9.5,
                      color=colours[name], annotation_clip=False)
