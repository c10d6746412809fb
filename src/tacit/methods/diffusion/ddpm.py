"""The denoising diffusion probabilistic model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import mse_loss

from tacit.errors import OptionError
from tacit.functional import rows, schedules
from tacit.functional.noise import normal
from tacit.functional.samplers import Sampler, ancestral, ddim, heun
from tacit.functional.schedules import Variance
from tacit.functional.variational import diffusion_bound
from tacit.nets.denoisers import denoiser as denoiser_for
from tacit.protocol import Batch, Bound, Loss, Method, Optim, Recipe, Spec

__all__ = ["DDPM"]

LOUDEST = 80.0  # noise level from which no data are told apart, where Heun's method starts (Karras et al. 2022)
CHURN = 8.0
STEPS = {"heun": 20, "ddim": 50}  # by default; `ancestral` takes every timestep


class DDPM(Method):
    """Denoising diffusion: a net learns to take noise away, and makes samples of nothing but noise.

    Images are brought to [-1, 1], and there the denoised ones are held; vectors and maps are taken as they are.

    References:
        Ho et al. 2020, arXiv:2006.11239. Nichol & Dhariwal 2021, arXiv:2102.09672 (cosine). Song, Meng & Ermon 2020,
        arXiv:2010.02502 (DDIM). Karras et al. 2022, arXiv:2206.00364 (Heun). Salimans & Ho 2022, arXiv:2202.00512 (v).

    Arguments:
        spec: What one sample is.
        timesteps: T, the steps of the diffusion, at least 2.
        beta_schedule: How the noise grows.
        prediction: What the net tells: the noise eps, the sample x0, or v = sqrt(abar) eps - sqrt(1 - abar) x0; auto
            is eps where the data have a range, else v, whose errors no noise level magnifies.
        variance: Of a step back, for ancestral samples and the bound: small is right for a single point, large for
            N(0, I).
        width: Channels of the U-Net's first level, or units of each layer of an mlp; by default 32 or 256.
        multiples: Of those channels, for each level of the U-Net.
        depth: Residual blocks of each level; without levels there are four times as many.
        denoiser: Your own module, (N, *shape) and times (N,) from 0 to T - 1 to (N, *shape).

    Raises:
        OptionError: If there are less than 2 timesteps.
    """

    accepts = ("image", "map", "vector", "table")
    discrete = False
    sigmas: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        timesteps: int = 1000,
        beta_schedule: Literal["linear", "cosine"] = "linear",
        prediction: Literal["auto", "eps", "x0", "v"] = "auto",
        variance: Variance = "small",
        width: int | None = None,
        multiples: tuple[int, ...] = (1, 2, 2),
        depth: int = 1,
        denoiser: nn.Module | None = None,
    ) -> None:
        super().__init__(spec)
        if timesteps < 2:
            raise OptionError(f"--timesteps is {timesteps}; it must be at least 2")
        betas = schedules.linear_betas if beta_schedule == "linear" else schedules.cosine_betas
        sigmas = schedules.noise_levels(schedules.alpha_bars(betas(timesteps)))
        self.register_buffer("sigmas", sigmas.float(), persistent=False)
        self.timesteps, self.variance = timesteps, variance
        self.prediction = prediction if prediction != "auto" else "v" if spec.range is None else "eps"
        self.net = denoiser or denoiser_for(spec, width=width, multiples=multiples, depth=depth)

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields equation 14, the mean square error of what the net tells, at a random time for each sample."""
        x_0 = self.inward(batch.x)
        t = torch.randint(self.timesteps, (len(x_0),), device=x_0.device)
        eps = torch.randn_like(x_0)
        signal, noise = self.shares(self.sigmas[t].view(-1, *[1] * (x_0.dim() - 1)))  # (N, 1, ...)
        told = self.net(signal * x_0 + noise * eps, t.to(x_0.dtype))
        target = {"eps": eps, "x0": x_0, "v": signal * eps - noise * x_0}[self.prediction]
        yield Loss("model", mse_loss(told.to(target.dtype), target))

    def recipe(self) -> Recipe:
        """Returns how it likes to be trained: with averaged weights, without which samples are poor."""
        optim = Optim(lr=1e-3, schedule="cosine", warmup=200)
        batch = 32 if len(self.spec.shape) == 3 else 256  # images say more each, and cost more
        return Recipe(batch=batch, steps=10_000, ema=0.999, clip=1.0, optim={"model": optim})

    def inward(self, x: Tensor) -> Tensor:
        """Returns data as the diffusion has them: those with a range in [-1, 1]."""
        if self.spec.range is None:
            return x
        low, high = self.spec.range
        return (x - low) * (2 / (high - low)) - 1

    def outward(self, x: Tensor) -> Tensor:
        """Returns what `inward` was given; rows of a table with the category and mark that are nearest."""
        if self.spec.kind == "table":
            layout = rows.Layout.of(self.spec.columns, self.spec.size)
            marks = torch.zeros_like(x[0]).index_fill_(0, rows.at(layout.flags, x.device), 0.5)
            return rows.hardened(x - marks, layout)
        if self.spec.range is None:
            return x
        low, high = self.spec.range
        return low + (x.clamp(-1, 1) + 1) * ((high - low) / 2)

    def shares(self, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """Returns sqrt(abar) and sqrt(1 - abar) of a noise level, by which x_t is made of x_0 and noise."""
        signal = (1 + sigma.square()).rsqrt()
        return signal, sigma * signal

    def time(self, sigma: Tensor) -> Tensor:
        """Returns the time in [0, T - 1] at which the noise is `sigma`, between timesteps by its logarithm."""
        sigma = sigma.to(self.sigmas).contiguous()
        above: Tensor = torch.searchsorted(self.sigmas, sigma).clamp(1, self.timesteps - 1)
        low, high = self.sigmas[above - 1].log(), self.sigmas[above].log()
        return above - 1 + ((sigma.log() - low) / (high - low)).clamp(0, 1)

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Returns E[x_0 | x] of x = x_0 + sigma noise, held in [-1, 1] where the data have a range.

        Arguments:
            x: Shape (N, *spec.shape).
            sigma: Noise level, a scalar or of shape (N, 1, ...).
        """
        signal, noise = self.shares(sigma)
        x_t = signal * x
        told: Tensor = self.net(x_t.to(self.sigmas), self.time(sigma).flatten().expand(len(x))).to(x.dtype)
        match self.prediction:
            case "eps":
                x_0 = (x_t - noise * told) / signal
            case "x0":
                x_0 = told
            case "v":
                x_0 = signal * x_t - noise * told
        return x_0 if self.spec.range is None else x_0.clamp(-1, 1)

    def sample(
        self,
        n: int,
        *,
        sampler: Literal["heun", "ddim", "ancestral"] = "heun",
        steps: int | None = None,
        churn: float | None = None,
        generator: Generator | None = None,
    ) -> Tensor:
        """Returns n samples, shape (n, *spec.shape).

        Arguments:
            n: How many.
            sampler: heun, whose few steps cost two calls of the net each; ddim; or ancestral, the paper's own.
            steps: How many; by default 20, 50, or all the timesteps.
            churn: Noise that heun adds and takes away again over all steps: it corrects what the net gets wrong, and
                narrows the samples a little; by default 8 for data with a range, else 0.
            generator: Of all randomness.

        Raises:
            OptionError: If there are no steps, more than timesteps, or the churn is negative.
        """
        steps = min(STEPS.get(sampler, self.timesteps), self.timesteps) if steps is None else steps
        churn = churn if churn is not None else 0.0 if self.spec.range is None else CHURN
        if not 1 <= steps <= self.timesteps:
            raise OptionError(f"--steps is {steps}; it must be from 1 to {self.timesteps}, the timesteps")
        if churn < 0:
            raise OptionError(f"--churn is {churn:g}; it is not negative")
        levels = self.levels(sampler, steps)
        noise = normal(n, *self.spec.shape, device=self.device, generator=generator)
        x = (1 + levels[0].square()).sqrt() * noise  # x_T ~ N(0, I)
        samplers: dict[str, Sampler]
        samplers = {"heun": partial(heun, churn=churn), "ddim": ddim}
        samplers["ancestral"] = partial(ancestral, variance=self.variance)
        return self.outward(samplers[sampler](self.denoise, x, levels, generator=generator))

    def levels(self, sampler: str, steps: int) -> Tensor:
        """Returns a sampler's noise levels, falling to 0, shape (steps + 1,)."""
        if sampler == "heun":
            least, greatest = self.sigmas[[0, -1]].tolist()
            return schedules.karras_sigmas(steps, least, min(greatest, LOUDEST)).to(self.sigmas)
        return torch.cat([self.sigmas[schedules.spaced(self.timesteps, steps)], self.sigmas.new_zeros(1)])

    def log_prob(self, x: Tensor, *, terms: int = 20, generator: Generator | None = None) -> Tensor:
        """Returns a draw of the variational bound (equation 5), a density in the units of the data, in nats, (N,).

        The noise of the first timestep limits how dense it can be: see `diffusion_bound`.

        Arguments:
            x: Samples, shape (N, *spec.shape).
            terms: Of the T in the bound, how many are drawn for each sample.
            generator: Of the noise; without one, that of seed 0.

        Raises:
            OptionError: If there are no terms.
        """
        if terms < 1:
            raise OptionError(f"--terms is {terms}; it must be at least 1")
        generator = generator or torch.Generator().manual_seed(0)
        bound = diffusion_bound(self.denoise, self.inward(x), self.sigmas, variance=self.variance, terms=terms,
                                generator=generator)
        low, high = self.spec.range or (-1.0, 1.0)
        return bound + self.spec.size * math.log(2 / (high - low))

    def bound(self) -> Bound:
        """Returns ``lower``."""
        return "lower"
