"""Whether a translator without pairs keeps the content: MNIST and MNIST with inverted greys.

``python -m benchmarks.domains ../data/mnist-10k [--minutes 10]`` fits a CycleGAN between the first half of the digits
and the inverted second half, and a classifier of inverted digits on their labels, which the translator never sees. It
prints how often the classifier finds the label of a held-out digit in its translation, beside what `tacit evaluate`
measures.
"""

import argparse
from pathlib import Path

import numpy as np

import tacit
from benchmarks.generators import call


def halves(source: str, folder: Path) -> tuple[Path, Path]:
    """Writes the two domains with their labels, no digit in both."""
    data = tacit.open_data(source)
    x, label = data.x.squeeze(1).numpy(), data.label.numpy()
    folder.mkdir(parents=True, exist_ok=True)
    middle = len(x) // 2
    np.savez(folder / "digits.npz", x=x[:middle], y=label[:middle])
    np.savez(folder / "inverted.npz", x=255 - x[middle:], y=label[middle:])
    return folder / "digits.npz", folder / "inverted.npz"


def main() -> None:
    """Fits both, and prints what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--out", type=Path, default=Path("runs/domains"))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    digits, inverted = halves(asked.source, asked.out)
    run, judge, threads = asked.out / "cyclegan", asked.out / "judge", ("--threads", asked.threads, "--overwrite")
    call("fit", "classifier", inverted, "--minutes", 1, "-o", judge, *threads)
    call("fit", "cyclegan", digits, "--target", inverted, "--labels", "none", "--lr", 1e-3, "--minutes", asked.minutes,
         "-o", run, *threads)
    for measure in tacit.evaluate(run, only=("translation",), made=500).measures:
        print(f"{measure.name}, {measure.of or 'translations'}: {measure}", flush=True)
    translator, classifier = tacit.load(run), tacit.load(judge)
    known = tacit.open_data(str(digits))
    held = known.take(known.testing)
    found = classifier.classify(translator.translate(held.everything(), to="target")).argmax(1)
    other = classifier.data()
    real = other.take(other.testing)
    right = (classifier.classify(real).argmax(1) == real.label).float().mean()
    print(f"label kept: {(found == held.label).float().mean():.1%} of {len(held)} held-out digits; of inverted digits "
          f"themselves the classifier names {right:.1%} of {len(real)}")


if __name__ == "__main__":
    main()
