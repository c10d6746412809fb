"""What discriminators have in common: how well they tell data from samples, and features as vectors."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d

from tacit.nets.signed import Signed

__all__ = ["Reader", "SignedJudge", "max_pooled", "told_apart", "unbiased"]

UNITS = 128  # of the layer that only reads the code


def told_apart(real: Tensor, made: Tensor) -> dict[str, Tensor]:
    """Returns how well data and samples are told apart, of their logits, any shapes: shares, and a difference."""
    return {
        "accuracy_real": (real > 0).float().mean(),
        "accuracy_fake": (made < 0).float().mean(),
        "logit_gap": (real.mean() - made.mean()).detach(),
    }


def max_pooled(features: Tensor) -> Tensor:
    """Returns features as vectors, maps max-pooled to at most 4 x 4: (N, units) or (N, channels, h, w) to (N, d)."""
    if features.dim() < 4:
        return features.flatten(1)
    return adaptive_max_pool2d(features, [min(4, side) for side in features.shape[2:]]).flatten(1)


def unbiased(net: nn.Module) -> nn.Module:
    """Takes the bias of a discriminator's head away, for losses that look at differences of its outputs only."""
    net.get_submodule("head").register_parameter("bias", None)
    return net


class SignedJudge(nn.Sequential):
    """A discriminator that is given images in [0, 1] and whose net takes them in [-1, 1].

    Arguments:
        net: From images in [-1, 1] to logits, with `layers` and `features`.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__(Signed(), net)

    def layers(self) -> list[str]:
        """Returns the names of the net's layers."""
        net: Any = self[1]
        return list(net.layers())

    def features(self, x: Tensor) -> list[Tensor]:
        """Returns what each layer of the net makes of images in [0, 1], shape (N, C, H, W)."""
        net: Any = self[1]
        return list(net.features(self[0](x)))


class Reader(nn.Module):
    """A discriminator that also reads a code, from the same features.

    Arguments:
        trunk: From samples to features, shape (N, features), with `layers` and `features`.
        features: Their number.
        codes: Numbers that are read.
    """

    def __init__(self, trunk: nn.Module, features: int, codes: int) -> None:
        super().__init__()
        self.trunk, self.activation = trunk, nn.LeakyReLU(0.2)
        self.head = nn.Linear(features, 1)
        self.code = nn.Sequential(nn.Linear(features, UNITS), nn.LeakyReLU(0.2), nn.Linear(UNITS, codes))

    def layers(self) -> list[str]:
        """Returns the names of the trunk's layers."""
        trunk: Any = self.trunk
        return list(trunk.layers())

    def features(self, x: Tensor) -> list[Tensor]:
        """Returns what each layer of the trunk makes of samples."""
        trunk: Any = self.trunk
        return list(trunk.features(x))

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns logits, shape (N, 1), and what is read, shape (N, codes)."""
        features = self.activation(self.trunk(x))
        return self.head(features), self.code(features)

    def forward(self, x: Tensor) -> Tensor:
        """Returns logits, shape (N, 1)."""
        logits: Tensor = self.head(self.activation(self.trunk(x)))
        return logits
