"""What all pages share: how they are rendered, and how they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from tacit.runs.folder import write_atomically

__all__ = ["environment", "write"]


def environment(**more: Any) -> Environment:
    """Returns what renders templates: all that they are told is escaped; `more` are further options of jinja2's."""
    return Environment(loader=PackageLoader("tacit.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True,
                       **more)


def write(html: str, path: Path) -> Path:
    """Writes a page whole, into a folder that is made where it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return path
