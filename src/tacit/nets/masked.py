"""Masked convolutions: nets in which a pixel sees only the pixels before it, row by row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear, pad

__all__ = ["GatedStacks"]

FIRST = 3  # pixels to each side that the first layer sees: kernels 7 wide, as in the paper
REACH = 1  # and the others: 3 wide

Fill = Callable[[int, int, int, Tensor], Tensor]


class MaskedConv(nn.Conv2d):
    """A convolution along a row over the pixels before, of which the last is the present one, seen in part.

    Arguments:
        inputs: Group of each input channel, int64 (channels,).
        outputs: Group of each output channel.
        reach: Number of pixels before the present one.
        mask: At the present pixel outputs see the groups before their own (A), or also their own (B).
    """

    mask: Tensor

    def __init__(self, inputs: Tensor, outputs: Tensor, reach: int = 0, mask: Literal["A", "B"] = "B") -> None:
        super().__init__(len(inputs), len(outputs), (1, 1 + reach))
        seen = torch.ones_like(self.weight)  # (out, in, 1, 1 + reach)
        before = inputs[None] - outputs[:, None]  # (out, in)
        seen[:, :, 0, -1] = (before < 0 if mask == "A" else before <= 0).float()
        self.register_buffer("mask", seen, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Returns (N, out, R, W) of (N, in, R, reach + W)."""
        weight = self.weight * self.mask
        if x.shape[2:] == weight.shape[2:]:  # one pixel: a matrix product takes a tenth of a convolution's time
            return linear(x.flatten(1), weight.flatten(1), self.bias)[:, :, None, None]
        return conv2d(x, weight, self.bias)


class GatedLayer(nn.Module):
    """One layer of both stacks (figure 2): the vertical one sees rows, the horizontal one the row so far.

    Arguments:
        inputs: Group of each input channel.
        groups: Group of each output channel.
        reach: Pixels seen to either side, and in the row so far; of the rows above, one more.
        mask: Of the horizontal stack; A in the first layer, which therefore has no residual connection either.
        condition: Channels of the condition, or 0.
        dropout: Share of the horizontal stack's units that are dropped in training.
    """

    def __init__(
        self, inputs: Tensor, groups: Tensor, reach: int, mask: Literal["A", "B"], condition: int, dropout: float
    ) -> None:
        super().__init__()
        width, both = len(groups), torch.cat([groups, groups])
        self.channels, self.reach, self.residual = len(inputs), reach, mask == "B"
        self.vertical = nn.Conv2d(len(inputs), 2 * width, (reach + 1, 2 * reach + 1), padding=(0, reach))
        self.link = nn.Conv2d(2 * width, 2 * width, 1)
        self.horizontal = MaskedConv(inputs, both, reach, mask)
        self.dropout = nn.Dropout(dropout)
        self.out = MaskedConv(groups, groups)
        self.condition = nn.Conv2d(condition, 4 * width, 1, bias=False) if condition else None

    def said(self, condition: Tensor | None) -> tuple[Tensor, ...]:
        """Returns what the condition adds to the gates of either stack, (N or 1, 2 width or 1, H or 1, W or 1) each."""
        if self.condition is None or condition is None:
            return (self.link.weight.new_zeros(1, 1, 1, 1),) * 2
        said: Tensor = self.condition(condition)  # (N, 4 width, H or 1, W or 1)
        return said.chunk(2, dim=1)

    def above(self, v: Tensor, said: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the vertical stack's rows, each seeing those up to its own, and what the row below is told of them.

        Arguments:
            v: Rows of the layer before, and `reach` more above them, shape (N, channels, reach + R, W).
            said: By the condition.
        """
        gates = self.vertical(v) + said  # (N, 2 width, R, W)
        return gated(gates), self.link(gates)

    def beside(self, h: Tensor, told: Tensor, said: Tensor) -> Tensor:
        """Returns the horizontal stack's pixels, shape (N, width, R, W).

        Arguments:
            h: Pixels of the layer before, and `reach` more to their left, shape (N, channels, R, reach + W).
            told: By the rows above, shape (N, 2 width, R, W).
            said: By the condition.
        """
        out: Tensor = self.out(self.dropout(gated(self.horizontal(h) + told + said)))
        return out + h[..., self.reach :] if self.residual else out


def gated(gates: Tensor) -> Tensor:
    """Returns tanh of one half of the channels times sigmoid of the other (equation 2)."""
    value, gate = gates.chunk(2, dim=1)
    return value.tanh() * gate.sigmoid()


class GatedStacks(nn.Module):
    """The gated PixelCNN: the output at a pixel depends on the pixels before it only, and on all of them in reach.

    Where values of one pixel come in groups, the output of a group sees the groups before it at its own pixel. There
    is no norm over space, which would let later pixels speak. A channel of ones tells data from what lies beyond
    their edges.

    References:
        van den Oord et al. 2016, arXiv:1606.05328 (two stacks, gates, conditions); arXiv:1601.06759 (masks).

    Arguments:
        inputs: Group of each input channel, counted from 0.
        outputs: Number of outputs of each group.
        groups: Number of groups.
        width: Channels of each stack.
        layers: Number of layers, at least 1.
        condition: Channels of the condition, or 0.
        dropout: Share of units that are dropped in training.
    """

    def __init__(
        self,
        inputs: Sequence[int],
        outputs: int,
        *,
        groups: int = 1,
        width: int = 32,
        layers: int = 5,
        condition: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.groups = groups
        first, inner = torch.tensor([*inputs, 0]), torch.arange(width) * groups // width
        self.layers = nn.ModuleList([GatedLayer(first, inner, FIRST, "A", condition, dropout)])
        self.layers.extend(GatedLayer(inner, inner, REACH, "B", condition, dropout) for _ in range(layers - 1))
        outer = torch.arange(groups).repeat_interleave(outputs)
        self.head = nn.Sequential(nn.ReLU(), MaskedConv(inner, inner), nn.ReLU(), MaskedConv(inner, outer))

    def stack(self) -> list[GatedLayer]:
        """Returns the layers, from the data to the head."""
        return [layer for layer in self.layers if isinstance(layer, GatedLayer)]

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Returns outputs, shape (N, groups, outputs, H, W).

        Arguments:
            x: Shape (N, inputs, H, W).
            condition: What every pixel is told, shape (N, condition, H or 1, W or 1).
        """
        v = h = pad(x, (0, 0, 0, 0, 0, 1), value=1.0)  # (N, inputs + 1, H, W)
        for layer in self.stack():
            up, side = layer.said(condition)
            v, told = layer.above(pad(v, (0, 0, layer.reach, 0)), up)
            h = layer.beside(pad(h, (layer.reach, 0)), pad(told, (0, 0, 1, -1)), side)  # told one row down
        out: Tensor = self.head(h).to(x.dtype).unflatten(1, (self.groups, -1))  # bf16 ends here
        return out

    @torch.no_grad()
    def generate(self, n: int, grid: tuple[int, int], fill: Fill, condition: Tensor | None = None) -> None:
        """Walks over the pixels, each computed once, from what is kept of those before it.

        Arguments:
            n: Number of samples.
            grid: Height and width.
            fill: Called with row, column, group and that group's outputs (n, outputs), in turn; returns the pixel's
                inputs as far as they are known, shape (n, inputs).
            condition: As of the forward pass.
        """
        (height, width), layers = grid, self.stack()
        empty = layers[0].link.weight.new_zeros
        says = [[said.expand(-1, -1, height, width) for said in layer.said(condition)] for layer in layers]
        kept = [empty(n, layer.channels, layer.reach + height, width) for layer in layers]
        told = [empty(1, 1, 1, width)] * len(layers)  # nothing lies above the first row
        for i in range(height):
            row = [empty(n, layer.channels, 1, layer.reach + width) for layer in layers]
            sides = [side[:, :, i : i + 1] for _, side in says]
            for j in range(width):
                for group in range(self.groups):
                    out = self.head(self.pixel(row, told, sides, j))[:, :, 0, 0].unflatten(1, (self.groups, -1))
                    row[0][:, :, 0, FIRST + j] = pad(fill(i, j, group, out[:, group]), (0, 1), value=1.0)
            kept[0][:, :, FIRST + i] = row[0][:, :, 0, FIRST:]
            told = self.rows(kept, [up[:, :, i : i + 1] for up, _ in says], i)

    def pixel(self, row: list[Tensor], told: list[Tensor], sides: list[Tensor], j: int) -> Tensor:
        """Returns the horizontal stack's last features at column j, (N, width, 1, 1), and keeps those before them."""
        h = row[0]
        for k, layer in enumerate(self.stack()):
            if k:
                row[k][..., layer.reach + j] = h[..., 0]
            h = layer.beside(row[k][..., j : j + layer.reach + 1], told[k][..., j : j + 1], sides[k][..., j : j + 1])
        return h

    def rows(self, kept: list[Tensor], ups: list[Tensor], i: int) -> list[Tensor]:
        """Returns what each layer's vertical stack tells of row i, (N, 2 width, 1, W), and keeps what it saw there."""
        v, made = kept[0][:, :, :1], []
        for k, layer in enumerate(self.stack()):
            if k:
                kept[k][:, :, layer.reach + i] = v[:, :, 0]
            v, told = layer.above(kept[k][:, :, i : i + layer.reach + 1], ups[k])
            made.append(told)
        return made
