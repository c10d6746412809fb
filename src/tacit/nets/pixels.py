"""Models of grids, pixel by pixel: p(x) is the product of p(pixel | those before it)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from tacit.functional import logistic_mixtures as mixtures
from tacit.functional.noise import uniform
from tacit.nets.masked import GatedStacks
from tacit.protocol import Spec

__all__ = ["Codes", "Law", "Levels", "Logistics", "Pixels"]

class Levels(nn.Module):
    """Images rounded to levels: a softmax for each channel, which sees the channels before it.

    Arguments:
        spec: What one sample is: images in [0, 1].
        levels: Number of different values.
    """

    dtype = torch.int64

    def __init__(self, spec: Spec, levels: int = 256) -> None:
        super().__init__()
        channels, height, width = spec.shape
        self.shape, self.sees, self.levels = (channels, height, width), tuple(range(channels)), levels
        self.groups, self.outputs, self.noise = channels, levels, channels

    def read(self, x: Tensor) -> Tensor:
        """Returns levels, int64 (N, C, H, W), of images."""
        return (x * (self.levels - 1)).round().long()

    def write(self, values: Tensor) -> Tensor:
        """Returns images of levels."""
        return values / (self.levels - 1)

    def inputs(self, values: Tensor) -> Tensor:
        """Returns levels brought to [-1, 1]."""
        return 2 * self.write(values) - 1

    def nats(self, values: Tensor, out: Tensor) -> Tensor:
        """Returns log probabilities, shape (N,), given logits (N, C, levels, H, W)."""
        return softmax_nats(values, out)

    def choose(self, out: Tensor, u: Tensor, group: int, temperature: float) -> Tensor:
        """Returns the levels of one channel, (N, 1), given logits (N, levels)."""
        return mixtures.pick(out, u[:, group], temperature)[:, None]


class Codes(nn.Module):
    """A grid or row of codes: each has an embedding, and is drawn from a softmax.

    Arguments:
        spec: What one sample is: codes of shape (h, w) or (h,).
        width: Dimensions of the embedding.
    """

    dtype = torch.int64
    groups, noise = 1, 1

    def __init__(self, spec: Spec, width: int) -> None:
        super().__init__()
        rows, columns = spec.shape if len(spec.shape) == 2 else (1, *spec.shape)
        self.grid, self.shape, self.sees, self.outputs = spec.shape, (1, rows, columns), (0,) * width, spec.codes
        self.embedding = nn.Embedding(spec.codes, width)

    def read(self, x: Tensor) -> Tensor:
        """Returns codes as a grid of one channel, (N, 1, h, w)."""
        return x.reshape(-1, *self.shape)

    def write(self, values: Tensor) -> Tensor:
        """Returns codes in the shape that they came in."""
        return values.reshape(-1, *self.grid)

    def inputs(self, values: Tensor) -> Tensor:
        """Returns the codes' embeddings, (N, width, R, W)."""
        embedded: Tensor = self.embedding(values[:, 0])  # (N, R, W, width)
        return embedded.movedim(-1, 1)

    def nats(self, values: Tensor, out: Tensor) -> Tensor:
        """Returns log probabilities, shape (N,), given logits (N, 1, K, h, w)."""
        return softmax_nats(values, out)

    def choose(self, out: Tensor, u: Tensor, group: int, temperature: float) -> Tensor:
        """Returns codes, (N, 1), given logits (N, K)."""
        return mixtures.pick(out, u[:, group], temperature)[:, None]


def softmax_nats(values: Tensor, logits: Tensor) -> Tensor:
    """Returns log probabilities, shape (N,), of int64 values (N, C, H, W) given logits (N, C, K, H, W)."""
    return -cross_entropy(logits.transpose(1, 2), values, reduction="none").flatten(1).sum(1)


class Logistics(nn.Module):
    """8-bit images: for each pixel a mixture of discretised logistics, whose channels lean on those before.

    Arguments:
        spec: What one sample is: images in [0, 1].
        components: Of the mixture.
    """

    dtype = torch.float32
    groups = 1

    def __init__(self, spec: Spec, components: int = 5) -> None:
        super().__init__()
        channels, height, width = spec.shape
        self.shape, self.sees = (channels, height, width), (0,) * channels
        self.outputs, self.noise = mixtures.parameter_count(channels, components), 1 + channels

    def read(self, x: Tensor) -> Tensor:
        """Returns images as they are."""
        return x

    def write(self, values: Tensor) -> Tensor:
        """Returns images as they are."""
        return values

    def inputs(self, values: Tensor) -> Tensor:
        """Returns images in [-1, 1]."""
        return 2 * values - 1

    def nats(self, values: Tensor, out: Tensor) -> Tensor:
        """Returns log probabilities, shape (N,), given parameters (N, 1, P, H, W)."""
        return mixtures.log_prob(values, out[:, 0])

    def choose(self, out: Tensor, u: Tensor, group: int, temperature: float) -> Tensor:
        """Returns all channels of a pixel, (N, C), given parameters (N, P)."""
        return mixtures.at(out[..., None, None], u[..., None, None], temperature=temperature)[..., 0, 0]


Law = Levels | Codes | Logistics
"""How values enter the net (`read`, `inputs`, `write`), and what its outputs say of them (`nats`, `choose`).

Each has the `shape` and `dtype` of its values; `sees`, the group of each channel that enters the net; the number of
`groups` that the channels of a pixel are drawn in, one after the other; the net's `outputs` for each group; and the
`noise`, how many uniform numbers the draw of one pixel takes.
"""

Choose = Callable[[int, int, int, Tensor], Tensor]


class Pixels(nn.Module):
    """p(x | condition) of a grid, one pixel after the other.

    Arguments:
        law: How values enter the net, and what its outputs say of them.
        width: Channels of the net's stacks.
        layers: Of the net.
        condition: Channels of the condition, or 0.
        dropout: Share of the net's units that are dropped in training.
    """

    def __init__(
        self, law: Law, *, width: int, layers: int, condition: int = 0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.law = law
        self.net = GatedStacks(
            law.sees, law.outputs, groups=law.groups, width=width, layers=layers, condition=condition, dropout=dropout
        )

    def outputs(self, values: Tensor, condition: Tensor | None = None) -> Tensor:
        """Returns what the net says of each pixel given those before, shape (N, groups, outputs, H, W)."""
        out: Tensor = self.net(self.law.inputs(values), condition)
        return out

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Returns log P(x | condition) in nats, shape (N,); the condition is (N, channels, H or 1, W or 1)."""
        values = self.law.read(x)
        return self.law.nats(values, self.outputs(values, condition))

    def walk(self, n: int, choose: Choose, condition: Tensor | None = None) -> Tensor:
        """Returns n samples made pixel by pixel, in the order of the rows.

        Arguments:
            n: How many.
            choose: Called with row, column, group and the net's outputs there, (n, outputs); returns that group's
                values, (n, C / groups). The outputs depend on n and on what was chosen before, to the last bit.
            condition: Shape (n, channels, H or 1, W or 1).
        """
        law, (channels, height, width) = self.law, self.law.shape
        each, device = channels // law.groups, next(self.parameters()).device
        values = torch.zeros(n, channels, height, width, dtype=law.dtype, device=device)

        def fill(i: int, j: int, group: int, out: Tensor) -> Tensor:
            values[:, group * each : (group + 1) * each, i, j] = choose(i, j, group, out)
            return law.inputs(values[:, :, i : i + 1, j : j + 1])[:, :, 0, 0]  # (n, inputs)

        self.net.generate(n, (height, width), fill, condition)
        return law.write(values)

    def noise(self, n: int, generator: Generator | None = None) -> Tensor:
        """Returns the noise that `at` makes n samples of, shape (n, noise, H, W)."""
        device = next(self.parameters()).device
        return uniform(n, self.law.noise, *self.law.shape[1:], device=device, generator=generator)

    def at(self, u: Tensor, condition: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """Returns the samples that noise stands for.

        Arguments:
            u: Of `noise`, shape (N, noise, H, W), or of 1 sample, which then all share.
            condition: Shape (N, channels, H or 1, W or 1).
            temperature: Of each choice; 0 takes the likeliest.
        """
        n = len(u) if condition is None else max(len(u), len(condition))
        return self.walk(n, lambda i, j, group, out: self.law.choose(out, u[:, :, i, j], group, temperature), condition)
