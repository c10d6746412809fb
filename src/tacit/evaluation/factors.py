"""What may explain a pattern in data beside meaning: how samples look, how large they are, whence and when."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tacit.data.dataset import Data
from tacit.data.pixels import LUMA
from tacit.functional.explained import quantile_groups, share_explained
from tacit.functional.jackknife import groups, jackknife_interval

__all__ = ["Array", "Explained", "explained", "factors_of", "grouped"]

Array = np.ndarray[Any, Any]
Explained = tuple[float, float, float]
Share = Callable[[Tensor, Tensor], float]

BATCH = 1_024
PER_GROUP = 5  # samples of a group, on average, below which nothing can be said of a factor
COLOURLESS = 0.02  # saturation up to which there is no hue
FORMS = ("%Y-%m-%d", "%d-%m-%Y", "%m-%d-%Y")


def explained(
    values: Tensor, factors: Mapping[str, Array], *, share: Share = share_explained, seed: int = 0
) -> dict[str, Explained]:
    """Returns how much of something each factor explains by itself, with a 95 % interval.

    Numbers and dates are cut into ten groups of equal size, words are groups: no form of the relation is assumed.

    Arguments:
        values: What is to be explained, N of it: a quantity (N,), a map (N, 2), a grouping int64 (N,).
        factors: Numbers or words, N for each name, as `factors_of` gives them.
        share: How much of it lies between groups, int64 (N,), corrected so that noise has 0 on average:
            `share_explained` of a quantity, `largest_share` of a map, `groups_explained` of a grouping.
        seed: Of the groups that the jackknife leaves out.

    Returns:
        Share, low and high by name; no entry for a factor that is constant, or has groups of fewer than five samples.

    Example:
        >>> axis = torch.arange(100.0)
        >>> found = explained(axis, {"same": np.arange(100) // 50, "other": np.arange(100) % 2})
        >>> {name: round(share, 2) for name, (share, _, _) in found.items()}
        {'same': 0.75, 'other': -0.01}
    """
    found: dict[str, Explained] = {}
    for name, factor in factors.items():
        group = grouped(factor)
        if not 1 < len(group.unique()) <= len(group) / PER_GROUP:
            continue
        value = share(values, group)
        rest = [left_out(len(values), part) for part in groups(len(values), seed=seed)]
        without = torch.tensor([share(values[i], group[i]) for i in rest], dtype=torch.float64)
        if math.isfinite(value) and without.isfinite().all():
            low, high = jackknife_interval(value, without)
            found[name] = (value, low, min(high, 1.0))
    return found


def left_out(n: int, part: Tensor) -> Tensor:
    """Returns all positions but some, int64."""
    keep = torch.ones(n, dtype=torch.bool)
    keep[part] = False
    return keep.nonzero().flatten()


def grouped(factor: Array) -> Tensor:
    """Returns the group of each sample by a factor, int64 (N,)."""
    if factor.dtype.kind in "fiub":
        return quantile_groups(torch.from_numpy(factor.astype(np.float64)))
    return torch.from_numpy(np.unique(factor.astype(str), return_inverse=True)[1].reshape(-1))


def factors_of(data: Data) -> dict[str, Array]:
    """Returns all that is known of samples beside what they are: N numbers or words by name.

    Of images: brightness, contrast, saturation and hue. Of any: what its source says, as folder, date and size.
    """
    known = {name: dated(column) for name, column in data.columns.items()}
    if data.spec.kind != "image":
        return known
    looks = [look(data.batch(i).x) for i in torch.arange(len(data)).split(BATCH)]
    seen = {name: torch.cat([part[name] for part in looks]).numpy() for name in looks[0]} if looks else {}
    return seen | {f"{name} of the source" if name in seen else name: column for name, column in known.items()}


def is_class(words: Array, label: Tensor | None) -> bool:
    """Returns whether words, or the innermost folders that they name, are other names of two or more classes."""
    if label is None or len(label.unique()) < 2:
        return False
    names = [str(word).rpartition("/")[2] for word in words.tolist()]
    pairs = set(zip(names, label.tolist(), strict=True))
    return len(pairs) == len(set(names)) == len(label.unique())


def look(x: Tensor) -> dict[str, Tensor]:
    """Returns how images look, each (N,): images in [0, 1], shape (N, C, H, W).

    Brightness is the mean and contrast the standard deviation of the luma. Saturation is the mean distance of pixels
    from grey, and hue its mean direction, in the plane of the colours; what has hardly any colour has no hue.
    """
    if x.shape[1] != 3:
        grey = x.mean(1)  # (N, H, W)
        return {"brightness": grey.mean((1, 2)), "contrast": grey.std((1, 2), correction=0)}
    grey = torch.einsum("nchw,c->nhw", x, x.new_tensor(LUMA))
    red, green, blue = x.unbind(1)
    across, along = red - (green + blue) / 2, (green - blue) * math.sqrt(3) / 2  # the plane of colours, red at 0
    saturation = torch.hypot(across, along).mean((1, 2))
    hue = torch.atan2(along.mean((1, 2)), across.mean((1, 2)))
    return {
        "brightness": grey.mean((1, 2)),
        "contrast": grey.std((1, 2), correction=0),
        "saturation": saturation,
        "hue": torch.where(saturation > COLOURLESS, hue, math.nan),
    }


def dated(column: Array) -> Array:
    """Returns dates, written as words, as days since 1970, nan where there is none; other columns as they are."""
    if column.dtype.kind == "M":
        return days(column)
    if column.dtype.kind not in "OU":
        return column
    words = [str(w) for w in column.tolist()]
    found = [parsed(w) for w in words]
    if not any(words) or any(d is None and w for d, w in zip(found, words, strict=True)):
        return column
    return np.array([math.nan if d is None else d for d in found])


def days(column: Array) -> Array:
    """Returns datetimes as days since 1970, nan where there is none."""
    seconds = column.astype("datetime64[s]")
    return np.where(np.isnat(seconds), math.nan, seconds.astype(np.int64) / 86_400)


def parsed(word: str) -> float | None:
    """Returns a date and time as days since 1970, as EXIF, ISO or a table writes it; None if it is none.

    Example:
        >>> parsed("1970:01:02 12:00:00"), parsed("31/1/1970"), parsed("photos")
        (1.5, 30.0, None)
    """
    found = re.fullmatch(r"(\d{1,4})[-:./](\d{1,2})[-:./](\d{1,4})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2}))?.*)?", word)
    if found is None:
        return None
    for form in FORMS:
        try:
            day = datetime.strptime("-".join(found.groups()[:3]), form)
        except ValueError:
            continue
        hour, minute, second = (int(part or 0) for part in found.groups()[3:])
        return (day - datetime(1970, 1, 1)).days + (hour + (minute + second / 60) / 60) / 24
    return None
