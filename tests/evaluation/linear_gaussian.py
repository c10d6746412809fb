"""A model of which everything is known: x = W z + sigma e, with z and e standard normal."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.distributions import MultivariateNormal, Normal

from tacit.protocol import Method, Spec


class LinearGaussian(Method):
    """Infers with the exact posterior, or with one that is shifted and stretched.

    Arguments:
        spec: What one sample is.
        latent: Dimensions of the latent space.
        sigma: Of the noise.
        shift: By how much the posterior's mean is off.
        stretch: By how much its standard deviations are.
        correlated: Whether it is the exact one but for that, or has the exact one's diagonal covariance.
    """

    accepts = ("vector",)
    discrete = False

    def __init__(
        self, spec: Spec, *, latent: int = 2, sigma: float = 0.5, shift: float = 0.0, stretch: float = 1.0,
        correlated: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(spec)
        generator = torch.Generator().manual_seed(0)
        self.latent, self.sigma, self.shift = latent, sigma, shift
        weight = torch.randn(spec.size, latent, generator=generator, dtype=torch.float64)
        weight[:, 1:] += weight[:, :1]  # so that latents are correlated in the posterior
        self.register_buffer("weight", weight)
        precision = torch.eye(latent).double() + self.weight.T @ self.weight / sigma**2
        self.covariance = torch.linalg.inv(precision)
        exact = torch.linalg.cholesky(self.covariance)
        self.root = stretch * (exact if correlated else torch.diag_embed(self.covariance.diagonal().sqrt()))

    def fit(self, x: Tensor) -> None:
        """Knows all already."""

    def exact(self, x: Tensor) -> Tensor:
        """Returns log p(x)."""
        covariance = self.weight @ self.weight.T + self.sigma**2 * torch.eye(self.spec.size)
        return MultivariateNormal(torch.zeros(self.spec.size).double(), covariance).log_prob(x.double())

    def mean(self, x: Tensor) -> Tensor:
        """Returns the mean of p(z | x), shape (N, d)."""
        return x.double() @ self.weight @ self.covariance / self.sigma**2

    def kl(self) -> float:
        """Returns KL(q || p(z | x)), the same for every x."""
        true = MultivariateNormal(torch.zeros(self.latent).double(), self.covariance)
        q = MultivariateNormal(torch.full((self.latent,), self.shift).double(), scale_tril=self.root)
        return float(torch.distributions.kl_divergence(q, true))

    def infer(self, x: Tensor, *, k: int = 1, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        mean = self.mean(x) + self.shift
        eps = torch.randn(k, *mean.shape, generator=generator, dtype=torch.float64)
        z = mean + eps @ self.root.T
        return z, MultivariateNormal(mean, scale_tril=self.root).log_prob(z)

    def log_prior(self, z: Tensor) -> Tensor:
        return Normal(0.0, 1.0).log_prob(z).sum(-1)

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        return Normal(z.double() @ self.weight.T, self.sigma).log_prob(x.double()).sum(-1) + self.log_prior(z.double())

    def simulate(self, n: int, *, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        z = torch.randn(n, self.latent, generator=generator, dtype=torch.float64)
        noise = torch.randn(n, self.spec.size, generator=generator, dtype=torch.float64)
        return z @ self.weight.T + self.sigma * noise, z
