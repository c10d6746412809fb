"""A linear probe."""

from __future__ import annotations

import torch
from torch import Tensor

from tacit.errors import DataError, OptionError
from tacit.functional.regression import scale_of, softmax_regression
from tacit.protocol import Method, Spec

__all__ = ["Probe"]

PRECISE = 2**24  # values up to which the fit runs in double precision
NEVER = -1e4  # logit of a class without training labels


class Probe(Method):
    """A linear read-out: how much of the labels a representation holds.

    Multinomial logistic regression on standardised features: the minimum of the mean cross-entropy (nats) plus
    penalty / 2 times the squared weights. Samples without a label are left out; a class without training labels gets
    the logit -10,000.

    Arguments:
        spec: What one sample is.
        penalty: Weight of the squared weights.
        iterations: Greatest number of L-BFGS steps.

    References:
        Alain & Bengio 2016, Understanding intermediate layers using linear classifier probes, arXiv:1610.01644.
    """

    needs = frozenset({"label"})

    mean: Tensor
    scale: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, spec: Spec, *, penalty: float = 1e-3, iterations: int = 200) -> None:
        super().__init__(spec)
        if penalty <= 0 or iterations < 1:
            raise OptionError(f"penalty is {penalty} and iterations is {iterations}; penalty is above 0 and iterations "
                              "at least 1")
        if not spec.classes:
            raise DataError("a probe needs labels and the data have none; --labels names a column, a file, or folder")
        self.penalty, self.iterations = penalty, iterations
        self.note = ""
        self.learns("mean", spec.size)
        self.learns("scale", spec.size)
        self.learns("weight", len(spec.classes), spec.size)
        self.learns("bias", len(spec.classes))

    def fit(self, x: Tensor, **needed: Tensor) -> None:
        """Finds the weights.

        Arguments:
            x: Training samples, shape (N, *spec.shape).
            needed: ``label``, classes, int64 (N,); -1 for none.

        Raises:
            DataError: If fewer than two classes have labels.
        """
        label = needed["label"]
        known = label >= 0
        present = label[known].unique()
        if len(present) < 2:
            seen = "none" if not len(present) else f"only {self.spec.classes[int(present)]!r}"
            raise DataError(f"a probe needs labels of at least two classes; of {len(x)} samples {seen} has labels")
        rows = x[known].flatten(1)
        rows = rows.double() if rows.numel() <= PRECISE else rows  # (n, D), a copy
        self.mean.copy_(rows.mean(0))
        self.scale.copy_(scale_of(rows.std(0, correction=0)))
        rows.sub_(self.mean).div_(self.scale)
        place = torch.searchsorted(present, label[known])  # classes that are present, counted from 0
        weight, bias, steps = softmax_regression(rows, place, self.penalty, iterations=self.iterations)
        self.note = f"not converged after {steps} iterations" if steps >= self.iterations else ""
        self.weight.zero_()
        self.bias.fill_(NEVER)
        self.weight[present] = weight.to(self.weight)
        self.bias[present] = bias.to(self.bias)

    def classify(self, x: Tensor) -> Tensor:
        """Returns logits, shape (N, K), K the number of the spec's classes."""
        return ((x.flatten(1) - self.mean) / self.scale) @ self.weight.T + self.bias
