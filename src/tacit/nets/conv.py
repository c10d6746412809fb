"""Convolutional nets for images of any height and width: 4 x 4 kernels of stride 2 halve, or double, at each block."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from tacit.errors import DataError

__all__ = ["ConvDecoder", "ConvEncoder", "PreActivation", "centre_crop", "group_norm", "halvings", "initialise"]

SMALLEST = 4
WIDEST = 8  # channels grow up to this multiple of the first block's


def halvings(shape: tuple[int, ...]) -> int:
    """Returns how often an image of shape (C, H, W) is halved until its shorter side is about 4.

    Raises:
        DataError: If a side is below 4.

    Example:
        >>> [halvings((1, n, n)) for n in (4, 8, 28, 32, 64)]
        [1, 1, 3, 3, 4]
    """
    _, height, width = shape
    if min(height, width) < SMALLEST:
        raise DataError(f"images are {height} x {width} and a convolutional net takes {SMALLEST} x {SMALLEST} and "
                        "larger; --size 8 enlarges them")
    return max(1, round(math.log2(min(height, width) / SMALLEST)))


def group_norm(channels: int) -> nn.Module:
    """Returns a norm without running state: GroupNorm of 8 groups, or as many as divide the channels."""
    return nn.GroupNorm(math.gcd(8, channels), channels)


class PreActivation(nn.Module):
    """x + two convolutions, each behind a norm and an activation; the second starts at nearly zero.

    References:
        He et al. 2016, arXiv:1603.05027.

    Arguments:
        channels: Of input and output.
        norm: Makes a norm for a number of channels.
        activation: Makes an activation.
    """

    def __init__(
        self, channels: int, norm: Callable[[int], nn.Module], activation: Callable[[], nn.Module]
    ) -> None:
        super().__init__()
        first, last = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        nn.init.normal_(last.weight, std=1e-3)  # at 0 the layers before would get no gradient
        self.layers = nn.Sequential(norm(channels), activation(), first, norm(channels), activation(), last)

    def forward(self, x: Tensor) -> Tensor:
        """Returns maps of the same shape, (N, channels, h, w)."""
        result: Tensor = x + self.layers(x)
        return result


class ConvEncoder(nn.Module):
    """Halves an image until about 4 x 4 are left, then one linear layer.

    Arguments:
        shape: Of one image, (C, H, W), H and W at least 4.
        out: Number of outputs.
        width: Channels of the first block; each further block has twice as many, up to eight times.
        norm: Makes the norm of a block for its number of channels.
        activation: Makes an activation.
        norm_first: Whether the first block has a norm too.
        residual: Residual blocks behind each halving.

    Raises:
        DataError: If the image is smaller than 4 x 4.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        out: int,
        width: int = 32,
        *,
        norm: Callable[[int], nn.Module] = group_norm,
        activation: Callable[[], nn.Module] = nn.SiLU,
        norm_first: bool = True,
        residual: int = 0,
    ) -> None:
        super().__init__()
        blocks, channels, (height, breadth) = [], shape[0], shape[1:]
        for i in range(halvings(shape)):
            wider = width * min(2**i, WIDEST)
            normed = i > 0 or norm_first
            bias = not normed or norm is not nn.BatchNorm2d  # which would take it away again
            conv = nn.Conv2d(channels, wider, 4, stride=2, padding=1, bias=bias)  # (H, W) -> (H // 2, W // 2)
            more = [PreActivation(wider, norm, activation) for _ in range(residual)]
            blocks.append(nn.Sequential(conv, norm(wider) if normed else nn.Identity(), activation(), *more))
            channels, height, breadth = wider, height // 2, breadth // 2
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(channels * height * breadth, out)

    def layers(self) -> list[str]:
        """Returns the names of the blocks."""
        return [f"conv{i}" for i in range(1, len(self.blocks) + 1)]

    def features(self, x: Tensor) -> list[Tensor]:
        """Returns what each block makes of the image, each of shape (N, channels, h, w)."""
        made = [x]
        for block in self.blocks:
            made.append(block(made[-1]))
        return made[1:]

    def forward(self, x: Tensor) -> Tensor:
        """Returns outputs, shape (N, out)."""
        for block in self.blocks:
            x = block(x)
        result: Tensor = self.head(x.flatten(1))  # (N, channels * h * w) -> (N, out)
        return result


class ConvDecoder(nn.Module):
    """One linear layer onto a small grid, which is doubled until the image is covered, and cropped to it.

    Arguments:
        latent: Number of inputs.
        shape: Of one image, (C, H, W), H and W at least 4.
        width: Channels before the last block; each block before has twice as many, up to eight times.
        norm: Makes the norm of a block for its number of channels.
        activation: Makes an activation.
        residual: Residual blocks before each doubling.

    Raises:
        DataError: If the image is smaller than 4 x 4.
    """

    def __init__(
        self,
        latent: int,
        shape: tuple[int, ...],
        width: int = 32,
        *,
        norm: Callable[[int], nn.Module] = group_norm,
        activation: Callable[[], nn.Module] = nn.SiLU,
        residual: int = 0,
    ) -> None:
        super().__init__()
        self.shape, times = shape, halvings(shape)
        widths = [width * min(2**i, WIDEST) for i in reversed(range(times))]
        self.grid = (widths[0], -(-shape[1] // 2**times), -(-shape[2] // 2**times))  # ceil(H / 2^k), ceil(W / 2^k)
        self.stem = nn.Linear(latent, math.prod(self.grid))

        def more(channels: int) -> list[nn.Module]:
            return [PreActivation(channels, norm, activation) for _ in range(residual)]

        self.stem_norm = nn.Sequential(norm(widths[0]), activation(), *more(widths[0]))
        bias = norm is not nn.BatchNorm2d
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose2d(n, m, 4, stride=2, padding=1, bias=bias), norm(m), activation(), *more(m))
            for n, m in zip(widths, widths[1:], strict=False)
        )
        self.head = nn.ConvTranspose2d(widths[-1], shape[0], 4, stride=2, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """Returns images, shape (N, C, H, W), without a squashing of their values."""
        x = self.stem_norm(self.stem(z).unflatten(1, self.grid))  # (N, d) -> (N, channels, h, w)
        for block in self.blocks:
            x = block(x)  # (N, n, h, w) -> (N, n / 2, 2h, 2w)
        return centre_crop(self.head(x), self.shape[1], self.shape[2])


def centre_crop(x: Tensor, height: int, width: int) -> Tensor:
    """Returns the middle of images, shape (N, C, height, width)."""
    top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
    return x[:, :, top : top + height, left : left + width]


@torch.no_grad()
def initialise(module: nn.Module) -> None:
    """Draws weights from N(0, 0.02^2) and gains of norms from N(1, 0.02^2), and sets biases to 0 (DCGAN, section 4)."""
    gain = isinstance(module, nn.BatchNorm2d | nn.InstanceNorm2d)
    if gain or isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        if isinstance(module.weight, Tensor):
            module.weight.normal_(float(gain), 0.02)
        if isinstance(module.bias, Tensor):
            module.bias.zero_()
