"""Nets from image to image, [-1, 1] on both sides, and the net that judges their output patch by patch.

As in the authors' code, convolutions before a norm with gains and biases of its own have no bias.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, pad

from tacit.errors import DataError, OptionError, at_least
from tacit.functional.noise import uniform
from tacit.nets.conv import centre_crop

__all__ = [
    "KeptDropout",
    "PatchGAN",
    "ResNetGenerator",
    "UNetGenerator",
    "halvings_of",
    "image_norm",
    "layers_of",
    "patch",
]

WIDEST = 8  # channels grow up to this multiple of the first block's
DEEPEST = 8  # halvings of a U-Net, which make one pixel of 256
SMALLEST = 8  # side of an image, of which every norm still sees several pixels
REFLECTED = 4  # multiple of the sides that a ResNet takes: two halvings
SEED = 2016  # of the masks of dropout outside training

Norm = Callable[[int], nn.Module]


def image_norm(channels: int) -> nn.Module:
    """Returns batch norm as it is with batches of one image: each image is normalised by its own statistics."""
    return nn.InstanceNorm2d(channels, affine=True)


def biased(norm: Norm) -> bool:
    """Returns whether convolutions before a norm have biases: only where the norm has none."""
    return norm is nn.InstanceNorm2d


class ResidualBlock(nn.Module):
    """x + two 3 x 3 convolutions of the reflected image, the first with an activation behind it.

    Arguments:
        channels: Of input and output.
        norm: Makes a norm for a number of channels.
    """

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        first, last = (
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=biased(norm)) for _ in range(2)
        )
        self.layers = nn.Sequential(first, norm(channels), nn.ReLU(), last, norm(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Returns maps of the same shape, (N, channels, h, w)."""
        result: Tensor = x + self.layers(x)
        return result


class ResNetGenerator(nn.Module):
    """Halves an image twice, passes it through residual blocks, and doubles it twice.

    Sides that are no multiple of 4 are enlarged to one by reflection, and the output is cropped.

    References:
        Johnson et al. 2016, arXiv:1603.08155. Zhu et al. 2017, arXiv:1703.10593, section 4.

    Arguments:
        channels: Of the input.
        out: Channels of the output.
        width: Channels of the first convolution; the residual blocks have four times as many.
        blocks: Residual blocks.
        norm: Makes a norm for a number of channels.
    """

    def __init__(
        self, channels: int, out: int, width: int = 64, blocks: int = 9, norm: Norm = nn.InstanceNorm2d
    ) -> None:
        super().__init__()
        at_least(1, width=width)
        at_least(0, blocks=blocks)
        bias = biased(norm)
        head = partial(nn.Conv2d, kernel_size=7, padding=3, padding_mode="reflect")
        layers = [head(channels, width, bias=bias), norm(width), nn.ReLU()]
        for n in (width, 2 * width):  # (h, w) -> (h / 2, w / 2)
            layers += [nn.Conv2d(n, 2 * n, 3, stride=2, padding=1, bias=bias), norm(2 * n), nn.ReLU()]
        layers += [ResidualBlock(4 * width, norm) for _ in range(blocks)]
        for n in (2 * width, width):  # (h, w) -> (2h, 2w)
            up = nn.ConvTranspose2d(2 * n, n, 3, stride=2, padding=1, output_padding=1, bias=bias)
            layers += [up, norm(n), nn.ReLU()]
        self.layers = nn.Sequential(*layers, head(width, out), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        """Returns images in [-1, 1], shape (N, out, H, W)."""
        made: Tensor = self.layers(padded(x, REFLECTED))
        return centre_crop(made, x.shape[2], x.shape[3])


class KeptDropout(nn.Module):
    """Dropout that acts outside training too, where all samples share one mask that is always the same.

    So the output for a sample depends neither on the others nor on when it is asked for.

    Arguments:
        p: Share of the values that are set to 0.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Returns maps of the same shape, (N, C, h, w)."""
        if self.training:
            return dropout(x, self.p)
        drawn = uniform(1, *x.shape[1:], device=x.device, generator=torch.Generator().manual_seed(SEED))
        return x * (drawn >= self.p) / (1 - self.p)


class UNetGenerator(nn.Module):
    """Halves an image down to about one pixel and doubles it again, each doubling beside the maps of its size.

    Sides that are no multiple of 2^depth are enlarged to one by reflection, and the output is cropped. The innermost
    maps have no norm: of one pixel it would leave nothing but 0.

    References:
        Isola et al. 2017, arXiv:1611.07004, section 6.1.1. Ronneberger et al. 2015, arXiv:1505.04597.

    Arguments:
        channels: Of the input.
        out: Channels of the output.
        width: Channels of the first halving; each further one has twice as many, up to eight times.
        depth: Halvings.
        drop: Share of the values that dropout sets to 0 in the three innermost doublings, those with eight times the
            channels.
        norm: Makes a norm for a number of channels.
    """

    def __init__(
        self, channels: int, out: int, width: int = 64, depth: int = 8, drop: float = 0.5, norm: Norm = image_norm
    ) -> None:
        super().__init__()
        at_least(1, width=width)
        widths = [width * min(2**i, WIDEST) for i in range(depth)]
        conv = partial(nn.Conv2d, kernel_size=4, stride=2, padding=1)
        up = partial(nn.ConvTranspose2d, kernel_size=4, stride=2, padding=1)
        self.down = nn.ModuleList([conv(channels, width, bias=biased(norm))])
        for i, (n, m) in enumerate(zip(widths, widths[1:], strict=False), 2):
            last = norm(m) if i < depth else nn.Identity()
            self.down.append(nn.Sequential(nn.LeakyReLU(0.2), conv(n, m, bias=biased(norm)), last))
        self.up = nn.ModuleList()
        for i in reversed(range(1, depth)):
            n, m = widths[i] * (1 if i == depth - 1 else 2), widths[i - 1]  # all but the innermost see the skip
            layers = [nn.ReLU(), up(n, m, bias=biased(norm)), norm(m)]
            if drop and len(self.up) < 3 and m == WIDEST * width:
                layers.append(KeptDropout(drop))
            self.up.append(nn.Sequential(*layers))
        self.up.append(nn.Sequential(nn.ReLU(), up(width if depth == 1 else 2 * width, out), nn.Tanh()))

    def forward(self, x: Tensor) -> Tensor:
        """Returns images in [-1, 1], shape (N, out, H, W)."""
        maps = [padded(x, 2 ** len(self.down))]
        for down in self.down:
            maps.append(down(maps[-1]))  # (N, n, h, w) -> (N, m, h / 2, w / 2)
        made = maps.pop()
        for up in self.up[:-1]:
            made = torch.cat([maps.pop(), up(made)], dim=1)  # (N, n, h, w) -> (N, 2m, 2h, 2w)
        return centre_crop(self.up[-1](made), x.shape[2], x.shape[3])


class PatchGAN(nn.Module):
    """Judges whether each patch of an image is real: 4 x 4 kernels, of stride 2 at first, then twice of stride 1.

    References:
        Isola et al. 2017, arXiv:1611.07004, sections 3.2.2 and 6.1.2.

    Arguments:
        channels: Of the input.
        width: Channels of the first convolution; each further one has twice as many, up to eight times.
        layers: Halvings; with 3 a patch is 70 x 70.
        norm: Makes a norm for a number of channels.
    """

    def __init__(self, channels: int, width: int = 64, layers: int = 3, norm: Norm = nn.InstanceNorm2d) -> None:
        super().__init__()
        at_least(1, width=width)
        conv = partial(nn.Conv2d, kernel_size=4, padding=1)
        blocks = [conv(channels, width, stride=2), nn.LeakyReLU(0.2)]
        widths = [width * min(2**i, WIDEST) for i in range(layers + 1)]
        for i, (n, m) in enumerate(zip(widths, widths[1:], strict=False), 1):
            stride = 2 if i < layers else 1
            blocks += [conv(n, m, stride=stride, bias=biased(norm)), norm(m), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*blocks, conv(widths[-1], 1))

    def forward(self, x: Tensor) -> Tensor:
        """Returns logits in full precision, shape (N, 1, h, w); 30 x 30 of 256 x 256 with three layers."""
        result: Tensor = self.layers(x)
        return result.float()


def patch(layers: int) -> int:
    """Returns the side of the patch that one logit of a `PatchGAN` depends on.

    Example:
        >>> [patch(n) for n in (1, 2, 3)]
        [16, 34, 70]
    """
    return 9 * (1 << layers) - 2


def checked(shape: tuple[int, ...]) -> int:
    """Returns the shorter side of images of shape (C, H, W), or raises `DataError` if it is below 8."""
    _, height, width = shape
    if min(height, width) < SMALLEST:
        raise DataError(f"images are {height} x {width} and a translator takes {SMALLEST} x {SMALLEST} and larger; "
                        f"--size {SMALLEST} enlarges them")
    return min(height, width)


def layers_of(shape: tuple[int, ...], layers: int | None = None) -> int:
    """Returns the layers of the `PatchGAN` for images of shape (C, H, W).

    Arguments:
        shape: Of one image.
        layers: What was asked for; None for the most, up to 3, whose patch fits into the image.

    Raises:
        DataError: If a side is below 8.
        OptionError: If so many layers leave nothing of the image.

    Example:
        >>> [layers_of((3, n, n)) for n in (8, 32, 64, 128, 256)]
        [1, 1, 2, 3, 3]
    """
    side = checked(shape)
    if layers is None:
        return max(n for n in (1, 2, 3) if n == 1 or patch(n) <= side)
    at_least(1, layers=layers)
    most = int(math.log2(side / 3))  # two convolutions of stride 1 take a pixel each, and a norm wants several
    if layers > most:
        raise OptionError(f"--layers is {layers}; images of {shape[1]} x {shape[2]} are judged with at most {most}")
    return layers


def halvings_of(shape: tuple[int, ...], depth: int | None = None) -> int:
    """Returns the halvings of the `UNetGenerator` for images of shape (C, H, W).

    Arguments:
        shape: Of one image.
        depth: What was asked for; None for as many as leave one pixel of the shorter side, up to 8.

    Raises:
        DataError: If a side is below 8.
        OptionError: If so many halvings leave less than a pixel.

    Example:
        >>> [halvings_of((3, n, n)) for n in (8, 28, 32, 64, 256, 1024)]
        [3, 4, 5, 6, 8, 8]
    """
    most = int(math.log2(checked(shape)))
    if depth is None:
        return min(most, DEEPEST)
    at_least(1, depth=depth)
    if depth > most:
        raise OptionError(f"--depth is {depth}; images of {shape[1]} x {shape[2]} are halved at most {most} times")
    return depth


def padded(x: Tensor, multiple: int) -> Tensor:
    """Returns images, (N, C, H, W), enlarged at all sides by reflection until H and W are multiples.

    Raises:
        DataError: If a side is below 8 or half of the multiple, where there is too little to be reflected.
    """
    least = max(SMALLEST, multiple // 2)
    if min(x.shape[2:]) < least:
        raise DataError(f"images are {x.shape[2]} x {x.shape[3]} and this translator takes {least} x {least} and "
                        "larger; enlarge them first")
    height, width = (-x.shape[2]) % multiple, (-x.shape[3]) % multiple
    if not height and not width:
        return x
    left, top = width // 2, height // 2
    return pad(x, (left, width - left, top, height - top), mode="reflect")
