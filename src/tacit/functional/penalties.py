"""Penalties on the gradient of a critic or discriminator by its input, each with the graph that a loss needs.

A judge must treat samples apart: with batch norm in it, a sample's gradient is that of others' logits as well.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from tacit.functional.noise import uniform

__all__ = ["gradient_penalty", "interpolated", "r1"]


def r1(logits: Tensor, x: Tensor) -> Tensor:
    """Returns the zero-centred gradient penalty |grad D(x)|^2; R1 where x are data, R2 where they are samples.

    References:
        Mescheder et al. 2018, arXiv:1801.04406, equation 9, without its factor gamma / 2.

    Arguments:
        logits: Of each sample, shape (N, ...); several of one sample are summed.
        x: What they were computed of and require a gradient, shape (N, ...).

    Returns:
        Shape (N,), summed over all values of a sample.

    Example:
        >>> x = torch.zeros(2, 3, requires_grad=True)
        >>> r1(x @ torch.tensor([1.0, 2.0, 2.0]), x).detach()
        tensor([9., 9.])
    """
    return slope(logits, x).square().sum(1)


def gradient_penalty(logits: Tensor, x: Tensor) -> Tensor:
    """Returns the one-centred gradient penalty (|grad D(x)| - 1)^2 of a Wasserstein critic.

    References:
        Gulrajani et al. 2017, arXiv:1704.00028, equation 3, without its factor lambda.

    Arguments:
        logits: The critic's values, shape (N, ...).
        x: What they were computed of and require a gradient, shape (N, ...); see `interpolated`.

    Returns:
        Shape (N,).

    Example:
        >>> x = torch.zeros(2, 3, requires_grad=True)
        >>> gradient_penalty(x @ torch.tensor([1.0, 2.0, 2.0]), x).detach()
        tensor([4., 4.])
    """
    length: Tensor = torch.linalg.vector_norm(slope(logits, x), dim=1)  # (N, d) -> (N,); its slope at 0 is 0, not NaN
    return (length - 1).square()


def interpolated(real: Tensor, fake: Tensor, generator: Generator | None = None) -> Tensor:
    """Returns a point on the line between each real sample and the fake of its index, ready to be differentiated by.

    References:
        Gulrajani et al. 2017, arXiv:1704.00028, algorithm 1: x = epsilon real + (1 - epsilon) fake.

    Arguments:
        real: Shape (N, ...).
        fake: Shape (N, ...).
        generator: Of the places, U[0, 1) for each pair; by default that of the samples' device.

    Returns:
        Shape (N, ...), a leaf that requires a gradient.
    """
    share = uniform(len(real), device=real.device, generator=generator).to(real.dtype)
    share = share.view(-1, *[1] * (real.dim() - 1))  # (N,) -> (N, 1, ...)
    return (share * real + (1 - share) * fake).detach().requires_grad_()


def slope(logits: Tensor, x: Tensor) -> Tensor:
    """Returns the gradient of each sample's logits by its values, shape (N, d), itself differentiable."""
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return gradient.flatten(1)
