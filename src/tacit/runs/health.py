"""Whether a representation is learned while a method trains, which its loss alone does not tell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tacit.data.dataset import Data
from tacit.functional.draws import some
from tacit.functional.neighbours import voted
from tacit.functional.spread import effective_rank, feature_deviation
from tacit.protocol import Chain, capabilities
from tacit.runs.log import add_line
from tacit.runs.monitor import milestone

__all__ = ["Health", "knn_accuracy"]

TRAINING, HELD_OUT = 512, 256  # samples looked at
TOGETHER = 128  # encoded at once
EARLY = 100  # steps before which nobody is warned: an untrained net may look collapsed
NARROW = 1.5  # effective rank up to which features have collapsed
STILL = 0.01  # feature deviation, as a share of its greatest value 1 / sqrt(D), up to which they have


class Health:
    """Looks at the features of a few samples at the steps 10, 100, 200, 500, 1000, 2000, 5000, ...

    Each time it says a line, adds it to ``health.jsonl``, and warns if the features have collapsed. Labels, where the
    data have any, are looked at and never learned from.

    Arguments:
        chain: The method that trains, and its parents.
        data: The root's data.
        folder: The run's.
        seed: Of the samples.
        say: Takes a line for a person.
    """

    def __init__(self, chain: Chain, data: Data, folder: Path, *, seed: int = 0, say: Callable[[str], None]) -> None:
        self.chain, self.data, self.path, self.say = chain, data, folder / "health.jsonl", say
        self.encodes = "Encodes" in capabilities(chain)
        self.reference, self.held_out = some(data.training, TRAINING, seed), some(data.testing, HELD_OUT, seed)

    def due(self, step: int) -> bool:
        """Returns whether to look at a step: at 10, and at 1, 2 and 5 times the powers of ten from 100 on."""
        return self.encodes and (step == 10 or milestone(step))

    @torch.no_grad()
    def __call__(self, step: int) -> None:
        """Looks, if it is time; the caller sees to evaluation mode, averaged weights and random state."""
        if not self.due(step):
            return
        z = self.features(self.reference)  # (N, D)
        if not z.isfinite().all():
            self.say(f"step {step:,}: warning: some features are not finite")
            return
        found = {"step": step, **self.look(z)}
        add_line(self.path, found)
        most = min(z.shape[1], len(z) - 1)
        self.say(in_words(found, most))
        if step >= EARLY and most > 1 and collapsed(found, z.shape[1]):
            self.say("warning: the features have collapsed, they hardly tell one sample from another; try a lower "
                     "--lr or a larger --batch")

    def look(self, z: Tensor) -> dict[str, float]:
        """Returns what there is to say of the reference samples' features, shape (N, D)."""
        found = {
            "effective_rank": round(float(effective_rank(z - z.mean(0))), 2),
            "feature_deviation": round(float(feature_deviation(z)), 5),
        }
        label = self.data.label
        if label is None or not len(self.held_out):
            return found
        accuracy = knn_accuracy(self.features(self.held_out), label[self.held_out], z, label[self.reference])
        return found if accuracy is None else {**found, "knn": round(accuracy, 4)}

    def features(self, positions: Tensor) -> Tensor:
        """Returns the features of the samples at some positions as vectors on the CPU, shape (N, D)."""
        device = self.chain.method.device
        self.chain.to(device)
        batches = [self.data.batch(part, device=device).x for part in positions.split(TOGETHER)]
        return torch.cat([self.chain.encode(x).flatten(1).float().cpu() for x in batches])


def in_words(found: dict[str, Any], most: int) -> str:
    """Returns a look as a sentence; `most` is the greatest effective rank that there can be."""
    knn = f"kNN {100 * found['knn']:.1f} %, " if "knn" in found else ""
    return (f"step {found['step']:,}: {knn}effective rank {found['effective_rank']:.1f} of {most}, "
            f"feature deviation {found['feature_deviation']:.3g}")


def collapsed(found: dict[str, Any], size: int) -> bool:
    """Returns whether features of `size` dimensions lie on a line, or all point the same way."""
    return bool(found["effective_rank"] <= NARROW or found["feature_deviation"] <= STILL * size**-0.5)


def knn_accuracy(x: Tensor, label: Tensor, reference: Tensor, known: Tensor) -> float | None:
    """Returns how often the vote of the nearest references, by cosine, names the class of a sample.

    Arguments:
        x: Features of the samples, shape (N, D).
        label: Their classes, int64 (N,); -1 for none.
        reference: Features of the references, shape (M, D).
        known: Their classes, int64 (M,); -1 for none.

    Returns:
        A share in [0, 1]; None where nobody can vote or nothing is to be named.
    """
    x, label, reference, known = x[label >= 0], label[label >= 0], reference[known >= 0], known[known >= 0]
    if not len(x) or not len(reference):
        return None
    return float((voted(x, reference, known) == label).float().mean())
