"""Nets whose weights have a distribution."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.func import functional_call

from tacit.functional.divergences import kl_standard_normal

__all__ = ["Bayesian"]

START = math.log(0.02)  # of the weights' standard deviations: small beside the weights, so that learning can begin


class Bayesian(nn.Module):
    """A net whose weights are drawn from N(mean, sigma^2) at every call, with the prior N(0, 1); their mean in use.

    References:
        Kingma & Welling 2013, arXiv:1312.6114, appendix F.

    Arguments:
        net: Its weights are the means.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.log_sigma = nn.ParameterList([torch.full_like(p, START) for p in net.parameters()])

    def kl(self) -> Tensor:
        """Returns KL(q(weights) || N(0, I)) in nats, a scalar, which counts once for the whole data set."""
        means = self.net.parameters()
        parts = [kl_standard_normal(m, 2 * s).sum() for m, s in zip(means, self.log_sigma, strict=True)]
        return torch.stack(parts).sum()

    def forward(self, x: Tensor) -> Tensor:
        """Returns what the net makes of `x`: with weights that are drawn while it trains, else with their means."""
        if not self.training:
            return self.net(x)  # type: ignore[no-any-return]
        drawn = {
            name: mean + log_sigma.exp() * torch.randn_like(mean)
            for (name, mean), log_sigma in zip(self.net.named_parameters(), self.log_sigma, strict=True)
        }
        return functional_call(self.net, drawn, (x,))  # type: ignore[no-any-return]
