"""Pictures of what a bound on the likelihood leaves out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tacit.pictures.theme import ACCENT, GREY, INK, SECOND, dress, headline, page

__all__ = ["Panel", "ladder", "posteriors"]

Interval = tuple[float, float, float]
"""A mean, and the ends of its interval."""


def ladder(
    bounds: Mapping[str, Interval], short: Mapping[str, Interval], path: str | Path, *, title: str, subtitle: str = ""
) -> Path:
    """Draws bounds with their intervals, and beside them by how much each is short of the tightest.

    Samples differ far more than the bounds of one sample do. So the intervals on the left overlap, and those of the
    paired differences, on the right, tell the bounds apart.

    Arguments:
        bounds: In nats, by name, from loose to tight.
        short: Nats by which each falls short of the tightest, which itself is left out.
        path: Where to write.
        title: Headline.
        subtitle: A line below it.
    """
    names = list(bounds)
    width, height = 1640, 270 + 84 * len(names)
    with page(path, width, height) as figure:
        headline(figure, title, subtitle)
        left = figure.add_axes((190 / width, 100 / height, 640 / width, 1 - 240 / height))
        right = figure.add_axes((960 / width, 100 / height, 600 / width, 1 - 240 / height))
        dress(left, "nats per sample, higher is tighter")
        dress(right, f"nats short of {names[-1]}, paired")
        for axes, labels in ((left, names), (right, [""] * len(names))):
            axes.set_ylim(len(names) - 0.4, -0.6)  # the loosest on top
            axes.set_yticks(range(len(names)), labels, fontsize=10, color=INK)
            axes.grid(visible=False, axis="y")
        for row, name in enumerate(names):
            colour = SECOND if name == names[-1] else ACCENT
            mean, low, high = bounds[name]
            left.plot([low, high], [row, row], color=colour, linewidth=1.6)
            left.plot(mean, row, "o", color=colour, markersize=7)
            note(left, mean, row, (0, 9), ha="center", va="bottom", text=f"{mean:,.2f}")
            if name in short:
                mean, low, high = short[name]
                right.barh(row, mean, 0.56, color=colour)
                right.plot([low, high], [row, row], color=INK, linewidth=1.6)
                note(right, max(mean, high, 0), row, (8, 0), ha="left", va="center", text=f"{mean:,.2f}")
        right.axvline(0, color=GREY, linewidth=0.8)
        least, most = min(0.0, *(s[1] for s in short.values())), max(0.0, *(s[2] for s in short.values()))
        right.set_xlim(1.15 * least, 1.18 * most if most > least else 1.0)
    return Path(path)


def note(axes: Any, x: float, y: float, beside: tuple[int, int], *, ha: str, va: str, text: str) -> None:
    """Writes a value beside a place."""
    axes.annotate(text, (x, y), beside, textcoords="offset points", fontsize=9, color=INK, ha=ha, va=va)


MASS = (0.99, 0.95, 0.8, 0.5)  # shares of a density's mass that its regions hold
TONES = ("#dbe4ee", "#b4c7db", "#7f9fc0", "#4a76a4")
Ellipse = tuple[Tensor, Tensor]
"""Mean, shape (2,), and Cholesky root of the covariance, shape (2, 2), of a Gaussian."""


@dataclass(frozen=True)
class Panel:
    """The posterior of one sample.

    Arguments:
        caption: Written above.
        low: Least latents of the grid, shape (2,).
        high: Greatest latents, shape (2,).
        share: Share of the true posterior's mass in each cell, the first dimension outermost, shape (G, G).
        best: The best Gaussian.
        q: The learned posterior, where it is Gaussian.
        draws: Draws of it, which are shown where it is not, shape (k, 2).
    """

    caption: str
    low: Tensor
    high: Tensor
    share: Tensor
    best: Ellipse
    q: Ellipse | None
    draws: Tensor


def posteriors(panels: Sequence[Panel], path: str | Path, *, title: str, subtitle: str = "") -> Path:
    """Draws true posteriors as filled regions, with the learned one and the best Gaussian, four panels in a row.

    Arguments:
        panels: One for each sample.
        path: Where to write.
        title: Headline.
        subtitle: A line below it.
    """
    columns, rows = min(4, len(panels)), -(-len(panels) // 4)
    width, height = 470 * max(columns, 3) + 40, 150 + 490 * rows
    with page(path, width, height) as figure:
        headline(figure, title, subtitle)
        for i, panel in enumerate(panels):
            left, bottom = 90 + 470 * (i % 4), height - 170 - 490 * (i // 4) - 370
            axes = figure.add_axes((left / width, bottom / height, 370 / width, 370 / height))
            dress(axes)
            axes.set_title(panel.caption, loc="left", fontsize=8, color=GREY, pad=8)
            _posterior(axes, panel)
    return Path(path)


def _posterior(axes: Any, panel: Panel) -> None:
    share = panel.share.double().numpy()
    low, high, side = panel.low.numpy(), panel.high.numpy(), len(share)
    across, up = ((low[d] + (np.arange(side) + 0.5) / side * (high[d] - low[d])) for d in (0, 1))
    levels = [level * (1 - 1e-6) for level in regions(panel.share)]  # a cell at its level lies inside
    axes.contourf(across, up, share.T, levels=[*levels, np.inf], colors=TONES[-len(levels) :])
    rims = [panel.best] if panel.q is None else [panel.best, panel.q]
    for ellipse, colour, style in zip(rims, (INK, SECOND), ((0, (4, 2)), "-"), strict=False):
        for mass in (0.5, 0.95):
            axes.plot(*rim(ellipse, mass).T.numpy(), color=colour, linewidth=1.4, linestyle=style)
    if panel.q is None:
        axes.plot(*panel.draws[:500].T.numpy(), ".", color=SECOND, markersize=2.6, markeredgewidth=0)
    places = [rim(ellipse, 0.99).numpy() for ellipse in rims]
    if panel.q is None:
        places.append(np.quantile(panel.draws.numpy(), [0.01, 0.99], axis=0))
    held = np.argwhere(share >= levels[0])
    places.append(np.stack([across[held[:, 0]], up[held[:, 1]]], 1))
    everything = np.concatenate(places)
    middle = (everything.max(0) + everything.min(0)) / 2
    half = 0.55 * float((everything.max(0) - everything.min(0)).max())
    axes.set_xlim(middle[0] - half, middle[0] + half)
    axes.set_ylim(middle[1] - half, middle[1] + half)


def regions(share: Tensor) -> list[float]:
    """Returns the shares above which cells together hold 99, 95, 80 and 50 % of the mass, rising.

    Example:
        >>> regions(torch.tensor([[0.6, 0.25], [0.12, 0.03]], dtype=torch.float64))
        [0.03, 0.12, 0.25, 0.6]
    """
    falling = share.flatten().double().sort(descending=True).values
    held = falling.cumsum(0)
    found = [float(falling[min(int((held < mass).sum()), len(falling) - 1)]) for mass in MASS]
    return sorted(set(found))


def rim(ellipse: Ellipse, mass: float) -> Tensor:
    """Returns the line around the part of a Gaussian that holds a share of its mass, shape (100, 2)."""
    mean, root = ellipse
    angle = torch.linspace(0, 2 * math.pi, 100, dtype=root.dtype)
    circle = torch.stack([angle.cos(), angle.sin()], 1)  # (100, 2)
    return mean + math.sqrt(-2 * math.log(1 - mass)) * circle @ root.T
