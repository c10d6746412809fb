"""Where a study lies, and how it begins or is taken up again."""

from __future__ import annotations

import dataclasses
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tacit.catalog import row
from tacit.data.builtin import BUILTIN
from tacit.data.dataset import IN_MEMORY, Data
from tacit.data.open import open_source, word
from tacit.data.options import ReadOptions, flag
from tacit.errors import DataError, OptionError, RunError
from tacit.runs.config import data_entry
from tacit.runs.folder import is_run
from tacit.runs.run import Run
from tacit.study.journal import Journal, is_study
from tacit.study.panel import Plan, panel, plan_of
from tacit.study.result import Member

__all__ = ["begun", "check_place", "command_of", "member", "place_of", "reopened"]

Say = Callable[[str], None]


def place_of(source: Any, out: str | os.PathLike[str] | None) -> Path:
    """Returns a study's folder: `out`, or the source where it is a study's folder, or one named after the source."""
    if out is not None:
        return Path(out)
    if not isinstance(source, (str, Path)):
        return Path("runs") / "study-arrays"
    if is_study(Path(source)):
        return Path(source)
    name = str(source)
    return Path("runs") / f"study-{name if name in BUILTIN else word(Path(name).expanduser())}"


def check_place(folder: Path, source: Any, *, overwrite: bool) -> None:
    """Raises `RunError` if a study of a source may not be put into a folder."""
    inside = isinstance(source, (str, Path)) and str(source) not in BUILTIN
    if inside and Path(source).expanduser().resolve().is_relative_to(folder.resolve()):
        raise RunError(f"{source} lies in the study's own folder, {folder}; choose another -o, or go on with the study "
                       "by --resume")
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if is_study(folder) and not overwrite:
        raise RunError(f"{folder} is a study already; --resume goes on with it, --add METHOD adds to it, --overwrite "
                       "replaces it, another -o leaves it")
    if folder.exists() and not is_study(folder):
        raise RunError(f"{folder} exists and is no study; nothing of it is touched; choose another -o")


def begun(source: Any, minutes: float, methods: Sequence[str], seed: int, command: str, reading: dict[str, Any],
          say: Say) -> tuple[Journal, Data]:
    """Returns the journal of a new study and its data."""
    for name in methods:
        row(name)  # a wrong name is said before the data are read
    if is_run(source):
        raise OptionError(f"{source} is a run, and a study is of data: name the run's own source, or fit a method on "
                          f"the run: tacit fit umap {source}")
    data = open_source(source, ReadOptions.from_dict(reading), say=say)
    plans = panel(data.spec.kind, minutes, methods)
    if not plans:
        raise DataError(f"{data.source} holds {data.spec}, and no method of the panel takes that; 'tacit methods --for "
                        f"{data.spec.kind}' lists those that do")
    members = tuple(member(i, plan) for i, plan in enumerate(plans, 1))
    source = data_entry(data)["source"]  # as it is found from any folder
    return Journal(source, data.options, data.fingerprint, minutes, seed, command, plans, members), data


def member(number: int, plan: Plan) -> Member:
    """Returns a member of the panel that was not tried yet."""
    return Member(f"{number:02d}-{plan.method}", plan.method, plan.seat)


def reopened(folder: Path, source: Any, minutes: float | None, add: Sequence[str], reading: dict[str, Any], say: Say
             ) -> tuple[Journal, Data, float]:
    """Returns the journal of a study that goes on, its data, and the minutes that it gets more.

    What failed or was left out gets another chance; methods that are added come last.

    Raises:
        RunError: If there is no study, or it is one of another source.
        OptionError: If an option is given that was decided when it was begun, or a method cannot be added.
        DataError: If its source is gone or has changed.
    """
    journal = Journal.read(folder)
    if reading:
        raise OptionError(f"{flag(next(iter(reading)))} was decided when {folder} was begun; leave it out")
    if journal.source == IN_MEMORY:
        raise DataError(f"{folder} studied data that were in memory only; begin again with the data")
    if not same_place(source, folder) and not same_place(source, journal.source):
        raise RunError(f"{folder} is a study of {journal.source}, not of {source}; choose another -o to begin one")
    data = open_source(journal.source, ReadOptions.from_dict(dict(journal.reading)), say=say)
    if data.fingerprint != journal.fingerprint:
        raise DataError(f"the source of {folder}, {journal.source}, has changed since the study was begun; restore it, "
                        "or begin again with --overwrite")
    more = journal.minutes if minutes is None else minutes
    plans = tuple(plan_of(row(name), data.spec.kind) for name in add)
    old = tuple(dataclasses.replace(m, state="waiting", reason="") if m.state in ("failed", "left out") else m
                for m in journal.members)
    new = tuple(member(i, plan) for i, plan in enumerate(plans, len(journal.plans) + 1))
    minutes = journal.minutes + more
    return dataclasses.replace(journal, minutes=minutes, plans=journal.plans + plans, members=old + new), data, more


def same_place(source: Any, other: str | Path) -> bool:
    """Returns whether two names are of one source."""
    if str(source) == str(other):
        return True
    return str(source) not in BUILTIN and Path(source).expanduser().resolve() == Path(other).resolve()


def command_of(plan: Plan, parent: Run | None, data: Data, options: Mapping[str, Any]) -> str:
    """Returns the command line that fits a member again, as a run of its own; nothing for data in memory.

    Arguments:
        plan: What is fitted.
        parent: On which run, or None for the data.
        data: The data.
        options: The method's and the training's, by name.
    """
    if data.source == IN_MEMORY:
        return ""
    words = ["tacit", "fit", plan.method, str(parent.path) if parent else data.source]
    timed = options if plan.share else {name: value for name, value in options.items() if name != "minutes"}
    for name, value in {**({} if parent else data.options), **timed}.items():
        if value is True:
            words.append(flag(name))
        elif isinstance(value, float):
            words += [flag(name), f"{value:.3g}"]
        else:
            words += [flag(name), ",".join(value) if isinstance(value, (list, tuple)) else str(value)]
    return shlex.join(words)
