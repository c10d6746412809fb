"""Distances between sets of features against torchmetrics and slow, obvious loops."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tacit.functional import sets
from tacit.functional.sets import inside, kernel_distance, kernel_distances, precision_recall, radii


def features(n: int, shift: float = 0.0, seed: int = 0) -> Tensor:
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift


def slow_kernel_distance(x: Tensor, y: Tensor) -> float:
    def kernel(a: Tensor, b: Tensor) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    within = [
        sum(kernel(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if i != j) / (len(z) * (len(z) - 1))
        for z in (x, y)
    ]
    return sum(within) - 2 * sum(kernel(a, b) for a in x for b in y) / (len(x) * len(y))


def test_kernel_distance_is_that_of_the_loop_and_its_error_the_jackknifes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "CELLS", 40)
    x, y = features(14), features(11, 0.5, seed=1)
    found = kernel_distance(x, y)
    assert found.value == pytest.approx(slow_kernel_distance(x, y), rel=1e-9)
    without = [
        torch.tensor([slow_kernel_distance(torch.cat([x[:i], x[i + 1 :]]), y) for i in range(len(x))]),
        torch.tensor([slow_kernel_distance(x, torch.cat([y[:i], y[i + 1 :]])) for i in range(len(y))]),
    ]
    variance = sum((len(w) - 1) / len(w) * (w - w.mean()).square().sum() for w in without)
    assert found.error == pytest.approx(float(variance) ** 0.5, rel=1e-5)


def test_kernel_distance_is_torchmetrics() -> None:
    reference = pytest.importorskip("torchmetrics.image.kid")
    x, y = features(300), features(300, 0.2, seed=1)
    assert kernel_distance(x, y).value == pytest.approx(float(reference.poly_mmd(x, y)), rel=1e-6)
    drawn = kernel_distances(x, y, subsets=3, size=300)  # each subset is the whole set
    torch.testing.assert_close(drawn, torch.full((3,), kernel_distance(x, y).value, dtype=torch.float64))


def test_kernel_distance_is_unbiased_and_its_error_is_that_of_draws() -> None:
    same = torch.tensor([kernel_distance(features(40, seed=i), features(40, seed=500 + i)) for i in range(80)])
    other = torch.tensor([kernel_distance(features(40, seed=i), features(40, 1.0, 500 + i)) for i in range(80)])
    assert abs(float(same[:, 0].mean())) < 3 * float(same[:, 0].std()) / 80**0.5
    assert float(other[:, 1].mean()) == pytest.approx(float(other[:, 0].std()), rel=0.3)


def test_subsets_come_from_the_generator() -> None:
    x, y = features(100), features(90, 0.2, seed=1)
    first, again = (
        kernel_distances(x, y, subsets=4, size=50, generator=torch.Generator().manual_seed(3)) for _ in range(2)
    )
    assert torch.equal(first, again) and first.std() > 0


def slow_inside(x: Tensor, reference: Tensor, k: int) -> list[bool]:
    radius = [sorted(float((a - b).norm()) for b in reference)[k] for a in reference]
    return [any(float((a - b).norm()) <= r for b, r in zip(reference, radius, strict=True)) for a in x]


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("offset", [0.0, 1_000.0])
def test_precision_and_recall_are_those_of_the_loop(k: int, offset: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "CELLS", 100)
    real, made = features(40) + offset, 0.7 * features(30, 0.8, seed=1) + offset
    precision, recall = precision_recall(real, made, k)
    assert precision.tolist() == slow_inside(made, real, k)
    assert recall.tolist() == slow_inside(real, made, k)
    assert 0 < float(precision.double().mean()) < 1 and 0 < float(recall.double().mean()) < 1


def test_radius_is_the_distance_of_the_kth_other() -> None:
    x = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    torch.testing.assert_close(radii(x, 2).sqrt(), torch.tensor([3.0, 2.0, 3.0, 6.0]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_copies_of_repeated_features_are_inside(dtype: torch.dtype) -> None:
    real = (features(20) * 100).to(dtype).repeat(5, 1)  # each radius is 0
    assert inside(real[:20], real, radii(real, 3)).all()
    assert not inside(real[:20] + 1, real, radii(real, 3)).any()
