"""The bounds that pythae's VAE and IWAE reach against ours: the same net and start, data, batches and updates.

    python -m benchmarks.bounds_peers mnist-10k --updates 20000

Both train on images whose grey is made black and white anew in every epoch; theirs all at once at its beginning, ours
batch by batch. Then one evaluator, ours, judges both by the same draws, on held-out images that are binarised once.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import tacit
from benchmarks.pairs import HEADER, Ratio, compare_timed, timed
from benchmarks.peers import environment
from benchmarks.steps import our_steps
from tacit.catalog import method_class
from tacit.data.dataset import Data
from tacit.evaluation.intervals import mean_interval
from tacit.functional.importance import log_mean_exp
from tacit.protocol import Method, Optim, Recipe, Spec

BATCH, LATENT, WIDTH, LR = 100, 16, 512, 1e-3
SHAPE = (1, 28, 28)
WARM = 2  # epochs of each that are trained before times count
ROWS = 200  # held-out images that are judged at once
BOUNDS = "| method | bound | ours, nats | theirs, nats | ours - theirs | 95 % interval |\n|---|---|---|---|---|---|"

WORKER = '''
import logging, sys, tempfile, time
import numpy as np
import torch
threads, epochs, batch, latent, draws = map(int, sys.argv[1:6])
grey, start, end = sys.argv[6:9]
rate = float(sys.argv[9])
torch.set_num_threads(threads)
logging.disable(logging.INFO)
from pythae.data.datasets import BaseDataset
from pythae.models import IWAE, IWAEConfig, VAE, VAEConfig
from pythae.pipelines import TrainingPipeline
from pythae.trainers import BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback

real, sys.stdout = sys.stdout, sys.stderr
torch.manual_seed(0)
grey = torch.from_numpy(np.load(grey)).float() / 255
data = BaseDataset(grey, torch.zeros(len(grey)))
shared = {"input_dim": tuple(grey.shape[1:]), "latent_dim": latent, "reconstruction_loss": "bce"}
model = IWAE(IWAEConfig(number_samples=draws, **shared)) if draws else VAE(VAEConfig(**shared))
torch.save(model.state_dict(), start)

class Turns(TrainingCallback):
    """Waits for a word before each epoch, draws its black and white, and says its seconds behind it."""

    def on_epoch_begin(self, *_, **__):
        sys.stdin.readline()
        self.start = time.perf_counter()
        data.data = torch.bernoulli(grey)

    def on_epoch_end(self, *_, **__):
        seconds = time.perf_counter() - self.start
        torch.save(model.state_dict(), end)
        print("seconds", seconds, file=real, flush=True)

with tempfile.TemporaryDirectory() as folder:
    config = BaseTrainerConfig(output_dir=folder, num_epochs=epochs, learning_rate=rate,
                               per_device_train_batch_size=batch, no_cuda=True)
    print("ready", file=real, flush=True)
    TrainingPipeline(model=model, training_config=config)(train_data=data, callbacks=[Turns()])
'''


def main() -> None:
    """Compares both methods, and prints what each reached and how fast."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="28 x 28 grey images: a folder as mnist-10k")
    parser.add_argument("--updates", type=int, default=20_000, help="of each net; rounded up to whole epochs")
    parser.add_argument("--train", type=int, default=8_000, help="images to train on; the others are held out")
    parser.add_argument("--draws", type=int, default=10, help="draws of the IWAE while it learns")
    parser.add_argument("--k", type=int, default=500, help="draws of the bound by which both are judged")
    parser.add_argument("--judged", type=int, default=None, help="held-out images that are judged; by default all")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    data = opened(given.data, given.train)
    held_out = data.batch(data.testing[: given.judged]).x
    ratios, rows = [], []
    for name, draws in (("vae", 0), ("iwae", given.draws)):
        with tempfile.TemporaryDirectory() as folder:
            ratio, ours, theirs = trained(name, draws, data, given.updates, Path(folder))
        ratios.append(ratio)
        rows += judged(name, draws, ours, theirs, held_out, given.k)
    print(f"\n{len(data.training):,} images to train on, {len(held_out):,} judged, {given.updates:,} updates or more\n")
    print("\n".join([BOUNDS, *rows, "", HEADER, *(ratio.row() for ratio in ratios)]))


def opened(source: str, train: int) -> Data:
    """Returns black and white images of which exactly so many are to train on, a multiple of the batch."""
    data = tacit.open_data(source, binarise=True, split="0.2")
    order = torch.cat([data.training, data.testing])
    if data.spec.shape != SHAPE or not 0 < train < len(order) or train % BATCH:
        raise SystemExit(f"expected {SHAPE} images and --train a multiple of {BATCH} below their number; "
                         f"found {len(order):,} of {data.spec.shape}")
    data.held_out[order[:train]], data.held_out[order[train:]] = False, True
    return data


def trained(name: str, draws: int, data: Data, updates: int, folder: Path) -> tuple[Ratio, Method, Method]:
    """Trains both, epoch by epoch in turn, and returns the ratio of their times, our net, and theirs in our method."""
    per_epoch = len(data.training) // BATCH
    epochs = max(WARM + 2, -(-updates // per_epoch))
    grey, start, end = (folder / n for n in ("grey.npy", "start.pt", "end.pt"))
    assert data.grey is not None
    np.save(grey, data.grey[data.training].numpy())
    arguments = [torch.get_num_threads(), epochs, BATCH, LATENT, draws, grey, start, end, LR]
    with peer(arguments) as theirs:
        ours = built(name, draws, torch.load(start))
        recipe = Recipe(batch=BATCH, steps=epochs * per_epoch + 1, optim={"model": Optim(lr=LR)})
        steps = our_steps(ours, data, recipe, per_epoch)
        work = "VAE" if not draws else f"IWAE of {draws} draws"
        ratio = compare_timed(
            f"epoch of an MLP {work} 784-512-16, batch {BATCH}, black and white, against pythae 0.1.2",
            lambda: timed(steps), lambda: next(theirs), work=len(data.training), pairs=epochs - WARM, warm=WARM,
        )
        return ratio, ours.eval(), built(name, draws, torch.load(end)).eval()


@contextmanager
def peer(arguments: list[object]) -> Iterator[Iterator[float]]:
    """Gives the seconds of one epoch of theirs after the other, each trained when it is asked for."""
    command = [str(environment()), "-c", WORKER, *map(str, arguments)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
    try:
        if process.stdout.readline().strip() != "ready":
            raise SystemExit("pythae did not start")
        yield epochs_of(process)
    finally:
        process.kill()
        process.wait()


def epochs_of(process: subprocess.Popen[str]) -> Iterator[float]:
    """Yields the seconds of each epoch."""
    while True:
        process.stdin.write("go\n")
        process.stdin.flush()
        yield float(process.stdout.readline().split()[1])


def built(name: str, draws: int, weights: dict[str, Tensor]) -> Method:
    """Returns our method on pythae's net with pythae's weights."""
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 2 * LATENT))
    decoder = nn.Sequential(nn.Linear(LATENT, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 784), nn.Unflatten(1, SHAPE))
    own = list(weights_of(weights))
    with torch.no_grad():
        for parameter, value in zip([*encoder.parameters(), *decoder.parameters()], own, strict=True):
            parameter.copy_(value)
    options: dict[str, object] = {"latent": LATENT, "likelihood": "bernoulli", "encoder": encoder, "decoder": decoder}
    more: dict[str, object] = {"draws": draws, "gradient": "standard"} if draws else {}
    return method_class(name)(Spec("image", SHAPE, (0.0, 1.0)), **options, **more)


def weights_of(weights: dict[str, Tensor]) -> Iterator[Tensor]:
    """Yields pythae's weights in the order of our net's: mean and log-variance are one layer of ours."""
    for kind in ("weight", "bias"):
        yield weights[f"encoder.layers.0.0.{kind}"]
    for kind in ("weight", "bias"):
        yield torch.cat([weights[f"encoder.embedding.{kind}"], weights[f"encoder.log_var.{kind}"]])
    for layer in (0, 1):
        for kind in ("weight", "bias"):
            yield weights[f"decoder.layers.{layer}.0.{kind}"]


@torch.inference_mode()
def judged(name: str, draws: int, ours: Method, theirs: Method, x: Tensor, k: int) -> list[str]:
    """Returns a line of the table for each bound: means over held-out images, and the interval of their difference."""
    bounds = [[], []]
    for i, method in enumerate((ours, theirs)):
        for j, part in enumerate(x.split(ROWS)):
            log_w = method.log_weights(part, k, torch.Generator().manual_seed(j))  # (k, N)
            bounds[i].append(torch.stack([log_w.mean(0), log_mean_exp(log_w)]))
    own, other = (torch.cat(b, 1).double() for b in bounds)  # (2, N) each
    lines, called = [], name if not draws else f"{name}, {draws} draws"
    for title, a, b in zip(("ELBO", f"IWAE-{k}"), own, other, strict=True):
        mean, low, high = mean_interval(a - b)
        cells = called, title, f"{a.mean():.2f}", f"{b.mean():.2f}", f"{mean:+.2f}", f"{low:+.2f} to {high:+.2f}"
        lines.append(f"| {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
