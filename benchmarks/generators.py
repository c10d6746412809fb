"""Generators at equal minutes: what `tacit fit` and `tacit evaluate` say of each, in two feature spaces.

Run as ``python -m benchmarks.generators SOURCE --judge RUN``; the judge is a run that encodes, as a classifier fitted
on the same source, in whose features samples are compared beside those of a random network. Every run is fitted by the
command that a person would type, but that the minutes are those that one thread had the processor, so that other work
beside does not count; what was measured stays in its folder, and a run that is there already is not fitted again.
"""

import argparse
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

import tacit

METHODS = ("gan", "dcgan", "infogan", "vae", "ddpm", "wgan-gp", "r3gan")
SHOWN = ("Frechet distance", "precision", "recall", "nearer to a training sample than held-out data are", "sharpness")
TIMED = 256  # samples
FIT = "import sys, time; time.perf_counter = time.process_time; from tacit.cli.main import main; sys.exit(main())"


def call(*words: object) -> None:
    """Runs a command of tacit by the time that it has the processor, and shows what it says."""
    print("tacit", *words, flush=True)
    subprocess.run([sys.executable, "-c", FIT, *map(str, words)], check=True)


def fitted(source: str, method: str, folder: Path, minutes: float, seed: int, more: Sequence[str]) -> Path:
    """Fits a method for some minutes, unless it is there."""
    if not (folder / "pictures").is_dir():
        call("fit", method, source, "--minutes", minutes, "--seed", seed, "-o", folder, "--overwrite", *more)
    return folder


def measured(folder: Path, spaces: Sequence[str], made: int) -> dict[tuple[str, str], str]:
    """Evaluates a run's samples in some spaces, and returns the values as a person reads them."""
    found: dict[tuple[str, str], str] = {}
    for i, space in enumerate(spaces):
        for measure in tacit.evaluate(folder, only=("samples",), features=space, made=made).measures:
            if measure.name in SHOWN and measure.of == "":
                found[measure.name, "" if measure.name == "sharpness" else str(i)] = str(measure)
    return found


def speed(folder: Path) -> float:
    """Returns samples per second, warmed up."""
    run = tacit.load(folder)
    run.sample(8)
    began = time.perf_counter()
    run.sample(TIMED, seed=1)
    return TIMED / (time.perf_counter() - began)


def main() -> None:
    """Fits and measures every method for every seed, and prints a line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--judge", required=True, help="a run that encodes")
    parser.add_argument("--out", type=Path, default=Path("runs/generators"))
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--made", type=int, default=1_000)
    parser.add_argument("--more", default="", help="options of tacit fit, as --more='--net mlp'")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for seed in map(int, asked.seeds.split(",")):
        for method in asked.methods.split(","):
            folder = asked.out / f"{method}-{seed}"
            fitted(asked.source, method, folder, asked.minutes, seed, ["--threads", "1", *shlex.split(asked.more)])
            values = measured(folder, ("random", asked.judge), asked.made)
            row = {"method": method, "seed": seed, "samples/s": round(speed(folder), 1),
                   **{" ".join(key).strip(): value for key, value in values.items()}}
            with open(asked.out / "results.jsonl", "a") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
