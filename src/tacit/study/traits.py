"""What can be said of samples in words: what sets some apart from the others, and what is rare about one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tacit.data.coding import decode
from tacit.data.dataset import Data

__all__ = ["Trait", "apart", "figure", "rarities", "traits_of"]

Array = np.ndarray[Any, Any]

DIFFERENCE = 0.3  # in standard deviations, below which means do not set samples apart
SHARE = 0.1  # difference of shares below which words do not
TIE = 1e-9  # by which words that samples have go before words that they lack
CERTAIN = 3.0  # standard errors that a difference has at least
FEW = 5  # samples of which nothing is said; of words that on average fewer have, neither
APART, RARITIES = 5, 3  # that are said at most
RARE = 0.01  # share of samples at least as unusual, below which a value is worth saying
NORMAL = 1.349  # interquartile range of a standard normal
HUES = (("red", 15), ("orange", 45), ("yellow", 75), ("green", 165), ("cyan", 200), ("blue", 260), ("magenta", 345),
        ("red", 360))  # and where each ends, in degrees
LOOKS = {"brightness": ("darker", "brighter"), "contrast": ("less contrast", "more contrast"),
         "saturation": ("paler", "more colourful")}  # what has less of it, and what has more


def figure(value: float) -> str:
    """Returns a number with three digits, or all those before its point.

    Example:
        >>> figure(0.21349), figure(52.26), figure(999.7), figure(99999.4), figure(-0.0)
        ('0.213', '52.3', '1000', '99999', '0')
    """
    return f"{value:.0f}" if abs(value) >= 999.5 else f"{value + 0.0:.3g}"


def day(value: float) -> str:
    """Returns days since 1970 as a date."""
    return str(np.datetime64(round(value), "D"))


@dataclass(frozen=True)
class Trait:
    """Something that is known of each sample.

    Arguments:
        values: Floats (nan is missing) or words, shape (N,).
        write: How a number is written.
        ends: What to call samples with less and with more of it than others, where numbers alone say little.
    """

    values: Array
    write: Callable[[float], str] = figure
    ends: tuple[str, str] | None = None

    @property
    def numbers(self) -> bool:
        """Whether it is numbers."""
        return bool(self.values.dtype.kind == "f")

    @cached_property
    def levels(self) -> tuple[list[str], Array]:
        """Its different words, and which of them each sample has, int64 (N,)."""
        words, codes = np.unique(self.values, return_inverse=True)
        return words.tolist(), codes.reshape(-1)

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many samples have each of its words."""
        words, codes = self.levels
        return dict(zip(words, np.bincount(codes).tolist(), strict=True))

    @cached_property
    def present(self) -> Array:
        """Its numbers that are not missing."""
        return self.values[~np.isnan(self.values)]

    @cached_property
    def quartiles(self) -> tuple[float, float, float]:
        """The quartiles of its numbers."""
        low, middle, high = np.quantile(self.present, (0.25, 0.5, 0.75)).tolist()
        return low, middle, high

    def said(self, value: Any) -> str:
        """Returns one of its values in words."""
        if not self.numbers:
            return str(value) or "missing"
        return "missing" if math.isnan(value) else self.write(value)


def traits_of(data: Data, factors: Mapping[str, Array]) -> dict[str, Trait]:
    """Returns what can be said of samples: the columns of a table, the coordinates of points, or else the factors.

    Words that name single samples, as paths do, say nothing.

    Arguments:
        data: The samples.
        factors: What `factors_of` gives of them.
    """
    found = columns_of(data) if data.spec.kind == "table" else seen_of(data, factors)
    return {name: known for name, known in found.items() if known.numbers or FEW * len(known.counts) <= len(data)}


def columns_of(data: Data) -> dict[str, Trait]:
    """Returns the columns of a table."""
    return {name: trait(values) for name, values in decode(data.everything(), data.spec).items()}


def seen_of(data: Data, factors: Mapping[str, Array]) -> dict[str, Trait]:
    """Returns the factors, and the coordinates of points on a line or a plane."""
    found = {name: Trait(values, day) if is_date(name, values, data) else trait(values)
             for name, values in factors.items()}
    if data.spec.kind == "image":
        found |= {name: Trait(found[name].values, ends=ends) for name, ends in LOOKS.items() if name in found}
        found |= {"hue": Trait(hues(factors["hue"]))} if "hue" in factors else {}
    if data.spec.kind == "vector" and data.spec.size <= 2:
        places = data.everything().flatten(1).double().numpy()  # (N, 1 or 2)
        found = {f"x{i + 1}": Trait(places[:, i]) for i in range(places.shape[1])} | found
    return found


def trait(values: Array) -> Trait:
    """Returns numbers as floats, and everything else as words."""
    return Trait(values.astype(np.float64) if values.dtype.kind in "fiu" else values.astype(str))


def is_date(name: str, values: Array, data: Data) -> bool:
    """Returns whether a factor is days since 1970, read from words or dates."""
    return bool(values.dtype.kind == "f" and name in data.columns and data.columns[name].dtype.kind in "OUM")


def hues(angle: Array) -> Array:
    """Returns the names of hues, given in radians from red by way of yellow; nan is none.

    Example:
        >>> hues(np.array([0.0, 2.1, -2.1, math.nan])).tolist()
        ['red', 'green', 'blue', 'none']
    """
    ends = [end for _, end in HUES]
    names: Array = np.array([name for name, _ in HUES])[np.digitize(np.degrees(angle) % 360, ends[:-1])]
    return np.where(np.isnan(angle), "none", names)


# What sets some samples apart ----------------------------------------------------------------------------------------


def apart(traits: Mapping[str, Trait], inside: Array) -> tuple[str, ...]:
    """Returns what sets some samples apart from all others, strongest first, at most five.

    Means that differ by 0.3 standard deviations, and words whose shares differ by 0.1, count if the difference is
    three standard errors. Strength is the difference in standard deviations of all samples: of a word, of whether a
    sample has it.

    Arguments:
        traits: Of all samples.
        inside: Which samples, bool (N,).

    Example:
        >>> age = Trait(np.array([50.0, 52.0, 54.0, 56.0, 58.0, 21.0, 22.0, 23.0, 24.0, 25.0]))
        >>> apart({"age": age}, np.arange(10) < 5)
        ('age 54, else 23',)
    """
    found = [one for name, known in traits.items() for one in differences(name, known, inside)]
    return tuple(words for _, words in sorted(found, key=lambda one: -one[0])[:APART])


def differences(name: str, known: Trait, inside: Array) -> list[tuple[float, str]]:
    """Returns the differences in one trait that count: strength and words."""
    if not known.numbers:
        words, codes = known.levels
        shares = [np.bincount(codes[side], minlength=len(words)) / max(1, side.sum()) for side in (inside, ~inside)]
        gap = shares[0] - shares[1]  # (levels,)
        best = int((np.abs(gap) + TIE * (gap > 0)).argmax())
        return share_apart(f"{name} {known.said(words[best])}", codes == best, inside)
    gone = np.isnan(known.values)
    found = share_apart(f"{name} missing", gone, inside)
    effect, a, b = gap_between(known.values[~gone], inside[~gone])
    if abs(effect) > DIFFERENCE:
        found.append((abs(effect), f"{name} {known.write(a)}, else {known.write(b)}"))
    return found


def share_apart(name: str, has: Array, inside: Array) -> list[tuple[float, str]]:
    """Returns whether shares differ: strength and words, or nothing."""
    effect, a, b = gap_between(has.astype(np.float64), inside)
    return [(abs(effect), f"{name} {100 * a:.0f} %, else {100 * b:.0f} %")] if abs(a - b) > SHARE and effect else []


def gap_between(values: Array, inside: Array) -> tuple[float, float, float]:
    """Returns the difference of two means in standard deviations of all values, 0 if it may be chance; and both."""
    n, m = int(inside.sum()), int((~inside).sum())
    spread = float(values.std()) if min(n, m) >= FEW else 0.0
    if spread == 0:
        return 0.0, math.nan, math.nan
    a, b = float(values[inside].mean()), float(values[~inside].mean())
    effect = (a - b) / spread
    return effect if abs(effect) > CERTAIN * math.sqrt(1 / n + 1 / m) else 0.0, a, b


# What is rare about one sample ---------------------------------------------------------------------------------------


def rarities(traits: Mapping[str, Trait], position: int) -> tuple[str, ...]:
    """Returns in what a sample is rare, rarest first, at most three: words by their number, numbers by how far out.

    Arguments:
        traits: Of all samples.
        position: Of this one.

    Example:
        >>> many = {"from": Trait(np.array(["here"] * 299 + ["there"])), "age": Trait(np.full(300, 40.0))}
        >>> rarities(many, 299)
        ('from there: 1 of 300',)
    """
    found = [(rare_number if known.numbers else rare_word)(name, known, known.values[position])
             for name, known in traits.items()]
    kept = sorted((share, -far, words) for share, far, words in found if share < RARE)
    return tuple(words for _, _, words in kept[:RARITIES])


def rare_word(name: str, known: Trait, value: str) -> tuple[float, float, str]:
    """Returns the share of samples with a word, 0, and that in words."""
    count, n = known.counts[value], len(known.values)
    return count / n, 0.0, f"{name} {known.said(value)}: {count:,} of {n:,}"


def rare_number(name: str, known: Trait, value: float) -> tuple[float, float, str]:
    """Returns the share of samples that are as far out, how many robust deviations that is, and that in words."""
    values, n = known.present, len(known.values)
    if math.isnan(value):
        return 1 - len(values) / n, 0.0, f"{name} missing: {n - len(values):,} of {n:,}"
    low, middle, high = known.quartiles
    far = abs(value - middle)
    scale = (high - low) / NORMAL or float(values.std()) or 1.0
    share = float((np.abs(values - middle) >= far).mean())
    if known.ends:
        more = float((values < value).mean() if value > middle else (values > value).mean())
        words = f"{known.ends[int(value > middle)]} than {min(99.9, math.floor(1_000 * more) / 10):g} % of samples"
    else:
        usual = known.write(low) if low == high else f"{known.write(low)} to {known.write(high)}"
        words = f"{name} {known.write(value)}, usually {usual}"
    return share, far / scale, words
