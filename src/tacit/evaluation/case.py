"""What a question is put to: a run, the samples it learned from, and samples it has never seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tacit.data.dataset import Data
from tacit.errors import OptionError
from tacit.functional.draws import some
from tacit.runs.run import Run

if TYPE_CHECKING:
    from tacit.evaluation.spaces import Space

__all__ = ["MADE", "USUAL", "Case", "Effort", "drawn", "known_labels", "labelled"]


MADE = 5_000


@dataclass(frozen=True)
class Effort:
    """How much is spent on bounds of the likelihood, which tighten with it.

    Arguments:
        draws: Greatest number of draws of an importance-weighted bound.
        annealed: Greatest number of samples on which annealed importance sampling is run.
        temperatures: Its temperatures.

    Raises:
        OptionError: If a number is too small.
    """

    draws: int = 50
    annealed: int = 100
    temperatures: int = 100

    def __post_init__(self) -> None:
        """Refuses what bounds nothing."""
        if min(self.draws, self.annealed - 1, self.temperatures - 1) < 1:
            raise OptionError(f"draws is {self.draws}, annealed is {self.annealed} and temperatures is "
                              f"{self.temperatures}; they are at least 1, 2 and 2")


USUAL = Effort()

@dataclass(frozen=True)
class Case:
    """One run and the samples that a question is put with.

    Arguments:
        run: The run.
        train: What it learned from: its root's training samples, at most `limit` of them.
        test: What it has never seen: its root's held-out samples, or other data; at most `limit` of them.
        names: How protocols call the two: ``("5,000 of 45,000 training samples of digits", "...")``.
        space: In which features samples are compared with data.
        seed: Of every draw.
        made: Greatest number of samples that the run makes.
        pictures: The folder that a question draws its pictures into, or None for none.
        effort: How much is spent on bounds of the likelihood.
    """

    run: Run
    train: Data
    test: Data
    names: tuple[str, str]
    space: Space
    seed: int = 0
    made: int = MADE
    pictures: Path | None = None
    effort: Effort = USUAL


def drawn(data: Data, positions: Tensor, limit: int, seed: int) -> Data:
    """Returns at most `limit` of the samples at some positions, drawn at random, in their order."""
    return data.take(some(positions, limit, seed))


def labelled(case: Case) -> bool:
    """Returns whether both sides have labels of at least two classes, so that a question about labels has an answer."""
    sides = (known_labels(case.train), known_labels(case.test))
    return all(len(label[label >= 0].unique()) > 1 for label in sides)


def known_labels(data: Data) -> Tensor:
    """Returns the class of each sample, int64 (N,), -1 for none."""
    return data.label if data.label is not None else torch.full((len(data),), -1)
