"""``tacit score RUN [DATA]``: lists the strangest samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tacit.cli.asking import ask, asked_data, opened, sides, table_place
from tacit.cli.options import Option
from tacit.cli.output import Say
from tacit.cli.parser import Call, Usage

if TYPE_CHECKING:
    from torch import Tensor

    from tacit.data.dataset import Data

__all__ = ["run", "usage"]

OPTIONS = (Option("top", int, 20, "How many of the strangest are shown.", "scores"),)


def usage(words: Sequence[str]) -> Usage:
    """Returns how the verb is called."""
    about = "Scores samples: higher is stranger. Writes a table of id, path, split and strangeness, and a " \
            "picture of the strangest."
    return ask("score", about, "Scores", words, options=OPTIONS)


def run(call: Call, say: Say) -> None:
    """Says the strangest samples, writes all scores and says where they are."""
    from tacit.runs.tables import about_samples, write_table

    asked = opened(call, "Scores")
    data = asked_data(asked, call, say)
    scores = asked.score(data)
    order = scores.argsort(descending=True, stable=True)
    first = order[: max(0, call["top"])]
    for i in first.tolist():
        say(f"{scores[i].item():12.6g}  {data.ids[i]}")
    table, picture = table_place(asked, call, "scores")
    split = sides(data, call)
    ranked = about_samples(data.take(order), [split[i] for i in order.tolist()])
    write_table(table, ranked | {"strangeness": scores[order].double()})
    for path in (table, drawn(data, scores, first, picture)):
        say(f"wrote {path}")


def drawn(data: Data, scores: Tensor, first: Tensor, path: Path) -> Path:
    """Draws the strangest images, strangest first, or for other data the scores' histogram."""
    from tacit.pictures import plots
    from tacit.pictures.grid import grid, save

    if data.spec.kind != "image" or not len(first):
        plots.histogram(scores, path, title="Scores", xlabel="higher is stranger")
    else:
        save(grid(data.batch(first).x, captions=[f"{s:.3g}" for s in scores[first].tolist()]), path)
    return path
