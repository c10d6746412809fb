"""The autoencoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import softplus

from tacit.errors import DataError
from tacit.nets.coders import decoder as decoder_for
from tacit.nets.coders import encoder as encoder_for
from tacit.nets.observations import Squash
from tacit.protocol import Batch, Loss, Method, Optim, Recipe, Spec

__all__ = ["AE"]


class AE(Method):
    """Autoencoder: a narrow code from which the data are restored.

    Its latents have no prior, so that it cannot sample; a density fitted on them, such as a Gaussian mixture, makes
    it a generator.

    References:
        Hinton & Salakhutdinov 2006, Reducing the dimensionality of data with neural networks, Science 313.

    Arguments:
        spec: What one sample is.
        latent: Dimensions of the code.
        loss: What is minimised: mse (squared error) or bce (cross-entropy, for data in [0, 1]).
        width: Units of each hidden layer, or channels of the first convolution; by default 512 or 16.
        depth: Hidden layers of an mlp; 0 makes it linear.
        net: Which net; auto takes convolutions for images and maps, an mlp for the rest.
        encoder: Your own module, (N, *shape) to (N, latent).
        decoder: Your own module, (N, latent) to (N, *shape), before the squashing to the range of the data.

    Raises:
        DataError: If bce is asked for and the data are not in [0, 1], or images are too small for the net.
    """

    accepts = ("image", "map", "vector", "table")

    def __init__(
        self,
        spec: Spec,
        *,
        latent: int = 16,
        loss: Literal["mse", "bce"] = "mse",
        width: int | None = None,
        depth: int = 2,
        net: Literal["auto", "mlp", "conv"] = "auto",
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        super().__init__(spec)
        if loss == "bce" and spec.range != (0.0, 1.0):
            raise DataError(f"--loss bce takes data in [0, 1]; the data are {spec} of another range; take mse")
        self.loss = loss
        self.encoder = encoder or encoder_for(spec, latent, width=width, depth=depth, net=net)
        self.decoder = decoder or decoder_for(spec, latent, width=width, depth=depth, net=net)
        self.squash = Squash(spec)

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields ||x - x'||^2 or the cross-entropy, summed over dimensions, mean over the batch."""
        out = self.decoder(self.encoder(batch.x))
        error = self.error(batch.x, out)  # (N,)
        yield Loss("model", error.mean(), {"per_value": error.detach().mean() / self.spec.size})

    def error(self, x: Tensor, out: Tensor) -> Tensor:
        """Returns the error of each sample, shape (N,), given the decoder's output."""
        each = softplus(out) - x * out if self.loss == "bce" else (x - self.squash(out)).square()
        return each.flatten(1).sum(1)  # (N, *shape) -> (N,)

    def recipe(self) -> Recipe:
        """Returns how it likes to be trained."""
        return Recipe(batch=128, steps=3_000, optim={"model": Optim(lr=1e-3, schedule="cosine", warmup=50)})

    def encode(self, x: Tensor) -> Tensor:
        """Returns codes, shape (N, latent)."""
        z: Tensor = self.encoder(x)
        return z

    def decode(self, z: Tensor) -> Tensor:
        """Returns samples, shape (N, *spec.shape), in the range of the data."""
        x: Tensor = self.squash(self.decoder(z))
        return x

    def reconstruct(self, x: Tensor) -> Tensor:
        """Returns what is left of samples after the code, shape (N, *spec.shape)."""
        return self.decode(self.encode(x))

    def anomaly_score(self, x: Tensor) -> Tensor:
        """Returns the loss of each sample, divided by its number of values, shape (N,)."""
        return self.error(x, self.decoder(self.encoder(x))) / self.spec.size
