"""The metrics against slow loops over the published formulas, and against codes whose scores are known."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.svm import LinearSVC
from torch import Tensor

from tacit.functional import disentanglement as d


def planted(n: int = 600, mixing: float = 0.4, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Codes (n, 4) that hold three discrete factors (n, 3) with noise, somewhat mixed, and one that holds nothing."""
    rng = np.random.default_rng(seed)
    factors = np.stack([rng.integers(0, k, n) for k in (3, 4, 5)], 1)
    clean = np.concatenate([factors - factors.mean(0), rng.normal(size=(n, 1))], 1)
    codes = clean @ (np.eye(4) + mixing * rng.normal(size=(4, 4))) + 0.2 * rng.normal(size=(n, 4))
    return torch.from_numpy(codes), torch.from_numpy(factors)


def slow_information(a: list[int], b: list[int]) -> float:
    n, joint, left, right = len(a), Counter(zip(a, b, strict=True)), Counter(a), Counter(b)
    return sum(c / n * math.log(c * n / (left[x] * right[y])) for (x, y), c in joint.items())


def slow_bins(z: list[float], bins: int) -> list[int]:
    low, high = min(z), max(z)
    return [min(int((v - low) / (high - low) * bins), bins - 1) for v in z]


def test_the_gap_is_that_of_the_slow_sums() -> None:
    codes, factors = planted()
    gaps = []
    for k in range(3):
        y = factors[:, k].tolist()
        known = sorted(slow_information(slow_bins(codes[:, j].tolist(), 20), y) for j in range(4))
        gaps.append((known[-1] - known[-2]) / slow_information(y, y))
    found = d.mutual_information_gap(codes, factors)
    torch.testing.assert_close(found, torch.tensor(gaps, dtype=torch.float64), atol=1e-8, rtol=0)
    assert len(set(gaps)) == 3 and min(gaps) > 0.01


def test_bins_are_of_equal_width_and_the_greatest_value_is_in_the_last() -> None:
    z = torch.tensor([0.0, 0.49, 0.5, 0.99, 1.0, 2.0], dtype=torch.float64)
    assert d.histogram_cells(z, 4).tolist() == [0, 0, 1, 1, 2, 3]
    assert d.histogram_cells(torch.ones(5), 4).unique().numel() == 1


def slow_rows(importance: np.ndarray) -> float:
    total = 0.0
    for row in importance:
        p = (row + 1e-11) / (row + 1e-11).sum()
        entropy = -sum(q * math.log(q) for q in p) / math.log(len(p))
        total += row.sum() / importance.sum() * (1 - entropy)
    return total


def test_dci_is_that_of_the_trees_and_the_slow_entropies() -> None:
    codes, factors = planted(120, mixing=0.8)
    codes = torch.cat([codes, codes[:, :1]], 1)[:, [0, 1, 2, 4, 3]]  # two share a task: that is not complete
    test_codes, test_factors = codes[:50] + 0.1, factors[:50]
    importance, right = np.zeros((5, 3)), []
    for k in range(3):
        trees = GradientBoostingClassifier(random_state=5).fit(codes.numpy(), factors[:, k].numpy())
        importance[:, k] = trees.feature_importances_
        right.append((trees.predict(test_codes.numpy()) == test_factors[:, k].numpy()).mean())
    found = d.dci(codes, factors, test_codes, test_factors, seed=5)
    torch.testing.assert_close(found.importance, torch.from_numpy(importance), atol=1e-8, rtol=0)
    assert found.disentanglement == pytest.approx(slow_rows(importance), abs=1e-8)
    assert found.completeness == pytest.approx(slow_rows(importance.T), abs=1e-8)
    assert found.informativeness == pytest.approx(np.mean(right), abs=1e-8)
    assert abs(found.disentanglement - found.completeness) > 1e-3


def test_concentration_of_nothing_is_0() -> None:
    assert d.concentration(torch.zeros(3, 2)) == pytest.approx(0, abs=1e-12)


def test_predictability_is_that_of_the_machines_and_of_the_slow_correlation() -> None:
    codes, factors = planted(300)
    test_codes, test_factors = planted(200, seed=1)
    codes[:, 3] = 1.5  # flat
    found = d.predictability(codes, factors, test_codes, test_factors, [False, True, True])
    for j in range(4):
        machine = LinearSVC(C=0.01, class_weight="balanced", random_state=0)
        machine.fit(codes[:, j : j + 1].numpy(), factors[:, 0].numpy())
        right = (machine.predict(test_codes[:, j : j + 1].numpy()) == test_factors[:, 0].numpy()).mean()
        assert found[j, 0].item() == pytest.approx(right, abs=1e-8)
        for k in (1, 2):
            z, y = codes[:, j].tolist(), factors[:, k].tolist()
            mean_z, mean_y = sum(z) / 300, sum(y) / 300
            cross = sum((a - mean_z) * (b - mean_y) for a, b in zip(z, y, strict=True)) / 299
            spread_z, spread_y = sum((a - mean_z) ** 2 for a in z) / 299, sum((b - mean_y) ** 2 for b in y) / 299
            expected = cross**2 / (spread_z * spread_y) if spread_z > 1e-12 else 0.0
            assert found[j, k].item() == pytest.approx(expected, abs=1e-8)
    table = found.tolist()
    for k, value in enumerate(d.gap(found).tolist()):
        column = sorted(row[k] for row in table)
        assert value == pytest.approx(column[-1] - column[-2], abs=1e-12)


def slow_votes(codes: Tensor, positions: Tensor, threshold: float) -> list[int]:
    def variance(values: list[float]) -> float:
        mean = sum(values) / len(values)
        return sum((v - mean) ** 2 for v in values) / (len(values) - 1)

    overall = [variance(codes[:, j].tolist()) for j in range(codes.shape[1])]
    active = [j for j, v in enumerate(overall) if math.sqrt(v) >= threshold]
    votes = []
    for batch in positions:
        shares = {j: variance(codes[batch, j].tolist()) / overall[j] for j in active}
        votes.append(min(shares, key=lambda j: shares[j]))
    return votes


def test_votes_and_their_majority_are_those_of_the_slow_loops() -> None:
    codes, factors = planted(400)
    codes[:, 3] *= 0.01  # collapsed: its variance is nearly none in every batch, and it has no vote
    train, test = d.held_fixed(factors, 60, size=9, seed=1), d.held_fixed(factors, 40, size=9, seed=2)
    active = d.active_dimensions(codes)
    assert active.tolist() == [True, True, True, False]
    votes = [d.factor_votes(codes, part.positions, active) for part in (train, test)]
    assert votes[0].tolist() == slow_votes(codes, train.positions, 0.05)
    assert votes[1].tolist() == slow_votes(codes, test.positions, 0.05)
    table = np.zeros((3, 4), int)
    for k, j in zip(train.factor.tolist(), votes[0].tolist(), strict=True):
        table[k, j] += 1
    told = [int(table[:, j].argmax()) == k for k, j in zip(test.factor.tolist(), votes[1].tolist(), strict=True)]
    score = d.majority(train.factor, votes[0], test.factor, votes[1])
    assert score == pytest.approx(sum(told) / 40, abs=1e-12)
    assert 0 < score < 1


def test_a_batch_shares_the_factor_that_it_is_said_to_share_and_no_other() -> None:
    _, factors = planted(400)
    batches = d.held_fixed(factors, 200, size=64, seed=3)
    assert set(batches.factor.tolist()) == {0, 1, 2}
    seen: dict[int, set[int]] = {k: set() for k in range(3)}
    for k, positions in zip(batches.factor.tolist(), batches.positions, strict=True):
        for other in range(3):
            values = factors[positions, other].unique()
            assert (len(values) == 1) == (other == k)
        seen[k].add(int(factors[positions[0], k]))
    assert seen == {0: {0, 1, 2}, 1: {0, 1, 2, 3}, 2: {0, 1, 2, 3, 4}}
    drawn = torch.cat([batches.positions.flatten()]).bincount(minlength=400)
    assert (drawn > 0).all()


def all_scores(codes: Tensor, factors: Tensor) -> dict[str, float]:
    n = len(codes) // 2
    trees = d.dci(codes[:n], factors[:n], codes[n:], factors[n:])
    batches = [d.held_fixed(factors, 200, seed=s) for s in (1, 2)]
    votes = [d.factor_votes(codes, b.positions, d.active_dimensions(codes)) for b in batches]
    lines = d.predictability(codes[:n], factors[:n], codes[n:], factors[n:], [True] * factors.shape[1])
    return {
        "mig": float(d.mutual_information_gap(codes, factors).mean()), "sap": float(d.gap(lines).mean()),
        "disentanglement": trees.disentanglement, "completeness": trees.completeness,
        "informativeness": trees.informativeness,
        "votes": d.majority(batches[0].factor, votes[0], batches[1].factor, votes[1]),
    }  # fmt: skip


def test_the_factors_themselves_score_1_in_any_order_and_turned_ones_less() -> None:
    generator = torch.Generator().manual_seed(0)
    factors = torch.stack([torch.randint(k, (200,), generator=generator) for k in (3, 3, 3)], 1)
    own = factors.double() + 1e-6 * torch.randn(200, 3, generator=generator, dtype=torch.float64)
    identity, permuted = all_scores(own, factors), all_scores(own[:, [2, 0, 1]], factors)
    for name, score in identity.items():
        assert score > (0.95 if name == "sap" else 0.98), name
        assert permuted[name] == pytest.approx(score, abs=1e-3), name
    turn = torch.tensor([[2.0, 2.0, 1.0], [-2.0, 1.0, 2.0], [1.0, -2.0, 2.0]], dtype=torch.float64) / 3  # orthogonal
    turned = all_scores(own @ turn, factors)
    for name in ("mig", "sap", "disentanglement", "completeness"):
        assert turned[name] < 0.6, name
    assert turned["informativeness"] > 0.7, "what is known stays known"
