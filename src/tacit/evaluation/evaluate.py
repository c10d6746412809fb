"""All questions that a run can answer, asked on the same samples, and written beside it."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch

from tacit.data.dataset import Data
from tacit.errors import CapabilityError, DataError, OptionError, RunError, UserError
from tacit.evaluation.case import MADE, USUAL, Case, Effort, drawn
from tacit.evaluation.measure import Measure
from tacit.evaluation.questions import Question, chosen
from tacit.evaluation.spaces import space_of
from tacit.protocol import CALLS
from tacit.runs.folder import write_atomically
from tacit.runs.loading import load
from tacit.runs.log import read_lines
from tacit.runs.run import Run

__all__ = ["FILE", "Evaluation", "evaluate"]

FILE = "evaluation.json"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Evaluation:
    """What was measured of one run, and all that another run must share to be set beside it.

    Arguments:
        run: The run's folder, as its name.
        method: Its methods, from the last to the root.
        ground: On what: source and fingerprint of the data, their split, what one sample is, the samples drawn.
        cost: What the run took: parameters, steps.
        measures: The answers.
        silent: Why a question has no answer, by its name.
    """

    run: str
    method: str
    ground: Mapping[str, Any]
    cost: Mapping[str, Any]
    measures: tuple[Measure, ...] = ()
    silent: Mapping[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Writes ``evaluation.json`` into a run's folder."""
        plain = {**dataclasses.asdict(self), "measures": [m.to_dict() for m in self.measures]}
        with write_atomically(folder / FILE) as path:
            path.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return folder / FILE

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads what `write` wrote.

        Raises:
            RunError: If it is not there, or damaged.
        """
        try:
            plain = json.loads((folder / FILE).read_text(encoding="utf-8"))
            return cls(**{**plain, "measures": tuple(Measure.from_dict(m) for m in plain["measures"])})
        except FileNotFoundError:
            raise RunError(f"{folder} has not been evaluated: tacit evaluate {folder}") from None
        except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise RunError(f"{folder / FILE} cannot be read ({type(error).__name__}: {error}); "
                           f"delete it and evaluate the run again") from error


def evaluate(
    run: Run | str,
    *,
    against: Any = None,
    features: str = "random",
    only: tuple[str, ...] = (),
    limit: int = 10_000,
    made: int = MADE,
    effort: Effort = USUAL,
    seed: int = 0,
    say: Say = lambda _: None,
) -> Evaluation:
    """Asks a run every question that it can answer, and writes ``evaluation.json`` into its folder.

    An evaluation of the same run on the same ground that is there already is kept where it is not asked anew.

    Arguments:
        run: The run, or its folder.
        against: Other data to put the questions with, in place of the run's own held-out samples.
        features: In which features samples are compared with data: ``random`` for a seeded random network, the folder
            of a run that encodes, or a file of Inception weights.
        only: Names of questions; by default all that the run can answer.
        limit: Greatest number of training samples, and of held-out samples, drawn at random.
        made: Greatest number of samples that the run makes, for what is measured of them.
        effort: How much is spent on bounds of the likelihood.
        seed: Of every draw.
        say: Called with each line for a person.

    Returns:
        The evaluation.

    Raises:
        DataError: If the run's data are gone, or hold no samples that it has not seen.
        CapabilityError: If a question is named that the run cannot answer.
        OptionError: If a question or a feature space is not known, or a number is out of range.

    Example:
        >>> import tacit, tempfile
        >>> run = tacit.fit("kmeans", "digits", out=tempfile.mkdtemp())
        >>> found = evaluate(run, only=("clusters",), limit=500)
        >>> {m.question for m in found.measures}
        {'clusters'}
    """
    run = load(run)
    questions = askable(run, chosen(tuple(only)), named=bool(only))
    case = dataclasses.replace(case_of(run, against, features, limit, made, seed), effort=effort)
    ground = ground_of(run, case, against, limit)
    fresh = Evaluation(run.name, run.title, ground, cost_of(run))
    old = earlier(run.path, fresh)
    asked = {q.name for q in questions}
    kept = tuple(m for m in old.measures if m.question not in asked)
    done = dataclasses.replace(fresh, measures=kept, silent=without(old.silent, asked))
    for question in questions:
        done = put(question, case, done, say)
        done.write(run.path)  # what is found stays found
    return done


def without(silent: Mapping[str, str], asked: Collection[str]) -> dict[str, str]:
    """Returns the reasons for silence of the questions that are not asked anew."""
    return {name: reason for name, reason in silent.items() if name.partition(":")[0] not in asked}


def put(question: Question, case: Case, before: Evaluation, say: Say) -> Evaluation:
    """Puts one question to a run, and returns what is known then."""
    began, found = time.perf_counter(), list(before.measures)
    silent = dict(before.silent)
    say(f"{question.name}: {question.about}")
    try:
        for measure in question.ask(case):
            label = f"{measure.name}{f' ({measure.of})' if measure.of else ''}"
            if math.isfinite(measure.value):
                found.append(measure)
            else:
                silent[f"{question.name}: {label}"] = f"came out as {measure.value}"
            say(f"  {label}: {measure}")
    except UserError as error:
        silent[question.name] = str(error)
        say(f"  left out: {error}")
    say(f"  {time.perf_counter() - began:.1f} s")
    return dataclasses.replace(before, measures=tuple(found), silent=silent)


def askable(run: Run, questions: tuple[Question, ...], *, named: bool) -> tuple[Question, ...]:
    """Returns the questions that a run can answer; raises `CapabilityError` if one was named that it cannot."""
    able = run.capabilities
    for question in questions if named else ():
        if question.capability not in able:
            can = ", ".join(CALLS[c] for c in CALLS if c in able)
            raise CapabilityError(f"the question {question.name} needs a run that can {CALLS[question.capability]}; "
                                  f"{run.method_name} can {can}")
    return tuple(q for q in questions if q.capability in able)


def case_of(run: Run, against: Any, features: str, limit: int, made: int, seed: int) -> Case:
    """Returns what questions are put to: samples that a run learned from, and samples that it has never seen."""
    if min(limit, made) < 10 or seed < 0:
        raise OptionError(f"limit is {limit}, made is {made} and seed is {seed}; they are at least 10, 10 and 0")
    own = run.data()
    unseen = own if against is None else aligned(run.open(against), own)
    positions = own.testing if against is None else torch.arange(len(unseen))
    if len(positions) < 2:
        raise DataError(f"{own.source} holds {len(positions)} held-out samples and an evaluation needs some that the "
                        "run has not seen; fit with a greater --split, or name other data with --against")
    train, test = drawn(own, own.training, limit, seed), drawn(unseen, positions, limit, seed)
    names = (
        f"{counted(train, own.training)} training samples of {own.name}",
        f"{counted(test, positions)} {'held-out ' if against is None else ''}samples of {unseen.name}",
    )
    return Case(run, train, test, names, space_of(features, run, seed), seed, made, run.path / "pictures")


def counted(part: Data, of: torch.Tensor) -> str:
    """Returns how many samples were drawn of how many."""
    return f"{len(part):,} of {len(of):,}" if len(part) < len(of) else f"all {len(of):,}"


def aligned(data: Data, own: Data) -> Data:
    """Returns data whose classes are numbered as a run's own are; a class that the run does not know has no number."""
    if data.label is None or data.spec.classes == own.spec.classes:
        return data
    places = {name: i for i, name in enumerate(own.spec.classes)}
    number = torch.tensor([*(places.get(name, -1) for name in data.spec.classes), -1])  # the last is for -1
    spec = dataclasses.replace(data.spec, classes=own.spec.classes)
    return dataclasses.replace(data, label=number[data.label], spec=spec)


def ground_of(run: Run, case: Case, against: Any, limit: int) -> dict[str, Any]:
    """Returns all that two runs must share for their values to be set side by side."""
    own = run.data()
    read = run.root.record.data
    return {
        "data": own.source,
        "fingerprint": own.fingerprint,
        "split": {k: read[k] for k in ("split", "split_seed", "group") if k in read} or "the default",
        "sample": str(own.spec),
        "against": None if against is None else case.test.source,
        "drawn": f"{len(case.train):,} training and {len(case.test):,} unseen samples (at most {limit:,} of each, "
                 f"seed {case.seed}); at most {case.made:,} made",
        "samples": case.test.fingerprint,
        "space": case.space.name,
    }


def cost_of(run: Run) -> dict[str, Any]:
    """Returns what a run took, so that nobody compares a minute with an hour unawares."""
    return {
        "parameters": sum(p.numel() for p in run.chain.parameters()),
        "steps": run.record.steps,
        "seconds": seconds(run.path),
    }


def seconds(folder: Path) -> float | None:
    """Returns the time that training took, from the last line of its log; None where none was written."""
    lines = read_lines(folder / "metrics.jsonl")
    return float(lines[-1]["seconds"]) if lines else None


def earlier(folder: Path, fresh: Evaluation) -> Evaluation:
    """Returns the evaluation that is there already if it is on the same ground, else the fresh one.

    Measures name the features that they were taken in, so that other ones do not make another ground.
    """
    try:
        old = Evaluation.read(folder)
    except RunError:
        return fresh
    same = {**old.ground, "space": ""} == {**fresh.ground, "space": ""} and old.cost == fresh.cost
    return old if same else fresh
