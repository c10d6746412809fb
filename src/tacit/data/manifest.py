"""A table whose rows name images: a manifest."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tacit.data.folders import Entry, Files
from tacit.data.labels import column_words
from tacit.data.options import ReadOptions
from tacit.data.progress import Say
from tacit.data.raw import Raw
from tacit.data.resident import is_image, read_images
from tacit.data.tables import read_columns
from tacit.errors import DataError
from tacit.protocol import Spec

__all__ = ["read_manifest"]

Array = np.ndarray[Any, Any]

NAMES_IMAGES = re.compile(rb"\.(jpe?g|png|bmp|gif|webp|tiff?|ppm|pgm)\b", re.IGNORECASE)
PEEK = 1 << 16  # bytes in which a manifest names its first images
TRIED = 200  # paths that are looked up


def read_manifest(path: Path, options: ReadOptions, like: Spec | None, say: Say) -> Raw | None:
    """Reads the images that a table names, with what its other columns say of them; None if it names none.

    Arguments:
        path: Of a .csv, .tsv or .parquet file; paths in it are relative to its folder.
        options: How to read. A role of path makes a table a manifest; so does a column most of whose values are
            images that are there.
        like: Images that these shall be like.
        say: Where progress is told.

    Raises:
        DataError: If no image can be read.
    """
    asked = any(c.endswith(":path") for c in options.columns)
    if not asked and not _may_name_images(path):
        return None
    columns, roles, notes = read_columns(path, options)
    name = next((n for n, role in roles.items() if role == "path"), None)
    if name is None or not (asked or _are_there(path.parent, columns[name])):
        return None
    rows, repeated = _rows(columns[name])
    raw = read_images(Files(path, path.parent, (_entry(path.parent, p) for p in rows)), options, like, say)
    order = np.array([rows[p] for p in raw.ids])
    described = {n: columns[n][order] for n, role in roles.items() if role not in ("label", "ignore")}
    label = next((column_words(columns[n][order]) for n, role in roles.items() if role == "label"), None)
    ids = next((column_words(columns[n][order]) for n, role in roles.items() if role == "id"), None)
    if repeated:
        notes = [*notes, f"rows that name an image again, of which the first counts: {repeated:,}"]
    return replace(
        raw, columns=raw.columns | described, label=label, notes=[f"a manifest: images are in column {name}", *notes,
                                                                  *raw.notes],
        ids=raw.ids if ids is None else [str(i) for i in ids], folder=raw.folder if ids is None else None,
    )


def _may_name_images(path: Path) -> bool:
    if path.suffix.lower() == ".parquet":
        return True
    with path.open("rb") as file:
        return bool(NAMES_IMAGES.search(file.read(PEEK)))


def _are_there(folder: Path, column: Array) -> bool:
    """Returns whether most of a column's values are images that are there."""
    tried = [str(v) for v in column[:: max(1, len(column) // TRIED)]]
    return 2 * sum(is_image(p) and (folder / p).is_file() for p in tried) > len(tried)


def _rows(column: Array) -> tuple[dict[str, int], int]:
    """Returns the row of each path, and how many rows repeat one."""
    rows: dict[str, int] = {}
    named = [(str(p).replace("\\", "/"), i) for i, p in enumerate(column.tolist()) if p]
    if not named:
        raise DataError("the manifest's column of paths is empty; --columns NAME:path names another")
    for p, i in named:
        rows.setdefault(p, i)
    return rows, len(named) - len(rows)


def _entry(folder: Path, path: str) -> Entry:
    where = os.path.join(folder, path)
    try:
        status = os.stat(where)
    except OSError:  # opening it says so
        return Entry(path, -1, 0, where)
    return Entry(path, status.st_size, status.st_mtime_ns, where)
