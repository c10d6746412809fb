"""``tacit methods``: lists the methods, or those for a purpose."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tacit.catalog import WORDS, Row, select
from tacit.cli.kinds import kind_of
from tacit.cli.options import Option
from tacit.cli.output import Say, aligned
from tacit.cli.parser import Call, Usage

__all__ = ["run", "usage"]

OPTIONS = (
    Option("can", str | None, None, "Only those that can do this: encode, sample, score, cluster, map, ...", "choice",
           metavar="VERB"),
    Option("for", str | None, None, "Only those that take this kind of data (image, table, vector, ...), or the data "
           "at this path; those that it suits best come first.", "choice", metavar="KIND|DATA"),
)
HEADINGS = ("name", "family", "what", "can", "takes", "cost", "paper")


def usage(words: Sequence[str]) -> Usage:
    """Returns how the verb is called."""
    about = "Lists the methods: what each can do, which data it takes, best first, and its cost in multiples of the " \
            "cheapest's."
    return Usage("methods", about, (), OPTIONS, words=tuple(words))


def run(call: Call, say: Say) -> None:
    """Says the methods that were asked for, as a table on a terminal and as plain columns elsewhere."""
    kind = kind_of(call["for"]) if call["for"] else None
    rows = [cells(row) for row in select(call["can"], kind)]
    if not rows:
        return say(f"no method does that for {kind}")
    if sys.stdout.isatty():
        return show(rows)
    for line in aligned([HEADINGS, *rows]):
        say(line)


def cells(row: Row) -> tuple[str, ...]:
    """Returns a method's line."""
    can = ", ".join(WORDS[c][-1] for c in row.can if c != "Illustrates")
    what = row.summary + (f" [needs {', '.join(row.needs)}]" if row.needs else "")
    return row.name, row.family, what, can, ", ".join(row.accepts), f"{row.cost:g}", row.paper


def show(rows: Sequence[tuple[str, ...]]) -> None:
    """Shows the methods as a table on a terminal: family below name, paper below what it is."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_lines=True)
    table.add_column("name", no_wrap=True)
    table.add_column("what", ratio=5)
    table.add_column("can", ratio=3, min_width=12)
    table.add_column("takes", ratio=2, min_width=7)
    table.add_column("cost", justify="right")
    for name, family, what, can, takes, cost, paper in rows:
        first = Text.assemble((name, "bold"), "\n", (family, "dim"))
        table.add_row(first, Text.assemble(what, "\n", (paper, "dim")), can, takes, cost)
    Console().print(table)
