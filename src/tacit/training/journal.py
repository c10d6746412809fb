"""What training says: ``metrics.jsonl`` for pictures and tables, a bar or plain lines for a person."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tacit.training.step import Move, NotFinite

__all__ = ["Journal"]


class Journal:
    """Collects moves as tensors and writes their means as lines.

    Arguments:
        path: ``metrics.jsonl``, or None where another process writes it.
        offset: Its length at the state that is continued; what was written afterwards is cut off.
        sums: What was collected since the last line at that state.
    """

    def __init__(self, path: Path | None, offset: int = 0, sums: Mapping[str, tuple[float, int]] | None = None) -> None:
        self.sums = dict(sums or {})
        self.waiting: list[Move] = []
        self.file = None
        if path is not None:
            self.file = open(path, "ab")
            self.file.truncate(min(offset, path.stat().st_size))
            self.file.seek(0, os.SEEK_END)

    def add(self, moves: Sequence[Move]) -> None:
        """Notes the moves of a round, without waiting for their numbers."""
        self.waiting += moves

    def drain(self) -> None:
        """Waits for the numbers of all moves so far.

        They are added one after the other, so that the sums do not depend on when this is done.

        Raises:
            NotFinite: If a loss or gradient is not a number.
        """
        moves, self.waiting = self.waiting, []
        named = [(m, name, t) for m in moves for name, t in
                 [("loss", m.value), ("norm", m.norm), *m.terms.items()]]
        for (move, name, _), number in zip(named, numbers([t for _, _, t in named]), strict=True):
            if name in ("loss", "norm") and not math.isfinite(number):
                raise NotFinite(move)
            total, count = self.sums.get(key := f"{move.player}/{name}", (0.0, 0))
            self.sums[key] = total + number, count + 1

    def line(self, about: Mapping[str, float], also: Mapping[str, float]) -> dict[str, float | None]:
        """Writes the means of everything since the last line, and returns them.

        Arguments:
            about: What the line begins with: step, samples, seconds.
            also: What it ends with: the learning rate.
        """
        means = {name: total / count for name, (total, count) in self.sums.items()}
        self.sums = {}
        return self.write({**about, **means, **also})

    def write(self, entries: Mapping[str, float]) -> dict[str, float | None]:
        """Writes and returns a line; what is not finite becomes null."""
        line = {n: short(v) for n, v in entries.items()}
        if self.file is not None:
            self.file.write(json.dumps(line).encode() + b"\n")
            self.file.flush()
        return line

    def offset(self) -> int:
        """Returns the length of what is safely on disk."""
        if self.file is None:
            return 0
        self.file.flush()
        os.fsync(self.file.fileno())
        return self.file.tell()

    def close(self) -> None:
        """Closes the file."""
        if self.file is not None:
            self.file.close()


def numbers(tensors: Sequence[Tensor]) -> list[float]:
    """Returns scalars as numbers, waiting once for all of them."""
    if all(t.is_cpu for t in tensors):
        return [t.item() if not t.dim() else t.float().mean().item() for t in tensors]
    result: list[float] = torch.stack([t.float().mean() if t.dim() else t.float() for t in tensors]).tolist()
    return result


def short(value: Any) -> Any:
    """Returns a number with the digits that matter, or None where it is not finite."""
    if isinstance(value, int):
        return value
    return float(f"{value:.7g}") if math.isfinite(value) else None
