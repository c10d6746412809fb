"""From what a reader found to samples: labels, split, coding, partners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tacit.data import coding, labels
from tacit.data.binary import binarised, grey_of
from tacit.data.dataset import Data
from tacit.data.derive import Derivation
from tacit.data.duplicates import equal_rows
from tacit.data.fingerprint import fingerprint
from tacit.data.layout import Layout, layout
from tacit.data.options import ReadOptions
from tacit.data.partners import Partners, appended, subset
from tacit.data.progress import Say
from tacit.data.raw import Raw
from tacit.data.resident import said_skipped
from tacit.data.splits import split
from tacit.errors import DataError, OptionError
from tacit.protocol import Spec

__all__ = ["Read", "assemble"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Read:
    """A source that was read.

    Arguments:
        source: As it was given.
        raw: What its reader found.
        kinds: What it is, as keys of `HEEDS`.
        named: Whether the reader took the labels from the column that the options name.
    """

    source: str
    raw: Raw
    kinds: tuple[str, ...]
    named: bool = False


def assemble(read: Read, options: ReadOptions, like: Spec | None, say: Say, pair: Partners | None = None,
             target: Read | None = None) -> Data:
    """Returns the samples of a source, labelled, split and coded.

    Arguments:
        read: The source.
        options: How it was read.
        like: What a run was fitted on, and these samples have to be like.
        say: Where everything that was assumed is told.
        pair: The samples' partners.
        target: The source of the samples of another domain.

    Raises:
        DataError: If the source holds too little, or labels or columns that are asked for are not there.
        OptionError: If an option has a value that it cannot have.
    """
    raw, pairs = _labelled(read, options), None
    if pair is not None:
        raw, pairs = subset(raw, pair.here), pair.x
        raw = _noted(raw, pair.notes, fingerprint(raw.fingerprint, pair.raw.fingerprint))
    domain = None
    if target is not None:
        raw, domain = appended(raw, _labelled(target, options))
    _check_count(raw, read.source, like)
    same, found = _same(raw)
    out, notes = split(raw, options, same, found)
    held_out = torch.from_numpy(out)
    if out.all() and like is None:
        raise DataError(f"all {len(out):,} samples of {read.source} are held out and none is left to learn from; give "
                        "a smaller --split or finer groups")
    label, classes, more = _classes(raw, options, like, held_out, domain)
    if options.derive is not None:
        raw, pairs = _derived(raw, Derivation.parse(options.derive), read.source)
    spec, x, coded = _coded(raw, out, like, read.source)
    beside = () if pairs is None else tuple(pairs.shape[1:])
    _check_beside(beside, like, read.source)
    grey, mark = None, raw.fingerprint
    if options.binarise and (grey := grey_of(raw.x, raw.kind, read.source)) is not None:
        x, mark = binarised(grey, torch.Generator().manual_seed(0)), fingerprint(mark, "binarised")
    data = Data(
        raw.name, read.source, mark, replace(spec, classes=classes, pair=beside), x, raw.ids, held_out, label,
        raw.columns, pairs, domain, torch.from_numpy(same), tuple([*raw.notes, *notes, *more, *coded]),
        tuple(raw.skipped), raw.folder, options.to_dict(), grey,
    )
    _tell(data, say)
    return data


def _labelled(read: Read, options: ReadOptions) -> Raw:
    """Returns what was read with the words for its classes, and with the held-out samples that its folders name."""
    raw = read.raw
    found = layout(raw.ids) if "folder" in raw.columns else None
    words, notes = labels.choose(raw, options, found, read.named)
    if raw.held_out is None and found is not None and found.held_out is not None:
        raw = replace(raw, held_out=found.held_out)
        notes = [_parts(found), *notes]
    return replace(_noted(raw, notes), label=words)


def _derived(raw: Raw, derivation: Derivation, source: str) -> tuple[Raw, Tensor]:
    """Returns what is derived of images, and the images."""
    if raw.kind != "image" or raw.x is None:
        raise DataError(f"--derive makes pairs of images; {source} holds {raw.kind}s")
    derivation.check(raw.x, source)
    note = f"pairs: each sample is derived of an image ({derivation}), which is its partner"
    made = replace(raw, x=derivation(raw.x))
    return _noted(made, [note], fingerprint(raw.fingerprint, str(derivation))), raw.x


def _parts(found: Layout) -> str:
    counts = " and ".join(f"{name}/ ({n:,} of {len(found.top):,} samples)" for name, n in found.parts.items())
    return f"the folders are parts, not classes: {counts} beside training samples"


def _noted(raw: Raw, notes: Sequence[str], mark: str | None = None) -> Raw:
    return replace(raw, notes=[*raw.notes, *notes], fingerprint=mark or raw.fingerprint)


def _check_count(raw: Raw, source: str, like: Spec | None) -> None:
    if not raw.ids:
        raise DataError(f"{source} holds no sample that can be read")
    if len(raw.ids) == 1 and like is None:
        raise DataError(f"{source} holds a single sample, {raw.ids[0]}; a method learns from many: give their folder, "
                        "archive or table")


# Duplicates ----------------------------------------------------------------------------------------------------------


def _same(raw: Raw) -> tuple[Array, list[str]]:
    """Returns for each sample the position of the first of its duplicates, and notes."""
    if raw.keys is not None:
        _, first, place = np.unique(raw.keys, return_index=True, return_inverse=True)
        return first[place], []
    same = equal_rows(raw.x if raw.x is not None else _codes(raw))
    different = int((same == np.arange(len(same))).sum())
    if 2 * different < len(same) and raw.kind != "image":
        return np.arange(len(same)), [f"only {different:,} of {len(same):,} samples differ, so equal ones are taken "
                                      "for coincidence and not for duplicates"]
    return same, []


def _codes(raw: Raw) -> Tensor:
    """Returns a table's rows as numbers that are equal where the rows are, float64 (N, D)."""
    table = raw.table or {}
    columns = [c if c.dtype.kind == "f" else np.unique(c.astype(str), return_inverse=True)[1] for c in table.values()]
    return torch.from_numpy(np.stack([c.astype(np.float64) for c in columns], axis=1))


# Classes and coding --------------------------------------------------------------------------------------------------


def _classes(raw: Raw, options: ReadOptions, like: Spec | None, held_out: Tensor, domain: Tensor | None
             ) -> tuple[Tensor | None, tuple[str, ...], list[str]]:
    label, classes, notes = labels.as_classes(raw.label, like.classes if like else ())
    if label is None:
        if options.label_count is not None and like is None:
            raise OptionError(f"--label-count is {options.label_count} and {raw.name} has no labels to keep; --labels "
                              "names a column, a file, or folder")
        return None, classes, notes
    if options.label_count is not None:
        label, more = labels.few(label, held_out, raw.ids, options.label_count, options.split_seed)
        notes = notes + more
    hidden = (domain == 1) & ~held_out & (label >= 0) if domain is not None else torch.zeros(0, dtype=torch.bool)
    if hidden.any():
        label = label.masked_fill(hidden, -1)
        notes = [*notes, f"hidden labels of the target domain: {int(hidden.sum()):,}; held-out samples keep theirs"]
    return label, classes, notes


def _coded(raw: Raw, held_out: Array, like: Spec | None, source: str) -> tuple[Spec, Tensor, list[str]]:
    """Returns what a method sees of one sample, the samples, and notes."""
    if raw.table is not None:
        if like is None:
            return *coding.encode(raw.table, ~held_out), []
        _check_like(Spec("table", like.shape), like, source)
        x, notes = coding.encode_like(raw.table, like)
        return like, x, notes
    if raw.x is None:
        raise DataError(f"{source} holds nothing that a method could see")
    codes = int(raw.x.max()) + 1 if raw.kind in ("codes", "tokens") else 0
    spec = Spec(raw.kind, tuple(raw.x.shape[1:]), raw.range, codes)
    if like is None:
        return spec, raw.x, []
    _check_like(spec, like, source)
    return like, raw.x, []


def _check_like(spec: Spec, like: Spec, source: str) -> None:
    if (spec.kind, spec.shape) != (like.kind, like.shape):
        raise DataError(f"{source} holds {spec}, and the run was fitted on {like}; give data of that kind and shape")
    if spec.codes > like.codes:
        raise DataError(f"{source} holds codes up to {spec.codes - 1}; the run knows 0 to {like.codes - 1}")


def _check_beside(beside: tuple[int, ...], like: Spec | None, source: str) -> None:
    if like is not None and beside and like.pair and beside != like.pair:
        raise DataError(f"partners in {source} are {' x '.join(map(str, beside))}, and the run was fitted on "
                        f"{' x '.join(map(str, like.pair))}; give partners of that shape")


def _tell(data: Data, say: Say) -> None:
    shape = " x ".join(map(str, data.spec.shape))
    say(f"{data.source}: {len(data):,} samples, {data.spec.kind} {shape}")
    for note in data.notes:
        say(note)
    if data.skipped:
        say(said_skipped(data.skipped))
