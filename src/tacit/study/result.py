"""What a study found: all that its report shows, and nothing of how it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor

from tacit.data.dataset import Data
from tacit.data.facts import Facts
from tacit.evaluation.evaluate import Evaluation
from tacit.evaluation.measure import Measure

__all__ = [
    "Card",
    "Clusters",
    "Curve",
    "Evidence",
    "Generated",
    "Map",
    "Member",
    "Restorations",
    "Restored",
    "Shown",
    "Strangest",
    "StudyResult",
    "Traversal",
    "Verdict",
]

State = Literal["waiting", "running", "done", "interrupted", "failed", "left out"]


@dataclass(frozen=True)
class Member:
    """One run of a study's panel.

    Arguments:
        name: Its folder below the study's: ``03-umap``. Views and evidence name it by this.
        title: Its methods, from the last to the root: ``kmeans on vae``.
        seat: What the panel wants it for: ``map``, ``clusters``, ``autoencoder``.
        state: How far it is.
        reason: Why it failed, waits or was left out, or what its interruption left; a sentence, or nothing.
        minutes: The time that it was given, or None where it takes what it needs.
        seconds: The time that it took.
        command: The command line that makes it again.
        evaluation: What was measured of it, or None.
    """

    name: str
    title: str
    seat: str
    state: State = "waiting"
    reason: str = ""
    minutes: float | None = None
    seconds: float = 0.0
    command: str = ""
    evaluation: Evaluation | None = None


@dataclass(frozen=True)
class Shown:
    """The samples that a report can show: drawn at random from all, so that they stand for them.

    Arguments:
        data: The samples, n of them.
        of: Number of samples that they were drawn from.
        factors: What is known of each beside what it is, n numbers or words by name: brightness, folder, date.
    """

    data: Data
    of: int
    factors: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Map:
    """A map of the shown samples.

    Arguments:
        member: Name of the member.
        places: Of the shown samples, in their order, float (n, 2).
        warning: What explains it beside meaning, a sentence: "this map is mostly brightness"; or nothing.
    """

    member: str
    places: Tensor
    warning: str = ""


@dataclass(frozen=True)
class Card:
    """One cluster.

    Arguments:
        number: The cluster; -1 for the samples in none.
        share: Its share of all samples.
        typical: Its most typical samples, most typical first.
        contrast: Members that lie nearest to another cluster, where it ends.
        apart: What sets it apart from the rest, strongest first, each a few words: "age 52.3, else 37.1".
    """

    number: int
    share: float
    typical: Data
    contrast: Data
    apart: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clusters:
    """A grouping of the samples.

    Arguments:
        member: Name of the member.
        groups: Of the shown samples, int64 (n,), -1 for none.
        cards: Its clusters, largest first.
        warning: What explains the clusters beside meaning, a sentence; or nothing.
        of: Number of samples that the shares are of, drawn at random where they are not all.
        count: Number of clusters; the largest have cards.
    """

    member: str
    groups: Tensor
    cards: tuple[Card, ...]
    warning: str = ""
    of: int = 0
    count: int = 0


@dataclass(frozen=True)
class Strangest:
    """The strangest samples by one score.

    Arguments:
        member: Name of the member.
        samples: Strangest first.
        scores: Of these samples, higher is stranger, (k,).
        reasons: Why each is strange, a few words, as far as the method can say: "capital-gain 99999, else 588".
        residuals: Where it differs from what the method expected, images in [0, 1] (k, C, H, W); or None.
        all_scores: Of the shown samples, (n,).
        of: Number of samples that were scored, drawn at random where they are not all.
    """

    member: str
    samples: Data
    scores: Tensor
    reasons: tuple[str, ...]
    residuals: Tensor | None
    all_scores: Tensor
    of: int = 0


@dataclass(frozen=True)
class Restored:
    """What one member makes of the samples of `Restorations`: x, shape (k, *spec.shape)."""

    member: str
    x: Tensor


@dataclass(frozen=True)
class Restorations:
    """Held-out samples and what each method that reconstructs makes of them.

    Arguments:
        samples: The samples, k of them, drawn at random.
        restored: By each member.
    """

    samples: Data
    restored: tuple[Restored, ...]


@dataclass(frozen=True)
class Generated:
    """New samples, each beside the training sample that is nearest to it.

    Arguments:
        member: Name of the member.
        x: New samples, shape (k, *spec.shape).
        nearest: The nearest training sample of each, by Euclidean distance in `space`.
        copied: Whether each is nearer to it than 99 of 100 held-out samples are to theirs, bool (k,).
        space: In what the distance was taken, in words.
        of: Number of training samples among which the nearest were sought, drawn at random where they are not all.
    """

    member: str
    x: Tensor
    nearest: Data
    copied: Tensor
    space: str
    of: int = 0


@dataclass(frozen=True)
class Traversal:
    """Images along lines through a representation.

    Arguments:
        member: Name of the member.
        about: What varies along a row, a sentence.
        rows: What each row is, and its images, (steps, C, H, W) in [0, 1].
    """

    member: str
    about: str
    rows: tuple[tuple[str, Tensor], ...]


@dataclass(frozen=True)
class Curve:
    """What a training logged.

    Arguments:
        member: Name of the member.
        lines: One mapping for each line of its log, with ``step`` and numbers.
        trend: Whether it was still improving when its time ended, a sentence; or nothing.
    """

    member: str
    lines: Sequence[Mapping[str, Any]]
    trend: str = ""


@dataclass(frozen=True)
class Evidence:
    """A figure that a verdict rests on: a measure of a member, which the report's table holds too."""

    member: str
    measure: Measure


@dataclass(frozen=True)
class Verdict:
    """An answer to what a person came for.

    Arguments:
        purpose: What for: "a map", "clusters", "a representation".
        answer: The name of the member to use, or nothing where there is no verdict.
        because: Why, or why there is none; one or two sentences.
        evidence: What it rests on.
        cautions: What to mind, a sentence each.
        undecided: Whether labels would decide it.
    """

    purpose: str
    answer: str
    because: str
    evidence: tuple[Evidence, ...] = ()
    cautions: tuple[str, ...] = ()
    undecided: bool = False


@dataclass(frozen=True)
class StudyResult:
    """A study, as far as it is.

    Arguments:
        name: Of the source, a short word.
        folder: Where it lies.
        command: The command line that began it.
        minutes: Its budget.
        seconds: The time that it took so far.
        facts: What can be said of the data before anything is fitted.
        shown: The samples that can be shown.
        members: The panel, in order.
        verdicts: Which method to use for what.
        maps: Best first.
        clusters: Best first.
        strangest: Best score first.
        restorations: Of held-out samples; None where no member reconstructs.
        generated: Best first.
        traversals: And interpolations, of members that encode and decode.
        curves: Of members that were trained.
        to_label: The samples whose labels would say most, in that order; None before there is a representation.
        finished: Whether all members of the panel were tried.
        stopped: Whether a person ended it.
    """

    name: str
    folder: Path
    command: str
    minutes: float
    seconds: float
    facts: Facts
    shown: Shown
    members: tuple[Member, ...]
    verdicts: tuple[Verdict, ...] = ()
    maps: tuple[Map, ...] = ()
    clusters: tuple[Clusters, ...] = ()
    strangest: tuple[Strangest, ...] = ()
    restorations: Restorations | None = None
    generated: tuple[Generated, ...] = ()
    traversals: tuple[Traversal, ...] = ()
    curves: tuple[Curve, ...] = ()
    to_label: Data | None = None
    finished: bool = False
    stopped: bool = False

    def member(self, name: str) -> Member:
        """Returns the member of a name."""
        return next(m for m in self.members if m.name == name)
