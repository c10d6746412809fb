"""``tacit reconstruct RUN [DATA]``: restores samples from their representation, and measures how well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tacit.cli.asking import ask, asked_data, opened, write_samples
from tacit.cli.options import Option
from tacit.cli.output import Say, place
from tacit.cli.parser import Call, Usage
from tacit.errors import OptionError

if TYPE_CHECKING:
    from tacit.data.dataset import Data
    from tacit.runs.run import Run

__all__ = ["run", "usage"]

OPTIONS = (Option("number", int, 32, "How many are written.", "samples", "n"),)
CHUNK = 4096


def usage(words: Sequence[str]) -> Usage:
    """Returns how the verb is called."""
    about = "Restores samples from their representation, and writes images above their reconstructions, rows as\n" \
            "CSV, or arrays. The error is measured on held-out samples, or on all of DATA."
    return ask("reconstruct", about, "Reconstructs", words, options=OPTIONS)


def run(call: Call, say: Say) -> None:
    """Says the error, writes some reconstructions and says where they are."""
    import torch

    if call["number"] < 1:
        raise OptionError(f"--number takes a whole number from 1; it was given {call['number']}")
    asked = opened(call, "Reconstructs")
    data = asked_data(asked, call, say)
    new = "DATA" in call.places or not len(data.testing)
    judged = data if new else data.take(data.testing)
    say(f"mean squared error: {squared_error(asked, judged):.6g} per value, over {len(judged)} "
        f"{'samples' if new else 'held-out samples'}")
    shown = judged.take(torch.arange(min(call["number"], len(judged))))
    restored = asked.reconstruct(shown)
    if asked.spec.kind != "image":
        paths = write_samples(asked, restored, "reconstructions", call)
    else:
        from tacit.pictures.grid import pairs, save

        path = place(call["out"], asked.path / "samples", "reconstructions", ".png", overwrite=call["overwrite"])
        paths = [save(pairs(shown.everything(), restored), path)]
    for path in paths:
        say(f"wrote {path}")


def squared_error(asked: Run, data: Data) -> float:
    """Returns the mean squared error per value, part by part, so that large data need not fit twice."""
    import torch

    total = 0.0
    for index in torch.arange(len(data)).split(CHUNK):
        restored = asked.reconstruct(data.take(index))
        total += (restored - data.batch(index).x).double().square().sum().item()
    return total / (len(data) * data.spec.size)
