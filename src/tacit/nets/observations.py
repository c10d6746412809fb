"""What a decoder's output says of the data: its last activation, and its likelihood p(x | z)."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import softplus

from tacit.errors import DataError, OptionError
from tacit.functional import likelihoods, logistic_mixtures, rows
from tacit.functional.noise import normal, uniform
from tacit.protocol import Spec

__all__ = [
    "Bernoulli",
    "Gaussian",
    "Likelihood",
    "Logistic",
    "LogisticMixture",
    "Mixed",
    "Observation",
    "Squash",
    "observation",
    "rows_at_once",
]

Likelihood = Literal["auto", "gaussian", "bernoulli", "logistic", "mixture", "mixed"]

COMPONENTS = 10  # of a mixture of logistics
ROWS, VALUES = 4_096, 8_000_000  # greatest number of samples, and of a decoder's outputs, that are made at once

TINY = 1e-6  # keeps the logit of a uniform draw finite


class Squash(nn.Module):
    """Brings a net's output to where the data live: images to [0, 1], rows to their blocks, others as they are.

    Arguments:
        spec: What one sample is.
        hard: Whether rows are made one-hot as the data are, with the gradients of their probabilities.
    """

    def __init__(self, spec: Spec, hard: bool = False) -> None:
        super().__init__()
        self.range, self.hard = spec.range, hard
        self.layout = rows.Layout.of(spec.columns, spec.size) if spec.kind == "table" else None

    def forward(self, out: Tensor) -> Tensor:
        """Returns samples, shape of `out`."""
        if self.layout is not None:
            return rows.hardened(out, self.layout) if self.hard else rows.expected(out, self.layout)
        if self.range is None:
            return out
        low, high = self.range
        return low + (high - low) * out.sigmoid()


class Observation(nn.Module):
    """A likelihood p(x | z) whose mean is the squashed output, and whose log scale is learned unless given.

    Arguments:
        spec: What one sample is.
        sigma: The scale; None learns it.
        scales: Shape of the scale: () for one scale over all values.
    """

    discrete: ClassVar[bool | None] = False  # whether it gives the probability of x, or its density; None: some of both
    binary: ClassVar[bool] = False  # whether it is a likelihood of values 0 and 1 only
    floor: ClassVar[float] = 0.01  # of a learned scale: a density over rounded values would have no upper limit
    shape: tuple[int, ...]  # of one sample of the decoder's output
    log_sigma: Tensor

    def __init__(self, spec: Spec, sigma: float | None = None, scales: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.shape = spec.shape
        self.mean = Squash(spec)
        first = spread(spec) if sigma is None else sigma
        start = torch.full(scales, math.log(first))
        if sigma is None:
            self.log_sigma = nn.Parameter(start)
        else:
            self.register_buffer("log_sigma", start)

    def log_scale(self) -> Tensor:
        """Returns the log of the scale, where it is learned above that of the floor, from which it can rise again."""
        if not isinstance(self.log_sigma, nn.Parameter):
            return self.log_sigma
        least = math.log(self.floor)
        return least + softplus(self.log_sigma - least)

    def draw(self, out: Tensor, generator: Generator | None = None) -> Tensor:
        """Returns what is shown of p(x | z): its mean, for noise that is independent in every value shows nothing."""
        result: Tensor = self.mean(out)
        return result


def spread(spec: Spec) -> float:
    """Returns about the standard deviation of the data, where a learned scale starts.

    From there it falls as the reconstruction improves. Started lower, latents spread out that the KL divergence then
    gathers again only slowly: a linear VAE was 2 nats short where this start came within 0.2.
    """
    return 1.0 if spec.range is None else 0.3 * (spec.range[1] - spec.range[0])


class Gaussian(Observation):
    """N(x; mean, sigma^2 I) with one sigma over all values."""

    def forward(self, x: Tensor, out: Tensor) -> Tensor:
        """Returns log p(x | z) in nats, shape (N,)."""
        return likelihoods.gaussian(x, self.mean(out), self.log_scale())

    def sample(self, out: Tensor, generator: Generator | None = None) -> Tensor:
        """Returns a draw of p(x | z), its noise included, shape of `out`."""
        noise = normal(*out.shape, device=out.device, generator=generator)
        result: Tensor = self.mean(out) + self.log_scale().exp() * noise
        return result


class Logistic(Observation):
    """The logistic's mass on each of the 256 levels of 8-bit images, with one scale over all values."""

    discrete = True
    floor = 0.0005  # an eighth of a level, below which nothing changes

    def forward(self, x: Tensor, out: Tensor) -> Tensor:
        """Returns log P(x | z) in nats, shape (N,)."""
        return likelihoods.discretised_logistic(x, self.mean(out), self.log_scale())

    def sample(self, out: Tensor, generator: Generator | None = None) -> Tensor:
        """Returns a draw of P(x | z), its noise included, shape of `out`."""
        u = uniform(*out.shape, device=out.device, generator=generator).clamp(TINY, 1 - TINY)
        drawn = self.mean(out) + self.log_scale().exp() * u.logit()
        result: Tensor = (255 * drawn.clamp(0, 1)).round() / 255
        return result


class LogisticMixture(nn.Module):
    """A mixture of logistics for each pixel of 8-bit images, whose channels lean on one another.

    The decoder puts out the parameters of the components in place of each pixel's channels.

    Arguments:
        spec: What one sample is: images in [0, 1].
    """

    discrete: ClassVar[bool | None] = True
    binary: ClassVar[bool] = False

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.channels = spec.shape[0]
        self.shape = (logistic_mixtures.parameter_count(self.channels, COMPONENTS), *spec.shape[1:])

    def forward(self, x: Tensor, out: Tensor) -> Tensor:
        """Returns log P(x | z) in nats, shape (N,)."""
        return logistic_mixtures.log_prob(x, out)

    def mean(self, out: Tensor) -> Tensor:
        """Returns the mean, shape (N, C, H, W), of parameters, shape (N, P, H, W)."""
        return logistic_mixtures.mean(out, self.channels)

    def draw(self, out: Tensor, generator: Generator | None = None) -> Tensor:
        """Returns what is shown of p(x | z): its mean, for noise that is independent in every pixel shows nothing."""
        return self.mean(out)

    def sample(self, out: Tensor, generator: Generator | None = None) -> Tensor:
        """Returns a draw of P(x | z), its noise included, shape (N, C, H, W)."""
        return logistic_mixtures.sample(out, self.channels, generator=generator)


class Bernoulli(nn.Module):
    """Bernoulli(x; sigmoid(out)); a likelihood for binary data only.

    Arguments:
        spec: What one sample is, with the range [0, 1].

    Raises:
        DataError: If the data have another range.
    """

    discrete: ClassVar[bool | None] = True
    binary: ClassVar[bool] = True

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        if spec.range != (0.0, 1.0):
            found = "without a range" if spec.range is None else f"in [{spec.range[0]:g}, {spec.range[1]:g}]"
            raise DataError(f"a bernoulli needs data in [0, 1]; the data are {spec} {found}; take gaussian")
        self.shape = spec.shape
        self.mean = Squash(spec)

    def forward(self, x: Tensor, out: Tensor) -> Tensor:
        """Returns log P(x | z) in nats, shape (N,)."""
        return likelihoods.bernoulli(x, out)

    def draw(self, out: Tensor, generator: Generator | None = None) -> Tensor:
        """Returns the probability of 1, which shows more than a draw of noise."""
        result: Tensor = self.mean(out)
        return result

    def sample(self, out: Tensor, generator: Generator | None = None) -> Tensor:
        """Returns a draw of P(x | z): zeros and ones, shape of `out`."""
        return (uniform(*out.shape, device=out.device, generator=generator) < out.sigmoid()).to(out.dtype)


class Mixed(Observation):
    """Rows of a table: Gaussian numbers with a sigma for each column, categorical blocks, Bernoulli marks."""

    discrete = None

    def __init__(self, spec: Spec, sigma: float | None = None) -> None:
        layout = rows.Layout.of(spec.columns, spec.size)
        super().__init__(spec, sigma, (len(layout.numbers),))
        self.layout = layout

    def forward(self, x: Tensor, out: Tensor) -> Tensor:
        """Returns log p(x | z) in nats, shape (N,)."""
        return rows.log_prob(x, out, self.log_scale(), self.layout)

    def draw(self, out: Tensor, generator: Generator | None = None) -> Tensor:
        """Returns rows drawn from p(x | z), for no row is a mean of categories."""
        return self.sample(out, generator)

    def sample(self, out: Tensor, generator: Generator | None = None) -> Tensor:
        """Returns a draw of p(x | z), its noise included, shape of `out`."""
        return rows.draw(out, self.log_scale(), self.layout, generator)


def rows_at_once(shape: tuple[int, ...]) -> int:
    """Returns how many samples are decoded at once where many are, given the shape of one sample of the output.

    Example:
        >>> rows_at_once((1, 28, 28)), rows_at_once((100, 64, 64))
        (4096, 19)
    """
    return max(1, min(ROWS, VALUES // math.prod(shape)))


def observation(
    spec: Spec, likelihood: Likelihood = "auto", sigma: float | None = None
) -> Gaussian | Logistic | LogisticMixture | Bernoulli | Mixed:
    """Returns the likelihood that suits the data: mixed for tables, Gaussian for the rest.

    Arguments:
        spec: What one sample is.
        likelihood: Which one.
        sigma: The scale of Gaussian and logistic; None learns it: one for all values, or one for each column.

    Raises:
        OptionError: If the likelihood does not suit the data or has no sigma to give, or sigma is not above 0.
        DataError: If the data are not in the range that the likelihood needs.
    """
    if sigma is not None and sigma <= 0:
        raise OptionError(f"--sigma is {sigma:g}; it must be above 0")
    if likelihood == "auto":
        likelihood = "mixed" if spec.kind == "table" else "gaussian"
    if likelihood == "mixed" and spec.kind != "table":
        raise OptionError(f"--likelihood mixed is for tables; the data are {spec}; take gaussian")
    if spec.kind == "table" and likelihood != "mixed":
        raise OptionError(f"--likelihood {likelihood} is not for tables; take mixed")
    if likelihood in ("logistic", "mixture") and (spec.kind != "image" or spec.range != (0.0, 1.0)):
        raise DataError(f"--likelihood {likelihood} takes 8-bit images in [0, 1]; the data are {spec}; take gaussian")
    if sigma is not None and likelihood in ("bernoulli", "mixture"):
        raise OptionError(f"--sigma {sigma:g} makes no difference to --likelihood {likelihood}; leave it out")
    if likelihood == "bernoulli":
        return Bernoulli(spec)
    if likelihood == "mixture":
        return LogisticMixture(spec)
    scaled: dict[str, type[Gaussian] | type[Logistic] | type[Mixed]]
    scaled = {"gaussian": Gaussian, "logistic": Logistic, "mixed": Mixed}
    return scaled[likelihood](spec, sigma)
