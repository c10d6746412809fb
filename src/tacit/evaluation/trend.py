"""Whether a training was still improving when its budget ended."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.stats

__all__ = ["Trend", "trend"]

Array = np.ndarray[Any, np.dtype[np.float64]]
Verdict = Literal["improving", "level", "worse", ""]

LEAST = 6  # points of a curve
AFTER = 4  # points after the best from which on something can be said of them
BINS = 8  # of a curve's last half: neighbouring points are no independent witnesses
LEVEL = 0.95
WORTH = 0.01  # of what was learned: a gain worth a word
RATE = 0.5  # of the greatest learning rate, below which a curve shows how a schedule ends
STILL = 0.05  # of what was learned: a change that must be ruled out before a curve is called level


@dataclass(frozen=True)
class Trend:
    """What a curve says of more steps.

    Arguments:
        verdict: Whether the loss was still improving, had levelled off or was getting worse; nothing where it cannot
            be said.
        gain: Share of what was learned by which twice the steps would lower the loss, with the ends of its 95 %
            interval; None where it cannot be said.
        since: The step of the least loss, where it is getting worse.
    """

    verdict: Verdict = ""
    gain: tuple[float, float, float] | None = None
    since: int | None = None

    def __str__(self) -> str:
        """Returns the answer as a person reads it, behind whose it is; nothing where it cannot be said."""
        if self.verdict == "worse":
            return f"has been getting worse since step {self.since:,}: it overfits; fewer steps or more data mend that"
        if self.verdict == "improving" and self.gain:
            share = 100 * self.gain[0]
            return "was still improving when it ended: twice the steps would lower the held-out loss by about " \
                   f"{share:.{0 if share >= 2 else 1}f} % of what was learned so far"
        return "has levelled off" if self.verdict == "level" else ""


def trend(lines: Sequence[Mapping[str, Any]], key: str = "held_out") -> Trend:
    """Returns whether a loss was still falling at the end of a log.

    The loss is fitted against the binary logarithm of the step, over the last half of the log in log-steps, by a line,
    or by a parabola where the curve surely bends. The slope at the end is the change that twice the steps would bring,
    and is set in relation to what was learned: the first loss less the least. Where the loss rises after its least
    value, it is getting worse.

    Where the learning rate falls, as schedules have it, any loss falls and levels off at the end. More steps would
    bring what they brought before: only points at half of the greatest rate or more are looked at then.

    Methods that play a game have no held-out loss, and no curve of theirs says whether they improve: without six
    points of the key there is no answer.

    Arguments:
        lines: Of ``metrics.jsonl``, each with ``step``; those without the key are passed over.
        key: Of the loss.

    Example:
        >>> print(trend([{"step": 2**i, "held_out": 10.0 - i} for i in range(9)]))
        was still improving when it ended: twice the steps would lower the held-out loss by about 12 % of what was
        learned so far
    """
    steps, losses = curve(lines, key)
    if len(steps) < LEAST:
        return Trend()
    x, best = np.log2(steps), int(losses.argmin())
    learned = float(losses[0] - losses[best])
    if len(losses) - best > AFTER:
        rise, surely, _ = slope_at_end(x[best + 1 :], losses[best + 1 :], bends=False)
        if surely > 0 and rise * (x[-1] - x[best]) > WORTH * learned:
            return Trend("worse", since=int(steps[best]))
    if learned <= 0:
        return Trend()
    early = steps <= last_step_at_full_rate(lines)
    if early.sum() < LEAST:
        return Trend()
    x, losses = x[early], losses[early]
    late = binned(x, losses, (x[0] + x[-1]) / 2)
    slope, low, high = slope_at_end(*late)
    gain = (-slope / learned, -high / learned, -low / learned)
    if gain[1] > 0 and gain[0] >= WORTH:
        return Trend("improving", gain)
    return Trend("level" if max(map(abs, gain[1:])) < STILL else "", gain)


def curve(lines: Sequence[Mapping[str, Any]], key: str) -> tuple[Array, Array]:
    """Returns the steps and losses that a log holds, by rising step; of equal steps the last."""
    found = {int(line["step"]): float(line[key]) for line in lines if usable(line, key)}
    steps = sorted(found)
    return np.array(steps, np.float64), np.array([found[s] for s in steps], np.float64)


def usable(line: Mapping[str, Any], key: str) -> bool:
    """Returns whether a line of a log holds a finite value of a key at a step that has a logarithm."""
    return line.get(key) is not None and line.get("step", 0) > 0 and math.isfinite(line[key])


def last_step_at_full_rate(lines: Sequence[Mapping[str, Any]]) -> float:
    """Returns the last step at half of the greatest learning rate or more; infinity where the log ends there."""
    rates = {int(line["step"]): float(line["lr"]) for line in lines if usable(line, "lr")}
    high = [step for step, rate in rates.items() if rate >= RATE * max(rates.values())]
    return max(high) if high and max(high) < max(rates) else math.inf


def binned(x: Array, y: Array, start: float) -> tuple[Array, Array]:
    """Returns the means of the points from a place on, over eight bins of equal width; empty ones are left out."""
    x, y = x[x >= start], y[x >= start]
    place = np.minimum(((x - start) / (x[-1] - start) * BINS).astype(int), BINS - 1)
    kept = np.unique(place)
    return np.array([x[place == b].mean() for b in kept]), np.array([y[place == b].mean() for b in kept])


def slope_at_end(x: Array, y: Array, *, bends: bool = True) -> tuple[float, float, float]:
    """Returns the slope at the last of some points, and the ends of its 95 % interval, by least squares.

    Arguments:
        x: Places, rising, shape (n,).
        y: Values, shape (n,).
        bends: Whether a parabola takes the place of the line where its square term is surely not 0.
    """
    u = x - x[-1]
    if bends and len(u) > 4:
        value, reach = fitted(np.stack([np.ones_like(u), u, u**2], 1), y)
        if abs(value[2]) > reach[2]:
            return value[1], value[1] - reach[1], value[1] + reach[1]
    value, reach = fitted(np.stack([np.ones_like(u), u], 1), y)
    return value[1], value[1] - reach[1], value[1] + reach[1]


def fitted(design: Array, y: Array) -> tuple[list[float], list[float]]:
    """Returns coefficients by least squares, and how far their 95 % t intervals reach; infinite without a spare point.

    Arguments:
        design: Shape (n, p).
        y: Shape (n,).
    """
    n, p = design.shape
    value = np.linalg.lstsq(design, y)[0]
    if n <= p:
        return value.tolist(), [math.inf] * p
    spread = np.square(y - design @ value).sum() / (n - p) * np.diag(np.linalg.pinv(design.T @ design))
    return value.tolist(), (scipy.stats.t.ppf((1 + LEVEL) / 2, n - p) * np.sqrt(spread)).tolist()
