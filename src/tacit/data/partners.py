"""Two sources in one: partners by id, and a second domain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tacit.data.fingerprint import fingerprint
from tacit.data.layout import layout
from tacit.data.raw import Raw
from tacit.errors import DataError

__all__ = ["appended", "matched", "subset"]

Array = np.ndarray[Any, Any]


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


def matched(raw: Raw, pair: Raw) -> tuple[Raw, Tensor, list[str]]:
    """Returns the samples that have a partner, their partners, and notes.

    Partners have equal ids, but for the suffix and for folders that wrap a whole source; else equal file names.

    Raises:
        DataError: If no sample has a partner.
    """
    if pair.x is None:
        raise DataError(f"--pair names {pair.name}, a table; partners are images or arrays")
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
    notes = [f"pairs: {len(index):,} of {len(raw.ids):,} samples have a partner in {pair.name}; others are left out"]
    if alone := len(pair.ids) - len(set(partners)):
        notes.append(f"no one's partner: {alone:,} of {len(pair.ids):,} samples of {pair.name}")
    return subset(raw, index), pair.x[torch.tensor(partners)], notes


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
