"""What a study keeps on disk, so that it goes on where it ended: ``study.json``."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tacit.errors import RunError
from tacit.runs.folder import write_atomically
from tacit.study.panel import Plan
from tacit.study.result import Member

__all__ = ["FILE", "Journal", "is_study"]

FILE = "study.json"


@dataclass(frozen=True)
class Journal:
    """A study, as far as it is.

    Arguments:
        source: The data, as they were given.
        reading: How they are read, as `ReadOptions.to_dict`.
        fingerprint: Of the data.
        minutes: The budget.
        seed: Of every run and every draw.
        command: The command line that began it.
        plans: The panel, in order.
        members: How far each is, in the same order, without evaluations, which lie in the runs' folders.
        seconds: The time that it took so far.
    """

    source: str
    reading: Mapping[str, Any]
    fingerprint: str
    minutes: float
    seed: int
    command: str
    plans: tuple[Plan, ...]
    members: tuple[Member, ...]
    seconds: float = 0.0

    def write(self, folder: Path) -> None:
        """Writes ``study.json`` into the study's folder."""
        plain = dataclasses.asdict(dataclasses.replace(self, members=()))
        plain["members"] = [dataclasses.asdict(dataclasses.replace(m, evaluation=None)) for m in self.members]
        with write_atomically(folder / FILE) as path:
            path.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads what `write` wrote.

        Raises:
            RunError: If it is not there, or damaged.
        """
        try:
            plain = json.loads((folder / FILE).read_text("utf-8"))
            plans, members = tuple(Plan(**p) for p in plain["plans"]), tuple(Member(**m) for m in plain["members"])
            return cls(**{**plain, "plans": plans, "members": members})
        except FileNotFoundError:
            raise RunError(f"{folder} holds no study; tacit study DATA begins one") from None
        except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise RunError(f"{folder / FILE} cannot be read ({type(error).__name__}: {error}); restore it, or begin "
                           "the study again with --overwrite") from error


def is_study(folder: Path) -> bool:
    """Returns whether a folder is a study's."""
    return (folder / FILE).is_file()
