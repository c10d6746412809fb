"""R3GAN's generator and discriminator: grouped residual blocks without any normalisation, for images of any size."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu

from tacit.nets.conv import WIDEST, centre_crop, halvings

__all__ = ["R3Block", "R3Discriminator", "R3Generator"]

SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))  # keeps the variance through a leaky ReLU
EXPANSION = 2


def scaled(layer: nn.Conv2d | nn.Linear, gain: float = 1.0) -> nn.Module:
    """Returns the layer with weights drawn of N(0, gain^2 / fan in)."""
    nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
    return layer


def pointwise(inputs: int, outputs: int) -> nn.Module:
    """Returns a 1 x 1 convolution without a bias that keeps the variance."""
    return scaled(nn.Conv2d(inputs, outputs, 1, bias=False))


class BiasedLeaky(nn.Module):
    """A leaky ReLU behind a bias for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Returns maps of the same shape, (N, channels, h, w)."""
        return leaky_relu(x + self.bias, SLOPE)


class R3Block(nn.Module):
    """x + three convolutions: 1 x 1 onto twice the channels, 3 x 3 in groups, 1 x 1 back; the last starts at zero.

    References:
        Huang et al. 2024, arXiv:2501.05441, section 3. Zhang et al. 2019, arXiv:1901.09321 (the scale of the start).

    Arguments:
        channels: Of input and output.
        group: Channels in each group, or as many as divide.
        depth: Residual blocks in the whole net, which the variance is scaled by.
    """

    def __init__(self, channels: int, group: int, depth: int) -> None:
        super().__init__()
        wide = EXPANSION * channels
        gain = GAIN * depth ** (-1 / 4)  # L^(-1 / (2 m - 2)) with m = 3 layers
        self.layers = nn.Sequential(
            scaled(nn.Conv2d(channels, wide, 1, bias=False), gain),
            BiasedLeaky(wide),
            scaled(nn.Conv2d(wide, wide, 3, padding=1, groups=wide // math.gcd(group, wide), bias=False), gain),
            BiasedLeaky(wide),
            scaled(nn.Conv2d(wide, channels, 1, bias=False), 0),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Returns maps of the same shape, (N, channels, h, w)."""
        result: Tensor = x + self.layers(x)
        return result


class Resampled(nn.Module):
    """Maps of twice or half the size, through the bilinear filter (1, 3, 3, 1) that is (1, 2, 1) of repeated pixels."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("kernel", line[:, None] * line, persistent=False)  # (4, 4)


class Upsampled(Resampled):
    """Maps of twice the size."""

    def forward(self, x: Tensor) -> Tensor:
        """Returns (N, channels, 2h, 2w)."""
        each = 4 * self.kernel.expand(x.shape[1], 1, 4, 4)
        return conv_transpose2d(x, each, stride=2, padding=1, groups=x.shape[1])


class Downsampled(Resampled):
    """Maps of half the size."""

    def forward(self, x: Tensor) -> Tensor:
        """Returns (N, channels, h // 2, w // 2)."""
        each = self.kernel.expand(x.shape[1], 1, 4, 4)
        return conv2d(x, each, stride=2, padding=1, groups=x.shape[1])


def widths_of(shape: tuple[int, ...], width: int) -> list[int]:
    """Returns the channels of each stage, from the largest maps to the smallest: twice as many, up to eight times.

    Example:
        >>> widths_of((3, 32, 32), 12)
        [12, 24, 48, 96]
    """
    return [width * min(2**i, WIDEST) for i in range(halvings(shape) + 1)]


class R3Generator(nn.Module):
    """A learned grid whose channels the noise scales, which residual blocks and doublings make an image of.

    References:
        Huang et al. 2024, arXiv:2501.05441.

    Arguments:
        latent: Number of inputs.
        shape: Of one image, (C, H, W), H and W at least 4.
        width: Channels at the full size; each stage before has twice as many, up to eight times.
        blocks: Residual blocks of each stage.
        group: Channels in each group of the 3 x 3 convolutions, or as many as divide.

    Raises:
        DataError: If the image is smaller than 4 x 4.
    """

    def __init__(
        self, latent: int, shape: tuple[int, ...], *, width: int = 12, blocks: int = 1, group: int = 16
    ) -> None:
        super().__init__()
        self.shape, widths = shape, widths_of(shape, width)[::-1]
        times, depth = len(widths) - 1, blocks * len(widths)
        grid = (-(-shape[1] // 2**times), -(-shape[2] // 2**times))  # ceil(H / 2^k), ceil(W / 2^k)
        self.basis = nn.Parameter(torch.randn(widths[0], *grid))
        self.scale = scaled(nn.Linear(latent, widths[0], bias=False))
        self.stages = nn.ModuleList()
        for i, wide in enumerate(widths):
            change = [pointwise(widths[i - 1], wide)] if i and wide != widths[i - 1] else []
            enlarge = [Upsampled()] if i else []
            self.stages.append(nn.Sequential(*change, *enlarge, *(R3Block(wide, group, depth) for _ in range(blocks))))
        self.head = pointwise(widths[-1], shape[0])

    def forward(self, z: Tensor) -> Tensor:
        """Returns images, shape (N, C, H, W), without a squashing of their values."""
        x = self.basis * self.scale(z)[:, :, None, None]  # (N, d) -> (N, channels, h, w)
        for stage in self.stages:
            x = stage(x)  # (N, n, h, w) -> (N, n / 2, 2h, 2w)
        return centre_crop(self.head(x), self.shape[1], self.shape[2])


class R3Discriminator(nn.Module):
    """Residual blocks and halvings, and at the smallest size a weighted sum of each channel over its places.

    References:
        Huang et al. 2024, arXiv:2501.05441.

    Arguments:
        shape: Of one image, (C, H, W), H and W at least 4.
        out: Number of outputs.
        width: Channels at the full size; each further stage has twice as many, up to eight times.
        blocks: Residual blocks of each stage.
        group: Channels in each group of the 3 x 3 convolutions, or as many as divide.

    Raises:
        DataError: If the image is smaller than 4 x 4.
    """

    def __init__(
        self, shape: tuple[int, ...], out: int = 1, *, width: int = 12, blocks: int = 1, group: int = 16
    ) -> None:
        super().__init__()
        widths = widths_of(shape, width)
        times, depth = len(widths) - 1, blocks * len(widths)
        self.stem = pointwise(shape[0], width)
        self.stages = nn.ModuleList()
        for i, wide in enumerate(widths):
            shrink = [Downsampled()] if i else []
            change = [pointwise(widths[i - 1], wide)] if i and wide != widths[i - 1] else []
            self.stages.append(nn.Sequential(*shrink, *change, *(R3Block(wide, group, depth) for _ in range(blocks))))
        grid = (shape[1] // 2**times, shape[2] // 2**times)
        self.basis = nn.Parameter(torch.randn(widths[-1], *grid) / math.sqrt(math.prod(grid)))
        self.head = scaled(nn.Linear(widths[-1], out, bias=False))

    def layers(self) -> list[str]:
        """Returns the names of the stages."""
        return [f"stage{i}" for i in range(1, len(self.stages) + 1)]

    def features(self, x: Tensor) -> list[Tensor]:
        """Returns what each stage makes of the image, each of shape (N, channels, h, w)."""
        made = [self.stem(x)]
        for stage in self.stages:
            made.append(stage(made[-1]))
        return made[1:]

    def forward(self, x: Tensor) -> Tensor:
        """Returns outputs, shape (N, out)."""
        result: Tensor = self.head((self.features(x)[-1] * self.basis).sum((2, 3)))  # (N, channels, h, w) -> (N, out)
        return result
