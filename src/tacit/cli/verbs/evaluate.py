"""``tacit evaluate RUN``: measures a run on samples that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from tacit.cli.asking import loaded
from tacit.cli.config import method_of
from tacit.cli.options import TRUST, Option
from tacit.cli.output import Say
from tacit.cli.parser import Call, Usage

__all__ = ["OPTIONS", "run", "settings", "usage"]

OPTIONS = (
    Option("against", str | None, None, "Other data to measure on, in place of the run's own held-out samples.",
           "samples", metavar="DATA"),
    Option("limit", int, 10_000, "Greatest number of training samples, and of held-out samples.", "samples"),
    Option("made", int, 5_000, "Greatest number of samples that the run makes, for what is measured of them.",
           "samples"),
    Option("seed", int, 0, "Seed of every draw.", "samples"),
    Option("features", str, "random", "In which features samples are compared with data: random for a seeded random "
           "network, the folder of a run that encodes, or a file of Inception weights.", "questions",
           metavar="random|RUN|FILE"),
    Option("only", tuple[str, ...], (), "Only these questions: reconstruction, translation, samples, clusters, "
           "anomaly, maps, recognition, representation, likelihood, baselines; disentanglement, smoothness, posterior "
           "and bounds, which take long and are put only where they are named.", "questions", metavar="NAME,..."),
    Option("draws", int, 50, "Greatest number of draws of the posterior for a bound of the likelihood.", "questions"),
    Option("annealed", int, 100, "Greatest number of samples whose bound is found by annealed importance sampling.",
           "questions"),
    Option("temperatures", int, 100, "Temperatures of annealed importance sampling.", "questions"),
    Option("device", Literal["auto", "cpu", "cuda", "mps"], "auto", "Where to compute.", "output"),
    TRUST,
)


def usage(words: Sequence[str]) -> Usage:
    """Returns how the verb is called."""
    about = "Asks a run every question that it can answer, on samples that it has not seen, and writes " \
            "evaluation.json into its folder. Labels are used for measuring only."
    if words and not words[0].startswith("-"):
        method_of(words[0])  # no run is an error that needs no torch
    return Usage("evaluate", about, ("RUN",), OPTIONS, words=tuple(words))


def run(call: Call, say: Say) -> None:
    """Says each answer as it is found, and where they are written."""
    from tacit.evaluation.evaluate import FILE, evaluate

    asked = loaded(call.places["RUN"], call)
    found = evaluate(asked, **settings(call), say=say)
    say(f"{len(found.measures)} values of {asked.path}, on {found.ground['drawn']}")
    say(f"wrote {asked.path / FILE}")


def settings(call: Call) -> dict[str, Any]:
    """Returns how the questions are put."""
    from tacit.evaluation.case import Effort

    effort = Effort(call["draws"], call["annealed"], call["temperatures"])
    return {"against": call["against"], "features": call["features"], "only": tuple(call["only"]),
            "limit": call["limit"], "made": call["made"], "effort": effort, "seed": call["seed"]}
