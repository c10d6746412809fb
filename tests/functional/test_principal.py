"""Principal axes against scikit-learn, whichever way they are found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA as Reference

from tacit.functional import principal
from tacit.functional.principal import principal_axes


def samples(n: int, d: int) -> torch.Tensor:
    torch.manual_seed(0)
    return (torch.randn(n, d) * torch.logspace(0.5, -1.5, d)) @ torch.linalg.qr(torch.randn(d, d))[0] + 3


@pytest.mark.parametrize(("n", "d", "exact"), [(200, 12, 4_096), (40, 90, 50), (300, 80, 20), (5, 12, 4_096)])
def test_axes_are_those_of_the_library(n: int, d: int, exact: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(principal, "EXACT", exact)  # by covariance, by Gram matrix, randomised, few samples
    x = samples(n, d)
    mean, directions, variances, total = principal_axes(x, 4)
    reference = Reference(4, svd_solver="full").fit(x.double().numpy())
    np.testing.assert_allclose(mean, x.double().mean(0), atol=1e-6)
    np.testing.assert_allclose(variances, reference.explained_variance_ * (n - 1) / n, rtol=1e-4)
    np.testing.assert_allclose(total, x.double().var(0, correction=0).sum(), rtol=1e-6)
    alike = (directions.numpy() * reference.components_).sum(1)
    np.testing.assert_allclose(np.abs(alike), 1, atol=1e-4)
    assert (directions.gather(1, directions.abs().argmax(1, keepdim=True)) > 0).all()


def test_a_mean_far_from_zero_costs_no_precision() -> None:
    x = samples(500, 6)
    near, far = principal_axes(x.double(), 6), principal_axes(x.double() + 1e5, 6)
    torch.testing.assert_close(near.variances, far.variances, rtol=1e-6, atol=1e-9)


def test_sums_do_not_depend_on_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    x = samples(500, 6)
    whole = principal_axes(x, 6)
    monkeypatch.setattr(principal, "ROWS", 64)
    torch.testing.assert_close(whole.directions, principal_axes(x, 6).directions)


def test_single_precision_and_few_of_many_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x = samples(300, 40)
    double = principal_axes(x, 4)
    monkeypatch.setattr(principal, "DOUBLE", 8)
    monkeypatch.setattr(principal, "ROWS", 32)
    single = principal_axes(x, 4)
    assert single.variances.dtype == torch.float64
    torch.testing.assert_close(single.variances, double.variances, rtol=1e-6, atol=0)
    torch.testing.assert_close(single.directions, double.directions, rtol=0, atol=1e-5)
