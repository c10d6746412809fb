"""What an option is, and how its value is read, whether it stands on the command line or in a file."""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from typing import Any, Literal

from tacit.data.options import flag
from tacit.errors import did_you_mean

__all__ = ["TRUST", "Option", "choices", "described", "members", "metavar", "plain", "suggestion"]


@dataclass(frozen=True)
class Option:
    """One option of the command line, which is also one key of a saved config.

    Arguments:
        name: As Python writes it: ``micro_batch``.
        hint: Its type, as a type hint; None for what only Python can give.
        default: Its value when it is not given; ``...`` where it must be given.
        help: What it is, as its docstring has it.
        group: The heading under which help shows it.
        short: A one-letter name, or nothing.
        metavar: What stands for the value in help; by default a word for its type.
    """

    name: str
    hint: Any = str
    default: Any = None
    help: str = ""
    group: str = "options"
    short: str = ""
    metavar: str = ""

    @property
    def flag(self) -> str:
        """The option as it is written: ``--micro-batch``."""
        return flag(self.name)

    @property
    def is_switch(self) -> bool:
        """Whether it needs no value: ``--strict``, ``--no-strict``."""
        return bool in members(self.hint)


TRUST = Option(
    "trust", bool, False, "Imports modules of your own that a run was made with, which runs their code.", "run"
)


def members(hint: Any) -> tuple[Any, ...]:
    """Returns the types that a hint unites."""
    united = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if united else (hint,)


def choices(hint: Any) -> tuple[Any, ...]:
    """Returns the values of the literals in a hint.

    Example:
        >>> choices(Literal["crop", "pad"] | None)
        ('crop', 'pad')
    """
    return tuple(value for m in members(hint) if typing.get_origin(m) is Literal for value in typing.get_args(m))


WORDS = {int: ("N", "a whole number"), float: ("X", "a number"), bool: ("true|false", "true or false"),
         str: ("TEXT", "text")}


def described(hint: Any) -> str:
    """Returns what a hint asks for, in words; that it may be left out need not be said.

    Example:
        >>> described(int | None), described(Literal["a", "b"]), described(tuple[float, ...])
        ('a whole number', 'a or b', 'a number each, separated by commas')
    """
    parts = []
    for member in members(hint):
        if typing.get_origin(member) is Literal:
            parts.append(" or ".join(map(str, typing.get_args(member))))
        elif typing.get_origin(member) in (tuple, list):
            parts.append(f"{described(typing.get_args(member)[0])} each, separated by commas")
        elif member is not type(None):
            parts.append(WORDS[member][1])
    return " or ".join(parts)


def metavar(option: Option) -> str:
    """Returns what stands for an option's value in help."""
    first = next(m for m in members(option.hint) if m is not type(None))
    if option.metavar or option.is_switch:
        return option.metavar
    if typing.get_origin(first) is Literal:
        return "{" + ",".join(map(str, choices(option.hint))) + "}"
    if typing.get_origin(first) in (tuple, list):
        return f"{WORDS[typing.get_args(first)[0]][0]},..."
    return WORDS[first][0]


def plain(option: Option, value: Any) -> Any:
    """Returns a value as its type takes it: ``8/255`` as a number, ``a,b`` as a list, a number as text for text.

    Example:
        >>> plain(Option("eps", float), "1/4"), plain(Option("columns", tuple[str, ...]), "age:number,id:ignore")
        (0.25, ['age:number', 'id:ignore'])
    """
    wanted = members(option.hint)
    if isinstance(value, str) and value.lower() in ("none", "null") and type(None) in wanted:
        return None
    if isinstance(value, str) and any(typing.get_origin(m) in (tuple, list) for m in wanted):
        inner = Option(option.name, typing.get_args(next(m for m in wanted if typing.get_origin(m)))[0])
        return [plain(inner, part.strip()) for part in value.split(",") if part.strip()]
    if isinstance(value, str) and float in wanted:
        return fraction(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and str in wanted:
        return str(value)
    return value


def fraction(text: str) -> float | str:
    """Returns the number that ``8/255`` stands for; other text as it is."""
    above, _, below = text.partition("/")
    try:
        return float(above) / float(below) if below else text
    except (ValueError, ZeroDivisionError):
        return text


def suggestion(option: Option, value: Any) -> str:
    """Returns a near choice for a value that is none, or nothing."""
    return did_you_mean(str(value), map(str, choices(option.hint)))
