"""What trainings logged, as small drawings of lines that need neither a script nor a picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tacit.evaluation.measure import number
from tacit.study.result import Curve

__all__ = ["Drawing", "Stroke", "drawing"]

WIDE, HIGH = 320, 150  # of a drawing, in its own units
LONG = 50  # times as many steps at the end as at the first line, from which steps are shown by their logarithm
STEEP = 100  # likewise, of values
MOST = 4  # lines in a drawing
KEPT = 240  # points of a line that are drawn


@dataclass(frozen=True)
class Stroke:
    """One line.

    Arguments:
        name: What it shows.
        path: Its points, as an SVG path has them.
        last: Where it ends.
        value: Its last value, in words.
    """

    name: str
    path: str
    last: tuple[float, float]
    value: str


@dataclass(frozen=True)
class Drawing:
    """Lines over steps.

    Arguments:
        strokes: The lines.
        across: Ticks of the steps: place and words.
        up: Ticks of the values: place and words.
        scaled: How the axes are scaled, in words.
    """

    strokes: tuple[Stroke, ...]
    across: tuple[tuple[float, str], ...]
    up: tuple[tuple[float, str], ...]
    scaled: str


@dataclass(frozen=True)
class Axis:
    """From numbers to places.

    Arguments:
        low: The number at `begin`.
        high: The number at `end`.
        begin: A place.
        end: A place.
        logarithmic: Whether equal ratios are equally far apart, not equal differences.
    """

    low: float
    high: float
    begin: float
    end: float
    logarithmic: bool

    def __call__(self, value: float) -> float:
        """Returns the place of a number."""
        low, high, value = (math.log(v) if self.logarithmic else v for v in (self.low, self.high, value))
        return round(self.begin + (self.end - self.begin) * (value - low) / ((high - low) or 1.0), 1)

    def ticks(self) -> tuple[tuple[float, float], ...]:
        """Returns place and number at the beginning, in the middle, and at the end."""
        middle = math.sqrt(self.low * self.high) if self.logarithmic else (self.low + self.high) / 2
        return tuple((self(v), v) for v in dict.fromkeys((self.low, middle, self.high)))


def drawing(curve: Curve) -> Drawing | None:
    """Returns the losses of a curve, and what it reached on held-out samples, as lines; None where it has none."""
    lines = {name: points for name in names(curve) if (points := series(curve, name))}
    if not lines:
        return None
    steps, values = ([p[i] for points in lines.values() for p in points] for i in (0, 1))
    across = axis(steps, 0, WIDE, LONG)
    up = axis(values, HIGH, 0, STEEP)
    scaled = [f"{what} by their logarithm" for what, a in (("steps", across), ("values", up)) if a.logarithmic]
    return Drawing(
        tuple(stroke(name, points, across, up) for name, points in lines.items()),
        tuple((at, f"{step:,.0f}") for at, step in across.ticks()),
        tuple((at, number(value, 3)) for at, value in up.ticks()),
        " and ".join(scaled),
    )


def names(curve: Curve) -> list[str]:
    """Returns which of the logged numbers are drawn: the losses, and the one on held-out samples."""
    seen = dict.fromkeys(name for line in curve.lines for name in line)
    return [name for name in seen if name.startswith("held_out") or name.endswith("/loss")][:MOST]


def series(curve: Curve, name: str) -> list[tuple[float, float]]:
    """Returns step and value of all lines that hold a finite number of that name."""
    points = [(float(line["step"]), line.get(name)) for line in curve.lines if "step" in line]
    return [(step, float(v)) for step, v in points if isinstance(v, (int, float)) and math.isfinite(v)]


def axis(values: Iterable[float], begin: float, end: float, ratio: float) -> Axis:
    """Returns an axis that holds all values, logarithmic where the greatest is many times the least."""
    known = list(values)
    low, high = min(known), max(known)
    return Axis(low, high, begin, end, low > 0 and high / low > ratio)


def stroke(name: str, points: Sequence[tuple[float, float]], across: Axis, up: Axis) -> Stroke:
    """Returns one line, thinned to what can be seen."""
    thin = [*points[:: math.ceil(len(points) / KEPT)], points[-1]]
    path = "M" + "L".join(f"{across(step)} {up(value)}" for step, value in thin)
    said = "held out" if name == "held_out" else name.replace("/", " ").replace("_", " ")
    return Stroke(said, path, (across(thin[-1][0]), up(thin[-1][1])), number(thin[-1][1], 4))
