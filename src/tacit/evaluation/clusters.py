"""Do a run's clusters match the labels, would they come out again, and what are they beside meaning?"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from sklearn import metrics
from torch import Tensor

from tacit.errors import DataError
from tacit.evaluation.case import Case, drawn, known_labels, labelled
from tacit.evaluation.intervals import bootstrap, ends, mean_interval
from tacit.evaluation.measure import Measure
from tacit.evaluation.refitting import SAMPLES, inputs, on_parents, refitted
from tacit.evaluation.shortcuts import factors_beside_labels, group_shares
from tacit.protocol import Fitted

__all__ = ["adjusted_rand", "agreement", "ask", "normalised_information", "purity"]

NAME = "clusters"
COMPARED = 2_000  # samples whose distances to one another are taken
REFITS = 6
ROWS = 1_024  # samples that are assigned at a time
TIMES = 200  # bootstrap draws of what takes all samples together


def ask(case: Case) -> Iterator[Measure]:
    """Yields how clusters are used, how they match labels, what explains them, and whether they come out again.

    Raises:
        DataError: If there are too few clusters for a silhouette, after all other answers.
    """
    group = case.run.assign(case.test)
    yield from use(case, group)
    if labelled(case):
        yield from match(case, group)
    count = len(group[group >= 0].unique())
    if count > 1:
        yield from silhouette(case)
        yield from shortcuts(case)
    if isinstance(case.run.method, Fitted):
        yield from stability(case)
    if count < 2:
        raise DataError(f"a silhouette compares clusters and {case.names[1]} are in {count}; ask for more clusters, or "
                        "for smaller ones")


def use(case: Case, group: Tensor) -> Iterator[Measure]:
    """Yields how many clusters hold samples, and how many samples are in one."""
    about, used = case.names[1], len(group[group >= 0].unique())
    yield Measure(NAME, "clusters used", used, f"Clusters that hold at least one of {about}.")
    share, low, high = mean_interval((group >= 0).double(), seed=case.seed)
    yield Measure(NAME, "samples in a cluster", share, f"Share of {about} that are in a cluster, and not left over as "
                  "noise; 95 % interval by the bootstrap over samples.", low=low, high=high, unit="share")


def match(case: Case, group: Tensor) -> Iterator[Measure]:
    """Yields how far clusters and labels agree."""
    label = known_labels(case.test)
    known = label >= 0
    group, label = group[known], label[known]
    classes, used = len(label.unique()), len(group.unique())
    ground = (f"on the {len(label):,} labelled of {case.names[1]}: {classes} classes, {used} groups, where all samples "
              f"in no cluster count as one group; 95 % interval by {TIMES} bootstrap draws of samples")
    for name, score, meaning in (
        ("normalised mutual information", normalised_information,
         "Mutual information of clusters and labels over the mean of their entropies: 1 if each gives away the other, "
         "0 if neither does"),
        ("adjusted Rand index", adjusted_rand,
         "Pairs of samples that clusters and labels agree to keep together or apart: 1 for all, 0 for what chance "
         "gives"),
        ("purity", purity,
         "Share of samples that have the commonest label of their cluster, which more clusters raise by themselves"),
    ):
        low, high = bootstrap(lambda i, s=score: s(label[i], group[i]), len(label), seed=case.seed, times=TIMES)  # type: ignore[misc]
        yield Measure(NAME, name, score(label, group), f"{meaning}; {ground}.", low=low, high=high, better="higher",
                      unit="share" if name == "purity" else "")


def silhouette(case: Case) -> Iterator[Measure]:
    """Yields how much nearer samples are to their own cluster than to the next."""
    part = drawn(case.test, torch.arange(len(case.test)), COMPARED, case.seed)
    group = case.run.assign(part)
    kept = (group >= 0).nonzero().flatten()
    group = group[kept]
    if not 1 < len(group.unique()) < len(group):  # of the samples drawn
        return
    rows = inputs(case.run, part)[kept].flatten(1)
    each = torch.from_numpy(metrics.silhouette_samples(rows.numpy(), group.numpy()))
    value, low, high = mean_interval(each, seed=case.seed)
    parent = case.run.parent
    seen = "their values" if parent is None else f"what {parent.method_name} makes of them"
    yield Measure(NAME, "silhouette", value, f"(b - a) / max(a, b) for the mean distance a of a sample to its own "
                  f"and b to the next cluster, from -1 to 1, by Euclidean distance of {seen}; mean over {len(rows):,} "
                  f"drawn from {case.names[1]} that are in a cluster; 95 % interval by the bootstrap over samples.",
                  low=low, high=high, better="higher")


def shortcuts(case: Case) -> Iterator[Measure]:
    """Yields how much of the clusters is explained by what is known of samples beside their meaning."""
    part = drawn(case.train, torch.arange(len(case.train)), COMPARED, case.seed)
    whom = f"{len(part):,} of {case.names[0]}" if len(part) < len(case.train) else case.names[0]
    yield from group_shares(case.run.assign(part), factors_beside_labels(part), whom, seed=case.seed)


def stability(case: Case) -> Iterator[Measure]:
    """Yields how alike the clusters of further fits are: on bootstraps of the samples, and from other seeds.

    References:
        Ben-Hur, Elisseeff & Guyon 2002, A stability based method for discovering structure in clustered data, PSB.
        Hennig 2007, Cluster-wise assessment of cluster stability, Comput. Stat. Data Anal. 52.
    """
    train = drawn(case.train, torch.arange(len(case.train)), SAMPLES, case.seed)
    seen, asked = inputs(case.run, train), inputs(case.run, case.test)
    n, generator = len(train), torch.Generator().manual_seed(case.seed)
    for over, how, draws in (
        ("bootstraps", f"each on its own draw, with replacement, of {n:,} of",
         [torch.randint(n, (n,), generator=generator) for _ in range(REFITS)]),
        ("seeds", f"each from its own seed on the same {n:,} of", [torch.arange(n)] * REFITS),
    ):
        fits = (refitted(case.run.method, seen, train, i, case.seed + 1 + k) for k, i in enumerate(draws))
        value, low, high = agreement([grouped(fit, asked) for fit in fits], seed=case.seed)
        yield Measure(NAME, f"stability over {over}", value, f"The method is fitted {REFITS} times with the same "
                      f"options, {how} {case.names[0]}{on_parents(case.run)}. Adjusted Rand index of how two fits "
                      f"group {case.names[1]}, mean over pairs: 1 if all group them alike, 0 if no better than "
                      "chance; samples in no cluster count as one group; 95 % interval by the bootstrap over the fits.",
                      low=low, high=high, better="higher")


@torch.inference_mode()
def grouped(method: Any, x: Tensor) -> Tensor:
    """Returns the group that a method gives to each sample, int64 (N,)."""
    return torch.cat([method.assign(part) for part in x.split(ROWS)])


def agreement(groups: list[Tensor], *, seed: int = 0, times: int = 1_000) -> tuple[float, float, float]:
    """Returns the mean adjusted Rand index over pairs of groupings, and the ends of its 95 % interval.

    The interval is by the bootstrap over groupings; a draw's pairs are those of different groupings.

    Arguments:
        groups: Two or more groupings of the same samples, int64 (N,) each.
        seed: Of the draws.
        times: How many.

    Example:
        >>> agreement([torch.tensor([0, 0, 1, 1]), torch.tensor([5, 5, 2, 2])])
        (1.0, 1.0, 1.0)
    """
    count = len(groups)
    alike = torch.zeros(count, count, dtype=torch.float64)
    for a, b in itertools.combinations(range(count), 2):
        alike[a, b] = alike[b, a] = adjusted_rand(groups[a], groups[b])
    picks = torch.randint(count, (times, count), generator=torch.Generator().manual_seed(seed))
    weight = torch.nn.functional.one_hot(picks, count).sum(1).double()  # (times, count)
    apart = 1 - torch.eye(count, dtype=torch.float64)
    pairs = torch.einsum("ta,ab,tb->t", weight, apart, weight)
    means = torch.einsum("ta,ab,tb->t", weight, alike, weight) / pairs  # NaN where one grouping was drawn alone
    return float(alike.sum() / apart.sum()), *ends(means[pairs > 0])


def normalised_information(label: Tensor, group: Tensor) -> float:
    """Returns the mutual information of two groupings over the arithmetic mean of their entropies, in [0, 1]."""
    return float(metrics.normalized_mutual_info_score(label.numpy(), group.numpy()))


def adjusted_rand(label: Tensor, group: Tensor) -> float:
    """Returns the adjusted Rand index of two groupings: 1 for equal ones, 0 in the mean for random ones."""
    return float(metrics.adjusted_rand_score(label.numpy(), group.numpy()))


def purity(label: Tensor, group: Tensor) -> float:
    """Returns the share of samples that have the commonest label of their group.

    Example:
        >>> purity(torch.tensor([0, 0, 1, 1]), torch.tensor([7, 7, 7, -1]))
        0.75
    """
    table = metrics.cluster.contingency_matrix(label.numpy(), group.numpy())  # (labels, groups)
    return float(table.max(0).sum() / len(label))
