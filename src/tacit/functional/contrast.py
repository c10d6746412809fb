"""Telling the partner of each sample from all others."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

__all__ = ["gathered", "nt_xent"]


def nt_xent(a: Tensor, b: Tensor, temperature: float = 0.5) -> tuple[Tensor, Tensor]:
    """Returns the normalised temperature-scaled cross-entropy of pairs.

    Each of the 2 N embeddings is to be told its partner among the 2 N - 1 others; only itself is left out.

    Arguments:
        a: Embeddings of one view of each sample, shape (N, D); of any length, since only their directions count.
        b: Embeddings of the other view, shape (N, D).
        temperature: Divides the cosines, above 0.

    Returns:
        The loss in nats, a scalar, by chance log(2 N - 1); and the share of embeddings whose partner is the nearest.

    References:
        Chen et al. 2020, arXiv:2002.05709, equation 1. Sohn 2016 (the N-pair loss).

    Example:
        >>> loss, accuracy = nt_xent(torch.eye(3), torch.eye(3), temperature=0.1)
        >>> loss, accuracy
        (tensor(0.0002), tensor(1.))
    """
    z = torch.cat([a, b])  # (2 N, D)
    with torch.autocast(z.device.type, enabled=False):  # bf16 has too few digits for cosines near 1
        z = normalize(z.to(torch.promote_types(z.dtype, torch.float32)))
        logits = z @ z.T / temperature  # (2 N, 2 N)
    logits = logits.masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), -torch.inf)
    partner = torch.arange(len(z), device=z.device).roll(len(a))
    accuracy = (logits.detach().argmax(1) == partner).to(logits.dtype).mean()
    return cross_entropy(logits, partner), accuracy


def gathered(z: Tensor) -> Tensor:
    """Returns the embeddings of all processes, in the order of their ranks, shape (W N, D); alone, z itself.

    If every process takes the same loss of them, the mean of the processes' gradients is the gradient that one process
    has on the joined batch: backward keeps each process's own rows, times the number of processes, and needs no
    message.

    Arguments:
        z: This process's embeddings, shape (N, D), N the same in all processes.
    """
    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        return z
    result: Tensor = Gather.apply(z)  # type: ignore[no-untyped-call]
    return result


class Gather(torch.autograd.Function):
    """The rows of all processes; see `gathered`."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        """Returns the rows of all processes."""
        parts = [torch.empty_like(z, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, z.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Returns the own rows' gradient, scaled."""
        world = dist.get_world_size()
        return gradient.chunk(world)[dist.get_rank()] * world
