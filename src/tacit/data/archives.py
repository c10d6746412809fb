"""Archives as places of files: .zip and .tar, read where they lie. Nothing is ever unpacked to the disk."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from tacit.data.dataset import Skipped
from tacit.data.folders import (
    BYTES_PER_BATCH,
    Batch,
    Entry,
    Opener,
    Place,
    batches,
    list_folder,
    one_file,
    openers,
    readable,
)
from tacit.errors import DataError

__all__ = ["ARCHIVES", "Archive", "is_archive", "open_archive", "place_at"]

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
PACKERS: Mapping[bytes, Callable[[Path], BinaryIO]] = {  # by the first two bytes
    b"\x1f\x8b": lambda path: cast(BinaryIO, gzip.open(path)),
    b"BZ": lambda path: cast(BinaryIO, bz2.open(path)),
    b"\xfd7": lambda path: cast(BinaryIO, lzma.open(path)),
}
LARGEST = 1 << 30  # bytes of one member; a photograph is far below, a bomb far above
BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError)

Members = Callable[[Path, list[Skipped]], Iterator[Entry]]
Batches = Callable[[Path, Sequence[Entry]], Iterator[Batch]]


def is_archive(path: Path) -> bool:
    """Returns whether a path is, by its name, an archive."""
    return path.name.lower().endswith(ARCHIVES)


def open_archive(path: Path) -> Archive:
    """Returns an archive as a place; its members are listed only when they are asked for.

    Raises:
        DataError: If it is no archive, or is damaged.
    """
    try:
        if zipfile.is_zipfile(path):
            return Archive(path, _zip_members, _zip_batches)
        with open(path, "rb") as file:
            packed = file.read(2) in PACKERS
        if packed:
            return Archive(path, _packed_members, _packed_batches)
        if tarfile.is_tarfile(path):
            return Archive(path, _tar_members, _tar_batches)
    except BROKEN as error:
        raise _damaged(path, error) from error
    raise DataError(f"{path} is no archive, whatever its name says; expected one of {', '.join(ARCHIVES)}")


def place_at(path: Path) -> Place:
    """Returns the files that a path names: those of a folder or an archive, or one file.

    Raises:
        DataError: If an archive is damaged, or a folder cannot be listed.
    """
    if path.is_dir():
        return list_folder(path)
    return open_archive(path) if is_archive(path) else one_file(path)


class Archive:
    """One file on the disk that stands for all of its members.

    Arguments:
        path: Of the archive.
        members: Yields the members that are files, as they are named inside, and adds the others to a list.
        batches: As `Place.batches`, given the path.
    """

    folder: Path | None = None

    def __init__(self, path: Path, members: Members, batches: Batches) -> None:
        self.path = path
        self.skipped: list[Skipped] = []
        self._members, self._batches = members, batches
        self._entries: list[Entry] | None = None

    def entries(self) -> list[Entry]:
        """Returns the members that are files, sorted by id.

        Raises:
            DataError: If the archive is damaged.
        """
        if self._entries is None:
            try:
                self._entries = _kept(self._members(self.path, self.skipped), self.skipped)
            except BROKEN as error:
                raise _damaged(self.path, error) from error
        return self._entries

    def signature(self, chosen: Callable[[str], bool]) -> str:
        """Returns the hash of the archive's own path, size and time, so that nothing need be listed."""
        status = self.path.stat()
        words = f"{self.path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}"
        return hashlib.blake2b(os.fsencode(words), digest_size=16).hexdigest()

    def batches(self, entries: Sequence[Entry]) -> Iterator[Batch]:
        """Yields (position in `entries`, opener) in the order that is quickest here; openers work in any thread."""
        return self._batches(self.path, entries)


def _kept(members: Iterator[Entry], skipped: list[Skipped]) -> list[Entry]:
    """Returns members under ids that stay below the root; of two with one name, the later, as unpacking would."""
    found: dict[str, Entry] = {}
    for member in members:
        parts = [part for part in member.id.replace("\\", "/").split("/") if part not in ("", ".")]
        if any(part.startswith((".", "__MACOSX")) and part != ".." for part in parts):
            continue
        if member.id.startswith(("/", "\\")) or ".." in parts:
            skipped.append(Skipped(readable(member.id), "its name leads out of the archive"))
        elif member.size > LARGEST:
            skipped.append(Skipped(readable(member.id), f"{member.size:,} bytes, more than {LARGEST:,}"))
        elif parts:
            name = readable("/".join(parts))
            found[name] = member._replace(id=name, where=member.id)
    return sorted(found.values())


# .zip ----------------------------------------------------------------------------------------------------------------


def _zip_members(path: Path, skipped: list[Skipped]) -> Iterator[Entry]:
    with zipfile.ZipFile(path) as file:
        for info in file.infolist():
            if info.flag_bits & 1:
                skipped.append(Skipped(readable(info.filename), "encrypted"))
            elif not info.is_dir():
                yield Entry(info.filename, info.file_size)


def _zip_batches(path: Path, entries: Sequence[Entry]) -> Iterator[Batch]:
    file = zipfile.ZipFile(path)  # closed with its last opener: threads read on when the last batch has been handed out
    return batches(openers(entries, lambda entry: cast(BinaryIO, file.open(entry.where))))


# .tar: members are read at their offsets, side by side ---------------------------------------------------------------


def _tar_members(path: Path, skipped: list[Skipped]) -> Iterator[Entry]:
    with tarfile.open(path, "r:") as tar:
        yield from _files(tar, skipped)


def _tar_batches(path: Path, entries: Sequence[Entry]) -> Iterator[Batch]:
    return batches(openers(entries, partial(_member, path)))


def _member(path: Path, entry: Entry) -> BinaryIO:
    with open(path, "rb", buffering=0) as file:
        file.seek(entry.offset)
        if entry.size <= BYTES_PER_BATCH:
            return io.BytesIO(file.read(entry.size))
    return cast(BinaryIO, io.BufferedReader(Window(path, entry.offset, entry.size)))


class Window(io.RawIOBase):
    """Some bytes of a file as a file of their own, so that the head of a large member is read without the rest.

    Arguments:
        path: Of the file.
        start: First byte.
        size: Number of bytes.
    """

    def __init__(self, path: Path, start: int, size: int) -> None:
        super().__init__()
        self._file = open(path, "rb", buffering=0)
        self._start, self._size, self._at = start, size, 0

    def readable(self) -> bool:
        """Returns True."""
        return True

    def seekable(self) -> bool:
        """Returns True."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Moves to an offset from the start, from here, or from the end."""
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Reads into a buffer, and returns how many bytes."""
        left = max(0, min(len(buffer), self._size - self._at))
        self._file.seek(self._start + self._at)
        read = self._file.readinto(memoryview(buffer)[:left])
        self._at += read
        return read

    def close(self) -> None:
        """Closes the file below, too."""
        if not self.closed:
            self._file.close()
        super().close()


# .tar.gz: members come in the order in which they lie, since a packed file is read from its beginning only -----------


@contextmanager
def _unpacking(path: Path) -> Iterator[tarfile.TarFile]:
    with open(path, "rb") as file:
        begins = file.read(2)
    # tarfile's own unpacking takes a file that was cut off for one that has ended
    with PACKERS[begins](path) as content, tarfile.open(fileobj=content, mode="r|") as tar:
        yield tar


def _packed_members(path: Path, skipped: list[Skipped]) -> Iterator[Entry]:
    with _unpacking(path) as tar:
        yield from _files(tar, skipped)


def _packed_batches(path: Path, entries: Sequence[Entry]) -> Iterator[Batch]:
    return batches(_unpacked(path, {entry.offset: i for i, entry in enumerate(entries)}))


def _unpacked(path: Path, position: dict[int, int]) -> Iterator[Opener]:
    """Yields the members at some offsets, each read into memory."""
    with _unpacking(path) as tar:
        for member in tar:
            tar.members = []  # type: ignore[attr-defined]
            at = position.get(member.offset_data)
            file = tar.extractfile(member) if at is not None and member.isfile() else None
            if at is not None and file is not None:
                yield Opener(at, member.size, partial(io.BytesIO, file.read()))


def _files(tar: tarfile.TarFile, skipped: list[Skipped]) -> Iterator[Entry]:
    for member in tar:
        tar.members = []  # type: ignore[attr-defined]  # else the archive keeps every member that it has passed
        if member.isfile():
            yield Entry(member.name, member.size, offset=member.offset_data)
        elif not member.isdir():
            skipped.append(Skipped(readable(member.name), "a link or a device, not a file"))


def _damaged(path: Path, error: Exception) -> DataError:
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{path} is damaged or truncated ({first}); fetch or pack it again")
