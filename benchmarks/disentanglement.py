"""Whether pressing the total correlation disentangles: MIG on shapes against the plain VAE, in pairs of equal seeds.

``python -m benchmarks.disentanglement [--method beta-tcvae] [--seeds 5]`` prints a row for each seed as it is done,
then the interval of the difference. Both of a pair have the same net, likelihood, seed, samples per step of the VAE and
number of steps; the MIG is that of 5,000 shapes that neither has seen.
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats
import torch

import tacit
from benchmarks.pairs import machine
from tacit.data.dataset import Data
from tacit.evaluation.factors import grouped
from tacit.functional.disentanglement import mutual_information_gap
from tacit.runs.run import Run

TRAINED, UNSEEN, SIZE, STEPS, BATCH = 10_000, 5_000, 16, 3_000, 64
FIRST = 10  # seed: the settings were chosen by others
SHARED: dict[str, Any] = {"latent": 10, "likelihood": "gaussian", "sigma": 0.15, "net": "mlp", "width": 128}
PRESSED: dict[str, dict[str, Any]] = {
    "beta-tcvae": {"beta": 20.0, "batch": BATCH},
    "factor-vae": {"gamma": 20.0, "batch": 2 * BATCH},  # of which the VAE gets one half, and the discriminator both
}
LEVEL = 0.95


def unseen() -> Data:
    """Returns the shapes behind the first 10,000: sample i is the same whatever their number."""
    every = tacit.open_data("shapes", count=TRAINED + UNSEEN, size=SIZE, split="0")
    return every.take(torch.arange(TRAINED, TRAINED + UNSEEN))


def gaps(run: Run, data: Data) -> torch.Tensor:
    """Returns the information gap of each factor, shape (K,)."""
    levels = torch.stack([grouped(np.asarray(column)) for column in data.columns.values()], 1)
    return mutual_information_gap(run.encode(data), levels)


def fitted(method: str, seed: int, folder: Path, **options: Any) -> Run:
    """Returns a run on the first 10,000 shapes, all of which it learns from."""
    return tacit.fit(method, "shapes", count=TRAINED, size=SIZE, split="0", seed=seed, steps=STEPS, out=folder,
                     threads=torch.get_num_threads(), **SHARED, **options)  # fmt: skip


def interval(differences: list[float]) -> tuple[float, float, float]:
    """Returns the mean difference and the ends of its 95 % t interval."""
    mean, count = statistics.mean(differences), len(differences)
    reach = float(scipy.stats.t.ppf((1 + LEVEL) / 2, count - 1)) * statistics.stdev(differences) / count**0.5
    return mean, mean - reach, mean + reach


def run(method: str = "beta-tcvae", seeds: int = 5, keep: Path | None = None) -> tuple[float, float, float]:
    """Compares a method with the plain VAE, and prints the table.

    Arguments:
        method: One of `PRESSED`.
        seeds: Number of pairs, 2 or more.
        keep: Where the runs go; by default nowhere that lasts.
    """
    data, differences = unseen(), []
    print(f"| seed | vae | {method} | difference | gaps of {', '.join(data.columns)} |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for seed in range(FIRST, FIRST + seeds):
            folder = (keep or Path(scratch)) / f"{seed}"
            plain = float(gaps(fitted("vae", seed, folder / "vae", batch=BATCH), data).mean())
            found = gaps(fitted(method, seed, folder / method, **PRESSED[method]), data)
            differences.append(float(found.mean()) - plain)
            each = ", ".join(f"{value:.2f}" for value in found.tolist())
            print(f"| {seed} | {plain:.3f} | {float(found.mean()):.3f} | {differences[-1]:+.3f} | {each} |", flush=True)
    mean, low, high = interval(differences)
    print(f"\nMIG of {method} less that of vae: {mean:+.3f} [{low:+.3f}, {high:+.3f}] over {seeds} paired seeds; "
          f"{STEPS:,} steps; on {machine()}.")
    return mean, low, high


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", choices=PRESSED, default="beta-tcvae")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for the runs")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    run(given.method, given.seeds, given.keep)
