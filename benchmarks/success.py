"""How often training succeeds, over seeds and learning rates: GANs, and a VAE for contrast.

``python -m benchmarks.success [--steps 1500]`` trains each method on the built-in digits for every seed and every
multiple of its usual learning rate. It succeeds if precision and recall of 500 samples against 500 digits, in the
features of a seeded random network, are both at least half of what 500 other digits have: neither noise nor a few kinds
only. How good samples are, `tacit evaluate` says.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

import tacit
from tacit.catalog import method_class
from tacit.data.dataset import Data
from tacit.evaluation.spaces import random_network
from tacit.functional.sets import precision_recall
from tacit.protocol import Spec

METHODS = ("gan", "dcgan", "r3gan", "vae")
RATES = (0.1, 0.5, 2.0, 10.0)  # multiples of a method's own learning rate
COMPARED, NEIGHBOURS = 500, 3
SHARE = 0.5  # of what real digits have


def worth(x: torch.Tensor, real: torch.Tensor, spec: Spec) -> tuple[float, float]:
    """Returns precision and recall of images against real ones, in the features of a random network."""
    space = random_network(spec)
    flags = precision_recall(space.features(real).double(), space.features(x).double(), NEIGHBOURS)
    return float(flags[0].double().mean()), float(flags[1].double().mean())


def trial(data: Data, method: str, rate: float, seed: int, steps: int) -> tuple[float, float]:
    """Trains once, and returns precision and recall of samples; 0 and 0 where training broke off."""
    own = method_class(method)(data.spec).recipe().optim
    lr = rate * next(iter(own.values())).lr
    with tempfile.TemporaryDirectory() as folder:
        try:
            run = tacit.fit(method, data, steps=steps, lr=lr, seed=seed, out=Path(folder) / "run", threads=1)
        except tacit.TrainingError:
            return 0.0, 0.0
        return worth(run.sample(COMPARED, seed=seed), data.batch(data.training[:COMPARED]).x, data.spec)


def run(methods: Sequence[str], seeds: int, steps: int) -> None:
    """Prints a row for each method: how many trials of each rate succeeded."""
    data = tacit.open_data("digits")
    real, others = (data.batch(data.training[i : i + COMPARED]).x for i in (0, COMPARED))
    ideal = worth(others, real, data.spec)
    print(f"500 other digits: precision {ideal[0]:.2f}, recall {ideal[1]:.2f}", flush=True)
    for method in methods:
        counts = []
        for rate in RATES:
            found = [trial(data, method, rate, seed, steps) for seed in range(seeds)]
            good = sum(p >= SHARE * ideal[0] and r >= SHARE * ideal[1] for p, r in found)
            counts.append(f"{good}/{seeds}")
            listed = ", ".join(f"{p:.2f}/{r:.2f}" for p, r in found)
            print(f"{method}, rate x {rate:g}: {counts[-1]} (precision/recall {listed})", flush=True)
        print(f"| {method} | {' | '.join(counts)} |", flush=True)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1_500)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    run(asked.methods.split(","), asked.seeds, asked.steps)


if __name__ == "__main__":
    main()
