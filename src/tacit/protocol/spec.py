"""What one sample is (`Spec`), and what a method is handed (`Batch`)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import torch
from torch import Tensor

__all__ = ["Batch", "Column", "Kind", "Spec"]

Kind = Literal["image", "vector", "map", "codes", "tokens", "table", "audio", "video"]


@dataclass(frozen=True)
class Column:
    """One column of a table, its place in the encoded row, and the way back.

    Arguments:
        name: Name in the header.
        kind: A ``number`` takes one standardised position; a ``category`` takes one position for each level.
        start: First position in the encoded row.
        levels: The categories, in the order of their positions.
        mean: Mean of a number over the training rows, in its own unit.
        scale: Standard deviation of a number over the training rows, in its own unit.
        missing: Whether one further position, the last, is 1 where the value is missing.
        whole: Whether every number seen was an integer.
    """

    name: str
    kind: Literal["number", "category"]
    start: int
    levels: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0
    missing: bool = False
    whole: bool = False

    @property
    def width(self) -> int:
        """Number of positions in the encoded row."""
        return (1 if self.kind == "number" else len(self.levels)) + int(self.missing)


@dataclass(frozen=True)
class Spec:
    """What one sample is, without its data.

    Arguments:
        kind: The modality that a method sees.
        shape: Shape of one sample: ``(C, H, W)``, ``(D,)``, ``(h, w)`` for a grid of codes, ``(T,)`` for tokens.
        range: Least and greatest value, or None where values have no range (latents, tables).
        codes: Number of different codes or tokens; 0 for floats.
        classes: Names of the classes where labels were found.
        columns: Columns of a table.
        pair: Shape of each sample's partner, where samples have partners.
    """

    kind: Kind
    shape: tuple[int, ...]
    range: tuple[float, float] | None = None
    codes: int = 0
    classes: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    pair: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Number of values in one sample."""
        return math.prod(self.shape)

    def __str__(self) -> str:
        """Returns for instance ``image 3 x 32 x 32``."""
        return f"{self.kind} {' x '.join(map(str, self.shape))}"

    def to_dict(self) -> dict[str, Any]:
        """Returns plain lists and numbers, for YAML; `from_dict` reads them back."""
        plain = {k: v for k, v in dataclasses.asdict(self).items() if v not in (None, (), 0) or k == "shape"}
        return _listed(plain)  # type: ignore[no-any-return]

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Reads what `to_dict` wrote."""
        known = dict(plain)
        columns = tuple(Column(**{**c, "levels": tuple(c.get("levels", ()))}) for c in known.pop("columns", ()))
        known = {k: tuple(v) if isinstance(v, list) else v for k, v in known.items()}
        return cls(**known, columns=columns)


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _listed(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [_listed(v) for v in value]
    return value


@dataclass
class Batch:
    """What a method is handed for one round: ``x``, and of the rest only what its ``needs`` name.

    Arguments:
        x: Samples, shape (N, *spec.shape); images in [0, 1].
        label: Classes, int64 (N,); -1 where unlabelled.
        pair: The partner of each sample, shape (N, ...).
        domain: Domain of each sample, int64 (N,).
        target: As many samples of the target domain, each nobody's partner, shape (N, *spec.shape); then all of ``x``
            are of the source domain.
        attribute: Named attributes, shape (N, A).
        index: Position of each sample in its source, int64 (N,).
        length: Valid length of each sample, int64 (N,).
    """

    x: Tensor
    label: Tensor | None = None
    pair: Tensor | None = None
    domain: Tensor | None = None
    target: Tensor | None = None
    attribute: Tensor | None = None
    index: Tensor | None = None
    length: Tensor | None = None

    def __len__(self) -> int:
        """Returns the number of samples."""
        return len(self.x)

    def fields(self) -> dict[str, Tensor]:
        """Returns the tensors that are there, by name."""
        return {f.name: v for f in dataclasses.fields(self) if isinstance(v := getattr(self, f.name), Tensor)}

    def to(self, device: torch.device | str) -> Batch:
        """Returns the batch on another device."""
        return Batch(**{k: v.to(device, non_blocking=True) for k, v in self.fields().items()})

    def chunks(self, size: int) -> list[Batch]:
        """Returns consecutive parts of at most `size` samples, as views."""
        parts = {k: v.split(size) for k, v in self.fields().items()}
        return [Batch(**{k: v[i] for k, v in parts.items()}) for i in range(len(parts["x"]))]
