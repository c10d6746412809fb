"""What a run said: to a person, on the screen and in its ``log.txt``, and to programs, as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tacit.runs.folder import write_atomically

__all__ = ["Log", "add_line", "read_lines"]


class Log:
    """Says each line, and keeps it for ``log.txt`` from the moment that there is a folder.

    Arguments:
        say: Shows a line to a person.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._early, self._path = say, list[str](), None

    _path: Path | None

    def __call__(self, line: str) -> None:
        """Says a line."""
        self._say(line)
        if self._path is None:
            self._early.append(line)
        else:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(line + "\n")

    def settle(self, folder: Path) -> None:
        """Writes what was said so far, and from now on, into a folder."""
        self._path = folder / "log.txt"
        early, self._early = self._early, []
        with open(self._path, "a", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in early)


def add_line(path: Path, line: Mapping[str, Any]) -> None:
    """Adds a line to a ``.jsonl`` file; those of its step and later ones, from before the run was resumed, go."""
    kept = [earlier for earlier in read_lines(path) if earlier["step"] < line["step"]]
    with write_atomically(path) as temporary:
        temporary.write_text("".join(json.dumps(one) + "\n" for one in [*kept, line]))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Returns the lines of a ``.jsonl`` file; none where there is no file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
