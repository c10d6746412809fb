"""A study: the panel's methods one after the other, under one budget, and a report after each."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Never

from tacit.catalog import method_class
from tacit.data.dataset import Data
from tacit.data.facts import facts_of
from tacit.errors import Interrupted, OptionError, TacitError
from tacit.evaluation import counting
from tacit.evaluation.counting import Counted, count_clusters
from tacit.evaluation.evaluate import FILE as EVALUATION
from tacit.evaluation.evaluate import Evaluation, evaluate
from tacit.evaluation.questions import QUESTIONS
from tacit.evaluation.spaces import space_of
from tacit.functional.draws import some
from tacit.runs.config import Record
from tacit.runs.fitting import fit
from tacit.runs.fitting import resume as resume_run
from tacit.runs.folder import is_run
from tacit.runs.loading import load
from tacit.runs.log import Log
from tacit.runs.run import Run
from tacit.study.beginning import begun, check_place, command_of, place_of, reopened
from tacit.study.journal import Journal
from tacit.study.panel import FIRST, SHORT, Plan
from tacit.study.result import Member, StudyResult
from tacit.study.samples import write_samples
from tacit.study.scenes import Scenes
from tacit.study.verdicts import chosen_representation, judge, judged
from tacit.training.fitted import ended_after
from tacit.training.signals import handled

__all__ = ["Study", "conduct"]

Say = Callable[[str], None]
Publish = Callable[[StudyResult], None]

TOGETHER = 3.0  # seconds within which a second signal ends the study, and not only the next method
LEAST = 3.0  # seconds of training, or of measuring, that are worth a start
USUAL = 10.0  # minutes
COUNTS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20)  # of clusters that are looked at
SAMPLES = {3.0: (1_000, 150), 20.0: (2_000, 200)}  # measured on, and made to be measured, up to so many minutes
MOST = (5_000, 1_000)  # with more time; few are made, since some methods take a second for each
SAMPLED = "samples"  # the question whose answers depend on the features
OVER = 0.03  # share of the budget by which measuring may exceed it
OVERHEAD = 0.03  # of the budget that looking at a member takes, before one was looked at


def conduct(
    source: Any,
    *,
    minutes: float | None = None,
    methods: Sequence[str] = (),
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    add: Sequence[str] = (),
    overwrite: bool = False,
    seed: int = 0,
    command: str = "",
    publish: Publish = lambda _: None,
    say: Say = lambda _: None,
    **reading: Any,
) -> StudyResult:
    """Tries a panel of methods on data, and tells what each found.

    Every method becomes an ordinary run in the study's folder. A method that fails is noted with its reason. One
    interruption goes on to the next method; two end the study, with everything kept.

    Arguments:
        source: What `tacit.open_data` takes; or, to go on with a study, its folder.
        minutes: The budget, by default 10; a study that goes on gets as many again.
        methods: Those to try, by name; by default a panel chosen by kind of data and budget.
        out: The study's folder; by default ``runs/study-NAME``.
        resume: Whether to go on with a study that was ended.
        add: Methods to add to a study.
        overwrite: Whether a study at `out` is replaced.
        seed: Of every run and every draw.
        command: The command line, for the record.
        publish: Called with the result after each method.
        say: Called with each line for a person.
        reading: How the data are read, options of `ReadOptions`.

    Returns:
        What was found.

    Raises:
        UserError: If the data, an option or the folder do not allow it.

    Example:
        >>> import tempfile
        >>> found = conduct("digits", minutes=0.2, methods=["pca"], out=tempfile.mkdtemp(), limit=200)
        >>> [m.title for m in found.members]
        ['pca']
    """
    if minutes is not None and minutes <= 0:
        raise OptionError(f"--minutes is {minutes}; it must be above 0")
    began = time.perf_counter()
    log, folder = Log(say), place_of(source, out)
    if resume or add:
        journal, data, more = reopened(folder, source, minutes, add, reading, log)
    else:
        check_place(folder, source, overwrite=overwrite)
        journal, data = begun(source, minutes or USUAL, methods, seed, command, reading, log)
        more = journal.minutes
        if overwrite and folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        journal.write(folder)
    log.settle(folder)
    study = Study(folder, data, journal, more, publish, log, began=began)
    with handled(study.interrupt, signal.SIGINT, signal.SIGTERM):
        return study.go(last=len(add) if add and not resume else len(journal.plans))


class Study:
    """A study under way.

    Arguments:
        folder: Where it lies.
        data: Its data.
        journal: How far it is.
        minutes: The time that it has from now on.
        publish: Called with the result after each method.
        say: Takes lines for a person.
        began: When its time began, by `time.perf_counter`; by default now.
    """

    def __init__(self, folder: Path, data: Data, journal: Journal, minutes: float, publish: Publish, say: Say, *,
                 began: float | None = None) -> None:
        self.folder, self.data, self.journal, self.publish, self.say = folder, data, journal, publish, say
        self.began = time.perf_counter() if began is None else began
        self.before = journal.seconds
        self.seconds = 60 * minutes
        self.deadline = self.began + self.seconds
        self.stopped, self.signalled = False, -TOGETHER
        self.runs: dict[str, Run] = {}
        self.overheads: list[float] = []
        self.numbers: dict[str, Counted] = {}  # of clusters, by member
        self.facts = facts_of(data)
        self.scenes = Scenes(data, journal.seed)

    @property
    def members(self) -> tuple[Member, ...]:
        """The panel, as far as it is."""
        return self.journal.members

    @property
    def left(self) -> float:
        """Seconds until the budget ends."""
        return self.deadline - time.perf_counter()

    def interrupt(self, number: int, frame: FrameType | None) -> Never:
        """Ends what is being done; a method that trains or is fitted sees to itself."""
        raise Interrupted("interrupted", final=number == signal.SIGTERM)

    def go(self, last: int) -> StudyResult:
        """Takes up what was done before, tries the last few members that wait, and returns what all found."""
        for fact in self.facts.warnings:
            self.say(f"mind: {fact.name}: {fact.value}")
        done = [i for i, own in enumerate(self.members) if own.state == "done"]
        for i in done:
            self.guarded(i, self.recall)
        if done:  # taking them up costs no other member its time
            self.deadline = time.perf_counter() + self.seconds
        for i in range(len(self.members) - last, len(self.members)):
            if not self.stopped and self.members[i].state != "done":
                self.guarded(i, self.attempt)
        with contextlib.suppress(Interrupted):
            self.compare_samples()
        result = self.result()
        if self.runs:
            for path in write_samples(result, self.runs, self.data, self.folder):
                self.say(f"wrote {path}")
        self.publish(result)
        return result

    # One member after the other -------------------------------------------------------------------------------------

    def guarded(self, i: int, act: Callable[[int], None]) -> None:
        """Does something with a member, and notes how it ended: nothing that goes wrong with one ends the study."""
        try:
            act(i)
        except Interrupted as end:
            now = time.perf_counter()
            self.stopped = end.final or now - self.signalled < TOGETHER
            self.signalled = now
            if self.members[i].state == "running":
                self.change(i, state="interrupted", reason=str(end))
            self.say("interrupted; everything is kept" if self.stopped else
                     f"interrupted: {self.members[i].name}; going on (interrupt twice to end the study)")
        except TacitError as error:
            self.fail(i, str(error))
        except Exception as error:  # one faulty method must not cost the others
            self.fail(i, f"{type(error).__name__}: {error}; this is a fault of tacit")

    def fail(self, i: int, reason: str) -> None:
        """Notes what went wrong with a member: a run that is there stays, whatever could not be made of it."""
        state = "done" if self.members[i].state == "done" else "failed"
        self.change(i, state=state, reason=" ".join(reason.split()))
        self.say(f"{self.members[i].name}: {reason}")

    def recall(self, i: int) -> None:
        """Takes up a member that was done before."""
        own = self.members[i]
        run = self.runs[own.name] = load(self.folder / own.name)
        self.scenes.look(own.name, run)
        self.measure(i, run)

    def attempt(self, i: int) -> None:
        """Fits a member, looks at it, measures it, publishes."""
        own, began = self.members[i], time.perf_counter()
        standing = self.standing(self.journal.plans[i])
        if isinstance(standing, str):
            return self.change(i, state="left out", reason=standing)
        if self.left < LEAST:
            return self.change(i, state="waiting", reason="the time was up; --resume goes on")
        features = self.features()
        run = self.runs[own.name] = self.fitted(i, standing)
        fitted = time.perf_counter()
        self.scenes.look(own.name, run)
        if not any(m.evaluation for m in self.members):
            self.publish(self.result())  # the first pictures before the first figures
        self.measure(i, run)
        if self.features() != features:
            self.compare_samples()
        self.overheads.append(time.perf_counter() - fitted)
        self.say(f"{own.name}: {run.title} in {fitted - began:.0f} s, looked at in {self.overheads[-1]:.0f} s")
        self.publish(self.result())

    def change(self, i: int, **news: Any) -> None:
        """Notes news of a member, here and on disk."""
        members = list(self.members)
        members[i] = dataclasses.replace(members[i], **news)
        seconds = self.before + time.perf_counter() - self.began
        self.journal = dataclasses.replace(self.journal, members=tuple(members), seconds=seconds)
        self.journal.write(self.folder)

    def standing(self, plan: Plan) -> Run | Data | str:
        """Returns on what a member is fitted, or why it need not be."""
        if not plan.on:
            return self.data
        first = next((m.name for m in self.members if m.seat == FIRST and m.name in self.runs), None)
        if plan.on == FIRST:
            return self.runs[first] if first else self.data
        best = chosen_representation(self.members)
        if best is None:
            return "no representation is surely better than the data themselves"
        for name in (m.name for m in self.members if m.seat == plan.seat and m.name in self.runs):
            parent = self.runs[name].parent
            if parent is not None and parent.path.resolve() == self.runs[best].path.resolve():
                return f"the best representation is that of {best}, and {name} stands on it already"
        return self.runs[best]

    def fitted(self, i: int, standing: Run | Data) -> Run:
        """Fits a member, or goes on where it was interrupted."""
        own, plan = self.members[i], self.journal.plans[i]
        place, began = self.folder / own.name, time.perf_counter()
        begun = own.state in ("interrupted", "running") and is_run(place)
        if begun and Record.read(place).state == "finished":  # it was interrupted while its pictures were drawn
            run = load(place)
        elif begun and (place / "state").is_dir():
            run = resume_run(place, say=self.aside)
        else:
            countable = "clusters" in inspect.signature(method_class(plan.method)).parameters
            options: dict[str, Any] = self.counted(own.name, standing) if countable else {}
            minutes = self.minutes(i)
            options |= {"minutes": minutes, "seed": self.journal.seed}
            command = command_of(plan, standing if isinstance(standing, Run) else None, self.data, options)
            self.change(i, state="running", minutes=minutes if plan.share else None, command=command, reason="")
            run = fit(plan.method, standing, out=place, overwrite=place.exists(), command=command, say=self.aside,
                      **options)
        self.change(i, state="done", title=run.title, reason="", seconds=own.seconds + time.perf_counter() - began)
        return run

    def aside(self, line: str) -> None:
        """Says what a member says, but where its pictures are."""
        if not line.startswith("picture: "):
            self.say(f"  {line}")

    def minutes(self, i: int) -> float:
        """Returns the time that a member gets: all that is left, or its share of what training can have."""
        waiting = [(p, m) for p, m in zip(self.journal.plans[i:], self.members[i:], strict=True)
                   if m.state not in ("done", "failed", "left out")]
        plan = self.journal.plans[i]
        if not plan.share:
            return max(self.left, LEAST) / 60
        fits = [m.seconds for m, p in zip(self.members, self.journal.plans, strict=True)
                if m.state == "done" and not p.share]
        slow = sorted(self.overheads)[len(self.overheads) // 2 :] or [OVERHEAD * self.seconds]  # later ones are slower
        each = sum(slow) / len(slow)
        stroke = max(fits, default=0.0)  # those to come are maps and clusters, not the quickest
        reserve = each * (len(waiting) + 1) + stroke * sum(not p.share for p, _ in waiting)
        share = plan.share / sum(p.share for p, _ in waiting)
        return max(LEAST, share * (self.left - reserve)) / 60

    def counted(self, name: str, standing: Run | Data) -> dict[str, Any]:
        """Returns how many clusters there are, as an option; nothing where none can be told apart."""
        few = self.data.take(some(self.data.training, counting.MOST, self.journal.seed))
        if len(few) < counting.LEAST:
            return {}
        x = standing.encode(few) if isinstance(standing, Run) else few.everything()
        found = count_clusters(x.flatten(1).float(), COUNTS, seed=self.journal.seed)
        self.numbers[name] = found
        self.aside(str(found))
        return {"clusters": found.chosen} if found.chosen else {}

    # What was found -------------------------------------------------------------------------------------------------

    def measure(self, i: int, run: Run) -> None:
        """Asks a member all that it can answer and was not asked before."""
        known = known_of(run)
        answered = {m.question for m in known.measures} | {q.partition(":")[0] for q in known.silent} if known else ()
        missing = tuple(q for q in self.questions(i, run) if q not in answered)
        if missing:
            known = self.answers(i, run, missing) or known
        counted = self.numbers.get(self.members[i].name)
        if known is not None and counted is not None:
            more = counted.measures(f"Training samples of {self.data.name}")
            known = dataclasses.replace(known, measures=(*known.measures, *more))
            known.write(run.path)
        self.change(i, evaluation=known)

    def answers(self, i: int, run: Run, questions: tuple[str, ...]) -> Evaluation | None:
        """Puts questions to a member, and returns the answers that there is time for; each is kept as it is found."""
        limit, made = next((n for most, n in SAMPLES.items() if self.journal.minutes <= most), MOST)
        try:
            with ended_after(max(self.left + OVER * self.seconds, LEAST) / 60, "measuring"):
                return evaluate(run, only=questions, features=self.features(), limit=limit, made=made,
                                seed=self.journal.seed)
        except Interrupted:
            raise
        except TacitError as error:
            self.change(i, reason=f"not all of it was measured: {error}")
            self.aside(str(error))
            return known_of(run)

    def features(self) -> str:
        """Returns in which features samples are compared: a random network sees texture, a learned one sees more."""
        makers = [name for name, run in self.runs.items() if "Samples" in run.capabilities]
        long = self.journal.minutes >= SHORT  # wide features take their time
        name = judge(self.members, makers) if long and self.data.spec.kind == "image" else None
        return str(self.folder / name) if name in self.runs else "random"

    def compare_samples(self) -> None:
        """Measures again the samples that were measured in other features than the last ones were."""
        space = space_of(self.features(), next(iter(self.runs.values())), self.journal.seed).name if self.runs else ""
        for i, own in enumerate(self.members):
            sampled = [m for m in own.evaluation.measures if m.question == SAMPLED] if own.evaluation else []
            if self.stopped or not sampled or any(m.space == space for m in sampled):
                continue
            if self.left + OVER * self.seconds < LEAST:
                return self.say("no time is left to measure all samples in the same features; --resume does")
            self.say(f"{own.name}: measuring its samples again, in {space}")
            self.change(i, evaluation=self.answers(i, self.runs[own.name], (SAMPLED,)) or own.evaluation)

    def questions(self, i: int, run: Run) -> tuple[str, ...]:
        """Returns what a member is asked: what it can answer, and what it is compared with only once."""
        moot = set() if self.members[i].seat == FIRST else {"baselines"}
        if self.data.label is None or self.journal.minutes < SHORT:
            moot |= {"representation", "baselines"}
        if self.journal.minutes < SHORT:  # bounds of many draws take longer than that leaves, as probes do
            moot.add("likelihood")
        asked = (q.name for q in QUESTIONS if q.capability in run.capabilities and not q.named)
        return tuple(name for name in asked if name not in moot)

    def result(self) -> StudyResult:
        """Returns what was found so far."""
        verdicts = judged(self.members)
        return StudyResult(
            name=self.data.name, folder=self.folder, command=self.journal.command, minutes=self.journal.minutes,
            seconds=self.before + time.perf_counter() - self.began, facts=self.facts, members=self.members,
            verdicts=verdicts, finished=all(m.state in ("done", "failed", "left out") for m in self.members),
            stopped=self.stopped,
            **self.scenes.ordered(self.members, self.runs, verdicts),
        )


def known_of(run: Run) -> Evaluation | None:
    """Returns what was measured of a run so far, or None."""
    return Evaluation.read(run.path) if (run.path / EVALUATION).is_file() else None
