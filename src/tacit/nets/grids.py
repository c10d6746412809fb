"""Nets between samples and a grid of vectors: of an image at a quarter of its sides, of all else a row."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import pad

from tacit.nets import coders
from tacit.nets.coders import kind_of_net
from tacit.nets.conv import centre_crop
from tacit.protocol import Spec

__all__ = ["GridDecoder", "GridEncoder", "GridNet", "Residual", "grid_decoder", "grid_encoder"]

GridNet = Literal["auto", "mlp", "conv"]

FACTOR = 4  # by which a grid is coarser than its image
BLOCKS = 2
CHANNELS = 64  # the paper's 256 take some ten times as long


def kept_in_scale(net: nn.Module) -> None:
    """Draws the weights of convolutions so that what passes through them and ReLUs keeps its scale.

    With torch's own draw so little of the codes comes through at first that a decoder learns one constant image, and
    of dark data so dark a one that its squashing has no slope left.

    References:
        He et al. 2015, arXiv:1502.01852, equation 10.
    """
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            spread = math.prod(layer.stride) if isinstance(layer, nn.ConvTranspose2d) else 1  # outputs of one input
            seen = layer.in_channels * math.prod(layer.kernel_size) / spread
            nn.init.normal_(layer.weight, std=math.sqrt(2 / seen))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class Residual(nn.Module):
    """x + a 3 x 3 convolution onto fewer channels and a 1 x 1 convolution back, each behind a ReLU.

    Arguments:
        channels: Of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 2)
        self.layers = nn.Sequential(
            nn.ReLU(), nn.Conv2d(channels, inner, 3, padding=1), nn.ReLU(), nn.Conv2d(inner, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Returns maps of the same shape, (N, channels, h, w)."""
        result: Tensor = x + self.layers(x)
        return result


class GridEncoder(nn.Module):
    """Two 4 x 4 convolutions of stride 2, then residual blocks; sides that no 4 divides are padded.

    References:
        van den Oord et al. 2017, arXiv:1711.00937, section 4.1.

    Arguments:
        channels: Of an image.
        out: Channels of the grid.
        width: Channels of the hidden layers.

    Example:
        >>> import torch
        >>> GridEncoder(3, 16, width=8)(torch.zeros(2, 3, 30, 32)).shape
        torch.Size([2, 16, 8, 8])
    """

    def __init__(self, channels: int, out: int, width: int = 64) -> None:
        super().__init__()
        half = max(1, width // 2)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, half, 4, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(half, width, 4, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1), *(Residual(width) for _ in range(BLOCKS)), nn.ReLU(),
            nn.Conv2d(width, out, 1),
        )  # fmt: skip
        kept_in_scale(self)

    def forward(self, x: Tensor) -> Tensor:
        """Returns vectors of images (N, C, H, W), shape (N, out, ceil(H / 4), ceil(W / 4))."""
        short = [-side % FACTOR for side in x.shape[2:]]  # what H and W lack
        top, left = short[0] // 2, short[1] // 2
        result: Tensor = self.layers(pad(x, (left, short[1] - left, top, short[0] - top), mode="replicate"))
        return result


class GridDecoder(nn.Module):
    """Residual blocks, then two transposed 4 x 4 convolutions of stride 2; the middle is cut out.

    References:
        van den Oord et al. 2017, arXiv:1711.00937, section 4.1.

    Arguments:
        channels: Of the grid.
        shape: Of one image, (C, H, W).
        width: Channels of the hidden layers.
    """

    def __init__(self, channels: int, shape: tuple[int, ...], width: int = 64) -> None:
        super().__init__()
        self.shape, half = shape, max(1, width // 2)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1), *(Residual(width) for _ in range(BLOCKS)), nn.ReLU(),
            nn.ConvTranspose2d(width, half, 4, stride=2, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(half, shape[0], 4, stride=2, padding=1),
        )  # fmt: skip
        kept_in_scale(self)

    def forward(self, z: Tensor) -> Tensor:
        """Returns images, shape (N, C, H, W), of vectors (N, channels, h, w), without a squashing of their values."""
        return centre_crop(self.layers(z), *self.shape[1:])


def grid_encoder(
    spec: Spec, channels: int, positions: int, *, width: int | None = None, depth: int = 2, net: GridNet = "auto"
) -> nn.Module:
    """Returns a net from samples, shape (N, *spec.shape), to vectors on a grid, (N, channels, *grid).

    Arguments:
        spec: What one sample is.
        channels: Dimensions of a vector.
        positions: Length of the row of vectors where the net is an mlp.
        width: Channels of the hidden layers, or units of an mlp; by default 64 or 512.
        depth: Hidden layers of an mlp; 0 makes it linear.
        net: Which net; auto takes convolutions for images and maps, an mlp for the rest.
    """
    if kind_of_net(spec, net) == "conv":
        return GridEncoder(spec.shape[0], channels, width or CHANNELS)
    flat = coders.encoder(spec, channels * positions, width=width, depth=depth, net="mlp")
    return nn.Sequential(flat, nn.Unflatten(1, (channels, positions)))


def grid_decoder(
    spec: Spec, channels: int, positions: int, *, shape: tuple[int, ...], width: int | None = None, depth: int = 2,
    net: GridNet = "auto",
) -> nn.Module:
    """Returns a net from vectors on a grid, (N, channels, *grid), to samples before squashing, shape (N, *shape).

    Arguments:
        spec: What one sample is.
        channels: Dimensions of a vector.
        positions: Length of the row of vectors where the net is an mlp.
        shape: Of one sample of the output.
        width: Channels of the hidden layers, or units of an mlp; by default 64 or 512.
        depth: Hidden layers of an mlp; 0 makes it linear.
        net: Which net; auto takes convolutions for images and maps, an mlp for the rest.
    """
    if kind_of_net(spec, net) == "conv":
        return GridDecoder(channels, shape, width or CHANNELS)
    return coders.decoder(spec, channels * positions, shape=shape, width=width, depth=depth, net="mlp")
