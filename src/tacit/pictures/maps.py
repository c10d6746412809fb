"""A map of samples: where each lies, what it is, and how it looks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from tacit.pictures.grid import pixels
from tacit.pictures.plots import dot_area, shortened_to
from tacit.pictures.theme import FAINT, GREY, INK, PAPER, headline, page, palette

__all__ = ["scatter_map"]

SIDE = 1_400  # longer side of the map, in pixels
MARGIN, TOP, LEGEND = 48, 130, 300
THUMBNAIL = 48  # longer side, in pixels
RIM, GAP = 2, 3  # of and between thumbnails
LISTED = 28  # names in the legend

Array = NDArray[Any]
Group = tuple[int, str, int, str]  # label, name, number of samples, colour


def scatter_map(
    places: Tensor,
    path: str | Path,
    *,
    labels: Tensor | None = None,
    values: Tensor | None = None,
    names: Sequence[str] | None = None,
    thumbnails: Tensor | None = None,
    title: str = "Map",
    subtitle: str | None = None,
) -> Path:
    """Draws samples where they lie on a map, coloured by class or by value, some of them as images.

    Arguments:
        places: Shape (N, 2).
        path: Where to write.
        labels: Class or cluster of each sample, int64 (N,), -1 for none; or None.
        values: A number for each sample, shape (N,), where there are no labels; or None.
        names: Name of each class, by its number; or of the values, one.
        thumbnails: Images in [0, 1], shape (N, C, H, W); one is shown of each cell of a raster that has samples, on the
            raster; or None.
        title: Headline.
        subtitle: A line below it; by default the number of samples.
    """
    where = places.detach().float().cpu().numpy().reshape(-1, 2)
    sound = np.isfinite(where).all(1)
    marks = None if labels is None else labels.cpu().numpy()[sound]
    numbers = None if values is None else values.detach().float().cpu().numpy()[sound]
    groups = [] if marks is None else legend_of(marks, names)
    where, across, up = on_canvas(where[sound], 38 * (min(len(groups), LISTED) + 2))
    wide = across + 2 * MARGIN + (LEGEND if labels is not None or values is not None else 0)
    high = up + TOP + MARGIN
    colours = colours_of(len(where), groups, marks, numbers)
    with page(path, wide, high) as figure:
        headline(figure, title, f"{len(where):,} samples" if subtitle is None else subtitle)
        axes = figure.add_axes((MARGIN / wide, MARGIN / high, across / wide, up / high))
        axes.set_axis_off()
        axes.set_xlim(0, across)
        axes.set_ylim(0, up)
        order = np.random.default_rng(0).permutation(len(where))  # so that no class lies on top of all others
        faint = 0.45 if thumbnails is not None else 0.85
        edge = 0.25 if len(where) < 4_000 and thumbnails is None else 0
        area = dot_area(len(where), SIDE) * (0.5 if thumbnails is not None else 1)
        axes.scatter(where[order, 0], where[order, 1], s=area, color=colours[order], alpha=faint, linewidths=edge,
                     edgecolors=PAPER)
        if thumbnails is not None:
            shown = thumbnails[sound.nonzero()[0].tolist()] if not sound.all() else thumbnails
            tiles = mosaic(where, (across, up), shown, colours if groups else None)
            axes.imshow(tiles, extent=(0, across, 0, up), interpolation="none", zorder=3)
        elif groups:
            _name_places(axes, where, across, marks, groups)
        if groups:
            _list_names(figure, groups, wide, high)
        elif numbers is not None:
            _colour_scale(figure, numbers, names[0] if names else "", wide, high)
    return Path(path)


def on_canvas(where: Array, least: int) -> tuple[Array, int, int]:
    """Returns the places in pixels from the lower left, their proportions kept; a few far ones are moved to the edge.

    Arguments:
        where: Shape (N, 2).
        least: Height that the map must have for its legend.

    Returns:
        Places, shape (N, 2), and the map's width and height.
    """
    if not len(where):
        return where, SIDE, SIDE
    low, high = np.quantile(where, [0.001, 0.999], axis=0)
    extent = 1.04 * (high - low)
    scale = (SIDE - THUMBNAIL) / (float(extent.max()) or 1.0)
    size = np.clip(extent * scale + THUMBNAIL, [700, max(700, least)], SIDE).round()
    rim = (size - THUMBNAIL) / 2
    return np.clip((where - (low + high) / 2) * scale, -rim, rim) + size / 2, int(size[0]), int(size[1])


def legend_of(marks: Array, names: Sequence[str] | None) -> list[Group]:
    """Returns label, name, number of samples and colour of each group, those without a label last."""
    labels, counts = np.unique(marks, return_counts=True)
    named = [int(label) for label in labels if label >= 0]
    many = dict(zip(labels.tolist(), counts.tolist(), strict=True))
    colours = palette(max(named, default=-1) + 1)
    groups = [(k, names[k] if names and k < len(names) else str(k), many[k], colours[k]) for k in named]
    unlabelled = sum(n for k, n in many.items() if k < 0)
    return groups + ([(-1, "none", unlabelled, "#b9bcc2")] if unlabelled else [])


def colours_of(count: int, groups: list[Group], marks: Array | None, numbers: Array | None) -> Array:
    """Returns the colour of each sample, shape (N, 4)."""
    from matplotlib.colors import to_rgba

    if marks is not None:
        table = {label: to_rgba(colour) for label, _, _, colour in groups}
        return np.array([table[max(int(mark), -1)] for mark in marks])
    if numbers is not None:
        low, high = value_range(numbers)
        return np.asarray(ramp()(np.clip((numbers - low) / (high - low), 0, 1)))
    return np.tile(to_rgba("#33608f"), (count, 1))


def value_range(numbers: Array) -> tuple[float, float]:
    """Returns the values at which the colours begin and end: all but the outermost hundredths."""
    sound = numbers[np.isfinite(numbers)]
    low, high = np.quantile(sound, [0.01, 0.99]) if len(sound) else (0.0, 1.0)
    return float(low), float(high if high > low else low + 1)


def ramp() -> Any:
    """Returns the colours of values, from light to dark."""
    from matplotlib.colors import LinearSegmentedColormap

    stops = ["#e8d9a8", "#e0a458", "#c9594b", "#7d2a5e", "#2a1846"]
    return LinearSegmentedColormap.from_list("tacit", stops).with_extremes(bad="#b9bcc2")


def mosaic(where: Array, size: tuple[int, int], thumbnails: Tensor, colours: Array | None) -> Array:
    """Returns a transparent picture of the map's width and height that holds thumbnails, 8-bit (height, width, 4)."""
    canvas = np.zeros((size[1], size[0], 4), np.uint8)
    box = box_of(thumbnails)
    chosen = with_room(where, size, (box[0] + 2 * RIM + GAP, box[1] + 2 * RIM + GAP))
    for (i, top, left), tile in zip(chosen, pixels(thumbnails[[i for i, _, _ in chosen]]), strict=True):
        framed = frame(tile, box, None if colours is None else colours[i])
        canvas[top : top + framed.shape[0], left : left + framed.shape[1]] = framed
    return canvas


def box_of(thumbnails: Tensor) -> tuple[int, int]:
    """Returns height and width at which thumbnails are shown: a whole multiple of small ones."""
    height, width = thumbnails.shape[-2:]
    scale = THUMBNAIL / max(height, width)
    scale = float(int(scale)) if scale >= 2 else scale
    return max(1, round(height * scale)), max(1, round(width * scale))


def with_room(where: Array, size: tuple[int, int], cell: tuple[int, int]) -> list[tuple[int, int, int]]:
    """Chooses, for each cell of a raster that has samples, the one nearest to the middle of those.

    Arguments:
        where: Places in pixels from the lower left, shape (N, 2).
        size: Width and height of the map, in pixels.
        cell: Height and width of a cell, in pixels.

    Returns:
        Position among the samples, and row and column of the cell's upper left pixel.
    """
    (width, height), (tall, broad) = size, cell
    row = np.clip((height - where[:, 1]) // tall, 0, height // tall - 1)
    column = np.clip(where[:, 0] // broad, 0, width // broad - 1)
    cells = np.stack([row, column], 1).astype(int)
    found, inverse, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    inverse = inverse.ravel()
    middle = np.zeros((len(found), 2))
    np.add.at(middle, inverse, where / counts[inverse, None])
    far = np.square(where - middle[inverse]).sum(1)
    order = np.lexsort((far, inverse))  # by cell, then by distance
    first = order[np.searchsorted(inverse[order], np.arange(len(found)))]
    return [(int(i), int(r * tall), int(c * broad)) for i, (r, c) in zip(first, found, strict=True)]


def frame(tile: Array, box: tuple[int, int], colour: Array | None) -> Array:
    """Returns an opaque thumbnail of the box's size in a thin frame of the colour, 8-bit (H, W, 4) and the frame."""
    method = Image.Resampling.NEAREST if box[0] % tile.shape[0] == 0 else Image.Resampling.LANCZOS
    inner = Image.fromarray(tile).resize((box[1], box[0]), method)
    rim = (201, 206, 214) if colour is None else tuple(round(255 * float(c)) for c in colour[:3])
    framed = Image.new("RGB", (box[1] + 2 * RIM, box[0] + 2 * RIM), rim)
    framed.paste(inner, (RIM, RIM))
    return np.asarray(framed.convert("RGBA"))


def _name_places(axes: Any, where: Array, across: int, marks: Array | None, groups: list[Group]) -> None:
    """Writes each name where its samples are densest, as long as it covers no other name."""
    from matplotlib.patheffects import withStroke

    taken: list[tuple[float, float, float]] = []
    for label, name, _, _ in sorted(groups, key=lambda group: -group[2]):
        if label < 0:
            continue
        x, y = densest(where[marks == label])
        half = 11.0 * min(len(name), 18) + 12
        if any(abs(x - a) < half + b and abs(y - c) < 40 for a, c, b in taken):
            continue
        taken.append((x, y, half))
        text = shortened_to(name, 380, 13)
        axes.text(min(max(x, half), across - half), y, text, fontsize=13, fontweight="bold", ha="center", va="center",
                  color=INK, path_effects=[withStroke(linewidth=4, foreground=PAPER)], zorder=4)


def densest(where: Array, cell: int = 70) -> tuple[float, float]:
    """Returns the mean place of the samples in the square that holds most of them."""
    cells, inverse, counts = np.unique((where / cell).astype(int), axis=0, return_inverse=True, return_counts=True)
    x, y = where[inverse.ravel() == counts.argmax()].mean(0)
    return float(x), float(y)


def _list_names(figure: Any, groups: list[Group], wide: int, high: int) -> None:
    """Lists colour, name and number of samples of each group beside the map, the largest where there are too many."""
    from matplotlib.lines import Line2D

    kept = sorted(groups, key=lambda group: -group[2])[:LISTED]
    left, y = wide - LEGEND + 8, high - TOP - 24
    for group in [group for group in groups if group in kept]:
        _, name, count, colour = group
        figure.add_artist(Line2D([left / wide], [y / high], marker="o", markersize=6.5, color=colour, linewidth=0))
        figure.text((left + 22) / wide, y / high, shortened_to(name, 180, 9.5), fontsize=9.5, va="center")
        figure.text((wide - MARGIN) / wide, y / high, f"{count:,}", fontsize=9, color=GREY, va="center", ha="right")
        y -= 38
    if len(groups) > len(kept):
        more = f"and {len(groups) - len(kept)} more"
        figure.text((left + 22) / wide, y / high, more, fontsize=9, color=GREY, va="center")


def _colour_scale(figure: Any, numbers: Array, name: str, wide: int, high: int) -> None:
    """Draws which colour stands for which value beside the map."""
    low, high_value = value_range(numbers)
    left = wide - LEGEND + 8
    axes = figure.add_axes((left / wide, (high - TOP - 460) / high, 26 / wide, 400 / high))
    axes.imshow(np.linspace(1, 0, 256)[:, None], cmap=ramp(), aspect="auto", extent=(0, 1, low, high_value))
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.tick_params(length=0, pad=6)
    for spine in axes.spines.values():
        spine.set(visible=True, color=FAINT)
    figure.text(left / wide, (high - TOP - 30) / high, shortened_to(name, LEGEND - 30, 9.5), fontsize=9.5, va="center")
