"""Rows and columns as they stand in a file: .csv, .tsv, .parquet and data frames, before anything is made of them."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tacit.data.dataset import Skipped
from tacit.errors import DataError, MissingExtra

__all__ = ["MISSING", "Sheet", "numbers", "read_frame", "read_sheet", "words", "write_csv"]

Array = np.ndarray[Any, Any]

MISSING = frozenset({"", "?", "-", "--", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NAN", "NaT", "NULL", "Null",
                     "null", "None"})
DELIMITERS = ",;\t|"
YEAR = re.compile(r"(19|20)\d\d")


@dataclass
class Sheet:
    """Named columns of equal length.

    Arguments:
        columns: For each name floats (NaN is missing), or an object array of strings ("" is missing).
        ids: Of the rows: the position in the file, so that a skipped row renames no other.
        notes: What was assumed in reading.
        skipped: Rows that could not be read.
    """

    columns: dict[str, Array]
    ids: list[str]
    notes: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def __len__(self) -> int:
        """Returns the number of rows."""
        return len(self.ids)


def read_sheet(path: str | Path, strict: bool = False) -> Sheet:
    """Reads a .parquet file, or separated text: the separator, the encoding and the header are found out and noted.

    Arguments:
        path: Of the file.
        strict: Whether a row of another length is an error instead of being skipped.

    Raises:
        DataError: If the file is no table, or has no rows.
        MissingExtra: If a .parquet file is read without pandas and pyarrow.
    """
    path = Path(path)
    sheet = _parquet(path) if path.suffix in (".parquet", ".pq") else _separated(path, strict)
    if not len(sheet):
        raise DataError(f"{path} has a header and no rows that can be read; expected one row for each sample")
    return sheet


def read_frame(frame: Any) -> Sheet:
    """Reads a data frame of pandas; an index of its own names the rows.

    Raises:
        DataError: If it has no rows.
    """
    import pandas

    if not len(frame):
        raise DataError("the data frame has no rows; expected one for each sample")
    names, notes = _headings([str(c) for c in frame.columns])
    columns = {name: _series(frame.iloc[:, i], pandas) for i, name in enumerate(names)}
    own = not isinstance(frame.index, pandas.RangeIndex) and frame.index.is_unique
    return Sheet(columns, [str(v) if own else f"{i:04d}" for i, v in enumerate(frame.index)], notes)


def numbers(column: Sequence[str], comma: bool = False) -> Array | None:
    """Returns the floats that words spell, NaN where one is "", or None where one spells none.

    Arguments:
        column: Words, stripped.
        comma: Whether a comma may stand for the decimal point.
    """
    try:
        return np.array([float(w) if w else np.nan for w in column])
    except ValueError:
        return numbers([w.replace(",", ".") for w in column]) if comma else None


def words(column: Array) -> list[str]:
    """Returns a column as words: whole numbers without a point, "" where missing.

    Example:
        >>> words(np.array([1.0, 2.5, np.nan]))
        ['1', '2.5', '']
    """
    if column.dtype.kind != "f":
        return [str(w) for w in column.tolist()]
    return ["" if v != v else str(int(v)) if v.is_integer() else repr(v) for v in column.tolist()]


def write_csv(path: str | Path, columns: Mapping[str, Array]) -> None:
    """Writes columns of equal length; what is missing is empty."""
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(columns)
        rows.writerows(zip(*(words(np.asarray(c)) for c in columns.values()), strict=True))


def _separated(path: Path, strict: bool) -> Sheet:
    text, notes = _text(path)
    delimiter = _delimiter(text, path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        lines = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise DataError(f"{path} is not a table: {error} (line {reader.line_num})") from error
    if not lines:
        raise DataError(f"{path} is empty; expected a header and one row for each sample")
    names, more, lines = _header(lines)
    good = {f"{i:04d}": row for i, (_, row) in enumerate(lines) if len(row) == len(names)}
    skipped = [Skipped(f"line {n}", f"{len(row)} fields, expected {len(names)}") for n, row in lines
               if len(row) != len(names)]
    if strict and skipped:
        raise DataError(f"{path}, {skipped[0].name}: {skipped[0].reason}; without --strict such rows are skipped")
    fields = zip(*good.values(), strict=True) if good else [()] * len(names)
    columns = {name: _column(column, delimiter) for name, column in zip(names, fields, strict=True)}
    return Sheet(columns, list(good), notes + more, skipped)


def _header(lines: list[tuple[int, list[str]]]) -> tuple[list[str], list[str], list[tuple[int, list[str]]]]:
    """Returns the names of the columns, notes, and the lines that are rows."""
    first = [f.strip() for f in lines[0][1]]
    if _headless(first):
        names = [f"column {place}" for place in range(1, len(first) + 1)]
        return names, [f"no header, as the first line begins with {first[0]!r}: columns are named by place"], lines
    return *_headings(first), lines[1:]


def _column(fields: Sequence[str], delimiter: str) -> Array:
    """Returns stripped words with "" for what is missing; decimal commas, where a semicolon separates, as points."""
    stripped = ["" if (w := f.strip()) in MISSING else w for f in fields]
    if delimiter == ";" and any("," in w for w in stripped) and numbers(stripped, comma=True) is not None:
        stripped = [w.replace(",", ".") for w in stripped]
    return _objects(stripped)


def _objects(values: Sequence[str]) -> Array:
    column = np.empty(len(values), dtype=object)  # of references: a fixed width would be the longest word's
    column[:] = values
    return column


def _text(path: Path) -> tuple[str, list[str]]:
    """Returns a file as text: UTF-8, UTF-16 by its mark, else Windows-1252, which is noted."""
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16"), []
    if b"\0" in content:
        raise DataError(f"{path} is not text: it begins with {content[:8]!r}; expected rows of separated fields")
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace"), ["not UTF-8; read as Windows-1252"]


def _delimiter(text: str, path: Path) -> str:
    """Returns the separator that cuts the first lines into rows of one length, of several the one that cuts finest."""
    if path.suffix == ".tsv":
        return "\t"
    head = [line for line in text[: 1 << 16].splitlines()[:20] if line.strip()]
    head = head[:-1] if len(head) > 2 and len(text) > 1 << 16 else head  # the last may be cut

    def fit(delimiter: str) -> tuple[float, int]:
        widths = [len(row) for row in csv.reader(head, delimiter=delimiter, skipinitialspace=True)]
        usual = max(set(widths), key=widths.count, default=1)
        return (widths.count(usual) / len(widths), usual) if usual > 1 else (0.0, 0)

    return max(DELIMITERS, key=fit)


def _headless(first: Sequence[str]) -> bool:
    """Returns whether a first row holds values: numbers, of which years alone may be names."""
    filled = [f for f in first if f not in MISSING]
    spelt = [f for f in filled if numbers([f]) is not None]
    return bool(spelt) and (len(spelt) == len(filled) or not all(YEAR.fullmatch(f) for f in spelt))


def _headings(header: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns names that are there and differ, and a note where that took a change."""
    names: dict[str, None] = {}  # in order
    for place, name in enumerate(header, 1):
        fresh, again = name or f"column {place}", 2
        while fresh in names:
            fresh, again = f"{name or f'column {place}'} ({again})", again + 1
        names[fresh] = None
    changed = [new for old, new in zip(header, names, strict=True) if old != new]
    return [*names], [f"columns without a name of their own are called {', '.join(changed)}"] if changed else []


def _parquet(path: Path) -> Sheet:
    try:
        import pandas
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise MissingExtra(error.name or "pandas", "tables", f"reading {path.name}") from error
    try:
        return read_frame(pandas.read_parquet(path))
    except (OSError, ValueError) as error:  # pyarrow's errors derive from these
        raise DataError(f"{path} is not a parquet file that can be read ({str(error).splitlines()[0]})") from error


def _series(series: Any, pandas: Any) -> Array:
    """Returns a column of a data frame: numbers as floats, everything else as words."""
    kinds = pandas.api.types
    if kinds.is_numeric_dtype(series) and not kinds.is_bool_dtype(series):
        floats: Array = series.to_numpy(dtype=np.float64, na_value=np.nan)
        return floats
    gone = series.isna().tolist()
    said = ["" if missing else str(v).strip() for missing, v in zip(gone, series.tolist(), strict=True)]
    return _objects(["" if w in MISSING else w for w in said])
