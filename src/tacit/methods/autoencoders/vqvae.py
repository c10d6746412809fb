"""The vector-quantised autoencoder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from tacit.errors import OptionError, at_least
from tacit.nets import quantisers
from tacit.nets.grids import grid_decoder, grid_encoder
from tacit.nets.observations import observation
from tacit.protocol import Batch, Loss, Method, Optim, Recipe, Spec

__all__ = ["VQVAE"]

SETTLED = 0.8  # of the budget: from here on no code is restarted, so that the decoder learns those that remain


class VQVAE(Method):
    """Vector-quantised autoencoder: a grid of discrete codes from which the data are restored.

    It has no prior of its own: a model of codes fitted on it is its prior, and samples through it.

    References:
        van den Oord et al. 2017, arXiv:1711.00937. Mentzer et al. 2023, arXiv:2309.15505 (finite scalars).

    Arguments:
        spec: What one sample is.
        codes: Number of different codes; with fsq, about how many.
        code_width: Dimensions of a code's vector; with fsq as many as there are levels.
        quantiser: What makes codes of vectors: vq (a learned codebook) or fsq (each dimension rounded to its levels).
        levels: Of each dimension of fsq, such as 8,5,5,5; by default as many as make about the number of codes.
        positions: Codes of one sample where the net is an mlp; else the net's grid decides.
        commitment: With vq, the weight of the distance between the encoder's output and its code.
        decay: With vq, of the codebook's moving averages, per step.
        restart: With vq, the share of an even use below which a code is moved to a random encoder output; 0 for never.
        likelihood: Of the data given codes: gaussian; bernoulli (of binary data a likelihood, of grey values only a
            loss); logistic or mixture (of 8-bit images, discrete); mixed (of tables); auto is mixed for tables, else
            gaussian.
        sigma: Scale of gaussian, logistic and mixed; by default learned: one for all values, of a table one a column.
        width: Channels of the hidden layers, or units of an mlp; by default 64 or 512.
        depth: Hidden layers of an mlp; 0 makes it linear.
        net: Which net; auto takes convolutions for images and maps, an mlp for the rest.
        encoder: Your own module, (N, *shape) to vectors (N, code width, *grid), of one grid axis or more.
        decoder: Your own module, vectors (N, code width, *grid) to the likelihood's mean before squashing, or logits.

    Raises:
        DataError: If the data are not in the likelihood's range.
        OptionError: If an option has a value it cannot have, or the likelihood does not suit the data.
    """

    accepts = ("image", "map", "vector", "table")
    restarts: Tensor  # so far

    def __init__(
        self,
        spec: Spec,
        *,
        codes: int = 512,
        code_width: int = 64,
        quantiser: Literal["vq", "fsq"] = "vq",
        levels: str | None = None,
        positions: int = 8,
        commitment: float = 0.25,
        decay: float = 0.99,
        restart: float = 0.05,
        likelihood: Literal["auto", "gaussian", "bernoulli", "logistic", "mixture", "mixed"] = "auto",
        sigma: float | None = None,
        width: int | None = None,
        depth: int = 2,
        net: Literal["auto", "mlp", "conv"] = "auto",
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        super().__init__(spec)
        at_least(1, positions=positions)
        at_least(0, commitment=commitment)
        self.commitment = commitment
        self.quantiser = quantisers.quantiser(
            quantiser, codes, code_width, levels=levels, decay=decay, restart=restart
        )
        self.codes, channels = self.quantiser.codes, self.quantiser.width
        self.observation = observation(spec, likelihood, sigma)
        self.discrete, self.binary = self.observation.discrete, self.observation.binary
        shape = self.observation.shape
        self.encoder = encoder or grid_encoder(spec, channels, positions, width=width, depth=depth, net=net)
        self.decoder = decoder or grid_decoder(
            spec, channels, positions, shape=shape, width=width, depth=depth, net=net
        )
        self.usage = quantisers.Usage(self.codes)
        self.register_buffer("restarts", torch.zeros((), dtype=torch.int64))

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields equation 3 of a sample, averaged over the batch; the codebook's own term is its moving average.

        -log p is summed over values, so the commitment is summed over the code's dimensions and the grid: an image
        twice as large has twice of both, and their ratio depends neither on its size nor on the batch's.
        """
        z = self.vectors(batch.x)
        made = self.quantiser(z)
        log_p = self.observation(batch.x, self.decoder(made.vectors)).mean()
        commitment = made.distance.mean()
        terms = {
            "reconstruction": -log_p.detach(), "commitment": commitment.detach(), "perplexity": self.usage.perplexity(),
            "usage": self.usage.used(), "restarts": self.restarts.float(),
        }  # fmt: skip
        stats = self.quantiser.statistics(z, made.codes)
        yield Loss("model", self.commitment * commitment - log_p, terms, stats, self.follow)

    def follow(self, stats: Mapping[str, Tensor]) -> None:
        """Moves the codebook, and counts its use."""
        self.restarts += self.quantiser.follow(stats, restarting=self.clock.progress < SETTLED).long()
        self.usage.follow(stats["counts"])

    def recipe(self) -> Recipe:
        """Returns how it likes to be trained."""
        return Recipe(batch=128, steps=5_000, optim={"model": Optim(lr=1e-3, schedule="cosine", warmup=50)})

    def vectors(self, x: Tensor) -> Tensor:
        """Returns the encoder's vectors z_e, shape (N, D, *grid).

        Raises:
            OptionError: If a user's encoder puts out another shape.
        """
        z: Tensor = self.encoder(x)
        if z.dim() < 3 or z.shape[1] != self.quantiser.width:
            raise OptionError(f"the encoder puts out {tuple(z.shape)}; expected vectors of {self.quantiser.width} "
                              f"dimensions on a grid, (N, {self.quantiser.width}, ...)")
        return z.to(x.dtype)  # bf16 ends here

    def encode(self, x: Tensor) -> Tensor:
        """Returns the vectors of the codes, shape (N, D, *grid); those of a row flat, (N, D * positions)."""
        z: Tensor = self.quantiser(self.vectors(x)).vectors
        return z.flatten(1) if z.dim() == 3 else z

    def decode(self, z: Tensor) -> Tensor:
        """Returns the mean of p(x | codes), shape (N, *spec.shape), of vectors that are near the codes' own."""
        grid = z.unflatten(1, (self.quantiser.width, -1)) if z.dim() == 2 else z
        return self.restored(self.quantiser.snap(grid))

    def restored(self, vectors: Tensor) -> Tensor:
        """Returns the mean of p(x | codes), shape (N, *spec.shape), in the range of the data."""
        x: Tensor = self.observation.mean(self.decoder(vectors))
        return x

    def tokenize(self, x: Tensor) -> Tensor:
        """Returns int64 codes, shape (N, *grid)."""
        codes: Tensor = self.quantiser(self.vectors(x)).codes
        return codes

    def detokenize(self, c: Tensor) -> Tensor:
        """Returns the mean of p(x | codes), shape (N, *spec.shape)."""
        return self.restored(self.quantiser.vectors(c))

    def log_likelihood(self, x: Tensor, c: Tensor) -> Tensor:
        """Returns log p(x | codes) in nats, shape (N,)."""
        log_p: Tensor = self.observation(x, self.decoder(self.quantiser.vectors(c)))
        return log_p

    def reconstruct(self, x: Tensor) -> Tensor:
        """Returns what is left of samples after the codes, shape (N, *spec.shape)."""
        return self.detokenize(self.tokenize(x))

    def anomaly_score(self, x: Tensor) -> Tensor:
        """Returns -log p(x | codes) in nats, shape (N,)."""
        return -self.log_likelihood(x, self.tokenize(x))
