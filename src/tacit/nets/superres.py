"""Nets for super-resolution: one that enlarges images, and one that tells them from real ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from tacit.errors import DataError
from tacit.protocol import Spec

__all__ = ["PatchCritic", "SuperResolution", "aligned_crops", "enlarged", "scale_of"]

STAGES = {2: (2,), 3: (3,), 4: (2, 2), 8: (2, 2, 2)}  # scale: the factors of its pixel shuffles
LEAK = 0.2
HALVINGS = 4  # of the critic, at most
LEAST = 4  # side of maps that are halved no further
UNITS = 16  # of the critic's hidden layer, as a multiple of its width


class ResidualBlock(nn.Module):
    """x + convolution, norm, PReLU, convolution, norm; without an activation behind the sum.

    Arguments:
        width: Channels of input and output.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        first, last = (nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2))
        self.layers = nn.Sequential(first, nn.BatchNorm2d(width), nn.PReLU(), last, nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """Returns maps of the same shape, (N, width, h, w)."""
        result: Tensor = x + self.layers(x)
        return result


class SuperResolution(nn.Module):
    """SRResNet's net: residual blocks at low resolution, then pixel shuffles; images of any size.

    Convolutions have a bias only where no batch norm follows, which would take it away.

    References:
        Ledig et al. 2017, arXiv:1609.04802 (figure 4).
        Shi et al. 2016, arXiv:1609.05158 (pixel shuffle).

    Arguments:
        channels: Of the images.
        scale: 2, 3, 4 or 8.
        width: Channels of the maps.
        blocks: Residual blocks.
    """

    def __init__(self, channels: int, scale: int, width: int = 64, blocks: int = 16) -> None:
        super().__init__()
        self.scale = scale
        self.head = nn.Sequential(nn.Conv2d(channels, width, 9, padding=4), nn.PReLU())
        joint = (nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        self.body = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)), *joint)
        stages: list[nn.Module] = []
        for factor in STAGES[scale]:
            stages += [nn.Conv2d(width, width * factor**2, 3, padding=1), nn.PixelShuffle(factor), nn.PReLU()]
        self.tail = nn.Sequential(*stages, nn.Conv2d(width, channels, 9, padding=4))
        self.radius = 2 * blocks + 8  # 4 (head) + 2 per block + 1 (joint) + 3 (tail, at every scale)

    def forward(self, x: Tensor) -> Tensor:
        """Returns images, shape (N, C, scale h, scale w), of images, shape (N, C, h, w)."""
        head = self.head(x)  # (N, width, h, w)
        result: Tensor = self.tail(head + self.body(head))
        return result


class PatchCritic(nn.Module):
    """SRGAN's discriminator: 3 x 3 convolutions, every second of which halves, and two linear layers.

    The paper halves patches of 96 pixels four times; smaller ones are halved until about 4 pixels are left.

    References:
        Ledig et al. 2017, arXiv:1609.04802 (figure 4).

    Arguments:
        shape: Of one patch, (C, H, W).
        width: Channels of the first convolution; the paper has 64. They double with each halving.
    """

    def __init__(self, shape: tuple[int, ...], width: int = 64) -> None:
        super().__init__()
        channels, height, breadth = shape
        leaky = nn.LeakyReLU(LEAK)
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), leaky]
        channels, wider = width, width
        for i in range(HALVINGS):
            if i and min(height, breadth) <= LEAST:
                break
            wider = width * 2**i
            strides = (1, 2) if i else (2,)  # the first of stride 1 is there already
            for stride in strides:
                layers += [nn.Conv2d(channels, wider, 3, stride, 1, bias=False), nn.BatchNorm2d(wider), leaky]
                channels = wider
            height, breadth = (height + 1) // 2, (breadth + 1) // 2
        hidden = UNITS * width
        head = (nn.Linear(channels * height * breadth, hidden), leaky, nn.Linear(hidden, 1))
        self.layers = nn.Sequential(*layers, nn.Flatten(), *head)

    def forward(self, x: Tensor) -> Tensor:
        """Returns logits in full precision, shape (N,), of patches, shape (N, C, H, W)."""
        logits: Tensor = self.layers(x)
        return logits.float().squeeze(1)


def scale_of(spec: Spec) -> int:
    """Returns how many times larger a sample's partner is, along each side.

    Raises:
        DataError: If samples have no partners, or these are not 2, 3, 4 or 8 times as large.

    Example:
        >>> scale_of(Spec("image", (3, 8, 12), (0, 1), pair=(3, 32, 48)))
        4
    """
    mend = "--derive low-resolution:4 makes pairs of any images"
    if not spec.pair:
        raise DataError(f"super-resolution takes pairs of small and large images; the data are {spec} alone; {mend}")
    for scale in STAGES:
        if spec.pair == (spec.shape[0], *(scale * side for side in spec.shape[1:])):
            return scale
    partner = " x ".join(map(str, spec.pair))
    raise DataError(f"super-resolution takes pairs that are {', '.join(map(str, STAGES))} times as large as the "
                    f"samples; the data are {spec} with pairs of {partner}; {mend}")


def aligned_crops(x: Tensor, y: Tensor, patch: int) -> tuple[Tensor, Tensor]:
    """Returns the same random place of small images and of their large partners, drawn for each sample.

    Arguments:
        x: Small images, shape (N, C, h, w).
        y: Large ones, shape (N, C, s h, s w).
        patch: Greatest height and width of a large crop; it is brought down to a multiple of s, at least s.

    Returns:
        Crops of shape (N, C, p, q) and (N, C, s p, s q), the whole image along sides that are no longer than `patch`.
    """
    scale = y.shape[2] // x.shape[2]
    size = [min(side, max(1, patch // scale)) for side in x.shape[2:]]
    if size == list(x.shape[2:]):
        return x, y
    corners = [torch.randint(side - part + 1, (len(x),)) for side, part in zip(x.shape[2:], size, strict=True)]
    return crops(x, corners, size, 1), crops(y, corners, size, scale)


def crops(x: Tensor, corners: list[Tensor], size: list[int], scale: int) -> Tensor:
    """Returns a rectangle of each image, whose upper left corner and size are given in units of `scale` pixels."""
    (p, q), places = size, zip(*(corner.tolist() for corner in corners), strict=True)
    return torch.stack([
        image[:, scale * i : scale * (i + p), scale * j : scale * (j + q)]
        for image, (i, j) in zip(x, places, strict=True)
    ])


def enlarged(x: Tensor, height: int, width: int) -> Tensor:
    """Returns images brought to a size by bicubic interpolation, with the kernel of Keys 1981 (a = -1/2).

    That is the enlargement that super-resolution is compared with, MATLAB's ``imresize`` and Pillow's ``BICUBIC``;
    without antialiasing torch takes a = -3/4.

    Arguments:
        x: Images, shape (N, C, h, w).
        height: Height of the result.
        width: Width of the result.
    """
    return interpolate(x, (height, width), mode="bicubic", antialias=True)
