"""How far a long reading is: a bar on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Say", "progress", "silent"]

Say = Callable[[str], None]

PAUSE = 10.0  # seconds between two plain lines


def silent(line: str) -> None:
    """Says nothing."""


@contextmanager
def progress(what: str, total: int, say: Say) -> Iterator[Callable[[int], None]]:
    """Shows how far a work is, and hands out the call that moves it on.

    Arguments:
        what: The work, as "decoding".
        total: Number of steps.
        say: Where plain lines go when stderr is no terminal.
    """
    if not sys.stderr.isatty():
        yield _lines(what, total, say)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps: bar.advance(task, steps)


def _lines(what: str, total: int, say: Say) -> Callable[[int], None]:
    done, last = 0, time.monotonic()

    def advance(steps: int) -> None:
        nonlocal done, last
        done += steps
        if time.monotonic() - last > PAUSE:
            last = time.monotonic()
            say(f"{what}: {done:,} of {total:,}")

    return advance
