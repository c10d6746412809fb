"""``tacit cluster RUN [DATA]``: puts samples into groups."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tacit.cli.asking import ask, asked_data, opened, sides, table_place
from tacit.cli.options import Option
from tacit.cli.output import Say
from tacit.cli.parser import Call, Usage

if TYPE_CHECKING:
    from torch import Tensor

    from tacit.data.dataset import Data
    from tacit.runs.run import Run

__all__ = ["run", "usage"]

OPTIONS = (Option("exemplars", int, 12, "Images shown of each cluster.", "clusters"),)


def usage(words: Sequence[str]) -> Usage:
    """Returns how the verb is called."""
    about = "Puts samples into groups. Writes a table of id, path, split and cluster, and a picture of each\n" \
            "group's exemplars: its least strange images where the run can score, else the first ones."
    return ask("cluster", about, "Clusters", words, options=OPTIONS)


def run(call: Call, say: Say) -> None:
    """Says how large each group is, writes all groups and says where they are."""
    from tacit.runs.tables import about_samples, write_table

    asked = opened(call, "Clusters")
    data = asked_data(asked, call, say)
    groups = asked.assign(data)
    for group, count in zip(*(t.tolist() for t in groups.unique(return_counts=True)), strict=True):
        say(f"{name(group):>12}  {count:8d}  {count / len(groups):6.1%}")
    table, picture = table_place(asked, call, "clusters")
    write_table(table, about_samples(data, sides(data, call)) | {"cluster": groups})
    for path in (table, *drawn(asked, data, groups, call["exemplars"], picture)):
        say(f"wrote {path}")


def name(group: int) -> str:
    """Returns what a group is called."""
    return f"cluster {group}" if group >= 0 else "none"


def drawn(asked: Run, data: Data, groups: Tensor, count: int, path: Path) -> list[Path]:
    """Draws exemplars of each group of images."""
    if data.spec.kind != "image" or count < 1:
        return []
    import torch

    from tacit.pictures import plots

    order = asked.score(data).argsort(stable=True) if "Scores" in asked.capabilities else torch.arange(len(data))
    rows = []
    for group in groups.unique().tolist():
        members = order[groups[order] == group]
        share = len(members) / len(groups)
        rows.append((f"{name(group)}: {share:.1%}", data.batch(members[:count]).x))
    return [plots.exemplars(rows, path)]
