"""The answer to a question: a value, its interval, and how it came about."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from tacit.errors import RunError

__all__ = ["Measure"]

Better = Literal["higher", "lower", ""]


@dataclass(frozen=True)
class Measure:
    """One number that was measured of a run.

    Arguments:
        question: The question that it answers, a name in `tacit.evaluation.questions.QUESTIONS`.
        name: What was measured: ``linear probe accuracy``.
        value: The value, in `unit`.
        protocol: How it was measured, in words: on which samples, how many, against what, over which draws.
        of: Of what, where a question has several answers of one name: ``pixels``, ``layer conv2``, ``10 labels``.
        low: Lower end of the interval, or None where there is none.
        high: Upper end of the interval, or None.
        unit: ``share`` for numbers in [0, 1] that are shown in per cent; ``nats``, ``bits/dim``, ``dB``, or nothing.
        better: Which way is better, or nothing where neither is.
        space: The feature space in which it was measured, or nothing; values in different spaces do not compare.

    Example:
        >>> print(Measure("samples", "Frechet distance", 12.3456, "...", low=11.9, high=12.8))
        12.35 [11.90, 12.80]
        >>> print(Measure("representation", "linear probe accuracy", 0.9541, "...", unit="share"))
        95.4 %
        >>> print(Measure("clusters", "clusters used", 20, "..."))
        20
    """

    question: str
    name: str
    value: float
    protocol: str
    of: str = ""
    low: float | None = None
    high: float | None = None
    unit: str = ""
    better: Better = ""
    space: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What two runs must share for their values to be set side by side."""
        return self.question, self.name, self.of, self.space

    @property
    def span(self) -> tuple[float, float]:
        """The ends of the interval; the value twice where there is none."""
        return (self.value, self.value) if self.low is None or self.high is None else (self.low, self.high)

    def __str__(self) -> str:
        """Returns the value as a person reads it: a whole number without an interval is a count."""
        if self.low is None and not self.unit and float(self.value).is_integer():
            return f"{self.value:,.0f}"
        scale, digits, unit = (100, 3, " %") if self.unit == "share" else (1, 4, f" {self.unit}" if self.unit else "")
        if self.low is None or self.high is None:
            return f"{number(scale * self.value, digits)}{unit}"
        ends = f"{number(scale * self.low, digits)}, {number(scale * self.high, digits)}"
        return f"{number(scale * self.value, digits)} [{ends}]{unit}"

    def to_dict(self) -> dict[str, Any]:
        """Returns plain numbers and strings, for JSON; `from_dict` reads them back."""
        return {k: v for k, v in dataclasses.asdict(self).items() if v not in ("", None)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Reads what `to_dict` wrote.

        Raises:
            RunError: If it is not a measure.
        """
        try:
            return cls(**plain)
        except TypeError as error:
            raise RunError(f"an evaluation holds what is no measure ({error}); evaluate the run again") from error


def number(value: float, digits: int) -> str:
    """Returns a number with so many digits that matter, and no exponent between a thousandth and a million.

    Example:
        >>> number(0.5, 3), number(12345.678, 3), number(1e-7, 3)
        ('0.500', '12346', '1e-07')
    """
    size = abs(value)
    if size and not 1e-3 <= size < 1e6:
        return f"{value:.{digits}g}"
    whole = len(str(int(size))) if size >= 1 else 0
    return f"{value:.{max(0, digits - whole)}f}"
