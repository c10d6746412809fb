"""The estimators' experiments: closed forms, known rates, and which of them are biased."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.distributions import MultivariateNormal

from tacit.evaluation.estimators import (
    GradientErrors,
    LikelihoodErrors,
    LinearGaussian,
    categorical_gradients,
    categorical_surrogates,
    expected,
    gaussian_gradients,
    importance_sampling,
    likelihood_errors,
    linear_gaussian,
    picture,
)
from tacit.pictures.estimators import Curve, Panel, bands

DOUBLE = torch.float64


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def likelihoods() -> LikelihoodErrors:
    return likelihood_errors(latents=(1, 8, 24), samples=(16, 64, 1024), cases=48)


@pytest.fixture(scope="module")
def gradients() -> tuple[GradientErrors, GradientErrors]:
    return gaussian_gradients(latents=(1, 4, 16)), categorical_gradients(taus=(0.2, 0.5, 2.0))


def test_the_model_knows_its_likelihood_and_its_posterior() -> None:
    model = linear_gaussian(3, generator())
    x, z = model.simulate(4, generator(1)), torch.randn(4, 3, generator=generator(2), dtype=DOUBLE)
    mean, factor = model.posterior(x)
    log_joint = model.log_likelihood(x, z) + MultivariateNormal(torch.zeros(3, dtype=DOUBLE), torch.eye(3)).log_prob(z)
    log_posterior = MultivariateNormal(mean, scale_tril=factor).log_prob(z)
    torch.testing.assert_close(log_joint - log_posterior, model.log_prob(x))  # whatever z


def test_simulated_samples_have_the_models_covariance() -> None:
    model = LinearGaussian(torch.tensor([[2.0], [1.0]], dtype=DOUBLE), 0.5)
    x = model.simulate(40_000, generator())
    covariance = torch.tensor([[4.25, 2.0], [2.0, 1.25]], dtype=DOUBLE)
    torch.testing.assert_close(torch.cov(x.T), covariance, atol=0.1, rtol=0)


def test_importance_sampling_from_the_true_posterior_has_no_error() -> None:
    model = linear_gaussian(5, generator())
    x = model.simulate(6, generator(1))
    found = importance_sampling(model, x, torch.tensor([1, 3]), generator(2), 1.0)
    torch.testing.assert_close(found, model.log_prob(x).expand(2, 6))


def test_errors_fall_with_the_root_of_the_samples(likelihoods: LikelihoodErrors) -> None:
    for m in (0, 1):  # Monte Carlo and importance sampling, one latent
        assert likelihoods.error[m, 0, 1] / likelihoods.error[m, 0, 2] == pytest.approx(4, rel=0.4)  # of 64 and 1,024


def test_latents_make_it_harder_and_a_posterior_or_a_path_easier(likelihoods: LikelihoodErrors) -> None:
    naive, importance, annealed = likelihoods.error
    assert (naive[:-1] < naive[1:] / 3).all()  # of 1, 8 and 24 latents
    assert naive[2, 2] > 5  # a thousand draws of the prior are nats away
    assert naive[2, 2] > 4 * annealed[2, 2] > 8 * importance[2, 2]
    assert importance[2, 2] < 0.2
    assert ((likelihoods.low <= likelihoods.error) & (likelihoods.error <= likelihoods.high)).all()


def test_the_expectation_over_a_gaussian_is_that_of_many_draws() -> None:
    model = linear_gaussian(3, generator())
    x, parameters = model.simulate(1, generator(1)), torch.tensor([0.5, -1.0, 0.0, -0.3, 0.2, 0.1], dtype=DOUBLE)
    mean, log_scale = parameters.chunk(2)
    z = mean + log_scale.exp() * torch.randn(100_000, 3, generator=generator(2), dtype=DOUBLE)
    values = model.log_likelihood(x, z)
    assert abs(values.mean() - expected(model, x, parameters)) < 4 * values.std() / math.sqrt(len(values))


def test_unbiased_gradients_are_right_on_average_and_biased_ones_are_named(
    gradients: tuple[GradientErrors, GradientErrors],
) -> None:
    for errors in gradients:
        for name, biased, bias, chance in zip(
            errors.estimators, errors.biased, errors.bias, errors.chance, strict=True
        ):
            assert biased == (name in ("Gumbel-Softmax", "straight-through"))
            assert (bias < 3 * chance).all() if not biased else bias[-1] > 10 * chance[-1], name


def test_variances_are_ordered_as_theory_has_it(gradients: tuple[GradientErrors, GradientErrors]) -> None:
    gaussian, categorical = (dict(zip(e.estimators, e.variance, strict=True)) for e in gradients)
    score, baseline = "score function", "score function with a baseline"
    assert (gaussian["pathwise"] < gaussian[baseline] / 3).all() and (gaussian[baseline] < gaussian[score]).all()
    assert gaussian[score][-1] > 5 * gaussian[score][0] and gaussian["pathwise"][-1] < 3 * gaussian["pathwise"][0]
    assert (categorical[baseline] < categorical[score] / 5).all()
    assert (categorical["Gumbel-Softmax"].diff() < 0).all() and (categorical["straight-through"].diff() < 0).all()
    bias = dict(zip(gradients[1].estimators, gradients[1].bias, strict=True))
    assert bias["Gumbel-Softmax"][0] < bias["Gumbel-Softmax"][1] < bias["Gumbel-Softmax"][2]


def test_the_score_function_gradient_is_that_of_all_categories() -> None:
    """By hand: d/dl_k sum_j p_j f_j = p_k (f_k - f), which the mean over draws comes to."""
    model = linear_gaussian(4, generator())
    x, logits = model.simulate(1, generator(1)), torch.tensor([0.3, -1.0, 0.5, 0.0], dtype=DOUBLE)
    f, p = model.log_likelihood(x, torch.eye(4, dtype=DOUBLE)), logits.softmax(0)
    repeated = logits.repeat(50_000, 1).requires_grad_()
    surrogate = categorical_surrogates(model, x, 1.0, float(p @ f), 0)["score function with a baseline"]
    (each,) = torch.autograd.grad(surrogate(repeated).sum(), repeated)
    error = each.std(0) / math.sqrt(len(each))
    assert ((each.mean(0) - p * (f - p @ f)).abs() < 4 * error).all()


def test_the_same_seed_gives_the_same_figures(gradients: tuple[GradientErrors, GradientErrors]) -> None:
    assert torch.equal(gaussian_gradients(latents=(1, 4, 16)).variance, gradients[0].variance)
    assert not torch.equal(gaussian_gradients(latents=(1, 4, 16), seed=1).variance, gradients[0].variance)
    first, again = (likelihood_errors(latents=(2,), samples=(32,), cases=4).error for _ in range(2))
    assert torch.equal(first, again)


def looked_at(path: Path, panels: int) -> None:
    """Checks that nothing touches the rim, and that every panel has something in it."""
    with Image.open(path) as image:
        picture = np.asarray(image.convert("RGB")).astype(int)
    drawn = np.abs(picture - picture[0, 0]).max(2) > 8
    assert not (drawn[:8].any() or drawn[-8:].any() or drawn[:, :8].any() or drawn[:, -8:].any())
    assert all(part.mean() > 0.01 for part in np.array_split(drawn, panels, axis=1))


def test_pictures(
    likelihoods: LikelihoodErrors, gradients: tuple[GradientErrors, GradientErrors], tmp_path: Path
) -> None:
    looked_at(likelihoods.picture(tmp_path / "likelihood.png"), 3)
    looked_at(picture(*gradients, tmp_path / "gradients.png"), 3)


def test_a_curve_that_is_not_above_zero_can_be_drawn(tmp_path: Path) -> None:
    x = torch.tensor([1.0, 10.0])
    flat = Curve("nothing", x, torch.zeros(2), -torch.ones(2), torch.zeros(2))
    rising = Curve("something", x, torch.tensor([1.0, 2.0]), torch.zeros(2), torch.tensor([3.0, 3.0]))
    looked_at(bands([Panel("one", "x", "y", [flat, rising])], tmp_path / "a.png", title="Curves"), 1)
