"""Nets in which output i sees only the inputs before i."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, logsigmoid

__all__ = ["InverseAutoregressiveFlow", "MADE"]

OPEN = 2.0  # added to the gate's logits, so that a step begins by keeping most of what it was given


class MaskedLinear(nn.Linear):
    """A linear layer of which some weights are always 0.

    Arguments:
        mask: Whether output i may see input j, bool (outputs, inputs).
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Returns outputs, (N, inputs) to (N, outputs)."""
        return linear(x, self.weight * self.mask, self.bias)


class MADE(nn.Module):
    """A masked autoencoder with one hidden layer: outputs of dimension i depend on dimensions before i only.

    References:
        Germain et al. 2015, arXiv:1502.03509.

    Arguments:
        dims: Dimensions of the input.
        context: Numbers that every output may see.
        width: Hidden units.
        each: Outputs of each dimension.
    """

    def __init__(self, dims: int, context: int, width: int, each: int) -> None:
        super().__init__()
        degree = torch.arange(width) % max(1, dims - 1)  # a unit sees the dimensions up to its degree
        place = torch.arange(dims)
        self.inner = MaskedLinear(degree[:, None] >= place[None])  # (width, dims)
        self.context = nn.Linear(context, width, bias=False)
        self.outer = MaskedLinear((place[:, None] > degree[None]).repeat(each, 1))  # (each dims, width)
        self.free = nn.Linear(context, each * dims, bias=False)  # the first dimension has nothing else to go by
        self.each = each

    def forward(self, z: Tensor, context: Tensor) -> tuple[Tensor, ...]:
        """Returns as many tensors as there are outputs of each dimension, of shape (N, dims)."""
        hidden = nn.functional.silu(self.inner(z) + self.context(context))  # (N, width)
        out: Tensor = self.outer(hidden) + self.free(context)  # (N, each dims)
        return out.chunk(self.each, dim=1)


class InverseAutoregressiveFlow(nn.Module):
    """Steps z' = s z + (1 - s) m in which s and m of a dimension depend on those before; the order turns each time.

    It is quick in the direction that sampling takes, in which log q of what was drawn comes along.

    References:
        Kingma et al. 2016, arXiv:1606.04934, algorithm 1 with the update of equation 14.

    Arguments:
        dims: Dimensions of z.
        context: Numbers that say of which sample z is drawn.
        steps: How many.
        width: Hidden units of a step.
    """

    def __init__(self, dims: int, context: int, steps: int, width: int) -> None:
        super().__init__()
        self.steps = nn.ModuleList(MADE(dims, context, width, 2) for _ in range(steps))

    def forward(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Returns z of the last step and the log of the slope of each dimension, both of shape (N, dims)."""
        slope = torch.zeros_like(z)
        for step in self.steps:
            m, s = step(z, context)
            z = torch.lerp(m, z, (s + OPEN).sigmoid()).flip(1)
            slope = (slope + logsigmoid(s + OPEN)).flip(1)
        return z, slope
