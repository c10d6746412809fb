"""The supervised classifier."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn.functional import cross_entropy, silu

from tacit.errors import DataError
from tacit.nets.backbones import layer_of, layers_of
from tacit.nets.coders import encoder as encoder_for
from tacit.protocol import Batch, Loss, Method, Optim, Recipe, Spec

__all__ = ["Classifier"]


class Classifier(Method):
    """Supervised classifier: the class of a sample, learned from those that have a label.

    References:
        Bridle 1990, Probabilistic interpretation of feedforward classification network outputs (softmax).

    Arguments:
        spec: What one sample is, with its classes.
        features: Units of the last hidden layer, which `encode` gives.
        width: Units of each hidden layer, or channels of the first convolution; by default 512 or 16.
        depth: Hidden layers of an mlp before the last.
        net: Which net; auto takes convolutions for images and maps, an mlp for the rest.
        dropout: Share of the last hidden layer that is dropped in training.
        encoder: Your own module, (N, *shape) to (N, features).

    Raises:
        DataError: If the data have no classes, or images are too small for the net.
    """

    accepts = ("image", "map", "vector", "table")
    needs = frozenset({"label"})

    def __init__(
        self,
        spec: Spec,
        *,
        features: int = 128,
        width: int | None = None,
        depth: int = 1,
        net: Literal["auto", "mlp", "conv"] = "auto",
        dropout: float = 0.0,
        encoder: nn.Module | None = None,
    ) -> None:
        super().__init__(spec)
        if not spec.classes:
            raise DataError(f"Classifier learns from labels and the data ({spec}) have none; --labels names them")
        self.encoder: Any = encoder or encoder_for(spec, features, width=width, depth=depth, net=net)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(features, len(spec.classes))

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields the cross-entropy, summed over the labelled and divided by all samples of the batch.

        Divided so, micro-batches weighted by their samples add up to the batch however the labels fall among them.
        """
        if batch.label is None:
            raise DataError("Classifier learns from labels and the batch has none; --labels names them")
        logits = self.classify(batch.x)
        nats = cross_entropy(logits, batch.label, ignore_index=-1, reduction="sum")
        labelled = (batch.label >= 0).sum().clamp_min(1)
        right = (logits.argmax(1) == batch.label).sum()  # never -1
        terms = {"accuracy": right / labelled, "cross_entropy": nats.detach() / labelled}
        yield Loss("model", nats / len(batch), terms)

    def recipe(self) -> Recipe:
        """Returns how it likes to be trained."""
        optim = Optim(lr=1e-3, weight_decay=0.05, schedule="cosine", warmup=50)
        return Recipe(batch=128, steps=2_000, optim={"model": optim})

    def classify(self, x: Tensor) -> Tensor:
        """Returns logits, shape (N, K)."""
        logits: Tensor = self.head(self.dropout(self.encode(x)))
        return logits

    def layers(self) -> list[str]:
        """Returns the layers that `encode` knows, from the data to the logits."""
        return [*layers_of(self.encoder), "last"]

    def encode(self, x: Tensor, *, layer: str | None = None) -> Tensor:
        """Returns features.

        Arguments:
            x: Samples, shape (N, *spec.shape).
            layer: One of `layers`; by default ``last``, the one before the logits.

        Returns:
            Shape (N, features) of the last layer, (N, units) or (N, channels, h, w) of those before.

        Raises:
            OptionError: If there is no such layer.
        """
        if layer is None or layer == "last":
            return silu(self.encoder(x))
        return layer_of(self.encoder, x, layer, beyond=["last"])
