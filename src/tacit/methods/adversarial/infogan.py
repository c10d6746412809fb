"""InfoGAN: a GAN whose code can be read back from its samples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, one_hot, softplus

from tacit.errors import OptionError, at_least
from tacit.functional.noise import uniform
from tacit.methods.adversarial.gan import GAN
from tacit.nets.coders import decoder, encoder
from tacit.nets.judges import Reader
from tacit.protocol import Batch, Loss, Optim, Recipe, Spec

__all__ = ["InfoGAN"]

FEATURES = 256  # that discriminator and reader share
SHOWN, STEPS, REACH = 10, 9, 2.0  # images of a category, and those of a walk with its ends


class InfoGAN(GAN):
    """InfoGAN: part of the noise is a code, a category and some numbers, that must be readable in every sample.

    Beside the discriminator's logit a head Q reads the code from the same features. Both players raise the lower
    bound E[log Q(c | G(z, c))] + H(c) of the mutual information between code and sample: the discriminator by reading
    better, the generator by making readable samples. No labels are looked at, and yet categories may come to be
    classes: `encode` and `assign` read them from data.

    References:
        Chen et al. 2016, arXiv:1606.03657 (equations 5 and 6).

    Arguments:
        spec: What one sample is.
        latent: Dimensions of the noise besides the code.
        categories: Number of values of the categorical code; 0 for none.
        continuous: Number of continuous codes, uniform in [-1, 1].
        information: Weight lambda of the bound on the categorical code.
        smooth: Weight of the bound on the continuous codes.
        width: Units of each hidden layer, or channels of the first convolution; by default 512 or 16.
        depth: Hidden layers of an mlp.
        net: Which net; auto takes convolutions for images and maps, an mlp for the rest; resnet adds residual blocks.

    Raises:
        OptionError: If an option is out of its range, or there would be no code.
        DataError: If images are too small for the net.
    """

    may_need = frozenset()

    def __init__(
        self,
        spec: Spec,
        *,
        latent: int = 62,
        categories: int = 10,
        continuous: int = 2,
        information: float = 1.0,
        smooth: float = 0.1,
        width: int | None = None,
        depth: int = 2,
        net: Literal["auto", "mlp", "conv", "resnet"] = "auto",
    ) -> None:
        at_least(0, categories=categories, continuous=continuous, information=information, smooth=smooth)
        if categories == 1 or not categories + continuous:
            raise OptionError(f"--categories {categories} and --continuous {continuous} make no code; expected 2 or "
                              "more categories, or continuous codes")
        size = latent + categories + continuous
        generator = decoder(spec, size, width=width, depth=depth, net=net, activation=nn.ReLU)
        leaky = partial(nn.LeakyReLU, 0.2)
        trunk = encoder(spec, FEATURES, width=width, depth=depth, net=net, activation=leaky)
        super().__init__(spec, latent=latent, generator=generator,
                         discriminator=Reader(trunk, FEATURES, categories + continuous))
        self.categories, self.continuous = categories, continuous
        self.one_hot, self.uniform = (categories,) if categories else (), continuous
        self.information, self.smooth = information, smooth
        if not categories:
            self.without |= {"Clusters"}

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields both turns, each with its share in the bound; that of data is never read."""
        z = self.prior(len(batch))
        with torch.no_grad():
            fake = self.generator(z)
        real = self.judge(batch.x)
        made, read = self.read(self.ada(fake))
        bound, terms = self.bound_of(read, z)
        yield Loss("discriminator", softplus(-real).mean() + softplus(made).mean() - bound,
                   self.told(real, made) | terms, self.counted(real, None), self.learn)

        logits, read = self.read(self.ada(self.generator(z)))
        yield Loss("generator", softplus(-logits).mean() - self.bound_of(read, z)[0])

    def bound_of(self, read: Tensor, z: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Returns the weighted bound of equation 5, and its parts in nats.

        Arguments:
            read: What Q reads of the samples: logits of the categories and means of the rest, shape (N, K + C).
            z: What they were made of.

        Returns:
            Of the category E[log Q(c | x)] + log K, at most log K; of the others -(c - mean)^2 / 2, to which a Gaussian
            Q of deviation 1 comes but for a constant.
        """
        (logits, means), (category, rest) = self.parts(read), self.parts(z[:, self.gaussian :])
        value, terms = z.new_zeros(()), {}
        if self.categories:
            found = math.log(self.categories) - cross_entropy(logits, category.argmax(1))
            value, terms["information"] = value + self.information * found, found.detach()
        if self.continuous:
            error = mse_loss(means, rest, reduction="sum") / len(z) / 2
            value, terms["code_error"] = value - self.smooth * error, error.detach()
        return value, terms

    def parts(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the categorical and the continuous part of a code, shape (N, K + C)."""
        return code[:, : self.categories], code[:, self.categories :]

    def read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the logits of D(x), shape (N,), and what Q reads, shape (N, K + C)."""
        net: Any = self.discriminator
        logits, code = net.both(x)
        return logits.squeeze(1), code

    def recipe(self) -> Recipe:
        """Returns the paper's for MNIST (appendix C.1)."""
        slow, fast = Optim(lr=2e-4, betas=(0.5, 0.999)), Optim(lr=1e-3, betas=(0.5, 0.999))
        return Recipe(batch=64, steps=5_000, ema=0.995, optim={"discriminator": slow, "generator": fast})

    def prior(self, n: int, *, label: Any = None, generator: Generator | None = None) -> Tensor:
        """Returns noise, a one-hot category, `label` where it is given, and continuous codes, shape (n, d)."""
        if isinstance(label, int) and not 0 <= label < self.categories:
            known = f"they are 0 to {self.categories - 1}" if self.categories else "its code has continuous parts only"
            raise OptionError(f"there is no category {label}; {known}")
        noise = self.noise.draw(n, None, generator)
        u = uniform(n, 1 + self.continuous, device=noise.device, generator=generator)
        category = (u[:, 0] * self.categories).long() if label is None else torch.as_tensor(label).expand(n)
        hot = one_hot(category.to(noise.device), self.categories).to(noise.dtype) if self.categories else u[:, :0]
        return torch.cat([noise, hot, 2 * u[:, 1:] - 1], dim=1)  # (n, latent + K + C)

    def sample(  # type: ignore[override]
        self, n: int, *, category: int | None = None, temperature: float = 1.0, generator: Generator | None = None
    ) -> Tensor:
        """Returns n samples of noise times the temperature, of one category if it is given, shape (n, *spec.shape).

        Arguments:
            n: How many.
            category: Value of the categorical code; by default any.
            temperature: Spread of the noise: below 1 safer, above 1 wilder.
            generator: The source of all randomness.
        """
        return super().sample(n, label=category, temperature=temperature, generator=generator)

    def encode(self, x: Tensor, *, layer: str | None = None) -> Tensor:
        """Returns the code that Q reads: probabilities of the categories and means of the rest, shape (N, K + C).

        Arguments:
            x: Samples, shape (N, *spec.shape).
            layer: One of `layers`, for the discriminator's features instead.
        """
        if layer is not None:
            return super().encode(x, layer=layer)
        logits, means = self.parts(self.read(x)[1])
        return torch.cat([logits.softmax(1), means], dim=1)

    def assign(self, x: Tensor) -> Tensor:
        """Returns the category that Q finds likeliest, int64 (N,)."""
        return self.parts(self.read(x)[1])[0].argmax(1)

    @property
    def captions(self) -> dict[str, str]:
        """What stands below the titles of the figures."""
        rows = "; a row for each category" if self.categories else ""
        walk = f"From {-REACH:g} at the left to {REACH:g}, of which training saw -1 to 1, and all else the same{rows}."
        return {"categories": "A row for each category, and the same noise down each column.",
                **{f"code-{i + 1}": walk for i in range(self.continuous)}}

    @torch.no_grad()
    def figures(self) -> dict[str, Tensor]:
        """Returns samples by category, one a row of the same noise, and walks along each continuous code.

        A walk goes from -2 to 2, beyond what training has seen, one row for each category.
        """
        generator = Generator(self.device).manual_seed(0)
        rows = max(1, self.categories)
        z = self.prior(SHOWN, generator=generator).repeat(rows, 1, 1)  # (rows, columns, d)
        if self.categories:
            z[..., self.gaussian : self.gaussian + self.categories] = torch.eye(rows, device=z.device)[:, None]
        found = {"categories": self.decode(z.flatten(0, 1)).unflatten(0, (rows, SHOWN))} if self.categories else {}
        walk = z[:, :1].repeat(1, STEPS, 1)
        walk[..., self.gaussian + self.categories :] = 0
        for i in range(self.continuous):
            line = walk.clone()
            line[..., self.gaussian + self.categories + i] = torch.linspace(-REACH, REACH, STEPS, device=z.device)
            found[f"code-{i + 1}"] = self.decode(line.flatten(0, 1)).unflatten(0, (rows, STEPS))
        return found
