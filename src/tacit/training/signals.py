"""SIGINT and SIGTERM: the first asks for an end between two steps, the second ends at once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from tacit.errors import Interrupted

__all__ = ["Stop", "handled"]

WATCHED = (signal.SIGINT, signal.SIGTERM)

Handler = Callable[[int, FrameType | None], None]


@contextlib.contextmanager
def handled(handler: Handler, *numbers: signal.Signals) -> Iterator[None]:
    """Hands some signals to a handler while the block lasts; outside the main thread, where none arrive, to nobody."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {n: signal.signal(n, handler) for n in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, signal.SIG_DFL if former is None else former)  # None: not set from Python


class Stop:
    """Whether a signal has asked for an end.

    Arguments:
        folder: The run's, for the message of a second signal.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requested = self.final = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Notes the first signal, and ends at once at the second."""
        if self.requested:
            raise Interrupted(f"left at once, without saving; {self.folder} is as it was last saved", final=True)
        self.requested, self.final = True, number == signal.SIGTERM

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watches for signals while the block lasts."""
        with handled(self, *WATCHED):
            yield
