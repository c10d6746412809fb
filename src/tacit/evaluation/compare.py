"""Runs side by side: only what was measured on the same samples, in the same way, in the same features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tacit.errors import OptionError
from tacit.evaluation.evaluate import Evaluation
from tacit.evaluation.measure import Measure

__all__ = ["Comparison", "Line", "compare", "overlap"]

GROUND = {  # how each part of the ground is called when it differs
    "fingerprint": "data",
    "split": "split",
    "sample": "size of a sample",
    "against": "data evaluated against",
    "drawn": "samples drawn",
    "space": "feature space",
}
SPREAD = 2.0  # times more steps, or seconds of training, from which a difference is said


@dataclass(frozen=True)
class Line:
    """One measure of all runs that have it.

    Arguments:
        measures: By run, in the order of the comparison; None where a run has none.
        best: The best run, and those whose interval touches its own; empty where that is all, or neither way is better.
    """

    measures: tuple[Measure | None, ...]
    best: frozenset[int]

    @property
    def about(self) -> Measure:
        """Any of its measures: they share question, name, unit and space."""
        return next(m for m in self.measures if m is not None)


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Arguments:
        runs: Their evaluations.
        lines: What was measured of at least one.
        flags: Differences between the runs that a reader must know, each a sentence.
    """

    runs: tuple[Evaluation, ...]
    lines: tuple[Line, ...]
    flags: tuple[str, ...]


def compare(runs: Sequence[Evaluation], *, anyway: bool = False) -> Comparison:
    """Sets evaluations side by side.

    Arguments:
        runs: At least two.
        anyway: Whether runs that differ in their data are compared all the same, with the differences flagged.

    Raises:
        OptionError: If there are fewer than two, or they differ in data, split or size.
    """
    if len(runs) < 2:
        raise OptionError(f"a comparison needs at least two runs; there {'is one' if runs else 'are none'}")
    differences = {what: [str(r.ground.get(key)) for r in runs] for key, what in GROUND.items()}
    differences = {what: values for what, values in differences.items() if len(set(values)) > 1}
    used = {r.ground.get("space") for r in runs if any(m.space == r.ground.get("space") for m in r.measures)}
    if len(used) < 2:
        differences.pop(GROUND["space"], None)  # nothing that was measured depends on the difference
    grave = [what for what in differences if what != GROUND["space"]]
    if grave and not anyway:
        raise OptionError(f"the runs differ in {' and '.join(grave)}, so that their values do not compare: "
                          f"{told(grave[0], runs, differences)}. Evaluate them on the same data with --against DATA, "
                          "or say --anyway to set them side by side all the same")
    flags = [f"they differ in {told(what, runs, differences)}" for what in differences]
    keys = list(dict.fromkeys(m.key for r in runs for m in r.measures))
    questions = list(dict.fromkeys(question for question, *_ in keys))
    keys.sort(key=lambda key: questions.index(key[0]))  # a question's lines together, else in order
    lines = tuple(line(tuple(find(r, key) for r in runs)) for key in keys)
    return Comparison(tuple(runs), lines, tuple([*flags, *unequal(runs)]))


def told(what: str, runs: Sequence[Evaluation], differences: Mapping[str, Sequence[str]]) -> str:
    """Returns a difference in words."""
    shown = [r.ground.get("data") for r in runs] if what == GROUND["fingerprint"] else differences[what]
    return f"{what} ({', '.join(f'{r.run}: {v}' for r, v in zip(runs, shown, strict=True))})"


def unequal(runs: Sequence[Evaluation]) -> list[str]:
    """Returns in words where one run had far more training than another."""
    flags = []
    for key, unit in (("seconds", "s of training"), ("parameters", "parameters")):
        known = {r.run: float(r.cost[key]) for r in runs if r.cost.get(key)}
        if known and max(known.values()) > SPREAD * min(known.values()):
            amounts = ", ".join(f"{name}: {value:,.0f}" for name, value in known.items())
            flags.append(f"they differ in {unit} ({amounts})")
    return flags


def find(run: Evaluation, key: tuple[str, str, str, str]) -> Measure | None:
    """Returns a run's measure of a key, or None."""
    return next((m for m in run.measures if m.key == key), None)


def line(measures: tuple[Measure | None, ...]) -> Line:
    """Returns a line, with the best of it."""
    known = {i: m for i, m in enumerate(measures) if m is not None}
    better = next(iter(known.values())).better
    if not better or len(known) < 2:
        return Line(measures, frozenset())
    sign = 1 if better == "higher" else -1
    top = max(known, key=lambda i: sign * known[i].value)
    best = frozenset(i for i, m in known.items() if i == top or overlap(m, known[top]))
    return Line(measures, best if len(best) < len(known) else frozenset())


def overlap(a: Measure, b: Measure) -> bool:
    """Returns whether two intervals touch; a value without one is an interval of no width."""
    (low_a, high_a), (low_b, high_b) = a.span, b.span
    return low_a <= high_b and low_b <= high_a
