"""What the folders of a source mean: wrappers, parts as train and val, classes, or nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Layout", "layout", "never_a_class"]

TRAIN = {"train", "training"}
HELD_OUT = {"val", "valid", "validation", "test", "testing"}
NO_CLASS = TRAIN | HELD_OUT | {"images", "imgs", "img", "masks", "mask", "data", "dataset"}
YEAR, MONTH, DAY = r"(19|20)\d\d", r"(0?[1-9]|1[0-2])", r"(0?[1-9]|[12]\d|3[01])"
DATE = re.compile(rf"{YEAR}([-_. ]?{MONTH}([-_. ]?{DAY})?)?|{DAY}[-_.]{MONTH}[-_.]{YEAR}|{MONTH}[-_.]{YEAR}")


@dataclass(frozen=True)
class Layout:
    """Ids, read as paths.

    Arguments:
        inner: Each id below the folders that wrap everything, and below its part.
        top: The folder of each sample that may be its class, None where there is none.
        held_out: Whether each sample lies in a folder as ``val`` or ``test`` beside ``train``, bool (N,); or None.
        parts: Those folders, with their numbers of samples.
        passed: Names of folders that are never classes, where samples lie in them.
    """

    inner: Sequence[str]
    top: Sequence[str | None]
    held_out: np.ndarray[Any, Any] | None
    parts: dict[str, int]
    passed: Sequence[str]


def never_a_class(name: str) -> bool:
    """Returns whether a folder's name says what lies in it, or when it was taken, rather than what is seen.

    Example:
        >>> [never_a_class(n) for n in ("images", "2023-05-01", "202305", "cat", "7")]
        [True, True, True, False, False]
    """
    return name.lower() in NO_CLASS or bool(DATE.fullmatch(name))


def layout(ids: Sequence[str]) -> Layout:
    """Returns what the folders of relative paths mean.

    Example:
        >>> found = layout(["pets/train/cat/1.png", "pets/train/dog/1.png", "pets/val/cat/2.png"])
        >>> found.top, found.held_out.tolist(), found.parts
        (['cat', 'dog', 'cat'], [False, False, True], {'val': 1})
    """
    inner = _unwrapped(list(ids))
    top = [_top(i) for i in inner]
    names = {name: (name or "").lower() for name in set(top)}
    held_out, parts = None, dict[str, int]()
    if TRAIN & set(names.values()) and HELD_OUT & set(names.values()):
        first = [names[name] for name in top]
        held_out = np.array([name in HELD_OUT for name in first])
        parts = {name: first.count(name) for name in sorted(HELD_OUT & set(first))}
        inner = [i.partition("/")[2] if name in TRAIN | HELD_OUT else i for i, name in zip(inner, first, strict=True)]
        inner = _unwrapped(inner)
        top = [_top(i) for i in inner]
    passed = sorted(name for name in set(top) if name is not None and never_a_class(name))
    if passed:
        top = [None if name in passed else name for name in top]
    return Layout(inner, top, held_out, parts, passed)


def _top(path: str) -> str | None:
    folder, slash, _ = path.partition("/")
    return folder if slash else None


def _unwrapped(paths: list[str]) -> list[str]:
    """Returns paths below the folders that hold everything."""
    if not paths:
        return paths
    shared = os.path.commonprefix([min(paths), max(paths)])  # what these share, all share
    cut = shared.rfind("/") + 1
    return [p[cut:] for p in paths] if cut else paths
