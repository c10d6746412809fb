"""How smoothly samples change where their latents do: perceptual path length."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from tacit.errors import CapabilityError
from tacit.evaluation.case import Case
from tacit.evaluation.intervals import mean_interval
from tacit.evaluation.measure import Measure
from tacit.evaluation.spaces import Space
from tacit.functional.interpolation import slerp
from tacit.runs.latents import ASIDE, draw, gaussian_dimensions
from tacit.runs.run import Run

__all__ = ["ask", "lengths", "trimmed"]

QUESTION = "smoothness"
STEP = 1e-3  # of the walk. Karras et al. take 1e-4, at which float32 samples of smooth runs differ by rounding, too
TAIL = 0.01  # share of the lengths that is dropped at either end
PAIRS = 2_000
BATCH = 1_024


def ask(case: Case) -> Iterator[Measure]:
    """Measures at most 2,000 walks, and no more than `Case.made`.

    Raises:
        CapabilityError: If the run does not draw Gaussian latents and decode them.
    """
    if not gaussian_dimensions(case.run):
        raise CapabilityError(f"{case.run.title} has no Gaussian latents, between which walks could be compared")
    n = min(PAIRS, case.made)
    kept = trimmed(lengths(case.run, case.space, n, seed=case.seed))
    value, low, high = mean_interval(kept, seed=case.seed)
    yield Measure(
        QUESTION, "perceptual path length", value,
        f"Mean squared speed, in {case.space.name}, of samples of spherical walks between {n:,} pairs of latents (seed "
        f"{case.seed}), each at a random place of its walk: the squared distance over a step of {STEP:g} of the walk, "
        f"over the squared step. {1 - 2 * TAIL:.0%} of them count, without the least and the greatest. Codes that are "
        "not Gaussian stay as they are. Less is smoother; 0 is what samples have that are all the same. Interval: "
        "bootstrap over walks.",
        low=low, high=high, better="lower", space=case.space.name,
    )


def lengths(run: Run, space: Space, n: int, *, step: float = STEP, seed: int = 0) -> Tensor:
    """Returns squared speeds of samples at random places of walks between latents, double, shape (n,).

    Latents are walked in double precision and the difference quotient is taken of single-precision features, whose
    rounding of about 1e-7 is small beside what a step of 1e-3 changes.

    Arguments:
        run: A run that draws Gaussian latents and decodes them.
        space: In which features distances are taken.
        n: Number of walks.
        step: Share of a walk between the two samples that are compared.
        seed: Of the latents and of the places.

    References:
        Karras, Laine & Aila 2019, arXiv:1812.04948, section 4.1, equation 2.
    """
    gaussian = gaussian_dimensions(run)
    z = draw(run, 2 * n, seed=seed).double()
    a, b, codes = z[0::2, :gaussian], z[1::2, :gaussian], z[0::2, gaussian:]
    t = torch.rand(n, generator=torch.Generator().manual_seed(seed ^ ASIDE), dtype=torch.float64)
    here, there = (torch.cat([slerp(a, b, at), codes], 1) for at in (t, t + step))  # (n, d) each
    found = []
    for i in torch.arange(n).split(BATCH):
        u, v = (space.features(run.decode(z[i])).double() for z in (here, there))  # (n', D) each
        found.append((u - v).square().sum(1) / step**2)
    return torch.cat(found)


def trimmed(values: Tensor) -> Tensor:
    """Returns values, shape (n,), without the hundredth that is least and the hundredth that is greatest.

    References:
        Karras et al. 2020, arXiv:1912.04958 (their code drops what lies beyond these percentiles).

    Example:
        >>> len(trimmed(torch.arange(200.0))), trimmed(torch.arange(200.0)).mean()
        (196, tensor(99.5000))
    """
    drop = int(TAIL * len(values))
    return values.sort().values[drop : len(values) - drop]
