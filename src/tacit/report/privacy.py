"""What a page says to nobody, and what it leaves out when it is to be shared."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tacit.data.builtin import BUILTIN
from tacit.data.dataset import Data
from tacit.data.facts import Fact, Facts
from tacit.evaluation.evaluate import Evaluation
from tacit.study.result import Card, Clusters, Member, Strangest, StudyResult

__all__ = ["cleaner", "numbered", "withheld", "without_places"]

Clean = Callable[[str], str]

PART = r"[^\s/\\'\"<>|:;,()]"  # of a path
ABSOLUTE = re.compile(rf"(?<![\w.<~/\\-])(?:~[\w.-]*/|/|[A-Za-z]:[\\/])(?:{PART}+[\\/])+({PART}*)")
WORD = re.compile(r"[^\s,;:()'\"]*[^\s,;:()'\".]")  # as it may name something: a dot can stand inside it, not end it
PLACE = re.compile(r"gps|latitude|longitude|geotag|^(lat|lon|lng)$", re.IGNORECASE)


def cleaner(result: StudyResult, *, share: bool = False) -> Clean:
    """Returns what takes the directories out of a text: of every absolute path, only the last part stays.

    The directories of the source, of the study and of the user are known, so that spaces in them do no harm. Where the
    page is shared, relative directories go too, and so does the name of the source.
    """
    shorter = {f"{Path.home()}/": ""}
    for path in (Path(result.facts.data.source), Path(result.folder)):
        shorter |= {f"{path.parent}/": ""} if path.is_absolute() and len(path.parts) > 2 else {}
        shorter |= {str(path): path.name} if len(path.parts) > 1 and (share or path.is_absolute()) else {}
    if share and result.facts.data.source not in BUILTIN:
        shorter |= dict.fromkeys((result.facts.data.source, result.facts.data.name), "the data")
    longest = sorted(shorter, key=len, reverse=True)
    ends = {True: r"(?!\w)", False: ""}  # a directory goes on, a name does not
    known = re.compile(rf"(?<![\w./~-])(?:{'|'.join(re.escape(w) + ends[not w.endswith('/')] for w in longest)})")

    def clean(text: str) -> str:
        return ABSOLUTE.sub(r"\1", known.sub(lambda found: shorter[found[0]], text))

    return clean


def numbered(data: Data) -> Mapping[str, str]:
    """Returns what stands for each id on a page that is shared: its position in the data."""
    return {name: f"#{position}" for position, name in enumerate(data.ids)}


def without_places(result: StudyResult) -> StudyResult:
    """Returns a result without the factors, the facts and the words that say where on Earth something was."""
    known = {name: values for name, values in result.shown.factors.items() if not PLACE.search(name)}
    lines = tuple(line for line in result.facts.lines if not PLACE.search(line.name))
    return dataclasses.replace(
        without_words(result, [name for name in result.facts.data.columns if PLACE.search(name)]),
        shown=dataclasses.replace(result.shown, factors=known),
        facts=dataclasses.replace(result.facts, lines=lines),
    )


def without_words(result: StudyResult, names: Sequence[str]) -> StudyResult:
    """Returns a result without what some factors tell of clusters and strange samples."""
    def telling(words: str) -> bool:
        return not words.startswith(tuple(f"{name} " for name in names))

    def reason(words: str) -> str:
        return "; ".join(filter(telling, words.split("; ")))

    return dataclasses.replace(
        result,
        clusters=tuple(
            dataclasses.replace(c, cards=tuple(
                dataclasses.replace(card, apart=tuple(filter(telling, card.apart))) for card in c.cards
            )) for c in result.clusters
        ),
        strangest=tuple(dataclasses.replace(s, reasons=tuple(map(reason, s.reasons))) for s in result.strangest),
    )


def withheld(result: StudyResult) -> StudyResult:
    """Returns what of a result can be shared: no media, no names of samples, folders or classes, no dates, no rows."""
    data, names = result.facts.data, classes_of(result.facts.data)
    telling = words_of(result.facts)
    factors = {
        name: values for name, values in result.shown.factors.items()
        if name not in data.columns and np.asarray(values).dtype.kind in "fiub"
    }
    quiet = without_words(result, list(data.columns))
    return dataclasses.replace(
        quiet,
        name="A study", command="",
        facts=bare_facts(result.facts, names),
        shown=dataclasses.replace(result.shown, factors=factors),
        members=tuple(bare_member(m, data.spec.classes, telling) for m in result.members),
        verdicts=tuple(
            dataclasses.replace(v, because=hushed(v.because, telling),
                                cautions=tuple(hushed(c, telling) for c in v.cautions))
            for v in result.verdicts
        ),
        maps=tuple(dataclasses.replace(m, warning=hushed(m.warning, telling)) for m in result.maps),
        clusters=tuple(bare_clusters(c, telling) for c in quiet.clusters),
        strangest=tuple(bare_strangest(s) for s in quiet.strangest),
        restorations=None, generated=(), traversals=(),
    )


def classes_of(data: Data) -> Mapping[str, str]:
    """Returns what stands for the name of each class."""
    return {name: f"class {number}" for number, name in enumerate(data.spec.classes, 1)}


def bare_facts(facts: Facts, names: Mapping[str, str]) -> Facts:
    """Returns facts without those that name something of the data, and with numbers for the names of classes."""
    telling = words_of(facts)
    lines = tuple(line for line in facts.lines if not tells(line, telling))
    columns = tuple(dataclasses.replace(c, values="", about="", bars=()) for c in facts.columns)
    counts = {names.get(name, "no class"): count for name, count in facts.classes.items()}
    data = facts.data
    bare = dataclasses.replace(data, spec=dataclasses.replace(data.spec, classes=tuple(names.values())), skipped=())
    return dataclasses.replace(facts, data=bare, lines=lines, columns=columns, classes=counts)


def words_of(facts: Facts) -> frozenset[str]:
    """Returns what names something of the data: ids, folders, files, classes, dates and other words of its source."""
    data = facts.data
    worded = [np.unique(values.astype(str)) for values in data.columns.values() if values.dtype.kind in "OUSM"]
    own = [str(word) for words in worded for word in words]
    found = [*data.ids, *own, *facts.classes, *(lost.name for lost in data.skipped)]
    parts = [part for name in found for part in (name, *name.split("/"))]
    return frozenset(part for part in parts if len(part) > 1 and not part.isdigit())


def tells(line: Fact, telling: frozenset[str]) -> bool:
    """Returns whether a fact is about names or dates, or names something."""
    text = f"{line.value} {line.about}"
    return line.name in ("dates", "folders", "unreadable") or hushed(text, telling) != text


def hushed(text: str, telling: frozenset[str]) -> str:
    """Returns a text with dots in place of the words that name something.

    Example:
        >>> hushed("Cluster 3 is mostly of 'Lake Como', else beach.", frozenset({"Lake Como", "beach"}))
        "Cluster 3 is mostly of '…', else …."
    """
    phrases = [phrase for phrase in telling if " " in phrase and phrase in text]
    for phrase in sorted(phrases, key=lambda p: (-len(p), p)):  # a longer one before those that it holds
        text = text.replace(phrase, "…")
    return WORD.sub(lambda found: "…" if {found[0], *found[0].split("/")} & telling else found[0], text)


def bare_member(member: Member, classes: tuple[str, ...], telling: frozenset[str]) -> Member:
    """Returns a member without what was measured of single classes, which would name them."""
    member = dataclasses.replace(member, reason=hushed(member.reason, telling), command="")
    if member.evaluation is None:
        return member

    def named(text: str) -> bool:
        return any(text.endswith(f" {name}") for name in classes)

    found: Evaluation = member.evaluation
    measures = tuple(m for m in found.measures if not named(m.of))
    silent = {question: why for question, why in found.silent.items() if not named(question.rstrip(")"))}
    return dataclasses.replace(member, evaluation=dataclasses.replace(found, measures=measures, silent=silent))


def bare_clusters(found: Clusters, telling: frozenset[str]) -> Clusters:
    """Returns a grouping without its samples, and without the names of what sets clusters apart."""
    def bare(card: Card) -> Card:
        none = card.typical.take(card.typical.training[:0])
        apart = tuple(hushed(words, telling) for words in card.apart)
        return dataclasses.replace(card, typical=none, contrast=none, apart=apart)

    warning = hushed(found.warning, telling)
    return dataclasses.replace(found, cards=tuple(bare(card) for card in found.cards), warning=warning)


def bare_strangest(found: Strangest) -> Strangest:
    """Returns the strangest samples without what can be seen of them."""
    return dataclasses.replace(found, residuals=None, reasons=("",) * len(found.samples))
