"""The variational autoencoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Generator, Tensor, nn

from tacit.functional.divergences import kl_standard_normal
from tacit.functional.importance import log_mean_exp
from tacit.functional.likelihoods import gaussian
from tacit.functional.noise import normal
from tacit.nets.coders import decoder as decoder_for
from tacit.nets.coders import encoder as encoder_for
from tacit.nets.observations import observation
from tacit.protocol import Batch, Bound, Loss, Method, Optim, Recipe, Spec

__all__ = ["VAE"]

ROWS = 4096  # decoded at once for an importance-weighted bound
ACTIVE = 0.01  # variance of the posterior mean over the data above which a unit is active (Burda et al. 2015)


class VAE(Method):
    """Variational autoencoder: a smooth latent space with a prior, a bound on the likelihood, and samples.

    References:
        Kingma & Welling 2013, arXiv:1312.6114. Higgins et al. 2017 (beta). Kingma et al. 2016, arXiv:1606.04934
        (free bits). Burda et al. 2015, arXiv:1509.00519 (the bound of k draws).

    Arguments:
        spec: What one sample is.
        latent: Dimensions of the latent space.
        likelihood: Of the data given a latent: gaussian; bernoulli (of binary data a likelihood, of grey values only
            a loss); logistic (of 8-bit images, discrete); mixed (of tables); auto is mixed for tables, else gaussian.
        sigma: Scale of gaussian, logistic and mixed; by default learned: one for all values, of a table one a column.
        beta: Weight of the KL divergence; 1 is the evidence lower bound.
        warmup_steps: Steps over which that weight rises linearly from 0.
        free_bits: Nats of each latent dimension, averaged over the batch, below which its KL is not pressed.
        width: Units of each hidden layer, or channels of the first convolution; by default 512 or 16.
        depth: Hidden layers of an mlp; 0 makes it linear.
        net: Which net; auto takes convolutions for images and maps, an mlp for the rest.
        encoder: Your own module, (N, *shape) to (N, 2 latent): the posterior's mean and log-variance.
        decoder: Your own module, (N, latent) to (N, *shape): the likelihood's mean before squashing, or logits.

    Raises:
        DataError: If the data are not in the likelihood's range, or images are too small for the net.
        OptionError: If the likelihood does not suit the data.
    """

    accepts = ("image", "map", "vector", "table")

    def __init__(
        self,
        spec: Spec,
        *,
        latent: int = 16,
        likelihood: Literal["auto", "gaussian", "bernoulli", "logistic", "mixed"] = "auto",
        sigma: float | None = None,
        beta: float = 1.0,
        warmup_steps: int = 0,
        free_bits: float = 0.0,
        width: int | None = None,
        depth: int = 2,
        net: Literal["auto", "mlp", "conv"] = "auto",
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        super().__init__(spec)
        self.latent, self.beta, self.warmup_steps, self.free_bits = latent, beta, warmup_steps, free_bits
        self.encoder = encoder or encoder_for(spec, 2 * latent, width=width, depth=depth, net=net)
        self.decoder = decoder or decoder_for(spec, latent, width=width, depth=depth, net=net)
        self.observation = observation(spec, likelihood, sigma)
        self.discrete = self.observation.discrete

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields -ELBO (equation 3): sums over values and latents, means over the batch only."""
        mean, log_var = self.posterior(batch.x)
        z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)  # (N, d), equation 10
        log_p = self.log_likelihood(batch.x, z).mean()
        kl = kl_standard_normal(mean, log_var).mean(0)  # (N, d) -> (d,)
        pressed = kl.clamp_min(self.free_bits).sum()
        active = (mean.detach().var(0, correction=0) > ACTIVE).float().sum()
        terms = {"reconstruction": -log_p.detach(), "kl": kl.detach().sum(), "active_units": active}
        yield Loss("model", self.weight() * pressed - log_p, terms)

    def weight(self) -> float:
        """Returns the weight of the KL divergence at this step."""
        return self.beta * min(1.0, (self.clock.step + 1) / max(1, self.warmup_steps))

    def recipe(self) -> Recipe:
        """Returns how it likes to be trained."""
        return Recipe(batch=128, steps=5_000, optim={"model": Optim(lr=1e-3, schedule="cosine", warmup=50)})

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns mean and log-variance of q(z | x), each of shape (N, d)."""
        mean, log_var = self.encoder(x).to(x.dtype).chunk(2, dim=1)  # (N, 2d) -> (N, d), (N, d); bf16 ends here
        return mean, log_var

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """Returns log p(x | z) in nats, shape (N,)."""
        return self.observation(x, self.decoder(z))  # type: ignore[no-any-return]

    def log_weights(self, x: Tensor, k: int, generator: Generator | None = None) -> Tensor:
        """Returns log p(x, z_i) - log q(z_i | x) of k draws from the posterior, shape (k, N)."""
        mean, log_var = self.posterior(x)
        chunks, zero = [], torch.zeros((), device=x.device)
        for some in torch.arange(k).split(max(1, ROWS // len(x))):
            eps = normal(len(some), *mean.shape, device=x.device, generator=generator)
            z = (mean + (0.5 * log_var).exp() * eps).flatten(0, 1)  # (k', N, d) -> (k' N, d)
            log_p = self.log_likelihood(x.repeat(len(some), *[1] * (x.dim() - 1)), z) + gaussian(z, zero, zero)
            log_q = gaussian(z, mean.repeat(len(some), 1), 0.5 * log_var.repeat(len(some), 1))
            chunks.append((log_p - log_q).unflatten(0, (len(some), -1)))  # (k' N,) -> (k', N)
        return torch.cat(chunks)

    def log_prob(self, x: Tensor, *, k: int = 1, generator: Generator | None = None) -> Tensor:
        """Returns a draw of the k-sample bound in nats, (N,); k = 1: the ELBO. Without a generator, that of seed 0."""
        return log_mean_exp(self.log_weights(x, k, generator or torch.Generator().manual_seed(0)))

    def bound(self) -> Bound:
        """Returns ``lower``: the bound rises with k towards log p(x)."""
        return "lower"

    def anomaly_score(self, x: Tensor) -> Tensor:
        """Returns -ELBO with z at the posterior's mean, shape (N,): without noise, the same however x is batched."""
        mean, log_var = self.posterior(x)
        return kl_standard_normal(mean, log_var).sum(1) - self.log_likelihood(x, mean)

    def encode(self, x: Tensor, *, stochastic: bool = False, generator: Generator | None = None) -> Tensor:
        """Returns the posterior's mean, or where stochastic a draw from it, shape (N, latent)."""
        mean, log_var = self.posterior(x)
        if not stochastic:
            return mean
        return mean + (0.5 * log_var).exp() * normal(*mean.shape, device=x.device, generator=generator)

    def decode(self, z: Tensor) -> Tensor:
        """Returns the mean of p(x | z), shape (N, *spec.shape), in the range of the data."""
        return self.observation.mean(self.decoder(z))  # type: ignore[no-any-return]

    def reconstruct(self, x: Tensor) -> Tensor:
        """Returns samples decoded from the posterior's mean, shape (N, *spec.shape)."""
        return self.decode(self.encode(x))

    def sample(self, n: int, *, temperature: float = 1.0, generator: Generator | None = None) -> Tensor:
        """Returns n samples: z from the prior times the temperature; x is p(x | z)'s mean, of a table a draw of it."""
        z = temperature * normal(n, self.latent, device=self.device, generator=generator)
        return self.observation.draw(self.decoder(z), generator)
