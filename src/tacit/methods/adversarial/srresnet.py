"""Super-resolution by a residual net."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn.functional import mse_loss

from tacit.errors import OptionError, at_least
from tacit.nets.superres import SuperResolution, aligned_crops, enlarged, scale_of
from tacit.protocol import Batch, Loss, Method, Optim, Reach, Recipe, Spec

__all__ = ["SRResNet"]


class SRResNet(Method):
    """Enlarges images as near to the true ones as it can: the least squared error, hence smooth where it is unsure.

    References:
        Ledig et al. 2017, arXiv:1609.04802 (SRResNet; small images in [0, 1], large ones in [-1, 1]).

    Arguments:
        spec: What one sample is: small images, with partners that are 2, 3, 4 or 8 times as large.
        width: Channels of the net's maps.
        blocks: Residual blocks.
        patch: Height and width of the random crops of large images that it learns from, in pixels; the paper has 96,
            half of which suits a CPU.
        skip: What the net's output is added to: the bicubic enlargement, which learns in minutes what takes
            hours without, or none, as in the paper.

    Raises:
        DataError: If samples have no partners, or these are of another size.
        OptionError: If a number is out of range.
    """

    accepts = ("image",)
    needs = frozenset({"pair"})

    def __init__(
        self,
        spec: Spec,
        *,
        width: int = 64,
        blocks: int = 16,
        patch: int = 48,
        skip: Literal["none", "bicubic"] = "bicubic",
    ) -> None:
        super().__init__(spec)
        scale = scale_of(spec)
        at_least(1, width=width, blocks=blocks)
        at_least(16, patch=patch)
        self.patch, self.skip = patch, skip
        self.net = SuperResolution(spec.shape[0], scale, width, blocks)
        self.reach = Reach(1, self.net.radius, scale)

    def players(self) -> dict[str, nn.Module]:
        """Returns the only one."""
        return {"model": self.net}

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields the squared error on crops (equation 4)."""
        small, large = self.crops(batch)
        yield Loss("model", mse_loss(self.enlarge(small), large))

    def crops(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Returns crops of small images in [0, 1], shape (N, C, p, q), and of large ones in [-1, 1]."""
        partners: Any = batch.pair
        small, large = aligned_crops(batch.x, partners, self.patch)
        return small, 2 * large - 1

    def enlarge(self, x: Tensor) -> Tensor:
        """Returns images in about [-1, 1], shape (N, C, s h, s w), of small ones in [0, 1], shape (N, C, h, w)."""
        made: Tensor = self.net(x)
        return made if self.skip == "none" else made + 2 * enlarged(x, *made.shape[2:]) - 1

    def recipe(self) -> Recipe:
        """Returns the paper's batch, and a greater learning rate that falls, which learns in minutes."""
        return Recipe(batch=16, steps=5_000, optim={"model": Optim(lr=1e-3, schedule="cosine", warmup=50)})

    def translate(self, x: Tensor, *, to: Any = None) -> Tensor:
        """Returns enlarged images in [0, 1], shape (N, C, s h, s w), of images of any size; there is one way only."""
        if to not in (None, "target"):
            raise OptionError(f"there is no way to {to!r}; it only enlarges")
        return ((self.enlarge(x) + 1) / 2).clamp(0, 1)
