"""The Frechet distance against closed forms, scipy and torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch

from tacit.functional import frechet
from tacit.functional.frechet import Moments, frechet_distance


def features(n: int, shift: float = 0.0, seed: int = 0, dims: int = 24) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(dims, dims, generator=generator)
    return torch.randn(n, dims, generator=generator) @ mix + shift


def test_moments_in_parts_are_those_of_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frechet, "ROWS", 7)
    x = features(100) + 1_000
    moments = Moments.of(x)
    assert moments.count == 100
    np.testing.assert_allclose(moments.mean, x.double().numpy().mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance, np.cov(x.double().numpy().T), rtol=1e-9, atol=1e-9)


def test_sum_is_that_of_both_sets_in_any_order() -> None:
    a, b, whole = features(30), features(51, shift=5.0, seed=1), torch.cat([features(30), features(51, 5.0, seed=1)])
    for both in (Moments.of(a) + Moments.of(b), Moments.of(b) + Moments.of(a)):
        torch.testing.assert_close(both.scatter, Moments.of(whole).scatter)
        torch.testing.assert_close(both.mean, Moments.of(whole).mean)


def test_distance_is_that_of_scipy_and_torchmetrics() -> None:
    reference = pytest.importorskip("torchmetrics.image.fid")
    a, b = Moments.of(features(500)), Moments.of(features(400, shift=0.3, seed=1))
    ours = frechet_distance(a, b)
    theirs = float(reference._compute_fid(a.mean, a.covariance, b.mean, b.covariance))
    root = scipy.linalg.sqrtm((a.covariance @ b.covariance).numpy())
    formula = float((a.mean - b.mean).square().sum() + (a.covariance + b.covariance).trace() - 2 * root.real.trace())
    assert ours == pytest.approx(theirs, rel=1e-6)
    assert ours == pytest.approx(formula, rel=1e-6)


def test_distance_with_fewer_samples_than_dimensions_is_the_nuclear_norms() -> None:
    x, y = features(15, dims=60).double(), features(20, seed=1, dims=60).double()
    a, b = Moments.of(x), Moments.of(y)
    left, right = ((z - z.mean(0)) / (len(z) - 1) ** 0.5 for z in (x, y))
    norm = torch.linalg.svdvals(left @ right.T).sum()  # tr (A B)^(1/2) for A = left' left, B = right' right
    expected = (a.mean - b.mean).square().sum() + left.square().sum() + right.square().sum() - 2 * norm
    assert frechet_distance(a, b) == pytest.approx(float(expected), rel=1e-6)
    assert frechet_distance(b, a) == pytest.approx(float(expected), rel=1e-6)


def test_distance_of_scaled_and_shifted_features_is_the_closed_form() -> None:
    x = features(300).double()
    moved = Moments.of(3 * x + 2)  # the root of A (9 A) is 3 A
    mean, spread = x.mean(0), Moments.of(x).covariance.trace()
    expected = (2 * mean + 2).square().sum() + (1 - 3) ** 2 * spread
    assert frechet_distance(Moments.of(x), moved) == pytest.approx(float(expected), rel=1e-8)
    assert frechet_distance(Moments.of(x), Moments.of(x)) == pytest.approx(0, abs=1e-6)


def test_constant_features_have_a_distance() -> None:
    still = Moments.of(torch.ones(5, 3))
    assert frechet_distance(still, Moments.of(torch.zeros(5, 3))) == pytest.approx(3)
