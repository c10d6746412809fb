"""How a source is read. Free of torch, so that the command line can show it at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from tacit.errors import OptionError

__all__ = ["HALVES", "HEEDS", "NEEDS", "ReadOptions", "flag"]

ANY = ("labels", "split", "split_seed", "group", "strict", "pair", "target", "label_count", "items", "limit")
HEEDS: Mapping[str, tuple[str, ...]] = {  # which options make a difference to what; a source may be of two kinds
    "images": (*ANY, "size", "fit", "colour", "binarise", "derive"),
    "tables": (*ANY, "columns"),
    "arrays": ANY,
    "built-in sources": (*ANY, "count"),
    "runs": ("labels", "label_count", "layer", "stochastic"),  # all else is decided by their roots
}
NEEDS = {  # the options that only a method heeds which needs that of a sample
    "pair": "pair",
    "derive": "pair",
    "label_count": "label",
}
HALVES = {"left": "right", "right": "left"}  # --pair takes a half of each image as partner; the other is the sample


@dataclass(frozen=True)
class ReadOptions:
    """How a source is read, labelled and split.

    Arguments:
        labels: What is taken as a label: auto (sub-folders, label files), none, folder, a column, or a file.
        columns: Roles of a table's columns, as name:role; roles are number, category, path, text, label, group, id,
            date, ignore.
        split: Share that is held out, or a file that lists the ids of held-out samples.
        split_seed: Seed of the split, apart from every other seed.
        group: Column, or regular expression on ids, whose value keeps samples on one side of the split.
        size: Height and width to which images are brought; by default their own where they agree and are at most 64,
            else 64.
        fit: How an image of another shape is brought to size.
        colour: Whether images are read as rgb or grey; auto is grey where all are.
        binarise: Whether grey is made black and white by a draw in which it is the probability of white: of training
            samples anew at every look, of held-out ones once and for all.
        strict: Whether one sample that cannot be read is an error instead of being skipped.
        pair: A second source, whose samples are the partners of this one's by id; or left or right, where each image
            holds two side by side: the half that is the other's partner.
        derive: What is made of each image as the sample whose partner is the image itself: grey, edges, blur:SIGMA
            (pixels) or low-resolution:FACTOR.
        target: A second source, whose samples are another domain.
        label_count: Number of labels that are kept, evenly over the classes; the others become unlabelled.
        items: For vectors made elsewhere: the source of the samples that they stand for.
        count: Number of samples of a rendered source.
        limit: Greatest number of samples that are read, drawn by the split seed.
        layer: For a run as data: the layer whose features are taken.
        stochastic: For a run as data: whether stochastic encoders draw a sample instead of giving their mean.
    """

    labels: str = "auto"
    columns: tuple[str, ...] = ()
    split: str = "0.1"
    split_seed: int = 0
    group: str | None = None
    size: int | None = None
    fit: Literal["crop", "pad", "stretch"] = "crop"
    colour: Literal["auto", "rgb", "grey"] = "auto"
    binarise: bool = False
    strict: bool = False
    pair: str | None = None
    derive: str | None = None
    target: str | None = None
    label_count: int | None = None
    items: str | None = None
    count: int | None = None
    limit: int | None = None
    layer: str | None = None
    stochastic: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Returns the options that differ from their defaults."""
        default = ReadOptions()
        given = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in given.items() if v != getattr(default, k)}

    def unheeded(self, kinds: Collection[str]) -> list[str]:
        """Returns the options that were given and make no difference to a source.

        Arguments:
            kinds: What the source is, as keys of `HEEDS`.

        Example:
            >>> ReadOptions(size=32, count=9, limit=5).unheeded(["images"])
            ['count']
        """
        heeded = {name for kind in kinds for name in HEEDS[kind]}
        return [name for name in self.to_dict() if name not in heeded]

    def check_source(self, source: str, kinds: Collection[str]) -> None:
        """Raises `OptionError` if an option was given that makes no difference to a source of these kinds."""
        for name in self.unheeded(kinds):
            others = " or ".join(kind for kind, heeded in HEEDS.items() if name in heeded)
            raise OptionError(f"{flag(name)} makes no difference to {' or '.join(dict.fromkeys(kinds))}, as {source}; "
                              f"it is for {others}")

    def check_method(self, method: str, needs: Collection[str]) -> None:
        """Raises `OptionError` if an option was given that makes no difference to a method with these needs."""
        for name, need in NEEDS.items():
            if name in self.to_dict() and need not in needs:
                raise OptionError(f"{flag(name)} makes no difference to {method}; it is for a method that needs a "
                                  f"{need} for each sample")

    def check_partners(self) -> None:
        """Raises `OptionError` if options about partners and domains exclude one another."""
        given = [name for name in ("pair", "derive", "target") if getattr(self, name) is not None]
        if len(given) > 1:
            raise OptionError(f"{flag(given[0])} and {flag(given[1])} exclude one another: samples have one partner "
                              "each, or belong to two domains without partners; leave one out")
        if self.binarise and given and given != ["target"]:
            raise OptionError(f"--binarise draws samples anew at every look, and would part them from what {given[0]} "
                              f"gives; leave out --binarise or {flag(given[0])}")

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Reads what `to_dict` wrote."""
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()}
        return cls(**given)


def flag(name: str) -> str:
    """Returns an option as it is written on a command line."""
    return f"--{name.replace('_', '-')}"
