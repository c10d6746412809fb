"""Principal component analysis as a probabilistic model."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Generator, Tensor

from tacit.errors import DataError, OptionError
from tacit.functional.noise import normal
from tacit.functional.principal import EXACT, principal_axes
from tacit.protocol import Bound, Method, Spec

__all__ = ["PCA"]

USUAL = 50  # axes, where none are asked for
FLOOR = 1e-6  # least variance along any direction, in mean variances of a dimension


class PCA(Method):
    """Directions of greatest variance, as a probabilistic model.

    The model is x ~ N(mean, W W' + sigma2 I): W W' has the axes' variances less sigma2, and sigma2 is the mean variance
    of the directions that are left out. Variances are floored at 1e-6 of a dimension's mean variance, so that the
    density exists where samples lie in a plane. The anomaly score is -log p(x): the distance within the plane and the
    distance from it, each in its own units.

    Arguments:
        spec: What one sample is.
        latent: Number of axes; by default 50, or as many as there are.
        whiten: Whether each latent is divided by its standard deviation.

    References:
        Tipping & Bishop 1999, Probabilistic Principal Component Analysis, JRSS B 61(3); equations 2-12.
    """

    discrete = False
    mean: Tensor
    axes: Tensor
    variances: Tensor
    noise: Tensor

    def __init__(self, spec: Spec, *, latent: int | None = None, whiten: bool = False) -> None:
        super().__init__(spec)
        if latent is not None and not 1 <= latent <= spec.size:
            raise OptionError(f"latent is {latent}; a sample has {spec.size} values, so it is from 1 to {spec.size}")
        self.latent, self.whiten = latent, whiten
        self.without = frozenset() if (latent or USUAL) >= spec.size else frozenset({"Invertible"})
        self.learns("mean", spec.size)
        self.learns("axes", None, spec.size)  # (q, D), orthonormal
        self.learns("variances", None)  # (q,)
        self.learns("noise")  # sigma2

    def fit(self, x: Tensor, **needed: Tensor) -> None:
        """Finds the axes of training samples, shape (N, *spec.shape).

        Raises:
            DataError: If there are fewer than two samples, or, of more than 4,096 values, no more than axes.
        """
        most = self.spec.size if self.spec.size <= EXACT else len(x) - 1
        latent = self.latent or min(USUAL, most)
        if len(x) < 2 or latent > most:
            raise DataError(f"{len(x)} samples are too few for {latent} axes; lower latent, or give more samples")
        found = principal_axes(x.flatten(1), latent)
        floor = max(FLOOR * float(found.total) / self.spec.size, 1e-12)
        left_out = (found.total - found.variances.sum()) / max(self.spec.size - latent, 1)  # eq. 8
        self.mean.copy_(found.mean)
        self.axes = found.directions.float().contiguous()
        self.noise.copy_(left_out.clamp_min(floor))
        self.variances = found.variances.float().clamp_min(floor)

    def _project(self, x: Tensor) -> Tensor:
        return (x.flatten(1) - self.mean) @ self.axes.T  # (N, q)

    def _shaped(self, x: Tensor) -> Tensor:
        x = x if self.spec.range is None else x.clamp(*self.spec.range)
        return x.reshape(-1, *self.spec.shape)

    def encode(self, x: Tensor) -> Tensor:
        """Returns latents, shape (N, q)."""
        z = self._project(x)
        return z / self.variances.sqrt() if self.whiten else z

    def decode(self, z: Tensor) -> Tensor:
        """Returns the samples at latents, shape (N, *spec.shape)."""
        z = z * self.variances.sqrt() if self.whiten else z
        return self._shaped(z @ self.axes + self.mean)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Returns the nearest points of the plane, shape (N, *spec.shape)."""
        return self.decode(self.encode(x))

    def embed(self, x: Tensor) -> Tensor:
        """Returns the places along the first two axes, shape (N, 2)."""
        places = self._project(x)[:, :2]
        return torch.nn.functional.pad(places, (0, 2 - places.shape[1]))

    @property
    def gaussian(self) -> int:
        """Number of latents that are independent standard normal draws: all where they are whitened, else none."""
        return len(self.variances) if self.whiten else 0

    def prior(self, n: int, *, label: Any = None, generator: Generator | None = None) -> Tensor:
        """Returns the latents of n samples of the model, shape (n, q): what it makes lies so along its axes."""
        z = normal(n, len(self.variances), device=self.device, generator=generator)
        return z if self.whiten else z * self.variances.sqrt()

    def sample(self, n: int, *, temperature: float = 1.0, generator: Generator | None = None) -> Tensor:
        """Returns n samples of the model, shape (n, *spec.shape).

        Arguments:
            n: How many.
            temperature: Factor on every standard deviation.
            generator: The source of randomness.
        """
        z = normal(n, len(self.variances), device=self.device, generator=generator)
        noise = normal(n, self.spec.size, device=self.device, generator=generator)
        within = (self.variances - self.noise).clamp_min(0).sqrt() * z  # W z, along the axes
        return self._shaped(self.mean + temperature * (within @ self.axes + self.noise.sqrt() * noise))  # eq. 2

    def log_prob(self, x: Tensor) -> Tensor:
        """Returns log p(x) in nats, shape (N,)."""
        z = self._project(x)
        residual = x.flatten(1) - self.mean - z @ self.axes  # (N, D)
        rest = self.spec.size - len(self.variances)
        log_det = self.variances.log().sum() + rest * self.noise.log()  # of the covariance, eq. 4
        distance = (z.square() / self.variances).sum(1) + residual.square().sum(1) / self.noise
        return -0.5 * (self.spec.size * math.log(2 * math.pi) + log_det + distance)

    def bound(self) -> Bound:
        """Says that `log_prob` is exact."""
        return "exact"

    def anomaly_score(self, x: Tensor) -> Tensor:
        """Returns -log p(x), shape (N,)."""
        return -self.log_prob(x)

    def log_det(self, x: Tensor) -> Tensor:
        """Returns log |det d encode(x) / dx|, shape (N,), where there are as many axes as values."""
        change = -0.5 * self.variances.log().sum() if self.whiten else self.variances.new_zeros(())
        return change.expand(len(x))
