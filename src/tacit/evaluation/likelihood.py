"""How likely a run finds samples that it has never seen."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from tacit.data.binary import two_valued
from tacit.data.dataset import Data
from tacit.evaluation.case import Case, drawn
from tacit.evaluation.intervals import mean_interval
from tacit.evaluation.measure import Measure
from tacit.functional.likelihoods import bits_per_dim
from tacit.pictures.plots import histogram
from tacit.runs.run import Run

__all__ = ["about", "ask", "mass_of", "over"]

QUESTION = "likelihood"
DRAWS, FEW = 64, 500  # of a bound that tightens with draws, and the samples on which it is taken
PART = 4_096  # samples that are looked at together
STEPS = 255  # from 0 to 1 in 8-bit data

Mass = Literal["probability", "density", "unknown", "none"]

TITLES = {
    "exact": "log likelihood",
    "lower": "lower bound of the log likelihood",
    "estimate": "estimate of the log likelihood",
}


def ask(case: Case) -> Iterator[Measure]:
    """Measures nats, bits per dimension where these are known to be any, and what training samples have more.

    Draws how the nats of both sides are spread: a model may well find other data likelier than its own.
    """
    title = TITLES[case.run.bound()]
    unseen = case.run.log_prob(case.test).double()
    yield nats(case, title, unseen, f"Mean over {case.names[1]}")
    if "k" in inspect.signature(case.run.chain.method.log_prob).parameters:
        few = drawn(case.test, torch.arange(len(case.test)), FEW, case.seed)
        words = f"Mean over {len(few):,} of {case.names[1]}, a bound of {DRAWS} draws for each"
        yield nats(case, title, case.run.log_prob(few, k=DRAWS).double(), words, of=f"{DRAWS} draws")
    yield from bits(case, title, unseen)
    known = case.run.log_prob(case.train).double()
    yield gap(case, title, unseen, known)
    if case.pictures is not None:
        own = case.test.source == case.train.source
        histogram(
            {"training": known, "held-out" if own else case.test.name: unseen}, case.pictures / "likelihood.png",
            title=f"How likely {case.run.title} finds samples", xlabel=f"{title}, nats",
        )


def nats(case: Case, title: str, log_p: Tensor, words: str, of: str = "") -> Measure:
    """Returns the mean of log probabilities, shape (N,)."""
    value, low, high = mean_interval(log_p, seed=case.seed)
    return Measure(
        QUESTION, title, value, f"{words}. {about(case.run, case.test)} Interval: bootstrap over samples.",
        of=of, low=low, high=high, unit="nats", better="higher", space=over(case.run, case.test),
    )


def bits(case: Case, title: str, log_p: Tensor) -> Iterator[Measure]:
    """Measures the code length of one value, where the nats are known to be those of the data's own values."""
    mass, data = mass_of(case.run, case.test), case.test
    if case.run.density_over() != "the data" or not (mass == "probability" or (mass == "density" and eight_bit(data))):
        return
    steps = STEPS if mass == "density" else None
    value, low, high = mean_interval(bits_per_dim(log_p, case.run.spec.size, steps), seed=case.seed)
    how = f"-log2 p / {case.run.spec.size:,}"
    if steps is not None:
        how += f" + log2 {STEPS}: of each value's density times the width of an 8-bit step, which is a code length " \
               "only for data with uniform noise of that width"
    yield Measure(
        QUESTION, "bits per dimension", value,
        f"{how}; from the {title}. Mean over {case.names[1]}. {about(case.run, data)} Interval: bootstrap over "
        "samples.",
        of=title, low=low, high=high, unit="bits/dim", better="lower", space=over(case.run, data),
    )


def gap(case: Case, title: str, unseen: Tensor, known: Tensor) -> Measure:
    """Returns by how many nats training samples are found likelier."""
    value, low, high = mean_interval(known.mean() - unseen, seed=case.seed)
    return Measure(
        QUESTION, "overfitting", value,
        f"Mean {title} of {case.names[0]}, less that of {case.names[1]}: about 0 where nothing was learned by heart. "
        "Interval: bootstrap over the latter.",
        low=low, high=high, unit="nats", better="lower", space=over(case.run, case.test),
    )


def mass_of(run: Run, data: Data) -> Mass:
    """Returns whether nats are of probabilities or of densities, where the run says so; none if they are of neither."""
    if run.chain.binary and not two_valued(data.x):
        return "none"
    discrete = run.chain.discrete
    if discrete and run.density_over() == "the data" and run.spec.kind == "image" and not on_levels(data):
        return "unknown"
    return "unknown" if discrete is None else "probability" if discrete else "density"


def on_levels(data: Data) -> bool:
    """Returns whether all values are 8-bit levels, as images from files are, and arrays of numbers may not be."""
    return eight_bit(data) or all(bool(((255 * part).round() - 255 * part).abs().max() < 0.01)
                                  for part in data.x.split(PART))


def over(run: Run, data: Data) -> str:
    """Returns of what the nats are: values of a density and of a probability do not compare."""
    nouns = {"probability": "probability", "density": "density", "unknown": "density or probability",
             "none": "cross-entropy"}
    noun = nouns[mass_of(run, data)]
    return f"{noun} of {run.density_over()}{' in 8 bits' if eight_bit(data) else ''}"


def about(run: Run, data: Data) -> str:
    """Returns what a reader must know before comparing nats."""
    mass = mass_of(run, data)
    said = {
        "probability": "The nats are of the probability of each sample.",
        "density": "The nats are of a density, which is not a probability and has no upper limit.",
        "unknown": "The run does not say whether the nats are of a density or of a probability: compare them only "
                   "with those of the same likelihood.",
        "none": "The nats are of a cross-entropy with grey values, which is no likelihood: they compare only with "
                "those of the same loss; --binarise makes the data black and white.",
    }[mass]
    rounded = " Of data rounded to 8 bits a density can be raised at will; no noise was added." \
        if eight_bit(data) and mass in ("density", "unknown") else ""
    where = run.density_over()
    return said + rounded + ("" if where == "the data" else f" They are over {where}, not over the data.")


def eight_bit(data: Data) -> bool:
    """Returns whether values are 8-bit levels, which a method sees as multiples of 1/255."""
    return data.x.dtype == torch.uint8
