"""Where files lie: a folder's files with stable ids, opened one by one from any thread."""

from __future__ import annotations

import gc
import hashlib
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from tacit.data.dataset import Skipped

__all__ = ["Batch", "Entry", "Files", "Opener", "Place", "batches", "list_folder", "one_file", "openers", "readable"]

PER_BATCH = 64  # files that one thread takes at once: less overhead than one by one
BYTES_PER_BATCH = 8 << 20
HIDDEN = (".", "__MACOSX")


class Entry(NamedTuple):
    """One file of a place.

    Arguments:
        id: Its relative path, with ``/``.
        size: Bytes; -1 where they are not known.
        stamp: Time of its last change in nanoseconds, 0 inside an archive.
        where: Path on the disk, or name in the archive.
        offset: First byte in an archive that is not packed.
    """

    id: str
    size: int
    stamp: int = 0
    where: str = ""
    offset: int = 0


class Opener(NamedTuple):
    """What opens one file: its position among the entries that were asked for, its bytes, and the call."""

    position: int
    size: int
    open: Callable[[], BinaryIO]


Batch = list[Opener]


class Place(Protocol):
    """Files that can be listed and opened: a folder, an archive, the paths of a manifest.

    `path` is what was named, `folder` is where ids begin on the disk, `skipped` is what could not be listed.
    """

    path: Path
    folder: Path | None
    skipped: list[Skipped]

    def entries(self) -> list[Entry]:
        """Returns the files, sorted by id."""
        ...

    def signature(self, chosen: Callable[[str], bool]) -> str:
        """Returns a word that differs when a file of a chosen name was added, removed or changed."""
        ...

    def batches(self, entries: Sequence[Entry]) -> Iterator[Batch]:
        """Yields what opens the entries, in the order that is quickest here; an opener works in any thread."""
        ...


class Files:
    """Files on the disk.

    Arguments:
        path: What was named: the folder, the file or the manifest.
        folder: Where the ids begin.
        files: The files, in any order.
        skipped: What could not be listed.
    """

    def __init__(self, path: Path, folder: Path, files: Iterable[Entry], skipped: Iterable[Skipped] = ()) -> None:
        self.path = path
        self.folder: Path | None = folder
        self.skipped = list(skipped)
        self._entries = sorted(files, key=attrgetter("id"))

    def entries(self) -> list[Entry]:
        """Returns the files, sorted by id."""
        return self._entries

    def signature(self, chosen: Callable[[str], bool]) -> str:
        """Returns the hash of path, size and time of each file of a chosen name."""
        files = [e for e in self._entries if chosen(e.id)]
        words = [os.path.realpath(self.path), *(e.where for e in files), *(e.id for e in files)]
        total = hashlib.blake2b("\0".join(words).encode("utf-8", "surrogateescape"), digest_size=16)
        total.update(array("q", [e.size for e in files]))
        total.update(array("q", [e.stamp for e in files]))
        return total.hexdigest()

    def batches(self, entries: Sequence[Entry]) -> Iterator[Batch]:
        """Yields what opens the files, in order."""
        return batches(openers(entries, lambda entry: open(entry.where, "rb")))


def openers(entries: Sequence[Entry], opener: Callable[[Entry], BinaryIO]) -> Iterator[Opener]:
    """Yields what opens each entry, in order."""
    for position, entry in enumerate(entries):
        yield Opener(position, entry.size, partial(opener, entry))


def batches(opened: Iterable[Opener]) -> Iterator[Batch]:
    """Yields files as one thread takes them: at most 64, and a few megabytes."""
    batch: Batch = []
    held = 0
    for opener in opened:
        batch.append(opener)
        held += max(opener.size, 0)
        if len(batch) >= PER_BATCH or held >= BYTES_PER_BATCH:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def list_folder(folder: Path) -> Files:
    """Returns the files below a folder; hidden ones are left out, and a link to a folder above is not followed.

    A folder that may not be entered is skipped by name.
    """
    with _uncollected():
        return _listed(folder)


def _listed(folder: Path) -> Files:
    skipped: list[Skipped] = []
    found: list[Entry] = []
    todo = [(str(folder), "", frozenset[tuple[int, int]]())]
    while todo:
        path, prefix, above = todo.pop()
        try:
            status = os.stat(path)
            here = (status.st_dev, status.st_ino)
            with os.scandir(path) as inside:
                items = [item for item in inside if here not in above and not item.name.startswith(HIDDEN)]
        except OSError as error:
            skipped.append(Skipped(readable(prefix.rstrip("/") or path), f"cannot be listed: {error.strerror}"))
            continue
        for item in items:
            if item.is_dir():
                todo.append((item.path, f"{prefix}{item.name}/", above | {here}))
            else:
                found.append(_entry(item, prefix))
    return Files(folder, folder, found, skipped)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Pauses the garbage collector, which would look through every object of torch while a large folder is listed."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def one_file(path: Path) -> Files:
    """Returns a single file as a place."""
    status = path.stat()
    return Files(path, path.parent, [Entry(readable(path.name), status.st_size, status.st_mtime_ns, str(path))])


def readable(name: str) -> str:
    r"""Returns a name that can be printed: bytes that are no text become ``\udc..``.

    Example:
        >>> readable("caf\udce9.jpg")
        'caf\\udce9.jpg'
    """
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _entry(item: os.DirEntry[str], prefix: str) -> Entry:
    name = prefix + item.name
    if not name.isascii():
        name = readable(name)
    try:
        status = item.stat()
    except OSError:  # a link to nothing: opening it says so
        return Entry(name, -1, 0, item.path)
    return Entry(name, status.st_size, status.st_mtime_ns, item.path)
