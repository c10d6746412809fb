"""VGG-19, whose maps perceptual losses compare."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

from tacit.errors import OptionError, did_you_mean

__all__ = ["VGG19"]

BLOCKS = (2, 2, 4, 4, 4)  # convolutions of each, between which maps are halved
WIDTHS = (1, 2, 4, 8, 8)  # their channels, in multiples of the first block's
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's channels


class VGG19(nn.Module):
    """The 16 convolutions of VGG-19, by the names that torchvision's file gives them.

    Images of any size from 16 x 16; it normalises them itself. A layer is what a convolution makes before its ReLU,
    hence before any pooling; ``conv5_4`` is the last.

    References:
        Simonyan & Zisserman 2014, arXiv:1409.1556 (configuration E).

    Arguments:
        width: Channels of the first block, 64 in the paper.
    """

    unused: ClassVar[tuple[str, ...]] = ("classifier.",)  # what a file may hold besides: the layers of 1,000 classes
    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.features = nn.ModuleDict()  # torchvision counts ReLUs and poolings too, which have no weights
        self.places: dict[str, str] = {}  # layer: its place among torchvision's
        channels, place = 3, 0
        for i, (count, wider) in enumerate(zip(BLOCKS, WIDTHS, strict=True), 1):
            for j in range(1, count + 1):
                self.features[str(place)] = nn.Conv2d(channels, width * wider, 3, padding=1)
                self.places[f"conv{i}_{j}"] = str(place)
                channels, place = width * wider, place + 2
            place += 1
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1), persistent=False)

    def layers(self) -> list[str]:
        """Returns ``conv1_1`` to ``conv5_4``."""
        return list(self.places)

    def forward(self, x: Tensor, layer: str = "conv5_4") -> Tensor:
        """Returns a layer's maps before their ReLU, shape (N, channels, h, w).

        Arguments:
            x: Images in [0, 1], shape (N, 3, H, W).
            layer: One of `layers`.

        Raises:
            OptionError: If there is no such layer.
        """
        if layer not in self.places:
            raise OptionError(f"no layer {layer!r}; there are {', '.join(self.places)}."
                              f"{did_you_mean(layer, self.places)}")
        x = (x - self.mean) / self.deviation
        for name, place in self.places.items():
            if name.endswith("_1") and name != "conv1_1":
                x = max_pool2d(x, 2)
            x = self.features[place](x)
            if name == layer:
                break
            x = relu(x)
        return x
