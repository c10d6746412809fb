"""PCA against the closed form, torch's Gaussian and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA as Reference
from torch.distributions import MultivariateNormal

from tacit.errors import DataError, OptionError
from tacit.methods.classical.pca import PCA
from tacit.protocol import Spec, capabilities

SPEC = Spec("vector", (8,))


def samples(n: int = 400) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(n, 8) @ torch.randn(8, 8) + torch.arange(8.0)


def fitted(latent: int | None, whiten: bool = False) -> PCA:
    pca = PCA(SPEC, latent=latent, whiten=whiten)
    pca.fit(samples())
    return pca


@pytest.mark.parametrize("latent", [1, 3, 8])
def test_density_is_that_of_the_gaussian(latent: int) -> None:
    pca, x = fitted(latent), samples()
    scaled = pca.axes.double().T * (pca.variances - pca.noise).double().clamp_min(0).sqrt()  # W
    covariance = scaled @ scaled.T + pca.noise.double() * torch.eye(8)
    expected = MultivariateNormal(pca.mean.double(), covariance).log_prob(x.double())
    torch.testing.assert_close(pca.log_prob(x).double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("latent", [1, 3, 7])
def test_density_is_scikit_learns_with_variances_of_maximum_likelihood(latent: int) -> None:
    x = samples()
    reference = Reference(latent, svd_solver="full").fit(x.double().numpy())
    reference.explained_variance_ *= (len(x) - 1) / len(x)
    reference.noise_variance_ *= (len(x) - 1) / len(x)
    np.testing.assert_allclose(fitted(latent).log_prob(x), reference.score_samples(x.double().numpy()), rtol=1e-5)


@pytest.mark.parametrize("latent", [2, 8])
def test_mean_log_likelihood_is_the_maximum_in_closed_form(latent: int) -> None:
    x = samples()
    eigenvalues = torch.linalg.eigvalsh(x.double().T.cov(correction=0)).flip(0)
    kept, left = eigenvalues[:latent], eigenvalues[latent:]
    log_det = kept.log().sum() + (len(left) * left.mean().log() if len(left) else 0)
    expected = -0.5 * (8 * math.log(2 * math.pi) + log_det + 8)  # Tipping & Bishop, equation 4 at its maximum
    assert float(fitted(latent).log_prob(x).double().mean()) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("whiten", [False, True])
def test_all_axes_give_everything_back(whiten: bool) -> None:
    pca, x = fitted(8, whiten), samples()
    torch.testing.assert_close(pca.reconstruct(x), x, atol=1e-4, rtol=1e-4)


def test_whitened_latents_have_unit_variance() -> None:
    z = fitted(3, whiten=True).encode(samples())
    torch.testing.assert_close(z.T.cov(correction=0), torch.eye(3), atol=1e-4, rtol=0)


def test_whitened_decode_undoes_encode() -> None:
    z = torch.randn(5, 3)
    pca = fitted(3, whiten=True)
    torch.testing.assert_close(pca.encode(pca.decode(z)), z, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("whiten", [False, True])
def test_log_det_is_that_of_the_jacobian(whiten: bool) -> None:
    pca, x = fitted(8, whiten), samples()[:2]
    jacobian = torch.autograd.functional.jacobian(lambda row: pca.encode(row[None])[0], x[0])
    torch.testing.assert_close(pca.log_det(x)[0], torch.linalg.slogdet(jacobian)[1], atol=1e-4, rtol=1e-4)


def test_only_all_axes_are_invertible() -> None:
    assert "Invertible" in capabilities(fitted(8)) and "Invertible" in capabilities(fitted(None))
    assert "Invertible" not in capabilities(fitted(3))


def test_samples_have_the_models_moments() -> None:
    pca = fitted(3)
    made = pca.sample(50_000, generator=torch.Generator().manual_seed(0))
    scaled = pca.axes.T * (pca.variances - pca.noise).sqrt()
    covariance = scaled @ scaled.T + pca.noise * torch.eye(8)
    torch.testing.assert_close(made.mean(0), pca.mean, atol=0.1, rtol=0)
    assert float((made.T.cov() - covariance).norm() / covariance.norm()) < 0.03
    cool = pca.sample(1_000, temperature=0.0)
    torch.testing.assert_close(cool, pca.mean.expand(1_000, -1))


def test_samples_stay_in_range_and_shape() -> None:
    spec = Spec("image", (1, 2, 4), (0.0, 1.0))
    pca = PCA(spec)
    pca.fit(torch.rand(50, 1, 2, 4).round())
    made = pca.sample(200, temperature=3.0)
    assert made.shape == (200, 1, 2, 4) and float(made.min()) == 0 and float(made.max()) == 1


def test_samples_off_the_plane_and_far_along_it_are_strange() -> None:
    torch.manual_seed(0)
    x = torch.randn(500, 8) * torch.tensor([3.0, 2.0] + [0.1] * 6)
    pca = PCA(SPEC, latent=2)
    pca.fit(x)
    usual = pca.anomaly_score(x).max()
    assert pca.anomaly_score(torch.tensor([[20.0] + [0.0] * 7])) > usual
    assert pca.anomaly_score(torch.tensor([[0.0] * 7 + [2.0]])) > usual


def test_samples_in_a_plane_have_a_density() -> None:
    torch.manual_seed(0)
    x = torch.randn(100, 2) @ torch.randn(2, 8)
    for latent in (2, 5, 8):
        pca = PCA(SPEC, latent=latent)
        pca.fit(x)
        assert pca.log_prob(x).isfinite().all()


def test_one_axis_makes_a_map_of_two() -> None:
    places = fitted(1).embed(samples())
    assert places.shape == (400, 2) and (places[:, 1] == 0).all()


def test_fewer_samples_than_values_will_do() -> None:
    pca = PCA(SPEC)
    pca.fit(samples(5))
    assert pca.encode(samples(5)).shape == (5, 8) and pca.log_prob(samples(5)).isfinite().all()


def test_gradients_flow() -> None:
    x = samples()[:3].requires_grad_()
    fitted(3).log_prob(x).sum().backward()
    assert x.grad is not None and (x.grad.abs().sum(1) > 0).all()


@pytest.mark.parametrize("whiten", [False, True])
def test_the_prior_is_the_law_of_latents_of_samples(whiten: bool) -> None:
    pca = fitted(3, whiten)
    z = pca.prior(20_000, generator=torch.Generator().manual_seed(0))
    made = pca.encode(pca.sample(20_000, generator=torch.Generator().manual_seed(1)))
    torch.testing.assert_close(torch.cov(z.T), torch.cov(made.T), rtol=0.04, atol=0.04 * float(made.var()))
    torch.testing.assert_close(pca.encode(pca.decode(z[:9])), z[:9], rtol=1e-3, atol=1e-3)
    assert pca.gaussian == (3 if whiten else 0)
    assert not whiten or abs(float(z.var(0).max()) - 1) < 0.04


def test_saved_weights_give_the_same() -> None:
    pca, other = fitted(3), PCA(SPEC, latent=3)
    other.restore(pca.state_dict())
    torch.testing.assert_close(pca.log_prob(samples()), other.log_prob(samples()), rtol=0, atol=0)


def test_mistakes_are_named() -> None:
    with pytest.raises(OptionError, match="latent is 9; a sample has 8 values"):
        PCA(SPEC, latent=9)
    with pytest.raises(DataError, match="1 samples are too few"):
        PCA(SPEC).fit(samples(1))
