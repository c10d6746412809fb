"""``tacit encode RUN [DATA]``: represents samples as latents."""

from __future__ import annotations

from collections.abc import Sequence

from tacit.cli.asking import ask, asked_data, opened, sides
from tacit.cli.output import Say, place, write_arrays
from tacit.cli.parser import Call, Usage

__all__ = ["run", "usage"]

TABLES = (".csv", ".parquet")


def usage(words: Sequence[str]) -> Usage:
    """Returns how the verb is called: with the options of the run's own ``encode``."""
    about = "Represents samples as latents: an .npz file of z, ids, held_out, and label where there are labels;\n" \
            "with -o FILE.csv or FILE.parquet a table of id, path, split and a column for each latent."
    return ask("encode", about, "Encodes", words, call="encode")


def run(call: Call, say: Say) -> None:
    """Writes the latents of data and says where they are."""
    from tacit.runs.tables import about_samples, write_table

    asked = opened(call, "Encodes")
    data = asked_data(asked, call, say)
    z = asked.encode(data, **call.group("method"))
    path = place(call["out"], asked.path / "samples", "latents", ".npz", *TABLES, overwrite=call["overwrite"])
    if path.suffix in TABLES:
        columns = {f"z{i}": column for i, column in enumerate(z.flatten(1).unbind(1))}
        write_table(path, about_samples(data, sides(data, call)) | columns)
    else:
        labels = {} if data.label is None else {"label": data.label, "classes": list(data.spec.classes)}
        write_arrays(path, z=z, ids=list(data.ids), held_out=data.held_out, **labels)
    say(f"latents, each {' x '.join(map(str, z.shape[1:]))}: {len(z):,}")
    say(f"wrote {path}")
