"""The denoising autoencoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn

from tacit.errors import OptionError
from tacit.functional.corruption import CORRUPTIONS
from tacit.methods.autoencoders.ae import AE
from tacit.nets.coders import kind_of_net
from tacit.nets.conv import PreActivation, group_norm
from tacit.protocol import Batch, Loss, Optim, Recipe, Spec

__all__ = ["DenoisingAE"]

AMOUNTS = {"gaussian": 0.1, "masking": 0.25, "salt-and-pepper": 0.1}
BLOCKS = 2  # residual blocks on either side of a code that is a map


class DenoisingAE(AE):
    """Denoising autoencoder: restores clean samples from corrupted ones, and so learns what samples are like.

    Copying brings nothing, so that the code may be wider than the data. Of images it is a map at half their height and
    width, from which `reconstruct` restores every pixel; a narrow code could not keep the detail that it is to free
    from noise. Each step corrupts its samples anew.

    References:
        Vincent et al. 2008, Extracting and composing robust features with denoising autoencoders. Vincent et al. 2010,
        Stacked denoising autoencoders, JMLR 11 (sections 3.2 and 4.1). Zhang et al. 2017, arXiv:1710.04026 (denoising
        at half the height and width).

    Arguments:
        spec: What one sample is.
        latent: Channels of a code that is a map, else its dimensions.
        loss: What is minimised: mse (squared error) or bce (cross-entropy, for data in [0, 1]).
        corruption: What is done to samples: gaussian noise, masking (values to 0), salt-and-pepper (to an extreme).
        amount: Deviation of the noise in widths of the range, or share of values struck; by default 0.1, 0.25, 0.1.
        emphasis: Weight in [0, 1] of the error of struck values, one minus it of the others; 0.5 treats all alike.
        label_weight: Weight of the cross-entropy of a label, beside the error of a sample; 0 learns without labels.
        width: Units of each hidden layer, or channels of the first convolution; by default 512 or 16; not of a map.
        depth: Hidden layers of an mlp; 0 makes it linear.
        net: Which net; auto takes a map as code for images and maps, an mlp for the rest; conv and resnet are narrow.
        encoder: Your own module, (N, *shape) to (N, latent) or (N, latent, h, w).
        decoder: Your own module, from there to (N, *shape), before the squashing to the range of the data.

    Raises:
        DataError: If bce is asked for and the data are not in [0, 1], images are too small for the net, or there are
            no classes to learn.
        OptionError: If the corruption does not suit the data, or leaves nothing to emphasise.
    """

    overcomplete = True

    def __init__(
        self,
        spec: Spec,
        *,
        latent: int = 32,
        loss: Literal["mse", "bce"] = "mse",
        corruption: Literal["gaussian", "masking", "salt-and-pepper"] = "gaussian",
        amount: float | None = None,
        emphasis: float = 0.5,
        label_weight: float = 0.0,
        width: int | None = None,
        depth: int = 2,
        net: Literal["auto", "map", "mlp", "conv", "resnet"] = "auto",
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        given = (encoder is None) != (decoder is None)  # who brings one half along says what the code is
        if net == "map" or (net == "auto" and not given and spec.kind in self.accepts and kind_of_net(spec) == "conv"):
            if len(spec.shape) != 3:
                raise OptionError(f"--net map takes images and maps; the data are {spec}; take --net mlp")
            encoder, decoder = encoder or MapEncoder(spec.shape, latent), decoder or MapDecoder(latent, spec.shape)
        super().__init__(spec, latent=latent, loss=loss, label_weight=label_weight, width=width, depth=depth,
                         net="auto" if net == "map" else net, encoder=encoder, decoder=decoder)
        if not 0 <= emphasis <= 1 or (corruption == "gaussian" and emphasis != 0.5):
            raise OptionError(f"--emphasis is {emphasis:g}; it is a weight in [0, 1], and 0.5 with gaussian noise, "
                              "which strikes every value")
        self.corruption, self.emphasis = corruption, emphasis
        self.amount = AMOUNTS[corruption] if amount is None else amount
        self.corrupted(torch.zeros(1, *spec.shape))  # raises here what it would raise in training

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields the error of clean samples restored from corrupted ones, weighted as in 2010, section 4.1."""
        noisy, struck = self.corrupted(batch.x)
        weight = 2 * torch.where(struck, self.emphasis, 1 - self.emphasis)  # alpha, beta; (N, *shape)
        value, terms = self.restoration(batch, self.encode(noisy), weight)
        yield Loss("model", value, terms)

    def recipe(self) -> Recipe:
        """Returns how it likes to be trained."""
        return Recipe(batch=64, steps=5_000, optim={"model": Optim(lr=2e-3, schedule="cosine", warmup=50)})

    def corrupted(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns corrupted samples, and whether each value was struck, both of shape (N, *spec.shape)."""
        return CORRUPTIONS[self.corruption](x, self.amount, None, self.spec.range)


def residual_blocks(channels: int) -> nn.Sequential:
    """Returns blocks that start as nearly the identity, on maps of some channels."""
    return nn.Sequential(*(PreActivation(channels, group_norm, nn.SiLU) for _ in range(BLOCKS)))


class MapEncoder(nn.Sequential):
    """An image to a map of half its height and width, rounded up.

    Arguments:
        shape: Of one image, (C, H, W).
        channels: Of the map.
    """

    def __init__(self, shape: tuple[int, ...], channels: int) -> None:
        super().__init__(nn.Conv2d(shape[0], channels, 3, stride=2, padding=1), residual_blocks(channels))


class MapDecoder(nn.Module):
    """A map back to an image: each place becomes 2 x 2 pixels, and what is beyond the borders is cut off.

    Arguments:
        channels: Of the map.
        shape: Of one image, (C, H, W).
    """

    def __init__(self, channels: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.blocks = residual_blocks(channels)
        self.head = nn.Sequential(nn.Conv2d(channels, 4 * shape[0], 3, padding=1), nn.PixelShuffle(2))
        self.size = shape[1:]

    def forward(self, z: Tensor) -> Tensor:
        """Returns images, shape (N, C, H, W), without a squashing of their values."""
        x: Tensor = self.head(self.blocks(z))  # (N, channels, h, w) -> (N, C, 2h, 2w)
        return x[:, :, : self.size[0], : self.size[1]]
