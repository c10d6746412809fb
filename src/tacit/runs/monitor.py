"""What a person can watch while a method trains: what it makes of the same noise and the same images all along."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from tacit.data.dataset import Data
from tacit.pictures.grid import grid, pairs, save
from tacit.protocol import Chain, capabilities
from tacit.runs.counterparts import shown_both_ways

__all__ = ["Monitor", "milestone"]

SHOWN = 32
TRANSLATED = 8  # of each domain


class Monitor:
    """Draws what a chain makes, at the steps 0, 100, 200, 500, 1000, 2000, 5000, ...

    Arguments:
        chain: The method that trains, and its parents.
        data: The root's data.
        folder: Where to.
        seed: Of the noise and of the samples that are reconstructed.
    """

    def __init__(self, chain: Chain, data: Data, folder: Path, *, seed: int = 0) -> None:
        self.chain, self.folder, self.seed = chain, folder, seed
        able = capabilities(chain)
        self.draws = chain.spec.kind == "image"
        self.samples, self.reconstructs = "Samples" in able, "Reconstructs" in able
        self.data, self.translates = data, "Translates" in able
        shown = (data.testing if len(data.testing) >= SHOWN else torch.arange(len(data)))[:SHOWN]
        self.x = data.batch(shown).x if self.draws and self.reconstructs else None

    def due(self, step: int) -> bool:
        """Returns whether to draw at a step: at 1, 2 and 5 times the powers of ten from 100 on."""
        return self.draws and milestone(step)

    @torch.no_grad()
    def __call__(self, step: int) -> None:
        """Draws, if it is time; the caller sees to evaluation mode, averaged weights and random state."""
        if not self.due(step):
            return
        self.folder.mkdir(exist_ok=True)
        device = self.chain.method.device
        self.chain.to(device)
        if self.samples:
            made = self.chain.sample(SHOWN, generator=torch.Generator(device).manual_seed(self.seed))
            save(grid(made.cpu()), self.folder / f"{step:06d}.png")
        if self.x is not None:
            restored = self.chain.reconstruct(self.x.to(device)).cpu()
            save(pairs(self.x, restored), self.folder / f"{step:06d}-reconstructions.png")
        if self.translates:
            picture = shown_both_ways(self.translate, self.data, TRANSLATED, self.seed)
            save(picture, self.folder / f"{step:06d}-translations.png")

    def translate(self, x: Tensor, *, to: str | None = None) -> Tensor:
        """Returns images in the other domain, on the CPU."""
        result: Tensor = self.chain.translate(x.to(self.chain.method.device), to=to)
        return result.cpu()


def milestone(step: int) -> bool:
    """Returns whether a step is 1, 2 or 5 times a power of ten, from 100 on.

    Example:
        >>> [step for step in range(5_001) if milestone(step)]
        [100, 200, 500, 1000, 2000, 5000]
    """
    return step >= 100 and str(step).rstrip("0") in {"1", "2", "5"}
