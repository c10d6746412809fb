"""``tacit sample RUN``: makes new samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tacit.cli.asking import ask, opened, write_samples
from tacit.cli.options import Option
from tacit.cli.output import Say
from tacit.cli.parser import Call, Usage
from tacit.errors import DataError, OptionError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

    from tacit.runs.run import Run

__all__ = ["run", "usage"]

OPTIONS = (
    Option("number", int, 64, "How many.", "samples", "n"),
    Option("seed", int, 0, "Seed of all their randomness.", "samples"),
    Option("each", bool, False, "Writes each image to a file of its own, too.", "samples"),
)


def usage(words: Sequence[str]) -> Usage:
    """Returns how the verb is called: with the options of the run's own ``sample``."""
    about = "Makes new samples: a grid of images, rows of a table as CSV, or arrays."
    return ask("sample", about, "Samples", words, places=("RUN",), options=OPTIONS, call="sample")


def run(call: Call, say: Say) -> None:
    """Writes new samples and says where they are."""
    if call["number"] < 1:
        raise OptionError(f"--number takes a whole number from 1; it was given {call['number']}")
    asked = opened(call, "Samples")
    extra = call.group("method")
    if extra.get("label") is not None:
        extra["label"] = class_number(extra["label"], asked.spec.classes)
    made = asked.sample(call["number"], seed=call["seed"], **extra)
    paths = write_samples(asked, made, "samples", call, each=call["each"])
    say(f"samples of {asked.path}, seed {call['seed']}: {len(made):,}")
    for path in [*paths, *drawn(asked, made, paths[0])]:
        say(f"wrote {path}")


def class_number(label: str, classes: Sequence[str]) -> int:
    """Returns the number of a class that is given by its name or its number.

    Raises:
        OptionError: If there is no such class.
    """
    if label in classes:
        return classes.index(label)
    if label.isdigit() and int(label) < len(classes):
        return int(label)
    known = ", ".join(classes) if classes else "none: it was fitted without labels"
    raise OptionError(f"there is no class {label!r}.{did_you_mean(label, classes)} The run knows {known}")


def drawn(asked: Run, made: Tensor, beside: Path) -> list[Path]:
    """Draws samples of one or two numbers among the run's own data, where those are still there."""
    path = beside.with_suffix(".png")
    if asked.spec.kind != "vector" or asked.spec.size > 2 or path.exists():
        return []
    from tacit.pictures import plots

    draw: Any = plots.densities_1d if asked.spec.size == 1 else plots.scatter_2d
    try:
        return [draw(asked.data().x[:5_000].float(), made, path)]
    except DataError:
        return []
