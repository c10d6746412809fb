"""Saved configs as the command line reads them: without torch, and never more than plain YAML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tacit.cli.options import Option
from tacit.cli.parser import read
from tacit.errors import RunError, did_you_mean
from tacit.runs.folder import CONFIG, is_run

__all__ = ["SECTIONS", "Config", "load_config", "method_of"]

SECTIONS = ("options", "training", "data")
RECORDS = ("spec", "name", "fingerprint", "parent", "frozen", "recipe", "seed", "state", "steps", "notes", "versions",
           "command")


@dataclass(frozen=True)
class Config:
    """What of a config makes a run again; the records of how it came about are left aside.

    Arguments:
        path: The file.
        method: Name of the method, or None.
        source: The data, or None.
        options: The method's options that it gives.
        training: The training options that it gives.
        data: The reading options that it gives.
    """

    path: str
    method: str | None = None
    source: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)

    def values(self, section: str, options: Iterable[Option]) -> dict[str, Any]:
        """Returns the values of one section, checked against the options that it may give.

        Raises:
            RunError: If a key is unknown, or only Python can give its value.
            OptionError: If a value is not of its option's type.
        """
        known = {o.name: o for o in options}
        given = dict(getattr(self, section))
        for key in list(given):
            if key not in known:
                raise RunError(f"{self.path} has the unknown key {key!r} under {section}."
                               f"{did_you_mean(str(key), known)}")
            if known[key].hint is None and given.pop(key) is not None:
                raise RunError(f"{self.path} gives {section}.{key}, a module of your own; only Python can hand it in: "
                               f"tacit.fit(..., {key}=mine)")
        return read(known.values(), given, f"{self.path}: {section}")


def load_config(path: str) -> Config:
    """Reads a config file, or the config of a run.

    Raises:
        RunError: If it cannot be read, is not YAML, or has keys that no config has.
    """
    file = Path(path) / CONFIG if is_run(path) else Path(path)
    plain = load_yaml(file)
    known = ("method", *SECTIONS, *RECORDS)
    for key in plain:
        if key not in known:
            raise RunError(f"{file} has the unknown key {key!r}.{did_you_mean(str(key), known)}")
    method = plain.get("method")
    if method is not None and not isinstance(method, str):
        raise RunError(f"{file}: method is {method!r}; it must be a name")
    for section in SECTIONS:
        if not isinstance(plain.get(section) or {}, dict):
            raise RunError(f"{file}: {section} is {plain[section]!r}; it must hold names and values")
    options, training, data = (dict(plain.get(section) or {}) for section in SECTIONS)
    source = data.pop("source", None)
    return Config(str(file), method, None if source is None else str(source), options, training, data)


def load_yaml(file: Path) -> dict[Any, Any]:
    """Reads a mapping from a YAML file with the safe loader."""
    import yaml  # late: help and most errors do without

    try:
        plain = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"there is no file {file}") from error
    except OSError as error:
        raise RunError(f"{file} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}: {getattr(error, 'problem', '')}" if mark else str(error).splitlines()[0]
        raise RunError(f"{file} is not plain YAML ({place}); mend it, or take the config.yaml of a run") from error
    if not isinstance(plain, dict):
        raise RunError(f"{file} holds no names and values; a config.yaml of a run shows how it looks")
    return plain


def method_of(run: str) -> str:
    """Returns the name of a run's method, without loading the run.

    Raises:
        RunError: If there is no run, or its config cannot be read.
    """
    if not is_run(run):
        found = "it has no config.yaml" if Path(run).exists() else "it is not there"
        raise RunError(f"{run} is not a run: {found}")
    method = load_yaml(Path(run) / CONFIG).get("method")
    if not isinstance(method, str):
        raise RunError(f"{Path(run) / CONFIG} names no method; restore it, or fit the run again")
    return method
