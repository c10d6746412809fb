"""Multi-layer perceptrons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn

__all__ = ["MLP"]


class MLP(nn.Module):
    """Linear layers with an activation between them; inputs of any shape are flattened.

    Arguments:
        sizes: Number of inputs, of units in each hidden layer, and of outputs: at least two numbers.
        activation: Makes the activation; not used behind the last layer.

    Example:
        >>> import torch
        >>> MLP([64, 32, 10])(torch.zeros(5, 1, 8, 8)).shape
        torch.Size([5, 10])
    """

    def __init__(self, sizes: Sequence[int], activation: Callable[[], nn.Module] = nn.SiLU) -> None:
        super().__init__()
        *hidden, last = [nn.Linear(n, m) for n, m in pairwise(sizes)]
        self.blocks = nn.ModuleList(nn.Sequential(layer, activation()) for layer in hidden)
        self.head = last

    def layers(self) -> list[str]:
        """Returns the names of the hidden layers."""
        return [f"hidden{i}" for i in range(1, len(self.blocks) + 1)]

    def features(self, x: Tensor) -> list[Tensor]:
        """Returns what each hidden layer makes of the input, each of shape (N, units)."""
        made = [x.flatten(1)]
        for block in self.blocks:
            made.append(block(made[-1]))
        return made[1:]

    def forward(self, x: Tensor) -> Tensor:
        """Returns outputs, shape (N, sizes[-1])."""
        x = x.flatten(1)
        for block in self.blocks:
            x = block(x)
        result: Tensor = self.head(x)
        return result
