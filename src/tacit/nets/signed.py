"""Images between [0, 1], as everybody sees them, and [-1, 1], as some papers' nets do."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["Signed", "Unsigned"]


class Signed(nn.Module):
    """From [0, 1] to [-1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        """Returns 2x - 1."""
        return 2 * x - 1


class Unsigned(nn.Module):
    """From [-1, 1] to [0, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        """Returns (x + 1) / 2."""
        return (x + 1) / 2
