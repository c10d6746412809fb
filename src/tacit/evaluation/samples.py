"""How near generated samples are to the data, and whether they are copies of it."""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from tacit.data.dataset import Data
from tacit.errors import DataError, RunError
from tacit.evaluation.case import Case, drawn
from tacit.evaluation.intervals import bootstrap, mean_interval
from tacit.evaluation.measure import Measure
from tacit.evaluation.reconstruction import DETAIL, detail, detailed
from tacit.evaluation.spaces import Space
from tacit.functional.frechet import Moments, frechet_distance
from tacit.functional.jackknife import groups, jackknife_interval
from tacit.functional.neighbours import nearest
from tacit.functional.sets import kernel_distance, precision_recall
from tacit.functional.shrinking import shrunk
from tacit.protocol import Spec

__all__ = ["NEAREST", "ask", "features_of", "pixels"]

QUESTION = "samples"
LEAST = 20  # samples below which no covariance is worth a number
GROUPS = 10  # that are left out in turn
NEIGHBOURS = 3
NEAREST = 0.01  # share of held-out samples that are nearer to the training samples than what counts as a copy
BATCH = 1_024
THUMBNAIL = 32  # side of the images whose pixels are compared
HELD_OUT = "held-out data"


@dataclass(frozen=True)
class Sides:
    """What is compared, in features: training samples, and as many held-out samples as were made.

    Arguments:
        train: Features of training samples, shape (N, D).
        held: Features of held-out samples, shape (n, D).
        made: Features of generated samples, shape (n, D).
        words: How protocols call these three.
        space: Name of the features.
        seed: Of every draw.
    """

    train: Tensor
    held: Tensor
    made: Tensor
    words: tuple[str, str, str]
    space: str
    seed: int

    def others(self) -> tuple[tuple[str, str, Tensor], ...]:
        """Returns what is set against training samples: `Measure.of`, how protocols call it, and its features."""
        return ("", self.words[2], self.made), (HELD_OUT, self.words[1], self.held)

    def measure(self, name: str, value: float, protocol: str, **more: object) -> Measure:
        """Returns an answer in these features."""
        return Measure(QUESTION, name, value, protocol, space=self.space, **more)  # type: ignore[arg-type]


def ask(case: Case) -> Iterator[Measure]:
    """Measures as many samples as there are held-out ones, which they are judged beside, at most `Case.made`.

    Raises:
        DataError: If there are too few samples for a distance.
        RunError: If the run makes samples that are not numbers.
    """
    n = min(len(case.test), case.made)
    if min(n, len(case.train)) < LEAST:
        raise DataError(f"there are {case.names[0]} and {case.names[1]}; a distance between sets of samples needs "
                        f"{LEAST} of each; fit with a greater --split, or name other data with --against")
    held = drawn(case.test, torch.arange(len(case.test)), n, case.seed)
    made = generated(case, held)
    sides = seen(case, case.space, held, made)
    yield from frechet(sides)
    yield from kernel(sides)
    yield from manifolds(sides)
    yield from copies(sides)
    if case.run.spec.kind == "image":
        yield from copies(seen(case, pixels(case.run.spec), held, made), of="pixels")
        yield from sharpness(case, held, made, sides.words)


def generated(case: Case, like: Data) -> Data:
    """Returns as many new samples as there are in other data, rounded to 8 bits where those are."""
    x = case.run.sample(len(like), seed=case.seed)
    if x.is_floating_point() and not x.isfinite().all():
        bad = int((~x.flatten(1).isfinite()).any(1).sum())
        raise RunError(f"{bad:,} of {len(x):,} samples of {case.run.name} hold values that are not finite; "
                       "fit it again, with a lower --lr")
    if like.x.dtype == torch.uint8:
        x = x.mul(255).round().clamp(0, 255).to(torch.uint8)
    return dataclasses.replace(like, x=x)


def seen(case: Case, space: Space, held: Data, made: Data) -> Sides:
    """Returns the three sides in some features."""
    n = len(made)
    words = (case.names[0], f"{n:,} of {case.names[1]}" if n < len(case.test) else case.names[1],
             f"{n:,} generated samples (seed {case.seed})")
    train, other, new = (features_of(space, data) for data in (case.train, held, made))
    return Sides(train, other, new, words, space.name, case.seed)


def features_of(space: Space, data: Data) -> Tensor:
    """Returns features of all samples, shape (N, D)."""
    return torch.cat([space.features(data.batch(i).x) for i in torch.arange(len(data)).split(BATCH)])


def pixels(spec: Spec) -> Space:
    """Returns the space of an image's pixels, averaged to at most 32 x 32."""
    size = (min(THUMBNAIL, spec.shape[1]), min(THUMBNAIL, spec.shape[2]))
    return Space(f"pixels at {size[0]} x {size[1]}", lambda x: shrunk(x, THUMBNAIL))


def sharpness(case: Case, held: Data, made: Data, words: tuple[str, str, str]) -> Iterator[Measure]:
    """Measures how much fine detail samples have, against as many held-out images."""
    if not detailed(case.run.spec):
        return
    value, low, high = detail(held.everything(), made.everything(), seed=case.seed)
    yield Measure(
        QUESTION, "sharpness", value,
        f"{DETAIL} of {words[2]}, over that of {words[1]}: 1 where they are as sharp, less where they are blurred, "
        "more where they are noisy. Interval: bootstrap over both.",
        low=low, high=high,
    )


# Distances between the sets ------------------------------------------------------------------------------------------


def frechet(sides: Sides) -> Iterator[Measure]:
    """Measures the Frechet distance to the training samples, of generated and of held-out samples."""
    for of, words, features in sides.others():
        value, low, high = frechet_with_interval(sides.train, features, sides.seed)
        yield sides.measure(
            "Frechet distance", value,
            f"Between the Gaussians that have the mean and unbiased covariance of the features of {words} and of "
            f"{sides.words[0]}. It falls with the number of samples: values compare at equal numbers only, and what "
            "held-out data have at the same numbers is what perfect samples would have. Interval: jackknife over "
            f"{GROUPS} groups of both sets; it says nothing of another training.",
            of=of, low=low, high=high, better="lower" if of == "" else "",
        )


def frechet_with_interval(a: Tensor, b: Tensor, seed: int) -> tuple[float, float, float]:
    """Returns the Frechet distance of two sets of features, and its interval by leaving groups of both out."""
    parts = [[Moments.of(x[i]) for i in groups(len(x), GROUPS, seed=seed)] for x in (a, b)]
    value = frechet_distance(*(total(p) for p in parts))
    without = [frechet_distance(*(total(p[:g] + p[g + 1 :]) for p in parts)) for g in range(len(parts[0]))]
    low, high = jackknife_interval(value, torch.tensor(without, dtype=torch.float64))
    return value, max(0.0, low), high


def total(parts: list[Moments]) -> Moments:
    """Returns the moments of all parts together."""
    return functools.reduce(operator.add, parts)


def kernel(sides: Sides) -> Iterator[Measure]:
    """Measures the kernel distance to the training samples, of generated and of held-out samples."""
    train = sides.train.double()
    for of, words, features in sides.others():
        value, error = kernel_distance(train, features.double())
        yield sides.measure(
            "kernel distance", value,
            "Unbiased squared maximum mean discrepancy with the kernel (x'y / D + 1)^3 between the features of "
            f"{words} and of {sides.words[0]}, over all pairs; in Inception's features it is called KID. About 0, at "
            "any number of samples, where both are alike. Interval: 1.96 standard errors by the jackknife over both.",
            of=of, low=value - 1.96 * error, high=value + 1.96 * error, better="lower" if of == "" else "",
        )


def manifolds(sides: Sides) -> Iterator[Measure]:
    """Measures which samples lie among the data, and which data lie among the samples."""
    order = torch.randperm(len(sides.train), generator=torch.Generator().manual_seed(sides.seed))
    real = sides.train[order[: len(sides.made)]].double()
    for of, words, features in sides.others():
        flags = precision_recall(real, features.double(), NEIGHBOURS)
        data = f"{len(real):,} of {sides.words[0]}" if len(real) < len(sides.train) else sides.words[0]
        for name, flag, pair in zip(("precision", "recall"), flags, ((words, data), (data, words)), strict=True):
            value, low, high = mean_interval(flag.double(), seed=sides.seed)
            yield sides.measure(
                name, value,
                f"Share of {pair[0]} that lie among {pair[1]}: no farther from one of those than it is from its third "
                "nearest neighbour of its kind. Values compare at equal numbers only. Interval: bootstrap over the "
                "samples that are counted.",
                of=of, low=low, high=high, unit="share", better="higher" if of == "" else "",
            )


# Copies --------------------------------------------------------------------------------------------------------------


def copies(sides: Sides, of: str = "") -> Iterator[Measure]:
    """Measures whether samples are nearer to training samples than samples are that were never seen."""
    made, held = (nearest(x, sides.train, 1)[0][:, 0].double() for x in (sides.made, sides.held))  # (n,) each
    n = len(made)
    rank = math.ceil(NEAREST * (n + 1))

    def ratio(i: Tensor) -> float:
        return float(made[i].median() / held[i].median())

    def share(i: Tensor) -> float:
        return float((made[i] < held[i].kthvalue(rank).values).double().mean())

    everyone = torch.arange(n)
    setting = f"Distances in {sides.space} to the nearest of {sides.words[0]}: of {sides.words[2]}, and of " \
              f"{sides.words[1]}. Copies of training samples that were not drawn go unseen. Interval: bootstrap over " \
              "both."
    low, high = bootstrap(ratio, n, seed=sides.seed)
    yield sides.measure(
        "distance to the nearest training sample, against held-out", ratio(everyone),
        f"Ratio of the medians: 1 where samples are as new as held-out data, 0 where they are copies. {setting}",
        of=of, low=low, high=high,
    )
    low, high = bootstrap(share, n, seed=sides.seed)
    yield sides.measure(
        "nearer to a training sample than held-out data are", share(everyone),
        f"Share of samples that are nearer than the nearest {NEAREST:.0%} of held-out samples; {rank / (n + 1):.1%} "
        f"are expected of samples that are as new. {setting}",
        of=of, low=low, high=high, unit="share", better="lower",
    )
