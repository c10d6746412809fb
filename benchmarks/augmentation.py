"""What adaptive augmentation does for a GAN of few images.

``python -m benchmarks.augmentation SOURCE --judge RUN [--limit 500]`` fits each method on a few images of a source,
with and without ``--augment ada``, and compares samples with all of its images, in the features of a run that encodes:
their Frechet distance, and that of the few images themselves. Minutes are those of the processor.
"""

import argparse
import json
from pathlib import Path

import torch

import tacit
from benchmarks.generators import fitted
from tacit.functional.frechet import Moments, frechet_distance
from tacit.functional.sets import precision_recall

METHODS = ("dcgan", "r3gan")
MADE, NEIGHBOURS = 1_000, 3


def main() -> None:
    """Fits and measures, and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--judge", required=True, help="a run that encodes")
    parser.add_argument("--out", type=Path, default=Path("runs/augmentation"))
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=5.0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    judge, data = tacit.load(asked.judge), tacit.open_data(asked.source)
    every = judge.encode(data.take(data.training)).flatten(1).double()
    for method in asked.methods.split(","):
        for more in ([], ["--augment", "ada"]):
            words = ["--threads", "1", "--limit", str(asked.limit), *more]
            run = tacit.load(fitted(asked.source, method, asked.out / "-".join([method, *more[1:]]), asked.minutes, 0,
                                    words))
            own = run.data()
            few = judge.encode(own.take(own.training)).flatten(1).double()
            made = judge.encode(run.sample(MADE, seed=1)).flatten(1).double()
            precise, recalled = precision_recall(every, made, NEIGHBOURS)
            distance, least = (frechet_distance(Moments.of(every), Moments.of(x)) for x in (made, few))
            print(json.dumps({
                "method": method, "augment": more[1:], "images": len(few),
                "Frechet": round(distance, 3), "Frechet of the images themselves": round(least, 3),
                "precision": round(float(precise.double().mean()), 3),
                "recall": round(float(recalled.double().mean()), 3),
            }), flush=True)


if __name__ == "__main__":
    main()
