"""Nets that tell what noise there is in a sample, given the time of the diffusion."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import silu

from tacit.nets.coders import kind_of_net
from tacit.nets.unet import TimeEmbedding, UNet, nearly_zero
from tacit.protocol import Spec

__all__ = ["ResidualMLP", "denoiser"]

WAVES = 64  # of the time's embedding
UNITS = 256  # of each layer of an mlp
CHANNELS = 32  # of a U-Net's first level


class ResidualBlock(nn.Module):
    """Two layers around a sum, with the time added between; the second starts at nearly zero.

    Arguments:
        width: Units.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.first = nn.LayerNorm(width), nn.Linear(width, width)
        self.time, self.second = nn.Linear(width, width), nearly_zero(nn.Linear(width, width))

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        """Returns activations, (N, width) to (N, width)."""
        result: Tensor = h + self.second(silu(self.first(self.norm(h)) + self.time(time)))
        return result


class ResidualMLP(nn.Module):
    """Residual layers that are told the time, for samples of any shape, which are flattened.

    Arguments:
        shape: Of one sample.
        width: Units of each layer.
        depth: Residual blocks, of two layers each.
    """

    def __init__(self, shape: Sequence[int], *, width: int = UNITS, depth: int = 4) -> None:
        super().__init__()
        size = math.prod(shape)
        self.time = TimeEmbedding(WAVES, width)
        self.stem = nn.Linear(size, width)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(depth))
        self.norm, self.head = nn.LayerNorm(width), nearly_zero(nn.Linear(width, size))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Returns what is asked for, of x's shape.

        Arguments:
            x: Samples, shape (N, *shape).
            t: Times, shape (N,).
        """
        time = silu(self.time(t))
        h = self.stem(x.flatten(1))
        for block in self.blocks:
            h = block(h, time)
        result: Tensor = self.head(silu(self.norm(h)))
        return result.view_as(x)  # (N, size) -> (N, *shape)


def denoiser(
    spec: Spec, *, width: int | None = None, multiples: Sequence[int] = (1, 2, 2), depth: int = 1
) -> UNet | ResidualMLP:
    """Returns the net that suits the data: a U-Net for images and for maps of at least 4 x 4, else residual layers.

    Arguments:
        spec: What one sample is.
        width: Channels of the U-Net's first level, or units of a layer; by default 32 or 256.
        multiples: Of the channels, for each level of the U-Net.
        depth: Residual blocks of each level; without levels there are four times as many.
    """
    if kind_of_net(spec) == "conv":
        return UNet(spec.shape, width=width or CHANNELS, multiples=multiples, blocks=depth)
    return ResidualMLP(spec.shape, width=width or UNITS, depth=4 * depth)
