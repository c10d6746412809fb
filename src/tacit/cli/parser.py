"""From the words of a command line to values: places are peeled off first, then one flat parser reads the options."""

from __future__ import annotations

import argparse
import itertools
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tacit.cli.options import Option, described, metavar, plain, suggestion
from tacit.errors import OptionError, did_you_mean

__all__ = ["Call", "Usage", "asks_help", "help_text", "parse", "peek", "read"]

YES, NO = ("true", "yes"), ("false", "no")
COMMON = (
    Option("help", bool, False, "Shows this.", "always", "h"),
    Option("debug", bool, False, "Shows where in the code an error came from.", "always"),
)
PLACES = {
    "METHOD": "its name; 'tacit methods' lists them",
    "DATA": "a file, a folder, a built-in name such as digits, or a run",
    "RUN": "the folder of a run, such as runs/0001-...",
    "RUNS": "the folders of runs, such as runs/0001-... runs/0002-...",
    "LATENTS": "a file of latents, .npz or .npy",
    "FILE": "a file that 'tacit compress' has written",
}


@dataclass(frozen=True)
class Usage:
    """How one verb is called.

    Arguments:
        verb: The words before the places that are left: ``fit vae``.
        about: What it does.
        places: What comes before the options, in order; optional ones in brackets, ``("RUN", "[DATA]")``; the last may
            take several words, ``("RUNS...",)``.
        options: Its options, in the order of help.
        notes: What stands below the options.
        words: The words of the command line that are left to read.
        peeled: Places that are read already.
        missing: Why an option that other calls of the verb have is not here, by name.
    """

    verb: str
    about: str
    places: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    notes: str = ""
    words: tuple[str, ...] = ()
    peeled: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Returns the line that help begins with."""
        return " ".join(["tacit", self.verb, *self.places, "[options]"])


@dataclass(frozen=True)
class Call:
    """A command line, read.

    Arguments:
        places: What was given for each place.
        given: The values of the options that were given.
        options: All options.
        command: The command line itself.
        several: All words of a place that takes several.
    """

    places: Mapping[str, str]
    given: Mapping[str, Any]
    options: tuple[Option, ...] = ()
    command: str = ""
    several: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Any:
        """Returns an option's value: the one that was given, or its default."""
        if name in self.given:
            return self.given[name]
        return next(o.default for o in self.options if o.name == name)

    def group(self, title: str) -> dict[str, Any]:
        """Returns the values of the options under one heading that were given."""
        names = {o.name for o in self.options if o.group == title}
        return {name: value for name, value in self.given.items() if name in names}


def asks_help(words: Sequence[str]) -> bool:
    """Returns whether help is asked for."""
    return "--help" in words or "-h" in words


def peek(words: Sequence[str], flag: str) -> str | None:
    """Returns the value of an option before the command line is read; None where the option is not there."""
    for i, word in enumerate(words):
        if word == flag:
            return words[i + 1] if i + 1 < len(words) else ""
        if word.startswith(flag + "="):
            return word.partition("=")[2]
    return None


def parse(usage: Usage, command: str = "") -> Call:
    """Reads what is left of a command line.

    Raises:
        OptionError: If an option is unknown or has a value that it cannot have, or a place is empty or one too many.
    """
    places, texts = split(usage)
    several = tuple(places[len(usage.places) - 1 :]) if usage.places and usage.places[-1].endswith("...") else ()
    named = placed(usage, places[: len(usage.places)] if several else places)
    return Call({**usage.peeled, **named}, read(usage.options, texts), usage.options, command, several)


def split(usage: Usage) -> tuple[list[str], dict[str, str]]:
    """Returns the words that are no options, and the text of each option."""
    places: list[str] = []
    texts: dict[str, str] = {}
    rest = list(usage.words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return places + rest, texts
        if not word.startswith("-") or word == "-":
            places.append(word)
            continue
        flag, equals, text = word.partition("=")
        option, negated = find(usage, flag)
        if option.is_switch:
            given = text if equals else (rest.pop(0) if rest and rest[0] in (*YES, *NO) else "true")
            texts[option.name] = str((given in YES) != negated).lower() if given in (*YES, *NO) else given
        elif equals or (rest and not rest[0].startswith("--")):
            texts[option.name] = text if equals else rest.pop(0)
        else:
            raise OptionError(f"{flag} takes {option.metavar or described(option.hint)}, and no value follows it")
    return places, texts


def find(usage: Usage, flag: str) -> tuple[Option, bool]:
    """Returns the option that a flag names, and whether the flag negates it."""
    flags: dict[str, tuple[Option, bool]] = {}
    for option in (*usage.options, *COMMON):
        flags[option.flag] = option, False
        if option.short:
            flags["-" + option.short] = option, False
        if option.is_switch:
            flags["--no-" + option.flag[2:]] = option, True
    if flag not in flags:
        why = usage.missing.get(flag.removeprefix("--").replace("-", "_"))
        near = f": {why};" if why else f".{did_you_mean(flag, flags)}"
        raise OptionError(f"'tacit {usage.verb}' has no option {flag!r}{near} 'tacit {usage.verb} --help' lists all")
    return flags[flag]


def placed(usage: Usage, words: Sequence[str]) -> dict[str, str]:
    """Returns which word stands in which place."""
    names = [place.strip("[].") for place in usage.places]
    for place, name in zip(usage.places[len(words):], names[len(words):], strict=True):
        if not place.startswith("["):
            raise OptionError(f"'tacit {usage.verb}' needs {name}, {PLACES[name]}: {usage}")
    if len(words) > len(names):
        raise OptionError(f"'tacit {usage.verb}' does not know what to do with {words[len(names)]!r}: {usage}")
    return dict(zip(names, words, strict=False))


def read(options: Iterable[Option], texts: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Returns the values that texts, or what a file holds, stand for.

    Arguments:
        options: What may be given.
        texts: What was given, by name.
        where: The file and section it stands in; nothing for the command line.

    Raises:
        OptionError: If a value is not of its option's type.
    """
    if not texts:
        return {}
    known = {o.name: o for o in options if o.name in texts}
    parser = value_parser(tuple(known.values()))
    return {name: option_value(parser, known[name], value, where) for name, value in texts.items()}


def option_value(parser: Any, option: Option, value: Any, where: str = "") -> Any:
    """Returns the value that one text, or what a file holds, stands for."""
    try:
        return parser.parse_object({option.name: plain(option, value)}, defaults=False)[option.name]
    except argparse.ArgumentError as error:
        named = f"{where}.{option.name}" if where else option.flag
        raise OptionError(f"{named} takes {described(option.hint)}; it was given {value!r}."
                          f"{suggestion(option, value)}") from error


def value_parser(options: Iterable[Option], **about: Any) -> Any:
    """Returns the parser of some options, each under the heading of its group."""
    from jsonargparse import ActionYesNo, ArgumentParser  # late: it takes longer to import than most errors to find

    parser = ArgumentParser(exit_on_error=False, add_help=False, allow_abbrev=False, formatter_class=Formatter, **about)
    for title, members in itertools.groupby(options, key=lambda option: option.group):
        group = parser.add_argument_group(title)
        for option in members:
            flags = ([f"-{option.short}"] if option.short else []) + [option.flag]
            default = None if option.default is ... else option.default
            shown: dict[str, Any] = {"help": explanation(option), "default": default}
            if option.is_switch:
                group.add_argument(*reversed(flags), action=ActionYesNo(no_prefix="no-"), **shown)
            else:
                group.add_argument(*flags, type=option.hint, metavar=metavar(option), **shown)
    return parser


def explanation(option: Option) -> str:
    """Returns what help says of an option: what it is, and its default where it has one."""
    if option.default is ...:
        return f"{option.help} (must be given)".replace("%", "%%")
    silent = option.default in (None, "", ()) or option.default is False
    shown = ",".join(map(str, option.default)) if isinstance(option.default, tuple) else str(option.default)
    return (option.help + ("" if silent else f" (default: {shown})")).strip().replace("%", "%%")


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help in two columns, each option with one word for its value."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=min(110, shutil.get_terminal_size().columns))

    def _format_action_invocation(self, action: argparse.Action) -> str:
        flags = sorted(action.option_strings, key=len)
        if any(flag.startswith("--no-") for flag in flags):  # a switch: what is true already can only be switched off
            flags = [flag for flag in flags if flag.startswith("--no-") == (action.default is True)]
        return " ".join(filter(None, [", ".join(flags), str(action.metavar or "")]))


def help_text(usage: Usage) -> str:
    """Returns a verb's help."""
    about = {"usage": str(usage), "description": usage.about, "epilog": usage.notes or None}
    parser = value_parser((*usage.options, *COMMON), **about)
    return str(parser.format_help())
