"""Samples that do not belong: each is a held-out sample that was spoilt in a stated way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from tacit.protocol import Spec

__all__ = ["Spoiling", "spoilings"]


@dataclass(frozen=True)
class Spoiling:
    """One way to spoil samples.

    Arguments:
        meaning: What it does, in words.
        spoil: Gives spoilt samples, shape (N, *shape), of samples of that shape, their spec, and a generator.
    """

    meaning: str
    spoil: Callable[[Tensor, Spec, Generator], Tensor]


def spoilings(spec: Spec) -> Mapping[str, Spoiling]:
    """Returns the ways to spoil samples of a kind, by name.

    Example:
        >>> list(spoilings(Spec("vector", (2,))))
        ['columns apart', 'uniform']
    """
    if spec.codes:
        return {
            "shuffled": Spoiling("its codes in random order", shuffled),
            "random codes": Spoiling("every code drawn at random", random_codes),
        }
    if spec.kind in ("vector", "table"):
        return {
            "columns apart": Spoiling("every column taken from another sample, so that nothing goes together", apart),
            "uniform": Spoiling("every column drawn evenly from its range, or its categories", uniform_columns),
        }
    ways = {
        "noise": Spoiling("every value drawn evenly from the range of the values", noise),
        "shuffled": Spoiling("its values in random order", shuffled),
        "inverted": Spoiling("light for dark: its values mirrored in their range", inverted),
        "mixed": Spoiling("the mean of two samples", mixed),
    }
    if len(spec.shape) == 3:
        ways["patch"] = Spoiling("a quarter of its area, at a random place, taken from another sample", patched)
    return ways


def extent(x: Tensor, spec: Spec) -> tuple[float, float]:
    """Returns least and greatest value: of the spec, or else of the samples."""
    return spec.range or (float(x.min()), float(x.max()))


def noise(x: Tensor, spec: Spec, generator: Generator) -> Tensor:
    """Returns samples whose every value is drawn evenly from the range."""
    low, high = extent(x, spec)
    return low + (high - low) * torch.rand(x.shape, generator=generator)


def shuffled(x: Tensor, spec: Spec, generator: Generator) -> Tensor:
    """Returns samples whose places, with all channels of an image together, are in random order."""
    rows = x.flatten(2) if len(spec.shape) == 3 else x.flatten(1)[:, None]  # (N, channels, places)
    order = torch.rand(len(x), 1, rows.shape[2], generator=generator).argsort(2)
    return rows.gather(2, order.expand_as(rows)).view_as(x)


def random_codes(x: Tensor, spec: Spec, generator: Generator) -> Tensor:
    """Returns codes of which every one is as likely at every place."""
    return torch.randint(spec.codes, x.shape, generator=generator)


def inverted(x: Tensor, spec: Spec, generator: Generator) -> Tensor:
    """Returns samples mirrored in the middle of their range."""
    low, high = extent(x, spec)
    return low + high - x


def mixed(x: Tensor, spec: Spec, generator: Generator) -> Tensor:
    """Returns the mean of each sample and another."""
    return (x + x[others(len(x), generator)]) / 2


def patched(x: Tensor, spec: Spec, generator: Generator) -> Tensor:
    """Returns samples with a rectangle of half their height and width from the same place of another."""
    n, (height, width) = len(x), x.shape[2:]
    inside = [
        ((place := torch.arange(side)) >= (start := torch.randint(side - side // 2 + 1, (n, 1), generator=generator)))
        & (place < start + side // 2)  # (N, side)
        for side in (height, width)
    ]
    area = (inside[0][:, :, None] & inside[1][:, None])[:, None]  # (N, 1, H, W)
    return torch.where(area, x[others(n, generator)], x)


def apart(x: Tensor, spec: Spec, generator: Generator) -> Tensor:
    """Returns rows of which each column is that of a sample of its own."""
    rows = x.clone()
    for start, stop in blocks(spec):
        rows[:, start:stop] = x[torch.randint(len(x), (len(x),), generator=generator), start:stop]
    return rows


def uniform_columns(x: Tensor, spec: Spec, generator: Generator) -> Tensor:
    """Returns rows of which each number is drawn evenly from its range and each category from its levels."""
    low, high = x.amin(0), x.amax(0)
    rows = low + (high - low) * torch.rand(x.shape, generator=generator)
    for column in spec.columns:
        start, stop = column.start, column.start + column.width
        if column.kind == "category":
            place = torch.randint(column.width, (len(x),), generator=generator)
            rows[:, start:stop] = torch.nn.functional.one_hot(place, column.width).to(rows)
        elif column.missing:
            rows[:, stop - 1] = 0
    return rows


def blocks(spec: Spec) -> list[tuple[int, int]]:
    """Returns first position and the one after the last of each column."""
    return [(c.start, c.start + c.width) for c in spec.columns] or [(i, i + 1) for i in range(spec.size)]


def others(n: int, generator: Generator) -> Tensor:
    """Returns for each of n samples the position of another, int64 (n,), as far as there is one."""
    return (torch.arange(n) + torch.randint(1, max(n, 2), (n,), generator=generator)) % n
