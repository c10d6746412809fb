"""Which methods a study tries, on what, and what share of the time each gets. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tacit.catalog import CATALOG, Row, row
from tacit.errors import OptionError

__all__ = ["BEST", "FIRST", "SHORT", "Plan", "panel", "plan_of"]

FIRST, BEST = "first look", "best representation"
SHORT = 3.0  # minutes below which one method a seat is enough
PIXELS = ("image", "map")  # whose single values say so little that neighbours are sought along principal axes


@dataclass(frozen=True)
class Seat:
    """A place on the panel.

    Arguments:
        name: As `Row.seat` has it.
        count: Number of methods that it holds where there is time.
        on: What they are fitted on: nothing for the data, or `FIRST` or `BEST` for that member's representation.
        share: Of the time that is left for training, in parts; what is fitted at one stroke takes what it needs.
    """

    name: str
    count: int = 1
    on: str = ""
    share: float = 0.0


SEATS = (
    Seat(FIRST),
    Seat("outliers", count=2, on=FIRST),
    Seat("clusters", on=FIRST),
    Seat("map", count=2),
    Seat("autoencoder", share=2),
    Seat("latent variables", share=2),
    Seat("self-supervision", share=4),
    Seat("map", on=BEST),
    Seat("clusters", on=BEST),
    Seat("adversary", share=2),
    Seat("diffusion", share=3),
)
"""The panel: what can be had at once comes first, and what makes samples slowly last."""


@dataclass(frozen=True)
class Plan:
    """One method that a study is going to try.

    Arguments:
        method: Its name.
        seat: What for.
        on: On what, as `Seat.on`.
        share: Of the time for training, in parts; 0 for what is fitted at one stroke.
    """

    method: str
    seat: str
    on: str = ""
    share: float = 0.0


def panel(kind: str, minutes: float, methods: Sequence[str] = ()) -> tuple[Plan, ...]:
    """Returns what a study tries.

    Arguments:
        kind: Of the data.
        minutes: The study's budget.
        methods: The names of the methods to try, or nothing for a choice.

    Raises:
        OptionError: If there is no method of a name.

    Example:
        >>> [p.method for p in panel("image", 1.0)][:4]
        ['pca', 'isolation-forest', 'kmeans', 'tsne']
        >>> panel("image", 1.0, ["vae"])
        (Plan(method='vae', seat='latent variables', on='', share=2),)
    """
    if methods:
        return tuple(plan_of(row(name), kind) for name in dict.fromkeys(methods))
    plans = []
    for seat in SEATS:
        able = [r for r in CATALOG if r.seat == seat.name and kind in r.accepts]
        able.sort(key=lambda r: len(r.accepts))
        count = 1 if minutes < SHORT else seat.count
        plans += [Plan(r.name, seat.name, standing(seat, kind), seat.share) for r in able[:count]]
    return tuple(plans)


def plan_of(known: Row, kind: str) -> Plan:
    """Returns how a method is tried that was asked for by name.

    Raises:
        OptionError: If it does not take the kind of data, or needs labels or partners, which a study does not give.
    """
    if kind not in known.accepts:
        raise OptionError(f"{known.name} takes {' or '.join(known.accepts)}, and the data are of kind {kind}; "
                          f"'tacit methods --for {kind}' lists those that take them")
    if known.needs:
        raise OptionError(f"{known.name} learns from {' and '.join(known.needs)}, and a study learns from nothing but "
                          "the data; fit it on the study's best run instead")
    on = FIRST if {"Clusters", "Scores"} & set(known.can) and known.kind == "fitted" else ""
    seat = next((s for s in SEATS if s.name == known.seat), Seat("asked for", on=on, share=2))
    return Plan(known.name, seat.name, standing(seat, kind), seat.share if known.kind == "trained" else 0.0)


def standing(seat: Seat, kind: str) -> str:
    """Returns on what a seat's methods are fitted: principal axes serve where single values say little."""
    return "" if seat.on == FIRST and kind not in PIXELS else seat.on
