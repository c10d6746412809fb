"""How well samples are restored that a run has never seen, beside what the simplest ways would do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from tacit.evaluation.case import Case
from tacit.evaluation.intervals import bootstrap, mean_interval
from tacit.evaluation.measure import Better, Measure
from tacit.functional.principal import principal_axes
from tacit.functional.rows import Layout
from tacit.functional.spectra import high_frequency_power
from tacit.protocol import Spec

__all__ = ["DETAIL", "Score", "ask", "detail", "detailed", "scores"]

QUESTION = "reconstruction"
WINDOW, SIGMA = 11, 1.5  # of SSIM, in pixels
CUT = 3.5  # deviations at which its Gaussian window ends
CEILING = 100.0  # dB that a perfect reconstruction gets
ROWS = 256  # images that are compared at a time
SMALLEST = 4  # side of an image that has frequencies on both sides of half of Nyquist's
DETAIL = "Mean power at spatial frequencies above half of Nyquist's, under a Hann window,"


@dataclass(frozen=True)
class Score:
    """How near restored samples are to the true ones, one value for each sample.

    Arguments:
        name: What it is.
        values: Shape (N,); nan for a sample that has nothing to compare.
        about: In words.
        unit: As `Measure.unit`.
        better: Which way.
    """

    name: str
    values: Tensor
    about: str
    unit: str = ""
    better: Better = "higher"


def ask(case: Case) -> Iterator[Measure]:
    """Measures a run's reconstructions, those by the mean training sample, and those by as many principal axes."""
    x, spec = case.test.everything(), case.run.spec
    restored = case.run.reconstruct(case.test)
    yield from measured(case, scores(x, restored, spec))
    yield from sharpness(case, x, restored)
    if spec.codes:
        return
    train = case.train.everything()
    mean = train.double().mean(0).to(x.dtype).expand_as(x)
    note = f" For comparison: the mean of {case.names[0]} in place of every reconstruction."
    yield from measured(case, scores(x, mean, spec), "the mean training sample", note)
    count = code_size(case, x[:1])
    if count is not None and count < min(spec.size, len(train)):
        axes = principal_axes(train.flatten(1), count)
        mean, directions = axes.mean.to(x.dtype), axes.directions.to(x.dtype)
        restored = (x.flatten(1) - mean) @ directions.T @ directions + mean  # (N, D)
        restored = restored if spec.range is None else restored.clamp(*spec.range)
        note = f" For comparison: restored by {count} principal components of {case.names[0]}, as many as the run's " \
               "code has values."
        restored, of = restored.reshape(x.shape), f"{count} principal components"
        yield from measured(case, scores(x, restored, spec), of, note)
        yield from sharpness(case, x, restored, of, note)


def measured(case: Case, found: list[Score], of: str = "", note: str = "") -> Iterator[Measure]:
    """Returns the mean of each score over samples, with its interval."""
    for score in found:
        values = score.values[~score.values.isnan()]
        if not len(values):
            continue
        value, low, high = mean_interval(values, seed=case.seed)
        yield Measure(
            QUESTION, score.name, value,
            f"{score.about}, mean over {case.names[1]}.{note} Interval: bootstrap over samples.",
            of=of, low=low, high=high, unit=score.unit, better=score.better,
        )


def sharpness(case: Case, x: Tensor, restored: Tensor, of: str = "", note: str = "") -> Iterator[Measure]:
    """Returns how much fine detail reconstructions of images, each of shape (N, C, H, W), have left."""
    if not detailed(case.run.spec):
        return
    value, low, high = detail(x, restored, seed=case.seed)
    yield Measure(
        QUESTION, "sharpness", value,
        f"{DETAIL} of reconstructions, over that of {case.names[1]}, which they stand for: 1 where they are as sharp, "
        f"less where they are blurred, more where they are noisy.{note} Interval: bootstrap over samples.",
        of=of, low=low, high=high,
    )


def detailed(spec: Spec) -> bool:
    """Returns whether samples are images that are large enough to have fine detail."""
    return spec.kind == "image" and min(spec.shape[1:]) >= SMALLEST


def detail(x: Tensor, made: Tensor, *, seed: int = 0) -> tuple[float, float, float]:
    """Returns the ratio of the mean power of images at high frequencies to that of others, and its interval.

    Arguments:
        x: The images that others are held against, shape (N, C, H, W).
        made: As many others.
        seed: Of the bootstrap, which draws from both alike.
    """
    true, other = (torch.cat([high_frequency_power(part) for part in side.split(ROWS)]) for side in (x, made))

    def ratio(index: Tensor) -> float:
        return float(other[index].mean() / true[index].mean())

    return ratio(torch.arange(len(true))), *bootstrap(ratio, len(true), seed=seed)


def code_size(case: Case, x: Tensor) -> int | None:
    """Returns how many values the run encodes a sample as; None where it does not encode."""
    if "Encodes" not in case.run.capabilities:
        return None
    with torch.inference_mode():
        return case.run.chain.encode(x.to(case.run.device))[0].numel()


def scores(x: Tensor, restored: Tensor, spec: Spec) -> list[Score]:
    """Compares samples with what was restored of them, each of shape (N, *spec.shape).

    Arguments:
        x: The true samples.
        restored: The restored ones.
        spec: What one sample is.
    """
    if spec.codes:
        same = (x == restored).flatten(1).double().mean(1)
        return [Score("codes restored", same, "Share of codes that are restored", "share")]
    if spec.kind == "table":
        return table_scores(x, restored, Layout.of(spec.columns, spec.size))
    error = (x.double() - restored.double()).square().flatten(1).mean(1)  # (N,)
    found = [Score("squared error", error, "Squared error of a value, averaged over a sample", better="lower")]
    if spec.range is not None:
        found.append(peak_signal(error, spec.range))
    if spec.kind == "image" and spec.range is not None and min(spec.shape[1:]) >= 3:
        found.append(similarity(x, restored, spec))
    return found


def peak_signal(error: Tensor, limits: tuple[float, float]) -> Score:
    """Returns the peak signal-to-noise ratio of each sample from its mean squared error, shape (N,)."""
    width = limits[1] - limits[0]
    decibels = (10 * (width**2 / error).log10()).clamp_max(CEILING)
    return Score("PSNR", decibels, f"Peak signal-to-noise ratio of a sample at a range of {width:g}, "
                 f"{CEILING:g} dB at most", "dB")


def similarity(x: Tensor, restored: Tensor, spec: Spec) -> Score:
    """Returns the structural similarity of each image.

    References:
        Wang et al. 2004, Image Quality Assessment: From Error Visibility to Structural Similarity, IEEE TIP 13(4).
    """
    reach = (min(WINDOW, *spec.shape[1:]) - 1) // 2
    options: dict[str, Any] = {"sigma": SIGMA if 2 * reach + 1 == WINDOW else reach / CUT, "data_range": spec.range}
    values: list[Any] = [
        structural_similarity_index_measure(made, true, reduction="none", **options)
        for made, true in zip(restored.split(ROWS), x.split(ROWS), strict=True)
    ]
    about = f"Structural similarity in Gaussian windows of {2 * reach + 1} x {2 * reach + 1} pixels, borders mirrored"
    return Score("SSIM", torch.cat([v.reshape(-1) for v in values]), about)


def table_scores(x: Tensor, restored: Tensor, layout: Layout) -> list[Score]:
    """Compares rows: numbers that are not missing by their squared error, categories by whether they are the same."""
    numbers = list(layout.numbers)
    present = torch.ones(len(x), len(numbers), dtype=torch.float64)
    present[:, list(layout.marked)] -= x[:, list(layout.marks)].double()
    errors = (x[:, numbers] - restored[:, numbers]).double().square() * present
    error = errors.sum(1) / present.sum(1)  # (N,), nan where every number is missing
    blocks = [(x[:, a:b], restored[:, a:b]) for a, b in layout.blocks]
    has = torch.stack([true.any(1) for true, _ in blocks], 1).double() if blocks else x.new_zeros(len(x), 1).double()
    same = [true.argmax(1) == made.argmax(1) for true, made in blocks]
    right = torch.stack(same, 1).double() * has if blocks else has
    return [
        Score("squared error of numbers", error, "Squared error of a number, in squared standard deviations of its "
              "column, averaged over the numbers of a row that are not missing", better="lower"),
        Score("categories restored", right.sum(1) / has.sum(1), "Share of a row's categories whose likeliest level is "
              "the true one", "share"),
    ]
