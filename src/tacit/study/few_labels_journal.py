"""What was measured of few labels so far, in a file: what it holds is not measured again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tacit.data.dataset import Data
from tacit.errors import RunError
from tacit.runs.folder import write_atomically
from tacit.study.few_labels_panel import Member

__all__ = ["FILE", "FIT", "PICTURE", "Journal"]

FILE, PICTURE = "few-labels.json", "few-labels.png"
FIT = ".fit"  # holds the run that learns from labels, while it does


@dataclass
class Journal:
    """What was found so far, as ``few-labels.json`` holds it.

    Arguments:
        folder: Where it lies.
        header: What the figures are of: the data, the seed, and the members' options.
        accuracies: As `FewLabels.accuracies`.
    """

    folder: Path
    header: dict[str, Any]
    accuracies: dict[str, dict[int, list[float]]] = field(default_factory=dict)

    @classmethod
    def opened(cls, folder: Path, data: Data, members: Sequence[Member], seed: int, command: str, *,
               overwrite: bool) -> Self:
        """Returns a new journal, or the one that is there.

        Raises:
            RunError: If figures of other data, another seed or other options are there, or other files.
        """
        header = {"source": data.source, "fingerprint": data.fingerprint, "seed": seed, "command": command,
                  "training": len(data.training), "held_out": len(data.testing),
                  "options": {m.title: dict(m.options) for m in members}}
        path = folder / FILE
        if folder.exists() and not path.is_file() and any(folder.iterdir()):
            raise RunError(f"{folder} holds other files, and no {FILE}; nothing of it is touched; choose another -o")
        if path.is_file() and overwrite:
            cleared(folder)
        found = cls(folder, header)
        if path.is_file():
            try:
                plain = json.loads(path.read_text("utf-8"))
                found.accuracies = {t: {int(c): list(a) for c, a in known.items()} for t, known in
                                    plain["accuracies"].items()}
                found.join(plain)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise RunError(f"{path} cannot be read ({type(error).__name__}: {error}); restore it, or begin again "
                               "with --overwrite") from error
        folder.mkdir(parents=True, exist_ok=True)
        found.write()
        return found

    def join(self, plain: Mapping[str, Any]) -> None:
        """Takes up a header that was written before; raises `RunError` where it does not go with this one."""
        options = self.header["options"]
        other = next((t for t, o in plain["options"].items() if t in options and options[t] != o), None)
        what = "data" if plain["fingerprint"] != self.header["fingerprint"] else \
            "seed" if plain["seed"] != self.header["seed"] else f"options of {other}" if other else ""
        if what:
            raise RunError(f"{self.folder / FILE} holds figures with other {what}; --overwrite drops them, another -o "
                           "leaves them")
        self.header["options"] = plain["options"] | options

    def add(self, title: str, labels: int, accuracy: float) -> None:
        """Adds a draw, and writes everything."""
        self.accuracies.setdefault(title, {}).setdefault(labels, []).append(accuracy)
        self.write()

    def write(self) -> None:
        """Writes ``few-labels.json``."""
        plain = self.header | {"accuracies": self.accuracies}
        with write_atomically(self.folder / FILE) as path:
            path.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", "utf-8")


def cleared(folder: Path) -> None:
    """Removes the figures of a folder, their picture, and the runs that they name; what else lies there stays."""
    try:
        titles = list(json.loads((folder / FILE).read_text("utf-8"))["options"])
    except (ValueError, KeyError, TypeError, UnicodeDecodeError):
        titles = []
    for name in (FIT, *(title.replace(" ", "-") for title in titles)):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (PICTURE, FILE):
        (folder / name).unlink(missing_ok=True)
