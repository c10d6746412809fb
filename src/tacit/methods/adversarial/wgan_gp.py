"""The Wasserstein GAN with a gradient penalty."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from tacit.errors import at_least
from tacit.functional.penalties import gradient_penalty, interpolated
from tacit.methods.adversarial.gan import GAN
from tacit.nets.judges import unbiased
from tacit.protocol import Batch, Loss, Optim, Recipe, Spec

__all__ = ["WGANGP"]


class WGANGP(GAN):
    """Wasserstein GAN with a gradient penalty: a critic whose slope is held near 1 measures how far samples are off.

    The critic moves in every round, each time on new data, and the generator in every fifth. Its nets have no batch
    norm, through which the samples of a batch would share a gradient.

    References:
        Gulrajani et al. 2017, arXiv:1704.00028 (algorithm 1). Arjovsky et al. 2017, arXiv:1701.07875.

    Arguments:
        spec: What one sample is.
        latent: Dimensions of the noise that the generator starts from.
        penalty: Weight lambda of the gradient penalty; by default 10 for images and maps, and 0.1 for the rest, as in
            the authors' code: of few dimensions a critic held tighter turns more slowly than the generator moves.
        critic: Moves of the critic for each move of the generator.
        conditional: Whether samples are made by class; a class may be missing where it is not known.
        width: Units of each hidden layer, or channels of the first convolution; by default 512 or 16.
        depth: Hidden layers of an mlp.
        net: Which net; auto takes convolutions for images and maps, an mlp for the rest; resnet adds residual blocks.

    Raises:
        OptionError: If an option is out of its range.
        DataError: If images are too small for the net, or there are no classes to be conditioned on.
    """

    differentiates = True
    log_odds = False
    adapts = False  # a critic's values have no sign that would tell how much it overfits

    def __init__(
        self,
        spec: Spec,
        *,
        latent: int = 128,
        penalty: float | None = None,
        critic: int = 5,
        conditional: bool = False,
        width: int | None = None,
        depth: int = 2,
        net: Literal["auto", "mlp", "conv", "resnet"] = "auto",
    ) -> None:
        super().__init__(spec, latent=latent, conditional=conditional, width=width, depth=depth, net=net)
        at_least(1, critic=critic)
        if penalty is None:
            penalty = 10.0 if spec.kind in ("image", "map") else 0.1
        at_least(0, penalty=penalty)
        self.penalty, self.critic = penalty, critic
        unbiased(self.discriminator)

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields the critic's turn, and in every `critic`-th round the generator's."""
        z = self.prior(len(batch), label=batch.label)
        with torch.no_grad():
            fake = self.generator(z)
        value, terms = self.critical(batch.x, fake, batch.label)
        yield Loss("discriminator", value, terms, self.noise.stats(batch.label), self.noise.update)

        if (self.clock.step + 1) % self.critic == 0:
            yield Loss("generator", -self.judge(self.generator(z), batch.label).mean())

    def critical(self, x: Tensor, fake: Tensor, label: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        """Returns the critic's loss, line 7 of algorithm 1, and its parts."""
        with torch.autocast(x.device.type, enabled=False):  # the gradient of a gradient
            fake = fake.float()
            distance = (self.judge(x, label) - self.judge(fake, label)).mean()
            between = interpolated(x, fake)
            slope = gradient_penalty(self.judge(between, label), between).mean()
        return self.penalty * slope - distance, {"wasserstein": distance.detach(), "slope": slope.detach()}

    def recipe(self) -> Recipe:
        """Returns algorithm 1's Adam at five times its rate, which learns in minutes; every fifth round moves both."""
        optim = Optim(lr=5e-4, betas=(0.0, 0.9))
        return Recipe(batch=64, steps=20_000, ema=0.995, optim={"discriminator": optim, "generator": optim})
