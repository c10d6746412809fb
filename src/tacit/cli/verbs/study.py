"""``tacit study DATA``: what is in my data?"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tacit.catalog import row
from tacit.cli.options import Option
from tacit.cli.output import Say
from tacit.cli.parser import Call, Usage
from tacit.cli.verbs.fit import OF_ONE_FIT, reading_options
from tacit.errors import Interrupted, OptionError

if TYPE_CHECKING:
    from tacit.study.result import StudyResult

__all__ = ["run", "usage"]

REPORT, SHARED = "report.html", "share.html"
OPTIONS = (
    Option("minutes", float | None, None, "The budget, shared by all methods: by default 10, and as many again for a "
           "study that goes on.", "study"),
    Option("methods", tuple[str, ...], (), "Only these methods, in place of a panel chosen by kind of data and budget.",
           "study", metavar="NAME,..."),
    Option("resume", bool, False, "Goes on with a study that was ended.", "study"),
    Option("add", tuple[str, ...], (), "Adds methods to a study, and writes its report anew.", "study",
           metavar="NAME,..."),
    Option("seed", int, 0, "Seed of every run and every draw.", "study"),
    Option("out", str | None, None, "The study's folder; by default runs/study-NAME.", "output", "o", "FOLDER"),
    Option("overwrite", bool, False, "Replaces a study in that folder.", "output"),
    Option("share", bool, False, "Writes share.html too: a report without pictures of the data, names and paths.",
           "output"),
)
ABOUT = """Finds out what is in data that nobody labelled: maps, clusters, what does not belong, representations, new
samples, and which method to use for what.

DATA is a file, a folder or an archive of images, a table, arrays, or a built-in source (digits, shapes, moons).
A panel of methods shares the budget; each becomes an ordinary run in the study's folder. report.html is written after
the first of them and again after each; samples.csv says of each sample what was found. Labels, where there are some,
are used for checking only.

Ctrl-C goes on to the next method; twice ends the study and keeps everything."""
EXAMPLES = """examples:
  tacit study photos/ --minutes 15
  tacit study people.csv --labels income
  tacit study photos/ --resume
  tacit study photos/ --add hdbscan"""


def usage(words: Sequence[str]) -> Usage:
    """Returns how the verb is called."""
    reading = reading_options()
    heeded = tuple(o for o in reading if o.name not in OF_ONE_FIT)
    missing = {o.name: "a study learns from nothing but the data" for o in reading if o not in heeded}
    return Usage("study", ABOUT, ("DATA",), (*OPTIONS, *heeded), EXAMPLES, words=tuple(words), missing=missing)


def run(call: Call, say: Say) -> None:
    """Conducts a study, says what it came to and where its report is."""
    for name in (*call["methods"], *call["add"]):
        row(name)  # a wrong name is an error that needs no torch
    if call["methods"] and (call["add"] or call["resume"]):
        raise OptionError("--methods is for a new study; --add METHOD adds to one that is there")
    for name in ("seed", "overwrite"):
        if name in call.given and (call["add"] or call["resume"]):
            raise OptionError(f"--{name} is for a new study, and this one goes on as it was begun; leave it out")

    from tacit.report.study import write_report
    from tacit.study.conduct import conduct

    written: list[Path] = []

    def publish(result: StudyResult) -> None:
        path = write_report(result, result.folder / REPORT)
        if not written:
            say(f"{path} is there after {result.seconds:.0f} s, and grows from now on")
        written.append(path)

    found = conduct(
        call.places["DATA"], minutes=call["minutes"], methods=tuple(call["methods"]), out=call["out"],
        resume=call["resume"], add=tuple(call["add"]), overwrite=call["overwrite"], seed=call["seed"],
        command=call.command, publish=publish, say=say, **call.group("data"),
    )
    for line in told(found):
        say(line)
    say(f"wrote {found.folder / REPORT}")
    if call["share"]:
        say(f"wrote {write_report(found, found.folder / SHARED, share=True)}")
    if found.stopped:
        again = shlex.join(["tacit", "study", str(found.folder)])
        raise Interrupted(f"interrupted; everything is kept, and '{again} --resume' goes on")


def told(found: StudyResult) -> list[str]:
    """Returns the verdicts as lines for a person, and what did not come to an end."""
    lines = [""]
    for verdict in found.verdicts:
        answer = found.member(verdict.answer).title if verdict.answer else "no verdict"
        lines += [f"for {verdict.purpose}: {answer}", f"  {verdict.because}"]
        lines += [f"  mind: {caution}" for caution in verdict.cautions]
    lines += [f"{m.name}: {m.state}: {m.reason}" for m in found.members if m.state != "done"]
    return [*lines, ""]
