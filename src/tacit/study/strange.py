"""The strangest samples by a run's score, and why they are strange."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from tacit.data.coding import decode
from tacit.data.dataset import Data
from tacit.evaluation.case import drawn
from tacit.evaluation.factors import factors_of
from tacit.functional.draws import some
from tacit.protocol import Spec
from tacit.runs.run import Run
from tacit.study.result import Shown, Strangest
from tacit.study.shown import distinct, in_range
from tacit.study.traits import Trait, rarities, traits_of

__all__ = ["strangest_of"]

SAMPLES = 20_000  # that are scored at most
STRANGE = 24
USUAL = 500  # samples from which the usual error is taken
COLUMNS = 3  # that a reason names at most
WORSE, WRONG = 2.0, 0.5  # error of a column that is a reason: times its usual one, and in standard deviations
BADLY = 0.95  # share of samples that are restored better than what is called bad
SPREAD = 1.5  # times the mean excess of error below which its greatest is no place
ROWS = 1_024  # images that are looked at at a time
PLACES = ("at the top left", "at the top", "at the top right", "at the left", "in the centre", "at the right",
          "at the bottom left", "at the bottom", "at the bottom right")


def strangest_of(member: str, run: Run, data: Data, shown: Shown, seed: int = 0) -> Strangest | None:
    """Finds the strangest of at most 20,000 samples drawn at random, no two of them duplicates.

    A run that reconstructs says where it failed, if it failed more than it usually does; else the reason is what is
    rare about the sample.

    Arguments:
        member: Name of the run in the study.
        run: The run.
        data: Its root's data.
        shown: The samples that can be shown.
        seed: Of the draws.

    Returns:
        24 samples, or as many as there are; None where the run cannot score.
    """
    if "Scores" not in run.capabilities:
        return None
    pool = drawn(data, torch.arange(len(data)), SAMPLES, seed)
    scores = run.score(pool).nan_to_num(-torch.inf, torch.inf, -torch.inf)
    first = distinct(scores.argsort(descending=True, stable=True), pool.twins, STRANGE)
    samples = pool.take(first)
    failures, residuals = [""] * len(samples), None
    if "Reconstructs" in run.capabilities and data.spec.kind in ("image", "table"):
        usual = shown.data.take(some(torch.arange(len(shown.data)), USUAL, seed))
        if data.spec.kind == "image":
            error, residuals = errors(run, usual), errors(run, samples)
            failures = misplaced(residuals.mean(1), error.mean(1))
            residuals = residuals / residuals.max().clamp_min(1e-12)
        else:
            failures = mistaken(run, samples, usual)
    reasons = [said or why for said, why in zip(failures, rarest(pool, first, shown), strict=True)]
    return Strangest(member, samples, scores[first], tuple(reasons), residuals, run.score(shown.data),
                     of=len(pool))


def errors(run: Run, data: Data) -> Tensor:
    """Returns by how much images are restored wrongly, in [0, 1], shape (N, C, H, W)."""
    return (data.everything() - in_range(run.reconstruct(data), data.spec.range)).abs()


def misplaced(error: Tensor, usual: Tensor) -> list[str]:
    """Returns where each image is restored badly, in words; nothing where it is restored as well as most.

    Images are cut into three by three parts. The error of a part counts as far as it exceeds that part's median.

    Arguments:
        error: Of the images, shape (N, H, W).
        usual: Of other images, drawn at random, shape (M, H, W).

    Example:
        >>> error = torch.zeros(1, 3, 3)
        >>> error[0, 0, 2] = 0.6
        >>> misplaced(error, torch.full((20, 3, 3), 0.05))
        ['restored badly at the top right (error 0.60, usually 0.05)']
    """
    here, others = cells(error), cells(usual)  # (N, 9), (M, 9)
    middle = others.median(0).values  # (9,)
    bad = (others - middle).amax(1).quantile(BADLY)
    found = []
    for cell in here:
        excess = cell - middle
        worst, mean = int(excess.argmax()), float(excess.mean())
        if excess[worst] <= bad:
            found.append("")
            continue
        everywhere = excess[worst] < SPREAD * mean
        where = "all over" if everywhere else PLACES[worst]
        now, before = (float(part.mean() if everywhere else part[worst]) for part in (cell, middle))
        found.append(f"restored badly {where} (error {small(now)}, usually {small(before)})")
    return found


def mistaken(run: Run, samples: Data, usual: Data) -> list[str]:
    """Returns the columns of each row that were restored worst for what is usual, with what was expected there."""
    restored = run.reconstruct(samples)
    spec, true, made = samples.spec, decode(samples.everything(), samples.spec), decode(restored, samples.spec)
    others = column_errors(usual.everything(), run.reconstruct(usual), spec).square().mean(0).sqrt()  # (columns,)
    error = column_errors(samples.everything(), restored, spec)
    ratios = torch.where(error > WRONG, error / others.clamp_min(1e-6), 0)
    found = []
    for row, ratio in enumerate(ratios):
        said = []
        for i in ratio.argsort(descending=True, stable=True).tolist():
            name = spec.columns[i].name
            was, expected = (Trait(values[name]).said(values[name][row]) for values in (true, made))
            if ratio[i] >= WORSE and was != expected:
                said.append(f"{name} {was}, expected {expected}")
        found.append("; ".join(said[:COLUMNS]))
    return found


def column_errors(x: Tensor, restored: Tensor, spec: Spec) -> Tensor:
    """Returns the Euclidean error of each column, shape (N, columns), of rows, shape (N, D)."""
    square = (x - restored).square()
    for column in spec.columns:
        if column.kind == "number" and column.missing:
            square[:, column.start] *= 1 - x[:, column.start + 1]
    return torch.stack([square[:, c.start : c.start + c.width].sum(1).sqrt() for c in spec.columns], 1)


def rarest(pool: Data, index: Tensor, shown: Shown) -> list[str]:
    """Returns what is rare about some of many samples."""
    traits = traits_of(pool, {name: values for name, values in factors_of(pool).items() if name in shown.factors})
    parts = parts_of(pool) if pool.spec.kind == "image" else {}
    nothing = "no value is rare by itself" if pool.spec.kind == "table" else "far from all others"
    return ["; ".join(rarities(traits, i) or rarities(parts, i)[:1]) or nothing for i in index.tolist()]


def parts_of(data: Data) -> dict[str, Trait]:
    """Returns how bright each of three by three parts of images is."""
    batches = (data.batch(rows).x for rows in torch.arange(len(data)).split(ROWS))
    grey = torch.cat([cells(x.mean(1)) for x in batches]).double().numpy()  # (N, 9)
    return {place: Trait(grey[:, i], ends=(f"darker {place}", f"brighter {place}")) for i, place in enumerate(PLACES)}


def cells(images: Tensor) -> Tensor:
    """Returns the means of three by three parts of images, shape (N, H, W), row by row, shape (N, 9)."""
    return F.adaptive_avg_pool2d(images[:, None], 3).flatten(1)


def small(value: float) -> str:
    """Returns an error in few letters."""
    return f"{value:.2f}" if value >= 0.005 else "under 0.01"
