"""R3GAN: a relativistic game with two gradient penalties."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from tacit.errors import DataError, at_least
from tacit.functional.penalties import r1
from tacit.methods.adversarial.gan import GAN
from tacit.nets.coders import check_grid, decoder, encoder, kind_of_net
from tacit.nets.conv import ConvDecoder, ConvEncoder
from tacit.nets.judges import SignedJudge, unbiased
from tacit.nets.noise import Noise
from tacit.nets.r3 import R3Discriminator, R3Generator
from tacit.protocol import Batch, Loss, Optim, Recipe, Spec

__all__ = ["R3GAN"]


class R3GAN(GAN):
    """R3GAN, the modern default: each sample is compared with a datum, and the discriminator's slope is held near 0.

    The loss looks at D(x) - D(G(z)) only, pair by pair, and both the slope at the data (R1) and at the samples (R2) are
    penalised at every step, on what ADA has not yet touched; so the game converges, and needs neither norms nor tricks.
    The generator's turn looks at data too: it has to make what seems more real than they do.

    References:
        Huang, Gokaslan, Kuleshov & Tompkin 2024, arXiv:2501.05441 (equations 2 and 4, section 4).

    Arguments:
        spec: What one sample is: images of any height and width from 8, or anything else by an mlp.
        latent: Dimensions of the noise that the generator starts from.
        gamma: Weight of both penalties, halved as in the paper, of the slope over images in [-1, 1].
        net: Which net: the paper's residual one, plain convolutions without norms, of which a step takes a tenth of the
            time on a CPU, or an mlp; auto takes convolutions for images and maps, an mlp for the rest.
        width: Channels at the finest scale, or units of each hidden layer; by default 12, 32 or 512.
        blocks: Residual blocks at each scale of the residual net.
        conditional: Whether samples are made by class; a class may be missing where it is not known.

    Raises:
        OptionError: If an option is out of its range.
        DataError: If images are smaller than 8 x 8, or there are no classes to be conditioned on.
    """

    differentiates = True
    log_odds = False

    def __init__(
        self,
        spec: Spec,
        *,
        latent: int = 64,
        gamma: float = 10.0,
        net: Literal["auto", "residual", "conv", "mlp"] = "auto",
        width: int | None = None,
        blocks: int = 1,
        conditional: bool = False,
    ) -> None:
        at_least(1, blocks=blocks, width=1 if width is None else width)
        at_least(0, gamma=gamma)
        self.check_kind(spec)
        noise = Noise.of(latent, spec.classes, conditional=conditional)
        generator, judge = nets(spec, noise, net, width, blocks)
        super().__init__(spec, latent=latent, conditional=conditional, generator=generator,
                         discriminator=SignedJudge(unbiased(judge)) if spec.range else unbiased(judge))
        self.gamma = gamma

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields both turns: softplus(D(G(z)) - D(x)) for the discriminator, with penalties, and its mirror image."""
        z = self.prior(len(batch), label=batch.label)
        with torch.no_grad():
            fake = self.generator(z)
        real, made, slopes = self.judged(batch.x, fake, batch.label)
        value = softplus(made - real).mean() + self.gamma / 2 * slopes.mean()
        middle = (real.mean() + made.mean()) / 2  # the logits have no zero of their own
        terms = self.told(real - middle, made - middle) | {"slope": slopes.mean().detach()}
        yield Loss("discriminator", value, terms, self.counted(real - made, batch.label), self.learn)

        with torch.no_grad():
            real = self.judge(batch.x, batch.label)
        yield Loss("generator", softplus(real - self.judge(self.generator(z), batch.label)).mean())

    def judged(self, x: Tensor, fake: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the logits of data and samples, and the sum of R1 and R2, each of shape (N,)."""
        with torch.autocast(x.device.type, enabled=False):  # the gradient of a gradient
            x, fake = x.detach().requires_grad_(), fake.detach().float().requires_grad_()
            real, made = self.judge(x, label), self.judge(fake, label)
            slopes = r1(real, x) + r1(made, fake)
        return real, made, slopes / 4 if self.spec.range else slopes  # by the chain rule, for images in [-1, 1]

    def recipe(self) -> Recipe:
        """Returns Adam as the paper has it, with batches of 64 for 512 and a greater rate, which learn in minutes."""
        optim = Optim(lr=1e-3, betas=(0.0, 0.99), schedule="cosine")
        return Recipe(batch=64, steps=5_000, ema=0.998, optim={"discriminator": optim, "generator": optim})


def nets(spec: Spec, noise: Noise, net: str, width: int | None, blocks: int) -> tuple[nn.Module, nn.Module]:
    """Returns a generator and a discriminator without norms."""
    ends = noise.size, noise.outputs
    if net == "mlp" or (net == "auto" and kind_of_net(spec) == "mlp"):
        leaky = partial(nn.LeakyReLU, 0.2)
        return (decoder(spec, ends[0], width=width, net="mlp", activation=leaky),
                encoder(spec, ends[1], width=width, net="mlp", activation=leaky))
    check_grid(spec, net)
    if min(spec.shape[1:]) < 8:
        raise DataError(f"R3GAN takes images of 8 x 8 and larger; the data are {spec}; --size 8 enlarges them")
    if net == "residual":
        wide = width or 12
        return (R3Generator(ends[0], spec.shape, blocks=blocks, width=wide),
                R3Discriminator(spec.shape, ends[1], blocks=blocks, width=wide))
    leaky, wide = partial(nn.LeakyReLU, 0.2), width or 32
    return (ConvDecoder(ends[0], spec.shape, wide, norm=nn.Identity, activation=leaky),
            ConvEncoder(spec.shape, ends[1], wide, norm=nn.Identity, activation=leaky))
