"""Predicting how an image was turned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tacit.data.augment import Augment
from tacit.nets.backbones import backbone, feature_size, layer_of, layers_of, pooled
from tacit.protocol import Batch, Loss, Method, Optim, Recipe, Spec

__all__ = ["Rotation", "rotations"]

TURNS = 4


class Rotation(Method):
    """RotNet: whoever can say how far an image was turned has seen what is in it.

    All four turns of each image are in the same batch, so that the classes are balanced by construction; they are
    made by mirroring and transposing alone, since interpolation would give them away. Images that are not square are
    cropped to their middle for this, but encoded whole.

    References:
        Gidaris et al. 2018, Unsupervised representation learning by predicting image rotations, arXiv:1803.07728.

    Arguments:
        spec: What one sample is: images from 4 x 4.
        views: What is done to images before they are turned, as in --augment.
        architecture: Of the backbone: conv (four plain convolutions) or resnet, whose steps take several times as long.
        width: Channels of the backbone's first layer; by default 32.
        encoder: Your own backbone, (N, C, H, W) to features (N, D) or (N, D, h, w), for any square images.

    Raises:
        DataError: If images are too small for the net.
        OptionError: If a view is unknown.
    """

    accepts = ("image",)

    def __init__(
        self,
        spec: Spec,
        *,
        views: str = "crop,flip",
        architecture: Literal["conv", "resnet"] = "conv",
        width: int | None = None,
        encoder: nn.Module | None = None,
    ) -> None:
        super().__init__(spec)
        self.augment = Augment.parse(views)
        self.backbone = encoder or backbone(spec, architecture, width)
        self.head = nn.Linear(feature_size(self.backbone, spec), TURNS)

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields the cross-entropy of the four turns (equations 2 and 3); by chance it is log 4."""
        x = rotations(square(self.augment(batch.x)))  # (4 N, C, S, S)
        turns = torch.arange(TURNS, device=x.device).repeat_interleave(len(batch))  # (4 N,)
        logits = self.head(pooled(self.backbone(x)))
        accuracy = (logits.argmax(1) == turns).float().mean()
        terms = {"accuracy": accuracy, "chance": torch.full_like(accuracy, 1 / TURNS)}
        yield Loss("model", cross_entropy(logits.float(), turns), terms)

    def recipe(self) -> Recipe:
        """Returns how it likes to be trained: 128 images, 512 turned ones, in a batch as in the paper."""
        optim = Optim(lr=4e-3, weight_decay=0.05, schedule="cosine", warmup=50)
        return Recipe(batch=128, steps=4_000, optim={"model": optim})

    def layers(self) -> list[str]:
        """Returns the layers that `encode` knows."""
        return layers_of(self.backbone)

    def encode(self, x: Tensor, *, layer: str | None = None) -> Tensor:
        """Returns features.

        Arguments:
            x: Images in [0, 1], shape (N, C, H, W).
            layer: One of `layers`, for its maps alone, shape (N, channels, h, w).

        Returns:
            The last layer's, averaged to 2 x 2 and in a row, shape (N, 4 channels).

        Raises:
            OptionError: If there is no such layer.
        """
        return pooled(self.backbone(x)) if layer is None else layer_of(self.backbone, x, layer)


def rotations(x: Tensor) -> Tensor:
    """Returns square images, (N, C, S, S), turned by 0, 90, 180 and 270 degrees to the left, shape (4 N, C, S, S)."""
    turned = x.transpose(2, 3)
    return torch.cat([x, turned.flip(2), x.flip(2, 3), turned.flip(3)])


def square(x: Tensor) -> Tensor:
    """Returns the middle of images, shape (N, C, S, S), S the shorter of H and W."""
    height, width = x.shape[2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return x[:, :, top : top + side, left : left + side]
