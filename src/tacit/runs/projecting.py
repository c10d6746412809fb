"""Projection: the latents whose decoded samples are nearest to given ones, found by descent."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tacit.data.dataset import Data
from tacit.errors import CapabilityError, at_least
from tacit.functional.relaxed import hardened
from tacit.protocol import Spec
from tacit.runs.latents import draw, gaussian_dimensions
from tacit.runs.run import Run

__all__ = ["DRAWS", "STEPS", "Projection", "project", "rounds"]

STEPS, DRAWS, LR = 300, 512, 0.1
BATCH, VALUES = 64, 2**22  # targets that are projected at a time, and values of samples that are decoded at a time
SLACK = 3.0  # how far beyond the radius sqrt(d) latents may go: about four standard deviations of a draw's norm
TINY = 1e-12
SURE = 0.9  # what a relaxed code gives at first to the category that was drawn


@dataclass(frozen=True)
class Projection:
    """Latents, and how near to the targets they lead.

    Arguments:
        z: Shape (N, d).
        x: Their samples, shape (N, *spec.shape).
        error: Mean squared error per value, shape (N,).
        drawn: The same of the draw that each began with, shape (N,).
    """

    z: Tensor
    x: Tensor
    error: Tensor
    drawn: Tensor

    def psnr(self, spec: Spec) -> tuple[Tensor, Tensor]:
        """Returns peak signal-to-noise ratios in dB, of the samples and of the draws, (N,) each."""
        low, high = spec.range or (0.0, 1.0)
        near, first = (10 * ((high - low) ** 2 / e.clamp_min(TINY)).log10() for e in (self.error, self.drawn))
        return near, first


def rounds(run: Run, count: int, steps: int) -> int:
    """Returns how often `project` calls `advance` for a number of targets."""
    return steps * math.ceil(count / together(run))


def together(run: Run) -> int:
    """Returns how many targets are projected at a time."""
    return max(1, min(BATCH, VALUES // run.spec.size))


def project(
    run: Run,
    data: Data,
    *,
    steps: int = STEPS,
    draws: int = DRAWS,
    features: Run | None = None,
    seed: int = 0,
    advance: Callable[[int], None] = lambda _: None,
) -> Projection:
    """Finds latents whose samples are nearest to given ones.

    Each begins with the best of some draws from the prior, and goes down by Adam, its learning rate falling from 0.1
    to 0 as half a cosine; of all that was passed the best is kept. The Gaussian dimensions stay within a ball of radius
    sqrt(d) + 3, in which nearly all draws lie, and uniform ones between -1 and 1. One-hot codes are relaxed by a
    softmax during the first half of the steps, then hardened and held, unless what was drawn is better. Targets do not
    touch one another.

    Arguments:
        run: A run that draws latents and decodes them, with gradients.
        data: The targets, as the run's root takes them.
        steps: Of descent; 0 leaves the best draws.
        draws: From the prior.
        features: A run that encodes: distances in what it makes of samples are added to those between values, each
            in units of what it is at the beginning.
        seed: Of the draws.
        advance: Called with 1 after each step of each batch of targets, `rounds` times.

    References:
        Abdal, Qin & Wonka 2019, arXiv:1904.03189 (projection by descent). Karras et al. 2020, arXiv:1912.04958,
        appendix D (from the middle of many draws).

    Raises:
        CapabilityError: If the run does not draw latents, or its `decode` passes no gradients.
        OptionError: If a number is too small.
    """
    gaussian = gaussian_dimensions(run)
    at_least(0, steps=steps)
    at_least(1, draws=draws)
    if features is not None:
        features.chain.check("Encodes", features.method_name)
    z = draw(run, draws, seed=seed).to(run.device)
    one_hot, uniform = getattr(run.method, "one_hot", ()), getattr(run.method, "uniform", 0)
    search = Search(run, features, z, gaussian, one_hot, uniform, steps, advance)
    parts = [search(data.batch(i, device=run.device).x) for i in torch.arange(len(data)).split(together(run))]
    return Projection(*(torch.cat(column) for column in zip(*parts, strict=True)))


@dataclass(frozen=True)
class Search:
    """The descent of one batch of targets.

    Arguments:
        run: The run.
        features: The run in whose features distances are taken, too; or None.
        drawn: Draws from the prior, shape (n, d).
        gaussian: Number of leading Gaussian dimensions.
        widths: Of the one-hot codes behind them.
        uniform: Number of the last dimensions, which are uniform in [-1, 1].
        steps: Of descent.
        advance: Called with 1 after each step.
    """

    run: Run
    features: Run | None
    drawn: Tensor
    gaussian: int
    widths: Sequence[int]
    uniform: int
    steps: int
    advance: Callable[[int], None]

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Returns latents, samples, errors, and errors of the draws, of targets, shape (N, *spec.shape)."""
        seen = self.seen(x)
        start, scales = self.nearest(seen)
        z, least = start, torch.full_like(scales[0], torch.inf)
        u = self.freed(start).requires_grad_()
        optimiser = torch.optim.Adam([u], lr=LR)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, self.steps))
        for step in range(self.steps):
            soft = bool(self.widths) and step < self.steps // 2
            losses = self.losses(self.latents(u, soft), seen, scales)  # (N,)
            if not losses.requires_grad:
                raise CapabilityError(f"{self.run.title} passes no gradients from samples to latents; take --steps 0 "
                                      "for the nearest of the draws")
            (u.grad,) = torch.autograd.grad(losses.sum(), u)
            if not soft:
                z, least = better(z, least, self.latents(u), losses)
            optimiser.step()
            schedule.step()
            self.hold(u)
            self.advance(1)
        with torch.no_grad():
            for last in (self.latents(u), start):
                z, least = better(z, least, last, self.losses(last, seen, scales))
            made, first = self.run.chain.decode(z), self.run.chain.decode(start)
        return z.cpu(), made.cpu(), squared(made, x).cpu(), squared(first, x).cpu()

    def seen(self, x: Tensor) -> list[Tensor]:
        """Returns in what samples are compared: their values, and features where a run is named; (N, D) each."""
        values = x.flatten(1).float()
        return [values] if self.features is None else [values, self.features.chain.encode(x).flatten(1)]

    @torch.no_grad()
    def nearest(self, seen: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Returns the draw nearest to each target, shape (N, d), and its squared distances, (N,) for each in `seen`."""
        made = [self.seen(self.run.chain.decode(z)) for z in self.drawn.split(together(self.run))]
        sides = zip(seen, zip(*made, strict=True), strict=True)
        apart = [torch.cat([torch.cdist(a, b).square() for b in parts], 1) for a, parts in sides]  # (N, n) each
        chosen = torch.stack([d / d.mean(1, keepdim=True).clamp_min(TINY) for d in apart]).sum(0).argmin(1)
        return self.drawn[chosen], [d.gather(1, chosen[:, None])[:, 0].clamp_min(TINY) for d in apart]

    def losses(self, z: Tensor, seen: list[Tensor], scales: list[Tensor]) -> Tensor:
        """Returns the distances of the samples of latents to the targets, each in units of its scale, summed; (N,)."""
        made = self.seen(self.run.chain.decode(z))
        return torch.stack([(a - b).square().sum(1) / s for a, b, s in zip(made, seen, scales, strict=True)]).sum(0)

    def freed(self, z: Tensor) -> Tensor:
        """Returns what is moved, (N, d): latents, with logits in place of one-hot codes."""
        u = z.clone()
        at = self.gaussian
        for width in self.widths:
            rest = (1 - SURE) / max(1, width - 1)
            code = rest + (SURE - rest) * z[:, at : at + width]  # (N, width)
            u[:, at : at + width] = code.logit() if width == 1 else code.log()
            at += width
        return u

    def latents(self, u: Tensor, soft: bool = False) -> Tensor:
        """Returns the latents that are meant, (N, d), with codes one-hot, or soft."""
        if not self.widths:
            return u
        rest = u.shape[1] - self.gaussian - sum(self.widths)
        free, *codes, last = u.split([self.gaussian, *self.widths, rest], 1)
        turn = relaxed if soft else hard
        return torch.cat([free, *map(turn, codes), last], 1)

    @torch.no_grad()
    def hold(self, u: Tensor) -> None:
        """Brings Gaussian dimensions back to the ball, and uniform ones to where they are drawn."""
        u[:, u.shape[1] - self.uniform :].clamp_(-1, 1)
        free = u[:, : self.gaussian]
        free *= ((math.sqrt(self.gaussian) + SLACK) / free.norm(dim=1, keepdim=True).clamp_min(TINY)).clamp_max(1)


def relaxed(u: Tensor) -> Tensor:
    """Returns the probabilities of logits, (N, width), of which a single one is binary."""
    return u.sigmoid() if u.shape[1] == 1 else u.softmax(1)


def hard(u: Tensor) -> Tensor:
    """Returns the likeliest code, (N, width), of logits."""
    return (u > 0).to(u) if u.shape[1] == 1 else hardened(u)


def better(z: Tensor, least: Tensor, other: Tensor, losses: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the better of two latents for each target, (N, d), and its loss, (N,)."""
    wins = losses.detach() < least
    return torch.where(wins[:, None], other.detach(), z), torch.where(wins, losses.detach(), least)


def squared(a: Tensor, b: Tensor) -> Tensor:
    """Returns the mean squared error per value of each sample, shape (N,)."""
    return (a - b).flatten(1).square().mean(1)
