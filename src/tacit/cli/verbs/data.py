"""``tacit data DATA``: shows what is in a source before anything is fitted to it."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tacit.cli.options import Option
from tacit.cli.output import Say, aligned, check_free
from tacit.cli.parser import Call, Usage
from tacit.cli.verbs.fit import reading_options
from tacit.errors import OptionError

if TYPE_CHECKING:
    from tacit.data.facts import Facts
    from tacit.study.timing import Timing

__all__ = ["run", "usage"]

OPTIONS = (
    Option("json", bool, False, "Says everything as one JSON document and nothing else.", "output"),
    Option("time", bool, True, "Tries each method for about a second and says how long it would take; --no-time does "
           "not.", "output"),
    Option("out", str | None, None, "Page with pictures to write to.", "output", "o", "FILE.html"),
    Option("overwrite", bool, False, "Replaces the page.", "output"),
)
EXAMPLES = """examples:
  tacit data photos/ -o photos.html
  tacit data people.csv --labels income
  tacit data photos.zip --json --no-time"""
WIDTH = 120  # of lines, at most
LOST, GROUPS, MEMBERS, CLASSES, COLUMNS = 10, 5, 4, 20, 60  # how many are listed


def usage(words: Sequence[str]) -> Usage:
    """Returns how the verb is called."""
    about = "Shows what is in a source before anything is fitted: samples, sizes, labels, duplicates, what cannot be " \
            "read,\nwhat should be mended, and how long each method would take here."
    return Usage("data", about, ("DATA",), (*OPTIONS, *reading_options()), EXAMPLES, words=tuple(words))


def run(call: Call, say: Say) -> None:
    """Says what is in the source, and writes the page."""
    page = page_of(call)

    from tacit.data.facts import cache_fact, facts_of
    from tacit.runs.opening import open_data
    from tacit.study.timing import timings

    aside: Say = partial(print, file=sys.stderr, flush=True)
    data = open_data(call.places["DATA"], say=unheard if sys.stderr.isatty() else aside, **call.group("data"))
    facts = facts_of(data)
    facts = replace(facts, lines=(*facts.lines, cache_fact(data)))
    times = timings(data) if call["time"] else iter(())
    if call["json"]:
        found = list(times)
        say(document(facts, found, call.places["DATA"]))
    else:
        found = told(facts, times, say)
    if page is not None:
        from tacit.report.data_page import write_data_page

        write_data_page(facts, page, timings=found, command=call.command)
        (aside if call["json"] else say)(f"wrote {page}")
    elif not call["json"]:
        say(f"a page with pictures: {call.command} -o {shlex.quote(f'{data.name}.html')}")


def page_of(call: Call) -> Path | None:
    """Returns the page to write, after checking that it can be written; None where none is asked for."""
    if call["out"] is None:
        return None
    page = Path(call["out"])
    if page.suffix.lower() not in (".html", ".htm"):
        raise OptionError(f"a page is written as .html; -o names {page}")
    check_free(page, overwrite=call["overwrite"])
    return page


def unheard(line: str) -> None:
    """Says nothing: a bar on the terminal shows how far the reading is, and the facts hold what was assumed."""


def document(facts: Facts, times: Sequence[Timing], source: str) -> str:
    """Returns everything as one JSON document."""
    whole = {"source": source, **facts.to_dict(), "timings": [asdict(time) for time in times]}
    return json.dumps(whole, indent=2, ensure_ascii=False)


def told(facts: Facts, times: Iterator[Timing], say: Say) -> list[Timing]:
    """Says the facts, then each method's time as soon as it is known; returns the times."""
    width = min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)
    for line in (*said_facts(facts, width), *said_columns(facts), *said_classes(facts), *said_lost(facts),
                 *said_groups(facts)):
        say(line)
    found: list[Timing] = []
    for time in times:
        if not found:
            say("\ntime here, each method by itself, tried for about a second")
        found.append(time)
        say(said_time(time, width))
    say("")
    return found


# What is said --------------------------------------------------------------------------------------------------------


def said_facts(facts: Facts, width: int) -> Iterator[str]:
    """Yields a line or two for each fact, those that a person should act on marked."""
    longest = max(len(line.name) for line in facts.lines)
    for line in facts.lines:
        text = f"{line.value} ({line.about})" if line.about else line.value
        yield hanging(f"{'!' if line.warning else ' '} {line.name:{longest}}  ", text, width)


def hanging(head: str, text: str, width: int) -> str:
    """Returns text behind a head, wrapped so that all of it stands beside the head.

    Example:
        >>> print(hanging("sizes  ", "from 20 x 30 to 40 x 60", 20))
        sizes  from 20 x 30
               to 40 x 60
    """
    return textwrap.fill(text, max(width, len(head) + 20), initial_indent=head, subsequent_indent=" " * len(head),
                         break_long_words=False, break_on_hyphens=False)


def said_columns(facts: Facts) -> Iterator[str]:
    """Yields a table's columns."""
    if not facts.columns:
        return
    yield "\ncolumns"
    rows = [(f"  {c.name}", c.role, f"{c.missing:,} missing" if c.missing else "", c.values or c.about)
            for c in facts.columns]
    yield from aligned(rows[:COLUMNS])
    yield from more(len(rows), COLUMNS)


def said_classes(facts: Facts) -> Iterator[str]:
    """Yields the classes and their numbers of samples."""
    if not facts.classes:
        return
    yield "\nclasses"
    longest = max(len(f"{n:,}") for n in facts.classes.values())
    yield from aligned([(f"  {name}", f"{n:>{longest},}") for name, n in facts.classes.items()][:CLASSES])
    yield from more(len(facts.classes), CLASSES)


def said_lost(facts: Facts) -> Iterator[str]:
    """Yields what could not be read, and why."""
    lost = facts.data.skipped
    if lost:
        yield "\ncannot be read"
        yield from aligned([(f"  {one.name}", one.reason) for one in lost[:LOST]])
        yield from more(len(lost), LOST)


def said_groups(facts: Facts) -> Iterator[str]:
    """Yields the largest groups of duplicates."""
    if facts.duplicates:
        yield "\nduplicates"
    for group in facts.duplicates[:GROUPS]:
        ids = ", ".join(facts.data.ids[i] for i in group.positions[:MEMBERS])
        rest = f" and {len(group.positions) - MEMBERS:,} more" if len(group.positions) > MEMBERS else ""
        yield f"  {'exact' if group.exact else 'near '}  {ids}{rest}"
    yield from more(len(facts.duplicates), GROUPS)


def more(count: int, shown: int) -> Iterator[str]:
    """Yields a line that says how many are not shown, if any."""
    if count > shown:
        yield f"  and {count - shown:,} more, which --json lists"


def said_time(time: Timing, width: int) -> str:
    """Returns a method's time as a line."""
    from tacit.catalog import CATALOG
    from tacit.study.timing import lasting

    head = f"  {time.method:{max(len(row.name) for row in CATALOG)}}  "
    if time.seconds is None or time.whole is None:
        return hanging(head, f"not here: {time.about}", width)
    each = f"{lasting(time.seconds)} an epoch, {lasting(time.whole)} in all" if time.unit == "epoch" else (
        f"{lasting(time.whole)} in all")
    return hanging(head, f"{each} ({time.about})", width)
