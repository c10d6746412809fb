"""What can be said of a table's columns: those that a method sees, and those that it does not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tacit.data.coding import decode
from tacit.data.dataset import Data

__all__ = ["Column", "columns_of"]

Array = np.ndarray[Any, Any]

BINS = 24  # of a number's histogram
LEVELS = 3  # commonest words that are named
SHOWN = 24  # and that have a bar
LISTED = re.compile(r"(ignored|id|date|path|text): (.+?)(?: and [\d,]+ more)?; (.+)")
LABEL = re.compile(r"label: (.+), by its name; .+")
CONSTANT = "one value throughout"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Arguments:
        name: Its name.
        role: What it is taken for: number, category, label, id, ...
        missing: Number of rows without a value.
        values: Range and median of numbers, commonest words with their shares.
        about: What is peculiar: constant, identifier-like; or nothing.
        bars: Shares of the rows: of a number in bins of equal width, of words from the commonest down.
    """

    name: str
    role: str
    missing: int
    values: str
    about: str = ""
    bars: tuple[float, ...] = ()


def columns_of(data: Data) -> tuple[Column, ...]:
    """Returns a table's columns: those that a method sees in their order, then the others; empty for other data."""
    if data.spec.kind != "table" or not data.spec.columns:
        return ()
    values, whole = decode(data.x, data.spec), {c.name: c.whole for c in data.spec.columns}
    seen = [_number(name, v, whole[name]) if v.dtype.kind == "f" else _words(name, "category", v.tolist())
            for name, v in values.items()]
    return *seen, *_unseen(data)


def _unseen(data: Data) -> Iterator[Column]:
    """Yields the columns that no method sees, by what the reader kept and noted of them."""
    roles = {name: (role, why) for note in data.notes if (found := LISTED.fullmatch(note))
             for role, names, why in [found.groups()] for name in names.split(", ")}
    given = dict(word.rpartition(":")[::2] for word in data.options.get("columns", ()))
    if data.label is not None:
        asked = [name for name, role in given.items() if role == "label"] + [str(data.options.get("labels", ""))]
        named = [found[1] for note in data.notes if (found := LABEL.fullmatch(note))]
        said = [data.spec.classes[i] if i >= 0 else "" for i in data.label.tolist()]
        yield _words(next(filter(None, asked + named), "label"), "label", said)
    for name, column in data.columns.items():
        role = given.get(name) or ("group" if name == data.options.get("group") else roles.pop(name, ("known",))[0])
        roles.pop(name, None)
        yield _words(name, role, ["" if str(v) == "nan" else str(v) for v in column.tolist()])
    for name, (role, why) in roles.items():
        about = f"constant: {why}" if why == CONSTANT else f"identifier-like: {why}" if role == "id" else why
        yield Column(name, role, 0, "", about)


def _number(name: str, values: Array, whole: bool) -> Column:
    known = values[~np.isnan(values)]
    gone = len(values) - len(known)
    if not len(known):
        return Column(name, "number", gone, "", "constant: all values are missing")
    low, middle, high = (_said(float(v), whole) for v in (known.min(), np.median(known), known.max()))
    if known.min() == known.max():
        return Column(name, "number", gone, low, f"constant: {CONSTANT}, where there is one")
    heights = np.histogram(known, BINS)[0] / len(values)
    return Column(name, "number", gone, f"{low} to {high}, median {middle}", bars=tuple(heights.tolist()))


def _words(name: str, role: str, values: list[str]) -> Column:
    counts = Counter(values)
    gone = counts.pop("", 0)
    if not counts:
        return Column(name, role, gone, "", "constant: all values are missing")
    shares = [(word, n / len(values)) for word, n in counts.most_common(SHOWN)]
    shown = ", ".join(f"{word} {share:.0%}" for word, share in shares[:LEVELS])
    more = f"; {len(counts):,} different" if len(counts) > LEVELS else ""
    about = f"constant: {CONSTANT}" if len(counts) == 1 and not gone else ""
    if len(counts) == len(values) > LEVELS:
        return Column(name, role, gone, f"{min(counts)} to {max(counts)}; all different", about)
    return Column(name, role, gone, shown + more, about, tuple(share for _, share in shares))


def _said(value: float, whole: bool) -> str:
    return f"{value + 0.0:,.0f}" if whole else f"{value:.4g}"  # + 0.0: minus zero is zero
