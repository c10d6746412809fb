"""Learn from everything, classify from few labels: accuracy against the number of labels, for a panel of methods."""

from __future__ import annotations

import dataclasses
import math
import os
import shutil
import signal
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Never

import scipy.stats
import torch
from torch import Tensor

from tacit.catalog import row
from tacit.data.dataset import Data
from tacit.data.labels import few
from tacit.data.open import open_source
from tacit.data.options import ReadOptions
from tacit.errors import DataError, Interrupted, OptionError, TacitError
from tacit.evaluation.case import known_labels
from tacit.evaluation.probing import Features, linear_probe, standardised
from tacit.evaluation.representation import flat, values
from tacit.evaluation.untrained import untrained
from tacit.pictures.few_labels import accuracy_curves
from tacit.runs.config import Record
from tacit.runs.fitting import fit
from tacit.runs.fitting import resume as resume_run
from tacit.runs.folder import is_run
from tacit.runs.loading import load
from tacit.runs.run import Run
from tacit.study.few_labels_journal import FILE, FIT, PICTURE, Journal
from tacit.study.few_labels_panel import Asked, Member, panel, usual
from tacit.training.signals import handled

__all__ = ["FILE", "PICTURE", "FewLabels", "Gain", "cell", "few_labels", "interval"]

Say = Callable[[str], None]

COUNTS, REPEATS, LEVEL = (10, 30, 100, 300, 1000), 5, 0.95
PIECE = 512  # samples that are represented at a time


@dataclass(frozen=True)
class Gain:
    """By how much the unlabelled samples helped, with a number of labels.

    Arguments:
        labels: Number of labels, over all classes.
        best: Title of the best member that learned from unlabelled samples.
        reference: Title of the member that learned from the labels alone.
        mean: Difference of their accuracies, mean over the draws of labels.
        ends: Its 95 % interval, by Student's t over the draws, of which both had the same.
    """

    labels: int
    best: str
    reference: str
    mean: float
    ends: tuple[float, float]


@dataclass(frozen=True)
class FewLabels:
    """What each member reached.

    Arguments:
        folder: Where ``few-labels.json``, its picture and the pre-trained runs are.
        members: The panel, in order.
        accuracies: Share of the held-out samples named right: by title, by number of labels, one for each draw.
        stopped: Whether a person ended it.
    """

    folder: Path
    members: tuple[Member, ...]
    accuracies: Mapping[str, Mapping[int, Sequence[float]]]
    stopped: bool = False

    def gains(self) -> Iterator[Gain]:
        """Yields, for each number of labels, what the best member has more than the supervised one.

        Its interval allows for the choice of the best among several (Bonferroni).
        """
        alone = [m.title for m in self.members if m.kind == "labels" and row(m.method).family == "supervised"]
        others = [m.title for m in self.members if m.kind in ("pre-trained", "labels") and m.title not in alone]
        for labels in sorted({c for found in self.accuracies.values() for c in found}):
            known = {title: found[labels] for title, found in self.accuracies.items() if labels in found}
            best, reference = (max((t for t in titles if t in known), key=lambda t: statistics.fmean(known[t]),
                                   default=None) for titles in (others, alone))
            if best is not None and reference is not None:
                more = [a - b for a, b in zip(known[best], known[reference], strict=False)]
                among = sum(title in known for title in others)
                yield Gain(labels, best, reference, statistics.fmean(more), interval(more, -1.0, among))


def interval(draws: Sequence[float], least: float = 0.0, among: int = 1) -> tuple[float, float]:
    """Returns the ends of the 95 % interval of a mean by Student's t; the mean twice where there is one draw.

    Arguments:
        draws: Shares, or differences of shares.
        least: The least value that a mean can have; the greatest is 1.
        among: Of how many means this one was chosen.

    Example:
        >>> [round(end, 3) for end in interval([0.7, 0.8, 0.75])]
        [0.626, 0.874]
    """
    mean = statistics.fmean(draws)
    if len(draws) < 2:
        return mean, mean
    error = statistics.stdev(draws) / math.sqrt(len(draws))
    reach = error * float(scipy.stats.t.ppf(1 - (1 - LEVEL) / 2 / among, len(draws) - 1))
    return max(least, mean - reach), min(1.0, mean + reach)


def few_labels(
    source: Any,
    *,
    counts: Sequence[int] = COUNTS,
    methods: Asked | None = None,
    repeats: int = REPEATS,
    shared: Mapping[str, Any] | None = None,
    out: str | os.PathLike[str] = "runs/few",
    overwrite: bool = False,
    seed: int = 0,
    command: str = "",
    say: Say = lambda _: None,
    **reading: Any,
) -> FewLabels:
    """Measures how well classes are known from few labels, with and without what unlabelled samples teach.

    Of the training samples only so many keep their label, evenly over the classes, the same for every member. Methods
    that need no labels learn from all samples once, and a linear probe reads their code; methods that learn from
    labels are fitted anew for each draw, on all samples. All labelled held-out samples are asked of. What is in
    ``few-labels.json`` already is not measured again.

    Arguments:
        source: What `tacit.open_data` takes.
        counts: Numbers of labels, over all classes.
        methods: Options of the members, by title, as ``{"vae": {}, "m2 on vae": {"latent": 8}}``; by default a panel
            from the catalogue.
        repeats: How often labels are drawn.
        shared: Options for every method that knows them, as ``{"net": "mlp", "steps": 1000}``.
        out: The folder.
        overwrite: Whether what is there is replaced.
        seed: Of the draws and of every fit.
        command: The command line, for the record.
        say: Called with each line for a person.
        reading: How the data are read, options of `ReadOptions`.

    Raises:
        UserError: If the data have no labels or too few, or an option or the folder does not allow it.
    """
    data = open_source(source, ReadOptions.from_dict(reading), say=say)
    check(data, counts, repeats)
    members = panel(data.spec, usual(data.spec.kind) if methods is None else methods, shared or {})
    journal = Journal.opened(Path(out), data, members, seed, command, overwrite=overwrite)
    work = Work(data, members, sorted(set(counts)), repeats, seed, journal, say)
    with handled(work.interrupt, signal.SIGINT, signal.SIGTERM):
        return work.go()


def check(data: Data, counts: Sequence[int], repeats: int) -> None:
    """Raises what can be said of the data and the numbers before anything is fitted."""
    if data.label is None or not data.spec.classes:
        raise DataError(f"{data.source} has no labels, of which a few could be kept; --labels names them")
    if not (data.label[data.testing] >= 0).any():
        raise DataError(f"{data.source} has no labelled held-out sample, of which the class could be asked; --split "
                        "0.2 holds a fifth out")
    if not counts or repeats < 1:
        raise OptionError(f"{len(counts)} --counts and {repeats} --repeats leave nothing to measure; give one of each")
    known, classes = int((data.label[data.training] >= 0).sum()), len(data.spec.classes)
    for count in counts:
        if not classes <= count <= known:
            raise OptionError(f"--counts has {count:,}; expected one label for each of {classes:,} classes or more, "
                              f"and no more than the {known:,} training samples that have one")


# The measuring -------------------------------------------------------------------------------------------------------


class Work:
    """The panel at work.

    Arguments:
        data: All samples with all labels.
        members: The panel.
        counts: Numbers of labels, ascending.
        repeats: Draws of labels.
        seed: Of the first draw; each further one has the next.
        journal: What was found before.
        say: Takes lines for a person.
    """

    def __init__(self, data: Data, members: Sequence[Member], counts: Sequence[int], repeats: int, seed: int,
                 journal: Journal, say: Say) -> None:
        self.data, self.members, self.counts, self.repeats = data, tuple(members), counts, repeats
        self.seed, self.journal, self.say = seed, journal, say
        self.known = known_labels(data)
        judged = data.testing[self.known[data.testing] >= 0]
        self.test, self.right = data.take(judged), self.known[judged]
        self.runs: dict[str, Run] = {}

    def interrupt(self, number: int, frame: FrameType | None) -> Never:
        """Ends what is being done; a method that is being fitted sees to itself."""
        raise Interrupted("interrupted", final=True)

    def go(self) -> FewLabels:
        """Measures what is missing, draw after draw, so that whenever it ends all numbers of labels have something."""
        stopped = False
        try:
            for own in self.members:
                if own.kind != "labels":
                    self.guarded(own, self.probe)
            for draw in range(self.repeats):
                for count in self.counts:
                    for own in self.members:
                        if own.kind == "labels" and self.missing(own, count, draw):
                            self.guarded(own, self.teach, count, draw)
        except Interrupted:
            stopped = True
        shutil.rmtree(self.journal.folder / FIT, ignore_errors=True)
        found = FewLabels(self.journal.folder, self.members, self.chosen(), stopped)
        self.draw(found)
        return found

    def guarded(self, own: Member, act: Callable[..., None], *args: int) -> None:
        """Does something for a member; where it fails, the others go on."""
        try:
            act(own, *args)
        except Interrupted:
            raise
        except TacitError as error:
            self.say(f"{own.title}: {error}")

    def missing(self, own: Member, count: int, draw: int) -> bool:
        """Returns whether a draw of labels was not measured before."""
        return len(self.journal.accuracies.get(own.title, {}).get(count, ())) <= draw

    def kept(self, count: int, draw: int) -> Tensor:
        """Returns the labels of a draw, int64 (N,), -1 for none; held-out samples keep theirs."""
        return few(self.known, self.data.held_out, self.data.ids, count, self.seed + draw)[0]

    def probe(self, own: Member) -> None:
        """Reads a representation by a linear probe, from every draw of labels."""
        wanted = [(count, draw) for draw in range(self.repeats) for count in self.counts
                  if self.missing(own, count, draw)]
        if not wanted:
            return
        train, test = (self.represented(own, side) for side in (self.data.take(self.data.training), self.test))
        features = standardised(Features(train, self.known[self.data.training], test, self.right))
        for count, draw in wanted:
            label = self.kept(count, draw)[self.data.training]
            some = (label >= 0).nonzero().flatten()
            guessed = linear_probe(features.train[some], label[some], features.test)
            self.journal.add(own.title, count, float((guessed == self.right).double().mean()))
        self.say(f"{own.title}: {', '.join(told(self.journal.accuracies[own.title], self.counts))}")

    def represented(self, own: Member, data: Data) -> Tensor:
        """Returns what a member's probe sees of samples, as rows."""
        if own.kind == "data":
            return torch.cat([values(data.take(i)) for i in torch.arange(len(data)).split(PIECE)])
        run = self.run_of(own.on or own.title)
        if own.kind == "untrained":
            run = untrained(run, self.data.take(self.data.training), self.seed)
        return torch.cat([flat(run.encode(data.take(i))) for i in torch.arange(len(data)).split(PIECE)])

    def run_of(self, title: str) -> Run:
        """Returns a pre-trained run: fitted on all training samples, once, without any label."""
        if title in self.runs:
            return self.runs[title]
        own = next(m for m in self.members if m.title == title)
        place = self.journal.folder / title.replace(" ", "-")
        if is_run(place) and Record.read(place).state == "finished":
            run = load(place)
        elif is_run(place) and (place / "state").is_dir():
            run = resume_run(place)
        else:
            self.say(f"{title}: learning from {len(self.data.training):,} samples without labels")
            run = fit(own.method, self.data, out=place, overwrite=place.exists(), seed=self.seed, **own.options)
        self.runs[title] = run
        return run

    def teach(self, own: Member, count: int, draw: int) -> None:
        """Fits a method on all training samples, from the labels of one draw; the run is not kept."""
        data = dataclasses.replace(self.data, label=self.kept(count, draw))
        under = self.run_of(own.on) if own.on else None
        source = Run(under.path, under.record, under.chain, under.parent, data) if under else data
        run = fit(own.method, source, out=self.journal.folder / FIT, overwrite=True, seed=self.seed + draw,
                  **own.options)
        reached = float((run.classify(self.test).argmax(1) == self.right).double().mean())
        self.journal.add(own.title, count, reached)
        self.say(f"{own.title}: {reached:.1%} with {count:,} labels, draw {draw + 1} of {self.repeats}")

    def chosen(self) -> dict[str, dict[int, list[float]]]:
        """Returns what was found of what was asked for, in the panel's order."""
        found = self.journal.accuracies
        return {m.title: {c: found[m.title][c][: self.repeats] for c in self.counts if c in found[m.title]}
                for m in self.members if m.title in found}

    def draw(self, found: FewLabels) -> None:
        """Draws the curves, if there is any."""
        curves = {title: [(c, statistics.fmean(a), *interval(a)) for c, a in known.items()]
                  for title, known in found.accuracies.items() if known}
        if not curves:
            return
        plain = [m.title for m in self.members if m.kind in ("data", "untrained")]
        most = max(len(a) for known in found.accuracies.values() for a in known.values())
        about = (f"accuracy on {len(self.test):,} held-out samples; {len(self.data.training):,} training samples, of "
                 f"which only so many have a label; mean and 95 % interval over {most} draws of labels")
        accuracy_curves(curves, found.folder / PICTURE, plain=plain, title=f"{self.data.name}: classes from few labels",
                        subtitle=about)


def cell(draws: Sequence[float]) -> str:
    """Returns a mean and its interval as a person reads them, in per cent.

    Example:
        >>> cell([0.7, 0.8, 0.75])
        '75.0 [62.6, 87.4]'
    """
    mean, (low, high) = statistics.fmean(draws), interval(draws)
    return f"{100 * mean:.1f} [{100 * low:.1f}, {100 * high:.1f}]" if len(draws) > 1 else f"{100 * mean:.1f}"


def told(known: Mapping[int, Sequence[float]], counts: Sequence[int]) -> list[str]:
    """Returns the means as a person reads them."""
    return [f"{statistics.fmean(known[c]):.1%} with {c:,}" for c in counts if c in known]
