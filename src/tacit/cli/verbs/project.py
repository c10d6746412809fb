"""``tacit project RUN [DATA]``: finds the latents whose samples are nearest to given ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tacit.cli.asking import ask, asked_data, loaded, opened
from tacit.cli.options import Option
from tacit.cli.output import Say, check_free, place, write_arrays
from tacit.cli.parser import Call, Usage
from tacit.errors import DataError, OptionError

if TYPE_CHECKING:
    from tacit.data.dataset import Data
    from tacit.runs.projecting import Projection
    from tacit.runs.run import Run

__all__ = ["run", "usage"]

OPTIONS = (
    Option("number", int, 16, "How many samples of the data are projected.", "samples", "n"),
    Option("steps", int, 300, "Steps of descent; 0 leaves the nearest draws.", "samples"),
    Option("draws", int, 512, "Draws from the prior, the nearest of which each sample begins with.", "samples"),
    Option("features", str | None, None, "A run that encodes, in whose features samples are compared, too.", "samples",
           metavar="RUN"),
    Option("seed", int, 0, "Seed of the draws.", "samples"),
)


def usage(words: Sequence[str]) -> Usage:
    """Returns how the verb is called."""
    about = "Finds the latents whose samples are nearest to those of DATA, or to the run's own held-out ones.\n" \
            "Writes them for 'tacit decode', and images above what the run makes of their latents."
    return ask("project", about, "Decodes", words, options=OPTIONS)


def run(call: Call, say: Say) -> None:
    """Projects samples, says how near they come, and where they are."""
    for name, least in (("number", 1), ("steps", 0), ("draws", 1), ("seed", 0)):
        if call[name] < least:
            raise OptionError(f"--{name} takes a whole number from {least}; it was given {call[name]}")
    import torch

    from tacit.data.progress import progress
    from tacit.runs.latents import gaussian_dimensions
    from tacit.runs.projecting import project, rounds

    asked = opened(call, "Decodes")
    gaussian_dimensions(asked)  # before the data are read
    features = comparing(asked, call)
    data = asked_data(asked, call, say)
    chosen = torch.arange(len(data)) if "DATA" in call.places or not len(data.testing) else data.testing
    targets = data.take(chosen[: call["number"]])
    path = place(call["out"], asked.path / "samples", "projected", ".npz", overwrite=call["overwrite"])
    check_free(path.with_suffix(".png"), overwrite=call["overwrite"])
    with progress("projecting", rounds(asked, len(targets), call["steps"]), say) as advance:
        found = project(asked, targets, steps=call["steps"], draws=call["draws"], features=features,
                        seed=call["seed"], advance=advance)
    for line in told(targets, found):
        say(line)
    for written in write(asked, targets, found, path):
        say(f"wrote {written}")


def comparing(asked: Run, call: Call) -> Run | None:
    """Loads the run in whose features samples are compared, if one is named."""
    if call["features"] is None:
        return None
    other = loaded(call["features"], call)
    if (other.spec.kind, other.spec.shape) != (asked.spec.kind, asked.spec.shape):
        raise DataError(f"--features {call['features']} is a run on {other.spec}; {asked.path} makes {asked.spec}")
    return other


def told(targets: Data, found: Projection) -> list[str]:
    """Returns in words how near the samples come: in decibels where values have a range, else in squared errors."""
    if targets.spec.range is None:
        name, near, first = "mean squared error", found.error, found.drawn
    else:
        name, (near, first) = "PSNR in dB", found.psnr(targets.spec)
    head = f"{name}, {len(targets):,} samples: mean {near.mean():.4g}; of the nearest draws {first.mean():.4g}"
    return [head, *(f"  {i}: {value:.4g}" for i, value in zip(targets.ids, near.tolist(), strict=True))]


def write(asked: Run, targets: Data, found: Projection, path: Path) -> Iterator[Path]:
    """Writes latents and samples as arrays, and images above what the run makes of their latents."""
    write_arrays(path, z=found.z, x=found.x, error=found.error)
    yield path
    if asked.spec.kind == "image":
        from tacit.pictures.grid import rows, save

        sets = {"data": targets.everything(), "projected": found.x}
        yield save(rows([*sets.values()], names=[*sets]), path.with_suffix(".png"))
