"""Which samples are held out: a hash of each sample's key decides, and nothing else does."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tacit.data.duplicates import join
from tacit.data.options import ReadOptions
from tacit.data.raw import Raw
from tacit.errors import DataError, OptionError, did_you_mean

__all__ = ["drawn", "draws", "groups", "split", "split_keys"]

Array = np.ndarray[Any, Any]

FEW = 20  # samples below which an empty side is no surprise


def draws(keys: Sequence[str], seed: int, purpose: str = "split") -> Array:
    """Returns a number in [0, 1) for each key, float64 (N,).

    It depends on key, seed and purpose only: on no other sample, order or machine.

    Example:
        >>> draws(["a", "b", "a"], 0).round(3).tolist()
        [0.093, 0.433, 0.093]
    """
    begun = hashlib.blake2b(f"{purpose}\0{seed}\0".encode(), digest_size=8)

    def digest(key: str) -> bytes:
        mark = begun.copy()
        mark.update(key.encode())
        return mark.digest()

    return np.frombuffer(b"".join(map(digest, keys)), ">u8") / 2**64


def drawn(ids: Sequence[str], count: int, seed: int) -> list[int]:
    """Returns the positions of `count` samples in order, drawn by id: with a greater count the same and more.

    Raises:
        OptionError: If no sample is asked for.
    """
    if count < 1:
        raise OptionError(f"--limit is {count}; expected a number of samples, 1 or more")
    if count >= len(ids):
        return list(range(len(ids)))
    by_draw = draws(ids, seed, "limit").argsort(kind="stable")
    return sorted(by_draw[:count].tolist())


def split(raw: Raw, options: ReadOptions, same: Array, said: Sequence[str] = ()) -> tuple[Array, list[str]]:
    """Returns whether each sample is held out, bool (N,), and notes.

    Arguments:
        raw: What was read; its own `held_out` counts where the options ask for nothing else.
        options: Its split, split_seed and group count.
        same: For each sample the position of the first of its duplicates, int64 (N,).
        said: Notes on these duplicates, which come first.

    Raises:
        OptionError: If the split is neither a share nor a file, or the group is no expression.
        DataError: If the file lists an unknown sample, or the group is found nowhere.
    """
    wanted, notes = groups(raw, options.group or _role_of_group(options))
    notes = [*said, *notes]
    own = raw.held_out is not None
    if own and options.split == ReadOptions().split:
        out = np.asarray(raw.held_out, bool)
        notes.append(f"held out: {out.sum():,} of {len(out):,} samples, as the source has them; --split FRACTION draws "
                     "others")
        return out, notes + _across(out, same)
    if own:
        notes.append("the source's own held-out samples are not used, since --split was given")
    share = _share(options.split)
    if share is None:
        out, more = _listed(Path(options.split), raw, same)
        return out, notes + more
    keys = split_keys(raw.ids, wanted, same)
    out = draws(keys, options.split_seed) < share
    copies = int((same != np.arange(len(same))).sum())
    if copies and share > 0:
        notes.append(f"exact or near duplicates of others, which stay on their side of the split: {copies:,} of "
                     f"{len(out):,} samples")
    if not out.any() and share > 0 and len(out) >= FEW:
        notes.append(f"no sample is held out: all {len(out):,} share {len(set(keys)):,} keys, of which none was drawn")
    elif share > 0:
        notes.append(f"held out: {out.sum():,} of {len(out):,} samples (--split {options.split}, --split-seed "
                     f"{options.split_seed})")
    return out, notes


def split_keys(ids: Sequence[str], wanted: Sequence[str | None] | None, same: Array) -> list[str]:
    """Returns for each sample the key that decides its side.

    Arguments:
        ids: Of the samples.
        wanted: The group of each sample, None where it has none; or None.
        same: For each sample the position of the first of its duplicates, int64 (N,).

    Returns:
        The sample's group, else its id; for samples that groups or duplicates tie together, the least of theirs.
    """
    keys = [i if w is None else w for i, w in zip(ids, wanted, strict=True)] if wanted else list(ids)
    if wanted:
        same = join(same, _tied(wanted))
    copies = [(i, int(same[i])) for i in (same != np.arange(len(same))).nonzero()[0].tolist()]
    for i, root in copies:
        keys[root] = min(keys[root], keys[i])
    for i, root in copies:
        keys[i] = keys[root]
    return keys


def groups(raw: Raw, group: str | None) -> tuple[list[str | None] | None, list[str]]:
    """Returns the group of each sample, None where it has none, and notes; None where no group is asked for.

    Arguments:
        raw: What was read.
        group: Name of a column, or a regular expression whose first group (or all of it) is found in the id.
    """
    if group is None:
        return None, []
    if group in raw.columns:
        words = [None if str(v) in ("", "nan") else str(v) for v in raw.columns[group].tolist()]
        return words, [f"group: {len(set(words) - {None}):,} values of {group} stay on one side of the split"]
    found = _matched(raw, group)
    named = [w for w in found if w is not None]
    if not named:
        has = f"columns {', '.join(raw.columns)}" if raw.columns else "no columns"
        raise DataError(f"--group {group!r} is no column and is found in no id, as {raw.ids[0]!r}; the source has "
                        f"{has}.{did_you_mean(group, raw.columns)}")
    lone = f"; {len(found) - len(named):,} ids do not match and stand alone" if len(named) < len(found) else ""
    return found, [f"group: {len(set(named)):,} values of {group!r} in ids stay on one side of the split{lone}"]


def _role_of_group(options: ReadOptions) -> str | None:
    """Returns the column that ``--columns NAME:group`` names."""
    return next((c.rpartition(":")[0] for c in options.columns if c.endswith(":group")), None)


def _matched(raw: Raw, expression: str) -> list[str | None]:
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise OptionError(f"--group {expression!r} is neither a column nor a regular expression: {error}."
                          + did_you_mean(expression, raw.columns)) from error
    take = 1 if pattern.groups else 0
    matches = [pattern.search(i) for i in raw.ids]
    return [m[take] if m else None for m in matches]


def _tied(wanted: Sequence[str | None]) -> Array:
    """Returns pairs of positions whose groups are equal, int (P, 2)."""
    first: dict[str, int] = {}
    pairs = [(first.setdefault(w, i), i) for i, w in enumerate(wanted) if w is not None]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _share(word: str) -> float | None:
    """Returns the share of samples to be held out, or None where the word is a file."""
    try:
        share = float(word)
    except ValueError:
        if Path(word).is_file():
            return None
        raise OptionError(f"--split {word!r} is neither a share, as 0.1, nor a file of ids") from None
    if not 0 <= share < 1:
        raise OptionError(f"--split is {word}; expected a share from 0 up to, but not including, 1")
    return share


def _listed(path: Path, raw: Raw, same: Array) -> tuple[Array, list[str]]:
    """Returns the samples that a file lists as held out, and notes."""
    listed = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    position = {name: i for i, name in enumerate(raw.ids)}
    unknown = [name for name in listed if name not in position]
    if unknown:
        raise DataError(f"{path} lists {len(unknown):,} ids that the source has not, as {unknown[0]!r}; an id here is "
                        f"like {raw.ids[0]!r}.{did_you_mean(unknown[0], raw.ids[:10_000])}")
    out = np.zeros(len(raw.ids), bool)
    out[[position[name] for name in listed]] = True
    return out, [f"held out: {out.sum():,} of {len(out):,} samples, as {path} lists them", *_across(out, same)]


def _across(out: Array, same: Array) -> list[str]:
    apart = int((out != out[same]).sum())
    return [f"with a duplicate on the other side of that split: {apart:,} of {len(out):,} samples"] if apart else []
