"""A run's folder: how it is named, claimed and written, so that a crash leaves the old or the new."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from tacit.errors import RunError, TacitError
from tacit.files import written_whole

__all__ = ["CONFIG", "WEIGHTS", "claim", "is_run", "write_atomically"]

CONFIG = "config.yaml"
WEIGHTS = "model.safetensors"


def is_run(path: object) -> bool:
    """Returns whether a path is a run's folder."""
    return isinstance(path, (str, os.PathLike)) and (Path(path) / CONFIG).is_file()


@contextlib.contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Gives a temporary name beside `path` to write to, which becomes `path` when the block ends well.

    Raises:
        TacitError: If the disk is full or not writable; what was at `path` stays.
    """
    try:
        with written_whole(path) as temporary:
            yield temporary
    except OSError as error:
        raise TacitError(f"{path} could not be written: {error.strerror or error}; what was there before is kept; "
                         "free some space, then continue") from error


def claim(prepared: Path, out: str | os.PathLike[str] | None, name: str, *, overwrite: bool = False) -> Path:
    """Moves a prepared folder to its place: to `out`, or to the next number under ``runs/``.

    Arguments:
        prepared: A folder with everything that a run needs to be loaded, on the same disk.
        out: Where the user wants it, or None.
        name: Method and data, for the numbered name.
        overwrite: Whether a run at `out` is replaced.

    Raises:
        RunError: If something is in the way.
    """
    if out is not None:
        place = Path(out)
        check_place(place, overwrite=overwrite)
        if place.exists():
            shutil.rmtree(place)
        os.rename(prepared, place)
        return place
    while True:
        place = prepared.parent / f"{next_number(prepared.parent):04d}-{name}"
        with contextlib.suppress(FileExistsError):
            place.mkdir()  # the claim: of two processes, one gets the number
            os.rename(prepared, place)
            return place


def check_place(place: Path, *, overwrite: bool) -> None:
    """Raises `RunError` if a run may not be put at `place`."""
    if place.is_dir() and not any(place.iterdir()):
        return
    if place.exists() and not is_run(place):
        raise RunError(f"{place} exists and is not a run; nothing of it is touched; choose another -o")
    if place.exists() and not overwrite:
        raise RunError(f"{place} is a run already; --overwrite replaces it, --resume {place} continues it")


def next_number(runs: Path) -> int:
    """Returns one more than the greatest number of a run in a folder."""
    numbers = (re.match(r"(\d{4,})-", p.name) for p in runs.iterdir())
    return 1 + max((int(m[1]) for m in numbers if m), default=0)
