"""What can be said of data before anything is fitted to them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from tacit.data.builtin import BUILTIN
from tacit.data.cache import cache_bytes
from tacit.data.columns import Column, columns_of
from tacit.data.dataset import Data
from tacit.data.duplicates import LEAST_SIDE

__all__ = ["Column", "Duplicates", "Fact", "Facts", "cache_fact", "facts_of"]

Array = np.ndarray[Any, Any]

FEW = 200  # samples below which most methods learn little
FEW_OF_CLASS = 10  # samples of a class below which no measure of it is to be trusted
UNEVEN = 10  # times as many samples in the largest class as in the smallest
GONE = 0.2  # share of missing values above which a column says more of who answered than of what
NAMED = 5  # examples in a line
DAY = re.compile(r"((?:19|20)\d\d)[:-](\d\d)[:-](\d\d)")  # of Exif and of ISO 8601
FITS = {"crop": "what is too long is cut at both ends", "pad": "the rest is black", "stretch": "stretched"}
HELD_OUT = re.compile(r"held out: [\d,]+ of [\d,]+ samples,? ")
SAID = {
    "labels": ("label", "no label", "no column named as label"),
    "held out": ("held out", "the folders are parts", "group:", "no sample is held out", "the source's own held-out"),
    "duplicates": ("exact or near duplicates", "only "),
    "across": ("with a duplicate on the other side",),
    "sizes": ("images are ",),
    "columns": ("ignored:", "id:", "date:", "path:", "text:", "missing values:"),
}  # how the notes begin that a fact takes up


@dataclass(frozen=True)
class Fact:
    """One line: its name, its value in words, and how it was found; a warning is something a person should act on."""

    name: str
    value: str
    about: str = ""
    warning: bool = False


@dataclass(frozen=True)
class Duplicates:
    """Samples that are the same, or nearly: their positions in the data, and whether all are equal to the last bit."""

    positions: tuple[int, ...]
    exact: bool


@dataclass(frozen=True)
class Facts:
    """What can be said of data before anything is fitted.

    Arguments:
        data: The data.
        lines: In the order of reading.
        classes: Number of samples of each class; empty where there are no labels.
        columns: Of a table; else empty.
        duplicates: Groups of two and more, largest first.
    """

    data: Data
    lines: tuple[Fact, ...]
    classes: Mapping[str, int] = field(default_factory=dict)
    columns: tuple[Column, ...] = ()
    duplicates: tuple[Duplicates, ...] = ()

    @property
    def warnings(self) -> tuple[Fact, ...]:
        """The lines that a person should act on."""
        return tuple(line for line in self.lines if line.warning)

    def to_dict(self) -> dict[str, Any]:
        """Returns everything as plain words and numbers; samples stand there by their ids."""
        data = self.data
        return {
            "name": data.name, "samples": len(data), "kind": data.spec.kind, "shape": list(data.spec.shape),
            "facts": [asdict(line) for line in self.lines],
            "classes": dict(self.classes),
            "columns": [asdict(column) for column in self.columns],
            "duplicates": [
                {"exact": group.exact, "ids": [data.ids[i] for i in group.positions]} for group in self.duplicates
            ],
            "unreadable": [asdict(lost) for lost in data.skipped],
            "notes": list(data.notes),
        }


def facts_of(data: Data) -> Facts:
    """Returns what can be said of data.

    Example:
        >>> from tacit.data.open import open_source
        >>> facts = facts_of(open_source("digits"))
        >>> facts.lines[0].value, facts.classes["7"]
        ('1,797 images', 179)
    """
    groups, classes, columns = _groups(data), _class_counts(data), columns_of(data)
    lines = (
        *_counted(data), *_files(data), *_read_as(data), *_values(data), *_unreadable(data), *_doubles(data, groups),
        *_labels(data, classes), *_held_out(data), *_table(data, columns), *_room(data), *_noted(data),
    )
    return Facts(data, lines, classes, columns, groups)


def cache_fact(data: Data) -> Fact:
    """Returns what data take of the cache on this disk, and how large it is."""
    decoded = data.spec.kind == "image" and "bytes" in data.columns
    kept = f"{_bytes(data.x.nbytes)} for this source" if decoded else "nothing for this source"
    return Fact("cache", f"{kept}, of {_bytes(cache_bytes())} in all", "what was decoded once is not decoded again; "
                "$TACIT_CACHE says where it lies, and it can be removed at any time")


# Samples -------------------------------------------------------------------------------------------------------------

NOUNS = {"image": "images", "table": "rows", "vector": "vectors", "map": "feature maps", "codes": "grids of codes",
         "tokens": "texts", "audio": "sounds", "video": "videos"}


def _counted(data: Data) -> Iterator[Fact]:
    few = len(data) < FEW
    about = f"fewer than {FEW}: maps and clusters will be coarse, and little can be learned by gradient" if few else ""
    yield Fact("samples", f"{len(data):,} {NOUNS[data.spec.kind]}", about, few)


def _files(data: Data) -> Iterator[Fact]:
    """Yields what the headers of image files say."""
    known = data.columns
    if data.spec.kind != "image" or not {"width", "height"} <= known.keys():
        return
    width, height = (np.asarray(known[name]) for name in ("width", "height"))
    yield Fact("sizes", _sizes(width, height), "height x width in pixels, upright, before anything is done to them")
    ratio = width / height
    low, middle, high = ratio.min(), np.median(ratio), ratio.max()
    shapes = f"{low:.2f} throughout" if low == high else f"{low:.2f} to {high:.2f}, median {middle:.2f}"
    yield Fact("aspect ratios", shapes, "width / height")
    if "mode" in known:
        modes = Counter(known["mode"].tolist()).most_common()
        yield Fact("modes", f"all {modes[0][0]}" if len(modes) == 1 else _listed(modes), "how pixels lie in the files")
    if "bytes" in known:
        size = np.asarray(known["bytes"])
        yield Fact("files", f"{_bytes(int(size.sum()))}, from {_bytes(int(size.min()))} to {_bytes(int(size.max()))} "
                   f"each, median {_bytes(int(np.median(size)))}")
    days = sorted("-".join(found.groups()) for d in known.get("date", np.array([])).tolist()
                  if (found := DAY.match(str(d))))
    yield Fact("dates", f"{len(days):,} of {len(data):,} have one, from {days[0]} to {days[-1]}" if days else
               "none has one", "when they were taken, by Exif")


def _sizes(width: Array, height: Array) -> str:
    sizes = Counter(zip(height.tolist(), width.tolist(), strict=True))
    ((high, wide), times), *_ = sizes.most_common(1)
    if len(sizes) == 1:
        return f"all {high} x {wide}"
    least, most = (pick(sizes, key=lambda s: s[0] * s[1]) for pick in (min, max))
    return (f"from {least[0]} x {least[1]} to {most[0]} x {most[1]}, {len(sizes):,} different; commonest {high} x "
            f"{wide} ({times / len(width):.0%})")


def _read_as(data: Data) -> Iterator[Fact]:
    """Yields what a method sees of one sample."""
    spec, shape = data.spec, " x ".join(map(str, data.spec.shape))
    if spec.kind == "table":
        yield Fact("read as", f"{shape} numbers a row", "numbers standardised by the training rows, categories "
                   "one-hot, a place of its own for what is missing")
    elif spec.kind != "image":
        yield Fact("read as", str(spec), f"codes from 0 to {spec.codes - 1}" if spec.codes else "")
    else:
        fit = str(data.options.get("fit", "crop"))
        known = data.columns
        own = "width" not in known or bool(
            (known["height"] == spec.shape[1]).all() and (known["width"] == spec.shape[2]).all()
        )
        how = "at their own size" if own else f"brought there by {fit}: {FITS[fit]}; --size and --fit change it"
        deep = "bytes" if data.x.dtype == torch.uint8 else "floats"
        yield Fact("read as", f"{shape}, {how}", f"channels x height x width, {deep}")


def _values(data: Data) -> Iterator[Fact]:
    """Yields the range of vectors and feature maps, and which of their dimensions say nothing."""
    if data.spec.kind not in ("vector", "map"):
        return
    flat = data.x.flatten(1)
    low, high = flat.amin(0), flat.amax(0)
    yield Fact("values", f"{float(low.min()):.4g} to {float(high.max()):.4g}")
    still = int((low == high).sum())
    if still:
        yield Fact("constant", f"{still:,} of {flat.shape[1]:,} dimensions have one value throughout",
                   "they tell no two samples apart", warning=True)


def _unreadable(data: Data) -> Iterator[Fact]:
    if not data.skipped:
        yield Fact("unreadable", "none")
        return
    reasons = Counter(re.sub(r"[:(].*", "", lost.reason).strip() for lost in data.skipped)
    whole = len(data.skipped) + len(data)
    yield Fact("unreadable", f"{len(data.skipped):,} of {whole:,}: {_listed(reasons.most_common())}",
               "they are skipped; --strict fails instead", warning=True)


# Duplicates ----------------------------------------------------------------------------------------------------------


def _groups(data: Data) -> tuple[Duplicates, ...]:
    """Returns the groups of samples that are the same, or nearly, largest first."""
    if data.twins is None:
        return ()
    order = data.twins.argsort(stable=True)
    counts = data.twins[order].unique_consecutive(return_counts=True)[1]
    groups = [group for group in order.split(counts.tolist()) if len(group) > 1]
    found = [Duplicates(tuple(g.tolist()), bool((data.x[g] == data.x[g[:1]]).all())) for g in groups]
    return tuple(sorted(found, key=lambda d: (-len(d.positions), d.positions)))


def _doubles(data: Data, groups: Sequence[Duplicates]) -> Iterator[Fact]:
    if not groups:
        none = "not looked for" if data.twins is None else "none"
        yield Fact("duplicates", none, "; ".join([_looked_for(data), *_notes(data, "duplicates")]))
        return
    inside, exact = sum(len(group.positions) for group in groups), sum(group.exact for group in groups)
    near = len(groups) - exact
    kinds = f"{exact:,} exact and {near:,} near" if exact and near else "all exact" if exact else "all near"
    across = sum(len(set(data.held_out[list(group.positions)].tolist())) > 1 for group in groups)
    aside = "" if across else "; each group stays on one side of the split"
    yield Fact("duplicates", f"{inside:,} samples in {len(groups):,} groups ({kinds}); {inside - len(groups):,} are "
               "copies of another", _looked_for(data) + aside, warning=True)
    if across:
        yield Fact("across the split", f"{across:,} of {len(groups):,} groups of duplicates lie on both sides of it",
                   "a measure on held-out samples flatters who has seen their twins", warning=True)
    apart = [labels for group in groups if len(labels := _labels_in(data, group)) > 1]
    if apart:
        yield Fact("contradictions", f"different labels inside {len(apart):,} of {len(groups):,} groups of duplicates",
                   f"as {' and '.join(list(apart[0].values())[:2])}; one of them may be mistaken", warning=True)


def _labels_in(data: Data, group: Duplicates) -> dict[int, str]:
    """Returns the classes that a group holds, each with the id of its first sample."""
    if data.label is None:
        return {}
    labels = data.label[list(group.positions)].tolist()
    found = dict(zip(reversed(labels), (data.ids[i] for i in reversed(group.positions)), strict=True))
    return {label: found[label] for label in dict.fromkeys(labels) if label >= 0}


def _looked_for(data: Data) -> str:
    if data.spec.kind != "image":
        return "samples that are equal"
    exactly = data.source in BUILTIN or str(data.options.get("split")) == "0" or min(data.spec.shape[-2:]) < LEAST_SIDE
    return "images equal in every pixel" if exactly else "equal images, and images that were saved again, resized, " \
        "brightened or cropped a bit"


# Labels and split ----------------------------------------------------------------------------------------------------


def _class_counts(data: Data) -> dict[str, int]:
    if data.label is None:
        return {}
    counts = torch.bincount(data.label[data.label >= 0], minlength=len(data.spec.classes)).tolist()
    return dict(zip(data.spec.classes, counts, strict=False))


def _labels(data: Data, classes: Mapping[str, int]) -> Iterator[Fact]:
    notes = _notes(data, "labels")
    if not classes or data.label is None:
        yield Fact("labels", "none", "; ".join(notes) or "--labels COLUMN, FILE or folder takes some")
        return
    few, many = min(classes, key=classes.__getitem__), max(classes, key=classes.__getitem__)
    without = int((data.label < 0).sum())
    lacking = f"; {without:,} samples have none" if without else ""
    listed = [note for note in notes if note.startswith("labels: ")]
    value = listed[0].removeprefix("labels: ") if listed else f"{len(classes):,} classes{lacking}"
    yield Fact("labels", value, "; ".join(note for note in notes if note not in listed))
    uneven = classes[many] >= UNEVEN * max(1, classes[few])
    advice = "accuracy will flatter who ignores the small ones; look at each class by itself" if uneven else ""
    spread = f"{classes[few]:,} samples ({few}) to {classes[many]:,} ({many})"
    yield Fact("balance", spread if classes[few] < classes[many] else f"{classes[few]:,} samples each", advice, uneven)
    small = [(name, n) for name, n in classes.items() if n < FEW_OF_CLASS]
    if small:
        yield Fact("small classes", f"{len(small):,} of {len(classes):,} have fewer than {FEW_OF_CLASS} samples: "
                   f"{_listed(small)}", "nothing can be measured of them", warning=True)


def _held_out(data: Data) -> Iterator[Fact]:
    count = int(data.held_out.sum())
    notes = [HELD_OUT.sub("", note).strip("()") for note in _notes(data, "held out")]
    yield Fact("held out", f"{count:,} of {len(data):,} samples ({count / len(data):.1%})", "; ".join(
        f"drawn by a hash of each id, {note}" if note.startswith("--split ") else note for note in notes))


# Tables --------------------------------------------------------------------------------------------------------------


def _table(data: Data, columns: Sequence[Column]) -> Iterator[Fact]:
    if not columns:
        return
    yield Fact("columns", f"{len(columns):,}: {_listed(Counter(c.role for c in columns).most_common())}")
    constant = [c.name for c in columns if c.about.startswith("constant")]
    if constant:
        yield Fact("constant", ", ".join(constant), "one value throughout says nothing", warning=True)
    alike = [c.name for c in columns if c.role == "id" or c.about.startswith("identifier")]
    if alike:
        yield Fact("identifiers", ", ".join(alike), "names of rows, which no method sees")
    gone = [(c.name, c.missing / len(data)) for c in columns if c.missing]
    worst = sorted(gone, key=lambda pair: -pair[1])
    if gone:
        shown = ", ".join(f"{name} {share:.1%}" for name, share in worst[:NAMED])
        more = f" and {len(gone) - NAMED:,} more" if len(gone) > NAMED else ""
        yield Fact("missing values", f"in {len(gone):,} of {len(columns):,} columns: {shown}{more}",
                   "a missing value has a place of its own in the row", warning=worst[0][1] > GONE)


# Room and the rest ---------------------------------------------------------------------------------------------------


def _room(data: Data) -> Iterator[Fact]:
    floats = "" if data.x.dtype == torch.float32 else f" as read, {_bytes(4 * data.x.numel())} as floats"
    yield Fact("memory", f"{_bytes(data.x.nbytes)}{floats}",
               "methods that learn by gradient take batches of it; those fitted at one stroke, 1 GiB of floats at most")


def _notes(data: Data, topic: str) -> list[str]:
    return [note for note in data.notes if note.startswith(SAID[topic])]


def _noted(data: Data) -> Iterator[Fact]:
    """Yields the notes of the reader that no other fact takes up."""
    taken = tuple(beginning for beginnings in SAID.values() for beginning in beginnings)
    told = re.compile(r"[\d,]+ (numbers?|category|categories): ")
    yield from (Fact("noted", note) for note in data.notes if not note.startswith(taken) and not told.match(note))


def _listed(pairs: Sequence[tuple[str, int]]) -> str:
    """Returns words with their counts: ``rgb 90, grey 10``."""
    shown = ", ".join(f"{name} {n:,}" for name, n in pairs[:NAMED])
    return shown + (f" and {len(pairs) - NAMED:,} more" if len(pairs) > NAMED else "")


def _bytes(n: int) -> str:
    """Returns a number of bytes in the unit that reads best.

    Example:
        >>> _bytes(712), _bytes(153_600_000)
        ('712 B', '153.6 MB')
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= size:
            return f"{n / size:.1f} {unit}"
    return f"{n} B"
