"""Whether a map keeps neighbours, and what it shows beside meaning."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from tacit.data.dataset import Data
from tacit.errors import DataError
from tacit.evaluation.case import Case, drawn
from tacit.evaluation.intervals import mean_interval
from tacit.evaluation.measure import Measure
from tacit.evaluation.refitting import inputs
from tacit.evaluation.shortcuts import factors_beside_labels, map_shares
from tacit.functional.rankings import kept_neighbours, ranks, trustworthiness

__all__ = ["ask"]

QUESTION = "maps"
MOST = 2_000  # samples whose ranks among one another are held
NEIGHBOURS = 10
LEAST = 8  # samples that have any neighbours to speak of


def ask(case: Case) -> Iterator[Measure]:
    """Measures the neighbourhoods of held-out samples on the map, and what explains the map.

    Raises:
        DataError: If there are too few samples.
    """
    if len(case.test) < LEAST:
        raise DataError(f"there are {case.names[1]}; a map is measured on {LEAST} or more; fit with a greater --split")
    yield from neighbourhoods(case, *some(case.test, case.names[1], case.seed))
    seen, words = some(case.train, case.names[0], case.seed)
    yield from map_shares(case.run.embed(seen), factors_beside_labels(seen), words, seed=case.seed)


def some(data: Data, words: str, seed: int) -> tuple[Data, str]:
    """Returns at most 2,000 samples, and how protocols call them."""
    few = drawn(data, torch.arange(len(data)), MOST, seed)
    return few, f"{len(few):,} of {words}" if len(few) < len(data) else words


def neighbourhoods(case: Case, few: Data, whom: str) -> Iterator[Measure]:
    """Measures how far neighbours on the map and in the data are the same."""
    k = min(NEIGHBOURS, (len(few) - 1) // 2)
    data, placed = ranks(inputs(case.run, few).flatten(1).float()), ranks(case.run.embed(few))
    setting = f"with {k} neighbours among {whom}, by Euclidean distance in what the method saw of them. " \
              "Interval: bootstrap over samples."
    answers = (
        ("trustworthiness", trustworthiness(data, placed, k),
         "How near in the data neighbours on the map are: 1 where all are neighbours there too, about 0.5 by chance"),
        ("continuity", trustworthiness(placed, data, k),
         "How near on the map neighbours in the data are: 1 where all are neighbours there too, about 0.5 by chance"),
        ("neighbours kept", kept_neighbours(data, placed, k),
         f"Share of neighbours in the data that are neighbours on the map: {k / (len(few) - 1):.1%} by chance"),
    )
    for name, values, words in answers:
        value, low, high = mean_interval(values, seed=case.seed)
        unit = "share" if name == "neighbours kept" else ""
        yield Measure(QUESTION, name, value, f"{words}; {setting}", low=low, high=high, unit=unit, better="higher")
