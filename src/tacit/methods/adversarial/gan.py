"""The generative adversarial network."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import softplus

from tacit.functional.noise import normal
from tacit.nets.coders import decoder, encoder
from tacit.nets.observations import Squash
from tacit.protocol import Batch, Loss, Method, Optim, Recipe, Spec

__all__ = ["GAN"]


class GAN(Method):
    """Generative adversarial network: a generator that learns to pass a discriminator's test.

    For a fixed generator of density q the best discriminator is D*(x) = p(x) / (p(x) + q(x)); its logit is
    log p(x) - log q(x).

    References:
        Goodfellow et al. 2014, arXiv:1406.2661.

    Arguments:
        spec: What one sample is.
        latent: Dimensions of the noise that the generator starts from.
        saturating: Whether the generator minimises log(1 - D(G(z))), as in the paper's equation 1, whose gradient
            vanishes where the discriminator wins; otherwise it maximises log D(G(z)).
        width: Units of each hidden layer, or channels of the first convolution; by default 512 or 16.
        depth: Hidden layers of an mlp.
        net: Which net; auto takes convolutions for images and maps, an mlp for the rest.
        generator: Your own module, (N, latent) to (N, *shape), before the squashing to the range of the data.
        discriminator: Your own module, (N, *shape) to logits (N, 1).

    Raises:
        DataError: If images are too small for the net.
    """

    accepts = ("image", "map", "vector", "table")

    def __init__(
        self,
        spec: Spec,
        *,
        latent: int = 64,
        saturating: bool = False,
        width: int | None = None,
        depth: int = 2,
        net: Literal["auto", "mlp", "conv"] = "auto",
        generator: nn.Module | None = None,
        discriminator: nn.Module | None = None,
    ) -> None:
        super().__init__(spec)
        self.latent, self.saturating = latent, saturating
        made = generator or decoder(spec, latent, width=width, depth=depth, net=net, activation=nn.ReLU)
        self.generator = nn.Sequential(made, Squash(spec, hard=True))
        leaky = partial(nn.LeakyReLU, 0.2)
        self.discriminator = discriminator or encoder(spec, 1, width=width, depth=depth, net=net, activation=leaky)

    def players(self) -> dict[str, nn.Module]:
        """Returns the two, in the order of their turns."""
        return {"discriminator": self.discriminator, "generator": self.generator}

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields both turns of algorithm 1 with one step of the discriminator, on logits: log D = -softplus(-logit)."""
        z = self.prior(len(batch))
        with torch.no_grad():
            fake = self.generator(z)
        real, made = self.discriminate(batch.x), self.discriminate(fake)
        terms = {"accuracy_real": (real > 0).float().mean(), "accuracy_fake": (made < 0).float().mean()}
        yield Loss("discriminator", softplus(-real).mean() + softplus(made).mean(), terms)

        logits = self.discriminate(self.generator(z))
        yield Loss("generator", -softplus(logits).mean() if self.saturating else softplus(-logits).mean())

    def recipe(self) -> Recipe:
        """Returns how it likes to be trained: Adam where the paper has momentum, and samples of averaged weights."""
        optim = Optim(lr=1e-3, betas=(0.5, 0.999))
        return Recipe(batch=64, steps=5_000, ema=0.995, optim={"discriminator": optim, "generator": optim})

    def prior(self, n: int, generator: Generator | None = None) -> Tensor:
        """Returns noise z ~ N(0, I), shape (n, latent)."""
        return normal(n, self.latent, device=self.device, generator=generator)

    def discriminate(self, x: Tensor) -> Tensor:
        """Returns the logit of D(x), the log odds of being data, shape (N,)."""
        logits: Tensor = self.discriminator(x)
        return logits.squeeze(1)  # (N, 1) -> (N,)

    def sample(self, n: int, *, temperature: float = 1.0, generator: Generator | None = None) -> Tensor:
        """Returns n samples of noise times the temperature, shape (n, *spec.shape)."""
        x: Tensor = self.generator(temperature * self.prior(n, generator))
        return x
