"""The sparse autoencoder."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tacit.errors import OptionError
from tacit.methods.autoencoders.ae import AE
from tacit.nets.mlp import MLP
from tacit.protocol import Batch, Loss, Optim, Recipe, Spec

__all__ = ["SparseAE", "kl_bernoulli"]

EDGE = 1e-6  # mean activations are kept so far from 0 and 1


class SparseAE(AE):
    """Sparse autoencoder: many units, few of them active at a time; each stands for one atom of the data.

    With ``kl`` units are sigmoids, and the mean activation of each is drawn to rho. The divergence is taken at a
    running mean, and its slope there is passed on to the mean of the batch: right on average for batches of any size,
    and the same however one is cut. With ``l1`` units are rectified, and activations cost as much as their atoms are
    long, for otherwise small activations of long atoms would be free.

    References:
        Ng 2011, CS294A lecture notes: Sparse autoencoder. Olshausen & Field 1996, Nature 381 (the L1 penalty).
        Conerly et al. 2024, Update on how we train SAEs (the length of atoms).

    Arguments:
        spec: What one sample is.
        latent: Units of the code, which may be more than a sample has values.
        loss: What is minimised: mse (squared error) or bce (cross-entropy, for data in [0, 1]).
        penalty: What makes the code sparse: kl (of each unit's mean activation from rho) or l1 (of each activation).
        rho: Mean activation that kl wants of each unit, between 0 and 1.
        sparsity: Weight of the penalty, summed over units, beside a sample's error; by default 10 for kl, 0.1 for l1.
        decay: Weight of half the sum of squared weights, those of biases left out.
        horizon: Samples over which the running mean of activations is taken; 0 takes each batch's own.
        label_weight: Weight of the cross-entropy of a label, beside a sample's error; 0 learns without labels.
        encoder: Your own module, (N, *shape) to (N, latent), before the units' activation; by default linear.
        decoder: Your own module, (N, latent) to (N, *shape), before the squashing; by default linear.

    Raises:
        DataError: If the data do not suit the loss, or have no classes to learn.
        OptionError: If rho is not between 0 and 1, or a weight is negative.
    """

    overcomplete = True

    mean: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        latent: int = 196,
        loss: Literal["mse", "bce"] = "mse",
        penalty: Literal["kl", "l1"] = "kl",
        rho: float = 0.05,
        sparsity: float | None = None,
        decay: float = 1e-4,
        horizon: int = 2_000,
        label_weight: float = 0.0,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        super().__init__(spec, latent=latent, loss=loss, label_weight=label_weight, depth=0, net="mlp",
                         encoder=encoder, decoder=decoder)
        if not 0 < rho < 1:
            raise OptionError(f"--rho is {rho:g}; it is a mean activation between 0 and 1, such as 0.05")
        self.sparsity = sparsity if sparsity is not None else 10.0 if penalty == "kl" else 0.1
        if min(self.sparsity, decay, horizon) < 0:
            raise OptionError(f"--sparsity is {self.sparsity:g}, --decay {decay:g} and --horizon {horizon}; "
                              "none may be below 0")
        self.penalty, self.rho, self.decay, self.horizon = penalty, rho, decay, horizon
        self.register_buffer("mean", torch.full((latent,), rho))
        if encoder is None and isinstance(self.encoder, MLP) and penalty == "kl":
            nn.init.xavier_uniform_(self.encoder.head.weight, gain=4)  # Glorot & Bengio 2010, for sigmoids
            nn.init.constant_(self.encoder.head.bias, math.log(rho / (1 - rho)))  # units start where they are wanted

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields error + beta sum_j KL(rho || rho_j) + lambda / 2 ||W||^2: the notes' J_sparse."""
        z = self.encode(batch.x)
        value, terms = self.restoration(batch, z)
        penalty = self.divergence(z) if self.penalty == "kl" else self.length(z)
        terms |= {"penalty": penalty.detach(), "mean_activation": z.detach().mean()}
        value = value + self.sparsity * penalty + 0.5 * self.decay * self.squared_weights()
        stats = {"activation": z.detach().sum(0), "samples": z.new_tensor(float(len(z)))}
        yield Loss("model", value, terms, stats, self.follow)

    def divergence(self, z: Tensor) -> Tensor:
        """Returns sum_j KL(rho || rho_j) with the gradient of the running means in place of the batch's.

        Raises:
            OptionError: If rho is wanted of the batch alone, and of so few samples it would be less than one.
        """
        mean = z.mean(0)  # (N, d) -> (d,)
        if self.horizon:
            return kl_bernoulli(self.rho, self.mean + mean - mean.detach()).sum()
        if self.training and len(z) * self.rho < 1 - EDGE:
            raise OptionError(f"a batch of {len(z)} samples is too small for a mean activation of {self.rho:g}, which "
                              f"takes {math.ceil(1 / self.rho)}: raise --batch, or take a running mean by --horizon")
        return kl_bernoulli(self.rho, mean).sum()

    def length(self, z: Tensor) -> Tensor:
        """Returns sum_j |z_j| ||a_j||, mean over the batch."""
        lengths = self.atoms().flatten(1).norm(dim=1)  # (d, *shape) -> (d,)
        cost: Tensor = (z.mean(0) * lengths).sum()
        return cost

    def squared_weights(self) -> Tensor:
        """Returns the sum of the squares of all weights of encoder and decoder."""
        weights = [p for net in (self.encoder, self.decoder) for p in net.parameters() if p.dim() > 1]
        return torch.stack([w.square().sum() for w in weights]).sum()

    def follow(self, stats: Mapping[str, Tensor]) -> None:
        """Moves the running mean towards a batch's, by the batch's share of the horizon."""
        rate = (stats["samples"] / max(self.horizon, 1)).clamp(max=1)
        self.mean.lerp_(stats["activation"] / stats["samples"], rate)

    def recipe(self) -> Recipe:
        """Returns how it likes to be trained."""
        return Recipe(batch=128, steps=3_000, optim={"model": Optim(lr=5e-3, schedule="cosine", warmup=50)})

    def encode(self, x: Tensor) -> Tensor:
        """Returns activations, shape (N, latent): in [0, 1] with kl, from 0 on with l1."""
        z: Tensor = self.encoder(x).to(x.dtype)
        return z.sigmoid() if self.penalty == "kl" else z.relu()

    def atoms(self) -> Tensor:
        """Returns what each unit adds to the decoder's output, shape (latent, *spec.shape): columns of a linear one."""
        units = torch.eye(self.latent, device=self.device)
        return self.decoder(units) - self.decoder(0 * units[:1])  # type: ignore[no-any-return]

    def figures(self) -> dict[str, Any]:
        """Returns the atoms, shape (latent, *spec.shape), first those that take the greatest part in the data."""
        with torch.no_grad():
            atoms = self.atoms()
        part = self.mean * atoms.flatten(1).norm(dim=1)
        return {"atoms": atoms[part.argsort(descending=True, stable=True)]}


def kl_bernoulli(rho: float, mean: Tensor) -> Tensor:
    """Returns KL(rho || mean) of Bernoulli variables in nats, shape of `mean`."""
    q = mean.clamp(EDGE, 1 - EDGE)
    return rho * (rho / q).log() + (1 - rho) * ((1 - rho) / (1 - q)).log()
