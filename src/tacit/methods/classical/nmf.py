"""Non-negative matrix factorisation."""

from __future__ import annotations

import warnings

import torch
from sklearn import decomposition
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from tacit.errors import DataError, OptionError
from tacit.functional.draws import part_of
from tacit.protocol import Method, Spec

__all__ = ["NMF"]

USUAL = 16  # parts, where none are asked for
MOST = 2**24  # values that are factorised; of more samples a part is drawn
ROWS = 2_048  # samples whose normal equations are solved at a time
ROUNDS = 100  # of exchanges; a few dozen are many
TOLERANCE = 2e-3  # of the projected gradient, in that of the start
SMALL = 1e-9  # ridge and tolerance, in squared lengths of a part


class NMF(Method):
    """Parts whose sums are the samples: nothing is ever taken away.

    The model is x = z H with z >= 0 and H >= 0. Each part, a row of H, has 1 for its greatest value; the parts are
    ordered by what they add to the samples, the most first. A sample's latents are those of least squared error, and
    depend on nothing but itself. Of data with more than 2^24 values, as many samples are drawn at random as have so
    many, but at least 5,000.

    Arguments:
        spec: What one sample is.
        latent: Number of parts; by default 16, or as many as a sample has values.
        iterations: Greatest number of rounds of coordinate descent.

    References:
        Lee & Seung 1999, Learning the parts of objects by non-negative matrix factorization, Nature 401.
        Kim & Park 2011, Fast nonnegative matrix factorization: an active-set-like method and comparisons, SIAM J.
        Sci. Comput. 33(6) (block principal pivoting, by which samples are encoded).
    """

    accepts = ("image", "vector", "map", "table")

    parts: Tensor

    def __init__(self, spec: Spec, *, latent: int | None = None, iterations: int = 500) -> None:
        super().__init__(spec)
        self.latent = min(USUAL, spec.size) if latent is None else latent
        if not 1 <= self.latent <= spec.size:
            raise OptionError(f"latent is {latent}; a sample has {spec.size} values, so it is from 1 to {spec.size}")
        if iterations < 1:
            raise OptionError(f"iterations is {iterations}; it is at least 1")
        self.iterations = iterations
        self.note = ""
        self.learns("parts", self.latent, spec.size)  # H

    def fit(self, x: Tensor, **needed: Tensor) -> None:
        """Finds the parts of training samples, shape (N, *spec.shape).

        Raises:
            DataError: If a value is negative, all are 0, or there are fewer samples than parts.
        """
        least, greatest = float(x.min()), float(x.max())
        if least < 0 or greatest == 0:
            raise DataError(f"the data have values from {least:.3g} to {greatest:.3g}; NMF adds parts up and takes "
                            "values from 0 on: use ICA or PCA, or data that are not standardised")
        if len(x) < self.latent:
            raise DataError(f"{len(x)} samples are too few for {self.latent} parts; lower latent, or give more samples")
        notes, most = [], max(5_000, MOST // self.spec.size)
        if len(x) > most:
            notes.append(f"fitted on {most:,} of {len(x):,} samples, drawn at random")
        x = part_of(x, most)
        seed = int(torch.randint(2**31, ()))
        model = decomposition.NMF(
            self.latent, init="nndsvda", max_iter=self.iterations, tol=TOLERANCE, random_state=seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # noted below
            z = torch.from_numpy(model.fit_transform(x.flatten(1).cpu().numpy()))
        if model.n_iter_ >= self.iterations:
            notes.append(f"not converged after {self.iterations} iterations")
        parts = torch.from_numpy(model.components_)  # (q, D)
        share = z.mean(0) * parts.sum(1)
        parts = parts / parts.amax(1, keepdim=True).clamp_min(torch.finfo(parts.dtype).tiny)
        self.parts.copy_(parts[share.argsort(descending=True, stable=True)])
        self.note = "; ".join(notes)

    def encode(self, x: Tensor) -> Tensor:
        """Returns how much of each part is in each sample, shape (N, q), none below 0."""
        parts = self.parts.double()
        square = parts @ parts.T  # (q, q)
        z = [least_squares(part.double() @ parts.T, square) for part in x.flatten(1).split(ROWS)]
        return torch.cat(z).to(self.parts)

    def decode(self, z: Tensor) -> Tensor:
        """Returns the sums of parts, shape (N, *spec.shape)."""
        x = z @ self.parts
        x = x if self.spec.range is None else x.clamp(*self.spec.range)
        return x.reshape(-1, *self.spec.shape)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Returns the nearest sums of parts, shape (N, *spec.shape)."""
        return self.decode(self.encode(x))

    def figures(self) -> dict[str, Tensor]:
        """Returns the parts, shape (q, *spec.shape)."""
        return {"parts": self.parts.unflatten(1, self.spec.shape)}


def least_squares(linear: Tensor, square: Tensor) -> Tensor:
    """Returns the z >= 0 that minimise z G z' / 2 - b z', by block principal pivoting; gradients flow to b.

    Whether a part is present is found by exchanges: present parts below 0 leave, and absent ones whose gradient is
    negative enter. All of them move while they become fewer, else only the last.

    Arguments:
        linear: b, shape (N, q).
        square: G, shape (q, q).

    Returns:
        z, shape (N, q).
    """
    length = square.diagonal().clamp_min(SMALL * float(square.diagonal().max())).sqrt()
    square = square / length / length[:, None] + SMALL * torch.eye(len(square)).to(square)  # of parts of length 1
    linear = linear / length
    present = torch.zeros_like(linear, dtype=torch.bool)
    with torch.no_grad():
        fewest, spare = torch.full_like(linear[:, 0], torch.inf), torch.full_like(linear[:, 0], 3)
        todo = torch.arange(len(linear), device=linear.device)
        for _ in range(ROUNDS):
            z = solution(linear[todo], square, present[todo])
            wrong = torch.where(present[todo], z, z @ square - linear[todo]) < -SMALL * linear[todo].abs().amax(1, True)
            count = wrong.sum(1)
            some = count > 0
            todo, wrong, count = todo[some], wrong[some], count[some]
            if not len(todo):
                break
            spare[todo] = torch.where(count < fewest[todo], 3.0, spare[todo] - 1)
            fewest[todo] = torch.minimum(fewest[todo], count.to(fewest))
            last = wrong & (wrong.flip(1).cumsum(1).flip(1) == 1)
            present[todo] ^= torch.where(spare[todo, None] >= 0, wrong, last)
    return solution(linear, square, present).clamp_min(0) / length


def solution(linear: Tensor, square: Tensor, present: Tensor) -> Tensor:
    """Returns the z that minimise z G z' / 2 - b z' with 0 for what is absent, shape (N, q)."""
    mask = present.to(linear)
    system = mask[:, :, None] * square * mask[:, None] + torch.diag_embed(1 - mask)  # (N, q, q)
    z: Tensor = torch.linalg.solve(system, linear * mask)
    return z
