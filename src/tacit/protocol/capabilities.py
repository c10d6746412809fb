"""What a run can do: the only thing that the rest of the house asks about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Generator, Tensor

__all__ = [
    "CALLS",
    "Bound",
    "Classifies",
    "Clusters",
    "Decodes",
    "Density",
    "Discriminates",
    "Embeds",
    "Encodes",
    "Illustrates",
    "Infers",
    "Invertible",
    "Prior",
    "Reach",
    "Reconstructs",
    "Samples",
    "Scores",
    "Tokenizes",
    "Translates",
]

CALLS: Mapping[str, str] = {
    "Encodes": "encode",
    "Tokenizes": "tokenize",
    "Decodes": "decode",
    "Samples": "sample",
    "Density": "log_prob",
    "Infers": "infer",
    "Scores": "anomaly_score",
    "Reconstructs": "reconstruct",
    "Translates": "translate",
    "Discriminates": "discriminate",
    "Classifies": "classify",
    "Clusters": "assign",
    "Embeds": "embed",
    "Illustrates": "figures",
}
"""The call by which a method shows each capability."""

Bound = Literal["exact", "lower", "estimate"]


@runtime_checkable
class Encodes(Protocol):
    """Represents samples as floats."""

    def encode(self, x: Tensor) -> Tensor:
        """Returns float latents, shape (N, ...)."""
        ...


@runtime_checkable
class Tokenizes(Protocol):
    """Represents samples as codes, and back."""

    def tokenize(self, x: Tensor) -> Tensor:
        """Returns int64 codes, shape (N, ...)."""
        ...

    def detokenize(self, c: Tensor) -> Tensor:
        """Returns the samples that codes stand for, shape (N, *spec.shape)."""
        ...


@runtime_checkable
class Decodes(Protocol):
    """Makes samples of latents."""

    def decode(self, z: Tensor) -> Tensor:
        """Returns samples, shape (N, *spec.shape)."""
        ...


@runtime_checkable
class Samples(Protocol):
    """Makes new samples."""

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """Returns n samples, shape (n, *spec.shape); all randomness comes from the generator.

        A method that can be conditioned or tempered adds ``label: int | None = None`` or ``temperature: float = 1.0``,
        and further options of its own, keyword-only.
        """
        ...


@runtime_checkable
class Density(Protocol):
    """Says how likely samples are."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Returns log p(x) in nats, shape (N,)."""
        ...

    def bound(self) -> Bound:
        """Says whether `log_prob` is exact, a lower bound, or an estimate."""
        ...


@runtime_checkable
class Infers(Protocol):
    """Explains samples by continuous latents: p(x, z) = p(x | z) p(z), with an approximate posterior q(z | x)."""

    def infer(self, x: Tensor, *, k: int = 1, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        """Returns k draws of the latents of each sample, shape (k, N, d), and log q(z | x) in nats, shape (k, N)."""
        ...

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        """Returns log p(x, z) in nats, shape (N,), for one z (N, d) each; gradients flow to z."""
        ...

    def log_prior(self, z: Tensor) -> Tensor:
        """Returns log p(z) in nats, shape (N,)."""
        ...

    def simulate(self, n: int, *, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        """Returns n draws of the model itself, the noise of p(x | z) included: x and the z that it was made of."""
        ...


@runtime_checkable
class Scores(Protocol):
    """Says how strange samples are."""

    def anomaly_score(self, x: Tensor) -> Tensor:
        """Returns scores, shape (N,); higher is stranger."""
        ...


@runtime_checkable
class Reconstructs(Protocol):
    """Restores samples from its representation of them."""

    def reconstruct(self, x: Tensor) -> Tensor:
        """Returns samples, shape (N, *spec.shape)."""
        ...


@dataclass(frozen=True)
class Reach:
    """Which images a translator takes besides those of its spec's size, and how far it looks.

    Arguments:
        multiple: Of which height and width are multiples; other images are continued by reflection, at all sides alike.
        pixels: How far from an output pixel, in pixels of the input, what it depends on may lie; None for everywhere.
        zoom: Pixels of the output for each pixel of the input, along one side.
    """

    multiple: int = 1
    pixels: int | None = None
    zoom: int = 1


@runtime_checkable
class Translates(Protocol):
    """Carries samples over to another domain.

    A method that takes images of any size says so by an attribute ``reach``, a `Reach`.
    """

    def translate(self, x: Tensor, *, to: Any = None) -> Tensor:
        """Returns the samples in the other domain, shape (N, *spec.pair) where samples have partners, else as `x`.

        Of two domains, ``to`` is ``target``, which is the default, or ``source``.
        """
        ...


@runtime_checkable
class Discriminates(Protocol):
    """Tells data from what a generator makes."""

    def discriminate(self, x: Tensor) -> Tensor:
        """Returns logits, shape (N,): greater for what looks like data."""
        ...


@runtime_checkable
class Classifies(Protocol):
    """Names the class of samples."""

    def classify(self, x: Tensor) -> Tensor:
        """Returns logits, shape (N, K)."""
        ...


@runtime_checkable
class Clusters(Protocol):
    """Puts samples into groups."""

    def assign(self, x: Tensor) -> Tensor:
        """Returns int64 groups, shape (N,); -1 for none."""
        ...


@runtime_checkable
class Embeds(Protocol):
    """Lays samples out on a map."""

    def embed(self, x: Tensor) -> Tensor:
        """Returns places, shape (N, 2)."""
        ...


@runtime_checkable
class Illustrates(Protocol):
    """Has a picture of its own; a line for each may stand in an attribute ``captions``, by the same names."""

    def figures(self) -> dict[str, Any]:
        """Returns arrays for a picture, by name."""
        ...


@runtime_checkable
class Prior(Protocol):
    """Draws the latents of new samples: ``decode(prior(n))`` are samples, up to the noise of an observation.

    ``gaussian`` is the number of leading dimensions that are independent standard normal draws. A method whose latents
    hold more says so by two further attributes: ``one_hot``, the widths of the one-hot codes that follow, as of a
    class, where a single 0 or 1 is 1 wide; and ``uniform``, the number of dimensions behind these that are uniform in
    [-1, 1].
    """

    gaussian: int

    def prior(self, n: int, *, label: Any = None, generator: Generator | None = None) -> Tensor:
        """Returns n latents, shape (n, d); where classes are known, of one class (an int) or of one each (n,)."""
        ...


@runtime_checkable
class Invertible(Protocol):
    """Encodes without loss, so that a density over its latents is a density over its data."""

    def log_det(self, x: Tensor) -> Tensor:
        """Returns log |det d encode(x) / dx|, shape (N,)."""
        ...
