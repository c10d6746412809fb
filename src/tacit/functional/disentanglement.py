"""Whether each dimension of a code stands for one factor of the data, and each factor for one dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "DCI", "Batches", "active_dimensions", "concentration", "dci", "factor_votes", "gap", "held_fixed", "majority",
    "mutual_information", "mutual_information_gap", "predictability",
]  # fmt: skip

BINS = 20  # of a dimension's histogram
ACTIVE = 0.05  # standard deviation from which a dimension counts in the FactorVAE score
FLAT = 1e-12  # variance up to which a dimension explains nothing
FLOOR = 1e-11  # added to an importance, so that a row of zeros is spread evenly
CHUNK = 512  # batches whose codes are held at a time


def mutual_information(codes: Tensor, groups: Tensor, *, bins: int = BINS) -> Tensor:
    """Returns the mutual information of each dimension, cut into bins of equal width, with each factor.

    Arguments:
        codes: Shape (N, d).
        groups: The value of each discrete factor, or the group of a continuous one, int64 (N, K).
        bins: Of each dimension, from its least to its greatest value.

    Returns:
        Nats, double, shape (d, K).

    Example:
        >>> mutual_information(torch.tensor([[0.0], [0.1], [0.9], [1.0]]), torch.tensor([[0], [0], [1], [1]]))
        tensor([[0.6931]], dtype=torch.float64)
    """
    cells = torch.stack([histogram_cells(z, bins) for z in codes.T], 1)  # (N, d)
    return torch.stack([torch.stack([shared_nats(cell, group) for group in groups.T]) for cell in cells.T])


def histogram_cells(z: Tensor, bins: int) -> Tensor:
    """Returns the bin of each number, int64 (N,), the greatest in the last."""
    values = z.detach().cpu().numpy()
    inner = np.histogram_bin_edges(values, bins)[1:-1]
    return torch.from_numpy(np.digitize(values, inner))


def shared_nats(a: Tensor, b: Tensor) -> Tensor:
    """Returns the mutual information of two groupings in nats, a scalar; of a grouping with itself, its entropy."""
    rows, columns = (g.unique(return_inverse=True)[1] for g in (a, b))
    wide, high = int(columns.max()) + 1, int(rows.max()) + 1
    p = torch.bincount(rows * wide + columns, minlength=high * wide).view(high, wide).double() / len(a)
    alone = p.sum(1, keepdim=True) * p.sum(0, keepdim=True)  # (high, wide), what independence would give
    seen = p > 0
    nats: Tensor = (p[seen] * (p[seen] / alone[seen]).log()).sum().clamp_min(0)
    return nats


def gap(scores: Tensor) -> Tensor:
    """Returns by how much the best dimension is ahead of the second, for each factor, shape (K,), of scores (d, K)."""
    best: Tensor = scores.topk(2, dim=0).values  # (2, K)
    return best[0] - best[1]


def mutual_information_gap(codes: Tensor, groups: Tensor, *, bins: int = BINS) -> Tensor:
    """Returns how much more of each factor one dimension knows than the next, in shares of the factor's entropy.

    Their mean is the MIG.

    Arguments:
        codes: Shape (N, d), d at least 2.
        groups: The value of each discrete factor, or the group of a continuous one, int64 (N, K); none is constant.
        bins: Of each dimension.

    Returns:
        In [0, 1], double, shape (K,).

    References:
        Chen et al. 2018, arXiv:1802.04942, section 4.1.

    Example:
        >>> bits = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
        >>> mutual_information_gap(bits.double(), bits)
        tensor([1., 1.], dtype=torch.float64)
    """
    entropy = torch.stack([shared_nats(group, group) for group in groups.T])  # (K,)
    return gap(mutual_information(codes, groups, bins=bins)) / entropy


class DCI(NamedTuple):
    """Disentanglement, completeness and informativeness.

    Arguments:
        disentanglement: 1 where each dimension serves one factor only.
        completeness: 1 where each factor is served by one dimension only.
        informativeness: Share of unseen samples whose factors are told right, mean over factors.
        importance: How much of the telling of each factor is each dimension's, double (d, K); columns sum to 1.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    importance: Tensor


def dci(codes: Tensor, groups: Tensor, test_codes: Tensor, test_groups: Tensor, *, seed: int = 0) -> DCI:
    """Returns the three, by the importances of gradient-boosted trees that tell each factor from the code.

    Arguments:
        codes: What the trees learn from, shape (N, d).
        groups: The value of each discrete factor, or the group of a continuous one, int64 (N, K), K at least 2.
        test_codes: Unseen ones, shape (M, d).
        test_groups: Likewise, int64 (M, K).
        seed: Of the trees.

    References:
        Eastwood & Williams 2018, A Framework for the Quantitative Evaluation of Disentangled Representations, ICLR.
        Locatello et al. 2019, arXiv:1811.12359 (boosted trees in place of random forests).
    """
    from sklearn.ensemble import GradientBoostingClassifier

    seen, unseen = codes.detach().cpu().numpy(), test_codes.detach().cpu().numpy()
    importances, shares = [], []
    for group, test_group in zip(groups.T.tolist(), test_groups.T.tolist(), strict=True):
        trees = GradientBoostingClassifier(random_state=seed).fit(seen, group)
        importances.append(torch.from_numpy(np.abs(trees.feature_importances_)))
        shares.append(float(np.mean(trees.predict(unseen) == np.array(test_group))))
    importance = torch.stack(importances, 1).double()  # (d, K)
    return DCI(concentration(importance), concentration(importance.T), float(np.mean(shares)), importance)


def concentration(importance: Tensor) -> float:
    """Returns how far each row lies in one column: 1 less its entropy over that of even rows, weighted by row sums.

    Of importances (d, K) it is the disentanglement, of their transpose the completeness.

    Arguments:
        importance: At least 0, shape (rows, columns), columns at least 2.

    Example:
        >>> round(concentration(torch.tensor([[1.0, 0.0], [0.0, 3.0]])), 6), concentration(torch.ones(2, 2))
        (1.0, 0.0)
    """
    p = importance.double() + FLOOR
    p = p / p.sum(1, keepdim=True)
    entropy = -(p * p.log()).sum(1) / np.log(p.shape[1])  # (rows,)
    mass = importance.double().sum(1)
    weight = mass / mass.sum() if mass.sum() > 0 else torch.full_like(mass, 1 / len(mass))
    return float((weight * (1 - entropy)).sum())


def predictability(
    codes: Tensor, factors: Tensor, test_codes: Tensor, test_factors: Tensor, continuous: Sequence[bool], *,
    seed: int = 0,
) -> Tensor:  # fmt: skip
    """Returns how well each dimension alone tells each factor; the mean `gap` over factors is the SAP score.

    A continuous factor by R^2 of a line on the samples to learn from; a discrete one by the accuracy on unseen samples
    of a linear support vector machine with C = 0.01 and balanced classes.

    Arguments:
        codes: What is learned from, shape (N, d).
        factors: Value of each factor, a class or a number, shape (N, K).
        test_codes: Unseen ones, shape (M, d).
        test_factors: Likewise, shape (M, K).
        continuous: Whether each factor is a number, K of them.
        seed: Of the machines.

    Returns:
        In [0, 1], double, shape (d, K).

    References:
        Kumar, Sattigeri & Balakrishnan 2018, arXiv:1711.00848, section 3.
    """
    columns = [
        squared_correlation(codes, known) if number else class_accuracy(codes, known, test_codes, unknown, seed)
        for known, unknown, number in zip(factors.T, test_factors.T, continuous, strict=True)
    ]
    return torch.stack(columns, 1)


def squared_correlation(codes: Tensor, factor: Tensor) -> Tensor:
    """Returns the squared correlation of each dimension (N, d) with a number (N,), 0 for a flat dimension; (d,)."""
    z, y = codes.double() - codes.double().mean(0), factor.double() - factor.double().mean()
    spread = z.square().sum(0)  # (d,)
    share = (z * y[:, None]).sum(0).square() / (spread * y.square().sum())
    return torch.where(spread / (len(z) - 1) > FLAT, share, 0.0)


def class_accuracy(codes: Tensor, known: Tensor, test_codes: Tensor, unknown: Tensor, seed: int) -> Tensor:
    """Returns the share of unseen samples (M, d) whose class each dimension alone tells, shape (d,)."""
    from sklearn.svm import LinearSVC

    shares = []
    for z, unseen in zip(codes.T.cpu().numpy(), test_codes.T.cpu().numpy(), strict=True):
        machine = LinearSVC(C=0.01, class_weight="balanced", random_state=seed).fit(z[:, None], known.cpu().numpy())
        shares.append(float(np.mean(machine.predict(unseen[:, None]) == unknown.cpu().numpy())))
    return torch.tensor(shares, dtype=torch.float64)


class Batches(NamedTuple):
    """Batches of samples that share the value of one factor.

    Arguments:
        factor: Which factor is shared, int64 (V,).
        positions: The samples of each batch, int64 (V, L).
    """

    factor: Tensor
    positions: Tensor


def held_fixed(groups: Tensor, count: int, *, size: int = 64, seed: int = 0) -> Batches:
    """Returns batches of samples, drawn with replacement from those that share one factor's value with a random one.

    Arguments:
        groups: The value of each discrete factor, or the group of a continuous one, int64 (N, K).
        count: Number of batches V.
        size: Samples of a batch L.
        seed: Of the draws.
    """
    generator = torch.Generator().manual_seed(seed)
    factor = torch.randint(groups.shape[1], (count,), generator=generator)
    like = torch.randint(len(groups), (count,), generator=generator)  # whose value is shared
    u = torch.rand(count, size, dtype=torch.float64, generator=generator)
    positions = torch.empty(count, size, dtype=torch.int64)
    for k, group in enumerate(groups.T):
        place, counts = group.unique(return_inverse=True, return_counts=True)[1:]
        order, starts = place.argsort(stable=True), counts.cumsum(0) - counts
        mine = factor == k
        value = place[like[mine]]  # (v,)
        positions[mine] = order[starts[value, None] + (u[mine] * counts[value, None]).long()]
    return Batches(factor, positions)


def active_dimensions(codes: Tensor, *, threshold: float = ACTIVE) -> Tensor:
    """Returns whether each dimension's standard deviation reaches a threshold, bool (d,), of codes (N, d)."""
    return codes.double().std(0) >= threshold


def factor_votes(codes: Tensor, positions: Tensor, active: Tensor) -> Tensor:
    """Returns the active dimension that varies least in each batch, against how it varies over all samples.

    Arguments:
        codes: Shape (N, d).
        positions: The samples of each batch, int64 (V, L).
        active: Which dimensions may be chosen, bool (d,), at least one.

    Returns:
        Dimensions, int64 (V,).

    References:
        Kim & Mnih 2018, arXiv:1802.05983, section 3 (figure 2).
    """
    dimensions = active.nonzero().flatten()
    z = codes[:, dimensions].double()
    scale = z.var(0)  # (active,)
    shares = torch.cat([z[part].var(1) / scale for part in positions.split(CHUNK)])  # (V, L, active) -> (V, active)
    return dimensions[torch.from_numpy(shares.numpy().argmin(1))]


def majority(factor: Tensor, vote: Tensor, test_factor: Tensor, test_vote: Tensor) -> float:
    """Returns the share of unseen votes from which the fixed factor is told; the FactorVAE score.

    Each dimension tells the factor that it was chosen for most often, the first of several, among the votes learned
    from.

    Arguments:
        factor: Which factor was fixed, int64 (V,).
        vote: The dimension that was chosen, int64 (V,).
        test_factor: Unseen ones, int64 (W,).
        test_vote: Likewise, int64 (W,).

    References:
        Kim & Mnih 2018, arXiv:1802.05983, section 3.

    Example:
        >>> factor, vote = torch.tensor([0, 0, 1, 1]), torch.tensor([3, 3, 2, 3])
        >>> majority(factor, vote, factor, vote)
        0.75
    """
    dims, factors = (int(max(a.max(), b.max())) + 1 for a, b in ((vote, test_vote), (factor, test_factor)))
    table = torch.bincount(factor * dims + vote, minlength=factors * dims).view(factors, dims)
    told = torch.from_numpy(table.numpy().argmax(0))  # (dims,)
    return float((told[test_vote] == test_factor).double().mean())
