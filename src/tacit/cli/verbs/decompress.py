"""``tacit decompress FILE``: the samples that were compressed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tacit.cli.asking import SHARED, loaded, write_samples
from tacit.cli.options import Option
from tacit.cli.output import Say
from tacit.cli.parser import Call, Usage
from tacit.errors import DataError, RunError

if TYPE_CHECKING:
    from torch import Tensor

    from tacit.runs.run import Run

__all__ = ["run", "usage"]

OPTIONS = (
    Option("run", str | None, None, "The run that compressed it, where it has moved since.", "samples", "", "PATH"),
    Option("out", str | None, None, "Folder for the images, or file for rows or arrays; by default in RUN/samples.",
           "output", "o", "PATH"),
)


def usage(words: Sequence[str]) -> Usage:
    """Returns how the verb is called."""
    about = "Makes samples of a compressed file, with the run that compressed it: images under their ids, rows of a\n" \
            "table as CSV, or arrays."
    return Usage("decompress", about, ("FILE",), (*OPTIONS, *SHARED), words=tuple(words))


def run(call: Call, say: Say) -> None:
    """Writes the samples and says where they are."""
    from tacit.runs.compressing import read, unpack

    packed = read(Path(call.places["FILE"]))
    asked = loaded(call["run"] or packed.about["run"], call)
    made = unpack(asked, packed)
    say(f"samples of {call.places['FILE']}: {len(made):,}")
    if asked.spec.kind == "image":
        folder = write_images(asked, made, packed.about["ids"], call)
        return say(f"wrote {folder}")
    for path in write_samples(asked, made, "decompressed", call):
        say(f"wrote {path}")


def write_images(asked: Run, made: Tensor, ids: Sequence[str], call: Call) -> Path:
    """Writes each image under its id, as PNG, into a folder.

    Raises:
        RunError: If the folder holds something already.
        DataError: If an id would lead out of it.
    """
    from tacit.pictures.grid import grid, save

    folder = Path(call["out"]) if call["out"] else asked.path / "samples" / Path(call.places["FILE"]).stem
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not call["overwrite"]):
        raise RunError(f"{folder} holds something already; -o names a new folder, --overwrite writes into this one")
    for one, name in zip(made, ids, strict=True):
        path = folder / f"{name}.png" if Path(name).suffix.lower() != ".png" else folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"the id {name!r} leads out of {folder}; this file was not made by tacit")
        path.parent.mkdir(parents=True, exist_ok=True)
        save(grid(one[None], gap=0, scale=1), path)
    return folder
