"""How loose the bound on the likelihood is: bounds of one model on the same samples, each tighter than the last."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from tacit.data.dataset import Data
from tacit.errors import OptionError
from tacit.evaluation.case import Case, Effort
from tacit.evaluation.intervals import mean_interval
from tacit.evaluation.likelihood import about, mass_of, over
from tacit.evaluation.measure import Better, Measure
from tacit.functional.annealing import LogDensity, anneal, sigmoid_schedule, step_sizes
from tacit.functional.draws import some
from tacit.functional.importance import effective_draws, grouped, log_mean_exp
from tacit.functional.likelihoods import bits_per_dim, gaussian_each
from tacit.functional.noise import normal
from tacit.pictures.bounds import ladder
from tacit.runs.run import Run

__all__ = ["Bounds", "ask", "bounds", "rungs"]

QUESTION = "bounds"
TITLE = "lower bound of the log likelihood"
RUNGS = (1, 5, 50, 500, 5_000)  # draws of the bounds, as far as they are asked for
ROWS, VALUES = 4_096, 4_000_000  # greatest number of samples, and of their values, that are decoded at once

# Of annealed importance sampling. On samples that a VAE of MNIST with 50 latents made, 100 temperatures and 3 leapfrog
# steps left a bidirectional gap of 0.1 nat where it began about the posterior; from the prior, with 5 leapfrog steps,
# one of 3.7 nats.
CHAINS, PILOTS, LEAPFROGS, MOMENTS = 16, 4, 3, 256


@dataclass(frozen=True)
class Bounds:
    """Lower bounds of log p(x) in nats, double, sample by sample.

    Arguments:
        draws: By number of draws from the posterior, each of shape (N,); 1 is the ELBO.
        effective: The effective sample size of as many draws, each of shape (N,).
        chosen: Positions of the samples on which annealed importance sampling was run, int64 (M,).
        annealed: Its bound of these, shape (M,).
        lower: Its bound of samples that the model itself made, shape (M,).
        upper: Of the same an upper bound, by annealing backwards from the latents that they were made of, shape (M,).
        acceptance: Mean acceptance of its moves.
    """

    draws: Mapping[int, Tensor]
    effective: Mapping[int, Tensor]
    chosen: Tensor
    annealed: Tensor
    lower: Tensor
    upper: Tensor
    acceptance: float


def bounds(
    run: Run,
    data: Data,
    *,
    draws: Sequence[int] = (1, 5, 50),
    annealed: int = Effort.annealed,
    temperatures: int = Effort.temperatures,
    chains: int = CHAINS,
    seed: int = 0,
) -> Bounds:
    """Bounds the log likelihood of samples from below, by importance weights and by annealed importance sampling.

    The bounds of few draws are means over groups of the many, so that all rest on the same draws. Where each number of
    draws divides the next, none is lower than the last, sample by sample.

    Annealing starts with a Gaussian that has mean and variance of the posterior's draws, and ends with p(x, z). How
    far its bound may be from the truth shows on samples that the model itself made, of which an exact draw of p(z | x)
    is known: annealed backwards from there, it bounds log p(x) from above.

    Arguments:
        run: A run that infers.
        data: Samples as the run's root takes them.
        draws: Numbers of draws from the posterior, rising.
        annealed: Greatest number of samples that are annealed, drawn at random; and how many the model makes.
        temperatures: Of annealing.
        chains: Of each sample.
        seed: Of every draw.

    References:
        Burda et al. 2015, arXiv:1509.00519. Wu et al. 2016, arXiv:1611.04273. Grosse et al. 2015, arXiv:1511.02543.

    Raises:
        CapabilityError: If the run cannot infer.
        OptionError: If a number is too small.
    """
    run.chain.check("Infers", run.method_name)
    if not draws or min(draws) < 1 or chains < 1:
        raise OptionError(f"draws is {tuple(draws)} and chains is {chains}; they are at least 1")
    effort = Effort(max(draws), annealed, temperatures)
    generator = torch.Generator(run.device).manual_seed(seed)
    method: Any = run.method
    weighed = importance(run, data, sorted(draws), generator)
    chosen = some(torch.arange(len(data)), effort.annealed, seed)
    lower, _, acceptance = annealed_bounds(run, seen(run, data, chosen), None, temperatures, chains, generator)
    with torch.no_grad():
        x, z = method.simulate(len(chosen), generator=generator)
    below, above, _ = annealed_bounds(run, x, z, temperatures, chains, generator)
    return Bounds(*weighed, chosen, lower, below, above, acceptance)


def rungs(most: int) -> tuple[int, ...]:
    """Returns the numbers of draws up to a greatest one.

    Example:
        >>> rungs(50), rungs(64)
        ((1, 5, 50), (1, 5, 50, 64))
    """
    return (*(k for k in RUNGS if k < most), most)


def seen(run: Run, data: Data, positions: Tensor) -> Tensor:
    """Returns samples at some positions as the run's method sees them: what its parents make of them."""
    with torch.no_grad():
        parts = [run.chain.features(data.batch(p, device=run.device).x) for p in positions.split(rows_of(run))]
    return torch.cat(parts)


def rows_of(run: Run) -> int:
    """Returns how many samples are decoded at once."""
    method: Any = run.method
    made: int = math.prod(method.observation.shape) if hasattr(method, "observation") else method.spec.size
    return max(1, min(ROWS, VALUES // max(run.spec.size, made)))


def importance(
    run: Run, data: Data, draws: Sequence[int], generator: Generator
) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """Returns the importance-weighted bound, and the effective sample size, by number of draws, each of shape (N,)."""
    bound: dict[int, list[Tensor]] = {k: [] for k in draws}
    effective: dict[int, list[Tensor]] = {k: [] for k in draws}
    rows = rows_of(run)
    for positions in torch.arange(len(data)).split(max(1, rows // max(draws))):
        log_w = weights(run.method, seen(run, data, positions), max(draws), rows, generator)
        for k in draws:
            groups = grouped(log_w, k)  # (K // k, k, n)
            bound[k].append(log_mean_exp(groups, 1).mean(0))
            effective[k].append(effective_draws(groups, 1).mean(0))
    return {k: torch.cat(v).cpu() for k, v in bound.items()}, {k: torch.cat(v).cpu() for k, v in effective.items()}


@torch.no_grad()
def weights(method: Any, x: Tensor, k: int, rows: int, generator: Generator) -> Tensor:
    """Returns log p(x, z) - log q(z | x) of k draws, double, shape (k, N); at most `rows` are decoded at once."""
    found = torch.empty(k, len(x), dtype=torch.float64, device=x.device)
    for draws in torch.arange(k, device=x.device).split(max(1, rows // len(x))):
        z, log_q = method.infer(x, k=len(draws), generator=generator)  # (k', N, d), (k', N)
        found[draws] = joint(method, x)(z).double() - log_q.double()
    return found


def joint(method: Any, x: Tensor) -> LogDensity:
    """Returns log p(x, z) as a function of z, shape (k, N, d), for samples of shape (N, ...)."""

    def log_joint(z: Tensor) -> Tensor:
        again = x.repeat(len(z), *[1] * (x.dim() - 1))  # (N, ...) -> (k N, ...)
        found: Tensor = method.log_joint(again, z.flatten(0, 1)).unflatten(0, z.shape[:2])
        return found

    return log_joint


def annealed_bounds(
    run: Run, x: Tensor, z: Tensor | None, temperatures: int, chains: int, generator: Generator
) -> tuple[Tensor, Tensor, float]:
    """Returns lower bounds of log p(x), upper bounds where exact draws of p(z | x) are known, and the acceptance.

    Arguments:
        run: Whose method infers.
        x: Samples as the method sees them, shape (N, ...).
        z: The exact draws, shape (N, d).
        temperatures: How many.
        chains: Of each sample.
        generator: Of all randomness.

    Returns:
        Shapes (N,), and (N,) or (0,).
    """
    betas = sigmoid_schedule(temperatures)
    lower, upper, acceptance = [], [], []
    for n in torch.arange(len(x), device=x.device).split(max(1, rows_of(run) // chains)):
        first, last = gaussian_about(run.method, x[n], generator), joint(run.method, x[n])
        how: dict[str, Any] = {"temperatures": betas, "scale": first.sigma, "leapfrogs": LEAPFROGS}
        steps = step_sizes(first, last, first.draw(PILOTS, generator), generator=generator, **how)
        up = anneal(first, last, first.draw(chains, generator), steps=steps, generator=generator, **how)
        lower.append(log_mean_exp(up.log_w))
        acceptance.append(up.acceptance)
        if z is not None:
            true = z[n].expand(chains, *z[n].shape)
            down = anneal(last, first, true, steps=steps.flip(0), generator=generator, **how)
            upper.append(-log_mean_exp(down.log_w))
    above = torch.cat(upper).cpu() if upper else torch.empty(0, dtype=torch.float64)
    return torch.cat(lower).cpu(), above, float(torch.cat(acceptance).mean())


@dataclass(frozen=True)
class Diagonal:
    """A Gaussian with a diagonal covariance for each sample, called for its log density.

    Arguments:
        mean: Shape (N, d).
        sigma: Shape (N, d).
    """

    mean: Tensor
    sigma: Tensor

    def __call__(self, z: Tensor) -> Tensor:
        """Returns log densities in nats, shape (k, N), at z, shape (k, N, d)."""
        return gaussian_each(z, self.mean, self.sigma.log()).sum(-1)

    def draw(self, k: int, generator: Generator) -> Tensor:
        """Returns k draws of each, shape (k, N, d)."""
        return self.mean + self.sigma * normal(k, *self.mean.shape, device=self.mean.device, generator=generator)


@torch.no_grad()
def gaussian_about(method: Any, x: Tensor, generator: Generator) -> Diagonal:
    """Returns the Gaussian with mean and variance of some draws of the posterior, whatever its form."""
    z, _ = method.infer(x, k=MOMENTS, generator=generator)
    return Diagonal(z.mean(0), z.std(0))


def ask(case: Case) -> Iterator[Measure]:
    """Measures every bound, in nats and where they are any in bits, and how far each is from the tightest."""
    effort = case.effort
    found = bounds(case.run, case.test, draws=rungs(effort.draws), annealed=effort.annealed,
                   temperatures=effort.temperatures, seed=case.seed)  # fmt: skip
    named = {name_of(k): value for k, value in found.draws.items()}
    most = max(found.draws)
    sampled = f"from {most:,} draws of the posterior for each sample"
    for name, value in named.items():
        yield from nats_and_bits(case, value, name, f"{case.names[1]}, {sampled}")
    few = f"{len(found.chosen):,} of {case.names[1]}"
    yield from nats_and_bits(case, found.annealed, "AIS", f"{few}, by {annealing(effort, found)}")
    for k in [k for k in found.draws if k > 1]:
        yield measure(case, "effective sample size", found.effective[k], name_of(k), "",
                      f"How many of {k:,} draws count by their importance weights, at most {k:,}, mean over "
                      f"{case.names[1]}", "higher")  # fmt: skip
    for name, value in named.items():
        yield measure(case, "looseness", found.annealed - value[found.chosen], name, "nats",
                      f"The bound by annealed importance sampling less {name}, sample by sample, mean over {few}; "
                      f"by {annealing(effort, found)}", "lower")  # fmt: skip
    yield measure(case, "bidirectional gap", found.upper - found.lower, "AIS", "nats",
                  f"Upper less lower bound of {len(found.upper):,} samples that the model made, by "
                  f"{annealing(effort, found)}, and backwards from their own latents: log p lies in expectation "
                  "between the two", "lower")  # fmt: skip
    if case.pictures is not None:
        draw(case, found, case.pictures)


def name_of(k: int) -> str:
    """Returns what the bound of k draws is called."""
    return "ELBO" if k == 1 else f"IWAE-{k}"


def annealing(effort: Effort, found: Bounds) -> str:
    """Returns how annealed importance sampling was done."""
    return ("annealed importance sampling from a Gaussian about the posterior to p(x, z), with "
            f"{CHAINS} chains, {effort.temperatures:,} temperatures and moves of {LEAPFROGS} leapfrog steps, "
            f"{found.acceptance:.0%} of them accepted")


def nats_and_bits(case: Case, value: Tensor, of: str, on: str) -> Iterator[Measure]:
    """Measures a bound, shape (N,), in nats, and where these are of the data's own probability in bits."""
    words = f"Mean over {on}. {about(case.run, case.test)}"
    yield measure(case, TITLE, value, of, "nats", words, "higher")
    if mass_of(case.run, case.test) == "probability" and case.run.density_over() == "the data":
        size = case.run.spec.size
        yield measure(case, "bits per dimension", bits_per_dim(value, size), of, "bits/dim",
                      f"-log2 p / {size:,}. {words}", "lower")  # fmt: skip


def measure(case: Case, name: str, value: Tensor, of: str, unit: str, words: str, better: Better) -> Measure:
    """Returns the mean of a value of each sample, shape (N,), with its interval."""
    mean, low, high = mean_interval(value, seed=case.seed)
    return Measure(QUESTION, name, mean, f"{words.rstrip('.')}. Interval: bootstrap over samples.", of=of, low=low,
                   high=high, unit=unit, better=better, space=over(case.run, case.test))  # fmt: skip


def draw(case: Case, found: Bounds, folder: Path) -> None:
    """Draws all bounds of the annealed samples, and how far each is below the tightest."""
    same = {name_of(k): value[found.chosen] for k, value in found.draws.items()} | {"AIS": found.annealed}
    gap, _, _ = mean_interval(found.upper - found.lower, seed=case.seed)
    ladder(
        {name: mean_interval(value, seed=case.seed) for name, value in same.items()},
        {name: mean_interval(found.annealed - value, seed=case.seed) for name, value in same.items() if name != "AIS"},
        folder / "bounds.png",
        title="How loose is the bound?",
        subtitle=f"{case.run.title}: {len(found.chosen):,} unseen samples, the same for all bounds; 95 % intervals. "
                 f"Bidirectional gap of AIS on simulated samples: {gap:.2f} nats",
    )  # fmt: skip
