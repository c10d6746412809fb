"""The record of a run: what was asked, and what is needed to make it again."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import torch
import yaml
from torch import nn

from tacit.data.builtin import BUILTIN
from tacit.data.dataset import Data
from tacit.data.options import HALVES
from tacit.errors import RunError, did_you_mean
from tacit.protocol import Method, Recipe, Spec, Via
from tacit.runs.folder import CONFIG, write_atomically

__all__ = ["Parent", "Record", "data_entry"]



@dataclass(frozen=True)
class Parent:
    """The run whose latents a child was fitted on.

    Arguments:
        path: Its folder, relative to the child's where both move together.
        weights: Hash of its weights; another hash is another run.
        via: Its call that made the child's data.
        layer: Its layer, where it has layers.
    """

    path: str
    weights: str
    via: Via
    layer: str | None = None


@dataclass(frozen=True)
class Record:
    """What ``config.yaml`` holds. The first four entries make the run again; the others say how it came about.

    Arguments:
        method: Name in the catalogue, or ``module:qualname`` of a method of one's own.
        options: The method's options, resolved.
        training: The training options that were given.
        data: The source and the reading options that were given.
        spec: What the method sees of one sample.
        name: Short name of the data.
        fingerprint: Hash of the root's samples.
        parent: The run it stands on, or None.
        frozen: For options that took a run: that run's own record, with its folder's path.
        recipe: How it was trained, resolved; empty for a fitted method.
        seed: Seed of weights, order and noise.
        state: ``running``, ``interrupted`` or ``finished``.
        steps: Rounds played so far.
        notes: What was said about the data.
        versions: Of everything that a result may hang on.
        command: The command line, or empty.
    """

    method: str
    options: Mapping[str, Any]
    training: Mapping[str, Any]
    data: Mapping[str, Any]
    spec: Spec
    name: str
    fingerprint: str
    parent: Parent | None = None
    frozen: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    state: str = "running"
    steps: int = 0
    notes: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Returns plain lists, strings and numbers, for YAML."""
        plain = {k: getattr(self, k) for k in self.__dataclass_fields__}
        plain["spec"] = self.spec.to_dict()
        plain["parent"] = asdict(self.parent) if self.parent else None
        plain["notes"] = list(self.notes)
        return {k: dict(v) if isinstance(v, Mapping) else v for k, v in plain.items()}

    def write(self, folder: Path) -> None:
        """Writes ``config.yaml`` into a run's folder."""
        with write_atomically(folder / CONFIG) as path:
            path.write_text(yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True, width=120))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads ``config.yaml`` of a run's folder.

        Raises:
            RunError: If it is missing, not YAML, or not a run's record.
        """
        return cls.from_dict(read_yaml(folder / CONFIG), str(folder / CONFIG))

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any], where: str) -> Self:
        """Checks what was read from `where`; raises `RunError` where it is not a run's record."""
        known = cls.__dataclass_fields__
        for key in plain:
            if key not in known:
                raise RunError(f"{where} has the unknown key {key!r}.{did_you_mean(str(key), known)}")
        try:
            spec = Spec.from_dict(plain["spec"])
            parent = Parent(**plain["parent"]) if plain.get("parent") else None
            record = cls(**{**plain, "spec": spec, "parent": parent, "notes": tuple(plain.get("notes", ()))})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunError(f"{where} is not the record of a run ({type(error).__name__}: {error}); "
                           "restore it, or fit the run again") from error
        if not (isinstance(record.method, str) and isinstance(record.options, dict) and isinstance(record.data, dict)):
            raise RunError(f"{where} is not the record of a run; restore it, or fit the run again")
        return record


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a mapping from a YAML file, with the safe loader only.

    Raises:
        RunError: If the file is missing or not a mapping in YAML.
    """
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{path.parent} is not a run: it has no {path.name}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = str(error).splitlines()[0]
        raise RunError(f"{path} cannot be read as plain YAML ({line}); restore it, or fit the run again") from error
    if not isinstance(plain, dict):
        raise RunError(f"{path} holds no mapping; restore it, or fit the run again")
    return plain


def plain_options(method: Method, frozen: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a method's options as YAML holds them: a module by its class's name, another run by its folder."""
    plain: dict[str, Any] = {}
    for name, value in method.options.items():
        if name in frozen:
            plain[name] = frozen[name]["path"]
        elif isinstance(value, nn.Module):
            plain[name] = f"{type(value).__module__}:{type(value).__qualname__}"
        else:
            plain[name] = list(value) if isinstance(value, tuple) else value
    return plain


def plain_recipe(recipe: Recipe) -> dict[str, Any]:
    """Returns a recipe as YAML holds it."""
    plain = asdict(recipe)
    plain["optim"] = {player: {**o, "betas": list(o["betas"])} for player, o in plain["optim"].items()}
    return plain


def versions() -> dict[str, str]:
    """Returns the versions that a result may hang on."""
    return {"tacit": metadata.version("tacit"), "torch": str(torch.__version__), "python": platform.python_version()}


def data_entry(data: Data) -> dict[str, Any]:
    """Returns the ``data`` entry of a run's record: the source, resolved, and how it was read."""
    options = {k: resolved(v) if k in ("pair", "target") and v not in HALVES else v for k, v in data.options.items()}
    return {"source": resolved(data.source), **options}


def resolved(source: str) -> str:
    """Returns a source as it can be opened from any folder; a built-in name goes before a path, as in opening."""
    named = source in BUILTIN or not Path(source).exists()
    return source if named else str(Path(source).resolve())
