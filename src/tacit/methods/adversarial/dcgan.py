"""The deep convolutional GAN."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import adaptive_max_pool2d, softplus

from tacit.errors import DataError
from tacit.functional.noise import normal
from tacit.nets.backbones import layer_of
from tacit.nets.conv import ConvDecoder, ConvEncoder
from tacit.protocol import Batch, Loss, Method, Optim, Recipe, Spec

__all__ = ["DCGAN"]


class DCGAN(Method):
    """Deep convolutional GAN: images from noise, and the discriminator's features as a representation.

    No batch norm in the discriminator's first block and in both last layers. In evaluation mode batch norm uses its
    running statistics, so that one sample does not depend on the others.

    References:
        Radford et al. 2015, arXiv:1511.06434. Goodfellow et al. 2014, arXiv:1406.2661 (the game).

    Arguments:
        spec: What one sample is: images of any height and width from 8.
        latent: Dimensions of the noise that the generator starts from.
        width: Channels of the discriminator's first block; the paper has 64, half of which suits a CPU.

    Raises:
        DataError: If images are smaller than 8 x 8.
    """

    accepts = ("image",)

    def __init__(self, spec: Spec, *, latent: int = 100, width: int = 32) -> None:
        super().__init__(spec)
        if min(spec.shape[1:]) < 8:
            raise DataError(f"DCGAN takes images of 8 x 8 and larger; the data are {spec}; --size 8 enlarges them")
        self.latent = latent
        grown = ConvDecoder(latent, spec.shape, width, norm=nn.BatchNorm2d, activation=nn.ReLU)
        self.generator = nn.Sequential(grown, nn.Tanh())
        leaky = partial(nn.LeakyReLU, 0.2)
        self.discriminator = ConvEncoder(
            spec.shape, 1, width, norm=nn.BatchNorm2d, activation=leaky, norm_first=False
        )
        self.apply(initialise)

    def players(self) -> dict[str, nn.Module]:
        """Returns the two, in the order of their turns."""
        return {"discriminator": self.discriminator, "generator": self.generator}

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields both turns; real and made images pass the discriminator apart, each with its own batch statistics."""
        z = self.prior(len(batch))
        with torch.no_grad():
            fake = self.generator(z)  # in [-1, 1]
        real, made = self.discriminator(2 * batch.x - 1), self.discriminator(fake)
        terms = {"accuracy_real": (real > 0).float().mean(), "accuracy_fake": (made < 0).float().mean()}
        yield Loss("discriminator", softplus(-real).mean() + softplus(made).mean(), terms)

        yield Loss("generator", softplus(-self.discriminator(self.generator(z))).mean())

    def recipe(self) -> Recipe:
        """Returns section 4's, with batches of 64 for 128, which learn more per minute on a CPU."""
        optim = Optim(lr=2e-4, betas=(0.5, 0.999))
        return Recipe(batch=64, steps=4_000, optim={"discriminator": optim, "generator": optim})

    def prior(self, n: int, generator: Generator | None = None) -> Tensor:
        """Returns noise z ~ N(0, I), shape (n, latent)."""
        return normal(n, self.latent, device=self.device, generator=generator)

    def discriminate(self, x: Tensor) -> Tensor:
        """Returns the logit of D(x), the log odds of being data, for images in [0, 1], shape (N,)."""
        logits: Tensor = self.discriminator(2 * x - 1)
        return logits.squeeze(1)  # (N, 1) -> (N,)

    def layers(self) -> list[str]:
        """Returns the layers that `encode` knows."""
        return self.discriminator.layers()

    def encode(self, x: Tensor, *, layer: str | None = None) -> Tensor:
        """Returns the discriminator's features, each block's max-pooled to 4 x 4 and all in a row (section 5.1).

        Arguments:
            x: Images in [0, 1], shape (N, C, H, W).
            layer: One of `layers`, for its maps alone, shape (N, channels, h, w).

        Returns:
            Shape (N, 16 times the channels of all blocks).
        """
        if layer is not None:
            return layer_of(self.discriminator, 2 * x - 1, layer)
        return torch.cat([adaptive_max_pool2d(f, 4).flatten(1) for f in self.discriminator.features(2 * x - 1)], dim=1)

    def sample(self, n: int, *, temperature: float = 1.0, generator: Generator | None = None) -> Tensor:
        """Returns n images in [0, 1] of noise times the temperature, shape (n, C, H, W)."""
        x: Tensor = self.generator(temperature * self.prior(n, generator))
        return (x + 1) / 2


@torch.no_grad()
def initialise(module: nn.Module) -> None:
    """Draws weights from N(0, 0.02^2), batch norm's gains from N(1, 0.02^2), and sets biases to 0 (section 4)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.BatchNorm2d):
        module.weight.normal_(1.0 if isinstance(module, nn.BatchNorm2d) else 0.0, 0.02)
        if module.bias is not None:
            module.bias.zero_()
