"""Translation of images between two domains without pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from tacit.errors import OptionError, at_least, did_you_mean
from tacit.nets.conv import initialise
from tacit.nets.judges import told_apart
from tacit.nets.pool import ImagePool
from tacit.nets.translators import PatchGAN, ResNetGenerator, layers_of
from tacit.protocol import Batch, Loss, Method, Optim, Reach, Recipe, Spec

__all__ = ["CycleGAN"]

DOMAINS = ("target", "source")
LARGE = 256  # shorter side from which on there are 9 residual blocks, and 6 below


class CycleGAN(Method):
    """Translates images there and back: each must pass for one of the other domain, and return as it was.

    References:
        Zhu et al. 2017, arXiv:1703.10593.

    Arguments:
        spec: What one sample is: images of any height and width from 8, the same in both domains.
        width: Channels of all nets' first convolution; the paper has 64, a quarter of which suits a CPU.
        cycle: Weight of the mean absolute difference of an image that went there and back, on values in [-1, 1].
        identity: Weight, times that of the cycle, of what a generator changes in images of its own domain.
        blocks: Residual blocks of a generator; by default 9 for images of 256 x 256 and larger, else 6.
        layers: Halvings of the discriminators, whose patches are 16, 34 or 70 pixels wide with 1, 2 or 3; by default
            the largest of these that fits into the image.
        pool: Images of each domain that are kept to be shown to the discriminators later; 0 for none.

    Raises:
        DataError: If images are smaller than 8 x 8.
    """

    accepts = ("image",)
    needs = frozenset({"target"})

    def __init__(
        self,
        spec: Spec,
        *,
        width: int = 16,
        cycle: float = 10.0,
        identity: float = 0.5,
        blocks: int | None = None,
        layers: int | None = None,
        pool: int = 50,
    ) -> None:
        super().__init__(spec)
        at_least(0, cycle=cycle, identity=identity, pool=pool)
        self.cycle, self.identity = cycle, identity
        self.reach = Reach(multiple=4)
        channels, layers = spec.shape[0], layers_of(spec.shape, layers)
        if blocks is None:
            blocks = 9 if min(spec.shape[1:]) >= LARGE else 6
        self.generators = nn.ModuleDict({d: ResNetGenerator(channels, channels, width, blocks) for d in DOMAINS})
        self.discriminators = nn.ModuleDict({d: PatchGAN(channels, width, layers) for d in DOMAINS})
        self.pools = nn.ModuleDict({d: ImagePool(pool, spec.shape) for d in DOMAINS})
        self.apply(initialise)

    def players(self) -> dict[str, nn.Module]:
        """Returns both generators and both discriminators, in the order of their turns."""
        return {"generators": self.generators, "discriminators": self.discriminators}

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields both turns; the discriminators judge what the generators made before they moved, or earlier."""
        target: Any = batch.target  # it is among `needs`
        real = {"source": 2 * batch.x - 1, "target": 2 * target - 1}
        loss, made = self.generate(real["source"], real["target"])
        yield loss
        del loss  # and its graph

        seen, entries = {}, {}
        for domain in DOMAINS:
            seen[domain], entries[domain] = self.pools[domain](made[domain])
        yield self.discriminate_between(real, seen, entries)

    def generate(self, x: Tensor, y: Tensor) -> tuple[Loss, dict[str, Tensor]]:
        """Returns the generators' loss, equation 3 and the identity loss of section 5.2, and what they made."""
        to_y, to_x = self.generators["target"], self.generators["source"]
        fake_y, fake_x = to_y(x), to_x(y)
        passed = (self.discriminators["target"](fake_y) - 1).square().mean()
        passed = passed + (self.discriminators["source"](fake_x) - 1).square().mean()
        back = l1_loss(to_x(fake_y), x) + l1_loss(to_y(fake_x), y)
        value = passed + self.cycle * back
        terms = {"adversarial": passed.detach(), "cycle": back.detach()}
        if self.identity:
            kept = l1_loss(to_y(y), y) + l1_loss(to_x(x), x)
            value = value + self.cycle * self.identity * kept
            terms["identity"] = kept.detach()
        return Loss("generators", value, terms), {"target": fake_y.detach(), "source": fake_x.detach()}

    def discriminate_between(
        self, real: Mapping[str, Tensor], made: Mapping[str, Tensor], entries: Mapping[str, Tensor]
    ) -> Loss:
        """Returns the discriminators' loss: least squares towards 1 and 0 (section 3.3), halved."""
        judged_real = torch.stack([self.discriminators[d](real[d]) for d in DOMAINS])  # (2, N, 1, h, w)
        judged_made = torch.stack([self.discriminators[d](made[d]) for d in DOMAINS])
        value = (judged_real - 1).square().mean() + judged_made.square().mean()  # means of two: halved
        return Loss("discriminators", value, told_apart(judged_real - 0.5, judged_made - 0.5), entries, self.remember)

    def remember(self, entries: Mapping[str, Tensor]) -> None:
        """Puts what was made into the pools."""
        for domain, pool in self.pools.items():
            cast(ImagePool, pool).enter(entries[domain])

    def recipe(self) -> Recipe:
        """Returns section 4's, with batches of 4 for 1, which learn more per minute from small images."""
        optim = Optim(lr=2e-4, betas=(0.5, 0.999), schedule="constant-linear")
        return Recipe(batch=4, steps=5_000, optim={"generators": optim, "discriminators": optim})

    def translate(self, x: Tensor, *, to: Any = None) -> Tensor:
        """Returns images in the other domain, in [0, 1], shape (N, C, H, W).

        Arguments:
            x: Images in [0, 1], shape (N, C, H, W), of any height and width from 8.
            to: ``target``, which None means too, or ``source``.

        Raises:
            OptionError: If there is no such domain.
            DataError: If images are smaller than 8 x 8.
        """
        if to not in (None, *DOMAINS):
            raise OptionError(f"there is no domain {to!r}.{did_you_mean(str(to), DOMAINS)} "
                              "CycleGAN translates to target or to source")
        made: Tensor = self.generators[to or "target"](2 * x - 1)
        return (made + 1) / 2
