"""Which word stands for each sample's class, and why."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tacit.data.layout import Layout
from tacit.data.options import ReadOptions
from tacit.data.raw import Raw
from tacit.data.splits import draws
from tacit.errors import DataError, OptionError, did_you_mean

__all__ = ["as_classes", "choose", "few"]

Array = np.ndarray[Any, Any]
Words = Sequence[str | None]

NONE_HERE = "--labels none goes without, and a file of id,label gives some"
HEADS = ("id", "path", "file", "filename", "file_name", "image", "name", "sample")


def choose(raw: Raw, options: ReadOptions, found: Layout | None, named: bool) -> tuple[Words | None, list[str]]:
    """Returns the word for each sample's class, and notes that say what was taken and why.

    Arguments:
        raw: What was read.
        options: Its `labels` counts.
        found: What the folders mean, where ids are paths.
        named: Whether the reader has taken `raw.label` from the column that the options name.

    Raises:
        DataError: If labels are asked for and there are none.
    """
    wanted = options.labels
    if wanted == "none":
        return None, []
    if wanted == "auto":
        return _auto(raw, found)
    if wanted == "folder":
        return _folders(raw, found)
    if wanted in raw.columns:
        return _column(wanted, raw.columns[wanted])
    if named and raw.label is not None:
        return raw.label, [f"labels: {_listed(raw.label)}, from {wanted}"]
    if Path(wanted).is_file():
        return _file(Path(wanted), raw, found)
    has = f"columns {', '.join(raw.columns)}" if raw.columns else "no columns"
    raise DataError(f"--labels {wanted!r} is neither a column nor a file; the source has {has}."
                    f"{did_you_mean(wanted, [*raw.columns, 'auto', 'none', 'folder'])} {NONE_HERE}")


def _auto(raw: Raw, found: Layout | None) -> tuple[Words | None, list[str]]:
    words, where = (raw.label, "as the source has them") if raw.label is not None or found is None else (
        found.top, "from the folders")
    if words is None:
        return None, []
    passed = f"no labels: folders as {', '.join(found.passed[:3])} are no classes" if found and found.passed else ""
    classes = {w for w in words if w is not None}
    if not classes:
        return None, [passed] if passed else []
    if len(classes) == 1:
        return None, [f"no labels: all that have one have {next(iter(classes))!r}"]
    if raw.label is None and 2 * len(classes) > len(words):
        return None, [f"no labels: {len(classes):,} folders for {len(words):,} samples are too many to be classes"]
    return words, [f"labels: {_listed(words)}, {where}"]


def _folders(raw: Raw, found: Layout | None) -> tuple[Words, list[str]]:
    parents: list[str | None] = [i.split("/")[-2] if "/" in i else None for i in raw.ids]
    if found is None or len(set(parents) - {None}) < 2:
        what = "all samples lie in one folder" if found is not None else "its samples are no files"
        raise DataError(f"labels were asked for from folders and there are none: {what}; {NONE_HERE}")
    return parents, [f"labels: {_listed(parents)}, from each sample's folder"]


def _column(name: str, column: Array) -> tuple[Words, list[str]]:
    words = column_words(column)
    classes = {w for w in words if w is not None}
    if not classes:
        raise DataError(f"labels were asked for from column {name!r}, which is empty; {NONE_HERE}")
    if 2 * len(classes) > len(words):
        raise DataError(f"column {name!r} has {len(classes):,} different values for {len(words):,} samples, too many "
                        f"to be classes; {NONE_HERE}")
    return words, [f"labels: {_listed(words)}, from column {name}"]


def column_words(column: Array) -> list[str | None]:
    """Returns a column's values as words: whole numbers without a point, None where missing."""
    if column.dtype.kind == "f":
        return [None if np.isnan(v) else f"{v:.15g}" for v in column.tolist()]
    return [None if v in ("", None) else str(v) for v in column.tolist()]


# Labels in a file ----------------------------------------------------------------------------------------------------


def _file(path: Path, raw: Raw, found: Layout | None) -> tuple[Words, list[str]]:
    """Reads labels from a file of two columns, id and label."""
    given = _read(path)
    inner = found.inner if found else raw.ids
    tails = (raw.ids, inner, [_base(i) for i in raw.ids], [_stem(i) for i in raw.ids])
    by_tail = [_unique(tail, raw.ids) for tail in tails]
    label: dict[str, str] = {}
    lost = 0
    for name, word in given:
        i = next((index[name] for index in by_tail if name in index), None)
        lost += i is None
        if i is not None and word:
            label[i] = word
    if not label:
        held = f"{len(given):,} names, as {given[0][0]!r}, of which none is a sample" if given else "no lines"
        raise DataError(f"{path} holds {held}; expected lines of id,label with ids like {raw.ids[0]!r}")
    words = [label.get(i) for i in raw.ids]
    notes = [f"labels: {_listed(words)}, from {path}"]
    return words, notes + ([f"names in {path} that no sample has: {lost:,}"] if lost else [])


def _read(path: Path) -> list[tuple[str, str]]:
    """Returns the pairs of a file of labels, without its header."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text; expected lines of id,label") from error
    head = text.partition("\n")[0]
    rows = [r for r in csv.reader(text.splitlines(), delimiter=max(",;\t", key=head.count)) if any(r)]
    short = next((r for r in rows if len(r) < 2), None)
    if short is not None:
        raise DataError(f"{path} has a line with one value, {short[0]!r}; expected lines of id,label")
    at_id, at_label = 0, 1
    if rows and rows[0][0].strip().lower() in HEADS:
        names = [name.strip().lower() for name in rows.pop(0)]
        at_label = names.index("label") if "label" in names else 1
    wide = [r for r in rows if len(r) > at_label]
    return [(r[at_id].strip().replace("\\", "/"), r[at_label].strip()) for r in wide]


def _unique(names: Sequence[str], ids: Sequence[str]) -> dict[str, str]:
    """Returns the id for each name that only one sample has."""
    count = Counter(names)
    return {name: i for name, i in zip(names, ids, strict=True) if count[name] == 1}


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _stem(name: str) -> str:
    return _base(name).rpartition(".")[0] or name


# Words become classes ------------------------------------------------------------------------------------------------


def as_classes(words: Words | None, known: tuple[str, ...] = ()) -> tuple[Tensor | None, tuple[str, ...], list[str]]:
    """Returns the class of each sample, int64 (N,) with -1 for none, the names of the classes, and notes.

    Arguments:
        words: The word for each sample, None where it has none; or None.
        known: The classes of a run; words that are not among them are no labels.

    Example:
        >>> label, classes, _ = as_classes(["10", "9", None])
        >>> label.tolist(), classes
        ([1, 0, -1], ('9', '10'))
    """
    if words is None:
        return None, known, []
    classes = known or tuple(_sorted({w for w in words if w is not None}))
    number = {word: i for i, word in enumerate(classes)}
    label = torch.tensor([-1 if w is None else number.get(w, -1) for w in words], dtype=torch.int64)
    strange = sorted({w for w in words if w is not None} - set(classes))
    notes = [f"labels that the run does not know count as none: {_first(strange)}"] if strange else []
    return label, classes, notes


def few(label: Tensor, held_out: Tensor, ids: Sequence[str], count: int, seed: int) -> tuple[Tensor, list[str]]:
    """Returns labels of which the training samples keep `count`, evenly over the classes, and notes.

    Arguments:
        label: Class of each sample, int64 (N,), -1 for none.
        held_out: Whether each is held out, bool (N,): these keep their labels, which only an evaluation sees.
        ids: Of the samples; a draw of each id and the seed decides which labels stay.
        count: Number of labels that stay.
        seed: Of the split.

    Raises:
        OptionError: If the count is not positive.
    """
    if count < 1:
        raise OptionError(f"--label-count is {count}; expected a number of labels, 1 or more")
    of_class: dict[int, list[int]] = defaultdict(list)
    for i in ((label >= 0) & ~held_out).nonzero().flatten().tolist():
        of_class[int(label[i])].append(i)
    chance = draws(ids, seed, "label")
    for members in of_class.values():
        members.sort(key=chance.__getitem__, reverse=True)
    stay: list[int] = []
    while len(stay) < count and any(of_class.values()):  # one of each class in turn
        stay += [of_class[c].pop() for c in sorted(of_class) if of_class[c]][: count - len(stay)]
    kept = label.clone()
    kept[~held_out] = -1
    kept[stay] = label[stay]
    known = int(((label >= 0) & ~held_out).sum())
    return kept, [f"labels kept for training (--label-count {count}): {len(stay):,} of {known:,}; held-out samples "
                  "keep theirs, for evaluation"]


def _sorted(words: set[str]) -> list[str]:
    numeric = all(w.isascii() and w.isdigit() for w in words)
    return sorted(words, key=lambda w: (int(w), w)) if numeric else sorted(words)


def _listed(words: Words) -> str:
    """Returns how many classes there are, and the first of them."""
    classes = _sorted({w for w in words if w is not None})
    none = sum(w is None for w in words)
    without = f", {none:,} of {len(words):,} samples without" if none else ""
    return f"{len(classes):,} classes ({_first(classes)}){without}"


def _first(classes: Sequence[str]) -> str:
    return ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")
