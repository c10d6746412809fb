"""How good estimators are where the truth is known: of a likelihood, and of the gradient of an expectation.

Two experiments, each with a picture::

    likelihood_errors().picture("likelihood.png")
    picture(gaussian_gradients(), categorical_gradients(), "gradients.png")
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.distributions import MultivariateNormal

from tacit.evaluation.intervals import mean_interval
from tacit.functional.annealing import anneal, sigmoid_schedule, step_sizes
from tacit.functional.importance import log_mean_exp
from tacit.functional.likelihoods import categorical, gaussian_each, standard_normal
from tacit.functional.relaxed import concrete, draw_one_hot, straight_through
from tacit.pictures.estimators import Curve, Panel, bands

__all__ = [
    "GradientErrors", "LikelihoodErrors", "LinearGaussian", "categorical_gradients", "gaussian_gradients",
    "likelihood_errors", "picture",
]

CHAINS, LEAPFROGS = 8, 2  # of annealed importance sampling: more samples make its path longer
SIGMA = 0.5  # of the noise of linear-Gaussian models whose signal has about the variance 1
BIASED = frozenset({"Gumbel-Softmax", "straight-through"})
Z = 1.96  # standard errors of a 95 % interval


@dataclass(frozen=True)
class LinearGaussian:
    """z ~ N(0, I), x = W z + sigma noise: a model in which everything is known.

    Arguments:
        weight: W, shape (D, d).
        sigma: Standard deviation of the noise.
    """

    weight: Tensor
    sigma: float

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """Returns log p(x | z) in nats, shape (...), for x (..., D) and z (..., d), which broadcast."""
        log_sigma = torch.tensor(math.log(self.sigma), dtype=x.dtype)
        return gaussian_each(x, z @ self.weight.T, log_sigma).sum(-1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Returns log p(x) in nats, shape (N,)."""
        noise = self.sigma**2 * torch.eye(len(self.weight), dtype=x.dtype)
        mean = torch.zeros(len(self.weight), dtype=x.dtype)
        log_p: Tensor = MultivariateNormal(mean, self.weight @ self.weight.T + noise).log_prob(x)
        return log_p

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the mean of p(z | x), shape (N, d), and the Cholesky factor of its covariance, shape (d, d)."""
        precision = self.weight.T @ self.weight / self.sigma**2 + torch.eye(self.weight.shape[1], dtype=x.dtype)
        covariance = torch.linalg.inv(precision)
        return x @ self.weight @ covariance / self.sigma**2, torch.linalg.cholesky(covariance)

    def simulate(self, n: int, generator: Generator) -> Tensor:
        """Returns n draws of x, shape (n, D)."""
        size, latent = self.weight.shape
        z, noise = (torch.randn(n, s, generator=generator, dtype=self.weight.dtype) for s in (latent, size))
        return z @ self.weight.T + self.sigma * noise


def linear_gaussian(latent: int, generator: Generator) -> LinearGaussian:
    """Returns a model with as many values as latents, of a variance of about 1 each."""
    weight = torch.randn(latent, latent, generator=generator, dtype=torch.float64) / math.sqrt(latent)
    return LinearGaussian(weight, SIGMA)


@dataclass(frozen=True)
class LikelihoodErrors:
    """How far estimates of log p(x) are from it.

    Arguments:
        estimators: Names of the M estimators.
        latents: Dimensions of the latent space, int64 (L,).
        samples: Evaluations of p(x | z) that each estimate took, int64 (S,).
        error: Mean absolute error in nats, shape (M, L, S).
        low: Lower ends of its 95 % intervals by the bootstrap over x, shape (M, L, S).
        high: Upper ends, shape (M, L, S).
    """

    estimators: tuple[str, ...]
    latents: Tensor
    samples: Tensor
    error: Tensor
    low: Tensor
    high: Tensor

    def picture(self, path: str | Path) -> Path:
        """Draws a panel for each number of latents, and returns where it was written."""
        panels = [
            Panel(f"{latent} latent{'s' if latent > 1 else ''}", "evaluations of p(x | z)", "error of log p(x), nats", [
                Curve(name, self.samples, self.error[m, i], self.low[m, i], self.high[m, i])
                for m, name in enumerate(self.estimators)
            ])
            for i, latent in enumerate(self.latents.tolist())
        ]
        about = "Mean absolute error on a linear-Gaussian model, whose log p(x) is known; bands are 95 % intervals"
        return bands(panels, path, title="How hard a likelihood is to estimate", subtitle=about)


Estimator = Callable[[LinearGaussian, Tensor, Tensor, Generator], Tensor]
"""From a model, x (N, D), numbers of samples (S,) and a generator to estimates of log p(x), shape (S, N)."""


def likelihood_errors(
    *,
    latents: Sequence[int] = (2, 8, 32),
    samples: Sequence[int] = (16, 64, 256, 1024, 4096),
    stretch: float = 1.3,
    cases: int = 64,
    seed: int = 0,
) -> LikelihoodErrors:
    """Compares naive Monte Carlo, importance sampling and annealed importance sampling as the latent space grows.

    Annealed importance sampling spends its evaluations on 8 chains from the prior, of 2 leapfrog steps at each
    temperature; those of the chains that find its step sizes are not counted.

    Arguments:
        latents: Dimensions of the latent space, one model each.
        samples: Evaluations of p(x | z) for each estimate, at least 16.
        stretch: How much wider the encoder's posterior is than the true one: s^2 / 2 - 1 / 2 - log s nats from it in
            each dimension.
        cases: How many x each model draws.
        seed: Of all randomness.

    References:
        Burda et al. 2015, arXiv:1509.00519 (importance sampling). Wu et al. 2016, arXiv:1611.04273 (annealed).
    """
    wide = f"importance sampling, posterior {stretch:g} times too wide"

    def stretched(model: LinearGaussian, x: Tensor, counts: Tensor, generator: Generator) -> Tensor:
        return importance_sampling(model, x, counts, generator, stretch)

    estimators: Mapping[str, Estimator] = {
        "naive Monte Carlo": monte_carlo, wide: stretched, "annealed importance sampling": annealed,
    }
    counts = torch.tensor(samples)
    found = torch.empty(3, len(estimators), len(latents), len(samples), dtype=torch.float64)
    for i, latent in enumerate(latents):
        generator = torch.Generator().manual_seed(seed)
        model = linear_gaussian(latent, generator)
        x = model.simulate(cases, generator)
        for m, estimate in enumerate(estimators.values()):
            errors = (estimate(model, x, counts, generator) - model.log_prob(x)).abs()  # (S, N)
            found[:, m, i] = torch.tensor([mean_interval(row, seed=seed) for row in errors]).T
    return LikelihoodErrors(tuple(estimators), torch.tensor(latents), counts, *found)


def monte_carlo(model: LinearGaussian, x: Tensor, counts: Tensor, generator: Generator) -> Tensor:
    """Returns log of the mean of p(x | z) over draws of the prior."""
    shape = int(counts.max()), len(x), model.weight.shape[1]
    z = torch.randn(shape, generator=generator, dtype=x.dtype)
    return of_the_first(model.log_likelihood(x, z), counts)


def importance_sampling(
    model: LinearGaussian, x: Tensor, counts: Tensor, generator: Generator, stretch: float
) -> Tensor:
    """Returns log of the mean of p(x, z) / q(z | x) over draws of q, the true posterior made wider."""
    mean, factor = model.posterior(x)
    eps = torch.randn(int(counts.max()), *mean.shape, generator=generator, dtype=x.dtype)
    z = mean + stretch * eps @ factor.T  # (S, N, d)
    log_q = (standard_normal(eps) - math.log(stretch) - factor.diagonal().log()).sum(-1)
    return of_the_first(model.log_likelihood(x, z) + standard_normal(z).sum(-1) - log_q, counts)


def annealed(model: LinearGaussian, x: Tensor, counts: Tensor, generator: Generator) -> Tensor:
    """Returns log of the mean weight of chains that walk from the prior to the posterior."""
    start = torch.randn(2, CHAINS, len(x), model.weight.shape[1], generator=generator, dtype=x.dtype)

    def log_first(z: Tensor) -> Tensor:
        return standard_normal(z).sum(-1)

    def log_last(z: Tensor) -> Tensor:
        return log_first(z) + model.log_likelihood(x, z)

    estimates = []
    for count in counts.tolist():
        path = {"temperatures": sigmoid_schedule(max(1, count // (CHAINS * LEAPFROGS)))}
        steps = step_sizes(log_first, log_last, start[0], **path, leapfrogs=LEAPFROGS, generator=generator)
        walk = anneal(log_first, log_last, start[1], **path, steps=steps, leapfrogs=LEAPFROGS, generator=generator)
        estimates.append(log_mean_exp(walk.log_w))
    return torch.stack(estimates)


def of_the_first(log_w: Tensor, counts: Tensor) -> Tensor:
    """Returns log of the mean of the first weights, for several numbers of them, shape (S, N)."""
    return log_w.logcumsumexp(0)[counts - 1] - counts[:, None].log()


@dataclass(frozen=True)
class GradientErrors:
    """How far single draws of a gradient are from it; lengths are shares of its own.

    Arguments:
        problem: The parameters by which the gradient is.
        setting: What differs from place to place: the number of latents, or the temperature.
        places: Its values, shape (P,).
        estimators: Names of the M estimators.
        biased: Whether each is known to be biased.
        bias: Length of the mean error of all draws, shape (M, P).
        chance: The root mean square of that length if there is no bias, shape (M, P).
        variance: Mean squared distance of a draw from the mean of all, shape (M, P).
        reach: Of its 95 % interval, to both sides, shape (M, P).
    """

    problem: str
    setting: str
    places: Tensor
    estimators: tuple[str, ...]
    biased: tuple[bool, ...]
    bias: Tensor
    chance: Tensor
    variance: Tensor
    reach: Tensor


Surrogate = Callable[[Tensor], Tensor]
"""From parameters, repeated (N, P), to numbers (N,) whose gradients are estimates, each from one draw."""


def gaussian_gradients(
    *, latents: Sequence[int] = (1, 2, 4, 8, 16, 32), draws: int = 40_000, seed: int = 0
) -> GradientErrors:
    """Compares gradients of E[log p(x | z)] by mean and log scale of z ~ N(mean, scale^2), as z gets more dimensions.

    Arguments:
        latents: Dimensions of z, one linear-Gaussian model each.
        draws: Of each estimate.
        seed: Of all randomness.

    References:
        Kingma & Welling 2013, arXiv:1312.6114 (pathwise). Williams 1992, Simple statistical gradient-following
        algorithms for connectionist reinforcement learning, Machine Learning 8 (score function).
    """
    columns = []
    for latent in latents:
        generator = torch.Generator().manual_seed(seed)
        model = linear_gaussian(latent, generator)
        x = model.simulate(1, generator)
        prior = torch.zeros(2 * latent, dtype=x.dtype, requires_grad=True)  # mean 0, log scale 0
        value = expected(model, x, prior)
        eps = torch.randn(draws, latent, generator=generator, dtype=x.dtype)
        columns.append(compared(gaussian_surrogates(model, x, eps, value.item()), prior, value, draws))
    return gathered("mean and scale of a Gaussian", "latents", latents, columns)


def expected(model: LinearGaussian, x: Tensor, parameters: Tensor) -> Tensor:
    """Returns E[log p(x | z)] over z ~ N(mean, scale^2), a scalar, for one x, shape (1, D)."""
    mean, log_scale = parameters.chunk(2)
    spread = (2 * log_scale).exp() @ model.weight.square().sum(0) / (2 * model.sigma**2)
    return model.log_likelihood(x, mean).sum() - spread


def gaussian_surrogates(model: LinearGaussian, x: Tensor, eps: Tensor, baseline: float) -> dict[str, Surrogate]:
    """Returns the estimators for a Gaussian by their names, all on the same noise, shape (N, d)."""

    def drawn(parameters: Tensor) -> Tensor:
        mean, log_scale = parameters.chunk(2, dim=1)
        return mean + log_scale.exp() * eps

    def score(parameters: Tensor, less: float = 0.0) -> Tensor:
        z = drawn(parameters).detach()
        return (model.log_likelihood(x, z) - less) * gaussian_each(z, *parameters.chunk(2, dim=1)).sum(1)

    return {
        "score function": score,
        "score function with a baseline": lambda parameters: score(parameters, baseline),
        "pathwise": lambda parameters: model.log_likelihood(x, drawn(parameters)),
    }


def categorical_gradients(
    *, taus: Sequence[float] = (0.1, 0.2, 0.5, 1.0, 2.0), categories: int = 8, draws: int = 40_000, seed: int = 0
) -> GradientErrors:
    """Compares gradients of E[log p(x | z)] by the logits of a categorical z, at several temperatures.

    Arguments:
        taus: Temperatures of the relaxations; the score function has none.
        categories: Of z, written one-hot.
        draws: Of each estimate.
        seed: Of all randomness.

    References:
        Jang, Gu & Poole 2016, arXiv:1611.01144. Maddison, Mnih & Teh 2016, arXiv:1611.00712.
    """
    generator = torch.Generator().manual_seed(seed)
    model = linear_gaussian(categories, generator)
    x = model.simulate(1, generator)
    logits = torch.randn(categories, generator=generator, dtype=x.dtype).requires_grad_()
    value = logits.softmax(0) @ model.log_likelihood(x, torch.eye(categories, dtype=x.dtype))  # enumerated
    columns = [
        compared(categorical_surrogates(model, x, tau, value.item(), seed), logits, value, draws) for tau in taus
    ]
    return gathered(f"logits of {categories} categories", "temperature", taus, columns)


def categorical_surrogates(
    model: LinearGaussian, x: Tensor, tau: float, baseline: float, seed: int
) -> dict[str, Surrogate]:
    """Returns the estimators for a categorical by their names, all on the same noise."""

    def relaxed(logits: Tensor) -> Tensor:
        return concrete(logits, tau, generator=torch.Generator().manual_seed(seed)).exp()

    def score(logits: Tensor, less: float = 0.0) -> Tensor:
        z = draw_one_hot(logits, generator=torch.Generator().manual_seed(seed))
        return (model.log_likelihood(x, z) - less) * categorical(z, logits)

    return {
        "score function": score,
        "score function with a baseline": lambda logits: score(logits, baseline),
        "Gumbel-Softmax": lambda logits: model.log_likelihood(x, relaxed(logits)),
        "straight-through": lambda logits: model.log_likelihood(x, straight_through(relaxed(logits))),
    }


def compared(
    surrogates: Mapping[str, Surrogate], parameters: Tensor, value: Tensor, draws: int
) -> dict[str, tuple[float, ...]]:
    """Returns bias, chance, variance and reach of each estimator, as `GradientErrors` has them.

    Arguments:
        surrogates: The estimators by their names.
        parameters: Where the gradient is taken, shape (P,).
        value: What is estimated, a function of the parameters, a scalar.
        draws: Of each.
    """
    (exact,) = torch.autograd.grad(value, parameters, retain_graph=True)
    found: dict[str, tuple[float, ...]] = {}
    for name, surrogate in surrogates.items():
        repeated = parameters.detach().repeat(draws, 1).requires_grad_()  # (N, P)
        (each,) = torch.autograd.grad(surrogate(repeated).sum(), repeated)
        each = each / exact.norm()
        apart = (each - each.mean(0)).square().sum(1)  # (N,)
        bias, variance = (each.mean(0) - exact / exact.norm()).norm(), apart.mean()
        reach = Z * apart.std() / math.sqrt(draws)
        found[name] = (bias.item(), math.sqrt(variance.item() / draws), variance.item(), reach.item())
    return found


def gathered(
    problem: str, setting: str, places: Sequence[float], columns: Sequence[Mapping[str, tuple[float, ...]]]
) -> GradientErrors:
    """Returns what `compared` found at each place, in arrays."""
    names = tuple(columns[0])
    found = torch.tensor([[column[name] for column in columns] for name in names], dtype=torch.float64)  # (M, P, 4)
    return GradientErrors(problem, setting, torch.tensor(places), names, tuple(n in BIASED for n in names),
                          *found.unbind(-1))  # fmt: skip


def picture(gaussian: GradientErrors, categorical: GradientErrors, path: str | Path) -> Path:
    """Draws the variance of both, and the bias of the second, and returns where it was written.

    Arguments:
        gaussian: Of `gaussian_gradients`.
        categorical: Of `categorical_gradients`.
        path: Where to write.
    """
    panels = [
        Panel(f"Variance, by {errors.problem}", errors.setting, "variance / squared length", [
            Curve(name, errors.places, variance, variance - reach, variance + reach)
            for name, variance, reach in zip(errors.estimators, errors.variance, errors.reach, strict=True)
        ])
        for errors in (gaussian, categorical)
    ]
    panels.append(Panel(f"Bias, by {categorical.problem}", categorical.setting, "bias / length", [
        Curve(name, categorical.places, bias, bias - 2 * chance, bias + 2 * chance)
        for name, bias, chance, biased in zip(
            categorical.estimators, categorical.bias, categorical.chance, categorical.biased, strict=True)
        if biased
    ]))
    about = "One draw against the exact gradient, in shares of its length; only the relaxed estimators are biased"
    return bands(panels, path, title="What a gradient through a draw costs", subtitle=about)
