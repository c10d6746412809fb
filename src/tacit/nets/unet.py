"""The U-Net of diffusion models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, scaled_dot_product_attention, silu

__all__ = ["TimeEmbedding", "UNet", "nearly_zero"]

SMALLEST = 4  # the shortest side that halving may leave

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


class TimeEmbedding(nn.Module):
    """Sines and cosines of the time at geometrically spaced frequencies, then two layers.

    References:
        Vaswani et al. 2017, arXiv:1706.03762, section 3.5.

    Arguments:
        waves: Number of sines and cosines together, even.
        width: Number of outputs.
    """

    frequencies: Tensor

    def __init__(self, waves: int, width: int) -> None:
        super().__init__()
        frequencies = torch.exp(-math.log(10_000) * torch.arange(waves // 2) / (waves // 2))
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.layers = nn.Sequential(nn.Linear(2 * len(frequencies), width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor) -> Tensor:
        """Returns embeddings of times, shape (N,) to (N, width)."""
        angle = t[:, None] * self.frequencies  # (N, waves / 2)
        result: Tensor = self.layers(torch.cat([angle.sin(), angle.cos()], dim=1))
        return result


class ResidualBlock(nn.Module):
    """Norm, SiLU and convolution, twice, with the time added between; the second convolution starts at nearly zero.

    Arguments:
        channels: Of the input.
        out: Channels of the output.
        time: Units of the time's embedding.
    """

    def __init__(self, channels: int, out: int, time: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = group_norm(channels), nn.Conv2d(channels, out, 3, padding=1)
        self.time = nn.Linear(time, out)
        self.norm2, self.conv2 = group_norm(out), nearly_zero(nn.Conv2d(out, out, 3, padding=1))
        self.skip = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Returns maps, (N, channels, h, w) to (N, out, h, w)."""
        h = self.conv1(silu(self.norm1(x))) + self.time(time)[:, :, None, None]
        h = self.conv2(silu(self.norm2(h)))
        result: Tensor = self.skip(x) + h
        return result


class SelfAttention(nn.Module):
    """Every place of a map attends to every other, with one head; its last layer starts at nearly zero.

    Arguments:
        channels: Of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.qkv, self.out = nn.Linear(channels, 3 * channels), nearly_zero(nn.Linear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Returns maps of the same shape, (N, channels, h, w)."""
        places = self.norm(x).flatten(2).transpose(1, 2)  # (N, C, h, w) -> (N, hw, C)
        q, k, v = self.qkv(places)[:, None].chunk(3, dim=-1)  # (N, 1, hw, 3C) -> three of (N, 1, hw, C)
        h = self.out(scaled_dot_product_attention(q, k, v)[:, 0])  # (N, hw, C)
        result: Tensor = x + h.transpose(1, 2).reshape(x.shape)  # (N, hw, C) -> (N, C, h, w)
        return result


class Stage(nn.Module):
    """A residual block, and attention behind it where it is wanted.

    Arguments:
        channels: Of the input.
        out: Channels of the output.
        time: Units of the time's embedding.
        attends: Whether there is attention.
    """

    def __init__(self, channels: int, out: int, time: int, attends: bool) -> None:
        super().__init__()
        self.block = ResidualBlock(channels, out, time)
        self.attention = SelfAttention(out) if attends else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Returns maps, (N, channels, h, w) to (N, out, h, w)."""
        result: Tensor = self.attention(self.block(x, time))
        return result


class Halving(nn.Module):
    """A convolution of stride 2: sides of n become ceil(n / 2).

    Arguments:
        channels: Of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Returns maps, (N, channels, h, w) to (N, channels, ceil(h / 2), ceil(w / 2)); the time plays no part."""
        result: Tensor = self.conv(x)
        return result


class UNet(nn.Module):
    """Halves maps level by level and doubles them again, each block joined to its counterpart, told the time.

    Maps may have any height and width: halving rounds up, and doubling returns to the counterpart's size. Levels whose
    shorter side would be below 4 are left out. Memory is laid out channels last, for which a CPU's convolutions need
    no rearranging.

    References:
        Ho et al. 2020, arXiv:2006.11239, appendix B. Karras et al. 2022, arXiv:2206.00364 (norms of 4 channels a
        group: a group of one channel would cancel the time that is added to it).

    Arguments:
        shape: Of one map, (C, H, W).
        width: Channels of the first level.
        multiples: Of those, the channels of each level.
        blocks: Residual blocks of each level on the way down; on the way up there is one more.
        attention: Longest side at which every block is followed by self-attention; the middle always has one.
    """

    def __init__(
        self,
        shape: Sequence[int],
        *,
        width: int = 32,
        multiples: Sequence[int] = (1, 2, 2),
        blocks: int = 1,
        attention: int = 8,
    ) -> None:
        super().__init__()
        channels, height, breadth = shape
        deepest = 1 + max(0, int(math.log2(min(height, breadth) / SMALLEST)))
        widths = [width * multiple for multiple in multiples[:deepest]]
        attends = [-(-max(height, breadth) // 2**level) <= attention for level in range(len(widths))]
        time, last, kept = 4 * width, widths[0], [widths[0]]  # channels: of the map now, and of those joined later
        self.time = TimeEmbedding(width, time)
        self.stem = nn.Conv2d(channels, last, 3, padding=1)
        down: list[nn.Module] = []
        for level, out in enumerate(widths):
            if level:
                down.append(Halving(last))
                kept.append(last)
            for _ in range(blocks):
                down.append(Stage(last, out, time, attends[level]))
                kept.append(last := out)
        middle = [Stage(last, last, time, True), Stage(last, last, time, False)]
        up = []
        for level, out in reversed(list(enumerate(widths))):
            for _ in range(blocks + 1):
                up.append(Stage(last + kept.pop(), out, time, attends[level]))
                last = out
        self.down, self.middle, self.up = nn.ModuleList(down), nn.ModuleList(middle), nn.ModuleList(up)
        self.norm, self.head = group_norm(last), nearly_zero(nn.Conv2d(last, channels, 3, padding=1))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Returns maps of the same shape.

        Arguments:
            x: Maps, shape (N, C, H, W).
            t: Times, shape (N,).
        """
        time = silu(self.time(t))  # (N, 4 width)
        h = self.stem(x.contiguous(memory_format=torch.channels_last))
        kept = [h]
        for block in self.down:
            h = block(h, time)
            kept.append(h)
        for block in self.middle:
            h = block(h, time)
        for block in self.up:
            other = kept.pop()
            if h.shape[2:] != other.shape[2:]:
                h = interpolate(h, size=other.shape[2:])  # the nearest
            h = block(torch.cat([h, other], dim=1), time)
        result: Tensor = self.head(silu(self.norm(h)))
        return result


def group_norm(channels: int) -> nn.GroupNorm:
    """Returns a norm of groups of 4 channels, at most 32 of them, or as many as divide the channels."""
    return nn.GroupNorm(math.gcd(channels, min(32, max(1, channels // 4))), channels)


def nearly_zero(layer: Layer) -> Layer:
    """Makes a layer's weights so small that it says nothing yet, but passes gradients from the first step on.

    References:
        Ho et al. 2020, arXiv:2006.11239: their code draws such weights with a variance of 1e-10 / fan.
    """
    fan = layer.weight[0].numel()
    nn.init.normal_(layer.weight, std=1e-5 / math.sqrt(fan))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
