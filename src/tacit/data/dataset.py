"""Samples in memory: one object for every source."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from tacit.data.binary import binarised
from tacit.errors import DataError
from tacit.protocol import Batch, Spec

__all__ = ["IN_MEMORY", "Data", "Skipped", "as_float"]

IN_MEMORY = "the array"  # what a source is called that only its owner can open again


@dataclass(frozen=True)
class Skipped:
    """Something of a source that could not be read: its id and why."""

    name: str
    reason: str


@dataclass
class Data:
    """The samples of one source, resident, with everything that is known of each.

    Arguments:
        name: A short word for run directories: ``digits``, ``photos``.
        source: What was opened, as it was given.
        fingerprint: Hash of the source's content and of how it was read; equal means the same samples.
        spec: What a method sees of one sample.
        x: Samples in source precision, shape (N, *spec.shape): uint8 for 8-bit images, int64 for codes, else float32.
        ids: A stable id for each sample: its relative path, or its row.
        held_out: Whether each sample is held out, bool (N,).
        label: Class of each sample, int64 (N,), -1 for none; or None.
        columns: What else is known, one array of N for each name: factors, dates, groups. No method sees them.
        pair: Partner of each sample, shape (N, *spec.pair), in source precision; or None.
        domain: Domain of each sample, 0 for the source and 1 for the target, int64 (N,); or None.
        twins: Samples of equal number are exact or near duplicates of one another, int64 (N,); or None if none was
            looked for.
        notes: What was assumed in reading, each a sentence for a person.
        skipped: What could not be read.
        folder: Where ids that are paths begin, or None.
        options: How it was read, as `ReadOptions.to_dict`.
        grey: Of binarised images, what `x` was drawn from, uint8, shape of `x`; or None.
    """

    name: str
    source: str
    fingerprint: str
    spec: Spec
    x: Tensor
    ids: Sequence[str]
    held_out: Tensor
    label: Tensor | None = None
    columns: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    pair: Tensor | None = None
    domain: Tensor | None = None
    twins: Tensor | None = None
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    folder: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    grey: Tensor | None = None

    def __len__(self) -> int:
        """Returns the number of samples."""
        return len(self.x)

    @property
    def training(self) -> Tensor:
        """Positions of the training samples, int64."""
        return (~self.held_out).nonzero().flatten()

    @property
    def testing(self) -> Tensor:
        """Positions of the held-out samples, int64."""
        return self.held_out.nonzero().flatten()

    def of_domain(self, positions: Tensor, domain: int) -> Tensor:
        """Returns those of some positions, int64 (n,), at which samples of a domain are."""
        if self.domain is None:
            return positions if domain == 0 else positions[:0]
        return positions[self.domain[positions] == domain]

    def batch(
        self,
        index: Tensor,
        needs: Collection[str] = (),
        device: torch.device | str = "cpu",
        anew: Generator | None = None,
    ) -> Batch:
        """Returns samples as a method sees them: floats, images in [0, 1]; what `needs` does not name stays hidden.

        Arguments:
            index: Positions, int64 (n,).
            needs: The further fields of `Batch` that the method declares; targets are a feed's to add.
            device: Where to.
            anew: Of another draw of black and white, where the data were binarised, than that which is `x`.

        Raises:
            DataError: If the data lack what is needed.
        """
        if self.grey is None or anew is None:
            x = self.x[index].to(device)
        else:
            x = binarised(self.grey[index].to(device), anew)
        self.check(needs)
        batch = Batch(as_float(x))
        if "index" in needs:
            batch.index = index.to(device)
        for name in ("label", "pair", "domain"):
            if name in needs:
                known = getattr(self, name)[index].to(device)
                setattr(batch, name, as_float(known) if name == "pair" else known)
        return batch

    def check(self, needs: Collection[str]) -> None:
        """Raises `DataError` if the data lack a field of `Batch` that a method needs."""
        for name, mend in MEND.items():
            if name in needs and getattr(self, name) is None:
                raise DataError(f"the method needs a {name} for each sample and {self.source} has none; {mend}")
        if "target" in needs and self.domain is None:
            raise DataError(f"the method needs samples of a target domain and {self.source} has none; "
                            f"{MEND['domain']}")

    def everything(self) -> Tensor:
        """Returns all samples as a method sees them, shape (N, *spec.shape)."""
        return self.batch(torch.arange(len(self))).x

    def take(self, index: Tensor) -> Data:
        """Returns the samples at some positions, int64 (n,), as data of their own."""
        places = index.tolist()
        known: dict[str, Any] = {name: v[index] for name in PER_SAMPLE if isinstance(v := getattr(self, name), Tensor)}
        digest = hashlib.blake2b(index.numpy().tobytes(), digest_size=8).hexdigest()
        return dataclasses.replace(
            self,
            fingerprint=f"{self.fingerprint}/{digest}",
            ids=[self.ids[i] for i in places],
            columns={name: values[places] for name, values in self.columns.items()},
            **known,
        )


PER_SAMPLE = ("x", "grey", "held_out", "label", "pair", "domain", "twins")

MEND = {
    "label": "--labels names a column, a file, or folder",
    "pair": "--pair names the source of the partners, --derive makes samples of images that are their partners",
    "domain": "--target names the other domain",
}


def as_float(x: Tensor) -> Tensor:
    """Returns samples as a method sees them: 8-bit values as floats in [0, 1], codes and floats as they are."""
    return x.float().div_(255) if x.dtype == torch.uint8 else x
