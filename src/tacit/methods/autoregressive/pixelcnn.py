"""The gated PixelCNN."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Generator, Tensor, nn

from tacit.errors import DataError, OptionError, at_least
from tacit.nets.pixels import Choose, Codes, Law, Levels, Logistics, Pixels
from tacit.protocol import Batch, Bound, Loss, Method, Optim, Recipe, Spec

__all__ = ["PixelCNN"]

HIDDEN = 0.1  # share of the labels hidden in training, so that it also learns what is likely without one


class PixelCNN(Method):
    """Gated PixelCNN: images or codes pixel by pixel, with an exact likelihood; over codes, a prior for their maker.

    References:
        van den Oord et al. 2016, arXiv:1606.05328. Salimans et al. 2017, arXiv:1701.05517 (mixture).

    Arguments:
        spec: What one sample is.
        likelihood: Of a pixel given those before it: softmax over levels; mixture of logistics, of 8-bit images;
            bernoulli, of images rounded to black and white; auto is softmax for codes, else mixture.
        levels: Of the softmax over images, which are rounded to them.
        components: Of the mixture.
        conditional: Whether samples and likelihoods can be those of a class.
        width: Channels of each stack.
        layers: Of the net; the first lets a pixel see four rows and three columns around it, each other one more.
        dropout: Share of units that are dropped in training.

    Raises:
        DataError: If images do not lie in [0, 1], or there are no classes to condition on.
        OptionError: If the likelihood does not suit the data, or a number is too small.
    """

    accepts = ("codes", "image")
    may_need = frozenset({"label"})

    def __init__(
        self,
        spec: Spec,
        *,
        likelihood: Literal["auto", "softmax", "mixture", "bernoulli"] = "auto",
        levels: int = 256,
        components: int = 5,
        conditional: bool = False,
        width: int = 32,
        layers: int = 6,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(spec)
        at_least(2, levels=levels)
        at_least(1, components=components, width=width, layers=layers)
        if not 0 <= dropout < 1:
            raise OptionError(f"--dropout is {dropout:g}; it is a share from 0 to below 1")
        if conditional and not spec.classes:
            raise DataError(f"--conditional needs labels and the data ({spec}) have none; --labels names them")
        self.needs = frozenset({"label"}) if conditional else frozenset()
        self.binary = likelihood == "bernoulli"
        self.discrete = True if likelihood != "softmax" or levels == 256 else None  # of rounded data, not of data
        law = law_of(spec, likelihood, levels, components, width)
        self.pixels = Pixels(law, width=width, layers=layers, condition=width if conditional else 0, dropout=dropout)
        self.classes = nn.Embedding(1 + len(spec.classes), width) if conditional else None  # the first is: no label

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields -log p(x) in nats, summed over the pixels, mean over the batch."""
        label = batch.label
        if self.training and label is not None:
            label = torch.where(torch.rand(len(label), device=label.device) < HIDDEN, -1, label)
        value = -self.pixels(batch.x, self.condition(label)).mean()
        yield Loss("model", value, {"bits_per_dim": value.detach() / (self.spec.size * math.log(2))})

    def recipe(self) -> Recipe:
        """Returns how it likes to be trained: with averaged weights and small batches, for each sample says much."""
        optim = Optim(lr=1e-3, schedule="cosine", warmup=100)
        return Recipe(batch=32, steps=5_000, ema=0.999, optim={"model": optim})

    def condition(self, label: Tensor | None) -> Tensor | None:
        """Returns what each pixel is told of labels (N,), -1 for none, shape (N, width, 1, 1)."""
        if self.classes is None or label is None:
            return None
        told: Tensor = self.classes(label + 1)
        return told[:, :, None, None]

    def same(self, n: int, label: int | None) -> Tensor | None:
        """Returns the condition of n samples of one class, or of none.

        Raises:
            OptionError: If there is no such class.
        """
        if label is not None and self.classes is None:
            raise OptionError("--label needs a model that was fitted with --conditional")
        if label is not None and not 0 <= label < len(self.spec.classes):
            raise OptionError(f"--label is {label}; the classes are 0 to {len(self.spec.classes) - 1}")
        return self.condition(torch.full((n,), -1 if label is None else label, device=self.device))

    def log_prob(self, x: Tensor, *, label: int | None = None) -> Tensor:
        """Returns log p(x) in nats, shape (N,), of a class where one is given."""
        result: Tensor = self.pixels(x, self.same(len(x), label))
        return result

    def bound(self) -> Bound:
        """Returns ``exact``."""
        return "exact"

    def anomaly_score(self, x: Tensor) -> Tensor:
        """Returns -log p(x), shape (N,)."""
        return -self.log_prob(x)

    def code_logits(self, c: Tensor, *, label: int | None = None) -> Tensor:
        """Returns the logits of each code given those before it, shape (N, K, *grid), for codes (N, *grid)."""
        out = self.pixels.outputs(self.pixels.law.read(c), self.same(len(c), label))  # (N, 1, K, h, w)
        return out.reshape(len(c), -1, *c.shape[1:])

    def walk(self, n: int, choose: Choose, *, label: int | None = None) -> Tensor:
        """Returns n samples whose every value `choose` picks; see `Pixels.walk`."""
        return self.pixels.walk(n, choose, self.same(n, label))

    def sample(
        self, n: int, *, label: int | None = None, temperature: float = 1.0, generator: Generator | None = None
    ) -> Tensor:
        """Returns n samples, shape (n, *spec.shape).

        Arguments:
            n: How many.
            label: Their class, where the model is conditional; by default any.
            temperature: Of each choice; 0 takes the likeliest value of every pixel.
            generator: Of all randomness.
        """
        return self.pixels.at(self.pixels.noise(n, generator), self.same(n, label), temperature)


def law_of(spec: Spec, likelihood: str, levels: int, components: int, width: int) -> Law:
    """Returns the likelihood of a pixel that suits the data; raises as `PixelCNN` does."""
    if spec.kind == "codes":
        if likelihood not in ("auto", "softmax"):
            raise OptionError(f"--likelihood {likelihood} is for images; the data are {spec}; take softmax")
        return Codes(spec, width)
    if spec.range != (0.0, 1.0):
        raise DataError(f"PixelCNN takes images in [0, 1]; the data are {spec}, in {spec.range}")
    if likelihood in ("auto", "mixture"):
        return Logistics(spec, components)
    return Levels(spec, 2 if likelihood == "bernoulli" else levels)
