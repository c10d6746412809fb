"""The page of a comparison: pictures first, then every measure with its interval, and how each was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tacit.evaluation.compare import Comparison, Line
from tacit.evaluation.questions import QUESTIONS
from tacit.report.media import picture
from tacit.report.pages import environment, write

__all__ = ["write_page"]

PICTURES = {"samples": "samples", "reconstructions": "reconstructions", "map": "map", "clusters": "clusters",
            "strangest": "strangest samples"}


@dataclass(frozen=True)
class Mark:
    """One value on a line's scale, all in per cent of its width.

    Arguments:
        at: The value.
        low: Left end of the interval.
        high: Right end of the interval.
        best: Whether it is among the best.
    """

    at: float
    low: float
    high: float
    best: bool


def write_page(found: Comparison, folders: Sequence[Path], path: Path, *, command: str) -> Path:
    """Writes a comparison as one HTML file that needs no network.

    Arguments:
        found: The comparison.
        folders: The folders of its runs, in its order, from which pictures are taken.
        path: Where to.
        command: The command line that makes it again.
    """
    pictures = {name: [picture(f / "pictures" / f"{file}.png") for f in folders] for file, name in PICTURES.items()}
    html = environment().get_template("comparison.html").render(
        runs=found.runs, flags=found.flags, sections=sections(found), ground=found.runs[0].ground, command=command,
        pictures={name: shown for name, shown in pictures.items() if any(shown)},
    )
    return write(html, path)


def sections(found: Comparison) -> list[tuple[str, str, list[tuple[Line, list[Mark | None]]]]]:
    """Returns each question with what it asks, its lines, and the marks on each line's scale."""
    about = {q.name: q.about for q in QUESTIONS}
    names = dict.fromkeys(line.about.question for line in found.lines)
    return [
        (name, about.get(name, ""), [(line, marks(line)) for line in found.lines if line.about.question == name])
        for name in names
    ]


def marks(line: Line) -> list[Mark | None]:
    """Returns where each run's value lies between the least and the greatest end of any interval."""
    edges = [edge for m in line.measures if m is not None for edge in m.span]
    least, width = min(edges), max(edges) - min(edges) or 1.0

    def place(value: float) -> float:
        return 100 * (value - least) / width

    return [
        None if m is None else Mark(place(m.value), place(m.span[0]), place(m.span[1]), i in line.best)
        for i, m in enumerate(line.measures)
    ]
