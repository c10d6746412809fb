"""The autoencoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus

from tacit.errors import CapabilityError, DataError, OptionError
from tacit.nets.coders import decoder as decoder_for
from tacit.nets.coders import encoder as encoder_for
from tacit.nets.observations import Squash
from tacit.protocol import Batch, Loss, Method, Optim, Recipe, Spec

__all__ = ["AE"]

USUAL = 16  # dimensions of a code where none are asked for


class AE(Method):
    """Autoencoder: a narrow code from which the data are restored.

    Its latents have no prior, so that it cannot sample; a density fitted on them, such as a Gaussian mixture, makes
    it a generator. With `label_weight` a linear classifier learns on the code at the same time, from those samples
    that have a label, and the code learns from both.

    References:
        Hinton & Salakhutdinov 2006, Reducing the dimensionality of data with neural networks, Science 313.
        Ranzato & Szummer 2008, Semi-supervised learning of compact document representations with deep networks.

    Arguments:
        spec: What one sample is.
        latent: Dimensions of the code, at most as many as a sample has values; by default 16, or half as many.
        loss: What is minimised: mse (squared error) or bce (cross-entropy, for data in [0, 1]).
        label_weight: Weight of the cross-entropy of a label, beside the error of a sample; 0 learns without labels.
        width: Units of each hidden layer, or channels of the first convolution; by default 512 or 16.
        depth: Hidden layers of an mlp; 0 makes it linear.
        net: Which net; auto takes convolutions for images and maps, an mlp for the rest; resnet adds residual blocks.
        encoder: Your own module, (N, *shape) to (N, latent).
        decoder: Your own module, (N, latent) to (N, *shape), before the squashing to the range of the data.

    Raises:
        DataError: If bce is asked for and the data are not in [0, 1], images are too small for the net, or there are
            no classes to learn.
        OptionError: If the code is wider than the data, or the weight is negative.
    """

    accepts = ("image", "map", "vector", "table")
    may_need = frozenset({"label"})
    overcomplete: ClassVar[bool] = False  # whether a code wider than the data learns anything but to copy them

    def __init__(
        self,
        spec: Spec,
        *,
        latent: int | None = None,
        loss: Literal["mse", "bce"] = "mse",
        label_weight: float = 0.0,
        width: int | None = None,
        depth: int = 2,
        net: Literal["auto", "mlp", "conv", "resnet"] = "auto",
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        super().__init__(spec)
        if loss == "bce" and spec.range != (0.0, 1.0):
            raise DataError(f"--loss bce takes data in [0, 1]; the data are {spec} of another range; take mse")
        self.latent = min(USUAL, max(1, spec.size // 2)) if latent is None else latent
        if self.latent < 1:
            raise OptionError(f"--latent is {self.latent}; it is 1 or more")
        if self.latent > spec.size and not self.overcomplete:
            raise OptionError(f"--latent is {self.latent} and a sample has {spec.size} values; a wider code learns to "
                              f"copy them: take {spec.size} at most, or the method sparse-ae or denoising-ae")
        if label_weight < 0:
            raise OptionError(f"--label-weight is {label_weight:g}; it is 0 or more")
        if label_weight and not spec.classes:
            raise DataError(f"--label-weight learns from labels and the data ({spec}) have none; --labels names them")
        self.needs = frozenset({"label"} if label_weight else ())
        self.without = frozenset(() if label_weight else {"Classifies"})
        self.loss, self.label_weight = loss, label_weight
        self.encoder = encoder or encoder_for(spec, self.latent, width=width, depth=depth, net=net)
        self.decoder = decoder or decoder_for(spec, self.latent, width=width, depth=depth, net=net)
        self.squash = Squash(spec)
        self.head = nn.Linear(self.latent, len(spec.classes)) if label_weight else None

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields ||x - x'||^2 or the cross-entropy, summed over dimensions, mean over the batch; then the labels'."""
        value, terms = self.restoration(batch, self.encode(batch.x))
        yield Loss("model", value, terms)

    def restoration(self, batch: Batch, z: Tensor, weight: Tensor | float = 1.0) -> tuple[Tensor, dict[str, Tensor]]:
        """Returns how badly codes restore their samples and, where labels are learned, name them; and its parts.

        Arguments:
            batch: The samples.
            z: Their codes, shape (N, latent).
            weight: Of the error of each value, shape (N, *spec.shape), or one for all.
        """
        error = self.error(batch.x, self.decoder(z), weight).mean()  # (N,) -> ()
        terms = {"per_value": error.detach() / self.spec.size}
        if self.head is None or batch.label is None:
            return error, terms
        logits = self.named(z)
        nats = cross_entropy(logits, batch.label, ignore_index=-1, reduction="sum")
        labelled = (batch.label >= 0).sum().clamp_min(1)
        terms |= {"accuracy": (logits.argmax(1) == batch.label).sum() / labelled, "label": nats.detach() / labelled}
        return error + self.label_weight * nats / len(batch), terms  # by all samples, so that micro-batches add up

    def error(self, x: Tensor, out: Tensor, weight: Tensor | float = 1.0) -> Tensor:
        """Returns the weighted error of each sample, shape (N,), given the decoder's output."""
        each = softplus(out) - x * out if self.loss == "bce" else (x - self.squash(out)).square()
        return (weight * each).flatten(1).sum(1)  # (N, *shape) -> (N,)

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
        """Returns the error of each sample, divided by its number of values, shape (N,)."""
        return self.error(x, self.decoder(self.encode(x))) / self.spec.size

    def classify(self, x: Tensor) -> Tensor:
        """Returns logits, shape (N, K), where labels were learned."""
        return self.named(self.encode(x))

    def named(self, z: Tensor) -> Tensor:
        """Returns logits of codes, shape (N, K); of a code that is a map, from the mean of each channel."""
        if self.head is None:
            raise CapabilityError("this autoencoder has learned no labels; fit it with --label-weight")
        logits: Tensor = self.head(z.flatten(2).mean(2) if z.dim() > 2 else z)
        return logits
