"""The idx files in which MNIST and its kin are kept: images, and labels beside them."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tacit.errors import DataError

__all__ = ["Pair", "is_idx", "pairs", "partner", "read_idx"]

IMAGES = re.compile(r"^(?P<prefix>.*?)[-_.]?images[-_.]?(idx\d)?([-_.]?ubyte)?(\.idx)?(\.gz)?$", re.IGNORECASE)
IDX = re.compile(r"(idx\d[-_.]ubyte|\.idx\d?)(\.gz)?$", re.IGNORECASE)
TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


@dataclass(frozen=True)
class Pair:
    """An images file, the labels beside it, and what stands before ``images`` in its name: ``train``, ``t10k``."""

    prefix: str
    images: Path
    labels: Path | None


def is_idx(path: Path) -> bool:
    """Returns whether a path is, by its name, an idx file, or a folder that holds idx images."""
    return bool(pairs(path)) if path.is_dir() else bool(IDX.search(path.name))


def pairs(folder: Path) -> list[Pair]:
    """Returns the images files of a folder with their labels, by name; of a file and its .gz, the file."""
    found: dict[str, Pair] = {}
    for file in sorted(folder.iterdir()):
        match = IMAGES.match(file.name)
        if match and IDX.search(file.name) and file.is_file():
            found.setdefault(match["prefix"], Pair(match["prefix"], file, partner(file)))
    return list(found.values())


def partner(images: Path) -> Path | None:
    """Returns the labels file beside an images file: ``images-idx3-ubyte`` becomes ``labels-idx1-ubyte``."""
    bare = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    beside = [images.with_name(bare), images.with_name(bare + ".gz")]
    return next((p for p in beside if p != images and p.is_file()), None)


def read_idx(path: Path) -> np.ndarray[Any, Any]:
    """Reads one idx file, packed or not.

    Raises:
        DataError: If it is of another format, or shorter or longer than its head says.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be unpacked ({error}); fetch it again") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in TYPES or len(content) < 4 + 4 * content[3]:
        raise DataError(f"{path} is not an idx file: it begins with {content[:4].hex(' ') or 'nothing'}, expected "
                        "00 00, a type and a number of axes")
    kind, start = np.dtype(TYPES[content[2]]), 4 + 4 * content[3]
    shape = tuple(np.frombuffer(content, ">u4", content[3], 4).tolist())
    wanted = math.prod(shape) * kind.itemsize
    if len(content) - start != wanted:
        raise DataError(f"{path} holds {len(content) - start:,} bytes of values; its head says {wanted:,} for shape "
                        f"{shape}; fetch it again")
    return np.frombuffer(content, kind, offset=start).reshape(shape).astype(kind.newbyteorder("="))
