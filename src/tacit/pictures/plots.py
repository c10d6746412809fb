"""Pictures of what was found: maps, clusters, learning curves, distributions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tacit.pictures.grid import enlarge, factor, pixels, shortened
from tacit.pictures.theme import ACCENT, DPI, FAINT, GREY, INK, PAPER, SECOND, dress, headline, page

__all__ = ["curves", "densities_1d", "exemplars", "histogram", "scatter_2d", "table"]

Rows = Sequence[Mapping[str, Any]]
BESIDES = frozenset({"step", "epoch", "seconds", "minutes", "time", "samples"})  # of a row, what is no term
BY_CHANCE = {"chance": "accuracy", "chance_loss": "loss"}  # what chance would give, by the term it belongs to


def curves(metrics: Rows, path: str | Path, *, title: str = "Learning curves") -> Path:
    """Draws how every term went, one panel each, one row of panels for each player.

    Arguments:
        metrics: Rows of a log: ``step``, and terms by the name ``player/term``. Where a name begins with ``held_out/``,
            the term is drawn into the panel of the rest of the name; ``chance`` and ``chance_loss`` are drawn dashed
            into the panels of ``accuracy`` and ``loss``.
        path: Where to write.
        title: Headline.
    """
    series = {name: line for name, line in gathered(metrics).items() if len(line[0])}
    panels = list(dict.fromkeys(panel_of(name) for name in series))
    players = list(dict.fromkeys(player_of(name) for name in panels))
    rows = [[p for p in panels if player_of(p) == player] for player in players]
    rows = [row[i : i + 4] for row in rows for i in range(0, len(row), 4)]  # four panels are wide enough
    columns = max(2, max(map(len, rows), default=1))
    width, height = 520 * columns + 40, 380 * max(len(rows), 1) + 120
    with page(path, width, height) as figure:
        held = any(name.startswith("held_out/") for name in series)
        headline(figure, title, "training, and held-out samples in orange" if held else "")
        for r, row in enumerate(rows):
            for c, name in enumerate(row):
                left, bottom = 120 + 520 * c, height - 60 - 380 * (r + 1)
                axes = figure.add_axes((left / width, bottom / height, 410 / width, 260 / height))
                _curve(axes, series, name)
    return Path(path)


def gathered(metrics: Rows) -> dict[str, tuple[list[float], list[float]]]:
    """Returns steps and finite values of each term, in order of first appearance."""
    series: dict[str, tuple[list[float], list[float]]] = {}
    for number, row in enumerate(metrics):
        for name, value in row.items():
            if name in BESIDES or isinstance(value, bool) or not isinstance(value, (int, float)):
                continue
            steps, values = series.setdefault(name, ([], []))
            if math.isfinite(value):
                steps.append(float(row.get("step", number)))
                values.append(float(value))
    return series


def panel_of(name: str) -> str:
    """Returns the term in whose panel a term is drawn.

    Example:
        >>> panel_of("held_out/model/loss"), panel_of("model/chance")
        ('model/loss', 'model/accuracy')
    """
    player, _, term = name.removeprefix("held_out/").rpartition("/")
    return f"{player}/{BY_CHANCE.get(term, term)}" if player else term


def player_of(name: str) -> str:
    """Returns the part of a term's name before its last slash."""
    return name.rpartition("/")[0]


def _curve(axes: Any, series: Mapping[str, tuple[list[float], list[float]]], name: str) -> None:
    dress(axes)
    axes.set_title(name.replace("/", " · ").replace("_", " "), loc="left", fontsize=10, color=INK, pad=10)
    if name in series:
        steps, values = series[name]
        crowded = len(values) > 80
        axes.plot(steps, values, color=ACCENT, linewidth=0.6 if crowded else 1.5, alpha=0.3 if crowded else 1,
                  marker="o" if len(values) == 1 else None)
        if crowded:
            axes.plot(steps, smoothed(values), color=ACCENT, linewidth=1.6)
    for other, (steps, values) in series.items():
        if panel_of(other) == name and other.rpartition("/")[2] in BY_CHANCE:
            axes.plot(steps, values, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)))
    if f"held_out/{name}" in series:
        steps, values = series[f"held_out/{name}"]
        axes.plot(steps, values, color=SECOND, linewidth=1.5, marker="o", markersize=3)
    shown = [v for key in series if panel_of(key) == name for v in series[key][1]]
    low, high = np.quantile(shown, [0.002, 0.998]) if len(shown) > 80 else (min(shown), max(shown))
    margin = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    axes.set_ylim(low - margin, high + margin)  # a spike at the start would flatten all that follows
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k" if value >= 1000 else f"{value:g}")


def smoothed(values: Sequence[float]) -> NDArray[np.float64]:
    """Returns the mean of each value and its neighbours, over a fortieth of the whole."""
    half = max(1, len(values) // 80)
    kernel = np.ones(2 * half + 1)
    weight = np.convolve(np.ones(len(values)), kernel, mode="same")
    mean: NDArray[np.float64] = np.convolve(values, kernel, mode="same") / weight
    return mean


def histogram(
    values: Tensor | Mapping[str, Tensor], path: str | Path, *, title: str, xlabel: str = "", bins: int = 60
) -> Path:
    """Draws how values are spread; several groups lie over one another, each scaled to its own size.

    Arguments:
        values: Of each sample, shape (N,), or by the name of a group.
        path: Where to write.
        title: Headline.
        xlabel: What the values are, and their unit.
        bins: Number of bars over all groups.
    """
    groups = values if isinstance(values, Mapping) else {"": values}
    arrays = {name: finite(group) for name, group in groups.items()}
    arrays = {name: array for name, array in arrays.items() if len(array)}
    pooled = np.concatenate([*arrays.values()]) if arrays else np.zeros(1)
    edges = np.histogram_bin_edges(pooled, bins=bins).tolist()
    with page(path, 1400, 900) as figure:
        headline(figure, title, " and ".join(f"{len(a):,} {name}".strip() for name, a in arrays.items()) + " samples")
        axes = figure.add_axes((0.08, 0.13, 0.87, 0.68))
        dress(axes, xlabel, "share of samples")
        for (name, array), colour in zip(arrays.items(), (ACCENT, SECOND, GREY), strict=False):
            weights = np.full(len(array), 1 / len(array))
            style: dict[str, Any] = {"alpha": 0.55 if len(arrays) > 1 else 0.9, "label": name or None}
            axes.hist(array, edges, weights=weights, color=colour, edgecolor=PAPER, linewidth=0.5, **style)
        if len(arrays) > 1:
            axes.legend(loc="upper right", fontsize=10)
    return Path(path)


def densities_1d(
    real: Tensor, made: Tensor, path: str | Path, *, title: str = "Data and samples",
    density: tuple[Tensor, Tensor] | None = None,
) -> Path:  # fmt: skip
    """Draws how data and samples of one number are spread.

    Arguments:
        real: Data, shape (N, 1) or (N,).
        made: Samples, likewise.
        path: Where to write.
        title: Headline.
        density: Places and the model's density there, both (M,), where it has one.
    """
    data, samples = finite(real), finite(made)
    low, high = data.min(), data.max()
    margin = 0.15 * (high - low) or 1.0
    edges = np.linspace(low - margin, high + margin, 81)  # of 80 bins
    lost = float(((samples < edges[0]) | (samples > edges[-1])).mean())
    with page(path, 1400, 900) as figure:
        outside = f"; {lost:.1%} of the samples lie outside" if lost else ""
        headline(figure, title, f"{len(data):,} data, {len(samples):,} samples{outside}")
        axes = figure.add_axes((0.08, 0.11, 0.87, 0.7))
        dress(axes, "", "density")
        axes.hist(data, edges.tolist(), density=True, color="#c9ced6", label="data")
        counts = np.histogram(samples, edges)[0] / (len(samples) * (edges[1] - edges[0]))
        axes.stairs(counts, edges, color=SECOND, linewidth=1.6, label="samples")
        if density is not None:
            axes.plot(finite(density[0]), finite(density[1]), color=ACCENT, linewidth=1.6, label="model's density")
        axes.set_xlim(edges[0], edges[-1])
        axes.legend(loc="upper right", fontsize=10)
    return Path(path)


def scatter_2d(real: Tensor, made: Tensor, path: str | Path, *, title: str = "Data and samples") -> Path:
    """Draws data and samples of two numbers side by side, on the same scale.

    Arguments:
        real: Data, shape (N, 2).
        made: Samples, shape (M, 2).
        path: Where to write.
        title: Headline.
    """
    data, samples = (side.detach().float().cpu().numpy().reshape(-1, 2) for side in (real, made))
    data, samples = (side[np.isfinite(side).all(1)] for side in (data, samples))
    centre = (data.max(0) + data.min(0)) / 2
    half = 0.6 * float((data.max(0) - data.min(0)).max()) or 1.0
    lost = float((np.abs(samples - centre) > half).any(1).mean()) if len(samples) else 0.0
    with page(path, 1640, 940) as figure:
        headline(figure, title, f"{lost:.1%} of the samples lie outside" if lost else "")
        for i, (side, name, colour) in enumerate(((data, "data", ACCENT), (samples, "samples", SECOND))):
            axes = figure.add_axes(((80 + 800 * i) / 1640, 60 / 940, 720 / 1640, 720 / 940))
            dress(axes)
            axes.set_title(f"{len(side):,} {name}", loc="left", fontsize=10, color=GREY)
            axes.scatter(side[:, 0], side[:, 1], s=dot_area(len(side), 720), color=colour, alpha=0.6, linewidths=0)
            axes.set_xlim(centre[0] - half, centre[0] + half)
            axes.set_ylim(centre[1] - half, centre[1] + half)
    return Path(path)


def exemplars(
    groups: Sequence[tuple[str, Tensor]], path: str | Path, *, title: str = "Clusters", subtitle: str = "",
    left: int = 300,
) -> Path:
    """Draws one row of images for each group.

    Arguments:
        groups: Caption, of which what follows a line break is written smaller, and images, (n, C, H, W) in [0, 1].
        path: Where to write.
        title: Headline.
        subtitle: A line below it.
        left: Pixels that captions have.
    """
    scale = max(factor(images) for _, images in groups)
    tiles = [enlarge(pixels(images), scale) for _, images in groups]
    tall, side = max(t.shape[1] for t in tiles), max(t.shape[2] for t in tiles)
    pitch = max(tall, 58) + 12
    width = max(left + max(len(t) for t in tiles) * (side + 4) + 44, 900)
    height = 150 + pitch * len(groups) + 36
    with page(path, width, height) as figure:
        headline(figure, title, subtitle)
        for i, ((caption, _), row) in enumerate(zip(groups, tiles, strict=True)):
            y = height - 150 - pitch * i  # top of the row, from the bottom of the page
            for j, tile in enumerate(row):
                figure.figimage(tile, left + j * (side + 4), y - tile.shape[0])
            name, _, more = caption.partition("\n")
            x, middle, align = 48 / width, y - tall / 2, "bottom" if more else "center"
            figure.text(x, (middle + 3 * bool(more)) / height, shortened_to(name, 240, 11), fontsize=11, va=align)
            figure.text(x, (middle - 6) / height, shortened_to(more, 240, 8.5), fontsize=8.5, va="top", color=GREY)
    return Path(path)


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], path: str | Path, *, title: str, subtitle: str = ""
) -> Path:
    """Draws a table of text; columns of numbers are set to the right.

    Arguments:
        header: Name of each column.
        rows: Cells.
        path: Where to write.
        title: Headline.
        subtitle: A line below it.
    """
    columns = [[header[c], *(row[c] for row in rows)] for c in range(len(header))]
    right = [all(is_number(cell) for cell in column[1:]) for column in columns]
    wide = [min(460, 44 + max(round(10.6 * len(cell)) for cell in column)) for column in columns]
    width, height = max(96 + sum(wide), 700), 170 + 44 * (len(rows) + 1)
    with page(path, width, height) as figure:
        headline(figure, title, subtitle)
        for r in range(len(rows) + 1):
            y = (height - 170 - 44 * r) / height
            figure.add_artist(rule(48 / width, (48 + sum(wide)) / width, y - 16 / height, heavy=r == 0))
            for c, column in enumerate(columns):
                x = 48 + sum(wide[:c]) + (wide[c] - 24 if right[c] else 0)
                text, colour = shortened_to(column[r], wide[c] - 30, 8.5), GREY if r == 0 else INK
                figure.text(x / width, y, text, fontsize=8.5, color=colour, ha="right" if right[c] else "left")
    return Path(path)


def rule(left: float, right: float, y: float, *, heavy: bool) -> Any:
    """Returns a horizontal line across a page, in shares of its size."""
    from matplotlib.lines import Line2D

    return Line2D([left, right], [y, y], color=GREY if heavy else FAINT, linewidth=0.8)


def is_number(text: str) -> bool:
    """Says whether a cell is a number, perhaps with a unit of one character."""
    try:
        float(text.strip().rstrip("%").replace(",", "").replace("−", "-") or "0")
    except ValueError:
        return False
    return True


def shortened_to(text: str, width: int, size: float) -> str:
    """Returns the text, with an ellipsis where it is wider than `width` pixels at a size in points."""
    return shortened(text, round(width * 11 / (size * DPI / 72)))


def finite(values: Tensor) -> NDArray[np.float64]:
    """Returns the values that are numbers, flat."""
    array: NDArray[np.float64] = torch.as_tensor(values).detach().double().cpu().flatten().numpy()
    return array[np.isfinite(array)]


def dot_area(count: int, side: int) -> float:
    """Returns the area, in square points, of each of `count` dots in a square of `side` pixels."""
    diameter = min(max(0.75 * side / math.sqrt(max(count, 1)), 3.0), 13.0)  # pixels
    return (diameter * 72 / DPI) ** 2
