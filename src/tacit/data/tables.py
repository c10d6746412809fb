"""Tables: what each column is for, and a table's rows as samples."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from tacit.data.fingerprint import fingerprint
from tacit.data.options import ReadOptions
from tacit.data.raw import Raw
from tacit.data.sheets import Sheet, numbers, read_frame, read_sheet, words
from tacit.errors import DataError, OptionError, did_you_mean
from tacit.protocol import Spec

__all__ = ["Role", "from_frame", "most_levels", "read_columns", "read_table"]

Array = np.ndarray[Any, Any]
Role = Literal["path", "text", "label", "group", "id", "date", "ignore", "number", "category"]

LABEL_NAMES = ("label", "class", "target", "y")
ID_NAMES = ("id", "ids", "index", "uuid", "guid", "key", "rowid", "row_id", "sample_id")
DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([T ]\d{1,2}:\d{2}.*)?|\d{1,2}([/.-])\d{1,2}\2\d{4}|\d{4}/\d{1,2}/\d{1,2}")
MEDIA = re.compile(r".+\.(png|jpe?g|bmp|gif|webp|tiff?|ppm|pgm|wav|flac|ogg|mp3|mp4|mov|mkv|avi|webm|txt|npy)",
                   re.IGNORECASE)
FEW = 10  # rows of which all may differ by chance
KEPT = ("path", "text", "group", "date")  # roles that no method sees and that stay beside the samples


def read_table(path: str | Path, options: ReadOptions, like: Spec | None = None) -> Raw:
    """Reads a table whose rows are samples.

    Arguments:
        path: Of a .csv, .tsv or .parquet file.
        options: Its `columns`, `labels`, `group` and `strict` count; the rest is found out and noted.
        like: The table that a method was fitted on: its columns have the roles that they had there.

    Returns:
        Numbers and categories as `Raw.table`; label words; group, date, path and text columns as `Raw.columns`.

    Raises:
        DataError: If the file is no table, a column that is asked for is not there or cannot play its role, a number
            is infinite, or no column is a number or a category.
        OptionError: If a role is unknown.
    """
    path = Path(path)
    return _raw(read_sheet(path, options.strict), path.name.split(".")[0], str(path), options, like)


def from_frame(frame: Any, name: str, options: ReadOptions, like: Spec | None = None) -> Raw:
    """Reads a data frame of pandas, as `read_table` does a file."""
    return _raw(read_frame(frame), name, "the data frame", options, like)


def read_columns(path: str | Path, options: ReadOptions) -> tuple[dict[str, Array], dict[str, Role], list[str]]:
    """Reads a table's columns and their roles, for a manifest that names the samples.

    Arguments:
        path: Of a .csv, .tsv or .parquet file.
        options: As for `read_table`.

    Returns:
        For each name an array of N floats (NaN is missing) or strings ("" is missing), its role, and notes.

    Raises:
        DataError: As `read_table`, save that no column need be a number or a category.
        OptionError: If a role is unknown.
    """
    sheet = read_sheet(path, options.strict)
    roles, notes = _roles(sheet, str(path), options, None)
    columns = {name: _typed(sheet, name, roles[name], str(path), False) for name in sheet.columns}
    return columns, roles, sheet.notes + _lost(sheet) + notes


def most_levels(rows: int) -> int:
    """Returns the greatest number of different words that make a category: 5 % of the rows, from 50 to 1,000."""
    return min(max(50, rows // 20), 1000)


def _raw(sheet: Sheet, name: str, source: str, options: ReadOptions, like: Spec | None) -> Raw:
    roles, notes = _roles(sheet, source, options, like)
    typed = {n: _typed(sheet, n, r, source, like is not None) for n, r in roles.items() if r != "ignore"}
    table = {n: typed[n] for n in sheet.columns if roles[n] in ("number", "category")}
    if not table:
        raise DataError(f"{source} has no column that is a number or a category: "
                        f"{', '.join(f'{n} is {r}' for n, r in roles.items())}; --columns NAME:ROLE says what one is")
    label = next((words(typed[n]) for n, r in roles.items() if r == "label"), None)
    named = next((n for n, r in roles.items() if r == "id"), None)
    ids = sheet.ids if named is None else words(typed[named])
    content = [part for n, column in typed.items() for part in (n, roles[n], column)]
    return Raw(
        name, "table", ids, fingerprint("table", *content), table=table,
        label=None if label is None or options.labels == "none" else [w or None for w in label],
        columns={n: typed[n] for n, r in roles.items() if r in KEPT},
        notes=sheet.notes + _lost(sheet) + notes + _told(table), skipped=sheet.skipped,
    )


# What each column is for ---------------------------------------------------------------------------------------------


def _roles(sheet: Sheet, source: str, options: ReadOptions, like: Spec | None) -> tuple[dict[str, Role], list[str]]:
    """Returns the role of each column, in the order of the columns, and what was assumed."""
    roles = _asked(sheet, source, options)
    for column in like.columns if like else ():
        if column.name in sheet.columns:
            roles[column.name] = column.kind
    notes = [] if options.labels == "none" or "label" in roles.values() else _find_label(sheet, roles, options)
    said: dict[tuple[Role, str], list[str]] = defaultdict(list)
    for name in [n for n in sheet.columns if n not in roles]:
        role, why = _sniffed(name, sheet.columns[name])
        if role == "id" and "id" in roles.values():
            role, why = "ignore", "another column is the id"
        roles[name] = role
        said[role, why] += [name] if why else []
    notes += [f"{SAID.get(role, role)}: {_listed(names)}; {why}" for (role, why), names in said.items() if names]
    return {name: roles[name] for name in sheet.columns}, notes


SAID = {"ignore": "ignored"}


def _listed(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def _asked(sheet: Sheet, source: str, options: ReadOptions) -> dict[str, Role]:
    """Returns the roles that the options give."""
    roles: dict[str, Role] = {}
    for given in options.columns:
        name, colon, role = given.rpartition(":")
        if not colon or role not in get_args(Role):
            raise OptionError(f"column role {given!r}: expected NAME:ROLE, with a role of {', '.join(get_args(Role))}."
                              + did_you_mean(role, get_args(Role)))
        roles[_known(name, sheet, source)] = role  # type: ignore[assignment]
    for wanted, role in ((_label_column(sheet, source, options), "label"), (_group_column(sheet, options), "group")):
        if wanted is not None:
            roles[wanted] = role  # type: ignore[assignment]
    for role in ("label", "id", "path"):
        twice = [name for name, r in roles.items() if r == role]
        if len(twice) > 1:
            raise OptionError(f"{' and '.join(twice)} are both the {role} of {source}; expected one column")
    return roles


def _known(name: str, sheet: Sheet, source: str) -> str:
    if name not in sheet.columns:
        held = ", ".join(list(sheet.columns)[:12]) + (" ..." if len(sheet.columns) > 12 else "")
        raise DataError(f"{source} has no column {name!r}; it has {held}.{did_you_mean(name, sheet.columns)}")
    return name


def _label_column(sheet: Sheet, source: str, options: ReadOptions) -> str | None:
    """Returns the column that ``--labels`` names, or None where it names none: auto, none, or a file."""
    given = options.labels
    if given == "folder":
        raise DataError(f"{source} is a table, which has no folders to take labels from; --labels names a column")
    if given in ("auto", "none") or (given not in sheet.columns and Path(given).exists()):
        return None
    return _known(given, sheet, source)


def _group_column(sheet: Sheet, options: ReadOptions) -> str | None:
    return options.group if options.group in sheet.columns else None  # else an expression on ids


def _find_label(sheet: Sheet, roles: dict[str, Role], options: ReadOptions) -> list[str]:
    """Gives the role of label to a column that is named as one, and returns what it did."""
    if options.labels != "auto":
        return []
    named = {name.lower(): name for name in reversed(sheet.columns) if name not in roles}
    name = next((named[known] for known in LABEL_NAMES if known in named), None)
    if name is None:
        return ["no column named as label; --labels COLUMN takes one"]
    different = len(set(words(sheet.columns[name])))
    if different > most_levels(len(sheet)):
        return [f"no label: {name} is named as one, but has {different:,} different values"]
    roles[name] = "label"
    return [f"label: {name}, by its name; --labels none leaves it a feature"]


def _sniffed(name: str, column: Array) -> tuple[Role, str]:
    """Returns the role that a column's name and values say, and the reason where it is no feature."""
    floats = column if column.dtype.kind == "f" else numbers(column.tolist())
    if floats is not None:
        return _sniffed_numbers(name, floats)
    seen = set(column.tolist())
    filled = seen - {""}
    if len(seen) == 1:
        return "ignore", "one value throughout"
    if all(DATE.fullmatch(w) for w in filled):
        return "date", "words that are dates"
    if all(MEDIA.fullmatch(w) for w in filled):
        return "path", "words that are paths"
    distinct = len(seen) == len(column) and (name.lower() in ID_NAMES or len(column) >= FEW)
    many = distinct or len(filled) > most_levels(len(column))
    if many and sum(w.count(" ") for w in filled) > 4 * len(filled):
        return "text", "words that are sentences"
    if distinct and "" not in seen:
        return "id", "no two words are equal"
    return ("ignore", f"{len(filled):,} different words are too many for a category") if many else ("category", "")


def _sniffed_numbers(name: str, column: Array) -> tuple[Role, str]:
    known = column[~np.isnan(column)]
    if not len(known):
        return "ignore", "all values are missing"
    if len(known) == len(column) and (known == known[0]).all() and len(column) > 1:
        return "ignore", "one value throughout"
    if len(known) < len(column) or (known != np.floor(known)).any():
        return "number", ""
    counted = len(known) >= FEW and any(np.array_equal(known, np.arange(first, first + len(known))) for first in (0, 1))
    if counted:
        return "id", "it counts the rows"
    if name.lower() in ID_NAMES and len(np.unique(known)) == len(known):
        return "id", "no two numbers are equal"
    return "number", ""


# A column in its role ------------------------------------------------------------------------------------------------


def _typed(sheet: Sheet, name: str, role: Role, source: str, fitted: bool) -> Array:
    """Returns a column as its role wants it, after checking that it can play it; `fitted` levels are known already."""
    column, where = sheet.columns[name], f"column {name!r} of {source}"
    if role == "number":
        return _as_numbers(column, where, sheet)
    if role == "ignore":
        return column
    said = words(column) if column.dtype.kind == "f" else column.tolist()
    if role == "id":
        _check_ids(said, where)
    if role in ("category", "label") and not fitted:
        different, most = len(set(said)), most_levels(len(sheet))
        if different > most:
            raise DataError(f"{where} has {different:,} distinct values in {len(sheet):,} rows, too many for a {role} "
                            f"(at most {most:,}); --columns {name}:ignore leaves it out")
    kept = np.empty(len(said), dtype=object)
    kept[:] = said
    return kept


def _as_numbers(column: Array, where: str, sheet: Sheet) -> Array:
    floats = column if column.dtype.kind == "f" else numbers(column.tolist())
    if floats is None:
        bad = next(i for i, w in enumerate(column) if numbers([w]) is None)
        raise DataError(f"{where} is to be a number and holds {column[bad]!r} in row {sheet.ids[bad]}; make it a "
                        "category, or mend the value")
    infinite = np.isinf(floats).nonzero()[0]
    if len(infinite):
        raise DataError(f"{where} holds {len(infinite):,} infinite numbers, the first in row {sheet.ids[infinite[0]]}; "
                        "replace them, or leave them empty for missing")
    return floats


def _check_ids(said: Sequence[str], where: str) -> None:
    word, times = Counter(said).most_common(1)[0]
    if times > 1 or "" in said:
        found = f"holds {word!r} {times:,} times" if times > 1 else "has a gap"
        raise DataError(f"{where} is to be the id and {found}; expected another word in each row")


# What is said --------------------------------------------------------------------------------------------------------


def _lost(sheet: Sheet) -> list[str]:
    if not sheet.skipped:
        return []
    first = sheet.skipped[0]
    return [f"rows that could not be read and are skipped: {len(sheet.skipped):,}; {first.name}: {first.reason}"]


def _told(table: Mapping[str, Array]) -> list[str]:
    """Returns which features there are, and how much of them is missing."""
    names = {floats: [n for n, c in table.items() if (c.dtype.kind == "f") == floats] for floats in (True, False)}
    notes = []
    for floats, one, many in ((True, "number", "numbers"), (False, "category", "categories")):
        count = len(names[floats])
        notes += [f"{count:,} {one if count == 1 else many}: {_listed(names[floats], most=20)}"] if count else []
    gone = {n: int(np.isnan(c).sum() if c.dtype.kind == "f" else sum(w == "" for w in c)) for n, c in table.items()}
    missing = [f"{n} {count:,}" for n, count in gone.items() if count]
    return notes + ([f"missing values: {_listed(missing)}"] if missing else [])
