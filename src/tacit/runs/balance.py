"""Whether a game is in balance while it is played: who is winning, and what the samples are worth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pdist

from tacit.data.dataset import Data
from tacit.functional.draws import some
from tacit.functional.sets import precision_recall
from tacit.functional.shrinking import shrunk
from tacit.protocol import Chain, capabilities
from tacit.runs.log import add_line, read_lines
from tacit.runs.monitor import milestone

__all__ = ["QUALITY", "Balance"]

MADE = 256  # samples looked at, against as many training samples
TOGETHER = 64  # made at once
SIDE = 16  # of the images whose pixels are compared
NEIGHBOURS = 3
LEAST = 8  # training samples below which there is nothing to compare with
EARLY = 1_000  # steps before which nobody is warned: of an untrained generator all samples are alike
QUALITY = ("precision", "recall", "diversity")
GAME = ("accuracy_real", "accuracy_fake", "logit_gap")  # what a discriminator's turn logs

CERTAIN = 0.98  # accuracy, on data and on samples, from which the discriminator knows both
WIDE = 8.0  # logit gap, where it does not fall, from which the discriminator has won: odds of 55 to 1 for each side
SPENT = 0.01  # share of the generator's greatest gradient norm below which nothing is left to learn from
FEW = 0.02  # recall up to which samples cover hardly any of the data ...
PASSABLE = 0.5  # ... although so many of them lie among the data
ALIKE = 0.3  # mean distance between samples, as a share of that between data, below which they are nearly alike


class Balance:
    """Looks at a game and at a few samples of it at the steps 100, 200, 500, 1000, 2000, 5000, ...

    Each time it says a line, adds it to ``balance.jsonl``, and warns where the discriminator has won or where the
    samples are nearly alike. What the players say of themselves it takes from ``metrics.jsonl``; of a method that logs
    no accuracy it looks at the samples only, and of one that draws no samples at the players only.

    Arguments:
        chain: The method that trains, and its parents.
        data: The root's data.
        folder: The run's.
        seed: Of the samples.
        say: Takes a line for a person.
    """

    def __init__(self, chain: Chain, data: Data, folder: Path, *, seed: int = 0, say: Callable[[str], None]) -> None:
        self.chain, self.data, self.folder, self.seed, self.say = chain, data, folder, seed, say
        self.path = folder / "balance.jsonl"
        self.reference = some(data.training, MADE, seed)
        samples = {"Samples", "Discriminates"} <= capabilities(chain)
        self.draws = samples and not chain.spec.codes and len(self.reference) >= LEAST
        self.plays = any(name.startswith("discriminator") for name in chain.method.players())

    def due(self, step: int) -> bool:
        """Returns whether to look at a step: at 1, 2 and 5 times the powers of ten from 100 on."""
        return (self.draws or self.plays) and milestone(step)

    @torch.no_grad()
    def __call__(self, step: int) -> None:
        """Looks, if it is time; the caller sees to evaluation mode, averaged weights and random state."""
        if not self.due(step):
            return
        looks = [line for line in read_lines(self.path) if line["step"] < step]
        since = looks[-1]["step"] if looks else 0
        logged = read_lines(self.folder / "metrics.jsonl")
        game = played(line for line in logged if since < line["step"] <= step)
        made = self.samples(len(self.reference)) if self.draws else None
        if made is not None and not made.isfinite().all():
            self.say(f"step {step:,}: warning: some samples are not finite")
            return
        worth = {} if made is None else quality(compared(self.data.batch(self.reference).x), compared(made))
        found = {"step": step, **game, **worth}
        if len(found) == 1:
            return
        add_line(self.path, found)
        self.say(in_words(found))
        if step >= EARLY:
            for warning in warnings(found, looks):
                self.say(f"warning: {warning}")

    def samples(self, count: int) -> Tensor:
        """Returns samples on the CPU, shape (count, ...), the same noise at each look."""
        device = self.chain.method.device
        self.chain.to(device)
        generator = torch.Generator(device).manual_seed(self.seed)
        sizes = [min(TOGETHER, count - start) for start in range(0, count, TOGETHER)]
        return torch.cat([self.chain.sample(size, generator=generator).cpu() for size in sizes])


def compared(x: Tensor) -> Tensor:
    """Returns what of samples is compared, shape (N, D): pixels averaged to at most 16 x 16, or all values."""
    if x.dim() == 4:
        x = shrunk(x, SIDE)
    return x.flatten(1).float()


def quality(real: Tensor, made: Tensor) -> dict[str, float]:
    """Returns precision and recall of samples, and the mean distance between them over that between data.

    Arguments:
        real: What is compared of data, shape (N, D).
        made: What is compared of samples, shape (N, D).
    """
    precise, recalled = precision_recall(real, made, min(NEIGHBOURS, len(real) - 1))
    spread = float(pdist(real).mean())
    return {
        "precision": round(float(precise.float().mean()), 4),
        "recall": round(float(recalled.float().mean()), 4),
        "diversity": round(float(pdist(made).mean()) / spread if spread else 1.0, 4),
    }


def played(lines: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Returns the means of what players have logged of their game; of terms that nobody logged, nothing.

    Those who judge have the accuracies among their terms; the gradient norm is that of the others.
    """
    lines = list(lines)
    judges = {key.rpartition("/")[0] for line in lines for key in line if key.endswith(f"/{GAME[0]}")}
    found = {}
    for name in GAME:
        values = finite(line.get(f"{judge}/{name}") for line in lines for judge in judges)
        if values:
            found[name] = round(sum(values) / len(values), 4)
    norms = finite(v for line in lines for k, v in line.items() if k.endswith("/norm") and k[:-5] not in judges)
    if judges and norms:
        found["generator_norm"] = float(f"{sum(norms) / len(norms):.4g}")
    return found


def finite(values: Iterable[Any]) -> list[float]:
    """Returns the values that are finite numbers."""
    return [v for v in values if isinstance(v, (int, float)) and math.isfinite(v)]


def in_words(found: Mapping[str, Any]) -> str:
    """Returns a look as a sentence."""
    parts = []
    if {"accuracy_real", "accuracy_fake"} <= found.keys():
        gap = f", logit gap {found['logit_gap']:.1f}" if "logit_gap" in found else ""
        parts.append(f"D is right on {100 * found['accuracy_real']:.0f} % of data and "
                     f"{100 * found['accuracy_fake']:.0f} % of samples{gap}")
    if "recall" in found:
        parts.append(f"of a few samples, roughly: precision {100 * found['precision']:.0f} %, recall "
                     f"{100 * found['recall']:.0f} %, diversity {found['diversity']:.2f} of the data's")
    return f"step {found['step']:,}: {'; '.join(parts)}"


def warnings(found: Mapping[str, Any], before: list[dict[str, Any]]) -> list[str]:
    """Returns what a person should know, with the usual mend; most often nothing.

    Arguments:
        found: The last look.
        before: The looks before it.
    """
    said = []
    if won(found, before):
        said.append("the discriminator has won: it tells data and samples apart nearly always; try "
                    "a lower --lr, a method with a penalised discriminator as r3gan or wgan-gp, or --augment ada for "
                    "few data")
    if before and collapsed(found) and collapsed(before[-1]):
        said.append("modes have collapsed: the samples are nearly alike, or cover few of the data's kinds; try a lower "
                    "--lr, a larger --batch, or a method with a penalised discriminator as r3gan or wgan-gp")
    return said


def won(found: Mapping[str, Any], before: list[dict[str, Any]]) -> bool:
    """Returns whether the discriminator is sure of everything, and its lead grows or leaves no gradient."""
    if min(found.get("accuracy_real", 0.0), found.get("accuracy_fake", 0.0)) < CERTAIN:
        return False
    gap, earlier = found.get("logit_gap", 0.0), [line["logit_gap"] for line in before if "logit_gap" in line]
    norms = [line["generator_norm"] for line in before if "generator_norm" in line]
    vanished: bool = found.get("generator_norm", math.inf) <= SPENT * max(norms, default=0.0)
    leads: bool = gap >= WIDE and gap >= max(earlier[-1:], default=0.0)
    return vanished or leads


def collapsed(found: Mapping[str, Any]) -> bool:
    """Returns whether samples are nearly alike, or lie among the data but cover hardly any of it."""
    if "recall" not in found:
        return False
    return bool(found["diversity"] < ALIKE or found["recall"] <= FEW and found["precision"] >= PASSABLE)
