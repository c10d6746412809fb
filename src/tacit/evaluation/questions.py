"""The questions, each with the capability that it needs; nothing above this table knows one by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tacit.errors import OptionError, did_you_mean
from tacit.evaluation import (
    anomaly,
    bounds,
    clusters,
    disentanglement,
    likelihood,
    maps,
    posteriors,
    recognition,
    reconstruction,
    representation,
    samples,
    smoothness,
    translation,
)
from tacit.evaluation.case import Case
from tacit.evaluation.measure import Measure

__all__ = ["QUESTIONS", "Question", "chosen"]


@dataclass(frozen=True)
class Question:
    """One thing that can be asked of every run with a capability.

    Arguments:
        name: What it is called.
        capability: What the run must be able to do, a key of `tacit.protocol.CALLS`.
        about: What it asks, in words.
        ask: Yields the answers as they are found; raises a `UserError` where there is none to find.
        named: Whether it is put only where it is named, for it takes long.
    """

    name: str
    capability: str
    about: str
    ask: Callable[[Case], Iterator[Measure]]
    named: bool = False


QUESTIONS = (
    Question("reconstruction", "Reconstructs", "How well are samples restored that it has never seen?",
             reconstruction.ask),
    Question("samples", "Samples", "How near are its samples to the data, and are they copies?", samples.ask),
    Question("smoothness", "Samples", "How smoothly do its samples change where their latents do?", smoothness.ask,
             named=True),
    Question("translation", "Translates", "How near are its translations to what they should be?", translation.ask),
    Question("clusters", "Clusters", "Do its clusters match the labels, and would they come out again?", clusters.ask),
    Question("anomaly", "Scores", "Does it find samples that do not belong?", anomaly.ask),
    Question("maps", "Embeds", "Does the map keep neighbours, and what do its axes show?", maps.ask),
    Question("recognition", "Encodes", "Does its representation know a sample again that was changed a little?",
             recognition.ask),
    Question("representation", "Encodes", "How much of the labels does its representation hold?", representation.ask),
    Question("disentanglement", "Encodes", "Does each dimension of its code stand for one factor of the data?",
             disentanglement.ask, named=True),
    Question("likelihood", "Density", "How likely does it find samples that it has never seen?", likelihood.ask),
    Question("posterior", "Infers", "What does the bound hide?", posteriors.ask, named=True),
    Question("bounds", "Infers", "How loose is the bound?", bounds.ask, named=True),
    Question("baselines", "Encodes", "How much of the labels is held by what needs no learning, and by its layers?",
             representation.ask_baselines),
)
"""Every question, quick ones first."""


def chosen(names: tuple[str, ...]) -> tuple[Question, ...]:
    """Returns the questions of some names, or all that need not be named.

    Raises:
        OptionError: If there is no question of a name.
    """
    known = {q.name: q for q in QUESTIONS}
    for name in names:
        if name not in known:
            raise OptionError(f"there is no question {name!r}.{did_you_mean(name, known)} "
                              f"The questions are {', '.join(known)}")
    return tuple(q for q in QUESTIONS if (q.name in names if names else not q.named))
