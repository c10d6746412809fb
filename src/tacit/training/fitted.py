"""Driving methods that are fitted at one stroke, where a signal or a budget can end them."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import torch

from tacit.data.dataset import Data
from tacit.errors import DataError, Interrupted, OptionError, TacitError
from tacit.functional.draws import some
from tacit.protocol import Batch, Method
from tacit.training.options import TrainOptions
from tacit.training.signals import handled

__all__ = ["ended_after", "fit_at_once"]

MOST = 2**28  # floats that are handed to a library at once, 1 GiB
STEPWISE = ("steps", "epochs", "samples", "patience", "batch", "micro_batch", "lr", "schedule", "ema", "clip")


def fit_at_once(method: Method, data: Data, options: TrainOptions, *, say: Callable[[str], None]) -> None:
    """Fits a method on all training samples, on the CPU.

    Where they would take more than 1 GiB as floats, as many as that allows are drawn by the seed, and it is said.

    Arguments:
        method: One with a `fit`; it is in evaluation mode afterwards.
        data: Its training samples are the ones that count.
        options: `minutes`, `seed` and `threads`; what speaks of steps does not apply.
        say: Takes lines for a person.

    Raises:
        OptionError: If an option is given that a fit at one stroke has no use for.
        TacitError: If it is not done within the minutes.
        Interrupted: After a signal; nothing is saved.
    """
    title = type(method).__name__
    for name in STEPWISE:
        if getattr(options, name) is not None:
            raise OptionError(f"{title} is fitted at one stroke: --{name.replace('_', '-')} does not apply; "
                              "--minutes does")
    if options.minutes is not None and options.minutes <= 0:
        raise OptionError(f"--minutes is {options.minutes}; it must be above 0")
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    batch = gathered(method, data, options.seed, say)
    torch.manual_seed(options.seed)
    needed = {name: t for name, t in batch.fields().items() if name != "x"}
    fitted: Any = method.to("cpu").train()
    with ended_by_signal(title), ended_after(options.minutes, title):
        fitted.fit(batch.x, **needed)
    method.eval()


def gathered(method: Method, data: Data, seed: int, say: Callable[[str], None]) -> Batch:
    """Returns the training samples, or as many of them as memory should hold."""
    training = data.training
    if not len(training):
        raise DataError(f"{data.source} leaves no training sample: all {len(data):,} are held out; lower --split")
    most = max(1, MOST // data.spec.size)
    if len(training) > most:
        say(f"fitted on {most:,} of {len(training):,} training samples, which is what 1 GiB holds")
        training = some(training, most, seed)
    return data.batch(training, method.needs)


@contextlib.contextmanager
def ended_by_signal(title: str) -> Iterator[None]:
    """Ends the block at SIGINT or SIGTERM, as soon as the library is back in Python."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Interrupted(f"interrupted; {title} is fitted at one stroke, so that nothing of it is saved",
                          final=number == signal.SIGTERM)

    with handled(end, signal.SIGINT, signal.SIGTERM):
        yield


@contextlib.contextmanager
def ended_after(minutes: float | None, title: str) -> Iterator[None]:
    """Ends the block after some minutes, where the system has timers and this is the main thread."""
    if minutes is None or not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise TacitError(f"{title} did not finish within {minutes:.3g} minutes; give more --minutes, or fewer samples "
                         "with --limit")

    with handled(end, signal.SIGALRM):
        signal.setitimer(signal.ITIMER_REAL, 60 * minutes)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
