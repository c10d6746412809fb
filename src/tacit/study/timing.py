"""How long methods take here on some data, found by trying each for about a second."""

from __future__ import annotations

import inspect
import math
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from tacit.catalog import Row, method_class, row, select
from tacit.data.dataset import Data
from tacit.data.feed import Feed
from tacit.data.open import open_source
from tacit.errors import DataError, TrainingError, UserError
from tacit.functional.draws import some
from tacit.protocol import Clock, Method
from tacit.training.devices import Devices
from tacit.training.ema import Average
from tacit.training.fitted import MOST, fit_at_once
from tacit.training.loop import place
from tacit.training.optim import players_of
from tacit.training.options import TrainOptions
from tacit.training.randomness import kept_apart
from tacit.training.step import Game

__all__ = ["Timing", "applicable", "lasting", "seconds_per_epoch", "timings"]

LIMIT = 1.0  # seconds for which a method is tried
FIRST_BATCH, GROWTH = 4, 4  # samples of the first step, and how many times more the next ones have
HOPELESS = 5  # times the limit, beyond which the first step is the last
FIRST_ROWS = 200  # of the first fit; the next ones have twice as many
SEED = 0


@dataclass(frozen=True)
class Timing:
    """How long a method takes, estimated.

    Arguments:
        method: Its name.
        seconds: For one epoch or for the fit; None where it cannot be said.
        unit: What the seconds are for: an epoch of a method that learns by gradient, or the whole fit of another.
        about: How it was found, or why it cannot be said.
        whole: Seconds for all steps that the method likes to make, or for the fit.
    """

    method: str
    seconds: float | None
    unit: Literal["epoch", "fit"]
    about: str
    whole: float | None = None

    def epochs_in(self, minutes: float) -> float | None:
        """Returns the number of epochs, or fits, for which some minutes are enough; None where it cannot be said.

        Example:
            >>> Timing("vae", 30.0, "epoch", "").epochs_in(2)
            4.0
        """
        return None if self.seconds is None else 60 * minutes / max(self.seconds, 1e-9)


def lasting(seconds: float) -> str:
    """Returns a time in the unit that reads best.

    Example:
        >>> [lasting(s) for s in (0.004, 0.26, 9.96, 80, 600, 9_000, 400_000)]
        ['under 0.1 s', '0.3 s', '10 s', '80 s', '10 min', '2.5 h', '4.6 days']
    """
    if seconds < 0.1:
        return "under 0.1 s"
    for unit, size, most in (("s", 1, 100), ("min", 60, 100), ("h", 3_600, 48)):
        if seconds < most * size:
            return f"{seconds / size:.{int(seconds < 9.95 * size)}f} {unit}"
    return f"{seconds / 86_400:.1f} days"


def applicable(data: Data) -> tuple[Row, ...]:
    """Returns the methods that take such data, those that like them best first; their extras may be missing."""
    return tuple(r for r in select(for_=data.spec.kind) if all(_has(data, need) for need in r.needs))


def _has(data: Data, need: str) -> bool:
    return need == "index" or getattr(data, need, None) is not None


def timings(data: Data, limit: float = LIMIT) -> Iterator[Timing]:
    """Yields how long each method that takes such data would take, as soon as it is known.

    Arguments:
        data: What it would be fitted on.
        limit: Seconds for which each is tried, about.
    """
    for known in applicable(data):
        yield seconds_per_epoch(known.name, data, limit)


def seconds_per_epoch(name: str, data: Data, limit: float = LIMIT) -> Timing:
    """Returns how long a method takes on data here, for an epoch or, where it is fitted at one stroke, for the fit.

    It is tried with its own options, and the random state is as before afterwards.

    Arguments:
        name: In the catalogue.
        data: What it would be fitted on.
        limit: Seconds for which it is tried, about.

    Raises:
        OptionError: If there is no such method.
    """
    unit: Literal["epoch", "fit"] = "epoch" if row(name).kind == "trained" else "fit"
    devices = Devices()
    try:
        with kept_apart(devices.device, SEED), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a trial on few samples warns of says nothing of the whole
            return _trained(name, data, devices, limit) if unit == "epoch" else _fitted(name, data, limit)
    except (UserError, TrainingError) as error:
        return Timing(name, None, unit, str(error))


def _built(name: str, data: Data) -> Method:
    """Returns a method with its own options."""
    cls = method_class(name)
    for option in list(inspect.signature(cls).parameters.values())[1:]:
        if option.default is option.empty:
            raise DataError(f"it needs {option.name} to be given")
    return cls(data.spec)


# Trained by gradient -------------------------------------------------------------------------------------------------


def _trained(name: str, data: Data, devices: Devices, limit: float) -> Timing:
    """Times steps on growing parts of a batch, as large as the limit allows."""
    method = _built(name, data)
    recipe = method.recipe()
    place(method, TrainOptions(), devices)
    trial = Trial(method, data, devices)
    took, size = _quickest(trial, recipe.batch, limit)
    step = took * recipe.batch / size
    part = "" if size == recipe.batch else f" of {size:,} samples, scaled to {recipe.batch:,}"
    about = f"the quickest of {trial.steps:,} steps{part}; {recipe.steps:,} steps make a whole training"
    return Timing(name, step * len(data.training) / recipe.batch, "epoch", about, step * recipe.steps)


def _quickest(trial: Trial, batch: int, limit: float) -> tuple[float, int]:
    """Returns the seconds of the quickest step, and its number of samples."""
    began = time.perf_counter()
    size, best = min(batch, FIRST_BATCH), math.inf
    if (took := trial.seconds(size)) > HOPELESS * limit:  # else it does not count: it imports, allocates and tunes
        return took, size
    while best == math.inf or time.perf_counter() - began + best < limit / 2:
        best = min(best, trial.seconds(size))
        larger = min(GROWTH * size, batch)
        if larger > size and time.perf_counter() - began + best * larger / size < limit:
            size, best = larger, math.inf
    return best, size


class Trial:
    """Plays rounds of a method's game as training does, and times them.

    Arguments:
        method: On its device.
        data: Its training samples are played with.
        devices: Where.
    """

    def __init__(self, method: Method, data: Data, devices: Devices) -> None:
        self.method, self.data, self.devices, self.steps = method.train(), data, devices, 0
        recipe = method.recipe()
        self.players = players_of(method, recipe)
        self.average = Average(method, recipe.ema) if recipe.ema is not None else None
        self.game = Game(method, self.players, devices, micro=recipe.batch, clip=recipe.clip, say=lambda _: None)

    def seconds(self, size: int) -> float:
        """Returns the seconds that one round of `size` samples takes."""
        feed = Feed(self.data, size, needs=self.method.needs, seed=SEED, device=self.devices.device)
        began = time.perf_counter()
        self.method.clock = Clock(self.steps, samples=feed.samples)
        moves = self.game.play(feed.round(self.steps))
        if self.average is not None:
            self.average.update(self.steps)
        float(moves[-1].norm)  # waits for the device
        self.steps += 1
        return time.perf_counter() - began


# Fitted at one stroke ------------------------------------------------------------------------------------------------


def _fitted(name: str, data: Data, limit: float) -> Timing:
    """Times fits on more and more rows, and goes on along a line through the last two."""
    rows = _rows(_built(name, data), data)
    size = min(FIRST_ROWS, rows)
    tiny = open_source((torch.rand(FIRST_ROWS, 4), torch.arange(FIRST_ROWS) % 2))
    _fit_seconds(name, tiny, FIRST_ROWS // 2)  # the first fit imports and compiles
    began = time.perf_counter()
    points = [(size, _fit_seconds(name, data, size))]
    while size < rows and (len(points) < 2 or time.perf_counter() - began + 2 * points[-1][1] < limit):
        size = min(2 * size, rows)
        points.append((size, _fit_seconds(name, data, size)))
    seconds = _along(points, rows)
    capped = f", of which it takes {rows:,}" if rows < len(data.training) else ""
    how = f"timed on all {rows:,} rows" if size == rows else (
        f"timed on {points[-2][0]:,} and {size:,} rows, and on along a line to {rows:,}")
    return Timing(name, seconds, "fit", how + capped, seconds)


def _rows(method: Any, data: Data) -> int:
    """Returns how many training rows make a difference to the time of a fit."""
    most = getattr(method, "landmarks", None) or len(data)
    return min(len(data.training), most, max(1, MOST // data.spec.size))


def _fit_seconds(name: str, data: Data, size: int) -> float:
    """Returns the seconds that a fit on `size` rows takes."""
    part, method = data.take(some(data.training, size, SEED)), _built(name, data)
    began = time.perf_counter()
    fit_at_once(method, part, TrainOptions(), say=lambda _: None)
    return time.perf_counter() - began


def _along(points: Sequence[tuple[int, float]], rows: int) -> float:
    """Returns the seconds for more rows, on the line through the last two fits; more rows never cost less.

    Arguments:
        points: Rows and seconds of each fit.
        rows: How many more.

    Example:
        >>> _along([(100, 1.0), (200, 1.5)], 1000), _along([(100, 2.0), (200, 1.5)], 1000)
        (5.5, 1.5)
    """
    many, slow = points[-1]
    if rows == many:
        return slow
    few, quick = points[-2]
    return slow + max(0.0, (slow - quick) / (many - few)) * (rows - many)
