"""Choices among categories made smooth: the Gumbel-Softmax or Concrete distribution, and what it relaxes."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn.functional import log_softmax, one_hot

from tacit.functional.noise import uniform

__all__ = ["concrete", "concrete_log_prob", "draw_one_hot", "gumbel", "hardened", "kl_uniform", "straight_through"]


def gumbel(*shape: int, device: torch.device, generator: Generator | None = None) -> Tensor:
    """Returns draws of the standard Gumbel distribution, -log(-log u), always finite.

    Arguments:
        shape: Shape of the draws.
        device: Where they are wanted.
        generator: The source of randomness; by default that of the device.
    """
    u = uniform(*shape, device=device, generator=generator)
    limits = torch.finfo(u.dtype)
    return -(-u.clamp(limits.tiny, 1 - limits.eps).log()).log()


def concrete(logits: Tensor, tau: float, *, generator: Generator | None = None) -> Tensor:
    """Returns log y of relaxed one-hot rows y, through which gradients flow to the logits.

    The greatest entry is at k with probability softmax(logits)_k whatever the temperature; as tau falls to 0, y becomes
    one-hot. Two categories with the logits (l, 0) are the binary Concrete.

    Arguments:
        logits: Log probabilities up to a constant, shape (..., K).
        tau: Temperature, above 0.
        generator: The source of randomness.

    Returns:
        Shape (..., K), at most 0; its exponential sums to 1.

    References:
        Jang, Gu & Poole 2016, arXiv:1611.01144, equation 2.
        Maddison, Mnih & Teh 2016, arXiv:1611.00712, definition 1 and appendix B (of two categories).
    """
    noise = gumbel(*logits.shape, device=logits.device, generator=generator)
    return log_softmax((log_softmax(logits, -1) + noise) / tau, -1)


def concrete_log_prob(log_y: Tensor, logits: Tensor, tau: float) -> Tensor:
    """Returns the log density of log y where y is Concrete.

    In the logarithm nothing underflows, and the ratio of two such densities is that of the densities of y.

    Arguments:
        log_y: Of `concrete`, shape (..., K).
        logits: Log probabilities up to a constant, any shape that `log_y` broadcasts.
        tau: Temperature, above 0.

    Returns:
        Nats, shape (...).

    References:
        Maddison, Mnih & Teh 2016, arXiv:1611.00712, appendix C.3.
    """
    categories = log_y.shape[-1]
    each = log_softmax(logits - tau * log_y, -1)  # (..., K)
    return each.sum(-1) + math.lgamma(categories) + (categories - 1) * math.log(tau)


def draw_one_hot(logits: Tensor, *, generator: Generator | None = None) -> Tensor:
    """Returns one-hot rows drawn from softmax(logits), without gradients.

    Arguments:
        logits: Log probabilities up to a constant, shape (..., K).
        generator: The source of randomness.

    Returns:
        Floats, shape (..., K).

    References:
        Maddison, Tarlow & Minka 2014, arXiv:1411.0030 (the Gumbel-max trick).
    """
    noise = gumbel(*logits.shape, device=logits.device, generator=generator)
    return hardened(logits.detach() + noise)


def hardened(y: Tensor) -> Tensor:
    """Returns one-hot rows of the greatest entries, without gradients, shape of `y` (..., K)."""
    return one_hot(y.argmax(-1), y.shape[-1]).to(y.dtype)


def straight_through(y: Tensor) -> Tensor:
    """Returns the one-hot row of the greatest entry exactly, with the gradients of the relaxed one.

    Arguments:
        y: Relaxed one-hot rows, shape (..., K).

    References:
        Jang, Gu & Poole 2016, arXiv:1611.01144, section 2.2.

    Example:
        >>> straight_through(torch.tensor([[0.2, 0.7, 0.1]]))
        tensor([[0., 1., 0.]])
    """
    return hardened(y) + (y - y.detach())  # the bracket is exactly 0, so that no rounding is left in the sum


def kl_uniform(logits: Tensor) -> Tensor:
    """Returns KL(Categorical(softmax(logits)) || uniform), which is log K less the entropy.

    Arguments:
        logits: Log probabilities up to a constant, shape (..., K).

    Returns:
        Nats in [0, log K], shape (...).

    Example:
        >>> kl_uniform(torch.tensor([[0.0, 0.0], [99.0, 0.0]]))  # log 2 = 0.6931
        tensor([0.0000, 0.6931])
    """
    log_p = log_softmax(logits, -1)
    return (log_p.exp() * log_p).sum(-1) + math.log(logits.shape[-1])
