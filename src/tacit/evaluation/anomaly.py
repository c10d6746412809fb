"""Does a run find samples that do not belong?"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import torch
from torch import Tensor

from tacit.errors import CapabilityError, DataError
from tacit.evaluation.case import Case, drawn, known_labels, labelled
from tacit.evaluation.intervals import ends
from tacit.evaluation.measure import Measure
from tacit.evaluation.outliers import spoilings
from tacit.evaluation.refitting import SAMPLES, inputs, on_parents, refitted
from tacit.protocol import Fitted

__all__ = ["ask", "average_precision", "ranked", "roc_area"]

NAME = "anomaly"
SHARE = 0.1  # of the samples that are spoilt
CLASSES = 10  # that are left out, one after the other
TIMES = 1_000
AT_ONCE = 2**22  # draws that are held at a time


def ask(case: Case) -> Iterator[Measure]:
    """Yields how well spoilt samples are found, and how well each class is found by a fit that has not seen it.

    Raises:
        CapabilityError: If classes cannot be left out because the run was trained, after all other answers.
    """
    yield from planted(case)
    if labelled(case):
        yield from classes_left_out(case)


def planted(case: Case) -> Iterator[Measure]:
    """Yields how well spoilt samples are told from those that were left as they are."""
    n = len(case.test)
    generator = torch.Generator().manual_seed(case.seed)
    spoilt = torch.randperm(n, generator=generator)[: max(1, round(SHARE * n))]
    strange = torch.zeros(n, dtype=torch.bool).index_fill_(0, spoilt, True)
    clean, chosen = case.run.score(case.test), case.test.take(spoilt)
    ground = (f"{len(spoilt):,} of {case.names[1]} were spoilt and the others left as they are: does the anomaly score "
              f"rank the spoilt ones higher? {chance(strange)}")
    found = []
    for name, way in spoilings(case.run.spec).items():
        made = dataclasses.replace(chosen, x=way.spoil(chosen.everything(), case.run.spec, generator))
        found.append(ranked(clean.index_copy(0, spoilt, case.run.score(made)), strange, seed=case.seed))
        yield from measures(found[-1], f"planted: {name}", f"Spoilt here means {way.meaning}; {ground}")
    ways = ", ".join(spoilings(case.run.spec))
    yield from measures(torch.stack(found).mean(0), "planted", f"Mean over ways of spoiling ({ways}); {ground}")


def classes_left_out(case: Case) -> Iterator[Measure]:
    """Yields how well each class is told from the others by a fit without it."""
    method = case.run.method
    if not isinstance(method, Fitted):
        raise CapabilityError(f"to leave a class out, {case.run.method_name} would have to be trained again for each "
                              "class; fit it on data without a class, and put samples of it with --against")
    train, test = (part.take((known_labels(part) >= 0).nonzero().flatten()) for part in (case.train, case.test))
    train = drawn(train, torch.arange(len(train)), SAMPLES, case.seed)
    seen, asked = inputs(case.run, train), inputs(case.run, test)
    label, truth = known_labels(train), known_labels(test)
    ground = (f"The method is fitted again with the same options on those of {len(train):,} labelled of "
              f"{case.names[0]} that are of other classes{on_parents(case.run)}: does the anomaly score rank the class "
              f"higher among the {len(test):,} labelled of {case.names[1]}?")
    found = []
    for c in commonest(label, truth):
        strange = truth == c
        fresh = refitted(method, seen, train, (label != c).nonzero().flatten(), case.seed)
        with torch.inference_mode():
            scores = torch.cat([fresh.anomaly_score(part) for part in asked.split(1_024)]).clone()
        found.append(ranked(scores, strange, seed=case.seed))
        yield from measures(found[-1], f"without class {case.train.spec.classes[c]}", f"{ground} {chance(strange)}")
    yield from measures(torch.stack(found).nanmean(0), "without one class", f"Mean over {len(found)} classes, each "
                        f"left out in its turn. {ground} By chance: 0.5, and the class's share as precision.")


def chance(strange: Tensor) -> str:
    """Returns for protocols what a ranking by chance would reach."""
    return f"By chance: 0.5, and {float(strange.double().mean()):.3f} as precision."


def measures(found: Tensor, of: str, protocol: str) -> Iterator[Measure]:
    """Yields both values with their intervals, of what `ranked` gives."""
    for name, (value, *draws) in zip(("AUROC", "average precision"), found.tolist(), strict=True):
        kept = torch.tensor(draws, dtype=torch.float64)
        low, high = ends(kept[kept.isfinite()])
        yield Measure(NAME, name, value, f"{protocol} 95 % interval by the bootstrap over samples.", of=of, low=low,
                      high=high, better="higher")


def commonest(label: Tensor, truth: Tensor) -> list[int]:
    """Returns the commonest classes, at most 10, of those that both sides have."""
    both = [c for c in truth.unique().tolist() if (label == c).any()]
    return sorted(sorted(both, key=lambda c: -int((truth == c).sum()))[:CLASSES])


def ranked(scores: Tensor, strange: Tensor, *, seed: int = 0, times: int = TIMES) -> Tensor:
    """Returns area under the ROC curve and average precision, of all samples and of bootstrap draws of them.

    Arguments:
        scores: Higher for stranger samples, shape (N,).
        strange: Whether a sample is to be found, bool (N,).
        seed: Of the draws, which for equal N are of the same samples whatever the scores.
        times: How many draws.

    Returns:
        Shape (2, 1 + times), the values first; NaN for a draw without a strange sample, or with no other.

    Raises:
        DataError: If a score is not a number.

    Example:
        >>> ranked(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([False, True, True]), times=0)
        tensor([[1.],
                [1.]], dtype=torch.float64)
    """
    if scores.isnan().any():
        raise DataError(f"{int(scores.isnan().sum())} of {len(scores)} anomaly scores are not numbers")
    _, place = scores.unique(return_inverse=True)  # by rising score
    found = []
    for weight in weights(len(scores), seed, times):  # (draws, N)
        counts = weight.new_zeros(2, len(weight), int(place.max()) + 1)
        for row, member in zip(counts, (strange, ~strange), strict=True):
            row.index_add_(1, place, weight * member)
        found.append(torch.stack([roc_area(*counts), average_precision(*counts)]))  # (2, draws)
    return torch.cat(found, dim=1)


def weights(n: int, seed: int, times: int) -> Iterator[Tensor]:
    """Yields how often each of n samples counts, shape (draws, n): once, and then in bootstrap draws."""
    yield torch.ones(1, n, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    for part in torch.arange(times).split(max(1, AT_ONCE // n)):
        picks = torch.randint(n, (len(part), n), generator=generator)
        yield torch.zeros(len(part), n, dtype=torch.float64).scatter_add_(1, picks, torch.ones_like(picks).double())


def roc_area(strange: Tensor, usual: Tensor) -> Tensor:
    """Returns the chance that a strange sample scores higher than a usual one, ties counting half.

    Arguments:
        strange: How many strange samples have each distinct score, by rising score, shape (..., scores).
        usual: How many usual samples have it.

    References:
        Hanley & McNeil 1982, The meaning and use of the area under a receiver operating characteristic curve,
        Radiology 143.
    """
    below = usual.cumsum(-1) - usual / 2
    return (strange * below).sum(-1) / (strange.sum(-1) * usual.sum(-1))


def average_precision(strange: Tensor, usual: Tensor) -> Tensor:
    """Returns the precision among samples at least as strange as a strange one, averaged over the strange ones.

    Arguments:
        strange: How many strange samples have each distinct score, by rising score, shape (..., scores).
        usual: How many usual samples have it.
    """
    found = strange.flip(-1).cumsum(-1)
    taken = found + usual.flip(-1).cumsum(-1)
    return (strange.flip(-1) * found / taken.clamp_min(1)).sum(-1) / strange.sum(-1)
