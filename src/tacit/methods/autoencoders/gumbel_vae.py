"""The variational autoencoder with categorical latents."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import pad

from tacit.errors import OptionError, at_least
from tacit.functional.importance import importance_weights, log_mean_exp
from tacit.functional.likelihoods import categorical
from tacit.functional.relaxed import concrete, concrete_log_prob, draw_one_hot, hardened, kl_uniform, straight_through
from tacit.nets.coders import decoder as decoder_for
from tacit.nets.coders import encoder as encoder_for
from tacit.nets.observations import observation, rows_at_once
from tacit.protocol import Batch, Bound, Loss, Method, Optim, Recipe, Spec

__all__ = ["GumbelVAE"]


class GumbelVAE(Method):
    """Variational autoencoder of categorical or binary latents: learned on relaxed draws, judged on hard ones.

    Categories are written one-hot; of two only the first is written, so that binary latents are 0 or 1.

    References:
        Jang, Gu & Poole 2016, arXiv:1611.01144. Maddison, Mnih & Teh 2016, arXiv:1611.00712.

    Arguments:
        spec: What one sample is.
        variables: Number of latent variables.
        categories: Of each variable; 2 makes it binary.
        estimator: What is learned on: relaxed draws with the KL of the categories (gumbel), which is no bound; hard
            draws with the relaxed ones' gradients (straight-through); or relaxed draws with relaxed densities, a bound
            of the relaxed model (concrete).
        tau: Temperature of the relaxed draws at the first step.
        tau_rate: How fast it falls, as exp(-rate step).
        tau_floor: Where it stops.
        likelihood: Of the data given a latent: gaussian; bernoulli (of binary data a likelihood, of grey values only
            a loss); logistic or mixture (of 8-bit images, discrete); mixed (of tables); auto is mixed for tables,
            else gaussian.
        sigma: Scale of gaussian, logistic and mixed; by default learned: one for all values, of a table one a column.
        width: Units of each hidden layer, or channels of the first convolution; by default 512 or 16.
        depth: Hidden layers of an mlp; 0 makes it linear.
        net: Which net; auto takes convolutions for images and maps, an mlp for the rest; resnet adds residual blocks.
        encoder: Your own module, (N, *shape) to (N, variables categories): logits; (N, variables) of binary ones.
        decoder: Your own module, from the same shape to (N, *shape): the likelihood's mean before squashing, or logits.

    Raises:
        DataError: If the data are not in the likelihood's range, or images are too small for the net.
        OptionError: If the likelihood does not suit the data, or a number is out of its range.
    """

    accepts = ("image", "map", "vector", "table")
    gaussian = 0

    def __init__(
        self,
        spec: Spec,
        *,
        variables: int = 20,
        categories: int = 10,
        estimator: Literal["gumbel", "straight-through", "concrete"] = "gumbel",
        tau: float = 1.0,
        tau_rate: float = 3e-4,
        tau_floor: float = 0.5,
        likelihood: Literal["auto", "gaussian", "bernoulli", "logistic", "mixture", "mixed"] = "auto",
        sigma: float | None = None,
        width: int | None = None,
        depth: int = 2,
        net: Literal["auto", "mlp", "conv", "resnet"] = "auto",
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        super().__init__(spec)
        if variables < 1 or categories < 2:
            raise OptionError(f"--variables is {variables} and --categories {categories}; take at least 1 and 2")
        at_least(0, tau_rate=tau_rate)
        if not 0 < tau_floor <= tau:
            raise OptionError(f"--tau is {tau:g} and --tau-floor {tau_floor:g}; take tau >= floor > 0")
        self.variables, self.categories, self.estimator = variables, categories, estimator
        self.tau, self.tau_rate, self.tau_floor = tau, tau_rate, tau_floor
        self.written = 1 if categories == 2 else categories  # values of each variable in a code
        self.one_hot = (self.written,) * variables
        self.observation = observation(spec, likelihood, sigma)
        self.discrete, self.binary = self.observation.discrete, self.observation.binary
        code, shape = variables * self.written, self.observation.shape
        self.encoder = encoder or encoder_for(spec, code, width=width, depth=depth, net=net)
        self.decoder = decoder or decoder_for(spec, code, shape=shape, width=width, depth=depth, net=net)

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields the negative bound, or what stands for it: sums over values and variables, mean over the batch."""
        logits, tau = self.posterior(batch.x), self.temperature()
        log_y = concrete(logits, tau)  # (N, V, K)
        y = straight_through(log_y.exp()) if self.estimator == "straight-through" else log_y.exp()
        log_p = self.log_likelihood(batch.x, y).mean()
        if self.estimator == "concrete":  # Maddison et al., appendix C, with one temperature for posterior and prior
            prior = concrete_log_prob(log_y, torch.zeros_like(logits), tau)
            kl = concrete_log_prob(log_y, logits, tau) - prior
        else:
            kl = kl_uniform(logits)
        kl = kl.sum(1).mean()  # (N, V) -> ()
        terms = {"reconstruction": -log_p.detach(), "kl": kl.detach(), "tau": kl.new_tensor(tau)}
        yield Loss("model", kl - log_p, terms)

    def temperature(self) -> float:
        """Returns the temperature of the relaxed draws at this step."""
        return max(self.tau_floor, self.tau * math.exp(-self.tau_rate * self.clock.step))

    def recipe(self) -> Recipe:
        """Returns how it likes to be trained."""
        return Recipe(batch=128, steps=5_000, optim={"model": Optim(lr=1e-3, schedule="cosine", warmup=50)})

    def posterior(self, x: Tensor) -> Tensor:
        """Returns the logits of q(z | x), shape (N, variables, categories); the second of two is 0."""
        logits: Tensor = self.encoder(x).to(x.dtype).unflatten(1, (self.variables, self.written))  # bf16 ends here
        return pad(logits, (0, self.categories - self.written))

    def code(self, rows: Tensor) -> Tensor:
        """Returns rows (N, variables, categories) as written: (N, variables categories), (N, variables) if binary."""
        return rows[..., : self.written].flatten(1)

    def log_likelihood(self, x: Tensor, rows: Tensor) -> Tensor:
        """Returns log p(x | z) in nats, shape (N,), for rows (N, variables, categories), one-hot or relaxed."""
        log_p: Tensor = self.observation(x, self.decoder(self.code(rows)))
        return log_p

    def log_weights(self, x: Tensor, k: int, generator: Generator | None = None) -> Tensor:
        """Returns log p(x, z_i) - log q(z_i | x) of k hard draws from the posterior, shape (k, N)."""
        logits = self.posterior(x)
        log_prior = -self.variables * math.log(self.categories)

        def drawn(some: int) -> tuple[Tensor, Tensor]:
            repeated = logits.expand(some, *logits.shape)  # (k', N, V, K)
            z = draw_one_hot(repeated, generator=generator)
            return z, categorical(z, repeated).sum(-1)  # (k', N, V) -> (k', N)

        def log_joint(x: Tensor, z: Tensor) -> Tensor:
            return self.log_likelihood(x, z) + log_prior

        return importance_weights(drawn, log_joint, x, k, rows=rows_at_once(self.observation.shape))

    def log_prob(self, x: Tensor, *, k: int = 1, generator: Generator | None = None) -> Tensor:
        """Returns a draw of the k-sample bound in nats, (N,); k = 1: the ELBO. Without a generator, that of seed 0."""
        return log_mean_exp(self.log_weights(x, k, generator or torch.Generator().manual_seed(0)))

    def bound(self) -> Bound:
        """Returns ``lower``: latents are drawn hard, whatever was learned on."""
        return "lower"

    def anomaly_score(self, x: Tensor) -> Tensor:
        """Returns -ELBO with z at its likeliest, shape (N,): without noise, the same however x is batched."""
        logits = self.posterior(x)
        return kl_uniform(logits).sum(1) - self.log_likelihood(x, hardened(logits))

    def encode(self, x: Tensor, *, stochastic: bool = False, generator: Generator | None = None) -> Tensor:
        """Returns the probabilities of q(z | x), or a hard draw if stochastic, as `code` writes it."""
        logits = self.posterior(x)
        return self.code(draw_one_hot(logits, generator=generator) if stochastic else logits.softmax(-1))

    def decode(self, z: Tensor) -> Tensor:
        """Returns the mean of p(x | z), shape (N, *spec.shape), in the range of the data."""
        x: Tensor = self.observation.mean(self.decoder(z))
        return x

    def reconstruct(self, x: Tensor) -> Tensor:
        """Returns samples decoded from the likeliest categories, shape (N, *spec.shape)."""
        return self.decode(self.code(hardened(self.posterior(x))))

    def prior(self, n: int, *, label: Any = None, generator: Generator | None = None) -> Tensor:
        """Returns n hard draws of the uniform p(z) as `code` writes them; it knows no classes."""
        even = torch.zeros(n, self.variables, self.categories, device=self.device)
        return self.code(draw_one_hot(even, generator=generator))

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """Returns n samples: hard z from the uniform prior; x is p(x | z)'s mean, of a table a draw of it."""
        return self.observation.draw(self.decoder(self.prior(n, generator=generator)), generator)
