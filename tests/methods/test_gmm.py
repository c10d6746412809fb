"""A Gaussian mixture against scikit-learn's own densities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

from tacit.errors import DataError, OptionError
from tacit.methods.classical import gmm
from tacit.methods.classical.gmm import GMM
from tacit.protocol import Spec

SPEC = Spec("vector", (3,))
SHAPES = ("full", "diag", "spherical")


def blobs(n: int = 600) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(3)
    label = torch.arange(n) % 3
    centres = 6 * torch.randn(3, 3)
    return centres[label] + torch.randn(n, 3) @ torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.6, 0.2], [0.0, 0.0, 0.3]]), label


def fitted(monkeypatch: pytest.MonkeyPatch, covariance: Any, **options: Any) -> tuple[GMM, GaussianMixture]:
    kept: list[GaussianMixture] = []

    class Kept(GaussianMixture):
        def fit(self, X: Any, y: Any = None) -> Any:  # noqa: N803
            kept.append(self)
            return super().fit(X, y)

    monkeypatch.setattr(gmm, "GaussianMixture", Kept)
    method = GMM(SPEC, components=3, covariance=covariance, **options)
    method.fit(blobs()[0])
    kept[0].means_ += blobs()[0].double().mean(0).numpy()  # the library sees centred samples
    return method, kept[0]


@pytest.mark.parametrize("covariance", SHAPES)
def test_densities_and_groups_are_the_librarys(covariance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method, reference = fitted(monkeypatch, covariance)
    x = torch.cat([blobs()[0], 5 * torch.randn(50, 3)])
    np.testing.assert_allclose(method.log_prob(x), reference.score_samples(x.double().numpy()), rtol=1e-5, atol=1e-5)
    assert method.assign(x).tolist() == reference.predict(x.double().numpy()).tolist()
    assert method.bound() == "exact"


@pytest.mark.parametrize("covariance", SHAPES)
def test_samples_have_the_librarys_moments(covariance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method, reference = fitted(monkeypatch, covariance)
    made = method.sample(40_000, generator=torch.Generator().manual_seed(0))
    group = method.assign(made)
    for k in range(3):
        expected = {"full": lambda c: c, "diag": np.diag, "spherical": lambda c: c * np.eye(3)}[covariance](
            reference.covariances_[k]
        )
        mine = made[group == k]
        assert len(mine) / len(made) == pytest.approx(reference.weights_[k], abs=0.02)
        np.testing.assert_allclose(mine.mean(0), reference.means_[k], atol=0.05)
        np.testing.assert_allclose(mine.T.cov(), expected, atol=0.06)


def test_temperature_narrows_each_gaussian(monkeypatch: pytest.MonkeyPatch) -> None:
    method, _ = fitted(monkeypatch, "full")
    cold = method.sample(100, temperature=0.0)
    assert float(torch.cdist(cold, method.means).amin(1).max()) < 1e-4


def test_auto_is_full_for_few_values_and_diagonal_for_many() -> None:
    assert GMM(Spec("vector", (64,))).covariance == "full"
    assert GMM(Spec("vector", (65,))).covariance == "diag"


def test_a_part_is_drawn_of_very_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gmm, "MOST", 3)
    method = GMM(SPEC, components=2)
    method.fit(torch.randn(10_007, 3))
    assert method.note.startswith("fitted on 10,000 of 10,007 samples")


def test_what_has_not_converged_says_so() -> None:
    method = GMM(SPEC, components=8, iterations=1)
    method.fit(torch.rand(300, 3))
    assert method.note == "not converged after 1 iterations"


def test_constant_values_have_a_density() -> None:
    x = blobs()[0]
    x[:, 1] = 0.5
    method = GMM(SPEC, components=3)
    method.fit(x)
    assert method.log_prob(x).isfinite().all()


def test_units_do_not_matter() -> None:
    x = blobs()[0]
    found = []
    for unit in (1.0, 1e-3):
        method = GMM(SPEC, components=3)
        torch.manual_seed(0)
        method.fit(x * unit)
        found.append(method.log_prob(x * unit) + 3 * np.log(unit))
    torch.testing.assert_close(found[0], found[1], atol=1e-3, rtol=1e-4)


def test_gradients_flow() -> None:
    method = GMM(SPEC, components=1)
    method.fit(blobs()[0])
    x = blobs()[0][:4].requires_grad_()
    method.log_prob(x).sum().backward()
    factor = method.factors[0]
    expected = -(x.detach() - method.means[0]) @ factor @ factor.T
    torch.testing.assert_close(x.grad, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("covariance", SHAPES)
def test_saved_weights_give_the_same(covariance: Any) -> None:
    method, other = (GMM(SPEC, components=3, covariance=covariance) for _ in range(2))
    method.fit(blobs()[0])
    other.restore(method.state_dict())
    assert torch.equal(method.log_prob(blobs()[0]), other.log_prob(blobs()[0]))


def test_mistakes_are_named() -> None:
    with pytest.raises(DataError, match="4 samples cannot make 10 Gaussians"):
        GMM(SPEC).fit(torch.rand(4, 3))
    with pytest.raises(OptionError, match="components is 0"):
        GMM(SPEC, components=0)
