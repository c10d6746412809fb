"""How much of the labels a run's representation holds, beside what one has without learning."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d, one_hot

from tacit.data.dataset import Data
from tacit.errors import DataError
from tacit.evaluation.case import Case, known_labels, labelled
from tacit.evaluation.measure import Measure
from tacit.evaluation.probing import (
    HELD_BACK,
    STRENGTHS,
    USUAL,
    Features,
    chosen_strength,
    few_label_hits,
    hit_share,
    knn_probe,
    linear_probe,
    standardised,
)
from tacit.evaluation.untrained import has_training, untrained
from tacit.functional.principal import principal_axes
from tacit.functional.shrinking import shrunk
from tacit.runs.run import Run

__all__ = ["ask", "ask_baselines", "flat", "projected", "values"]

NAME, BASELINES = "representation", "baselines"
WIDEST = 4_096  # values that a probe sees of a sample, at most
WIDE = 1_024  # values of a map from which on it is averaged over places
SIDE = 4  # places of such a map along each side
AXES = 256  # of PCA, at most
COUNTS = (1, 5, 10, 50)  # labels of each class
ONE_COUNT = (10,)  # for layers
DRAWS = 10  # of few labels
NEIGHBOURS = 20
TEMPERATURE = 0.07
PIECE = 512  # samples that are encoded before their maps are averaged


def ask(case: Case) -> Iterator[Measure]:
    """Yields probes of the representation.

    Raises:
        DataError: If there are no labels to probe for.
    """
    check_labelled(case)
    yield from probes(case, encoded(case.run, case), "", COUNTS, f"what {case.run.method_name} encodes samples as")


def ask_baselines(case: Case) -> Iterator[Measure]:
    """Yields probes of the data as they are, of PCA, of each layer, and of the net untrained.

    Raises:
        DataError: If there are no labels to probe for.
        CapabilityError: If the net cannot be built again untrained, after all other answers.
    """
    check_labelled(case)
    for measure in baselines(case):
        yield dataclasses.replace(measure, question=BASELINES)


def check_labelled(case: Case) -> None:
    """Raises `DataError` if there are no labels to probe for."""
    if not labelled(case):
        raise DataError("a probe needs labels of at least two classes, among training samples and among those asked "
                        "of; --labels names them when a run is fitted")


def baselines(case: Case) -> Iterator[Measure]:
    """Yields probes of all that a representation is compared with."""
    run, plain = case.run, raw(case)
    name = "pixels" if run.spec.kind == "image" else "values"
    yield from probes(case, plain, name, COUNTS, f"the {name} of samples" if not run.spec.codes else "counts of codes")
    count = min(AXES, encoded(run, case).train.shape[1], plain.train.shape[1], len(plain.train) - 1)
    axes = projected(standardised(plain), count, case.seed)
    what = f"the principal components of the {name}, of which each had mean 0 and standard deviation 1"
    yield from probes(case, axes, "PCA", COUNTS, what, scaled=axes)
    layers: Callable[[], list[str]] | None = getattr(run.method, "layers", None)
    for layer in layers() if layers else ():
        features = encoded(run, case, layer=layer)
        yield from probes(case, features, f"layer {layer}", ONE_COUNT, f"layer {layer} of {run.method_name}")
    if has_training(run):
        copy = untrained(run, case.train, case.seed)
        yield from probes(case, encoded(copy, case), "random weights", COUNTS, f"what {run.method_name} encodes "
                          "samples as before any training, statistics of norms taken from 2,000 training samples")


def encoded(run: Run, case: Case, *, layer: str | None = None) -> Features:
    """Returns a run's features of the labelled samples of both sides."""
    return both(case, lambda data: flat(run.encode(data, layer=layer)))


def raw(case: Case) -> Features:
    """Returns the values of the labelled samples of both sides; of codes, how often each occurs in a sample."""
    return both(case, values)


def values(data: Data) -> Tensor:
    """Returns the values of samples as rows, shape (N, D); of codes, how often each occurs in a sample."""
    x, spec = data.everything(), data.spec
    return (one_hot(x.flatten(1), spec.codes).sum(1) if spec.codes else flat(x, max(spec.shape))).float()


def both(case: Case, represent: Callable[[Data], Tensor]) -> Features:
    """Returns rows that represent the labelled samples of both sides, made piece by piece."""
    sides: list[Tensor] = []
    for data in (case.train, case.test):
        known = (known_labels(data) >= 0).nonzero().flatten()
        sides += [torch.cat([represent(data.take(i)) for i in known.split(PIECE)]), known_labels(data)[known]]
    return Features(*sides)


def flat(x: Tensor, side: int = SIDE) -> Tensor:
    """Returns features as rows of at most 4,096 values, shape (N, D); what has more is averaged over neighbours.

    Arguments:
        x: Features, shape (N, ...).
        side: Greatest height and width that are left of maps, (N, C, h, w), of more than 1,024 values.

    Example:
        >>> flat(torch.zeros(2, 64, 8, 8)).shape, flat(torch.zeros(2, 4, 8, 8)).shape
        (torch.Size([2, 1024]), torch.Size([2, 256]))
    """
    if x.dim() == 4 and x[0].numel() > WIDE:
        most = max(1, min(side, math.isqrt(WIDEST // x.shape[1])))
        x = shrunk(x.float(), most)
    rows = x.flatten(1).float()
    return adaptive_avg_pool1d(rows, WIDEST) if rows.shape[1] > WIDEST else rows


def projected(features: Features, axes: int, seed: int) -> Features:
    """Returns features along the principal axes of their training side."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = principal_axes(features.train, axes)
    mean, directions = found.mean.float(), found.directions.float()
    train, test = ((side - mean) @ directions.T for side in (features.train, features.test))  # (N, axes)
    return features._replace(train=train, test=test)


def probes(
    case: Case, features: Features, of: str, counts: tuple[int, ...], what: str, scaled: Features | None = None
) -> Iterator[Measure]:
    """Yields the accuracy of linear probes on few labels and on all, and of nearest neighbours.

    Arguments:
        case: What is asked.
        features: Of both sides.
        of: What they are, as `Measure.of` has it.
        counts: Labels of each class.
        what: What they are, for protocols.
        scaled: The features as linear probes take them; by default each brought to the same width.
    """
    n, width = features.train.shape
    right = features.test_label
    common = float(right.bincount().max()) / len(right)
    ground = (f"accuracy on the {len(right):,} labelled of {case.names[1]}, of which the commonest class makes "
              f"{100 * common:.1f} %; features: {what}, {width:,} values")
    labels = f"{n:,} labelled of {case.names[0]}"
    scale = "as they are" if scaled else "of mean 0 and standard deviation 1 over training samples"
    fit = f"Multinomial logistic regression on features {scale}"
    scaled = scaled or standardised(features)
    for count in counts:
        if count < int(features.train_label.bincount().max()):
            hits = few_label_hits(scaled, count, DRAWS, seed=case.seed)
            each = f"{count} label{'s' if count > 1 else ''}"
            how = f"{fit}, C = {USUAL:g} as in scikit-learn, on {each} of each class, drawn {DRAWS} times from {labels}"
            yield accuracy(case, "linear probe accuracy", hits, joined(of, each), f"{how}; {ground}")
    strength = chosen_strength(scaled.train, scaled.train_label, seed=case.seed)
    hits = linear_probe(scaled.train, scaled.train_label, scaled.test, strength) == right
    how = (f"{fit}, on all {labels}; scikit-learn's C = {strength:g} was the best of "
           f"{', '.join(f'{c:g}' for c in STRENGTHS)} on {HELD_BACK:.0%} of these, held back")
    yield accuracy(case, "linear probe accuracy", hits[None], of, f"{how}; {ground}")
    hits = knn_probe(features, NEIGHBOURS, TEMPERATURE) == right
    how = (f"Vote of the {min(NEIGHBOURS, n)} nearest of {labels}, by the cosine of features less their mean, each "
           f"with the weight exp(cosine / {TEMPERATURE:g})")
    yield accuracy(case, "kNN accuracy", hits[None], of, f"{how}; {ground}")


def accuracy(case: Case, name: str, hits: Tensor, of: str, protocol: str) -> Measure:
    """Returns the share of hits, bool (draws, samples)."""
    value, low, high = hit_share(hits, seed=case.seed)
    over = "samples" if len(hits) == 1 else "draws and samples together"
    return Measure(NAME, name, value, f"{protocol}; 95 % interval by the bootstrap over {over}.", of=of, low=low,
                   high=high, unit="share", better="higher")


def joined(*parts: str) -> str:
    """Returns the parts that are not empty, with commas between."""
    return ", ".join(part for part in parts if part)
