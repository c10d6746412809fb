"""``tacit sample RUN``: makes new samples."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tacit.cli.asking import ask, opened, write_samples
from tacit.cli.options import Option
from tacit.cli.output import Say, place, write_arrays
from tacit.cli.parser import Call, Usage
from tacit.errors import DataError, OptionError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

    from tacit.runs.latents import Sum
    from tacit.runs.run import Run

__all__ = ["run", "usage"]

OPTIONS = (
    Option("number", int | None, None, "How many: by default 64, or 8 walks.", "samples", "n"),
    Option("seed", int, 0, "Seed of all their randomness.", "samples"),
    Option("each", bool, False, "Writes each image to a file of its own, too.", "samples"),
    Option("truncation", float | None, None, "Draws Gaussian latents beyond this value anew: below 2 samples are "
           "safer, and less unlike one another.", "latents"),
    Option("numbered", bool, False, "Writes each sample's number below it, by which --arithmetic knows it.", "latents"),
    Option("interpolate", Literal["spherical", "linear"] | None, None, "Writes walks between samples, one a row; "
           "spherical ones stay where Gaussian latents lie.", "latents"),
    Option("arithmetic", str | None, None, "Adds and takes away mean latents: '3,17 - 5,6 + 9' of numbered samples; of "
           "runs that reconstruct also of classes or values of columns: 'smiling - neutral + \"a man\"', 'hair=brown - "
           "hair=grey'. What holds spaces, signs or commas, and a class of digits, stands in quotes.", "latents",
           metavar="SUM"),
)
MODES = ("numbered", "interpolate", "arithmetic")
WALKS, SAMPLES = 8, 64


def usage(words: Sequence[str]) -> Usage:
    """Returns how the verb is called: with the options of the run's own ``sample``."""
    about = "Makes new samples: a grid of images, rows of a table as CSV, or arrays. Runs that draw latents and\n" \
            "decode them also walk between samples and reckon with them."
    return ask("sample", about, "Samples", words, places=("RUN",), options=OPTIONS, call="sample")


def run(call: Call, say: Say) -> None:
    """Writes new samples and says where they are."""
    if call["number"] is not None and call["number"] < 1:
        raise OptionError(f"--number takes a whole number from 1; it was given {call['number']}")
    modes = [f"--{name}" for name in MODES if call[name]]
    if len(modes) > 1:
        raise OptionError(f"{' and '.join(modes)} are pictures of their own; take one at a time")
    if modes and call["each"]:
        raise OptionError(f"{modes[0]} is one picture; leave out --each, or take it with --truncation or alone")
    asked = opened(call, "Samples")
    extra = {name: value for name, value in call.group("method").items() if value is not None}
    if "label" in extra:
        extra["label"] = class_number(extra["label"], asked.spec.classes)
    if call["numbered"] and asked.spec.kind != "image":
        raise OptionError(f"--numbered is for images; {asked.path} makes {asked.spec}")
    if call["interpolate"]:
        paths = walked(asked, call, extra, say)
    elif call["arithmetic"]:
        paths = reckoned(asked, call, extra, say)
    else:
        paths = made(asked, call, extra, say)
    for path in paths:
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


def made(asked: Run, call: Call, extra: Mapping[str, Any], say: Say) -> list[Path]:
    """Writes samples, of numbered or truncated latents where that is asked for."""
    n = call["number"] or SAMPLES
    if call["numbered"] or call["truncation"] is not None:
        samples = asked.decode(drawn(asked, n, call, extra))
    else:
        samples = asked.sample(n, seed=call["seed"], **extra)
    say(f"samples of {asked.path}, seed {call['seed']}: {len(samples):,}")
    if call["numbered"] and asked.spec.kind == "image":
        from tacit.pictures.grid import grid, save

        return [save(grid(samples, captions=[str(i) for i in range(n)]), picture(asked, "numbered", call))]
    paths = write_samples(asked, samples, "samples", call, each=call["each"])
    return [*paths, *among_data(asked, samples, paths[0])]


def drawn(asked: Run, n: int, call: Call, extra: Mapping[str, Any]) -> Tensor:
    """Returns the latents of samples, shape (n, d)."""
    from tacit.runs.latents import draw

    for name in extra.keys() - {"label", "category"}:
        mend = ", or take --truncation" if name == "temperature" and call["truncation"] is None else ""
        raise OptionError(f"--{name} is not known to latents; leave it out{mend}")
    label = extra.get("label", extra.get("category"))
    return draw(asked, n, label=label, truncation=call["truncation"], seed=call["seed"])


def walked(asked: Run, call: Call, extra: Mapping[str, Any], say: Say) -> list[Path]:
    """Writes walks between pairs of samples, one a row; of other samples than images all in one array."""
    from tacit.runs.latents import walks

    n = call["number"] or WALKS
    z = walks(asked, drawn(asked, 2 * n, call, extra), way=call["interpolate"])  # (n, steps, d)
    samples = asked.decode(z.flatten(0, 1))
    say(f"{call['interpolate']} walks between samples of {asked.path}, seed {call['seed']}: {n:,}")
    if asked.spec.kind == "image":
        from tacit.pictures.grid import grid, save

        return [save(grid(samples, columns=z.shape[1]), picture(asked, "walks", call))]
    if asked.spec.kind == "table":
        return write_samples(asked, samples, "walks", call)
    return arrays(asked, "walks", call, x=samples.unflatten(0, z.shape[:2]), z=z)


def reckoned(asked: Run, call: Call, extra: Mapping[str, Any], say: Say) -> list[Path]:
    """Writes what was added and taken away, and what came of it."""
    from tacit.runs.latents import reckon

    for name in [*extra, *(["number"] if call["number"] is not None else [])]:
        raise OptionError(f"--{name} is not known to --arithmetic, which takes samples by their numbers; leave it out")
    found = reckon(asked, call["arithmetic"], truncation=call["truncation"], seed=call["seed"])
    words = " ".join(map(str, found.terms)).removeprefix("+ ")
    say(f"{words}, of latents of {asked.path}, seed {call['seed']}")
    if asked.spec.kind == "image":
        return [pictured(asked, found, picture(asked, "arithmetic", call))]
    samples = asked.decode(found.result)
    if asked.spec.kind == "table":
        return write_samples(asked, samples, "arithmetic", call)
    return arrays(asked, "arithmetic", call, x=samples, z=found.result)


def pictured(asked: Run, found: Sum, path: Path) -> Path:
    """Draws a row for each term, its samples and their mean, and one for the result and its neighbours."""
    import torch

    from tacit.pictures.grid import grid, save, stacked

    rows = []
    for term, picked, mean in zip(found.terms, found.picked, found.means, strict=True):
        numbers = [str(item) for item in term.items if item.number is not None]
        rows.append((torch.cat([picked, mean[None]]), [*numbers, f"{'+' if term.sign > 0 else '−'} mean"]))
        if not numbers:
            rows[-1] = mean[None], [str(term)]
    rows.append((found.result, ["= result", *["nearby"] * (len(found.result) - 1)]))
    strips = [grid(asked.decode(z), columns=len(z), captions=captions) for z, captions in rows]
    return save(functools.reduce(stacked, strips), path)


def picture(asked: Run, stem: str, call: Call) -> Path:
    """Returns where a picture goes."""
    return place(call["out"], asked.path / "samples", stem, ".png", overwrite=call["overwrite"])


def arrays(asked: Run, stem: str, call: Call, **values: Any) -> list[Path]:
    """Writes arrays, and returns where they are."""
    path = place(call["out"], asked.path / "samples", stem, ".npz", overwrite=call["overwrite"])
    write_arrays(path, **values)
    return [path]


def among_data(asked: Run, samples: Tensor, beside: Path) -> list[Path]:
    """Draws samples of one or two numbers among the run's own data, where those are still there."""
    path = beside.with_suffix(".png")
    if asked.spec.kind != "vector" or asked.spec.size > 2 or path.exists():
        return []
    from tacit.pictures import plots

    draw: Any = plots.densities_1d if asked.spec.size == 1 else plots.scatter_2d
    try:
        return [draw(asked.data().x[:5_000].float(), samples, path)]
    except DataError:
        return []
