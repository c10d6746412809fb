"""What a reader found in a source, before labels, split and coding are decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from tacit.data.dataset import Skipped
from tacit.protocol import Kind

__all__ = ["Raw"]


@dataclass
class Raw:
    """The content of one source, as its reader found it.

    Arguments:
        name: A short word for run directories: ``digits``, ``photos``.
        kind: The modality.
        ids: A stable id for each sample: its relative path, or its row.
        fingerprint: Hash of the content and of how it was read.
        x: Samples in source precision, shape (N, ...); None for a table, which is coded when the split is known.
        table: A table's columns, one array of N floats (NaN is missing) or strings ("" is missing) for each name.
        range: Least and greatest value of `x` as a method sees it, or None.
        label: The word for each sample's class, None where it has none; or None where the source carries no labels.
        held_out: Whether each sample is held out by the source's own folders, or None.
        keys: Samples with equal keys are duplicates and stay on one side of the split; None where all differ.
        columns: What else is known, one array of N for each name: factors, dates, folders.
        notes: What was assumed in reading, each a sentence for a person.
        skipped: What could not be read.
        folder: Where ids that are paths begin, or None.
    """

    name: str
    kind: Kind
    ids: Sequence[str]
    fingerprint: str
    x: Tensor | None = None
    table: Mapping[str, np.ndarray[Any, Any]] | None = None
    range: tuple[float, float] | None = None
    label: Sequence[str | None] | None = None
    held_out: np.ndarray[Any, Any] | None = None
    keys: np.ndarray[Any, Any] | None = None
    columns: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    folder: Path | None = None
