"""What the verbs share that ask something of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tacit.catalog import CATALOG, WORDS, Row
from tacit.cli.config import method_of
from tacit.cli.options import TRUST, Option
from tacit.cli.output import Say, check_free, place, write_arrays
from tacit.cli.parser import Call, Usage
from tacit.cli.signatures import keyword_options
from tacit.errors import CapabilityError

if TYPE_CHECKING:
    from torch import Tensor

    from tacit.data.dataset import Data
    from tacit.runs.run import Run

__all__ = ["ask", "asked_data", "loaded", "opened", "sides", "table_place", "write_samples"]

OUT = Option("out", str | None, None, "File or folder to write to; by default the next number under RUN/samples.",
             "output", "o", "PATH")
SHARED = (
    Option("overwrite", bool, False, "Replaces the file that -o names.", "output"),
    Option("device", Literal["auto", "cpu", "cuda", "mps"], "auto", "Where to compute.", "output"),
    TRUST,
)
HELP = {
    "label": "The class of the samples: its name or its number.",
    "temperature": "Spread of the noise: below 1 safer, above 1 wilder.",
    "layer": "The layer whose features are taken.",
    "stochastic": "Draws from the encoder's distribution instead of taking its mean.",
}


def ask(
    verb: str, about: str, capability: str, words: Sequence[str], *, places: tuple[str, ...] = ("RUN", "[DATA]"),
    options: tuple[Option, ...] = (), call: str | None = None,
) -> Usage:
    """Returns how a verb is called that asks something of a run.

    Arguments:
        verb: The verb.
        about: What it does.
        capability: What the run must be able to do.
        words: The command line, from which the run is known if it comes first.
        places: What comes before the options.
        options: The verb's own options.
        call: The method's call whose keyword options the verb passes on, if any.

    Raises:
        RunError: If the first word is no run.
        CapabilityError: If no run of its method can do it.
    """
    own: tuple[Option, ...] = ()
    if words and not words[0].startswith("-"):
        known = next((r for r in CATALOG if r.name == method_of(words[0])), None)
        if known is not None:
            check(known, capability)
            own = extras(known, call) if call else ()
    return Usage(verb, about, places, (*options, *own, OUT, *SHARED), words=tuple(words))


def check(known: Row, capability: str) -> None:
    """Raises `CapabilityError` if no run of a method has a capability, before torch is imported."""
    if capability not in known.can:
        can = ", ".join(WORDS[c][0] for c in known.can)
        raise CapabilityError(f"{known.name} cannot {WORDS[capability][0]}; it can {can}")


def extras(known: Row, call: str) -> tuple[Option, ...]:
    """Returns the keyword options of one of a method's calls."""
    found = keyword_options(known.module, known.cls, call, group="method")
    return tuple(
        Option(o.name, str | None if o.name == "label" else o.hint, o.default, o.help or HELP.get(o.name, ""), o.group)
        for o in found if o.hint is not None
    )


def loaded(folder: str, call: Call) -> Run:
    """Loads a run onto the device that is asked for.

    Raises:
        RunError: If it cannot be loaded.
    """
    from tacit.runs.loading import load
    from tacit.training.devices import chosen
    from tacit.training.options import TrainOptions

    return load(folder, trust=call["trust"], device=chosen(TrainOptions(device=call["device"])))


def opened(call: Call, capability: str) -> Run:
    """Loads the run, and checks what it can do.

    Raises:
        RunError: If it cannot be loaded.
        CapabilityError: If it cannot do it, or a parent of it cannot.
    """
    run = loaded(call.places["RUN"], call)
    run.chain.check(capability, run.method_name)
    return run


def asked_data(run: Run, call: Call, say: Say) -> Data:
    """Opens the data that were named, as the run saw its own; by default its own."""
    source = call.places.get("DATA")
    if source is None:
        return run.data()
    data = run.open(source)
    for note in data.notes:
        say(f"data: {note}")
    for lost in data.skipped:
        say(f"skipped: {lost.name}: {lost.reason}")
    return data


def sides(data: Data, call: Call) -> list[str]:
    """Returns on which side of the split each sample is; data that the run was not fitted on are new."""
    if "DATA" in call.places:
        return ["new"] * len(data)
    return ["held-out" if out else "training" for out in data.held_out.tolist()]


def table_place(run: Run, call: Call, stem: str) -> tuple[Path, Path]:
    """Returns where a table goes, and the picture beside it."""
    table = place(call["out"], run.path / "samples", stem, ".csv", ".parquet", overwrite=call["overwrite"])
    check_free(table.with_suffix(".png"), overwrite=call["overwrite"])
    return table, table.with_suffix(".png")


def write_samples(run: Run, x: Tensor, stem: str, call: Call, *, each: bool = False) -> list[Path]:
    """Writes samples of a run's kind: images as a grid, rows of a table as CSV, all else as arrays.

    Arguments:
        run: Whose spec says what the samples are.
        x: The samples, shape (N, *spec.shape).
        stem: What the files' names begin with.
        call: Says where to.
        each: Whether each image becomes a file of its own, too.
    """
    suffixes = {"image": (".png",), "table": (".csv", ".parquet")}.get(run.spec.kind, (".npz",))
    path = place(call["out"], run.path / "samples", stem, *suffixes, overwrite=call["overwrite"])
    if run.spec.kind == "image":
        from tacit.pictures.grid import grid, save

        singles = [path.with_name(f"{path.stem}-{i:05d}.png") for i in range(len(x) if each else 0)]
        for one, single in zip(x, singles, strict=False):
            save(grid(one[None], gap=0, scale=1), single)
        return [save(grid(x), path), *singles]
    if run.spec.kind == "table":
        from tacit.data.coding import decode
        from tacit.runs.tables import write_table

        write_table(path, decode(x, run.spec))
        return [path]
    write_arrays(path, x=x)
    return [path]
