"""Tables as a method sees them, and back: standardised numbers, one-hot categories, and a place for what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tacit.data.sheets import words
from tacit.errors import DataError, did_you_mean
from tacit.protocol import Column, Spec

__all__ = ["decode", "encode", "encode_like", "table_spec"]

Array = np.ndarray[Any, Any]


def encode(table: Mapping[str, Array], training: Array) -> tuple[Spec, Tensor]:
    """Returns what a table's training rows teach of its columns, and all rows coded by it.

    Arguments:
        table: For each name N floats (NaN is missing) or strings ("" is missing).
        training: Which rows are training rows, bool (N,); means, deviations and levels come from no other.

    Returns:
        The spec and float32 (N, D). A number is its distance from the mean in standard deviations, 0 where missing. A
        category is 1 at its level's place. Where a training row misses a value, one more place of that column is 1
        for missing.

    Example:
        >>> table = {"age": np.array([20.0, 40.0]), "sex": np.array(["f", "m"], dtype=object)}
        >>> spec, x = encode(table, np.array([True, True]))
        >>> x.tolist()
        [[-1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]
    """
    spec = table_spec(table, training)
    return spec, encode_like(table, spec)[0]


def table_spec(table: Mapping[str, Array], training: Array) -> Spec:
    """Returns how a table is coded, from its training rows.

    Arguments:
        table: As for `encode`.
        training: Which rows are training rows, bool (N,).
    """
    columns: list[Column] = []
    start = 0
    for name, values in table.items():
        seen = values[training]
        column = _number(name, seen, start) if values.dtype.kind == "f" else _category(name, seen, start)
        columns.append(column)
        start += column.width
    return Spec("table", (start,), columns=tuple(columns))


def _number(name: str, seen: Array, start: int) -> Column:
    known = seen[~np.isnan(seen)]
    mean, scale = (float(known.mean()), float(known.std())) if len(known) else (0.0, 0.0)
    whole = bool((known == np.floor(known)).all())
    return Column(name, "number", start, mean=mean, scale=scale or 1.0, missing=len(known) < len(seen), whole=whole)


def _category(name: str, seen: Array, start: int) -> Column:
    levels = set(seen.tolist())
    return Column(name, "category", start, levels=tuple(sorted(levels - {""})), missing="" in levels)


def encode_like(table: Mapping[str, Array], spec: Spec) -> tuple[Tensor, list[str]]:
    """Returns new rows coded as a fitted table's were, float32 (N, D), and notes on what had no place there.

    Arguments:
        table: As for `encode`.
        spec: What `table_spec` made of the fitted table.

    Raises:
        DataError: If a column is missing, or holds words where numbers are expected.
    """
    absent = [c.name for c in spec.columns if c.name not in table]
    if absent:
        raise DataError(f"the table has no column {', '.join(map(repr, absent))}, which the fitted table had; it has "
                        f"{', '.join(table)}.{did_you_mean(absent[0], table)}")
    known = {c.name for c in spec.columns}
    extra = [name for name in table if name not in known]
    notes = [f"columns that the fitted table had not are ignored: {', '.join(extra)}"] if extra else []
    x = torch.zeros(len(next(iter(table.values()))), *spec.shape)
    for column in spec.columns:
        values, place = table[column.name], x.numpy()[:, column.start : column.start + column.width]
        notes += (_put_number if column.kind == "number" else _put_category)(values, column, place)
    return x, notes


def _put_number(values: Array, column: Column, place: Array) -> list[str]:
    """Codes a number into its places (N, width), and returns notes."""
    if values.dtype.kind != "f":
        raise DataError(f"column {column.name!r} holds words, as {values[0]!r}; the fitted table had numbers there")
    gone = np.isnan(values)
    place[:, 0] = np.where(gone, 0.0, (values - column.mean) / column.scale)
    return _put_missing(gone, column, place, "the mean")


def _put_category(values: Array, column: Column, place: Array) -> list[str]:
    """Codes a category into its places (N, width), and returns notes."""
    where = {level: i for i, level in enumerate(column.levels)}
    said = words(values)
    codes = np.fromiter((where.get(w, -1) for w in said), np.int64, len(said))
    rows = (codes >= 0).nonzero()[0]
    place[rows, codes[rows]] = 1
    gone = np.fromiter((w == "" for w in said), bool, len(said))
    notes = _put_missing(gone, column, place, "no level")
    unseen = [w for w, code in zip(said, codes.tolist(), strict=True) if code < 0 and w]
    if unseen:
        examples = ", ".join(map(repr, list(dict.fromkeys(unseen))[:3]))
        notes.append(f"column {column.name!r}: {len(unseen):,} values that no training row had ({examples}) are coded "
                     "as no level")
    return notes


def _put_missing(gone: Array, column: Column, place: Array, instead: str) -> list[str]:
    if column.missing:
        place[:, -1] = gone
    elif gone.any():
        return [f"column {column.name!r}: {int(gone.sum()):,} missing values, which no training row had, are coded as "
                f"{instead}"]
    return []


def decode(x: Tensor, spec: Spec) -> dict[str, Array]:
    """Returns rows in their own units: the way back from `encode`, for rows that a method made, too.

    Arguments:
        x: Coded rows, shape (N, D).
        spec: Of the fitted table.

    Returns:
        For each name N floats (NaN is missing; whole numbers where every number seen was one) or strings ("" is
        missing, or of no level).
    """
    rows = x.detach().cpu().numpy()
    return {c.name: _read(rows[:, c.start : c.start + c.width], c) for c in spec.columns}


def _read(place: Array, column: Column) -> Array:
    """Returns one column from its places (N, width)."""
    gone = place[:, -1] > 0.5 if column.missing else np.zeros(len(place), bool)
    if column.kind == "number":
        values = place[:, 0].astype(np.float64) * column.scale + column.mean
        return np.where(gone, np.nan, np.rint(values) if column.whole else values)
    levels = np.array([*column.levels, ""], dtype=object)
    block = place[:, : len(column.levels)]
    best = block.argmax(1) if column.levels else np.zeros(len(place), np.int64)
    return levels[np.where(gone | ~block.any(1), len(column.levels), best)]
