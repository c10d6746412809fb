"""``tacit compare RUN RUN ...``: sets runs side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tacit.cli.asking import loaded
from tacit.cli.config import method_of
from tacit.cli.options import Option
from tacit.cli.output import Say, aligned, check_free
from tacit.cli.parser import Call, Usage
from tacit.cli.verbs import evaluate as evaluating
from tacit.errors import CapabilityError, OptionError

if TYPE_CHECKING:
    from tacit.evaluation.compare import Comparison
    from tacit.evaluation.evaluate import Evaluation

__all__ = ["run", "usage"]

OPTIONS = (
    Option("anyway", bool, False, "Sets runs side by side although their data differ; the differences are flagged.",
           "comparison"),
    Option("fresh", bool, False, "Evaluates every run anew, in place of reading the evaluations that are there.",
           "comparison"),
    Option("out", str, "comparison.html", "Page to write to.", "output", "o", "FILE.html"),
    Option("overwrite", bool, False, "Replaces the page.", "output"),
)


def usage(words: Sequence[str]) -> Usage:
    """Returns how the verb is called."""
    about = "Sets runs side by side: prints a table and writes a page with pictures. Runs that have not been " \
            "evaluated are evaluated first. Runs that differ in data, split or size are refused."
    for word in words:
        if word.startswith("-"):
            break
        method_of(word)  # no run is an error that needs no torch
    return Usage("compare", about, ("RUNS...",), (*OPTIONS, *evaluating.OPTIONS), words=tuple(words))


def run(call: Call, say: Say) -> None:
    """Says the table and where the page is."""
    page = Path(call["out"])
    if page.suffix.lower() not in (".html", ".htm"):
        raise OptionError(f"a page is written as .html; -o names {page}")
    check_free(page, overwrite=call["overwrite"])
    folders = list(dict.fromkeys(Path(word) for word in call.several))
    if len(folders) < 2:
        raise OptionError("a comparison needs two runs: tacit compare RUN RUN")

    from tacit.evaluation.compare import compare
    from tacit.report.comparison import write_page

    found = compare(named([evaluated(folder, call, say) for folder in folders], folders), anyway=call["anyway"])
    for line in table(found):
        say(line)
    for flag in found.flags:
        say(f"mind: {flag}")
    say(f"wrote {write_page(found, folders, page, command=call.command)}")


def evaluated(folder: Path, call: Call, say: Say) -> Evaluation:
    """Returns a run's evaluation: the one that is there, if nothing else is asked for, or a new one."""
    from tacit.evaluation.evaluate import FILE, Evaluation, evaluate
    from tacit.evaluation.questions import chosen

    asked = call.group("samples") or call.group("questions")
    if (folder / FILE).is_file() and not asked and not call["fresh"]:
        return Evaluation.read(folder)
    run, settings = loaded(str(folder), call), evaluating.settings(call)
    able = [q.name for q in chosen(settings["only"]) if q.capability in run.capabilities]
    if not able:
        raise CapabilityError(f"{folder} ({run.method_name}) can answer none of {', '.join(settings['only'])}")
    say(f"evaluating {folder}")
    return evaluate(run, **settings | {"only": tuple(able)}, say=say)


def named(runs: Sequence[Evaluation], folders: Sequence[Path]) -> list[Evaluation]:
    """Returns evaluations under their folders' names, or whole paths where two folders share a name."""
    unique = len({f.name for f in folders}) == len(folders)
    return [dataclasses.replace(r, run=f.name if unique else str(f)) for r, f in zip(runs, folders, strict=True)]


def table(found: Comparison) -> list[str]:
    """Returns the lines of a table: one measure a line, one run a column; a star stands by the best."""
    rows = [["", *(r.run for r in found.runs)]]
    question = ""
    for line in found.lines:
        about = line.about
        if about.question != question:
            question = about.question
            rows.append([question])
        cells = [f"{m}{' *' if i in line.best else ''}" if m else "-" for i, m in enumerate(line.measures)]
        rows.append([f"  {about.name}{f' ({about.of})' if about.of else ''}", *cells])
    return aligned(rows)
