"""Independent component analysis."""

from __future__ import annotations

import math
import warnings
from typing import Literal

import torch
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from tacit.errors import DataError, OptionError
from tacit.functional.draws import part_of
from tacit.functional.principal import principal_axes
from tacit.protocol import Method, Spec

__all__ = ["ICA"]

USUAL = 50  # sources, where none are asked for
MOST = 2**24  # whitened values that are rotated; of more samples a part is drawn
FLAT = 1e-6  # variance, in that of the first axis, below which a direction holds no source
GAUSSIAN = 0.374567  # E[log cosh v] of a standard normal v


class ICA(Method):
    """Independent sources that were mixed.

    The model is x = mean + s A: as many sources s as there are rows of A, independent of one another, each of variance
    1. They are the rotation of the whitened leading principal axes that makes them least Gaussian. Sources are ordered
    by their distance from a Gaussian, |E[log cosh s] - E[log cosh v]|, the farthest first, and each is skewed to the
    positive side, so that two fits can be compared.

    Arguments:
        spec: What one sample is.
        latent: Number of sources; by default 50, or as many as there are.
        contrast: The function whose mean tells a source from a Gaussian.
        iterations: Greatest number of fixed-point steps.

    References:
        Hyvarinen & Oja 2000, Independent component analysis: algorithms and applications, Neural Networks 13;
        equations 25 and 40-45.
    """

    mean: Tensor
    unmixing: Tensor
    mixing: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        latent: int | None = None,
        contrast: Literal["logcosh", "exp", "cube"] = "logcosh",
        iterations: int = 200,
    ) -> None:
        super().__init__(spec)
        if latent is not None and not 1 <= latent <= spec.size:
            raise OptionError(f"latent is {latent}; a sample has {spec.size} values, so it is from 1 to {spec.size}")
        if iterations < 1:
            raise OptionError(f"iterations is {iterations}; it is at least 1")
        self.latent, self.contrast, self.iterations = latent, contrast, iterations
        self.note = ""
        self.learns("mean", spec.size)
        self.learns("unmixing", None, spec.size)  # (q, D)
        self.learns("mixing", None, spec.size)  # A, (q, D)

    def fit(self, x: Tensor, **needed: Tensor) -> None:
        """Finds the sources of training samples, shape (N, *spec.shape).

        Raises:
            DataError: If there are no more samples than sources, or all samples are equal.
        """
        latent = self.latent or min(USUAL, self.spec.size, max(len(x) - 1, 1))
        if len(x) <= latent:
            raise DataError(f"{len(x)} samples are too few for {latent} sources; lower latent, or give more samples")
        rows = x.flatten(1)
        found = principal_axes(rows, latent)
        kept = int((found.variances > FLAT * found.variances[0]).sum())
        if not kept:
            raise DataError(f"all {len(x)} samples are equal: there is nothing to tell sources by")
        notes = [] if kept == latent else [f"{kept} sources instead of {latent}: the data vary in no more directions"]
        most = max(10_000, MOST // kept)
        if len(x) > most:
            notes.append(f"rotated by {most:,} of {len(x):,} samples, drawn at random")
        rows = part_of(rows, most)
        axes, scale = found.directions[:kept], found.variances[:kept].sqrt()[:, None]
        white = (rows - found.mean.to(rows)) @ (axes / scale).T.to(rows)  # (n, q)
        rotation, steps = rotate(white.double(), self.contrast, self.iterations)
        if steps >= self.iterations:
            notes.append(f"not converged after {self.iterations} iterations")
        self.mean.copy_(found.mean)
        self.unmixing = (rotation @ (axes / scale)).float()
        self.mixing = (rotation @ (axes * scale)).float()  # the rotation is its own inverse's transpose
        self.note = "; ".join(notes)

    def encode(self, x: Tensor) -> Tensor:
        """Returns the sources of samples, shape (N, q)."""
        return (x.flatten(1) - self.mean) @ self.unmixing.T

    def decode(self, z: Tensor) -> Tensor:
        """Returns samples in which sources are mixed, shape (N, *spec.shape)."""
        x = z @ self.mixing + self.mean
        x = x if self.spec.range is None else x.clamp(*self.spec.range)
        return x.reshape(-1, *self.spec.shape)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Returns what the sources say of samples, shape (N, *spec.shape)."""
        return self.decode(self.encode(x))

    def figures(self) -> dict[str, Tensor]:
        """Returns the samples that each source adds, shape (q, *spec.shape)."""
        return {"sources": self.mixing.unflatten(1, self.spec.shape)}


def rotate(white: Tensor, contrast: str, iterations: int) -> tuple[Tensor, int]:
    """Returns the rotation of white data to sources, in their order and with their signs, and the steps it took.

    Arguments:
        white: Samples of mean 0 and covariance 1, shape (n, q).
        contrast: Name of the function G.
        iterations: Greatest number of steps.

    Returns:
        An orthogonal matrix, shape (q, q), and the number of steps.
    """
    model = FastICA(whiten=False, fun=contrast, max_iter=iterations, random_state=int(torch.randint(2**31, ())))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the caller notes it
        model.fit(white.cpu().numpy())
    rotation = torch.from_numpy(model.components_).to(white)
    s = white @ rotation.T  # (n, q)
    log_cosh = (s.abs() + torch.nn.functional.softplus(-2 * s.abs()) - math.log(2)).mean(0)
    order = (log_cosh - GAUSSIAN).abs().argsort(descending=True)  # eq. 25
    skew = s.pow(3).mean(0)
    return (rotation * torch.where(skew < 0, -1.0, 1.0)[:, None])[order], model.n_iter_
