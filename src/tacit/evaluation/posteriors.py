"""What a bound hides: the true posterior of a latent of two dimensions, on a grid, beside the one that is learned."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from tacit.data.dataset import Data
from tacit.errors import DataError
from tacit.evaluation.bounds import joint, rows_of, seen
from tacit.evaluation.case import Case
from tacit.evaluation.intervals import mean_interval
from tacit.evaluation.likelihood import about, over
from tacit.evaluation.measure import Better, Measure
from tacit.functional.draws import some
from tacit.pictures.bounds import Panel, posteriors
from tacit.runs.run import Run

__all__ = ["Gaussians", "Hidden", "ask", "hidden"]

QUESTION = "posterior"
FEW, SHOWN = 50, 8  # samples that are measured, and drawn
COARSE, FINE = 64, 160  # points of a side of the grid: to find where the mass is, and to sum it
SPREAD = 1.5  # times what 1,000 draws of the prior cover, where the search begins
DEPTH = 30.0  # nats below the top at which the search cuts off
REACH = 6.0  # standard deviations of q that the grid covers
DRAWS = 1_000  # of q, for what is not summed on the grid
NODES = 20  # of a side of the Gauss-Hermite rule
EXACT = 1e-3  # nats by which log q may differ from a quadratic and still be a Gaussian's, for roundings of float32
ROUNDS = 60  # of the optimiser that finds the best Gaussian


@dataclass(frozen=True)
class Gaussians:
    """A Gaussian in the plane for each sample, double.

    Arguments:
        mean: Shape (N, 2).
        root: Cholesky root of the covariance, lower triangular, shape (N, 2, 2).
    """

    mean: Tensor
    root: Tensor

    def log_prob(self, z: Tensor) -> Tensor:
        """Returns log densities in nats, shape (M, N), at z, shape (M, N, 2)."""
        a, b, c = self.root[:, 0, 0], self.root[:, 1, 1], self.root[:, 1, 0]
        u = (z[..., 0] - self.mean[:, 0]) / a
        v = (z[..., 1] - self.mean[:, 1] - c * u) / b
        return -0.5 * (u.square() + v.square()) - (a * b).log() - math.log(2 * math.pi)

    def at(self, u: Tensor) -> Tensor:
        """Returns the places, shape (M, N, 2), of standardised ones, shape (M, 2)."""
        return self.mean + torch.einsum("nij,mj->mni", self.root, u)


@dataclass(frozen=True)
class Grid:
    """log p(x, z) on a grid of each sample's own, double.

    Arguments:
        low: Least z of the box, shape (N, 2).
        high: Greatest z, shape (N, 2).
        z: Centres of the cells, the first dimension outermost, shape (G G, N, 2).
        log_joint: In nats, shape (G G, N).
    """

    low: Tensor
    high: Tensor
    z: Tensor
    log_joint: Tensor

    @property
    def log_p(self) -> Tensor:
        """The log likelihood by the midpoint rule, shape (N,)."""
        side = round(math.sqrt(len(self.z)))
        return self.log_joint.logsumexp(0) + ((self.high - self.low) / side).log().sum(1)

    def thinned(self) -> Grid:
        """Returns every other cell in both directions: four times quicker, and fine enough to find a Gaussian on."""
        side = round(math.sqrt(len(self.z)))
        kept = torch.arange(side * side, device=self.z.device).view(side, side)[::2, ::2].flatten()
        return Grid(self.low, self.high, self.z[kept], self.log_joint[kept])

    def kl(self, log_q: Tensor) -> Tensor:
        """Returns KL(q || p(z | x)) of log densities on the grid, shape (G G, N) to (N,), both normalised there."""
        log_q = log_q.log_softmax(0)
        return (log_q.exp() * (log_q - self.log_joint.log_softmax(0))).sum(0)


@dataclass(frozen=True)
class Hidden:
    """log p(x) = ELBO + KL(q || p(z | x)) of some samples, in nats, double; and how little KL a Gaussian could leave.

    Arguments:
        log_p: By quadrature, shape (N,).
        elbo: Of q, shape (N,).
        kl: Shape (N,).
        diagonal: KL of the best Gaussian with a diagonal covariance, shape (N,).
        full: KL of the best Gaussian, shape (N,).
        grid: The joint density.
        draws: Of q, shape (1000, N, 2).
        q: The posteriors, where they are Gaussian.
        best: The best Gaussians with a diagonal covariance.
    """

    log_p: Tensor
    elbo: Tensor
    kl: Tensor
    diagonal: Tensor
    full: Tensor
    grid: Grid
    draws: Tensor
    q: Gaussians | None
    best: Gaussians


def hidden(run: Run, data: Data, *, seed: int = 0) -> Hidden:
    """Returns what the bound of each sample hides.

    Where q is Gaussian, its KL is summed on the grid and its ELBO by a Gauss-Hermite rule that knows nothing of the
    grid; otherwise both are means over draws.

    Arguments:
        run: A run that infers a latent of two dimensions.
        data: Samples as the run's root takes them.
        seed: Of every draw.

    References:
        Cremer et al. 2018, arXiv:1801.03558, section 3 (approximation and amortisation).

    Raises:
        CapabilityError: If the run cannot infer.
        DataError: If its latent has not two dimensions.
    """
    run.chain.check("Infers", run.method_name)
    method: Any = run.method
    generator = torch.Generator(run.device).manual_seed(seed)
    x = seen(run, data, torch.arange(len(data)))
    z, log_q = drawn_from(method, x, generator)
    if z.dim() != 3 or z.shape[2] != 2:
        raise DataError(f"a true posterior is computed on a grid, which takes a latent of 2 dimensions; {run.name} has "
                        f"{z.shape[2:].numel()}; fit one with --latent 2")
    q = gaussian_of(z, log_q)
    grid = searched(method, x, z, q, rows_of(run), generator)
    log_p = grid.log_p
    if q is None:
        weights = on(method, x, z, rows_of(run)) - log_q  # (k, N)
        elbo = weights.mean(0)
        kl = log_p - elbo
    else:
        elbo, kl = elbo_of(method, x, q, rows_of(run)), grid.kl(q.log_prob(grid.z))
    best = best_gaussian(grid.thinned(), q, full=False)
    full = best_gaussian(grid.thinned(), best, full=True)
    diagonal, correlated = (grid.kl(b.log_prob(grid.z)) for b in (best, full))
    return Hidden(log_p, elbo, kl, diagonal, correlated, grid, z, q, best)


@torch.no_grad()
def drawn_from(method: Any, x: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Returns draws of q, shape (k, N, d), and their log densities, shape (k, N), double."""
    z, log_q = method.infer(x, k=DRAWS, generator=generator)
    return z.double(), log_q.double()


def gaussian_of(z: Tensor, log_q: Tensor) -> Gaussians | None:
    """Returns the Gaussians that points are drawn from, or None if they are no Gaussians': log q is then no quadratic.

    Arguments:
        z: Draws, shape (k, N, 2).
        log_q: Their log densities, shape (k, N).

    Example:
        >>> u = torch.randn(20, 1, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        >>> given = Gaussians(torch.tensor([[1.0, 2.0]]).double(), torch.tensor([[[0.5, 0.0], [0.3, 0.2]]]).double())
        >>> z = given.at(u[:, 0])
        >>> found = gaussian_of(z, given.log_prob(z))
        >>> torch.allclose(found.mean, given.mean), torch.allclose(found.root, given.root)
        (True, True)
    """
    middle, spread = z.mean(0), z.std(0)
    u, v = ((z - middle) / spread).unbind(2)  # (k, N) each
    terms = torch.stack([torch.ones_like(u), u, v, u * u, u * v, v * v], 2).transpose(0, 1)  # (N, k, 6)
    found = torch.linalg.lstsq(terms, log_q.T[..., None]).solution  # (N, 6, 1)
    rest = (terms @ found)[..., 0].T - log_q
    _, b_u, b_v, a_uu, a_uv, a_vv = found[..., 0].unbind(1)
    precision = -torch.stack([2 * a_uu, a_uv, a_uv, 2 * a_vv], 1).unflatten(1, (2, 2))  # (N, 2, 2)
    if rest.abs().max() > EXACT or (torch.linalg.eigvalsh(precision) <= 0).any():
        return None
    covariance = torch.linalg.inv(precision)
    mean = (covariance @ torch.stack([b_u, b_v], 1)[..., None])[..., 0]
    root = torch.linalg.cholesky(covariance)
    return Gaussians(middle + spread * mean, spread[..., None] * root)


def searched(method: Any, x: Tensor, z: Tensor, q: Gaussians | None, rows: int, generator: Generator) -> Grid:
    """Returns a fine grid of each sample over all of its posterior, and over q.

    Arguments:
        method: Infers.
        x: Samples as it sees them, shape (N, ...).
        z: Draws of q, shape (k, N, 2).
        q: The posteriors, where they are Gaussian.
        rows: Samples that are decoded at once.
        generator: Of the draws of the prior.
    """
    with torch.no_grad():
        prior = method.simulate(DRAWS, generator=generator)[1].double()
    middle, half = (prior.amax(0) + prior.amin(0)) / 2, SPREAD * (prior.amax(0) - prior.amin(0)) / 2
    least, most = z.amin(0), z.amax(0)  # (N, 2)
    if q is not None:
        reach = REACH * q.root.square().sum(2).sqrt()  # (N, 2)
        least, most = q.mean - reach, q.mean + reach
    low, high = torch.minimum(least, middle - half), torch.maximum(most, middle + half)
    for _ in range(2):
        cut = mass_of(gridded(method, x, low, high, COARSE, rows))
        low, high = torch.minimum(cut[0], least), torch.maximum(cut[1], most)
    return gridded(method, x, low, high, FINE, rows)


def mass_of(grid: Grid) -> tuple[Tensor, Tensor]:
    """Returns the box, (N, 2) and (N, 2), outside of which the joint density is far below its top."""
    cell = (grid.high - grid.low) / round(math.sqrt(len(grid.z)))
    inside = (grid.log_joint > grid.log_joint.amax(0) - DEPTH)[..., None]  # (G G, N, 1)
    low = grid.z.masked_fill(~inside, math.inf).amin(0)
    high = grid.z.masked_fill(~inside, -math.inf).amax(0)
    return low - 2 * cell, high + 2 * cell


def gridded(method: Any, x: Tensor, low: Tensor, high: Tensor, side: int, rows: int) -> Grid:
    """Returns the joint density of each sample at the centres of side x side cells of its box."""
    share = (torch.arange(side, dtype=torch.float64, device=x.device) + 0.5) / side
    places = torch.cartesian_prod(share, share)[:, None]  # (G G, 1, 2)
    z = low + places * (high - low)
    return Grid(low, high, z, on(method, x, z, rows))


@torch.no_grad()
def on(method: Any, x: Tensor, z: Tensor, rows: int) -> Tensor:
    """Returns log p(x, z) at z, shape (M, N, 2) to (M, N), double; few are decoded at once."""
    found = z.new_empty(z.shape[:2])  # beforehand: small results between large ones kept the heap from shrinking
    for m in torch.arange(len(z), device=z.device).split(max(1, rows // len(x))):
        found[m] = joint(method, x)(z[m].to(x.dtype)).to(found.dtype)
    return found


def elbo_of(method: Any, x: Tensor, q: Gaussians, rows: int) -> Tensor:
    """Returns E_q[log p(x, z) - log q(z)] by a Gauss-Hermite rule, shape (N,)."""
    places, weights = (torch.from_numpy(a).to(x.device) for a in np.polynomial.hermite_e.hermegauss(NODES))
    u = torch.cartesian_prod(places, places)  # (K, 2)
    share = torch.cartesian_prod(weights, weights).prod(1) / weights.sum().square()  # (K,)
    z = q.at(u)
    return share @ (on(method, x, z, rows) - q.log_prob(z))


def best_gaussian(grid: Grid, start: Gaussians | None, *, full: bool) -> Gaussians:
    """Returns the Gaussians with the least KL(q || p(z | x)), found by L-BFGS on the grid.

    It begins with the better of two: the one given, and the one with the moments of the true posterior.

    Arguments:
        grid: The joint density.
        start: Where to begin.
        full: Whether dimensions may be correlated.
    """
    first = moments(grid, full=full)
    if start is not None:
        if not full:
            start = Gaussians(start.mean, torch.diag_embed(start.root.square().sum(2).sqrt()))
        nearer = grid.kl(start.log_prob(grid.z)) < grid.kl(first.log_prob(grid.z))  # (N,)
        first = Gaussians(
            torch.where(nearer[:, None], start.mean, first.mean),
            torch.where(nearer[:, None, None], start.root, first.root),
        )
    shift, stretch, slant = (torch.zeros_like(first.mean[:, :n], requires_grad=True) for n in (2, 2, 1))

    def gaussians() -> Gaussians:
        inner = torch.diag_embed(stretch.exp())
        if full:
            inner = inner + torch.nn.functional.pad(slant[..., None], (0, 1, 1, 0))  # (N, 2, 2), lower triangular
        return Gaussians(first.mean + (first.root @ shift[..., None])[..., 0], first.root @ inner)

    moving = [shift, stretch, slant] if full else [shift, stretch]
    optimiser = torch.optim.LBFGS(moving, max_iter=ROUNDS, history_size=20, line_search_fn="strong_wolfe",
                                  tolerance_grad=1e-7, tolerance_change=1e-10)  # fmt: skip

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = grid.kl(gaussians().log_prob(grid.z)).sum()
        value.backward()
        return value

    optimiser.step(loss)
    with torch.no_grad():
        return gaussians()


def moments(grid: Grid, *, full: bool) -> Gaussians:
    """Returns the Gaussians with mean and covariance of the true posterior, or its diagonal."""
    share = grid.log_joint.softmax(0)  # (G G, N)
    mean = torch.einsum("mn,mni->ni", share, grid.z)
    away = grid.z - mean
    covariance = torch.einsum("mn,mni,mnj->nij", share, away, away)
    if not full:
        covariance = torch.diag_embed(covariance.diagonal(dim1=1, dim2=2))
    return Gaussians(mean, torch.linalg.cholesky(covariance))


def ask(case: Case) -> Iterator[Measure]:
    """Measures log p, the ELBO and what lies between them, and draws the posteriors of some samples."""
    chosen = some(torch.arange(len(case.test)), FEW, case.seed)
    found = hidden(case.run, case.test.take(chosen), seed=case.seed)
    rest = float((found.log_p - found.elbo - found.kl).abs().max())
    on = f"{len(chosen):,} of {case.names[1]}, with p(x, z) summed on a grid of {FINE} x {FINE} for each"
    how = f"on the grid; log p is the sum of the two to {rest:.1g} nats" if found.q else f"over {DRAWS:,} draws of q"
    yield measure(case, "log likelihood", found.log_p, "", f"Mean over {on}. {about(case.run, case.test)}", "higher")
    yield measure(case, "ELBO", found.elbo, "", f"Mean over {on}. {about(case.run, case.test)}", "higher")
    yield measure(case, "KL from the true posterior", found.kl, "", f"KL(q || p(z | x)) {how}; mean over {on}", "lower")
    for name, kl in (("diagonal Gaussian", found.diagonal), ("full Gaussian", found.full)):
        yield measure(case, "approximation gap", kl, name, f"log p less the ELBO of the best {name}, found for each "
                      f"sample by L-BFGS; mean over {on}", "lower")
    if found.q is not None:
        yield measure(case, "amortisation gap", found.kl - found.diagonal, "diagonal Gaussian", "ELBO of the best "
                      f"diagonal Gaussian less that of the one that the encoder gives; mean over {on}", "lower")
    if case.pictures is not None:
        draw(case, found, case.pictures)


def measure(case: Case, name: str, value: Tensor, of: str, words: str, better: Better) -> Measure:
    """Returns the mean of nats of each sample, shape (N,), with its interval."""
    mean, low, high = mean_interval(value, seed=case.seed)
    return Measure(QUESTION, name, mean, f"{words.rstrip('.')}. Interval: bootstrap over samples.", of=of, low=low,
                   high=high, unit="nats", better=better, space=over(case.run, case.test))  # fmt: skip


def draw(case: Case, found: Hidden, folder: Path) -> None:
    """Draws the true posterior of some samples, with q and the best Gaussian."""
    grid = found.grid
    shares = grid.log_joint.softmax(0).unflatten(0, (FINE, FINE)).cpu()  # (G, G, N)
    panels = [
        Panel(
            caption=f"log p {found.log_p[n]:.1f}, KL {found.kl[n]:.2f} nats, best Gaussian {found.diagonal[n]:.2f}",
            low=grid.low[n].cpu(), high=grid.high[n].cpu(), share=shares[..., n],
            best=(found.best.mean[n].cpu(), found.best.root[n].cpu()),
            q=None if found.q is None else (found.q.mean[n].cpu(), found.q.root[n].cpu()),
            draws=found.draws[:, n].cpu(),
        )
        for n in range(min(SHOWN, len(found.log_p)))
    ]  # fmt: skip
    posteriors(panels, folder / "posterior.png", title="What the bound hides",
               subtitle=f"{case.run.title}: true posterior (blue: 50, 80, 95 and 99 % of its mass), q (orange) and the "
                        "best diagonal Gaussian (dashed) for unseen samples")  # fmt: skip
