"""The generative adversarial network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import softplus

from tacit.nets.ada import Ada
from tacit.nets.backbones import layer_of
from tacit.nets.coders import decoder, encoder
from tacit.nets.judges import max_pooled, told_apart
from tacit.nets.noise import Noise
from tacit.nets.observations import Squash
from tacit.protocol import Batch, Kind, Loss, Method, Optim, Recipe, Spec

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
        conditional: Whether samples are made by class; a class may be missing where it is not known.
        width: Units of each hidden layer, or channels of the first convolution; by default 512 or 16.
        depth: Hidden layers of an mlp.
        net: Which net; auto takes convolutions for images and maps, an mlp for the rest; resnet adds residual blocks.
        generator: Your own module, (N, latent) to (N, *shape), before the squashing to the range of the data; by class
            it gets one input more for each class, and one for none.
        discriminator: Your own module, (N, *shape) to logits (N, 1), or to one for each class and one for none.

    Raises:
        DataError: If images are too small for the net, or there are no classes to be conditioned on.
    """

    accepts: ClassVar[tuple[Kind, ...]] = ("image", "map", "vector", "table")
    adapts = True  # whether ADA may be turned on
    log_odds: ClassVar[bool] = True  # whether D's output is the log odds of being data, and not a score alone
    may_need = frozenset({"label"})

    def __init__(
        self,
        spec: Spec,
        *,
        latent: int = 64,
        saturating: bool = False,
        conditional: bool = False,
        width: int | None = None,
        depth: int = 2,
        net: Literal["auto", "mlp", "conv", "resnet"] = "auto",
        generator: nn.Module | None = None,
        discriminator: nn.Module | None = None,
    ) -> None:
        super().__init__(spec)
        self.gaussian, self.saturating = latent, saturating
        self.noise = Noise.of(latent, spec.classes, conditional=conditional)
        self.one_hot: tuple[int, ...] = (self.noise.outputs,) if conditional else ()
        self.needs = self.may_need if conditional else frozenset()
        made = generator or decoder(spec, self.noise.size, width=width, depth=depth, net=net, activation=nn.ReLU)
        self.generator = nn.Sequential(made, self.ending())
        leaky, out = partial(nn.LeakyReLU, 0.2), self.noise.outputs
        self.discriminator = discriminator or encoder(spec, out, width=width, depth=depth, net=net, activation=leaky)
        self.ada = Ada()
        if not hasattr(self.discriminator, "features"):
            self.without = frozenset({"Encodes"})

    def ending(self) -> nn.Module:
        """Returns what brings the generator's output to where the data live."""
        return Squash(self.spec, hard=True)

    def players(self) -> dict[str, nn.Module]:
        """Returns the two, in the order of their turns."""
        return {"discriminator": self.discriminator, "generator": self.generator}

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields both turns of algorithm 1 with one step of the discriminator, on logits: log D = -softplus(-logit)."""
        z = self.prior(len(batch), label=batch.label)
        with torch.no_grad():
            fake = self.generator(z)
        real, made = self.judge(batch.x, batch.label), self.judge(fake, batch.label)
        yield Loss("discriminator", softplus(-real).mean() + softplus(made).mean(), self.told(real, made),
                   self.counted(real, batch.label), self.learn)

        logits = self.judge(self.generator(z), batch.label)
        yield Loss("generator", -softplus(logits).mean() if self.saturating else softplus(-logits).mean())

    def recipe(self) -> Recipe:
        """Returns how it likes to be trained: Adam where the paper has momentum, and samples of averaged weights."""
        optim = Optim(lr=1e-3, betas=(0.5, 0.999))
        return Recipe(batch=64, steps=5_000, ema=0.995, optim={"discriminator": optim, "generator": optim})

    def judge(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Returns the logit of D(x) as training sees it, augmented where ADA is on, shape (N,)."""
        return self.noise.pick(self.discriminator(self.ada(x)), label)

    def told(self, real: Tensor, made: Tensor) -> dict[str, Tensor]:
        """Returns how well both are told apart, and where ADA is on how often it augments."""
        return told_apart(real, made) | ({"augmented": self.ada.p.clone()} if self.ada.on else {})

    def counted(self, real: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        """Returns what ADA and the classes count of the logits and labels of data."""
        return {**self.ada.stats(real), **self.noise.stats(label)}

    def learn(self, stats: Mapping[str, Tensor]) -> None:
        """Takes in what was counted, once per move."""
        self.ada.update(stats)
        self.noise.update(stats)

    def prior(self, n: int, *, label: Any = None, generator: Generator | None = None) -> Tensor:
        """Returns noise z ~ N(0, I), and behind it the class where samples are made by class, shape (n, d)."""
        return self.noise.draw(n, label, generator)

    def decode(self, z: Tensor) -> Tensor:
        """Returns G(z), shape (N, *spec.shape)."""
        x: Tensor = self.generator(z)
        return x

    def sample(
        self, n: int, *, label: int | None = None, temperature: float = 1.0, generator: Generator | None = None
    ) -> Tensor:
        """Returns n samples of noise times the temperature, of one class if it is given, shape (n, *spec.shape)."""
        z = self.prior(n, label=label, generator=generator)
        noise, kind = z.tensor_split([self.gaussian], dim=1)
        return self.decode(torch.cat([temperature * noise, kind], dim=1))

    def discriminate(self, x: Tensor) -> Tensor:
        """Returns D's output before any squashing, shape (N,): the log odds of being data, where `log_odds` says so."""
        return self.noise.pick(self.discriminator(x))

    def layers(self) -> list[str]:
        """Returns the layers that `encode` knows."""
        net: Any = self.discriminator
        names: list[str] = net.layers()
        return names

    def encode(self, x: Tensor, *, layer: str | None = None) -> Tensor:
        """Returns the discriminator's features, maps max-pooled to at most 4 x 4, all layers' in a row (DCGAN, 5.1).

        Arguments:
            x: Samples, shape (N, *spec.shape).
            layer: One of `layers`, for its features alone, shape (N, units) or (N, channels, h, w).

        Returns:
            Shape (N, d).
        """
        net: Any = self.discriminator
        if layer is not None:
            return layer_of(net, x, layer)
        return torch.cat([max_pooled(f) for f in net.features(x)], dim=1)
