"""The clusters of a run: how large they are, what is typical of each, where it ends, and what sets it apart."""

from __future__ import annotations

import torch
from torch import Tensor

from tacit.data.dataset import Data
from tacit.evaluation.case import drawn
from tacit.evaluation.refitting import inputs
from tacit.runs.run import Run
from tacit.study.result import Card, Clusters, Shown
from tacit.study.shown import distinct
from tacit.study.traits import apart, traits_of

__all__ = ["clusters_of"]

SAMPLES, VALUES = 10_000, 2**26  # samples that are assigned at most, and values of them that are held
ROWS = 1_024  # samples that are assigned at a time
CARDS = 30
TYPICAL, CONTRAST = 12, 6
CORE = 2 / 3  # share of a small cluster that may be typical; the others are left for where it ends


def clusters_of(member: str, run: Run, data: Data, shown: Shown, seed: int = 0) -> Clusters | None:
    """Describes the clusters of a run, from at most 10,000 samples drawn at random.

    Near and far are taken in the space that the method saw: typical samples lie nearest to their cluster's mean,
    contrasting ones nearest to the plane half-way to another's. What sets a cluster apart is taken from the samples
    that are shown.

    Arguments:
        member: Name of the run in the study.
        run: The run.
        data: Its root's data.
        shown: The samples that can be shown.
        seed: Of the draw.

    Returns:
        The 30 largest clusters, and those in none; None where the run cannot cluster.
    """
    if "Clusters" not in run.capabilities:
        return None
    pool = drawn(data, torch.arange(len(data)), min(SAMPLES, VALUES // run.method.spec.size), seed)
    z = inputs(run, pool)
    with torch.inference_mode():
        group = torch.cat([run.chain.method.assign(part.to(run.device)).cpu() for part in z.split(ROWS)]).clone()
    groups, traits = run.assign(shown.data), traits_of(shown.data, shown.factors)
    near, edge = placed(z.flatten(1).float(), group, seed)
    cards = []
    for number in order_of(group):
        members = (group == number).nonzero().flatten()
        typical = distinct(members[near[members].argsort(stable=True)], pool.twins, few(members, TYPICAL))
        others = members[~torch.isin(members, typical)]
        contrast = distinct(others[edge[others].argsort(stable=True)], pool.twins, CONTRAST)
        cards.append(Card(number, len(members) / len(pool), pool.take(typical), pool.take(contrast),
                          apart(traits, (groups == number).numpy())))
    count = len(group[group >= 0].unique())
    return Clusters(member, groups, tuple(cards), of=len(pool), count=count)


def few(members: Tensor, most: int) -> int:
    """Returns how many members of a cluster may be typical, so that some are left."""
    return max(1, min(most, int(CORE * len(members))))


def order_of(group: Tensor) -> list[int]:
    """Returns the largest clusters by falling size, and -1 last where some samples are in none.

    Example:
        >>> order_of(torch.tensor([-1, -1, -1, 0, 4, 4]))
        [4, 0, -1]
    """
    numbers, counts = group[group >= 0].unique(return_counts=True)
    largest: list[int] = numbers[counts.argsort(descending=True, stable=True)][:CARDS].tolist()
    return largest + ([-1] if bool((group < 0).any()) else [])


def placed(z: Tensor, group: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Returns how far each sample is from its cluster's mean, and from the border to the nearest other cluster.

    The border of two clusters is the plane half-way between their means; beyond it, distances are negative. For
    samples in no cluster, the first has no meaning and is a random order, and the second is the distance to the
    nearest mean.

    Arguments:
        z: What the method saw, shape (N, D).
        group: The cluster of each sample, int64 (N,), -1 for none.
        seed: Of the random order.

    Returns:
        Two of shape (N,); inf for the second where there is no other cluster.

    Example:
        >>> near, edge = placed(torch.tensor([[0.0], [2.0], [9.0], [11.0]]), torch.tensor([0, 0, 1, 1]))
        >>> near.tolist(), edge.tolist()
        ([1.0, 1.0, 1.0, 1.0], [5.5, 3.5, 3.5, 5.5])
    """
    near = torch.rand(len(z), generator=torch.Generator().manual_seed(seed))
    edge = torch.full((len(z),), torch.inf)
    numbers, own = group.unique(return_inverse=True)
    first = int(bool((numbers < 0).any()))
    count = len(numbers) - first
    if not count:
        return near, edge
    z = z - z.mean(0)
    means = torch.stack([z[group == k].mean(0) for k in numbers[first:].tolist()])  # (K, D)
    between = torch.cdist(means, means)  # (K, K)
    for rows in torch.arange(len(z)).split(ROWS):
        distance, mine = torch.cdist(z[rows], means), own[rows, None] - first  # (n, K), (n, 1)
        held = mine[:, 0] >= 0
        to_own = distance.gather(1, mine.clamp_min(0))  # (n, 1)
        beyond = (distance.square() - to_own.square()) / (2 * between[mine[:, 0].clamp_min(0)])  # nan for its own
        edge[rows] = torch.where(held, beyond.nan_to_num(torch.inf, torch.inf, torch.inf).amin(1), distance.amin(1))
        near[rows] = torch.where(held, to_own[:, 0], near[rows])
    return near, edge
