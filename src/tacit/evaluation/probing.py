"""How much of the labels features hold: linear probes, nearest neighbours, and probes on few labels.

Nothing here knows a model: features are tensors, shape (N, D).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from tacit.evaluation.intervals import TIMES, ends
from tacit.functional.neighbours import voted
from tacit.functional.regression import scale_of, softmax_regression

__all__ = ["Features", "few_label_hits", "hit_share", "knn_probe", "labels_of_each", "linear_probe", "standardised"]

STRENGTHS = (1.0, 0.03, 1e-3)  # tried for C where all labels are used
USUAL = 1.0  # C where few are
HELD_BACK = 0.2  # of the labels, on which C is chosen
ITERATIONS = 500
PRECISE = 2**22  # values up to which a probe is fitted in double precision


class Features(NamedTuple):
    """Features of two sides, with labels.

    Arguments:
        train: Those to learn from, shape (N, D).
        train_label: Their classes, int64 (N,), from 0.
        test: Those to be asked of, shape (M, D).
        test_label: Their classes, int64 (M,), from 0.
    """

    train: Tensor
    train_label: Tensor
    test: Tensor
    test_label: Tensor


def standardised(features: Features) -> Features:
    """Returns features of mean 0 and standard deviation 1 over the training side; what is constant there has mean 0."""
    mean = features.train.mean(0)
    centred = features.train - mean
    scale = scale_of(centred.square().mean(0).sqrt())
    return features._replace(train=centred / scale, test=(features.test - mean) / scale)


def linear_probe(x: Tensor, label: Tensor, asked: Tensor, strength: float = USUAL) -> Tensor:
    """Returns the classes that multinomial logistic regression gives, int64 (M,).

    Arguments:
        x: Standardised features to learn from, shape (N, D).
        label: Their classes, int64 (N,).
        asked: Features, standardised likewise, shape (M, D).
        strength: scikit-learn's C: the squared weights count 1 / (2 C N) beside the mean cross-entropy.
    """
    present: Tensor
    present, place = label.unique(return_inverse=True)
    rows = x.double() if x.numel() <= PRECISE else x
    weight, bias, _ = softmax_regression(rows, place, 1 / (strength * len(x)), iterations=ITERATIONS)
    logits = torch.addmm(bias.to(asked), asked, weight.T.to(asked))  # (M, classes)
    return present[logits.argmax(1)]


def chosen_strength(x: Tensor, label: Tensor, *, seed: int = 0) -> float:
    """Returns the C with the most hits on a fifth of the labels, drawn at random; of equals, the smallest."""
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    asked, rest = order[: round(HELD_BACK * len(x))], order[round(HELD_BACK * len(x)) :]
    if len(label[rest].unique()) < 2:
        return USUAL
    hits = {c: int((linear_probe(x[rest], label[rest], x[asked], c) == label[asked]).sum()) for c in STRENGTHS}
    return max(sorted(hits), key=hits.__getitem__)


def knn_probe(features: Features, count: int = 20, temperature: float = 0.07) -> Tensor:
    """Returns the classes that the nearest training samples vote for, int64 (M,).

    Near is what has a high cosine of the features less their training mean; see `voted`.

    Arguments:
        features: Those of both sides.
        count: How many vote.
        temperature: Of the weights of their votes.
    """
    mean = features.train.mean(0)
    return voted(features.test - mean, features.train - mean, features.train_label, count, temperature)


def few_label_hits(features: Features, count: int, draws: int, *, seed: int = 0) -> Tensor:
    """Returns which test samples a linear probe on few labels gets right, bool (draws, M).

    Arguments:
        features: Standardised features of both sides.
        count: Labels of each class; all of a class that has fewer.
        draws: How often other labels are drawn.
        seed: Of the draws, which are the same whatever the features.
    """
    generator = torch.Generator().manual_seed(seed)
    hits = []
    for _ in range(draws):
        some = labels_of_each(features.train_label, count, generator)
        guessed = linear_probe(features.train[some], features.train_label[some], features.test)
        hits.append(guessed == features.test_label)
    return torch.stack(hits)


def labels_of_each(label: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Returns the positions of so many labels of each class, drawn at random; all of a class that has fewer.

    Example:
        >>> labels_of_each(torch.tensor([0, 1, 0, 2, 1]), 1, torch.Generator().manual_seed(0)).shape
        torch.Size([3])
    """
    order = torch.randperm(len(label), generator=generator)
    return torch.cat([order[label[order] == c][:count] for c in label.unique().tolist()])


def hit_share(hits: Tensor, *, seed: int = 0, times: int = TIMES) -> tuple[float, float, float]:
    """Returns the share of hits, and the ends of its 95 % interval by the bootstrap over draws and samples together.

    Arguments:
        hits: Bool (draws, M).
        seed: Of the bootstrap.
        times: How many draws it takes.

    Example:
        >>> hit_share(torch.tensor([[True, True], [True, True]]))
        (1.0, 1.0, 1.0)
    """
    generator = torch.Generator().manual_seed(seed)
    draws, samples = hits.shape
    right = hits.double()
    shares = []
    for part in torch.arange(times).split(100):
        rows = one_hot(torch.randint(draws, (len(part), draws), generator=generator), draws).sum(1)  # (part, draws)
        mean = rows.double() @ right / draws  # (part, M)
        shares.append(mean.gather(1, torch.randint(samples, (len(part), samples), generator=generator)).mean(1))
    return float(right.mean()), *ends(torch.cat(shares))
