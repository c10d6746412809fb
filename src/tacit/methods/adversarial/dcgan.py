"""The deep convolutional GAN."""

from __future__ import annotations

from functools import partial

from torch import nn

from tacit.errors import DataError, at_least
from tacit.methods.adversarial.gan import GAN
from tacit.nets.conv import ConvDecoder, ConvEncoder, initialise
from tacit.nets.judges import SignedJudge
from tacit.nets.noise import Noise
from tacit.nets.signed import Unsigned
from tacit.protocol import Optim, Recipe, Spec

__all__ = ["DCGAN"]


class DCGAN(GAN):
    """Deep convolutional GAN: images from noise, and the discriminator's features as a representation.

    No batch norm in the discriminator's first block and in both last layers; data and samples pass the discriminator
    apart, each with its own batch statistics. In evaluation mode batch norm uses its running statistics, so that one
    sample does not depend on the others.

    References:
        Radford et al. 2015, arXiv:1511.06434. Goodfellow et al. 2014, arXiv:1406.2661 (the game).

    Arguments:
        spec: What one sample is: images of any height and width from 8.
        latent: Dimensions of the noise that the generator starts from.
        width: Channels of the discriminator's first block; the paper has 64, half of which suits a CPU.
        conditional: Whether images are made by class; a class may be missing where it is not known.

    Raises:
        DataError: If images are smaller than 8 x 8, or there are no classes to be conditioned on.
    """

    accepts = ("image",)

    def __init__(self, spec: Spec, *, latent: int = 100, width: int = 32, conditional: bool = False) -> None:
        self.check_kind(spec)
        at_least(1, width=width)
        if min(spec.shape[1:]) < 8:
            raise DataError(f"DCGAN takes images of 8 x 8 and larger; the data are {spec}; --size 8 enlarges them")
        noise = Noise.of(latent, spec.classes, conditional=conditional)
        norm, leaky = nn.BatchNorm2d, partial(nn.LeakyReLU, 0.2)
        generator = ConvDecoder(noise.size, spec.shape, width, norm=norm, activation=nn.ReLU)
        judge = ConvEncoder(spec.shape, noise.outputs, width, norm=norm, activation=leaky, norm_first=False)
        super().__init__(spec, latent=latent, conditional=conditional, generator=generator,
                         discriminator=SignedJudge(judge))
        self.apply(initialise)

    def ending(self) -> nn.Module:
        """Returns tanh, and the way from [-1, 1] to [0, 1]."""
        return nn.Sequential(nn.Tanh(), Unsigned())

    def recipe(self) -> Recipe:
        """Returns section 4's, with batches of 64 for 128, which learn more per minute on a CPU."""
        optim = Optim(lr=2e-4, betas=(0.5, 0.999))
        return Recipe(batch=64, steps=4_000, optim={"discriminator": optim, "generator": optim})
