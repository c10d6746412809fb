"""The kind of data that a word or a path stands for, told without opening more than names."""

from __future__ import annotations

import itertools
import os
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tacit.errors import DataError, did_you_mean
from tacit.runs.folder import is_run

__all__ = ["kind_of"]

KINDS: Mapping[str, tuple[str, ...]] = {
    "image": ("images", "photo", "photos", "picture", "pictures", "digits", "shapes"),
    "table": ("tables", "rows", "csv"),
    "vector": ("vectors", "array", "arrays", "latents", "moons", "rings", "mixture-1d"),
    "map": ("maps", "features"),
    "codes": ("code",),
    "tokens": ("token", "text", "texts"),
    "audio": ("sound", "sounds", "speech"),
    "video": ("videos", "clip", "clips"),
}
SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "image": (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".idx.gz", "ubyte.gz"),
    "table": (".csv", ".tsv", ".parquet"),
    "vector": (".npy", ".npz"),
    "tokens": (".txt",),
    "audio": (".wav", ".flac", ".ogg", ".mp3"),
    "video": (".mp4", ".avi", ".mov", ".mkv", ".webm"),
}
LOOKED_AT = 1_000


def kind_of(word: str) -> str:
    """Returns the kind of data that is meant by a word, or lies at a path.

    Raises:
        DataError: If it is neither, or files there are of no kind that is known.

    Example:
        >>> kind_of("images"), kind_of("moons")
        ('image', 'vector')
    """
    names = {alias: kind for kind, aliases in KINDS.items() for alias in (kind, *aliases)}
    if word.lower() in names:
        return names[word.lower()]
    if not os.path.exists(word):
        raise DataError(f"{word!r} is no kind of data and no path.{did_you_mean(word.lower(), names)} "
                        f"Kinds are {', '.join(KINDS)}")
    if is_run(word):
        return "vector"
    found = [kind for name in itertools.islice(files(Path(word)), LOOKED_AT) if (kind := by_suffix(name))]
    if not found:
        raise DataError(f"{word} holds no file of a kind that is known")
    return max(set(found), key=found.count)


def by_suffix(name: str) -> str | None:
    """Returns the kind of a file by the end of its name, or None."""
    return next((kind for kind, ends in SUFFIXES.items() if name.lower().endswith(ends)), None)


def files(path: Path) -> Iterator[str]:
    """Yields the names of the files at a path: its own, or those in a folder or an archive."""
    if path.is_dir():
        yield from (name for _, _, names in os.walk(path) for name in names)
    elif zipfile.is_zipfile(path) and path.suffix != ".npz":
        with zipfile.ZipFile(path) as archive:
            yield from archive.namelist()
    elif path.name.lower().endswith((".tar", ".tar.gz", ".tgz")):
        with tarfile.open(path) as archive:
            yield from (member.name for member in archive)
    else:
        yield path.name
