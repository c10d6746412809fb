"""The page of a study: pictures first, then every figure with its protocol and the command that repeats it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import torch
from jinja2 import BaseLoader, Environment
from markupsafe import Markup
from torch import Tensor

from tacit.data.dataset import Data
from tacit.data.facts import Duplicates
from tacit.evaluation.compare import Line, compare
from tacit.evaluation.measure import Measure
from tacit.evaluation.questions import QUESTIONS
from tacit.report.comparison import Mark, marks
from tacit.report.curves import drawing
from tacit.report.media import Sample, column_names, rows, samples, side_for, thumbnails
from tacit.report.pages import environment, write
from tacit.report.payload import as_script, payload
from tacit.report.privacy import cleaner, numbered, withheld, without_places
from tacit.study.result import Card, Clusters, Generated, Member, Restorations, Strangest, StudyResult, Traversal

__all__ = ["write_report"]

PICTURES = 4_000_000  # bytes of all pictures on the page that are not the map's
GROUPS, TWINS = 24, 6  # of duplicates that are shown, and samples of each
UNREAD = 200  # files that are named
FEW = 14  # lines of a question that are all shown at once
SCRIPTS = ("payload", "view", "colours", "canvas", "gestures", "selection", "map", "page")

Context = dict[str, Any]
Key = tuple[str, str, str, str]  # of a measure


@dataclass(frozen=True)
class Gallery:
    """How samples are shown on one page.

    Arguments:
        side: Longer side of a picture, in pixels.
        numbers: What stands for each id, where ids are left out; else empty.
    """

    side: int
    numbers: Mapping[str, str]

    def ids(self, data: Data) -> list[str]:
        """Returns what samples are called."""
        return [self.numbers.get(name, "#") if self.numbers else name for name in data.ids]

    def samples(self, data: Data) -> list[Sample]:
        """Returns samples as the page shows them; without media, only what they are called."""
        return [Sample(name) for name in self.ids(data)] if self.numbers else samples(data, self.ids(data), self.side)

    def made(self, x: Tensor, like: Data) -> list[Sample]:
        """Returns what a method made, as the page shows it."""
        pictures = thumbnails(x, self.side) if like.spec.kind == "image" else [""] * len(x)
        cells = rows(x, like.spec) or [()] * len(x)
        return [Sample("", picture, row) for picture, row in zip(pictures, cells, strict=True)]


@dataclass(frozen=True)
class Figures:
    """What the members answered to one question.

    Arguments:
        name: The question.
        about: What it asks.
        members: Who has an answer.
        first: The lines that are shown at once, each with the marks on its scale.
        more: The other lines.
    """

    name: str
    about: str
    members: tuple[Member, ...]
    first: tuple[tuple[Line, list[Mark | None]], ...]
    more: tuple[tuple[Line, list[Mark | None]], ...]


def write_report(result: StudyResult, path: Path, *, share: bool = False) -> Path:
    """Writes a study as one HTML file that needs no network.

    Arguments:
        result: The study, as far as it is.
        path: Where to; what is there is replaced.
        share: Whether it is to be given away: without media, ids, names of folders and classes, and dates.
    """
    shown = withheld(without_places(result)) if share else without_places(result)
    numbers = numbered(result.facts.data) if share else {}
    html = cleaning(cleaner(result, share=share)).get_template("study.html").render(**context(shown, numbers))
    return write(html, path)


def cleaning(clean: Callable[[str], str]) -> Environment:
    """Returns what renders: every text that it puts on the page is cleaned and escaped, whichever template asks."""

    def finish(value: Any) -> Any:
        return clean(value) if isinstance(value, str) and not hasattr(value, "__html__") else value

    def source_of(name: str) -> Markup:  # a style sheet or a script as it is written, to stand inside its element
        return Markup(loader.get_source(made, name)[0])

    made = environment(finalize=finish)
    loader = cast(BaseLoader, made.loader)
    made.globals |= {"source_of": source_of, "clean": clean, "as_script": as_script}
    made.filters |= {"anchor": anchor, "duration": duration, "picture": Markup}
    return made


def context(result: StudyResult, numbers: Mapping[str, str]) -> Context:
    """Returns all that the templates are told.

    Arguments:
        result: The study, without what the page must not say.
        numbers: What stands for each id on a page without media; else empty.
    """
    data, now = result.facts.data, datetime.now()
    gallery = Gallery(side_for(pictured(result), PICTURES), numbers)
    return {
        "result": result,
        "share": bool(numbers),
        "date": f"{now.day} {now:%B %Y}",
        "kind": data.spec.kind,
        "columns": column_names(data.spec),
        "tiny": data.spec.kind == "image" and max(data.spec.shape[-2:]) < 48,
        "payload": payload(result, gallery.ids(result.shown.data), media=not numbers) if result.maps else None,
        "groupings": [grouping(c, gallery) for c in result.clusters],
        "strangest": [strange(s, gallery, data) for s in result.strangest],
        "duplicates": [(g, twins(g, data, gallery)) for g in result.facts.duplicates[:GROUPS]],
        "unread": data.skipped[:UNREAD],
        "restored": restored(result.restorations, gallery) if result.restorations else None,
        "generated": [generated(g, gallery) for g in result.generated],
        "traversals": [traversal(t, gallery) for t in result.traversals],
        "to_label": gallery.samples(result.to_label) if result.to_label is not None else [],
        "curves": [(c, d) for c in result.curves if (d := drawing(c)) is not None],
        "figures": figures(result),
        "flags": flags(result),
        "scripts": [f"study/{name}.js" for name in SCRIPTS],
    }


def pictured(result: StudyResult) -> int:
    """Returns how many pictures the page holds beside the map's."""
    cards = sum(len(c.typical) + len(c.contrast) for found in result.clusters for c in found.cards)
    strange = sum(len(s.samples) * (1 if s.residuals is None else 2) for s in result.strangest)
    alike = sum(min(TWINS, len(g.positions)) for g in result.facts.duplicates[:GROUPS])
    again = len(result.restorations.samples) * (1 + len(result.restorations.restored)) if result.restorations else 0
    lines = sum(len(x) for t in result.traversals for _, x in t.rows)
    return cards + strange + alike + again + lines + sum(2 * len(g.x) for g in result.generated)


# What each section shows ---------------------------------------------------------------------------------------------


def grouping(found: Clusters, gallery: Gallery) -> Context:
    """Returns a grouping with its cards; of rows, the columns that set a cluster apart come first."""
    def card(one: Card) -> Context:
        typical, contrast = gallery.samples(one.typical), gallery.samples(one.contrast)
        telling = named_columns(column_names(one.typical.spec), "; ".join(one.apart))
        return {"card": one, "typical": typical, "contrast": contrast, "telling": telling}

    greatest = max((c.share for c in found.cards), default=1.0)
    return {"found": found, "cards": [card(one) for one in found.cards], "greatest": greatest}


def strange(found: Strangest, gallery: Gallery, data: Data) -> Context:
    """Returns the strangest samples, each with its score, the reason, and what is strange of it."""
    residuals = [""] * len(found.samples) if found.residuals is None else thumbnails(found.residuals, gallery.side)
    reasons = found.reasons or ("",) * len(found.samples)
    odd = [named_columns(column_names(data.spec), reason) for reason in reasons]
    often = Counter(i for columns in odd for i in columns)
    return {
        "found": found,
        "samples": list(zip(gallery.samples(found.samples), found.scores.tolist(), reasons, residuals, strict=True)),
        "odd": odd,
        "first": [i for i, _ in often.most_common()],
    }


def named_columns(names: Sequence[str], words: str) -> tuple[int, ...]:
    """Returns which columns a text names, in its order.

    Example:
        >>> named_columns(("age", "gain", "capital-gain"), "capital-gain 99999, else 588; age 17")
        (2, 0)
    """
    known = {name: i for i, name in enumerate(names)}
    longest = sorted(known, key=len, reverse=True)  # so that no name is found in a longer one
    found = re.findall(rf"(?<![\w-])({'|'.join(map(re.escape, longest))})(?![\w-])", words) if known else []
    return tuple(dict.fromkeys(known[name] for name in found))


def twins(group: Duplicates, data: Data, gallery: Gallery) -> list[Sample]:
    """Returns the first few of a group of duplicates."""
    return gallery.samples(data.take(torch.tensor(group.positions[:TWINS], dtype=torch.int64)))


def restored(found: Restorations, gallery: Gallery) -> Context:
    """Returns the originals, and what each member makes of them."""
    return {
        "originals": gallery.samples(found.samples),
        "by": [(r.member, gallery.made(r.x, found.samples)) for r in found.restored],
    }


def generated(found: Generated, gallery: Gallery) -> Context:
    """Returns new samples, each with its nearest training sample and whether it is a copy."""
    new, near = gallery.made(found.x, found.nearest), gallery.samples(found.nearest)
    return {"found": found, "pairs": list(zip(new, near, found.copied.tolist(), strict=True))}


def traversal(found: Traversal, gallery: Gallery) -> Context:
    """Returns rows of images, each with what varies along it."""
    return {"found": found, "rows": [(name, thumbnails(x, gallery.side)) for name, x in found.rows]}


# Figures -------------------------------------------------------------------------------------------------------------


def figures(result: StudyResult) -> list[Figures]:
    """Returns the answers to each question side by side; what verdicts rest on is among the lines shown at once."""
    cited = {(e.member, e.measure.key) for verdict in result.verdicts for e in verdict.evidence}
    about = {q.name: q.about for q in QUESTIONS}
    asked = dict.fromkeys(m.question for member in measured(result) for m in answers(member))
    return [table(name, about.get(name, ""), measured(result), cited) for name in sorted(asked, key=order(about))]


def order(about: Mapping[str, str]) -> Callable[[str], int]:
    """Returns a key that sorts questions as the evaluation asks them, unknown ones last."""
    names = list(about)
    return lambda name: names.index(name) if name in about else len(names)


def measured(result: StudyResult) -> list[Member]:
    """Returns the members that were evaluated."""
    return [m for m in result.members if m.evaluation is not None]


def answers(member: Member) -> tuple[Measure, ...]:
    """Returns what was measured of a member."""
    return member.evaluation.measures if member.evaluation else ()


def table(name: str, about: str, members: Sequence[Member], cited: Collection[tuple[str, Key]]) -> Figures:
    """Returns the answers to one question."""
    having = tuple(m for m in members if any(a.question == name for a in answers(m)))
    lines = [(line, scaled(line)) for line in compared(having) if line.about.question == name]

    def leading(line: Line) -> bool:
        named = any((m.name, line.about.key) in cited for m in having)
        return len(lines) <= FEW or not line.about.of or named

    return Figures(name, about, having, tuple(pair for pair in lines if leading(pair[0])),
                   tuple(pair for pair in lines if not leading(pair[0])))


def scaled(line: Line) -> list[Mark | None]:
    """Returns the marks on a line's scale; none where there is only one value, which would be its own scale."""
    known = sum(measure is not None for measure in line.measures)
    return marks(line) if known > 1 else [None] * len(line.measures)


def compared(members: Sequence[Member]) -> Sequence[Line]:
    """Returns what was measured of members, line by line."""
    found = [m.evaluation for m in members if m.evaluation is not None]
    if len(found) == 1:
        return [Line((measure,), frozenset()) for measure in found[0].measures]
    return compare(found, anyway=True).lines if found else ()


def flags(result: StudyResult) -> tuple[str, ...]:
    """Returns in words in what the members differ that a reader of their figures must know."""
    found = [m.evaluation for m in measured(result) if m.evaluation is not None]
    return compare(found, anyway=True).flags if len(found) > 1 else ()


# Words ---------------------------------------------------------------------------------------------------------------


def anchor(measure: Measure, member: str) -> str:
    """Returns the name under which a figure is found on the page.

    Example:
        >>> anchor(Measure("maps", "neighbours kept", 0.5, "...", of="axis 1"), "03-umap")
        'f-03-umap-maps-neighbours-kept-axis-1'
    """
    words = "-".join(part for part in (member, measure.question, measure.name, measure.of, measure.space) if part)
    return "f-" + re.sub(r"[^\w]+", "-", words).strip("-").lower()


def duration(seconds: float) -> str:
    """Returns a time as a person says it.

    Example:
        >>> duration(3.42), duration(75), duration(900), duration(7500)
        ('3.4 s', '1 min 15 s', '15 min', '2 h 5 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    hours, rest = divmod(round(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "min"), (0 if hours or minutes >= 10 else rest, "s"))
    return " ".join(f"{amount} {unit}" for amount, unit in parts if amount)

