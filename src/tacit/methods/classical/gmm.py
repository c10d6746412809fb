"""A mixture of Gaussians."""

from __future__ import annotations

import math
import warnings
from typing import Literal

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Generator, Tensor

from tacit.errors import DataError, OptionError
from tacit.functional.draws import part_of
from tacit.functional.noise import normal, uniform
from tacit.protocol import Bound, Method, Spec

__all__ = ["GMM"]

MOST = 2**25  # values that are fitted; of more samples a part is drawn
PRECISE = 2**22  # values up to which the fit runs in double precision


class GMM(Method):
    """A mixture of Gaussians.

    Fitted by expectation-maximisation from a k-means start. Of data with more than 2^25 values, as many samples are
    drawn at random as have so many, but at least 10,000. The anomaly score is -log p(x).

    Arguments:
        spec: What one sample is.
        components: Number of Gaussians.
        covariance: Shape of each Gaussian; auto is full for samples of up to 64 values, else diag.
        ridge: Added to every variance, in mean variances of a dimension.
        iterations: Greatest number of rounds of expectation-maximisation.

    References:
        Dempster, Laird & Rubin 1977, Maximum Likelihood from Incomplete Data via the EM Algorithm, JRSS B 39(1).
    """

    discrete = False
    weights: Tensor
    means: Tensor
    factors: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        components: int = 10,
        covariance: Literal["auto", "full", "diag", "spherical"] = "auto",
        ridge: float = 1e-4,
        iterations: int = 100,
    ) -> None:
        super().__init__(spec)
        if components < 1 or ridge < 0 or iterations < 1:
            raise OptionError(f"components is {components}, ridge {ridge} and iterations {iterations}; components and "
                              "iterations are at least 1, and ridge is not negative")
        self.components, self.ridge, self.iterations = components, ridge, iterations
        self.covariance = covariance if covariance != "auto" else "full" if spec.size <= 64 else "diag"
        self.note = ""
        self.learns("weights", components)
        self.learns("means", components, spec.size)
        # U, upper triangular, of each precision U U'; of diagonal ones only the diagonal
        self.learns("factors", components, spec.size, *([spec.size] if self.covariance == "full" else []))

    def fit(self, x: Tensor, **needed: Tensor) -> None:
        """Finds weights, means and covariances of training samples, shape (N, *spec.shape).

        Raises:
            DataError: If there are fewer samples than components.
        """
        if len(x) < max(self.components, 2):
            raise DataError(f"{len(x)} samples cannot make {self.components} Gaussians; lower components")
        most, notes = max(10_000, MOST // self.spec.size), []
        if len(x) > most:
            notes.append(f"fitted on {most:,} of {len(x):,} samples, drawn at random")
        x = part_of(x, most)
        rows = x.flatten(1).cpu()
        rows = rows.double() if rows.numel() <= PRECISE else rows
        mean = rows.mean(0)  # far from zero, variances would be lost to cancellation
        rows = rows - mean
        model = GaussianMixture(
            self.components,
            covariance_type=self.covariance,
            reg_covar=max(self.ridge * float(rows.square().mean()), 1e-12),
            max_iter=self.iterations,
            random_state=int(torch.randint(2**31, ())),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # noted below
            model.fit(rows.numpy())
        if not model.converged_:
            notes.append(f"not converged after {self.iterations} iterations")
        factors = torch.from_numpy(model.precisions_cholesky_)
        self.weights.copy_(torch.from_numpy(model.weights_))
        self.means.copy_(torch.from_numpy(model.means_) + mean)
        self.factors.copy_(factors[:, None] if self.covariance == "spherical" else factors)
        self.note = "; ".join(notes)

    def _joint(self, x: Tensor) -> Tensor:
        """Returns log p(x, component), shape (N, K)."""
        rows, full = x.flatten(1), self.covariance == "full"
        diagonals = self.factors.diagonal(dim1=1, dim2=2) if full else self.factors  # (K, D)
        distance = [
            ((rows - mean) @ factor if full else (rows - mean) * factor).square().sum(1)  # (N,)
            for mean, factor in zip(self.means, self.factors, strict=True)
        ]
        constant = self.weights.log() + diagonals.log().sum(1) - 0.5 * self.spec.size * math.log(2 * math.pi)  # (K,)
        return constant - 0.5 * torch.stack(distance, 1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Returns log p(x) in nats, shape (N,)."""
        return self._joint(x).logsumexp(1)

    def bound(self) -> Bound:
        """Says that `log_prob` is exact."""
        return "exact"

    def anomaly_score(self, x: Tensor) -> Tensor:
        """Returns -log p(x), shape (N,)."""
        return -self.log_prob(x)

    def assign(self, x: Tensor) -> Tensor:
        """Returns the likeliest component of each sample, int64 (N,)."""
        return self._joint(x).argmax(1)

    def sample(self, n: int, *, temperature: float = 1.0, generator: Generator | None = None) -> Tensor:
        """Returns n samples of the mixture, shape (n, *spec.shape).

        Arguments:
            n: How many.
            temperature: Factor on every standard deviation; the weights stay.
            generator: The source of randomness.
        """
        u = uniform(n, device=self.device, generator=generator)
        chosen = torch.searchsorted(self.weights.cumsum(0), u).clamp_max(self.components - 1)  # (n,)
        noise = temperature * normal(n, self.spec.size, device=self.device, generator=generator)
        x = self.means[chosen]
        for k, factor in enumerate(self.factors):
            mine = chosen == k
            x[mine] += self._coloured(noise[mine], factor)
        x = x if self.spec.range is None else x.clamp(*self.spec.range)
        return x.reshape(n, *self.spec.shape)

    def _coloured(self, noise: Tensor, factor: Tensor) -> Tensor:
        """Returns noise U^-1, whose covariance is (U U')^-1, shape (n, D)."""
        if self.covariance != "full":
            return noise / factor
        coloured: Tensor = torch.linalg.solve_triangular(factor, noise, upper=True, left=False)
        return coloured
