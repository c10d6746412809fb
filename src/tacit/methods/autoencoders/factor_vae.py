"""The variational autoencoder whose latents pass for independent ones."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from tacit.errors import at_least
from tacit.functional.total_correlation import permuted
from tacit.methods.autoencoders.vae import VAE, active_units
from tacit.nets.mlp import MLP
from tacit.protocol import Batch, Loss, Optim, Recipe, Spec

__all__ = ["FactorVAE"]


class FactorVAE(VAE):
    """VAE against a discriminator that tells its latents from latents whose dimensions were shuffled.

    The discriminator's logit is then log q(z) - sum_j log q(z_j), whose mean is the total correlation.

    References:
        Kim & Mnih 2018, arXiv:1802.05983.

    Arguments:
        spec: What one sample is.
        latent: Dimensions of the latent space.
        gamma: Weight of the total correlation, beside the KL divergence in full; 0 makes it a VAE.
        critic_width: Units of each of the discriminator's hidden layers; the paper has 1000, a tenth suits a CPU.
        critic_depth: Its hidden layers; the paper has 6.
        likelihood: Of the data given a latent: gaussian; bernoulli (of binary data a likelihood, of grey values only
            a loss); logistic or mixture (of 8-bit images, discrete); mixed (of tables); auto is mixed for tables,
            else gaussian.
        sigma: Scale of gaussian, logistic and mixed; by default learned: one for all values, of a table one a column.
        width: Units of each hidden layer, or channels of the first convolution; by default 512 or 16.
        depth: Hidden layers of an mlp; 0 makes it linear.
        net: Which net; auto takes convolutions for images and maps, an mlp for the rest; resnet adds residual blocks.
        encoder: Your own module, (N, *shape) to (N, 2 latent): the posterior's mean and log-variance.
        decoder: Your own module, (N, latent) to (N, *shape): the likelihood's mean before squashing, or logits.

    Raises:
        DataError: If the data are not in the likelihood's range, or images are too small for the net.
        OptionError: If the likelihood does not suit the data.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        latent: int = 10,
        gamma: float = 6.4,
        critic_width: int = 100,
        critic_depth: int = 6,
        likelihood: Literal["auto", "gaussian", "bernoulli", "logistic", "mixture", "mixed"] = "auto",
        sigma: float | None = None,
        width: int | None = None,
        depth: int = 2,
        net: Literal["auto", "mlp", "conv", "resnet"] = "auto",
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        super().__init__(
            spec, latent=latent, likelihood=likelihood, sigma=sigma, width=width, depth=depth, net=net,
            encoder=encoder, decoder=decoder,
        )
        at_least(0, gamma=gamma, critic_depth=critic_depth)
        at_least(1, critic_width=critic_width)
        self.gamma = gamma
        self.discriminator = MLP([latent, *[critic_width] * critic_depth, 1], partial(nn.LeakyReLU, 0.2))

    def players(self) -> dict[str, nn.Module]:
        """Returns the two, in the order of their turns."""
        return {
            "vae": nn.ModuleList([self.encoder, self.decoder, self.observation]), "discriminator": self.discriminator,
        }

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields both turns of algorithm 2, whose two batches are the halves of one."""
        half = max(1, len(batch) // 2)
        mean, log_var = self.posterior(batch.x[:half])
        z, kl = self.draw(mean, log_var)  # (N, d) each
        log_p, elbo_kl = self.log_likelihood(batch.x[:half], z).mean(), kl.mean(0).sum()
        correlation = self.density_ratio(z).mean()  # equation 3
        terms = {
            "reconstruction": -log_p.detach(), "kl": elbo_kl.detach(), "total_correlation": correlation.detach(),
            "active_units": active_units(mean),
        }
        yield Loss("vae", elbo_kl + self.gamma * correlation - log_p, terms)  # equation 2

        with torch.no_grad():
            shuffled = permuted(self.draw(*self.posterior(batch.x[-half:]))[0])
        real, made = self.density_ratio(z.detach()), self.density_ratio(shuffled)
        accuracy = 0.5 * ((real > 0).float().mean() + (made < 0).float().mean())
        value = 0.5 * (softplus(-real).mean() + softplus(made).mean())  # -log D(z), -log(1 - D(shuffled))
        yield Loss("discriminator", value, {"accuracy": accuracy})

    def density_ratio(self, z: Tensor) -> Tensor:
        """Returns the discriminator's estimate of log q(z) - sum_j log q(z_j), shape (N,), of latents (N, d)."""
        logits: Tensor = self.discriminator(z)
        return logits.squeeze(1).to(z.dtype)  # (N, 1) -> (N,)

    def recipe(self) -> Recipe:
        """Returns how it likes to be trained: the discriminator as in the paper, the rest as a VAE."""
        optim = {"vae": Optim(lr=1e-3, schedule="cosine", warmup=50), "discriminator": Optim(lr=1e-4, betas=(0.5, 0.9))}
        return Recipe(batch=128, steps=5_000, optim=optim)
