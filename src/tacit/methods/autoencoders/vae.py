"""The variational autoencoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import torch
from torch import Generator, Tensor, nn

from tacit.errors import at_least
from tacit.functional.divergences import kl_standard_normal
from tacit.functional.importance import importance_weights, log_mean_exp
from tacit.functional.likelihoods import standard_normal
from tacit.functional.noise import normal
from tacit.nets.autoregressive import InverseAutoregressiveFlow
from tacit.nets.bayesian import Bayesian
from tacit.nets.coders import decoder as decoder_for
from tacit.nets.coders import encoder as encoder_for
from tacit.nets.observations import observation, rows_at_once
from tacit.protocol import Batch, Bound, Kind, Loss, Method, Optim, Recipe, Spec

__all__ = ["VAE", "active_units"]

ACTIVE = 0.01  # variance of the posterior mean over the data above which a unit is active (Burda et al. 2015)
FLOW_WIDTH = 128


class VAE(Method):
    """Variational autoencoder: a smooth latent space with a prior, a bound on the likelihood, and samples.

    References:
        Kingma & Welling 2013, arXiv:1312.6114. Higgins et al. 2017 (beta). Kingma et al. 2016, arXiv:1606.04934
        (free bits, flows). Burda et al. 2015, arXiv:1509.00519 (the bound of k draws).

    Arguments:
        spec: What one sample is.
        latent: Dimensions of the latent space.
        likelihood: Of the data given a latent: gaussian; bernoulli (of binary data a likelihood, of grey values only
            a loss); logistic or mixture (of 8-bit images, discrete); mixed (of tables); auto is mixed for tables,
            else gaussian.
        sigma: Scale of gaussian, logistic and mixed; by default learned: one for all values, of a table one a column.
        beta: Weight of the KL divergence; 1 is the evidence lower bound.
        warmup_steps: Steps over which that weight rises linearly from 0.
        free_bits: Nats of each latent dimension, averaged over the samples that fit at once, below which its KL is
            not pressed.
        flows: Steps of inverse autoregressive flow behind the Gaussian posterior; 0 leaves it Gaussian.
        bayesian: Whether the decoder's weights have a posterior, too, with the prior N(0, 1).
        width: Units of each hidden layer, or channels of the first convolution; by default 512 or 16.
        depth: Hidden layers of an mlp; 0 makes it linear.
        net: Which net; auto takes convolutions for images and maps, an mlp for the rest; resnet adds residual blocks.
        encoder: Your own module, (N, *shape) to (N, 2 latent): the posterior's mean and log-variance.
        decoder: Your own module, (N, latent) to (N, *shape): the likelihood's mean before squashing, or logits.

    Raises:
        DataError: If the data are not in the likelihood's range, or images are too small for the net.
        OptionError: If the likelihood does not suit the data, or a number is too small.
    """

    accepts: ClassVar[tuple[Kind, ...]] = ("image", "map", "vector", "table")

    def __init__(
        self,
        spec: Spec,
        *,
        latent: int = 16,
        likelihood: Literal["auto", "gaussian", "bernoulli", "logistic", "mixture", "mixed"] = "auto",
        sigma: float | None = None,
        beta: float = 1.0,
        warmup_steps: int = 0,
        free_bits: float = 0.0,
        flows: int = 0,
        bayesian: bool = False,
        width: int | None = None,
        depth: int = 2,
        net: Literal["auto", "mlp", "conv", "resnet"] = "auto",
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        super().__init__(spec)
        at_least(1, latent=latent)
        at_least(0, beta=beta, warmup_steps=warmup_steps, free_bits=free_bits, flows=flows)
        self.latent, self.beta, self.warmup_steps, self.free_bits = latent, beta, warmup_steps, free_bits
        self.gaussian = latent
        self.observation = observation(spec, likelihood, sigma)
        self.discrete, self.binary = self.observation.discrete, self.observation.binary
        self.rows = rows_at_once(self.observation.shape)
        self.encoder = encoder or encoder_for(spec, 2 * latent, width=width, depth=depth, net=net)
        made = decoder or decoder_for(spec, latent, shape=self.observation.shape, width=width, depth=depth, net=net)
        self.decoder = Bayesian(made) if bayesian else made
        self.flow = InverseAutoregressiveFlow(latent, 2 * latent, flows, FLOW_WIDTH) if flows else None

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields -ELBO (equation 3): sums over values and latents, means over the batch only."""
        mean, log_var = self.posterior(batch.x)
        z, kl = self.draw(mean, log_var)  # (N, d) each
        log_p, kl = self.log_likelihood(batch.x, z).mean(), kl.mean(0)  # (d,)
        value = self.weight() * kl.clamp_min(self.free_bits).sum() - log_p
        terms = {"reconstruction": -log_p.detach(), "kl": kl.detach().sum(), "active_units": active_units(mean)}
        if isinstance(self.decoder, Bayesian):  # appendix F: the KL of the weights counts once for all samples
            weights = self.decoder.kl() / self.clock.samples
            value, terms = value + weights, terms | {"kl_of_weights": weights.detach()}
        yield Loss("model", value, terms)

    def weight(self) -> float:
        """Returns the weight of the KL divergence at this step; where nothing is learned, that at the end."""
        warm = min(1.0, (self.clock.step + 1) / max(1, self.warmup_steps)) if self.training else 1.0
        return self.beta * warm

    def recipe(self) -> Recipe:
        """Returns how it likes to be trained."""
        return Recipe(batch=128, steps=5_000, optim={"model": Optim(lr=1e-3, schedule="cosine", warmup=50)})

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns mean and log-variance of q(z | x), before flows, each of shape (N, d)."""
        mean, log_var = self.encoder(x).to(x.dtype).chunk(2, dim=1)  # (N, 2d) -> (N, d), (N, d); bf16 ends here
        return mean, log_var

    def draw(self, mean: Tensor, log_var: Tensor, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        """Returns z ~ q(z | x), and the KL of each dimension, with flows estimated from z; both (N, d)."""
        z, log_q = self.moved(mean, log_var, normal(*mean.shape, device=mean.device, generator=generator))
        return z, kl_standard_normal(mean, log_var) if self.flow is None else log_q - standard_normal(z)

    def moved(self, mean: Tensor, log_var: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the z that noise becomes (equation 10, then flows), and log q of each dimension; all (N, d)."""
        z, log_q = mean + (0.5 * log_var).exp() * eps, standard_normal(eps) - 0.5 * log_var
        if self.flow is None:
            return z, log_q
        z, slope = self.flow(z, torch.cat([mean, log_var], 1))
        return z, (log_q.flip(1) if len(self.flow.steps) % 2 else log_q) - slope  # each step turns the order

    def infer(self, x: Tensor, *, k: int = 1, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        """Returns k draws of q(z | x), shape (k, N, d), and their log density in nats, shape (k, N)."""
        return self.inferred(*self.posterior(x), k, generator)

    def inferred(self, mean: Tensor, log_var: Tensor, k: int, generator: Generator | None) -> tuple[Tensor, Tensor]:
        """Returns what `infer` does, given the posteriors before flows, (N, d) each."""
        mean, log_var = mean.repeat(k, 1), log_var.repeat(k, 1)  # (N, d) -> (k N, d)
        z, log_q = self.moved(mean, log_var, normal(*mean.shape, device=mean.device, generator=generator))
        return z.unflatten(0, (k, -1)), log_q.sum(1).unflatten(0, (k, -1))

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """Returns log p(x | z) in nats, shape (N,)."""
        return self.observation(x, self.decoder(z))  # type: ignore[no-any-return]

    def log_prior(self, z: Tensor) -> Tensor:
        """Returns log p(z) in nats, shape (N,)."""
        return standard_normal(z).sum(1)

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        """Returns log p(x, z) in nats, shape (N,)."""
        return self.log_likelihood(x, z) + self.log_prior(z)

    def log_weights(self, x: Tensor, k: int, generator: Generator | None = None) -> Tensor:
        """Returns log p(x, z_i) - log q(z_i | x) of k draws from the posterior, shape (k, N)."""
        mean, log_var = self.posterior(x)
        return importance_weights(
            lambda some: self.inferred(mean, log_var, some, generator), self.log_joint, x, k, rows=self.rows
        )

    def log_prob(self, x: Tensor, *, k: int = 1, generator: Generator | None = None) -> Tensor:
        """Returns a draw of the k-sample bound in nats, (N,); k = 1: the ELBO. Without a generator, that of seed 0."""
        return log_mean_exp(self.log_weights(x, k, generator or torch.Generator().manual_seed(0)))

    def bound(self) -> Bound:
        """Returns ``lower``: the bound rises with k towards log p(x)."""
        return "lower"

    def anomaly_score(self, x: Tensor) -> Tensor:
        """Returns -ELBO with z where no noise leads, shape (N,): the same however x is batched."""
        mean, log_var = self.posterior(x)
        z, log_q = self.moved(mean, log_var, torch.zeros_like(mean))
        kl = kl_standard_normal(mean, log_var) if self.flow is None else log_q - standard_normal(z)
        return kl.sum(1) - self.log_likelihood(x, z)

    def encode(self, x: Tensor, *, stochastic: bool = False, generator: Generator | None = None) -> Tensor:
        """Returns the posterior's mean, behind flows where noise of 0 leads, or a draw if stochastic; (N, latent)."""
        mean, log_var = self.posterior(x)
        eps = normal(*mean.shape, device=x.device, generator=generator) if stochastic else torch.zeros_like(mean)
        return self.moved(mean, log_var, eps)[0]

    def decode(self, z: Tensor) -> Tensor:
        """Returns the mean of p(x | z), shape (N, *spec.shape), in the range of the data."""
        return self.observation.mean(self.decoder(z))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Returns samples decoded from the posterior's mean, shape (N, *spec.shape)."""
        return self.decode(self.encode(x))

    def prior(self, n: int, *, label: Any = None, generator: Generator | None = None) -> Tensor:
        """Returns n draws of p(z), shape (n, latent); it knows no classes."""
        return normal(n, self.latent, device=self.device, generator=generator)

    def sample(self, n: int, *, temperature: float = 1.0, generator: Generator | None = None) -> Tensor:
        """Returns n samples: z from the prior times the temperature; x is p(x | z)'s mean, of a table a draw of it."""
        z = temperature * self.prior(n, generator=generator)
        return self.observation.draw(self.decoder(z), generator)

    def simulate(self, n: int, *, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        """Returns draws of p(x, z): x with its noise, shape (n, *spec.shape), and z, shape (n, d)."""
        z = self.prior(n, generator=generator)
        return self.observation.sample(self.decoder(z), generator), z


def active_units(mean: Tensor) -> Tensor:
    """Returns how many dimensions of posterior means, (N, d), tell the samples of a batch from one another."""
    return (mean.detach().var(0, correction=0) > ACTIVE).float().sum()
