"""Backbones for self-supervision: nets whose layers can be read one by one, and what is read of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from tacit.errors import OptionError, did_you_mean
from tacit.nets.conv import WIDEST, halvings
from tacit.nets.mlp import MLP
from tacit.protocol import Spec

__all__ = ["Architecture", "ConvStack", "ResNet", "backbone", "feature_size", "layer_of", "layers_of", "pooled"]

Architecture = Literal["auto", "conv", "resnet", "mlp"]

DEPTH = 4  # convolutions of a stack, and hidden layers that an mlp has at most
UNITS = 512  # of each hidden layer of an mlp
GRID = 2  # rows and columns to which maps are pooled


class Layered(nn.Module):
    """Blocks in a row, each of which is a layer that can be read.

    Arguments:
        blocks: By the names of the layers, from the data on.
    """

    def __init__(self, blocks: dict[str, nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleDict(blocks)

    def layers(self) -> list[str]:
        """Returns the names of the layers."""
        return list(self.blocks)

    def features(self, x: Tensor) -> list[Tensor]:
        """Returns what each layer makes of images, each of shape (N, channels, h, w)."""
        made = [x]
        for block in self.blocks.values():
            made.append(block(made[-1]))
        return made[1:]

    def forward(self, x: Tensor) -> Tensor:
        """Returns what the last layer makes of images, shape (N, channels, h, w)."""
        for block in self.blocks.values():
            x = block(x)
        return x


class ConvStack(Layered):
    """Four 3 x 3 convolutions or more, which bring an image to about 4 x 4.

    The first halves the image by its stride, each of the next by max-pooling until it is small. Pooling comes before
    the norm, which then has a quarter of the work.

    Arguments:
        shape: Of one image, (C, H, W), H and W at least 4.
        width: Channels of the first convolution; each further one has twice as many, up to eight times.
        norm: Makes the norm of a block for its number of channels.

    Raises:
        DataError: If the image is smaller than 4 x 4.
    """

    def __init__(
        self, shape: tuple[int, ...], width: int = 32, *, norm: Callable[[int], nn.Module] = nn.BatchNorm2d
    ) -> None:
        blocks: dict[str, nn.Module] = {}
        channels, times = shape[0], halvings(shape)
        for i in range(max(DEPTH, times)):
            wider = width * min(2**i, WIDEST)
            conv = nn.Conv2d(channels, wider, 3, stride=1 if i else 2, padding=1, bias=False)
            pool = nn.MaxPool2d(2) if 0 < i < times else nn.Identity()
            blocks[f"conv{i + 1}"] = nn.Sequential(conv, pool, norm(wider), nn.ReLU())
            channels = wider
        super().__init__(blocks)


class ResNet(Layered):
    """A residual net for small images: a 3 x 3 stem without pooling, then stages that halve until about 4 x 4.

    References:
        He et al. 2015, arXiv:1512.03385 (section 4.2, with the widths of section 4.1).

    Arguments:
        shape: Of one image, (C, H, W), H and W at least 4.
        width: Channels of the first stage; each further one has twice as many, up to eight times.
        depth: Blocks of two convolutions in each stage.
        norm: Makes a norm for its number of channels.

    Raises:
        DataError: If the image is smaller than 4 x 4.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: int = 32,
        depth: int = 1,
        *,
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
    ) -> None:
        stem = nn.Conv2d(shape[0], width, 3, padding=1, bias=False)
        blocks: dict[str, nn.Module] = {"stem": nn.Sequential(stem, norm(width), nn.ReLU())}
        channels = width
        for i in range(1 + halvings(shape)):
            wider = width * min(2**i, WIDEST)
            first = Residual(channels, wider, 2 if i else 1, norm)
            blocks[f"stage{i + 1}"] = nn.Sequential(first, *(Residual(wider, wider, 1, norm) for _ in range(depth - 1)))
            channels = wider
        super().__init__(blocks)


class Residual(nn.Module):
    """Two convolutions and a way around them.

    Arguments:
        channels: Of the input.
        wider: Of the output.
        stride: 2 halves the image.
        norm: Makes a norm for its number of channels.
    """

    def __init__(self, channels: int, wider: int, stride: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(channels, wider, 3, stride, padding=1, bias=False), norm(wider), nn.ReLU(),
            nn.Conv2d(wider, wider, 3, padding=1, bias=False), norm(wider),
        )
        same = channels == wider and stride == 1
        around = nn.Sequential(nn.Conv2d(channels, wider, 1, stride, bias=False), norm(wider))
        self.around = nn.Identity() if same else around

    def forward(self, x: Tensor) -> Tensor:
        """Returns maps, shape (N, wider, H / stride, W / stride)."""
        result: Tensor = (self.branch(x) + self.around(x)).relu()
        return result


def backbone(spec: Spec, architecture: Architecture = "auto", width: int | None = None) -> Any:
    """Returns a net from samples to features, whose layers can be read.

    Arguments:
        spec: What one sample is.
        architecture: Which one; auto takes conv for images, an mlp of two hidden layers for the rest.
        width: Channels of the first layer, or units of each layer of an mlp; by default 32 or 512.

    Raises:
        OptionError: If a convolutional one is asked for where there are no images.
        DataError: If images are too small for it.
    """
    image = spec.kind == "image"
    if architecture == "mlp" or (architecture == "auto" and not image):
        units = width or UNITS
        return MLP([spec.size, units, units, units])
    if not image:
        raise OptionError(f"--architecture {architecture} takes images; the data are {spec}; take --architecture mlp")
    net = ResNet if architecture == "resnet" else ConvStack
    return net(spec.shape) if width is None else net(spec.shape, width)


def pooled(features: Tensor) -> Tensor:
    """Returns features as vectors: maps (N, C, h, w) averaged to 2 x 2 and in a row, shape (N, 4 C)."""
    return adaptive_avg_pool2d(features, GRID).flatten(1) if features.dim() == 4 else features.flatten(1)


@torch.no_grad()
def feature_size(net: nn.Module, spec: Spec) -> int:
    """Returns the number of values that `pooled` leaves of what a net makes of one sample."""
    training = net.training
    size = pooled(net.eval()(torch.zeros(1, *spec.shape))).shape[1]  # evaluation mode: one sample has no variance
    net.train(training)
    return size


def layer_of(net: Any, x: Tensor, layer: str, *, beyond: Sequence[str] = ()) -> Tensor:
    """Returns what a layer of a net makes of samples.

    Arguments:
        net: Has `layers` and `features`.
        x: Samples, shape (N, *spec.shape).
        layer: One of `layers`.
        beyond: Layers that the method reads without the net, which are named to one who asks for what there is not.

    Raises:
        OptionError: If there is no such layer.
    """
    known = layers_of(net)
    if layer not in known:
        named = [*known, *beyond]
        raise OptionError(f"no layer {layer!r}; there are {', '.join(named) or 'none'}.{did_you_mean(layer, named)}")
    made: list[Tensor] = net.features(x)
    return made[known.index(layer)]


def layers_of(net: Any) -> list[str]:
    """Returns the names of a net's layers; a user's own module may have none."""
    known = getattr(net, "layers", None)
    return list(known()) if callable(known) else []
