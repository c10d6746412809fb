"""Where a verb's files go: beside the run, numbered, and nothing is overwritten in silence."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tacit.errors import OptionError, RunError
from tacit.runs.folder import write_atomically

__all__ = ["SUFFIXES", "Say", "aligned", "check_free", "place", "write_arrays"]

Say = Callable[[str], None]
"""Shows a line to a person."""

SUFFIXES = (".csv", ".npz", ".parquet", ".png")
FILE = re.compile(r"\.[A-Za-z]\w{1,4}$")  # how a file's name ends
OURS = re.compile(r"-\d{4}\.")  # what numbered files of ours have in their names


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns rows of text as lines whose cells stand below one another; a row may be short of cells.

    Example:
        >>> aligned([["name", "cost"], ["k-means", "1"], ["all"]])
        ['name     cost', 'k-means  1', 'all']
    """
    widths = [max(map(len, column)) for column in itertools.zip_longest(*rows, fillvalue="")]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows]


def place(out: str | None, home: Path, stem: str, suffix: str, *others: str, overwrite: bool = False) -> Path:
    """Returns the file to write: `out` itself where it is a file's name, else the next number in a folder.

    Arguments:
        out: What -o gives: a file's name, a folder, or None for the folder `home`.
        home: The folder where nothing else is asked for.
        stem: What a numbered file's name begins with.
        suffix: What it ends with.
        others: What else `out` may end with.
        overwrite: Whether a file at `out` may be replaced.

    Raises:
        OptionError: If `out` names another type of file.
        RunError: If `out` is there already, or is a folder of other files.
    """
    if out is not None and FILE.search(out) and not Path(out).is_dir():
        path = Path(out)
        if path.suffix.lower() not in (suffix, *others):
            raise OptionError(f"what comes here is written as {' or '.join((suffix, *others))}; -o names {out}")
        check_free(path, overwrite=overwrite)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
    folder = home if out is None else Path(out)
    if folder.is_file():
        raise RunError(f"{folder} is a file; -o takes a folder, or a name that ends in {suffix}")
    folder.mkdir(parents=True, exist_ok=True)
    names = [file.name for file in folder.iterdir() if not file.name.startswith(".")]
    if out is not None and names and not any(OURS.search(name) for name in names):
        raise RunError(f"{folder} holds other files, as {min(names)}; -o takes a new folder, or a name that ends in "
                       f"{suffix}")
    taken = (re.match(rf"{stem}-(\d+)\.", name) for name in names)
    return folder / f"{stem}-{1 + max((int(m[1]) for m in taken if m), default=0):04d}{suffix}"


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raises `RunError` if a file is there that may not be replaced."""
    if path.exists() and not overwrite:
        raise RunError(f"{path} is there already; --overwrite replaces it, another -o leaves it")


def write_arrays(path: Path, **arrays: Any) -> None:
    """Writes named arrays, and never objects, to an .npz file."""
    import numpy as np

    with write_atomically(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, allow_pickle=False, **{name: np.asarray(array) for name, array in arrays.items()})
