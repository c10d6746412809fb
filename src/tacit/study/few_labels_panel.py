"""The panel of the few-labels curve: chosen from the catalogue, by what methods can and need."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tacit.catalog import CATALOG, method_class, row
from tacit.errors import OptionError
from tacit.protocol import Spec, capabilities
from tacit.training.options import TrainOptions

__all__ = ["Asked", "Member", "panel", "usual"]

Asked = Mapping[str, Mapping[str, Any]]
Kind = Literal["data", "untrained", "pre-trained", "labels"]

LATENT = "latent variables"  # the seat on whose codes generative classifiers stand, too
SEATS = ("autoencoder", LATENT)  # whose methods the panel pre-trains
WITH_LABELS = {"label_weight": 100.0}  # makes a method that encodes learn a classifier on its code at once
TRAINING = frozenset(f.name for f in dataclasses.fields(TrainOptions))


@dataclass(frozen=True)
class Member:
    """One way from few labels to a classifier.

    Arguments:
        title: What it is called: ``vae``, ``m2 on vae``.
        kind: Whether a linear probe reads the data, an untrained or a pre-trained representation, or a method learns
            from samples with and without labels, anew for each draw.
        method: Its name in the catalogue, or nothing for the data as they are.
        options: The method's and the training's, by name.
        on: The title of the pre-trained member whose net or representation it takes, or nothing.
    """

    title: str
    kind: Kind
    method: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    on: str = ""


def usual(kind: str) -> dict[str, dict[str, Any]]:
    """Returns the panel for a kind of data: by title, the options that make a member what it is."""
    able = [r for r in CATALOG if kind in r.accepts and r.kind == "trained"]
    learned = [r for r in able if "Encodes" in r.can and r.seat in SEATS and not r.needs]
    taught = [r for r in able if "Classifies" in r.can and r.needs == ("label",)]
    both = [r for r in learned if WITH_LABELS.keys() <= inspect.signature(method_class(r.name)).parameters.keys()]
    under = [r.name for r in learned if r.seat == LATENT][:1]
    stacked = [f"{r.name} on {name}" for r in taught if {"Density"} <= set(r.can) for name in under]
    return {r.name: {} for r in learned} | {f"{r.name} with labels": dict(WITH_LABELS) for r in both} | {
        title: {} for title in [*(r.name for r in taught), *stacked]}


def panel(spec: Spec, asked: Asked, shared: Mapping[str, Any]) -> tuple[Member, ...]:
    """Returns the data as they are, the first net that is pre-trained untrained, and what was asked for.

    Raises:
        OptionError: If a method is unknown, cannot be used so, or stands on what is not pre-trained.
    """
    found = [member(spec, title, options, shared) for title, options in asked.items()]
    learned = [m for m in found if m.kind == "pre-trained"]
    for own in found:
        if own.on and own.on not in {m.title for m in learned}:
            raise OptionError(f"{own.title!r} stands on {own.on!r}, which is not among those that are pre-trained; "
                              f"add it to --methods")
    nets = [m for m in learned if row(m.method).kind == "trained"][:1]
    raw = Member("pixels" if spec.kind == "image" else "values", "data")
    bare = [Member("random net", "untrained", m.method, m.options, m.title) for m in nets]
    return (raw, *bare, *learned, *(m for m in found if m not in learned))


def member(spec: Spec, title: str, options: Mapping[str, Any], shared: Mapping[str, Any]) -> Member:
    """Returns the member of a title: ``vae``, ``ae with labels``, ``m2 on vae``."""
    name, _, rest = title.partition(" ")
    on = rest.removeprefix("on ") if rest.startswith("on ") else ""
    known, cls = row(name), method_class(name)
    sees = "vector" if on else spec.kind
    if sees not in known.accepts:
        raise OptionError(f"{title!r} would be given data of kind {sees}; {name} takes {' or '.join(known.accepts)}")
    own = inspect.signature(cls).parameters.keys() - (frozenset({"net"}) if on else frozenset())
    usable = own | (TRAINING if known.kind == "trained" else frozenset())
    options = {k: v for k, v in shared.items() if k in usable} | dict(options)
    given = dataclasses.replace(spec, kind="vector", shape=(16,), range=None, columns=()) if on else spec
    built = cls(given, **{k: v for k, v in options.items() if k in own})  # its options decide what it needs and can
    if "label" in built.needs and "Classifies" in capabilities(built):
        return Member(title, "labels", name, options, on)
    if "Encodes" in capabilities(built) and not built.needs and not on:
        return Member(title, "pre-trained", name, options)
    raise OptionError(f"{title!r} neither encodes without labels nor classifies from them; 'tacit methods --can "
                      "classify' and '--can encode' list those that do")
