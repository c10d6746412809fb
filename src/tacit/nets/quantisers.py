"""From vectors on a grid to codes and back: a learned codebook, or rounding each dimension to a few levels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from tacit.errors import OptionError

__all__ = ["FiniteScalarQuantiser", "Quantised", "Usage", "VectorQuantiser", "levels_for", "quantiser"]

ROWS = 16_384  # vectors whose distances to all codes are held at once
SMOOTHING = 1e-5  # Laplace's, of the share of a code that nothing is near
SHARPNESS = 64.0  # nats between the least and the greatest weight of a candidate
MARGIN = 1e-3  # by which a finite scalar's bound stays within its outermost levels
SEEN = 0.01  # of an even share: a code with less is not in use


@dataclass(frozen=True)
class Quantised:
    """What a quantiser makes of vectors.

    Arguments:
        vectors: Those of the codes, shape (N, D, *grid); their gradient goes to the input unchanged.
        codes: int64 (N, *grid).
        distance: ||z - sg[e]||^2 summed over dimensions and grid, shape (N,).
    """

    vectors: Tensor
    codes: Tensor
    distance: Tensor


class VectorQuantiser(nn.Module):
    """The nearest of K learned vectors, which follow the moving means of what is assigned to them.

    The first batch gives the codes their places; a code that is rarely used is moved to a random input. Both happen in
    `follow`, which sees only sums over the batch, so that micro-batches and processes agree.

    References:
        van den Oord et al. 2017, arXiv:1711.00937, appendix A.1. Restarts: Dhariwal et al. 2020, arXiv:2005.00341.

    Arguments:
        codes: K, their number.
        width: D, the dimension of one.
        decay: Of the moving sums and counts, per step.
        restart: Share of an even use below which a code is moved to a random input; 0 leaves it where it is.
    """

    cluster_size: Tensor
    embed_sum: Tensor
    started: Tensor

    def __init__(self, codes: int, width: int, *, decay: float = 0.99, restart: float = 0.05) -> None:
        super().__init__()
        self.codes, self.width, self.decay, self.restart = codes, width, decay, restart
        self.register_buffer("cluster_size", torch.ones(codes))  # N_i; from 0 an unused code's vector would explode
        self.register_buffer("embed_sum", torch.randn(codes, width))  # m_i
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    def codebook(self) -> Tensor:
        """Returns e_i = m_i / N_i, shape (K, D), with counts smoothed here only: written back, they would drift."""
        total = self.cluster_size.sum()
        smooth = (self.cluster_size + SMOOTHING) / (total + self.codes * SMOOTHING) * total
        return self.embed_sum / smooth[:, None]

    def forward(self, z: Tensor) -> Quantised:
        """Returns the nearest codes of vectors, shape (N, D, *grid)."""
        codebook = self.codebook()
        codes = nearest(rows_of(z), codebook).unflatten(0, (len(z), *z.shape[2:]))  # (N * P,) -> (N, *grid)
        e = codebook[codes].movedim(-1, 1)  # (N, *grid, D) -> (N, D, *grid)
        return Quantised(straight_through(z, e), codes, (z - e).square().flatten(1).sum(1))

    def vectors(self, codes: Tensor) -> Tensor:
        """Returns the vectors of codes (N, *grid), shape (N, D, *grid)."""
        return self.codebook()[codes].movedim(-1, 1)

    def snap(self, vectors: Tensor) -> Tensor:
        """Returns the codes' vectors nearest to given ones, shape (N, D, *grid), with straight-through gradients."""
        made: Tensor = self(vectors).vectors
        return made

    @torch.no_grad()
    def statistics(self, z: Tensor, codes: Tensor) -> dict[str, Tensor]:
        """Returns the sums over a batch that `follow` needs, the ``counts`` of the codes, shape (K,), first.

        Among them is a candidate for the place of each code. Sums have no maximum, so each candidate is weighted by
        exp(64 u) with u uniform: of those that several micro-batches or processes add up, the one with the greatest u
        outweighs the rest; of one batch it is an input itself.
        """
        rows = rows_of(z)  # (N * P, D)
        sums = torch.zeros_like(self.embed_sum).index_add_(0, codes.flatten(), rows)
        some = torch.randperm(len(rows), device=z.device)[torch.arange(self.codes, device=z.device) % len(rows)]
        weight = (SHARPNESS * torch.rand(self.codes, 1, dtype=z.dtype, device=z.device)).exp()
        return {"counts": tally(codes, self.codes).to(z.dtype), "sums": sums, "candidates": weight * rows[some],
                "weights": weight}

    @torch.no_grad()
    def follow(self, stats: Mapping[str, Tensor], *, restarting: bool = True) -> Tensor:
        """Moves the codes once; returns how many were restarted.

        Arguments:
            stats: Those of `statistics`.
            restarting: Whether codes may be restarted.
        """
        counts, candidates = stats["counts"], stats["candidates"] / stats["weights"]  # (K,), (K, D)
        self.cluster_size.lerp_(counts, 1 - self.decay)
        self.embed_sum.lerp_(stats["sums"], 1 - self.decay)
        least = self.restart * counts.sum() / self.codes
        dead = (self.cluster_size < least) & restarting & self.started
        size = torch.where(self.started, least, 1.0)  # too little to outlive a step without use
        moved = dead | ~self.started
        self.cluster_size.copy_(torch.where(moved, size, self.cluster_size))
        self.embed_sum.copy_(torch.where(moved[:, None], size * candidates, self.embed_sum))
        self.started.fill_(True)
        return dead.sum()


class FiniteScalarQuantiser(nn.Module):
    """Each dimension bounded and rounded to a few levels: a codebook without learning.

    References:
        Mentzer et al. 2023, arXiv:2309.15505.

    Arguments:
        levels: Of each dimension, each at least 2.

    Example:
        >>> quantiser = FiniteScalarQuantiser([3, 2])
        >>> quantiser.codes, quantiser.vectors(torch.tensor([[0, 5]])).tolist()
        (6, [[[-1.0, 1.0], [-1.0, 0.0]]])
    """

    levels: Tensor
    basis: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        self.codes, self.width = math.prod(levels), len(levels)
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        basis = [math.prod(levels[:i]) for i in range(len(levels))]
        self.register_buffer("basis", torch.tensor(basis), persistent=False)

    def bound(self, z: Tensor) -> Tensor:
        """Returns inputs (..., D) squashed to where rounding gives as many integers as there are levels."""
        half = (self.levels - 1) * (1 - MARGIN) / 2
        offset = torch.where(self.levels % 2 == 0, 0.5, 0.0)  # an even number of levels lies around -1/2
        return torch.tanh(z + (offset / half).tan()) * half - offset  # shifted so that 0 stays near 0

    def forward(self, z: Tensor) -> Quantised:
        """Returns the codes of vectors, shape (N, D, *grid)."""
        bounded = self.bound(z.movedim(1, -1))  # (N, D, *grid) -> (N, *grid, D)
        codes = ((bounded.round() + self.levels // 2).long() * self.basis).sum(-1)
        within = (bounded / (self.levels // 2)).movedim(-1, 1)
        return Quantised(straight_through(within, self.vectors(codes)), codes, z.new_zeros(len(z)))

    def vectors(self, codes: Tensor) -> Tensor:
        """Returns the vectors of codes (N, *grid), shape (N, D, *grid), each value in [-1, 1]."""
        digits = codes[..., None] // self.basis % self.levels  # (N, *grid, D)
        return ((digits - self.levels // 2) / (self.levels // 2)).movedim(-1, 1)

    def snap(self, vectors: Tensor) -> Tensor:
        """Returns the codes' vectors nearest to given ones, shape (N, D, *grid), with straight-through gradients."""
        half = self.levels // 2
        whole = (vectors.movedim(1, -1) * half).round()  # -half to levels - 1 - half
        return straight_through(vectors, (whole.clamp(-half, self.levels - 1 - half) / half).movedim(-1, 1))

    def statistics(self, z: Tensor, codes: Tensor) -> dict[str, Tensor]:
        """Returns the ``counts`` of the codes, shape (K,)."""
        return {"counts": tally(codes, self.codes).to(z.dtype)}

    def follow(self, stats: Mapping[str, Tensor], *, restarting: bool = True) -> Tensor:
        """Returns that no code was restarted; there is nothing to move."""
        return stats["counts"].new_zeros(())


class Usage(nn.Module):
    """How often each code was used of late.

    Arguments:
        codes: Their number.
        decay: Of the moving shares, per step.
    """

    share: Tensor

    def __init__(self, codes: int, decay: float = 0.99) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("share", torch.zeros(codes))

    @torch.no_grad()
    def follow(self, counts: Tensor) -> None:
        """Takes the counts of a batch in, shape (K,)."""
        self.share.lerp_(counts / counts.sum(), 1 - self.decay)

    def perplexity(self) -> Tensor:
        """Returns exp of the entropy of the shares, from 1 to K; 1 before the first batch."""
        p = self.share / self.share.sum().clamp_min(1e-12)
        entropy: Tensor = torch.special.entr(p).sum()
        return entropy.exp()

    def used(self) -> Tensor:
        """Returns the fraction of codes that have at least a hundredth of an even share."""
        even = self.share.sum() / len(self.share)
        return ((self.share >= SEEN * even) & (self.share > 0)).float().mean()


def rows_of(z: Tensor) -> Tensor:
    """Returns the vectors of (N, D, *grid) as rows, shape (N * P, D)."""
    return z.movedim(1, -1).flatten(0, -2)


def straight_through(z: Tensor, value: Tensor) -> Tensor:
    """Returns `value` exactly, with a gradient that goes to `z` as it is."""
    return value.detach() + (z - z.detach())


def tally(codes: Tensor, k: int) -> Tensor:
    """Returns how often each of k codes occurs, int64 (k,)."""
    flat = codes.flatten()
    return torch.zeros(k, dtype=torch.int64, device=codes.device).index_add_(0, flat, torch.ones_like(flat))


@torch.no_grad()
def nearest(rows: Tensor, codebook: Tensor) -> Tensor:
    """Returns the nearest code of each row, int64 (n,), in full precision whatever surrounds it."""
    with torch.autocast(rows.device.type, enabled=False):
        norms = codebook.square().sum(1)  # ||r - e||^2 = ||r||^2 + ||e||^2 - 2 r e, of which the first is all the same
        parts = [torch.addmm(norms, part, codebook.T, alpha=-2).argmin(1) for part in rows.split(ROWS)]
    return torch.cat(parts)


def levels_for(codes: int) -> list[int]:
    """Returns levels for about as many codes: in as few dimensions as have 8 or fewer levels, then the first more.

    Arguments:
        codes: How many are wanted, at least 2.

    Example:
        >>> levels_for(512), levels_for(1024)
        ([8, 8, 8], [8, 5, 5, 5])
    """
    dimensions = max(1, math.ceil(math.log(codes, 8) - 1e-9))
    levels = [int(codes ** (1 / dimensions) + 1e-9)] * dimensions
    for i in range(dimensions):
        levels[i] = codes // math.prod(levels[:i] + levels[i + 1 :])
    return levels


def quantiser(
    kind: Literal["vq", "fsq"], codes: int, width: int, *, levels: str | None = None, decay: float = 0.99,
    restart: float = 0.05,
) -> VectorQuantiser | FiniteScalarQuantiser:
    """Returns a quantiser.

    Arguments:
        kind: A learned codebook, or finite scalars.
        codes: Number of codes; of finite scalars about how many.
        width: Dimension of a code's vector; finite scalars have one for each of their levels.
        levels: Of finite scalars, separated by commas; by default as many as make about the number of codes.
        decay: Of the codebook's moving sums and counts, per step.
        restart: Share of an even use below which a code is moved to a random input; 0 leaves it where it is.

    Raises:
        OptionError: If an option has a value it cannot have, or levels are given for a learned codebook.
    """
    if codes < 2 or width < 1:
        raise OptionError(f"--codes is {codes} and --code-width {width}; expected at least 2 and 1")
    if not 0 <= decay < 1 or not 0 <= restart < 1:
        raise OptionError(f"--decay is {decay:g} and --restart {restart:g}; expected each from 0 to below 1")
    if kind == "fsq":
        return FiniteScalarQuantiser(levels_for(codes) if levels is None else numbers(levels))
    if levels is not None:
        raise OptionError("--levels are those of finite scalars; take --quantiser fsq, or leave them out")
    return VectorQuantiser(codes, width, decay=decay, restart=restart)


def numbers(levels: str) -> list[int]:
    """Returns the levels that are written as ``8,5,5,5``.

    Raises:
        OptionError: If they are written otherwise, or one is below 2.
    """
    words = [word.strip() for word in levels.split(",")]
    if not all(word.isdecimal() and int(word) >= 2 for word in words):
        raise OptionError(f"--levels is {levels!r}; expected whole numbers from 2, separated by commas, as 8,5,5,5")
    return [int(word) for word in words]
