"""What was decoded once: a memory map and a few words about it, under a key that changes with the source."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
import torch
from torch import Tensor

from tacit.errors import DataError

__all__ = ["Rows", "Stored", "cache_bytes", "cache_folder", "load", "remembered", "store"]

Array = np.ndarray[Any, Any]
Stored = tuple[Tensor, dict[str, Any]]

FORMAT = 2  # of what lies on the disk; another number makes every older entry unknown
STALE = 24 * 3600  # seconds after which something half written was left by a process that died
CHUNK = 64 << 20  # bytes


def cache_folder() -> Path:
    """Returns where decoded sources are kept: ``$TACIT_CACHE``, else ``~/.cache/tacit``."""
    given = os.environ.get("TACIT_CACHE")
    return Path(given).expanduser() if given else Path.home() / ".cache" / "tacit"


def cache_bytes() -> int:
    """Returns the size of all that is kept there."""
    total = 0
    for path in cache_folder().rglob("*"):
        with contextlib.suppress(OSError):  # another process may just have removed it
            total += path.stat().st_size if path.is_file() else 0
    return total


def load(key: Mapping[str, Any]) -> Stored | None:
    """Returns what is kept under a key, or None.

    Arguments:
        key: What it depends on: plain values.

    Returns:
        Samples, mapped from the disk and private to this process, and the words that were stored beside them.
    """
    place = _place(key)
    if not place.exists():
        return None
    try:
        meta = json.loads((place / "meta.json").read_text("utf-8"))
        x = torch.from_numpy(np.load(place / "x.npy", mmap_mode="c"))
    except (OSError, ValueError, EOFError):  # damaged: it will be made again
        shutil.rmtree(place, ignore_errors=True)
        return None
    return x, meta


def store(key: Mapping[str, Any], make: Callable[[Path], Mapping[str, Any]]) -> Stored:
    """Returns what is kept under a key, after making it.

    It is made under another name and renamed, so that two processes can do this at once and a crash leaves nothing
    half written.

    Arguments:
        key: As for `load`.
        make: Writes ``x.npy`` into a folder that it is given, and returns the words to be stored beside it.

    Raises:
        DataError: If the disk is full or cannot be written.
    """
    place = _place(key)
    with writing():
        place.parent.mkdir(parents=True, exist_ok=True)
        _sweep(place.parent)
        folder = Path(tempfile.mkdtemp(prefix=".making-", dir=place.parent))
    try:
        meta = make(folder)
        with writing():
            (folder / "meta.json").write_text(json.dumps(meta), "utf-8")
            with contextlib.suppress(FileExistsError, NotADirectoryError):
                _rename(folder, place)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    stored = load(key)
    if stored is None:
        raise DataError(f"{place} vanished while it was written; open the source again")
    return stored


def remembered(name: str, key: str, make: Callable[[], Array]) -> Array:
    """Returns an array that was computed before, or computes and keeps it.

    Arguments:
        name: What it is, with a number that changes with the way it is computed.
        key: What it depends on: a fingerprint.
        make: Computes it.
    """
    stored = load({"what": name, "of": key})
    if stored is None:
        array = make()

        def write(folder: Path) -> dict[str, Any]:
            with writing():
                np.save(folder / "x.npy", array)
            return {}

        stored = store({"what": name, "of": key}, write)
    return stored[0].numpy()


def _place(key: Mapping[str, Any]) -> Path:
    words = json.dumps({"format": FORMAT, **key}, sort_keys=True)
    return cache_folder() / "data" / hashlib.blake2b(words.encode(), digest_size=16).hexdigest()


def _rename(folder: Path, place: Path) -> None:
    try:
        folder.rename(place)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EACCES) or not place.exists():
            raise
        # another process was first: what it wrote is the same


def _sweep(folder: Path) -> None:
    for left in folder.glob(".making-*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > STALE:
                shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def writing(needed: int = 0) -> Iterator[None]:
    """Turns a failure to write into an error that says what to do.

    Arguments:
        needed: Bytes that are wanted in all, to be named.
    """
    try:
        yield
    except OSError as error:
        folder = cache_folder()
        why = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror or str(error)
        room = f" (this source needs {needed / 1e6:,.0f} MB)" if needed else ""
        raise DataError(f"the cache in {folder} cannot be written: {why}{room}; make room there, or name another "
                        "folder with $TACIT_CACHE") from error


class Rows:
    """Samples that are written one after the other to a .npy file whose length is known at the end.

    Arguments:
        path: Of the file.
        shape: Of one sample.
        dtype: Of its values.
        expected: Number of samples that will come, at most; there must be room for them.
    """

    def __init__(self, path: Path, shape: Sequence[int], dtype: np.dtype[Any], expected: int) -> None:
        self.path, self.shape, self.dtype = path, tuple(shape), dtype
        self.count = 0
        self.bytes = expected * int(np.prod(shape)) * dtype.itemsize
        with writing(self.bytes):
            if shutil.disk_usage(path.parent).free < self.bytes:
                raise OSError(errno.ENOSPC, "too little room")
            self._file: BinaryIO = open(path, "wb")
            self._file.write(self._head())

    def append(self, rows: Array) -> None:
        """Writes further samples, shape (n, *shape).

        A write that fails is an error here; through a memory map it would end the process.
        """
        with writing(self.bytes):
            self._file.write(np.ascontiguousarray(rows, self.dtype).data)
        self.count += len(rows)

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        """Writes the length and closes the file."""
        with writing(self.bytes), self._file:
            self._file.seek(0)
            self._file.write(self._head())

    def _head(self) -> bytes:
        """Returns the head of a .npy file, which numpy pads so that its length is the same for every count."""
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {
            "descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False,
            "shape": (self.count, *self.shape),
        })
        return head.getvalue()


def reorder(path: Path, order: Array) -> None:
    """Brings the rows of a .npy file into another order.

    Arguments:
        path: Of the file.
        order: For each place the row that comes there, int (N,).
    """
    rows = np.load(path, mmap_mode="r")
    beside = path.with_suffix(".sorted")
    step = max(1, CHUNK // max(1, rows[:1].nbytes))
    with Rows(beside, rows.shape[1:], rows.dtype, len(rows)) as out:
        for start in range(0, len(order), step):
            out.append(rows[order[start : start + step]])
    with writing():
        beside.replace(path)
