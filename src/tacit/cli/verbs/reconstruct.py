"""``tacit reconstruct RUN [DATA]``: restores samples from their representation, and measures how well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tacit.cli.asking import ask, asked_data, opened, write_samples
from tacit.cli.options import Option
from tacit.cli.output import Say, place
from tacit.cli.parser import Call, Usage
from tacit.errors import OptionError

if TYPE_CHECKING:
    from torch import Tensor

    from tacit.data.dataset import Data
    from tacit.runs.run import Run

__all__ = ["run", "usage"]

OPTIONS = (
    Option("number", int, 32, "How many are written.", "samples", "n"),
    Option("corrupt", str | None, None, "What is done to the samples first: gaussian:0.1 (noise of that deviation), "
           "masking:0.5 (a share of values set to 0), salt-and-pepper:0.1 (set to an extreme), blur:1.5 or block:8 "
           "(both in pixels).", "samples", metavar="KIND:AMOUNT"),
    Option("seed", int, 0, "Seed of the corruption.", "samples"),
)
CHUNK = 4096


def usage(words: Sequence[str]) -> Usage:
    """Returns how the verb is called."""
    about = "Restores samples from their representation, and writes images above their reconstructions, rows as\n" \
            "CSV, or arrays. The error is measured on held-out samples, or on all of DATA. With --corrupt the\n" \
            "samples are spoilt first, and what is restored is compared with the clean ones."
    return ask("reconstruct", about, "Reconstructs", words, options=OPTIONS)


def run(call: Call, say: Say) -> None:
    """Says the error, writes some reconstructions and says where they are."""
    for name, least in (("number", 1), ("seed", 0)):
        if call[name] < least:
            raise OptionError(f"--{name} takes a whole number from {least}; it was given {call[name]}")
    asked = opened(call, "Reconstructs")
    data = asked_data(asked, call, say)
    new = "DATA" in call.places or not len(data.testing)
    judged = data if new else data.take(data.testing)
    words = f"{len(judged)} {'samples' if new else 'held-out samples'}"
    restored = plain if call["corrupt"] is None else spoilt
    for path in restored(asked, judged, words, call, say):
        say(f"wrote {path}")


def plain(asked: Run, judged: Data, words: str, call: Call, say: Say) -> list[Path]:
    """Restores samples as they are."""
    import torch

    say(f"mean squared error: {squared_error(asked, judged):.6g} per value, over {words}")
    shown = judged.take(torch.arange(min(call["number"], len(judged))))
    return list(written(asked, {"data": shown.everything(), "restored": asked.reconstruct(shown)}, call))


def spoilt(asked: Run, judged: Data, words: str, call: Call, say: Say) -> list[Path]:
    """Corrupts samples and restores them."""
    from tacit.evaluation.restoration import Corruption, restoration

    corruption = Corruption.parse(call["corrupt"])
    found = restoration(asked, judged, corruption, words=words, shown=call["number"], seed=call["seed"])
    say(f"corrupted by {corruption}, seed {call['seed']}: {words}")
    for measure in found.measures:
        say(f"{measure.name}, {measure.of}: {measure}")
    sets = {"clean": found.clean, "corrupted": found.corrupted, "restored": found.restored}
    return list(written(asked, sets, call))


def written(asked: Run, sets: dict[str, Tensor], call: Call) -> Iterator[Path]:
    """Writes images above their counterparts, or of other samples the restored ones, which come last."""
    if asked.spec.kind != "image":
        yield from write_samples(asked, [*sets.values()][-1], "reconstructions", call)
        return
    from tacit.pictures.grid import rows, save

    path = place(call["out"], asked.path / "samples", "reconstructions", ".png", overwrite=call["overwrite"])
    yield save(rows([*sets.values()], names=[*sets]), path)


def squared_error(asked: Run, data: Data) -> float:
    """Returns the mean squared error per value, part by part, so that large data need not fit twice."""
    import torch

    total = 0.0
    for index in torch.arange(len(data)).split(CHUNK):
        restored = asked.reconstruct(data.take(index))
        total += (restored - data.batch(index).x).double().square().sum().item()
    return total / (len(data) * data.spec.size)
