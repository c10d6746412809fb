"""Rows of a table as a net gives them: one value for each number, a block of logits for each category, a logit for
each mark of a missing value.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from tacit.functional.likelihoods import bernoulli, categorical, gaussian_each
from tacit.functional.noise import normal, uniform
from tacit.functional.relaxed import draw_one_hot
from tacit.protocol import Column

__all__ = ["Layout", "draw", "expected", "hardened", "log_prob"]


@dataclass(frozen=True)
class Layout:
    """Where in an encoded row the numbers, categories and marks of missing values are.

    Arguments:
        numbers: Positions of numbers.
        marked: Of those, which have a mark, counted among the numbers.
        marks: The marks of those numbers, in the same order.
        blocks: First position and the one after the last of each category.
        flags: Positions of all marks.
    """

    numbers: tuple[int, ...]
    marked: tuple[int, ...]
    marks: tuple[int, ...]
    blocks: tuple[tuple[int, int], ...]
    flags: tuple[int, ...]

    @classmethod
    def of(cls, columns: Sequence[Column], size: int) -> Layout:
        """Reads the columns of a spec; without any, all `size` positions are numbers."""
        if not columns:
            return cls(tuple(range(size)), (), (), (), ())
        numbers = [c for c in columns if c.kind == "number"]
        return cls(
            numbers=tuple(c.start for c in numbers),
            marked=tuple(i for i, c in enumerate(numbers) if c.missing),
            marks=tuple(c.start + 1 for c in numbers if c.missing),
            blocks=tuple((c.start, c.start + len(c.levels)) for c in columns if c.kind == "category" and c.levels),
            flags=tuple(c.start + c.width - 1 for c in columns if c.missing),
        )


def log_prob(x: Tensor, out: Tensor, log_sigma: Tensor, layout: Layout) -> Tensor:
    """Returns the mixed log likelihood: Gaussian numbers, categorical blocks, Bernoulli marks.

    The value of a number that is missing counts for nothing; that it is missing counts.

    Arguments:
        x: Encoded rows, shape (N, D).
        out: What a net says of them, shape (N, D).
        log_sigma: Log standard deviation of each number, shape (numbers,).
        layout: Where is what.

    Returns:
        Nats, shape (N,).
    """
    numbers, flags = at(layout.numbers, x.device), at(layout.flags, x.device)
    value = x[:, numbers]  # (N, numbers)
    present = torch.ones_like(value)
    present[:, at(layout.marked, x.device)] -= x[:, at(layout.marks, x.device)]
    total = (present * gaussian_each(value, out[:, numbers], log_sigma)).sum(1)
    for start, stop in layout.blocks:
        total = total + categorical(x[:, start:stop], out[:, start:stop])
    return total + bernoulli(x[:, flags], out[:, flags])


def expected(out: Tensor, layout: Layout) -> Tensor:
    """Returns the mean row, shape (N, D): probabilities stand where a row has ones and zeros."""
    row = out.clone()
    for start, stop in layout.blocks:
        row[:, start:stop] = out[:, start:stop].softmax(-1)
    flags = at(layout.flags, out.device)
    row[:, flags] = out[:, flags].sigmoid()
    return row


def hardened(out: Tensor, layout: Layout) -> Tensor:
    """Returns the likeliest row, one-hot as the data are, shape (N, D); gradients are those of `expected`.

    Without it a discriminator would know made rows by their fractions.

    References:
        Bengio et al. 2013, arXiv:1308.3432 (the straight-through estimator).
    """
    soft = expected(out, layout)
    row = soft.detach().clone()
    for start, stop in layout.blocks:
        row[:, start:stop] = one_hot(soft[:, start:stop].argmax(-1), row[:, start:stop])
    flags = at(layout.flags, out.device)
    row[:, flags] = row[:, flags].round()
    return _blanked(row + (soft - soft.detach()), layout)


def draw(out: Tensor, log_sigma: Tensor, layout: Layout, generator: Generator | None = None) -> Tensor:
    """Returns rows drawn from the mixed likelihood, shape (N, D)."""
    row = out.clone()
    numbers, flags = at(layout.numbers, out.device), at(layout.flags, out.device)
    noise = normal(len(out), len(numbers), device=out.device, generator=generator)
    row[:, numbers] += log_sigma.exp() * noise
    for start, stop in layout.blocks:
        row[:, start:stop] = draw_one_hot(out[:, start:stop], generator=generator)
    u = uniform(len(out), len(flags), device=out.device, generator=generator)
    row[:, flags] = (u < out[:, flags].sigmoid()).to(row.dtype)
    return _blanked(row, layout)


def one_hot(index: Tensor, like: Tensor) -> Tensor:
    """Returns rows of `like`'s shape and type with a single 1, shape (N, K)."""
    return torch.zeros_like(like).scatter_(1, index[:, None], 1.0)


def _blanked(row: Tensor, layout: Layout) -> Tensor:
    """Returns the rows with 0, the mean, in the place of each number that is marked as missing."""
    marked = at(tuple(layout.numbers[i] for i in layout.marked), row.device)
    kept = row.clone()
    kept[:, marked] = row[:, marked] * (1 - row[:, at(layout.marks, row.device)])
    return kept


@functools.lru_cache(maxsize=256)
def at(positions: tuple[int, ...], device: torch.device) -> Tensor:
    """Returns an index, int64, kept on the device so that no step waits for its transfer."""
    with torch.inference_mode(False):  # an index made in inference mode could not be used in training later
        return torch.tensor(positions, dtype=torch.int64, device=device)
