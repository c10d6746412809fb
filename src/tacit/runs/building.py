"""From a record to a method: its class, its options, and the other runs inside it."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from tacit import catalog
from tacit.errors import OptionError, RunError
from tacit.protocol import Bridge, Chain, Frozen, Method
from tacit.runs.config import Record

__all__ = ["build", "method_name", "method_type", "skeleton"]


def method_name(method: Method) -> str:
    """Returns a method's name in the catalogue, or ``module:qualname`` for one of the user's own."""
    kind = type(method)
    own = (r.name for r in catalog.CATALOG if (r.module, r.cls) == (kind.__module__, kind.__qualname__))
    return next(own, f"{kind.__module__}:{kind.__qualname__}")


def method_type(name: str, *, trust: bool = False) -> type[Method]:
    """Returns the class of a method by the name in a record.

    Arguments:
        name: Name in the catalogue, or ``module:qualname``.
        trust: Whether a module that is not imported yet may be.

    Raises:
        OptionError: If the catalogue has no such method.
        RunError: If the name leads to code that is not to be trusted, or to no method.
    """
    if ":" not in name:
        return catalog.method_class(name)
    found = named_object(name, trust=trust)
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise RunError(f"{name} is not a tacit Method")
    return found


def named_object(name: str, *, trust: bool) -> Any:
    """Returns what ``module:qualname`` names; imports nothing new without trust, since an import runs code."""
    module, _, qualname = name.partition(":")
    if module not in sys.modules and not trust:
        raise RunError(f"the run was made with {name}, which is not imported; import {module} first, hand the module "
                       "to tacit.load, or say trust=True (--trust)")
    try:
        found: Any = importlib.import_module(module)
        for part in qualname.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise RunError(f"the run was made with {name}, which is not there ({error}); hand it to tacit.load") from error
    return found


def build(
    record: Record, *, modules: Mapping[str, nn.Module] | None = None, trust: bool = False
) -> Method:
    """Builds a method as a record says, with fresh weights.

    Arguments:
        record: The run's record.
        modules: The user's own modules, by option.
        trust: Whether code that is not imported yet may be.
    """
    kind = method_type(record.method, trust=trust)
    given = dict(modules or {})
    known = inspect.signature(kind).parameters
    for name in given.keys() - known.keys():
        raise OptionError(f"{record.method} has no option {name!r}")
    options = {**record.options, **given}
    for name, value in options.items():
        about = str(known[name].annotation) if name in known else ""
        if name in record.frozen:
            options[name] = Frozen(skeleton([Record.from_dict(r, name) for r in record.frozen[name]["lineage"]]))
        elif ("Module" in about or "Frozen" in about) and isinstance(value, str):
            options[name] = named_module(value, name, trust=trust)
    try:
        return kind(record.spec, **options)
    except TypeError as error:
        raise RunError(f"{record.method} does not take the saved options ({error}); "
                       "it was saved by another version") from error


def named_module(name: str, option: str, *, trust: bool) -> nn.Module:
    """Builds a user's own module from its class's name, if the class needs no arguments."""
    kind = named_object(name, trust=trust)
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise RunError(f"{name} is not a torch module")
    try:
        return kind()
    except TypeError as error:
        raise RunError(f"{name} needs arguments to be built; hand it over: tacit.load(run, {option}=...)") from error


def skeleton(lineage: Sequence[Record]) -> Chain:
    """Builds a chain from the records of a lineage, root first, with fresh weights."""
    methods = [build(record) for record in lineage]
    bridges = [Bridge(r.parent.via, r.spec, r.parent.layer) for r in lineage if r.parent]
    return Chain(methods[-1], methods[:-1], bridges)
