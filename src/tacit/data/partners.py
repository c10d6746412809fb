"""Two sources in one: partners by id or side by side, and a second domain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tacit.data.fingerprint import fingerprint
from tacit.data.layout import layout
from tacit.data.raw import Raw
from tacit.errors import DataError

__all__ = ["Partners", "appended", "halves", "matched", "size_beside", "subset"]

Array = np.ndarray[Any, Any]

FEW = 5  # samples that are named in one line


def subset(raw: Raw, index: Sequence[int]) -> Raw:
    """Returns some samples of what was read.

    Arguments:
        raw: What was read, N samples.
        index: Positions, at most N.
    """
    if len(index) == len(raw.ids):
        return raw
    at = np.asarray(index, np.int64)

    def some(values: Any) -> Any:
        return None if values is None else values[at]

    ids = [raw.ids[i] for i in index]
    return replace(
        raw, ids=ids, x=None if raw.x is None else raw.x[torch.from_numpy(at)], held_out=some(raw.held_out),
        table=None if raw.table is None else {n: c[at] for n, c in raw.table.items()}, keys=some(raw.keys),
        label=None if raw.label is None else [raw.label[i] for i in index],
        columns={n: c[at] for n, c in raw.columns.items()}, fingerprint=fingerprint(raw.fingerprint, ids),
    )


@dataclass(frozen=True)
class Partners:
    """The partners of samples.

    Arguments:
        here: Positions of the samples that have one, n of N.
        there: Positions of their partners in the other source.
        raw: The other source.
        notes: What was found, each a sentence for a person.
    """

    here: Sequence[int]
    there: Sequence[int]
    raw: Raw
    notes: Sequence[str] = ()

    @property
    def x(self) -> Tensor:
        """The partners, shape (n, ...)."""
        if self.raw.x is None:
            raise DataError(f"--pair names {self.raw.name}, a table; partners are images or arrays")
        return self.raw.x[torch.tensor(self.there)]


def halves(raw: Raw, other: Raw) -> Partners:
    """Returns as partners the other halves of images that lie two by two, side by side, in one file.

    Raises:
        DataError: If the two halves are not of the same files.
    """
    if list(raw.ids) != list(other.ids):
        raise DataError(f"{raw.name} changed while the halves of its images were read; read it again")
    return Partners(range(len(raw.ids)), range(len(raw.ids)), other)


def matched(raw: Raw, pair: Raw, *, strict: bool = False) -> Partners:
    """Returns the partners of the samples that have one.

    Partners have equal ids, but for the suffix and for folders that wrap a whole source; else equal file names.

    Arguments:
        raw: The samples.
        pair: The source of their partners.
        strict: Whether a sample without a partner is an error, instead of being left out by name.

    Raises:
        DataError: If no sample has a partner, or one has none and matching is strict.
    """
    here, there = _stems(raw.ids), _stems(pair.ids)
    if not set(here) & set(there):
        here, there = _last(here), _last(there)
    twice = {name for name, n in Counter(there).items() if n > 1}
    where = {name: i for i, name in enumerate(there) if name not in twice}
    index = [i for i, name in enumerate(here) if name in where]
    if not index:
        raise DataError(f"no sample of {raw.name}, as {raw.ids[0]!r}, has a partner of its name in {pair.name}, which "
                        f"has {pair.ids[0]!r} ...")
    partners = [where[here[i]] for i in index]
    notes = [f"pairs: {len(index):,} of {len(raw.ids):,} samples have a partner in {pair.name}"]
    if lone := _others(raw.ids, index):
        if strict:
            raise DataError(f"without a partner in {pair.name}: {len(lone):,} of {len(raw.ids):,} samples, "
                            f"{_few(lone)}; without --strict they are left out")
        notes = [f"{notes[0]}; left out: {_few(lone)}"]
    if lone := _others(pair.ids, partners):
        notes.append(f"no one's partner: {len(lone):,} of {len(pair.ids):,} samples of {pair.name}, {_few(lone)}")
    return Partners(index, partners, pair, notes)


def size_beside(raw: Raw, found: Partners) -> tuple[int, int] | None:
    """Returns the height and width of images that fit beside samples as these were read, None for other partners.

    That is the samples' own size, or a whole number of times that where all partners are so much larger.

    Raises:
        DataError: If partners differ from their samples in another way.
    """
    pair = found.raw
    if raw.x is None or pair.x is None or not raw.kind == pair.kind == "image":
        return None
    filed = all("bytes" in r.columns for r in (raw, pair))  # else only the sizes are known that they were brought to
    sizes, others = _sizes(raw, found.here, filed), _sizes(pair, found.there, filed)  # each (n, 2)
    times = others // np.maximum(sizes, 1)
    factor = np.where((times[:, 0] == times[:, 1]) & (times * sizes == others).all(1), times[:, 0], 0)
    usual = int(Counter(factor[factor > 0].tolist() or [1]).most_common(1)[0][0])
    odd = np.flatnonzero(factor != usual)
    if len(odd):
        listed = [f"{raw.ids[found.here[i]]} {_said(sizes[i])} and {_said(others[i])}" for i in odd[:FEW]]
        raise DataError(f"sizes differ in {len(odd):,} of {len(sizes):,} pairs: {_few(listed, len(odd))}; a partner in "
                        f"{pair.name} has its sample's size, or in all pairs the same whole number of times that")
    return usual * raw.x.shape[2], usual * raw.x.shape[3]


def _sizes(raw: Raw, index: Sequence[int], filed: bool) -> Array:
    """Returns height and width of some images, in their files or as they were read, int64 (n, 2)."""
    if filed:
        return np.stack([raw.columns[name][np.asarray(index)] for name in ("height", "width")], axis=1)
    return np.tile(np.array(raw.x.shape[2:] if raw.x is not None else (0, 0), np.int64), (len(index), 1))


def _said(size: Array) -> str:
    return f"{size[0]} x {size[1]}"


def _others(ids: Sequence[str], index: Sequence[int]) -> list[str]:
    """Returns the ids at all other positions."""
    taken = set(index)
    return [name for i, name in enumerate(ids) if i not in taken]


def _few(names: Sequence[str], count: int | None = None) -> str:
    """Returns the first names, and of how many more they are the first.

    Example:
        >>> _few(list("abcdefg"))
        'a, b, c, d, e and 2 more'
    """
    more = (count or len(names)) - FEW
    return ", ".join(names[:FEW]) + (f" and {more:,} more" if more > 0 else "")


def appended(raw: Raw, target: Raw) -> tuple[Raw, Tensor]:
    """Returns two sources in one, and the domain of each sample: 0 for the first source, 1 for the second.

    Raises:
        DataError: If their samples are not of one kind and shape.
    """
    domain = torch.arange(2).repeat_interleave(torch.tensor([len(raw.ids), len(target.ids)]))
    if raw.kind != target.kind or (raw.x is None) != (target.x is None):
        raise DataError(f"--target holds {target.kind}s and the source {raw.kind}s; expected one kind")
    both: dict[str, Any] = {}
    if raw.x is not None and target.x is not None:
        if raw.x.shape[1:] != target.x.shape[1:] or raw.x.dtype != target.x.dtype:
            raise DataError(f"--target holds samples of {tuple(target.x.shape[1:])} {target.x.dtype} and the source of "
                            f"{tuple(raw.x.shape[1:])} {raw.x.dtype}; expected one shape and type")
        both["x"] = torch.cat([raw.x, target.x])
    if raw.table is not None and target.table is not None:
        both["table"] = _stacked(raw.table, target.table)
        if set(both["table"]) != set(raw.table) | set(target.table):
            odd = sorted(set(raw.table) ^ set(target.table))
            raise DataError(f"--target and the source differ in column {odd[0]!r}; --columns {odd[0]}:ignore leaves it "
                            "out")
    if raw.label is not None or target.label is not None:
        both["label"] = [*(raw.label or [None] * len(raw.ids)), *(target.label or [None] * len(target.ids))]
    own = (raw.held_out, target.held_out)
    both["held_out"] = None if own[0] is None or own[1] is None else np.concatenate([own[0], own[1]])
    prefix = target.name if target.name != raw.name else "target"
    return replace(
        raw, ids=[*raw.ids, *(f"{prefix}/{i}" for i in target.ids)], columns=_stacked(raw.columns, target.columns),
        keys=_keys(raw, target), notes=[*raw.notes, *target.notes], skipped=[*raw.skipped, *target.skipped],
        fingerprint=fingerprint(raw.fingerprint, target.fingerprint), **both,
    ), domain


def _keys(raw: Raw, target: Raw) -> Array | None:
    """Returns keys of duplicates; across the two sources nothing counts as one."""
    if raw.keys is None or target.keys is None:
        return None
    return np.concatenate([raw.keys, target.keys + int(raw.keys.max()) + 1])


def _stacked(a: Any, b: Any) -> dict[str, Array]:
    """Returns the columns that both have and whose types agree, one above the other."""
    shared = [n for n in a if n in b and (a[n].dtype.kind == b[n].dtype.kind)]
    return {n: np.concatenate([a[n], b[n]]) for n in shared}


def _stems(ids: Sequence[str]) -> list[str]:
    return [name.rpartition(".")[0] if "." in name.rpartition("/")[2] else name for name in layout(ids).inner]


def _last(names: Sequence[str]) -> list[str]:
    return [name.rpartition("/")[2] for name in names]
