"""Images along lines through a run's representation."""

from __future__ import annotations

import torch
from torch import Tensor

from tacit.data.dataset import Data
from tacit.functional.draws import shuffled, some
from tacit.functional.principal import principal_axes
from tacit.runs.run import Run
from tacit.study.result import Shown, Traversal
from tacit.study.shown import distinct, in_range

__all__ = ["traversals_of"]

CODES = 2_000  # samples whose latents say how far and which way they vary
WIDEST = 2_048  # values of a latent beyond which their axes take too long
AXES, LEAST = 8, 0.005  # axes that are followed, and the share of variance below which none is
STEPS, REACH = 9, 2.5  # images of a row, and standard deviations from the mean to its ends
PAIRS = 4


def traversals_of(member: str, run: Run, data: Data, shown: Shown, seed: int = 0) -> tuple[Traversal, ...]:
    """Decodes lines through the latents: along the axes of greatest variance, and from one held-out sample to another.

    Principal axes are the same for every basis of the latents; a single dimension means something in few methods only.

    Arguments:
        member: Name of the run in the study.
        run: The run.
        data: Its root's data.
        shown: The samples that can be shown; their latents give the axes.
        seed: Of the draws.

    Returns:
        Traversals, then interpolations; nothing where the run cannot encode and decode images.
    """
    if run.spec.kind != "image" or not {"Encodes", "Decodes", "Reconstructs"} <= run.capabilities:
        return ()
    z = run.encode(shown.data.take(some(torch.arange(len(shown.data)), CODES, seed)))
    if z[0].numel() > WIDEST or len(z) < 2:
        return ()
    walks = (
        Traversal(member, f"Each row follows one principal axis of the latents of {len(z):,} samples, from -{REACH:g} "
                  f"to +{REACH:g} standard deviations around their mean, which is in the middle.", along_axes(run, z)),
        Traversal(member, "Each row goes straight through the latents from one held-out sample to another; its ends "
                  "are their reconstructions.", between_pairs(run, data, seed)),
    )
    return tuple(walk for walk in walks if walk.rows)


def along_axes(run: Run, z: Tensor) -> tuple[tuple[str, Tensor], ...]:
    """Returns the images along each principal axis of some latents, shape (N, ...)."""
    flat = z.flatten(1)
    axes = principal_axes(flat, min(AXES, flat.shape[1], len(z) - 1))
    shares = (axes.variances / axes.total.clamp_min(1e-12)).tolist()
    reach = torch.linspace(-REACH, REACH, STEPS, dtype=torch.float64)
    rows = []
    for i, (share, direction) in enumerate(zip(shares, axes.directions, strict=True)):
        if share >= LEAST:
            line = axes.mean + reach[:, None] * axes.variances[i].sqrt() * direction  # (steps, D)
            rows.append((f"axis {i + 1} ({100 * share:.0f} % of the variance)", decoded(run, line, z)))
    return tuple(rows)


def between_pairs(run: Run, data: Data, seed: int) -> tuple[tuple[str, Tensor], ...]:
    """Returns the images on the way from one held-out sample to another, of four pairs that are not duplicates."""
    places = data.testing if len(data.testing) > 1 else torch.arange(len(data))
    ends = distinct(shuffled(places, seed), data.twins, 2 * PAIRS)
    pairs = len(ends) // 2
    if not pairs:
        return ()
    z = run.encode(data.take(ends[: 2 * pairs]))
    share = torch.linspace(0, 1, STEPS)[:, None]
    starts, stops = z.flatten(1)[0::2], z.flatten(1)[1::2]  # (pairs, D)
    lines = [torch.lerp(start, stop, share) for start, stop in zip(starts, stops, strict=True)]
    return tuple((f"pair {i}", decoded(run, line, z)) for i, line in enumerate(lines, 1))


def decoded(run: Run, line: Tensor, like: Tensor) -> Tensor:
    """Returns the images of flat latents, shape (steps, D), in [0, 1]."""
    return in_range(run.decode(line.to(like.dtype).reshape(-1, *like.shape[1:])), run.spec.range)
