"""Comparing two ways of doing the same work on a machine whose speed swings: interleaved pairs, and their ratio."""

import os
import platform
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class Ratio:
    """Theirs over ours, in time: above 1 we are faster.

    Arguments:
        title: What was done.
        ours: Median seconds of ours.
        theirs: Median seconds of theirs.
        ratio: Median over pairs of theirs / ours.
        low: Lower end of the 95 % bootstrap interval of that median.
        high: Upper end.
        pairs: How many pairs.
        work: Samples in each timing.
    """

    title: str
    ours: float
    theirs: float
    ratio: float
    low: float
    high: float
    pairs: int
    work: int

    def row(self) -> str:
        """Returns a line of the table."""
        return (
            f"| {self.title} | {self.work / self.ours:,.0f} | {self.work / self.theirs:,.0f} | "
            f"{self.ratio:.3f} | {self.low:.3f} to {self.high:.3f} | {self.pairs} |"
        )


HEADER = (
    "| work | ours, samples/s | theirs, samples/s | theirs / ours, time | 95 % interval | pairs |\n"
    "|---|---|---|---|---|---|"
)


def timed(work: Callable[[], object]) -> float:
    """Returns the seconds that some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(
    title: str, ours: Callable[[], object], theirs: Callable[[], object], *, work: int, pairs: int = 30, warm: int = 2
) -> Ratio:
    """Times two callables in interleaved pairs, the order of each pair at random."""
    return compare_timed(title, lambda: timed(ours), lambda: timed(theirs), work=work, pairs=pairs, warm=warm)


def compare_timed(
    title: str, ours: Callable[[], float], theirs: Callable[[], float], *, work: int, pairs: int = 30, warm: int = 2
) -> Ratio:
    """Compares two callables that return their own seconds."""
    for _ in range(warm):
        ours()
        theirs()
    order = random.Random(0)
    seconds: list[tuple[float, float]] = []
    for _ in range(pairs):
        if order.random() < 0.5:
            first = ours()
            seconds.append((first, theirs()))
        else:
            first = theirs()
            seconds.append((ours(), first))
    ratios = [b / a for a, b in seconds]
    draws = sorted(statistics.median(order.choices(ratios, k=pairs)) for _ in range(2000))
    result = Ratio(
        title, statistics.median(a for a, _ in seconds), statistics.median(b for _, b in seconds),
        statistics.median(ratios), draws[50], draws[1949], pairs, work,
    )
    print(result.row(), flush=True)
    return result


def machine() -> str:
    """Returns on what the figures were measured."""
    info = Path("/proc/cpuinfo")
    names = [x.split(":")[1].strip() for x in info.read_text().splitlines() if x.startswith("model name")] \
        if info.exists() else []
    return (
        f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )
