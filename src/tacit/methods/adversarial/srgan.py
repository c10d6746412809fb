"""The super-resolution GAN."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss, softplus

from tacit.errors import DataError, OptionError, UserError, at_least
from tacit.methods.adversarial.srresnet import SRResNet
from tacit.nets.judges import told_apart
from tacit.nets.superres import PatchCritic
from tacit.protocol import Batch, Frozen, Loss, Optim, Recipe, Spec

__all__ = ["SRGAN"]


class SRGAN(SRResNet):
    """Super-resolution GAN: enlarges images so that they pass for real ones, sharp where SRResNet is smooth.

    The generator first learns as SRResNet does, then plays against a discriminator of large images. What keeps it to
    the true image is the squared error: of another run's features, or of pixels (the paper's SRGAN-MSE).

    References:
        Ledig et al. 2017, arXiv:1609.04802.

    Arguments:
        spec: What one sample is: small images, with partners that are 2, 3, 4 or 8 times as large.
        features: A run that encodes large images, such as the pretrained VGG-19; by default the pixels.
        feature_layer: The layer of that run whose features are compared, as conv5_4 of VGG-19, where it has layers.
        content: Weight of the squared error, 0.006 for VGG-19 in the paper. By default that of pixels counts once, and
            in features a share of their variance counts as much as that share of the pixels' variance does.
        adversarial: Weight of -log D(G(x)).
        pretrain: Share of the run that comes before the game, in [0, 1).
        critic_width: Channels of the discriminator's first convolution.
        width: Channels of the generator's maps.
        blocks: Residual blocks of the generator.
        patch: Height and width of the random crops of large images that it learns from, in pixels; the paper has 96,
            half of which suits a CPU.
        skip: What the generator's output is added to: the bicubic enlargement, which learns in minutes what takes
            hours without, or none, as in the paper.

    Raises:
        DataError: If samples have no partners, or these are of another size, or the features do not take them.
        OptionError: If options contradict each other, or a number is out of range.
    """

    begun: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        features: Frozen | None = None,
        feature_layer: str | None = None,
        content: float | None = None,
        adversarial: float = 1e-3,
        pretrain: float = 0.5,
        critic_width: int = 64,
        width: int = 64,
        blocks: int = 16,
        patch: int = 48,
        skip: Literal["none", "bicubic"] = "bicubic",
    ) -> None:
        super().__init__(spec, width=width, blocks=blocks, patch=patch, skip=skip)
        at_least(0, content=content or 0, adversarial=adversarial)
        at_least(1, critic_width=critic_width)
        if not 0 <= pretrain < 1:
            raise OptionError(f"--pretrain is {pretrain:g}; it is a share of the run, from 0 to below 1")
        if feature_layer is not None and features is None:
            raise OptionError(f"--feature-layer {feature_layer} is of no run; --features names one that encodes")
        if features is not None:
            chain: Any = features.chain
            seen: Spec = chain.spec
            if seen.kind != "image" or seen.shape[0] != spec.pair[0]:
                raise DataError(f"--features names a run on {seen}; expected one on images of {spec.pair[0]} channels")
        self.features, self.feature_layer = features, feature_layer
        self.content, self.adversarial, self.pretrain = content, adversarial, pretrain
        most = self.reach.zoom * (patch // self.reach.zoom)
        self.discriminator = PatchCritic((spec.pair[0], *(min(side, most) for side in spec.pair[1:])), critic_width)
        self.register_buffer("begun", torch.zeros((), dtype=torch.bool))

    def players(self) -> dict[str, nn.Module]:
        """Returns the two, in the order of their turns."""
        return {"discriminator": self.discriminator, "generator": self.net}

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields the generator's squared error at first, then both turns of the game; real and made images apart."""
        small, large = self.crops(batch)
        if self.clock.step == 0:
            self.begun.fill_(False)  # it may have come with another run's weights
            self.try_features(large)
        if self.clock.progress < self.pretrain and not self.begun:
            error = mse_loss(self.enlarge(small), large)
            yield Loss("generator", error, {"squared_error": error.detach()})
            return
        with torch.no_grad():
            fake = self.enlarge(small)
        real, made = self.discriminator(large), self.discriminator(fake)
        yield Loss("discriminator", softplus(-real).mean() + softplus(made).mean(), told_apart(real, made),
                   after=self.begin)

        fake = self.enlarge(small)
        kept, passed = self.content_loss(fake, large), softplus(-self.discriminator(fake)).mean()
        terms = {"content": kept.detach(), "squared_error": mse_loss(fake, large).detach()}
        yield Loss("generator", kept + self.adversarial * passed, terms)  # equation 3

    def begin(self, stats: Mapping[str, Tensor]) -> None:
        """Notes that the game has begun, from which a longer budget leads no way back."""
        self.begun.fill_(True)

    def content_loss(self, fake: Tensor, large: Tensor) -> Tensor:
        """Returns how far images are from the true ones, both in about [-1, 1] (equations 4 and 5)."""
        if self.features is None:
            return (1.0 if self.content is None else self.content) * mse_loss(fake, large)
        with torch.no_grad():
            true = self.represent(large)
        weight = large.var() / true.var().clamp_min(1e-12) if self.content is None else self.content
        return weight * mse_loss(self.represent(fake), true)

    def represent(self, x: Tensor) -> Tensor:
        """Returns the other run's features of images in about [-1, 1], shape (N, ...)."""
        chain: Any = self.features.chain  # type: ignore[union-attr]
        extra = {} if self.feature_layer is None else {"layer": self.feature_layer}
        made: Tensor = chain.encode((x + 1) / 2, **extra)
        return made

    def try_features(self, x: Tensor) -> None:
        """Raises an error at the first step, not after the pre-training, if the other run's features will not do."""
        if self.features is None:
            return
        x = x[:2].detach().requires_grad_()
        try:
            made = self.represent(x)
        except UserError:
            raise
        except Exception as error:  # of anybody's run
            why, size = " ".join(str(error).split()), " x ".join(map(str, x.shape[1:]))
            raise DataError(f"the features do not take crops of {size}: {type(error).__name__}: {why}; name a run on "
                            "the large images, and by --feature-layer its maps, or take whole images by a greater "
                            "--patch") from error
        if not made.requires_grad:
            raise OptionError("no gradient flows through the features; --features names another run, not an ONNX graph")

    def recipe(self) -> Recipe:
        """Returns the paper's batch, and greater learning rates, which learn in minutes."""
        generator, discriminator = Optim(lr=5e-4, schedule="cosine", warmup=50), Optim(lr=1e-4)
        return Recipe(batch=16, steps=6_000, optim={"discriminator": discriminator, "generator": generator})
