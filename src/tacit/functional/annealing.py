"""Annealed importance sampling: the constant of a density, estimated along a path of easier ones.

The path between two densities of z, known up to constants, is f_b = f_first^(1 - b) f_last^b, with b, the inverse
temperature, rising from 0 to 1. Chains start with exact draws of the first density; between two temperatures each takes
its weight, f of the higher b over f of the lower, and then makes one Hamiltonian move that leaves the higher invariant.
The mean weight is an unbiased estimate of Z_last / Z_first, and by Jensen's inequality the log of it is, in
expectation, a lower bound. Run backwards, from an exact draw of the last density, it bounds from above.

All this holds only if a move does not depend on where the chains have been. Step sizes are therefore found by chains of
their own (`step_sizes`), and are fixed numbers for those that count.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Generator, Tensor

from tacit.functional.noise import normal, uniform

__all__ = ["Annealed", "LogDensity", "anneal", "sigmoid_schedule", "step_sizes"]

LogDensity = Callable[[Tensor], Tensor]
"""From z, shape (chains, N, d), to log densities in nats, shape (chains, N); gradients flow to z."""

ACCEPTANCE = 0.65  # of Hamiltonian moves: about where they travel farthest for their cost
RATE = 0.2  # by which the log of a step size follows the acceptance
FIRST, WARMUP = 0.5, 20  # a step size to begin with, and the moves in which it settles at the first temperature


@dataclass(frozen=True)
class Annealed:
    """Where chains have come to.

    Arguments:
        log_w: Log of each chain's weight in nats, double, shape (chains, N).
        z: Places of the chains, shape (chains, N, d).
        acceptance: Mean probability with which moves were accepted, shape (N,).
    """

    log_w: Tensor
    z: Tensor
    acceptance: Tensor


@dataclass(frozen=True)
class State:
    """Chains at their places, with all that any temperature of the path needs there.

    Arguments:
        z: Shape (chains, N, d).
        first: Log of the first density, shape (chains, N), and its gradient, shape of z.
        last: Those of the last.
    """

    z: Tensor
    first: tuple[Tensor, Tensor]
    last: tuple[Tensor, Tensor]

    def log_f(self, b: float) -> Tensor:
        """Returns the log density at a temperature, shape (chains, N)."""
        return (1 - b) * self.first[0] + b * self.last[0]

    def slope(self, b: float) -> Tensor:
        """Returns its gradient, shape of z."""
        return (1 - b) * self.first[1] + b * self.last[1]


Path = tuple[LogDensity, LogDensity]


def sigmoid_schedule(count: int, reach: float = 4.0) -> Tensor:
    """Returns inverse temperatures from 0 to 1, nearer to one another at both ends; the same read backwards from 1.

    Arguments:
        count: How many steps there are between them, at least 1.
        reach: The logistic function is taken from -reach to reach.

    Returns:
        Rising, double, shape (count + 1,).

    References:
        Wu et al. 2016, arXiv:1611.04273.

    Example:
        >>> sigmoid_schedule(4)
        tensor([0.0000, 0.1050, 0.5000, 0.8950, 1.0000], dtype=torch.float64)
    """
    s = torch.linspace(-reach, reach, count + 1, dtype=torch.float64).sigmoid()
    return (s - s[0]) / (s[-1] - s[0])


def anneal(
    log_first: LogDensity,
    log_last: LogDensity,
    z: Tensor,
    *,
    temperatures: Tensor,
    steps: Tensor,
    scale: Tensor | float = 1.0,
    leapfrogs: int = 3,
    generator: Generator | None = None,
) -> Annealed:
    """Returns weights whose mean is an unbiased estimate of Z_last / Z_first.

    For the opposite direction, swap the densities and read `steps` backwards (`Tensor.flip`): the moves are then those
    of this direction in reverse.

    Arguments:
        log_first: Where z is drawn from.
        log_last: Where the chains go.
        z: Exact draws of the first density, shape (chains, N, d).
        temperatures: Inverse temperatures from 0 to 1, shape (T + 1,).
        steps: Step size of the moves at each temperature between the ends, shape (T - 1, N); from `step_sizes`.
        scale: About the standard deviation of z, by which steps of each dimension are stretched, shape (N, d).
        leapfrogs: Leapfrog steps of one move, each at the cost of one gradient.
        generator: Of all randomness.

    References:
        Neal 2001, Annealed importance sampling, Statistics and Computing 11. Wu et al. 2016, arXiv:1611.04273. Grosse
        et al. 2015, arXiv:1511.02543 (the opposite direction).
    """
    path = log_first, log_last
    state = evaluated(path, z)
    log_w = torch.zeros(z.shape[:2], dtype=torch.float64, device=z.device)
    accepted = torch.zeros_like(log_w)
    rungs = temperatures.tolist()
    for i, (lower, higher) in enumerate(pairwise(rungs)):
        log_w += (higher - lower) * (state.last[0].double() - state.first[0].double())
        if higher < 1:
            state, chance = moved(path, state, higher, steps[i], scale, leapfrogs, generator)
            accepted += chance
    return Annealed(log_w, state.z, accepted.mean(0) / max(1, len(rungs) - 2))


def step_sizes(
    log_first: LogDensity,
    log_last: LogDensity,
    z: Tensor,
    *,
    temperatures: Tensor,
    scale: Tensor | float = 1.0,
    leapfrogs: int = 3,
    generator: Generator | None = None,
) -> Tensor:
    """Returns step sizes of which about 65 % of the moves are accepted.

    Chains walk the path once, and the step size of each sample follows the acceptance of its chains. What they find
    serves other chains (`anneal`); as these have not been looked at, their weights stay unbiased.

    Arguments:
        log_first: Where z is drawn from.
        log_last: Where the chains go.
        z: Exact draws of the first density, shape (chains, N, d); a few chains do.
        temperatures: Inverse temperatures from 0 to 1, shape (T + 1,).
        scale: As in `anneal`.
        leapfrogs: As in `anneal`.
        generator: Of all randomness.

    Returns:
        Of each temperature between the ends and each sample, shape (T - 1, N).
    """
    path = log_first, log_last
    state = evaluated(path, z)
    log_step = z.new_full((z.shape[1],), math.log(FIRST))
    between = temperatures[1:-1].tolist()
    found = []
    for i, b in enumerate(between[:1] * WARMUP + between):
        state, chance = moved(path, state, b, log_step.exp(), scale, leapfrogs, generator)
        log_step = log_step + RATE * (chance.mean(0) - ACCEPTANCE)
        if i >= WARMUP:
            found.append(log_step.exp())
    return torch.stack(found) if found else z.new_empty(0, z.shape[1])


def evaluated(path: Path, z: Tensor) -> State:
    """Returns the state of chains at some places."""
    z = z.detach().requires_grad_()
    with torch.enable_grad():
        values = [log_f(z) for log_f in path]
        slopes = [torch.autograd.grad(v.sum(), z)[0] for v in values]
    (first, last), z = [(v.detach(), s) for v, s in zip(values, slopes, strict=True)], z.detach()
    return State(z, first, last)


def moved(
    path: Path, state: State, b: float, step: Tensor, scale: Tensor | float, leapfrogs: int, generator: Generator | None
) -> tuple[State, Tensor]:
    """Returns the state after a Hamiltonian move that leaves f_b invariant, and the probability of taking it.

    Arguments:
        path: The two densities.
        state: Where the chains are.
        b: Inverse temperature.
        step: Size of a leapfrog step, shape (N,).
        scale: Of each dimension; the mass is 1 / scale^2.
        leapfrogs: How many steps.
        generator: Of the momentum and of the choice.

    Returns:
        The state, and shape (chains, N).

    References:
        Neal 2011, MCMC using Hamiltonian dynamics, arXiv:1206.1901.
    """
    stride = step[:, None] * scale  # (N, d) or (N, 1)
    start = normal(*state.z.shape, device=state.z.device, generator=generator).to(state.z.dtype)
    new, momentum = state, start  # of unit mass, in coordinates divided by the scale
    for _ in range(leapfrogs):
        momentum = momentum + 0.5 * stride * new.slope(b)
        new = evaluated(path, new.z + stride * momentum)
        momentum = momentum + 0.5 * stride * new.slope(b)
    gain = new.log_f(b) - state.log_f(b) - 0.5 * (momentum.square() - start.square()).sum(-1)
    chance = gain.nan_to_num(nan=-math.inf).clamp_max(0).exp()  # (chains, N); a walk off the map is not taken
    taken = uniform(*chance.shape, device=chance.device, generator=generator) < chance
    return chosen(taken, new, state), chance


def chosen(taken: Tensor, new: State, old: State) -> State:
    """Returns the new state of the chains whose move is taken, the old one of the others."""

    def pick(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(taken if a.dim() == 2 else taken[..., None], a, b)

    first, last = ((pick(a, c), pick(b, d)) for (a, b), (c, d) in ((new.first, old.first), (new.last, old.last)))
    return State(pick(new.z, old.z), first, last)
