"""Random numbers that come from one generator, wherever it lives."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

__all__ = ["normal", "uniform"]


def normal(*shape: int, device: torch.device, generator: Generator | None = None) -> Tensor:
    """Returns draws of N(0, 1) on `device`; a generator on another device is asked there, so that its draws stay its.

    Arguments:
        shape: Shape of the draws.
        device: Where they are wanted.
        generator: The source of randomness; by default that of the device.
    """
    where = device if generator is None else generator.device
    return torch.randn(shape, generator=generator, device=where).to(device)


def uniform(*shape: int, device: torch.device, generator: Generator | None = None) -> Tensor:
    """Returns draws of U[0, 1) on `device`; a generator on another device is asked there, so that its draws stay its.

    Arguments:
        shape: Shape of the draws.
        device: Where they are wanted.
        generator: The source of randomness; by default that of the device.
    """
    where = device if generator is None else generator.device
    return torch.rand(shape, generator=generator, device=where).to(device)
