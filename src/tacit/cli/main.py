"""``tacit``: finds the verb, reads the line, does it, and turns every error into one line and an exit code."""

from __future__ import annotations

import importlib
import os
import shlex
import signal
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from types import FrameType
from typing import Any, Never, Protocol

from tacit.cli.output import Say
from tacit.cli.parser import Call, Usage, asks_help, help_text, parse
from tacit.errors import OptionError, TacitError, did_you_mean

__all__ = ["VERBS", "main"]

VERBS: Mapping[str, str] = {
    "data": "shows what is in a source, before anything is fitted",
    "study": "finds out what is in data: the panel of methods, one report",
    "fit": "fits a method to data, or to what another run makes of its data",
    "sample": "makes new samples",
    "encode": "represents samples as latents",
    "decode": "makes samples of latents",
    "reconstruct": "restores samples from their representation, and measures how well",
    "project": "finds the latents whose samples are nearest to given ones",
    "translate": "carries images over to another domain: colours, enlarges, restyles",
    "score": "lists the strangest samples",
    "cluster": "puts samples into groups",
    "compress": "packs samples into a small file, as codes or rounded latents",
    "decompress": "unpacks such a file",
    "evaluate": "measures a run on samples that it has not seen",
    "few-labels": "classifies from few labels, after learning from all samples: a curve for a panel of methods",
    "compare": "sets runs side by side, in a table and a page",
    "methods": "lists the methods, or those for a purpose",
    "checks": "shows versions, devices and disk: what to send along with a question",
}
"""Every verb, in the order of help; each is a module in `tacit.cli.verbs`."""

OVERVIEW = """tacit learns what nobody labelled.

usage: tacit VERB ... [options]

verbs:
{verbs}

  tacit VERB --help           how a verb is called
  tacit fit METHOD --help     the options of a method
  tacit --version             the version

examples:
  tacit fit vae digits --minutes 1 -o runs/vae
  tacit sample runs/vae
  tacit fit kmeans runs/vae"""


class Verb(Protocol):
    """What a module in `tacit.cli.verbs` offers."""

    def usage(self, words: Sequence[str]) -> Usage:
        """Returns how the verb is called, given the words that follow it."""
        ...

    def run(self, call: Call, say: Say) -> None:
        """Does it."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line.

    Arguments:
        argv: The words after ``tacit``; by default those of the process.

    Returns:
        0 done, 1 our fault or the world's, 2 the user's, 130 interrupted and saved.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    warnings.formatwarning = one_line  # a warning is for a person too
    if argv is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave)
    try:
        dispatch([w for w in words if w != "--debug"], silent if shares_work() else partial(print, flush=True))
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exc()
        code, message = judged(error)
        if not (shares_work() and code == 130):  # an interruption is everybody's, and told once
            print(f"tacit: {' '.join(message.split())}", file=sys.stderr)
        return code
    return 0


def leave(number: int, frame: FrameType | None) -> Never:
    """Ends the process at its first SIGINT; one that follows must not disturb it while it leaves."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def shares_work() -> bool:
    """Returns whether this process shares the work of another, which does the talking."""
    return os.environ.get("LOCAL_RANK", "0") != "0"


def silent(line: str) -> None:
    """Says nothing."""


def judged(error: BaseException) -> tuple[int, str]:
    """Returns the exit code of an error, and what a person is told."""
    if isinstance(error, TacitError):
        return error.exit_code, str(error)
    if isinstance(error, KeyboardInterrupt):
        return 130, "interrupted"
    if isinstance(error, OSError) and error.strerror:
        return 1, f"{error.filename or 'the system'}: {error.strerror}"
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return 1, f"out of memory ({error}); a smaller --batch, --size or --limit takes less"
    return 1, f"{type(error).__name__}: {error}; this is a fault of tacit, --debug shows where"


def one_line(message: Warning | str, *_: Any, **__: Any) -> str:
    """Returns a warning as one line."""
    return f"tacit: warning: {' '.join(str(message).split())}\n"


def dispatch(words: list[str], say: Say) -> None:
    """Does what a command line asks for."""
    command = shlex.join(["tacit", *words])
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    if not words or words[0] in ("-h", "--help"):
        width = max(map(len, VERBS)) + 2
        return say(OVERVIEW.format(verbs="\n".join(f"  {verb:{width}}{about}" for verb, about in VERBS.items())))
    if words[0] == "--version":
        return say(f"tacit {version()}")
    if words[0] not in VERBS:
        raise OptionError(f"there is no verb {words[0]!r}.{did_you_mean(words[0], VERBS)} 'tacit --help' lists them")
    verb: Verb = importlib.import_module(f"tacit.cli.verbs.{words[0].replace('-', '_')}")
    usage = verb.usage(words[1:])
    if asks_help(words):
        return say(help_text(usage).rstrip())
    verb.run(parse(usage, command), say)


def version() -> str:
    """Returns the version of tacit."""
    from importlib import metadata

    return metadata.version("tacit")
