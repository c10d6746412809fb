"""Inception v3 as the Frechet distance uses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d, relu

from tacit.nets.foreign import copy_weights, read_weights_file

__all__ = ["InceptionV3", "load_inception", "resize_tensorflow"]

SIDE = 299
CLASSES = 1008


class Unit(nn.Module):
    """Convolution without bias, batch norm, ReLU.

    Arguments:
        inputs: Channels that come in.
        outputs: Channels that go out.
        kernel: Height and width.
        stride: Of the convolution.
        pad: Whether the border is padded, so that stride 1 keeps height and width.
    """

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int], stride: int = 1, pad: bool = True) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2) if pad else (0, 0)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Returns maps, shape (N, outputs, h, w)."""
        return relu(self.bn(self.conv(x)))


Pool = Callable[[Tensor], Tensor]
Units = tuple[Callable[[int, int], Unit], ...]  # side by side, each made for its channels in and out
Branches = Mapping[str, Sequence[tuple[int, Units]]]  # of each layer the channels and the units

ONE, THREE, FIVE, WIDE, TALL = ((partial(Unit, kernel=k),) for k in ((1, 1), (3, 3), (5, 5), (1, 7), (7, 1)))
FORK: Units = (partial(Unit, kernel=(1, 3)), partial(Unit, kernel=(3, 1)))
HALF: Units = (partial(Unit, kernel=(3, 3), stride=2, pad=False),)

average: Pool = partial(avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=False)
greatest: Pool = partial(max_pool2d, kernel_size=3, stride=1, padding=1)
halving: Pool = partial(max_pool2d, kernel_size=3, stride=2)


def at_35(pooled: int) -> Branches:
    """Returns the branches of a block on maps of 35 x 35."""
    return {"branch1x1": [(64, ONE)], "branch5x5": [(48, ONE), (64, FIVE)],
            "branch3x3dbl": [(64, ONE), (96, THREE), (96, THREE)], "branch_pool": [(pooled, ONE)]}


def at_17(width: int) -> Branches:
    """Returns the branches of a block on maps of 17 x 17."""
    return {"branch1x1": [(192, ONE)], "branch7x7": [(width, ONE), (width, WIDE), (192, TALL)],
            "branch7x7dbl": [(width, ONE), (width, TALL), (width, WIDE), (width, TALL), (192, WIDE)],
            "branch_pool": [(192, ONE)]}


TO_17: Branches = {"branch3x3": [(384, HALF)], "branch3x3dbl": [(64, ONE), (96, THREE), (96, HALF)], "branch_pool": []}
TO_8: Branches = {"branch3x3": [(192, ONE), (320, HALF)],
                  "branch7x7x3": [(192, ONE), (192, WIDE), (192, TALL), (192, HALF)], "branch_pool": []}
AT_8: Branches = {"branch1x1": [(320, ONE)], "branch3x3": [(384, ONE), (384, FORK)],
                  "branch3x3dbl": [(448, ONE), (384, THREE), (384, FORK)], "branch_pool": [(192, ONE)]}

BLOCKS: Mapping[str, tuple[Branches, Pool]] = {
    "Mixed_5b": (at_35(32), average),
    "Mixed_5c": (at_35(64), average),
    "Mixed_5d": (at_35(64), average),
    "Mixed_6a": (TO_17, halving),
    "Mixed_6b": (at_17(128), average),
    "Mixed_6c": (at_17(160), average),
    "Mixed_6d": (at_17(160), average),
    "Mixed_6e": (at_17(192), average),
    "Mixed_7a": (TO_8, halving),
    "Mixed_7b": (AT_8, average),
    "Mixed_7c": (AT_8, greatest),  # an oddity of the network of 2015, kept by everyone who measures with it
}


class Mixed(nn.Module):
    """Branches over the same maps, their channels in a row.

    Arguments:
        inputs: Channels that come in.
        branches: The layers of each; that of the pool may have none.
        pool: What ``branch_pool`` begins with.
    """

    def __init__(self, inputs: int, branches: Branches, pool: Pool) -> None:
        super().__init__()
        self.pool, self.outputs = pool, 0
        self.paths: dict[str, list[list[str]]] = {}  # for each branch, the names of the units of each layer
        for branch, layers in branches.items():
            path, channels = [], inputs
            for i, (width, units) in enumerate(layers, 1):
                names = [branch + (f"_{i}" if len(layers) > 1 else "") + part for part in ("ab" if units[1:] else [""])]
                for name, unit in zip(names, units, strict=True):
                    self.add_module(name, unit(channels, width))
                path.append(names)
                channels = width * len(units)
            self.paths[branch] = path
            self.outputs += channels

    def forward(self, x: Tensor) -> Tensor:
        """Returns maps, shape (N, outputs, h, w)."""
        return torch.cat([self.follow(branch, x) for branch in self.paths], 1)

    def follow(self, branch: str, x: Tensor) -> Tensor:
        """Returns what one branch makes of the maps."""
        x = self.pool(x) if branch == "branch_pool" else x
        for names in self.paths[branch]:
            x = torch.cat([self.get_submodule(name)(x) for name in names], 1)
        return x


class InceptionV3(nn.Module):
    """The network of 2015-12-05 whose 2,048 features the Frechet distance compares.

    Its names are those of the file ``pt_inception-2015-12-05``. It differs from the paper's where TensorFlow's graph
    does: averages leave the padding out, and the last block takes the greatest. It resizes images itself; see
    `resize_tensorflow`. Figures agree with the literature's only if what is compared was first rounded to 8 bits.

    References:
        Szegedy et al. 2015, Rethinking the Inception Architecture, arXiv:1512.00567.
        Heusel et al. 2017, GANs Trained by a Two Time-Scale Update Rule, arXiv:1706.08500 (the distance).
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Unit(3, 32, (3, 3), stride=2, pad=False)
        self.Conv2d_2a_3x3 = Unit(32, 32, (3, 3), pad=False)
        self.Conv2d_2b_3x3 = Unit(32, 64, (3, 3))
        self.Conv2d_3b_1x1 = Unit(64, 80, (1, 1))
        self.Conv2d_4a_3x3 = Unit(80, 192, (3, 3), pad=False)
        channels = 192
        for name, (branches, pool) in BLOCKS.items():
            block = Mixed(channels, branches, pool)
            self.add_module(name, block)
            channels = block.outputs
        self.fc = nn.Linear(channels, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the features before the classes, shape (N, 2048).

        Arguments:
            x: Images, shape (N, 3, H, W): uint8, or floats in [0, 1].
        """
        levels = x.float() if x.dtype == torch.uint8 else 255 * x
        x = (resize_tensorflow(levels, SIDE, SIDE) - 128) / 128
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))  # (N, 64, 147, 147)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(halving(x)))  # (N, 192, 71, 71)
        x = halving(x)  # (N, 192, 35, 35)
        for name in BLOCKS:
            x = self.get_submodule(name)(x)  # at last (N, 2048, 8, 8)
        return x.mean((2, 3))

    def logits(self, x: Tensor) -> Tensor:
        """Returns the logits of the 1,008 classes of images as `forward` takes them, shape (N, 1008)."""
        result: Tensor = self.fc(self(x))
        return result


def load_inception(path: str | Path) -> InceptionV3:
    """Returns the network with the weights of a file, in evaluation mode.

    Raises:
        OptionError: If the file cannot be read, or holds another net's weights.
    """
    net = InceptionV3()
    copy_weights(net, read_weights_file(path), path)
    return net.eval()


def resize_tensorflow(x: Tensor, height: int, width: int) -> Tensor:
    """Returns maps brought to a size as TensorFlow 1 does it.

    Bilinear, without antialiasing; place i of n' lies at i n / n' of the n there were, so that the first corners
    agree and all else is shifted by up to half a pixel.

    Arguments:
        x: Floats, shape (N, C, H, W).
        height: Height of the result.
        width: Width of the result.
    """
    return stretched(stretched(x, 3, width), 2, height)


def stretched(x: Tensor, dim: int, size: int) -> Tensor:
    """Returns maps interpolated linearly to a size along one dimension."""
    length = x.shape[dim]
    place = torch.arange(size, dtype=torch.float32, device=x.device) * (length / size)
    below = place.long()
    share = (place - below).view([-1 if d == dim else 1 for d in range(x.dim())])
    low, high = x.index_select(dim, below), x.index_select(dim, (below + 1).clamp_max(length - 1))
    return low + (high - low) * share
