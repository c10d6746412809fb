"""Tables of samples: one line for each, as .csv or .parquet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tacit.data.dataset import Data
from tacit.data.sheets import write_csv
from tacit.errors import MissingExtra
from tacit.runs.folder import write_atomically

__all__ = ["SUFFIXES", "about_samples", "write_table"]

SUFFIXES = (".csv", ".parquet")


def about_samples(data: Data, sides: Iterable[str] | None = None) -> dict[str, Any]:
    """Returns the columns that every table of samples begins with: id, path where ids are files, split.

    Arguments:
        data: The samples.
        sides: The split of each; by default training or held-out.
    """
    table: dict[str, Any] = {"id": list(data.ids)}
    if data.folder is not None:
        table["path"] = [str(data.folder / name) for name in data.ids]
    table["split"] = list(sides) if sides else ["held-out" if out else "training" for out in data.held_out.tolist()]
    return table


def write_table(path: Path, columns: Mapping[str, Any]) -> None:
    """Writes columns of equal length, numbers or words.

    Arguments:
        path: Where to, .csv or .parquet.
        columns: Arrays, tensors or lists of words, by name.

    Raises:
        MissingExtra: If a .parquet file is asked for and pandas or pyarrow is not installed.
    """
    plain = {n: np.array(c, dtype=object) if isinstance(c, list) else np.asarray(c) for n, c in columns.items()}
    with write_atomically(path) as temporary:
        if path.suffix == ".parquet":
            write_parquet(temporary, plain)
        else:
            write_csv(temporary, plain)


def write_parquet(path: Path, columns: Mapping[str, Any]) -> None:
    """Writes columns as .parquet, with the types that they have."""
    try:
        import pandas
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise MissingExtra(error.name or "pandas", "tables", "writing a .parquet file") from error
    pandas.DataFrame(dict(columns)).to_parquet(path, index=False)
