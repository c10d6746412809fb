"""What a run makes anew, each beside the training sample that it may have been copied from."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tacit.data.dataset import Data
from tacit.evaluation.case import drawn
from tacit.evaluation.samples import NEAREST, features_of, pixels
from tacit.evaluation.spaces import Space
from tacit.functional.draws import some
from tacit.functional.neighbours import nearest
from tacit.runs.run import Run
from tacit.study.result import Generated, Shown
from tacit.study.shown import in_range

__all__ = ["generated_of"]

MADE = 24
TRAINING, HELD_OUT = 20_000, 500  # samples among which, and for which, the nearest are sought


def generated_of(member: str, run: Run, data: Data, shown: Shown, seed: int = 0) -> Generated | None:
    """Draws new samples, and finds the nearest to each of at most 20,000 training samples.

    A sample counts as copied where it is nearer than all but the nearest hundredth of held-out samples are to theirs;
    without held-out samples, than training samples are to one another.

    Arguments:
        member: Name of the run in the study.
        run: The run.
        data: Its root's data.
        shown: The samples that can be shown.
        seed: Of all draws.

    Returns:
        24 samples; None where the run cannot sample, makes codes, or makes values that are not numbers.
    """
    if "Samples" not in run.capabilities or data.spec.codes:
        return None
    x = in_range(run.sample(MADE, seed=seed), data.spec.range)
    if not x.isfinite().all():
        return None
    space = pixels(data.spec) if data.spec.kind == "image" else Space("the values of all columns", lambda x: x)
    train = drawn(data, data.training, TRAINING, seed)
    reference = features_of(space, train)
    if len(data.testing):
        held, rank = features_of(space, drawn(data, data.testing, HELD_OUT, seed)), 0
    else:
        held, rank = reference[some(torch.arange(len(train)), HELD_OUT, seed)], -1  # the nearest is itself
    distance, index = nearest(torch.cat([space.features(x), held]), reference, min(2, len(train)))
    copied = distance[:MADE, 0] < threshold(distance[MADE:, rank])
    return Generated(member, x, train.take(index[:MADE, 0]), copied, space.name, of=len(train))


def threshold(distance: Tensor) -> float:
    """Returns the distance below which a sample is nearer than the nearest hundredth of others are.

    Example:
        >>> threshold(torch.arange(1.0, 201.0))
        3.0
    """
    return float(distance.kthvalue(math.ceil(NEAREST * (len(distance) + 1))).values)
