"""From data to numbers and back: the net that suits what one sample is."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from torch import nn

from tacit.errors import OptionError, at_least
from tacit.nets.conv import SMALLEST, ConvDecoder, ConvEncoder
from tacit.nets.mlp import MLP
from tacit.protocol import Spec

__all__ = ["Net", "check_grid", "decoder", "encoder", "kind_of_net"]

Net = Literal["auto", "mlp", "conv", "resnet"]

UNITS = 512  # of each hidden layer of an mlp
RESIDUAL = 2  # blocks of a resnet at each size of the maps
CHANNELS = 16  # of the first convolution; on a CPU a step with 32 takes two and a half times as long


def kind_of_net(spec: Spec, net: Net = "auto") -> Literal["mlp", "conv", "resnet"]:
    """Returns the net that suits the data: convolutions for images and for maps of at least 4 x 4.

    Raises:
        OptionError: If convolutions are asked for where there is no grid.
    """
    grid = len(spec.shape) == 3
    if net in ("conv", "resnet"):
        check_grid(spec, net)
    if net != "auto":
        return net
    return "conv" if spec.kind == "image" or (grid and min(spec.shape[1:]) >= SMALLEST) else "mlp"


def check_grid(spec: Spec, net: str) -> None:
    """Raises `OptionError` if the data have no grid, which a net of this name takes."""
    if len(spec.shape) != 3:
        raise OptionError(f"--net {net} takes images and maps; the data are {spec}; take --net mlp")


def checked(width: int | None, depth: int) -> None:
    """Raises `OptionError` if a net would have no unit, or fewer layers than none."""
    at_least(1, width=1 if width is None else width)
    at_least(0, depth=depth)


def encoder(
    spec: Spec,
    out: int,
    *,
    width: int | None = None,
    depth: int = 2,
    net: Net = "auto",
    activation: Callable[[], nn.Module] = nn.SiLU,
) -> MLP | ConvEncoder:
    """Returns a net from samples, shape (N, *spec.shape), to numbers, shape (N, out).

    Arguments:
        spec: What one sample is.
        out: Number of outputs.
        width: Units of each hidden layer, or channels of the first convolution; by default 512 or 16.
        depth: Hidden layers of an mlp; 0 makes it linear.
        net: Which net; auto takes convolutions for images and maps, an mlp for the rest; resnet adds residual blocks.
        activation: Makes an activation.
    """
    kind = kind_of_net(spec, net)
    checked(width, depth)
    if kind != "mlp":
        residual = RESIDUAL if kind == "resnet" else 0
        return ConvEncoder(spec.shape, out, width or CHANNELS, activation=activation, residual=residual)
    return MLP([spec.size, *[width or UNITS] * depth, out], activation)


def decoder(
    spec: Spec,
    latent: int,
    *,
    shape: tuple[int, ...] | None = None,
    width: int | None = None,
    depth: int = 2,
    net: Net = "auto",
    activation: Callable[[], nn.Module] = nn.SiLU,
) -> nn.Module:
    """Returns a net from numbers, shape (N, latent), to samples before squashing, shape (N, *shape).

    Arguments:
        spec: What one sample is.
        latent: Number of inputs.
        shape: Of one sample of the output, where it says more of a value than the value; by default that of a sample.
        width: Units of each hidden layer, or channels before the last convolution; by default 512 or 16.
        depth: Hidden layers of an mlp; 0 makes it linear.
        net: Which net; auto takes convolutions for images and maps, an mlp for the rest; resnet adds residual blocks.
        activation: Makes an activation.
    """
    shape, kind = shape or spec.shape, kind_of_net(spec, net)
    checked(width, depth)
    if kind != "mlp":
        residual = RESIDUAL if kind == "resnet" else 0
        return ConvDecoder(latent, shape, width or CHANNELS, activation=activation, residual=residual)
    return nn.Sequential(MLP([latent, *[width or UNITS] * depth, math.prod(shape)], activation), nn.Unflatten(1, shape))
