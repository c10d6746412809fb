"""``samples.csv``: one line for each sample, with all that a study found of it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tacit.data.dataset import Data
from tacit.errors import MissingExtra
from tacit.runs.run import Run
from tacit.runs.tables import SUFFIXES, about_samples, write_table
from tacit.study.result import StudyResult

__all__ = ["columns", "write_samples"]

Array = np.ndarray[Any, Any]


def write_samples(result: StudyResult, runs: Mapping[str, Run], data: Data, folder: Path) -> list[Path]:
    """Writes ``samples.csv``, and ``samples.parquet`` where pyarrow is installed.

    Arguments:
        result: What was found: of several maps, groupings and scores, the first counts.
        runs: The members' runs, by name.
        data: All samples.
        folder: Where to.

    Returns:
        The files.
    """
    table = columns(result, runs, data)
    written = []
    for path in (folder / f"samples{suffix}" for suffix in SUFFIXES):
        with contextlib.suppress(MissingExtra):
            write_table(path, table)
            written.append(path)
    return written


def columns(result: StudyResult, runs: Mapping[str, Run], data: Data) -> dict[str, Any]:
    """Returns the columns: id, path, split, label, map, cluster, strangeness, duplicate, rank to be labelled."""
    table = about_samples(data)
    if data.label is not None:
        names = [*data.spec.classes, ""]
        table["label"] = [names[i] for i in data.label.tolist()]  # -1 is the last
    if result.maps:
        places = runs[result.maps[0].member].embed(data).double().numpy()
        table["map_x"], table["map_y"] = places[:, 0], places[:, 1]
    if result.clusters:
        table["cluster"] = runs[result.clusters[0].member].assign(data).numpy()
    if result.strangest:
        table["strangeness"] = runs[result.strangest[0].member].score(data).double().numpy()
    table["duplicate_of"] = duplicates(result, data)
    table["label_rank"] = ranks(result, data)
    return table


def duplicates(result: StudyResult, data: Data) -> list[str]:
    """Returns for each sample the id of another that is the same, or nearly, or nothing."""
    found = [""] * len(data)
    for first, second, *others in (group.positions for group in result.facts.duplicates):
        for i in (second, *others):
            found[i] = data.ids[first]
        found[first] = data.ids[second]
    return found


def ranks(result: StudyResult, data: Data) -> Array:
    """Returns for each sample its place among those to be labelled first, from 1, or NaN."""
    wanted = list(result.to_label.ids) if result.to_label is not None else []
    place = {name: float(i) for i, name in enumerate(wanted, 1)}
    return np.array([place.get(name, np.nan) for name in data.ids])
