"""Does a representation know a sample again that was changed in what does not matter? A question without labels."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from functools import partial

import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize

from tacit.data.augment import colour, crop, zoom
from tacit.errors import DataError
from tacit.evaluation.case import Case, drawn
from tacit.evaluation.intervals import mean_interval
from tacit.evaluation.measure import Measure
from tacit.evaluation.representation import flat, values
from tacit.functional.jackknife import groups, jackknife_interval
from tacit.functional.regression import scale_of
from tacit.functional.spread import effective_rank
from tacit.protocol import Spec

__all__ = ["ask", "recognised", "view"]

NAME = "recognition"
MOST = 1_000  # samples among which each is to be found
LEAST = 10
SHARE = 0.2  # of the columns that are replaced
VIEWS = 100  # images that are changed at a time
IMAGES = "a random window of 60 to 100 % of its area brought back to its size, brightness, contrast and saturation " \
         "changed by up to 30 %, shifted by up to a sixteenth"
COLUMNS = "a fifth of its columns, drawn for each, replaced by those of other samples"


def ask(case: Case) -> Iterator[Measure]:
    """Yields how often changed samples are known again by what a run encodes, and how many directions that fills.

    Raises:
        DataError: If there are fewer than 10 samples, or they have a single column.
    """
    if len(case.test) < LEAST:
        raise DataError(f"there are {case.names[1]}; samples are told apart among {LEAST} or more; fit with a greater "
                        "--split")
    if case.run.spec.kind != "image" and int(blocks(case.run.spec).max()) < 1:
        raise DataError(f"a sample is {case.run.spec}, and one with a single column cannot be known again once that is "
                        "replaced")
    run, data = case.run, drawn(case.test, torch.arange(len(case.test)), MOST, case.seed)
    changed = dataclasses.replace(data, x=view(data.everything(), data.spec, case.seed))
    same = torch.unique(data.x.flatten(1), dim=0, return_inverse=True)[1]
    encoded = f"what {run.method_name} encodes samples as"
    yield from answers(case, "", encoded, flat(run.encode(data)), flat(run.encode(changed)), same)
    name = "pixels" if run.spec.kind == "image" else "values"
    plain = f"the {name} of samples" if not run.spec.codes else "counts of codes"
    yield from answers(case, name, plain, values(data), values(changed), same)


def answers(case: Case, of: str, what: str, z: Tensor, seen: Tensor, same: Tensor) -> Iterator[Measure]:
    """Yields both measures of features of samples, z (N, D), and of their views, seen (N, D)."""
    n, change = len(z), IMAGES if case.run.spec.kind == "image" else COLUMNS
    value, low, high = mean_interval(recognised(z, seen, same).double(), seed=case.seed)
    yield Measure(
        NAME, "changed samples known again", value,
        f"Share of {n:,} drawn from {case.names[1]} whose changed view is nearer to their original than to any other "
        f"of them: {100 / n:.2g} % by chance. A view is the sample changed in what should not matter: {change}. Near "
        f"is by the cosine of features, each of mean 0 and standard deviation 1 over the originals; features: {what}, "
        f"{z.shape[1]:,} values. 95 % interval by the bootstrap over samples.",
        of=of, low=low, high=high, unit="share", better="higher",
    )
    rank, low, high = rank_interval(z, case.seed)
    yield Measure(
        NAME, "effective rank", rank,
        f"How many directions {what} fill, of {min(n - 1, z.shape[1]):,} possible ones: exponential of the entropy of "
        f"their singular values, less their mean, over {n:,} drawn from {case.names[1]} (Roy & Vetterli 2007). Few, "
        "where a representation has collapsed; many, also where it is noise. Interval: jackknife over 20 groups of "
        "samples.",
        of=of, low=low, high=high,
    )


def recognised(z: Tensor, seen: Tensor, same: Tensor) -> Tensor:
    """Returns whether each view's nearest original is its own, or equal to it, bool (N,).

    Arguments:
        z: Features of the originals, shape (N, D).
        seen: Features of their views, in the same order, shape (N, D).
        same: Originals of the same number are equal, int64 (N,).

    Example:
        >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
        >>> recognised(z, z[[0, 2, 1]] + 0.1, torch.arange(3))
        tensor([ True, False, False])
    """
    mean, scale = z.mean(0), scale_of(z.std(0, correction=0))
    originals, views = (normalize((side - mean) / scale) for side in (z, seen))
    return same[(views @ originals.T).argmax(1)] == same


def rank_interval(z: Tensor, seed: int) -> tuple[float, float, float]:
    """Returns the effective rank of features less their mean, (N, D), and the ends of its interval."""
    whole = torch.ones(len(z), dtype=torch.bool)
    value = centred_rank(z)
    without = [centred_rank(z[whole.index_fill(0, part, False)]) for part in groups(len(z), seed=seed)]
    low, high = jackknife_interval(value, torch.tensor(without, dtype=torch.float64))
    return value, max(low, 1.0), high


def centred_rank(z: Tensor) -> float:
    """Returns the effective rank of features less their mean."""
    return float(effective_rank(z - z.mean(0)))


def view(x: Tensor, spec: Spec, seed: int = 0) -> Tensor:
    """Returns samples changed in what should not matter, of the same shape and range.

    Images are cropped, recoloured and shifted, and never mirrored: some mean another thing then. Of all others, a
    fifth of the columns is replaced: in a table those of its header, the whole block of a category; elsewhere single
    values.

    Arguments:
        x: Samples, shape (N, *spec.shape).
        spec: What one is.
        seed: Of the changes.

    References:
        Chen et al. 2020, arXiv:2002.05709 (views of images). Bahri et al. 2021, arXiv:2106.15147 (columns replaced by
        draws from their marginals).
    """
    generator = Generator().manual_seed(seed)
    if spec.kind != "image":
        return replaced(x, blocks(spec), generator)
    recolour = partial(colour, brightness=0.3, contrast=0.3, saturation=0.3, hue=0.0)
    return torch.cat([
        crop(recolour(zoom(part, generator, least=0.6), generator), generator, share=1 / 16) for part in x.split(VIEWS)
    ])


def blocks(spec: Spec) -> Tensor:
    """Returns the column to which each value of a sample belongs, int64 (values,)."""
    if not spec.columns:
        return torch.arange(spec.size)
    return torch.cat([torch.full((column.width,), i) for i, column in enumerate(spec.columns)])


def replaced(x: Tensor, block: Tensor, generator: Generator) -> Tensor:
    """Returns samples of whose columns a fifth, at least one, are those of other samples, each of another.

    Arguments:
        x: Samples, shape (N, ...).
        block: The column of each of their values, int64 (values,).
        generator: Of the draws.
    """
    n, columns = len(x), int(block.max()) + 1
    chosen = torch.rand(n, columns, generator=generator).argsort(1) < max(1, math.floor(SHARE * columns))
    others = torch.arange(n)[:, None] + torch.randint(1, n, (n, columns), generator=generator)
    source = torch.where(chosen, others % n, torch.arange(n)[:, None])[:, block]  # (N, values)
    return x.flatten(1).gather(0, source).view_as(x)
