"""Translation of images that was learned from pairs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, l1_loss, softplus

from tacit.errors import DataError, OptionError, at_least
from tacit.nets.conv import initialise
from tacit.nets.judges import told_apart
from tacit.nets.translators import PatchGAN, UNetGenerator, halvings_of, image_norm, layers_of
from tacit.protocol import Batch, Loss, Method, Optim, Reach, Recipe, Spec

__all__ = ["Pix2Pix"]

ENLARGED = 286 / 256  # before a crop of the old size
LEAST_JITTERED = 64  # shorter side; enlarging smaller images blurs what little detail they have


class Pix2Pix(Method):
    """Translates images as paired examples show: close to the partner, and real in every patch.

    The paper trains on one image at a time, with batch norm over that image alone, at test time too. So does this in
    batches of any size: each image is normalised by its own statistics. Dropout, the only noise, stays on at test time
    as well, with the same mask for every image and every call.

    References:
        Isola et al. 2017, arXiv:1611.07004.

    Arguments:
        spec: What one sample is: images of any height and width from 8, with partners of the same.
        width: Channels of both nets' first convolution; the paper has 64, half of which suits a CPU.
        l1: Weight of the mean absolute difference from the partner, on values in [-1, 1].
        dropout: Share of the values that are set to 0 in the generator's innermost layers, those of eight times the
            width, of which images below 32 x 32 have none; 0 for none.
        depth: Halvings of the U-Net; by default down to one pixel, 8 at most.
        layers: Halvings of the discriminator, whose patches are 16, 34 or 70 pixels wide with 1, 2 or 3; by default the
            largest of these that fits into the image.
        skip: What the generator's output is added to: nothing, as in the paper, or the input, for partners that are
            mostly as it is, as colours are to their grey.
        jitter: Whether pairs are enlarged by 286/256, cropped at a random place and mirrored at random; by default for
            images of 64 x 64 and larger.

    Raises:
        DataError: If images are smaller than 8 x 8, or their partners have another height or width.
        OptionError: If an option is out of its range.
    """

    accepts = ("image",)
    needs = frozenset({"pair"})

    def __init__(
        self,
        spec: Spec,
        *,
        width: int = 32,
        l1: float = 100.0,
        dropout: float = 0.5,
        depth: int | None = None,
        layers: int | None = None,
        skip: Literal["none", "input"] = "none",
        jitter: bool | None = None,
    ) -> None:
        super().__init__(spec)
        channels, *size = spec.shape
        out, *partner = spec.pair or spec.shape
        if size != partner:
            raise DataError(f"Pix2Pix takes partners of the images' own size; the data are {spec}, their partners "
                            f"{' x '.join(map(str, spec.pair))}; srgan is for partners that are larger")
        at_least(0, l1=l1)
        if not 0 <= dropout < 1:
            raise OptionError(f"--dropout is {dropout:g}; it is a share, from 0 to below 1")
        if skip == "input" and channels not in (1, out):
            raise OptionError(f"--skip input adds {channels} channels to {out}; it takes as many, or grey images")
        self.l1, self.skip = l1, skip
        self.jitter = min(size) >= LEAST_JITTERED if jitter is None else jitter
        depth = halvings_of(spec.shape, depth)
        self.reach = Reach(multiple=2**depth)
        self.generator = UNetGenerator(channels, out, width, depth, dropout)
        self.discriminator = PatchGAN(channels + out, width, layers_of(spec.shape, layers), image_norm)
        self.apply(initialise)

    def players(self) -> dict[str, nn.Module]:
        """Returns the two, in the order of their turns."""
        return {"discriminator": self.discriminator, "generator": self.generator}

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields both turns: the discriminator's on pairs, its loss halved; the generator's of equation 4."""
        partners: Any = batch.pair  # they are among `needs`
        x, y = 2 * batch.x - 1, 2 * partners - 1
        if self.jitter and self.training:
            x, y = jittered(x, y)
        with torch.no_grad():
            fake = self.make(x)
        real, made = self.judge(x, y), self.judge(x, fake)
        value = (softplus(-real).mean() + softplus(made).mean()) / 2
        yield Loss("discriminator", value, told_apart(real, made))

        fake = self.make(x)
        adversarial, distance = softplus(-self.judge(x, fake)).mean(), l1_loss(fake, y)
        terms = {"adversarial": adversarial.detach(), "l1": distance.detach()}
        yield Loss("generator", adversarial + self.l1 * distance, terms)

    def make(self, x: Tensor) -> Tensor:
        """Returns what the generator makes of images, both in [-1, 1], shape (N, C, H, W) to (N, out, H, W)."""
        made: Tensor = self.generator(x)
        return made if self.skip == "none" else x + made

    def judge(self, x: Tensor, y: Tensor) -> Tensor:
        """Returns a logit for each patch, the log odds that y is the partner of x, shape (N, 1, h, w)."""
        logits: Tensor = self.discriminator(torch.cat([x, y], dim=1))
        return logits

    def recipe(self) -> Recipe:
        """Returns section 3.3's, with batches of 16 for 1, which learn more per minute from small images."""
        optim = Optim(lr=2e-4, betas=(0.5, 0.999))
        return Recipe(batch=16, steps=4_000, optim={"discriminator": optim, "generator": optim})

    def translate(self, x: Tensor, *, to: Any = None) -> Tensor:
        """Returns the partners of images in [0, 1], shape (N, *spec.pair).

        Arguments:
            x: Images, shape (N, C, H, W), of any height and width that the U-Net can halve.
            to: None or ``target``; there is one way only.

        Raises:
            OptionError: If another domain is asked for.
            DataError: If images are too small for the U-Net.
        """
        if to not in (None, "target"):
            raise OptionError(f"there is no way to {to!r}: Pix2Pix translates images to their partners only; "
                              "for the way back, swap the two when you fit")
        return ((self.make(2 * x - 1) + 1) / 2).clamp(0, 1)


def jittered(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Returns pairs, each enlarged, cropped to its size at a place of its own, and mirrored in half of the cases."""
    n, channels, height, width = (both := torch.cat([x, y], dim=1)).shape
    size = (math.ceil(height * ENLARGED), math.ceil(width * ENLARGED))
    large = interpolate(both, size=size, mode="bilinear", align_corners=False)
    top = torch.randint(size[0] - height + 1, (n, 1), device=x.device)
    left = torch.randint(size[1] - width + 1, (n, 1), device=x.device)
    row, column = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
    column = torch.where(torch.rand(n, 1, device=x.device) < 0.5, column.flip(0), column)  # (n, W)
    sample = torch.arange(n, device=x.device).view(-1, 1, 1, 1)
    channel = torch.arange(channels, device=x.device).view(-1, 1, 1)
    crops = large[sample, channel, (top + row)[:, None, :, None], (left + column)[:, None, None]]  # (n, C, H, W)
    return crops[:, : x.shape[1]], crops[:, x.shape[1] :]
