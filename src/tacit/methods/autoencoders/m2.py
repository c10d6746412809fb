"""The semi-supervised variational autoencoder M2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import log_softmax, one_hot, silu

from tacit.errors import DataError, OptionError, at_least
from tacit.functional.divergences import kl_standard_normal
from tacit.functional.importance import log_mean_exp
from tacit.functional.likelihoods import gaussian, standard_normal
from tacit.functional.noise import normal, uniform
from tacit.nets.coders import decoder as decoder_for
from tacit.nets.coders import encoder as encoder_for
from tacit.nets.observations import observation, rows_at_once
from tacit.protocol import Batch, Bound, Loss, Method, Optim, Recipe, Spec

__all__ = ["M2"]

UNITS = 512  # of the layer where what is known of x meets y


class M2(Method):
    """Semi-supervised VAE: class and style are both latent, and a few labels say what the classes are.

    A code is the style's posterior mean, averaged over the classes by q(y | x), and q(y | x) itself behind it.

    References:
        Kingma, Rezende, Mohamed & Welling 2014, arXiv:1406.5298, model M2.

    Arguments:
        spec: What one sample is, with its classes; a label of -1 is none.
        latent: Dimensions of the style z.
        likelihood: Of the data given class and style: gaussian; bernoulli (of binary data a likelihood, of grey values
            only a loss); logistic or mixture (of 8-bit images, discrete); mixed (of tables); auto is mixed for tables,
            else gaussian.
        sigma: Scale of gaussian, logistic and mixed; by default learned: one for all values, of a table one a column.
        prior: Of the classes: uniform, or as frequent as among the labels.
        label_weight: Weight of the labels' cross-entropy, a mean over the labelled, beside the bound, a mean over all;
            by default 10 for images, whose bounds are large, else 1; alpha = 0.1 N of the paper is 0.1 here.
        warmup_steps: Steps over which the gradient by which q(y | x) learns from samples without labels rises from 0.
        width: Units of each hidden layer, or channels of the first convolution; by default 512 or 16.
        depth: Hidden layers of an mlp, 1 or more.
        net: Which net; auto takes convolutions for images and maps, an mlp for the rest; resnet adds residual blocks.

    Raises:
        DataError: If the data have no classes or are not in the likelihood's range, or images are too small.
        OptionError: If the likelihood does not suit the data, or depth is below 1.
    """

    accepts = ("image", "map", "vector", "table")
    needs = frozenset({"label"})
    seen: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        latent: int = 8,
        likelihood: Literal["auto", "gaussian", "bernoulli", "logistic", "mixture", "mixed"] = "auto",
        sigma: float | None = None,
        prior: Literal["uniform", "labels"] = "uniform",
        label_weight: float | None = None,
        warmup_steps: int = 500,
        width: int | None = None,
        depth: int = 2,
        net: Literal["auto", "mlp", "conv", "resnet"] = "auto",
    ) -> None:
        super().__init__(spec)
        if not spec.classes:
            raise DataError(f"M2 learns from some labels and the data ({spec}) have none; --labels names them")
        at_least(1, latent=latent, depth=depth)
        at_least(0, warmup_steps=warmup_steps, label_weight=label_weight or 0)
        self.latent, self.counted, self.classes = latent, prior == "labels", len(spec.classes)
        self.gaussian, self.one_hot = latent, (len(spec.classes),)
        self.label_weight = label_weight if label_weight is not None else 10.0 if spec.kind == "image" else 1.0
        self.warmup_steps = warmup_steps
        self.observation = observation(spec, likelihood, sigma)
        self.discrete, self.binary = self.observation.discrete, self.observation.binary
        self.classifier = encoder_for(spec, self.classes, width=width, depth=depth, net=net)
        self.encoder = encoder_for(spec, UNITS, width=width, depth=depth - 1, net=net)
        self.label = nn.Linear(self.classes, UNITS, bias=False)
        self.head = nn.Linear(UNITS, 2 * latent)
        shape = self.observation.shape
        self.decoder = decoder_for(spec, latent + self.classes, shape=shape, width=width, depth=depth, net=net)
        self.register_buffer("seen", torch.zeros(self.classes + 1))  # in training: of each class, and without a label

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields J^alpha / N (equation 9), with alpha = label_weight N: the labelled know y, the others weigh each."""
        if batch.label is None:
            raise DataError("M2 learns from some labels and the batch has none; --labels names them")
        known, label = batch.label >= 0, batch.label.clamp_min(0)
        given = one_hot(label, self.classes)  # (N, K)
        log_q = log_softmax(self.classify(batch.x), 1)  # (N, K)
        warmth = min(1.0, (self.clock.step + 1) / max(1, self.warmup_steps))
        held = torch.lerp(log_q.detach(), log_q, warmth)  # the same values, gradients times the warmth
        q = torch.where(known[:, None], given, held.exp())
        eps = torch.randn(*q.shape, self.latent, dtype=q.dtype, device=q.device)
        bounds = self.bounds(batch.x, q > 0, eps)  # (N, K)
        surprise = torch.where(known[:, None], 0.0, held)  # log q, of which -E is the entropy
        value = (q * (bounds - surprise)).sum(1).mean()  # equation 6 of the labelled, 7 of the others
        missed = -(given * log_q).sum(1) * known
        labels = known.sum().clamp_min(1)
        share = (1 + self.seen[:-1].sum()) / (1 + self.seen.sum()) if self.training else labels / len(known)
        right = (log_q.argmax(1) == batch.label).sum()  # never -1
        terms = {"bound": value.detach(), "cross_entropy": missed.detach().sum() / labels, "accuracy": right / labels}
        stats = {"seen": torch.cat([given[known].sum(0), (~known).sum()[None]]).to(self.seen)}
        yield Loss("model", self.label_weight * missed.mean() / share - value, terms, stats, self.count)

    def count(self, stats: Mapping[str, Tensor]) -> None:
        """Counts what was seen, by which a cross-entropy over all of a batch becomes a mean over the labelled."""
        self.seen += stats["seen"]

    def recipe(self) -> Recipe:
        """Returns how it likes to be trained."""
        return Recipe(batch=128, steps=3_000, optim={"model": Optim(lr=2e-3, schedule="cosine", warmup=50)})

    def posterior(self, x: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
        """Returns mean and log-variance of q(z | x, y), (M, d) each, for the M true places of asked, bool (N, K)."""
        n, y = asked.nonzero(as_tuple=True)
        hidden = silu(self.encoder(x)[n] + self.label.weight.T[y])  # (M, units): the layers before know x alone
        mean, log_var = self.head(hidden).to(x.dtype).chunk(2, dim=1)
        return mean, log_var

    def log_likelihood(self, x: Tensor, z: Tensor, asked: Tensor) -> Tensor:
        """Returns log p(x | y, z) + log p(y) in nats, shape (M,), with z (M, d) for the M true places of asked."""
        n, y = asked.nonzero(as_tuple=True)
        out = self.decoder(torch.cat([z, one_hot(y, self.classes).to(z)], 1))
        log_p: Tensor = self.observation(x[n], out) + self.class_prior().log()[y]
        return log_p

    def bounds(self, x: Tensor, asked: Tensor, eps: Tensor) -> Tensor:
        """Returns the bound of log p(x, y), minus equation 6, for the classes asked, 0 for others, shape (N, K).

        Arguments:
            x: Samples, shape (N, *spec.shape).
            asked: Whether the bound of a class is wanted, bool (N, K).
            eps: Noise of z, shape (N, K, d).
        """
        mean, log_var = self.posterior(x, asked)
        log_p = self.log_likelihood(x, mean + (0.5 * log_var).exp() * eps[asked], asked)
        return torch.zeros_like(eps[..., 0]).masked_scatter(asked, log_p - kl_standard_normal(mean, log_var).sum(1))

    def class_prior(self) -> Tensor:
        """Returns p(y), shape (K,)."""
        counts = self.seen[:-1] * self.counted + 1 / self.classes
        return counts / counts.sum()

    def log_weights(self, x: Tensor, k: int, generator: Generator | None = None) -> Tensor:
        """Returns the log of sum_y p(x, y, z_y) / q(z_y | x, y) for k draws of every z_y, shape (k, N)."""
        chunks = []
        for some in x.split(max(1, rows_at_once(self.observation.shape) // self.classes)):
            every = torch.ones(len(some), self.classes, dtype=torch.bool, device=x.device)
            mean, log_var = self.posterior(some, every)  # (n K, d)
            draws = []
            for _ in range(k):
                z = mean + (0.5 * log_var).exp() * normal(*mean.shape, device=x.device, generator=generator)
                log_p = self.log_likelihood(some, z, every) + standard_normal(z).sum(1)
                log_w = log_p - gaussian(z, mean, 0.5 * log_var)
                draws.append(log_w.unflatten(0, every.shape).logsumexp(1))  # (n K,) -> (n,)
            chunks.append(torch.stack(draws))
        return torch.cat(chunks, 1)

    def log_prob(self, x: Tensor, *, k: int = 1, generator: Generator | None = None) -> Tensor:
        """Returns a draw of the k-sample bound in nats, (N,), summed over y. Without a generator, that of seed 0."""
        return log_mean_exp(self.log_weights(x, k, generator or torch.Generator().manual_seed(0)))

    def bound(self) -> Bound:
        """Returns ``lower``: the bound rises with k towards log p(x)."""
        return "lower"

    def anomaly_score(self, x: Tensor) -> Tensor:
        """Returns U(x) (equation 7) with each z at its posterior's mean, shape (N,), the same however x is batched."""
        scores = []
        for some in x.split(max(1, rows_at_once(self.observation.shape) // self.classes)):
            log_q = log_softmax(self.classify(some), 1)  # (n, K)
            bounds = self.bounds(some, torch.ones_like(log_q) > 0, log_q.new_zeros(*log_q.shape, self.latent))
            scores.append((log_q.exp() * (log_q - bounds)).sum(1))
        return torch.cat(scores)

    def classify(self, x: Tensor) -> Tensor:
        """Returns the logits of q(y | x), shape (N, K)."""
        logits: Tensor = self.classifier(x).to(x.dtype)
        return logits

    def encode(self, x: Tensor) -> Tensor:
        """Returns the mean of q(z | x, y) averaged over y, then q(y | x), shape (N, latent + K)."""
        q = self.classify(x).softmax(1)
        mean = self.posterior(x, torch.ones_like(q) > 0)[0].unflatten(0, q.shape)  # (N K, d) -> (N, K, d)
        return torch.cat([torch.einsum("nk,nkd->nd", q, mean), q], 1)

    def decode(self, z: Tensor) -> Tensor:
        """Returns the mean of p(x | y, z), shape (N, *spec.shape), of styles and classes, shape (N, latent + K)."""
        return self.observation.mean(self.decoder(z))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Returns samples decoded from their codes, shape (N, *spec.shape)."""
        return self.decode(self.encode(x))

    def prior(self, n: int, *, label: Any = None, generator: Generator | None = None) -> Tensor:
        """Returns n draws of p(z), and behind them one-hot classes: the label's, or drawn from p(y); (n, latent + K).

        Raises:
            OptionError: If there is no class of a label.
        """
        places = uniform(n, device=self.device, generator=generator)
        drawn = torch.searchsorted(self.class_prior().cumsum(0), places).clamp_max(self.classes - 1)
        y = drawn if label is None else torch.as_tensor(label, device=self.device).expand(n)
        if not ((y >= 0) & (y < self.classes)).all():
            raise OptionError(f"label is {label}; the classes are numbered from 0 to {self.classes - 1}: "
                              f"{', '.join(self.spec.classes)}")
        z = normal(n, self.latent, device=self.device, generator=generator)
        return torch.cat([z, one_hot(y, self.classes).to(z)], 1)

    def sample(
        self, n: int, *, label: int | None = None, temperature: float = 1.0, generator: Generator | None = None
    ) -> Tensor:
        """Returns n samples of a class, or of classes drawn from p(y); z from its prior times the temperature."""
        z, y = self.prior(n, label=label, generator=generator).split([self.latent, self.classes], 1)
        return self.observation.draw(self.decoder(torch.cat([temperature * z, y], 1)), generator)
