"""What compression costs against what it loses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tacit.pictures.theme import ACCENT, dress, headline, page

__all__ = ["rate_distortion"]


def rate_distortion(
    points: Sequence[tuple[float, float]], path: Path, *, title: str, labels: Sequence[str], ylabel: str
) -> Path:
    """Draws rate against distortion.

    Arguments:
        points: Bits per value and distortion, of the coarsest first.
        path: Where to write.
        title: Headline.
        labels: What made each point.
        ylabel: What the distortion is.
    """
    with page(path, 1000, 720) as figure:
        headline(figure, title, "further to the left is smaller")
        axes = figure.add_axes((0.12, 0.14, 0.82, 0.66))
        dress(axes, "bits per value", ylabel)
        axes.plot(*zip(*points, strict=True), color=ACCENT, linewidth=1.6, marker="o", markersize=5)
        for point, label in zip(points, labels, strict=True):
            axes.annotate(label, point, xytext=(8, -12), textcoords="offset points", fontsize=8)
        axes.margins(0.12, 0.12)
    return path
