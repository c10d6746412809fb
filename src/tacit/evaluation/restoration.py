"""How well a run restores samples that were corrupted first."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import torch
from torch import Generator, Tensor

from tacit.data.dataset import Data
from tacit.errors import OptionError, did_you_mean
from tacit.evaluation.intervals import mean_interval
from tacit.evaluation.measure import Measure
from tacit.evaluation.reconstruction import Score, scores
from tacit.functional.corruption import CORRUPTIONS
from tacit.protocol import Spec
from tacit.runs.run import Run

__all__ = ["Corruption", "Restoration", "restoration"]

QUESTION = "restoration"
ROWS = 4_096  # samples that are restored at a time


@dataclass(frozen=True)
class Corruption:
    """What is done to samples, and how much of it.

    Arguments:
        name: A key of `tacit.functional.corruption.CORRUPTIONS`.
        amount: In the unit that the corruption has.

    Example:
        >>> Corruption.parse("gaussian:0.1")
        Corruption(name='gaussian', amount=0.1)
        >>> str(Corruption.parse("block:8"))
        'block:8'
    """

    name: str
    amount: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads what a person writes: a name, a colon and a number.

        Raises:
            OptionError: If there is no corruption of the name, or what follows is no number.
        """
        name, _, amount = text.partition(":")
        if name not in CORRUPTIONS:
            raise OptionError(f"there is no corruption {name!r}.{did_you_mean(name, CORRUPTIONS)} There are "
                              f"{', '.join(CORRUPTIONS)}")
        try:
            return cls(name, float(amount))
        except ValueError:
            raise OptionError(f"the corruption {text!r} does not say how much; expected a number behind a colon, such "
                              f"as gaussian:0.1 or block:8") from None

    def __str__(self) -> str:
        """Returns what `parse` reads."""
        return f"{self.name}:{self.amount:g}"

    def __call__(self, x: Tensor, spec: Spec, generator: Generator) -> Tensor:
        """Returns corrupted samples, shape (N, *spec.shape).

        Raises:
            OptionError: If it does not suit the samples, or its amount is out of range.
        """
        if spec.codes:
            raise OptionError(f"the samples are {spec}, whole numbers that stand for something else; only numbers that "
                              "are measured can be corrupted")
        return CORRUPTIONS[self.name](x, self.amount, generator, spec.range)[0]


@dataclass(frozen=True)
class Restoration:
    """What became of corrupted samples.

    Arguments:
        measures: How near corrupted and restored samples are to the clean ones, and what was gained.
        clean: The first samples, shape (n, *spec.shape).
        corrupted: What was made of them.
        restored: What the run made of that.
    """

    measures: tuple[Measure, ...]
    clean: Tensor
    corrupted: Tensor
    restored: Tensor


def restoration(
    run: Run, data: Data, corruption: Corruption, *, words: str, shown: int = 32, seed: int = 0
) -> Restoration:
    """Corrupts samples, has a run restore them, and compares both with the clean ones.

    Arguments:
        run: A run that reconstructs.
        data: The clean samples.
        corruption: What is done to them.
        words: How protocols call the samples: ``all 359 held-out samples of digits``.
        shown: How many of the first samples are kept.
        seed: Of the corruption, and of intervals.

    Raises:
        OptionError: If the corruption does not suit the samples.
    """
    generator = torch.Generator().manual_seed(seed)
    before: list[list[Score]] = []
    after: list[list[Score]] = []
    kept: list[tuple[Tensor, Tensor, Tensor]] = []
    for index in torch.arange(len(data)).split(ROWS):
        part = data.take(index)
        clean = part.everything()
        corrupted = corruption(clean, data.spec, generator)
        restored = run.reconstruct(dataclasses.replace(part, x=corrupted))
        before.append(scores(clean, corrupted, data.spec))
        after.append(scores(clean, restored, data.spec))
        kept.append((clean[:shown], corrupted[:shown], restored[:shown]))
    how = f"mean over {words}, each corrupted once by {corruption} (seed {seed}). Interval: bootstrap over samples."
    measures = tuple(compared(joined(before), joined(after), how, seed))
    return Restoration(measures, *(torch.cat(parts)[:shown] for parts in zip(*kept, strict=True)))


def joined(parts: list[list[Score]]) -> list[Score]:
    """Returns the scores of all parts together."""
    each = zip(*parts, strict=True)  # the parts of each score
    return [dataclasses.replace(same[0], values=torch.cat([s.values for s in same])) for same in each]


def compared(before: list[Score], after: list[Score], how: str, seed: int) -> Iterator[Measure]:
    """Returns the mean of each score over corrupted and over restored samples, and of the difference."""
    for corrupted, restored in zip(before, after, strict=True):
        gained = restored.values - corrupted.values
        sides = (("corrupted", corrupted.values), ("restored", restored.values), ("restored less corrupted", gained))
        for of, values in sides:
            known = values[~values.isnan()]
            if not len(known):
                continue
            value, low, high = mean_interval(known, seed=seed)
            yield Measure(QUESTION, restored.name, value, f"{restored.about}, {how}", of=of, low=low, high=high,
                          unit=restored.unit, better=restored.better if of == "restored" else "")
