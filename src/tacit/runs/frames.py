"""Games of numbers while they are played: frames for a picture and an animation, kept with the run."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import normalize

from tacit.data.dataset import Data
from tacit.functional.draws import some
from tacit.pictures.game import Frame, Scene, still
from tacit.protocol import Chain, capabilities
from tacit.runs.folder import write_atomically
from tacit.runs.monitor import milestone

__all__ = ["FRAMES", "Frames", "Stage", "read_frames", "recorded", "watchable"]

FRAMES = "game.safetensors"  # in a run's folder of samples
MOST = 72  # frames that are kept
PLACES = 301  # on the axis of x
DRAWN = 2_048  # samples that a density is taken of
ARROWS = 40


def watchable(chain: Chain) -> bool:
    """Returns whether a chain plays a game of one number, from Gaussian noise."""
    able = {"Samples", "Decodes", "Prior", "Discriminates"} <= capabilities(chain)
    return able and chain.spec.kind == "vector" and chain.spec.size == 1 and chain.method.gaussian > 0


def recorded(step: int) -> bool:
    """Returns whether a step gets a frame: the squares, at first of all numbers, later of every second, fourth, ...

    So most frames are of the beginning, where most happens. Whenever the stride doubles, every other frame that was
    recorded before is dropped; 36 to 72 are kept of a game of any length, and which they are depends on its steps only.

    Example:
        >>> [step for step in range(50) if recorded(step)]
        [1, 4, 9, 16, 25, 36, 49]
        >>> recorded(72**2), recorded(73**2), recorded(74**2)
        (True, False, True)
    """
    root = math.isqrt(step)
    return step > 0 and root**2 == step and root % stride(root) == 0


def stride(root: int) -> int:
    """Returns the power of two of which the roots of steps are multiples, so that there are at most 72 of them."""
    return 1 << max(0, math.ceil(math.log2(max(root, 1) / MOST)))


class Stage:
    """The axis on which a game of numbers is watched.

    Arguments:
        chain: The method, and its parents.
        data: The root's data.
        seed: Of the noise, which is the same all along.
    """

    def __init__(self, chain: Chain, data: Data, *, seed: int = 0) -> None:
        self.chain, self.seed = chain, seed
        self.gaussian: int = chain.method.gaussian
        x = data.batch(some(torch.arange(len(data)), DRAWN, seed)).x.flatten().double()
        margin = 0.15 * float(x.max() - x.min()) or 1.0
        self.places = torch.linspace(float(x.min()) - margin, float(x.max()) + margin, PLACES, dtype=torch.float64)
        self.bandwidth = bandwidth(x) or 0.01 * margin
        words = "arrows from z to x = G(z)"
        if self.gaussian > 1:
            words += f", z along the direction in its {self.gaussian} dimensions that best orders x"
        self.odds: bool = getattr(chain.method, "log_odds", True)
        self.scene = Scene(self.places, density(x, self.places, self.bandwidth), words, ARROWS, self.odds)

    @torch.no_grad()
    def frame(self, step: int) -> Frame:
        """Returns the game as it stands, after some step."""
        device = self.chain.method.device
        self.chain.to(device)
        z = self.chain.prior(DRAWN, generator=torch.Generator(device).manual_seed(self.seed))  # (N, d)
        x = self.chain.decode(z).flatten()
        direction = ordering(z[:, : self.gaussian], x)
        level, arrows = spread_along(direction, z[:ARROWS])
        logits = self.chain.discriminate(self.places[:, None].to(z))
        judged = logits.sigmoid() if self.odds else between_ends(logits)
        return Frame(step, density(x.double().cpu(), self.places, self.bandwidth), judged.double().cpu(),
                     level.double().cpu(), self.chain.decode(arrows).flatten().double().cpu())


def between_ends(scores: Tensor) -> Tensor:
    """Returns scores, shape (M,), between 0 for the least and 1 for the greatest of them."""
    least, most = scores.aminmax()
    return (scores - least) / (most - least).clamp_min(torch.finfo(scores.dtype).tiny)


def ordering(z: Tensor, x: Tensor) -> Tensor:
    """Returns the direction, of length 1, along which Gaussian latents (N, d) go best with the rank of x (N,)."""
    if z.shape[1] == 1:
        return z.new_ones(1)
    rank = x.argsort().argsort().to(z)
    slope = z.T @ (rank - rank.mean())  # that of a regression, but for its length, since z is white
    return normalize(slope, dim=0)


def spread_along(direction: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Spreads latents evenly along a direction: they remain draws of the prior, but stratified.

    Arguments:
        direction: Of length 1, among the Gaussian dimensions, which come first, shape (g,).
        z: Latents, shape (A, d).

    Returns:
        How far each lies along the direction, rising, shape (A,), and the latents, shape (A, d).
    """
    count, size = len(z), len(direction)
    level = torch.special.ndtri((torch.arange(count, device=z.device) + 0.5) / count).to(z)  # mid-quantiles of N(0, 1)
    free = z[:, :size]
    across = free - (free @ direction)[:, None] * direction
    return level, torch.cat([across + level[:, None] * direction, z[:, size:]], 1)


def bandwidth(x: Tensor) -> float:
    """Returns the width of the kernel for a density: half of Silverman's, which smooths several modes away."""
    spread = torch.quantile(x, 0.75) - torch.quantile(x, 0.25)
    return 0.45 * min(float(x.std()), float(spread) / 1.34) / math.pow(len(x), 0.2)


def density(x: Tensor, places: Tensor, width: float) -> Tensor:
    """Returns the density of numbers at some places by a Gaussian kernel, shape (M,).

    Arguments:
        x: The numbers, shape (N,).
        places: Where, shape (M,).
        width: The kernel's standard deviation.
    """
    table = torch.exp(-0.5 * ((places[:, None] - x[None]) / width).square())  # (M, N)
    return table.mean(1) / (width * math.sqrt(2 * math.pi))


class Frames:
    """Records a game of numbers, and draws it at the steps 100, 200, 500, 1000, ...

    Arguments:
        chain: The method that trains, and its parents.
        data: The root's data.
        folder: Where to.
        title: Headline of the pictures.
        seed: Of the noise.
    """

    def __init__(self, chain: Chain, data: Data, folder: Path, *, title: str, seed: int = 0) -> None:
        self.folder, self.title = folder, title
        self.stage = Stage(chain, data, seed=seed) if watchable(chain) else None

    def due(self, step: int) -> bool:
        """Returns whether there is a frame to record or a picture to draw."""
        return self.stage is not None and (recorded(step) or milestone(step))

    def __call__(self, step: int) -> None:
        """Looks, if it is time; the caller sees to evaluation mode, averaged weights and random state."""
        if self.stage is None or not self.due(step):
            return
        frame = self.stage.frame(step)
        if recorded(step):
            every = stride(math.isqrt(step))
            kept = [f for f in read_frames(self.folder, before=step) if math.isqrt(f.step) % every == 0]
            write_frames(self.folder, [*kept, frame])
        if milestone(step):
            still(self.stage.scene, frame, self.folder / f"{step:06d}.png", title=self.title)


def write_frames(folder: Path, frames: list[Frame]) -> None:
    """Writes frames whole."""
    folder.mkdir(exist_ok=True)
    parts = {name: torch.stack([getattr(f, name) for f in frames]) for name in ("made", "judged", "z", "x")}
    with write_atomically(folder / FRAMES) as temporary:
        save_file(parts | {"step": torch.tensor([f.step for f in frames])}, temporary)


def read_frames(folder: Path, before: int) -> list[Frame]:
    """Returns the frames of the steps before some step; none where none were recorded."""
    if not (folder / FRAMES).is_file():
        return []
    found = load_file(folder / FRAMES)
    frames = [
        Frame(int(step), *parts)
        for step, *parts in zip(*(found[name] for name in ("step", "made", "judged", "z", "x")), strict=True)
    ]
    return [frame for frame in frames if frame.step < before]
