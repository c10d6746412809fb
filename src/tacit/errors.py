"""Everything that tacit raises on purpose.

    TacitError                 our fault or the world's; exit code 1
    |- TrainingError           a loss or gradient stopped being a number
    |- Interrupted             a signal; everything is saved; exit code 130
    `- UserError               exit code 2
       |- DataError            a source, or something in it
       |- OptionError          an option, its name or its value
       |- CapabilityError      a method was asked for what it cannot do
       |- RunError             a run directory
       `- MissingExtra         a package that is not installed

A message is one line: what was found, what was expected, and the mend.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "CapabilityError",
    "DataError",
    "Interrupted",
    "MissingExtra",
    "OptionError",
    "RunError",
    "TacitError",
    "TrainingError",
    "UserError",
    "at_least",
    "did_you_mean",
]


class TacitError(Exception):
    """Root of the errors that tacit raises on purpose; shown to a person as one line."""

    exit_code = 1


class TrainingError(TacitError):
    """Training cannot go on: a loss or a gradient stopped being a number."""


class Interrupted(TacitError):
    """A signal ended the work; what was done is saved.

    Arguments:
        message: What was saved, and how to go on.
        final: Whether all work is to end, and not only this part of it: a second signal, or SIGTERM.
    """

    exit_code = 130

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class UserError(TacitError):
    """What was asked for cannot be done as asked; the message says how it can."""

    exit_code = 2


class DataError(UserError):
    """A source cannot be read, or what it holds does not fit."""


class OptionError(UserError):
    """An option is unknown, contradicts another, or has a value it cannot have."""


class CapabilityError(UserError):
    """A run was asked for what its method, or one of its parents, cannot do."""


class RunError(UserError):
    """A run directory is missing, damaged, foreign, or in the way."""


class MissingExtra(UserError):
    """A feature needs a package that is not installed.

    Arguments:
        package: Name of the package on the index.
        extra: The extra of tacit that brings it.
        why: What needed it.
    """

    def __init__(self, package: str, extra: str, why: str) -> None:
        super().__init__(f"{why} needs {package}, which is not installed; pip install 'tacit[{extra}]'")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns ``" Did you mean 'vae'?"``, or nothing where no known word is near.

    Example:
        >>> did_you_mean("vea", ["vae", "gan"])
        " Did you mean 'vae'?"
    """
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""


def at_least(least: float, **options: float) -> None:
    """Raises `OptionError` if an option is below what it must be.

    Example:
        >>> at_least(1, latent=0)
        Traceback (most recent call last):
        ...
        tacit.errors.OptionError: --latent is 0; it must be at least 1
    """
    for name, value in options.items():
        if not value >= least:
            raise OptionError(f"--{name.replace('_', '-')} is {value:g}; it must be at least {least:g}")
