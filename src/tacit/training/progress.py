"""How far training is, for a person: a bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

__all__ = ["Bar", "Lines", "Progress", "progress_for"]

LONGEST = 60.0  # seconds between plain lines
NOISE = ("step", "samples", "seconds", "lr")


class Progress(Protocol):
    """Shows how far training is."""

    def show(self, step: int, total: int | None, rate: float, line: Mapping[str, Any]) -> None:
        """Shows a step, of how many, how many go by in a second, and the latest numbers."""
        ...

    def close(self) -> None:
        """Leaves the terminal as it was."""
        ...


class Lines:
    """Plain lines at widening intervals.

    Arguments:
        say: Takes a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say, self.interval, self.due = say, 2.0, 0.0

    def show(self, step: int, total: int | None, rate: float, line: Mapping[str, Any]) -> None:
        """Says a line if it is time."""
        now = time.perf_counter()
        if now < self.due:
            return
        self.due = now + self.interval
        self.interval = min(LONGEST, 1.5 * self.interval)
        self.say(f"step {counted(step, total)}  {numbers(line)}  {pace(step, total, rate)}")

    def close(self) -> None:
        """Has nothing to leave."""


class Bar:
    """A bar on the terminal, redrawn only when there is news."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Drawn

        columns = BarColumn(), TextColumn("{task.fields[note]}")
        self.drawn = Drawn(*columns, console=Console(stderr=True), auto_refresh=False, transient=True)
        self.task = self.drawn.add_task("", total=None, note="")
        self.drawn.start()

    def show(self, step: int, total: int | None, rate: float, line: Mapping[str, Any]) -> None:
        """Redraws the bar."""
        note = f"{counted(step, total)}  {numbers(line)}  {pace(step, total, rate)}"
        self.drawn.update(self.task, completed=step, total=total, note=note, refresh=True)

    def close(self) -> None:
        """Takes the bar off the terminal."""
        self.drawn.stop()


def progress_for(say: Callable[[str], None]) -> Progress:
    """Returns a bar where a person watches a terminal, else plain lines."""
    return Bar() if sys.stderr.isatty() else Lines(say)


def counted(step: int, total: int | None) -> str:
    """Returns for instance ``1,200 of 5,000``."""
    return f"{step:,} of {total:,}" if total else f"{step:,}"


def numbers(line: Mapping[str, Any]) -> str:
    """Returns the losses among the latest numbers."""
    shown = {n: v for n, v in line.items() if n.endswith("/loss") or n == "held_out"} or line
    return "  ".join(f"{n} {v:.4g}" for n, v in shown.items() if n not in NOISE and v is not None)


def pace(step: int, total: int | None, rate: float) -> str:
    """Returns for instance ``410 steps/s, 0:09 left``."""
    speed = f"{rate:,.0f} steps/s" if rate >= 10 else f"{rate:.2g} steps/s"
    if not total or rate <= 0:
        return speed
    left = round((total - step) / rate)
    hours = f"{left // 3600}:{left // 60 % 60:02}" if left >= 3600 else f"{left // 60}"
    return f"{speed}, {hours}:{left % 60:02} left"
