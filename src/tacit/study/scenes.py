"""What a study has to show, kept as it grows: each member is looked at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tacit.data.dataset import Data
from tacit.evaluation.shortcuts import warning_of
from tacit.evaluation.trend import trend
from tacit.runs.run import Run
from tacit.study import views
from tacit.study.result import Clusters, Curve, Generated, Map, Member, Strangest, Traversal, Verdict
from tacit.study.verdicts import CLUSTERS, MAP, NEW, STRANGE, best_representation

__all__ = ["Scenes"]

View = Map | Clusters | Strangest | Generated | Traversal | Curve
V = TypeVar("V", Map, Clusters, Strangest, Generated, Traversal, Curve)
W = TypeVar("W", Map, Clusters)

LOOKS = (views.map_of, views.clusters_of, views.strangest_of, views.generated_of, views.curve_of)


class Scenes:
    """What each member has to show.

    Arguments:
        data: The study's data.
        seed: Of every draw.
    """

    def __init__(self, data: Data, seed: int) -> None:
        self.data, self.seed = data, seed
        self.shown = views.shown_of(data, seed=seed)
        self.kept: list[View] = []
        self.to_label: dict[Path, Data] = {}  # by the run whose representation chose them: it takes seconds

    def look(self, name: str, run: Run) -> None:
        """Looks at a member."""
        asked = (name, run, self.data, self.shown, self.seed)
        found = [look(*asked) for look in LOOKS]
        self.kept += [*(view for view in found if view is not None), *views.traversals_of(*asked)]

    def of(self, kind: type[V], first: Sequence[str] = ()) -> Iterator[V]:
        """Yields all views of a kind: of the members named first, then of the others, later ones before earlier."""
        every = [view for view in reversed(self.kept) if isinstance(view, kind)]
        yield from sorted(every, key=lambda view: first.index(view.member) if view.member in first else len(first))

    def ordered(self, members: Sequence[Member], runs: Mapping[str, Run], verdicts: Sequence[Verdict]
                ) -> dict[str, Any]:
        """Returns all that there is to show, best first, as the fields of `StudyResult`."""
        best = {v.purpose: [v.answer, *(e.member for e in v.evidence)] for v in verdicts}
        base = runs.get(best_representation(members) or next(iter(runs), ""))
        return {
            "shown": self.shown,
            "maps": tuple(warned(m, "maps", members) for m in self.of(Map, best.get(MAP, []))),
            "clusters": tuple(warned(c, "clusters", members) for c in self.of(Clusters, best.get(CLUSTERS, []))),
            "strangest": tuple(self.of(Strangest, best.get(STRANGE, []))),
            "restorations": views.restorations_of(list(runs.items()), self.data, self.seed),
            "generated": tuple(self.of(Generated, best.get(NEW, []))),
            "traversals": tuple(self.of(Traversal)),
            "curves": tuple(told(c) for c in sorted(self.of(Curve), key=lambda c: c.member)),
            "to_label": self.labelled(base) if base is not None else None,
        }

    def labelled(self, base: Run) -> Data:
        """Returns the samples to be labelled first, by a run's representation."""
        if base.path not in self.to_label:
            self.to_label[base.path] = views.to_label_of(base, self.data, self.shown, seed=self.seed)
        return self.to_label[base.path]


def warned(view: W, question: str, members: Sequence[Member]) -> W:
    """Returns a view with what explains it beside meaning, as its member's measures say."""
    evaluation = next((m.evaluation for m in members if m.name == view.member), None)
    measures = evaluation.measures if evaluation is not None else ()
    return dataclasses.replace(view, warning=warning_of(m for m in measures if m.question == question))


def told(curve: Curve) -> Curve:
    """Returns a curve with what it says of more steps."""
    words = str(trend(curve.lines))
    return dataclasses.replace(curve, trend=f"It {words}." if words else "")
