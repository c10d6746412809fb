"""The same VAE through pythae's trainer, in an environment of its own, epoch by epoch in turn with ours."""

import subprocess
import sys
import venv
from pathlib import Path

import torch

from benchmarks.pairs import Ratio, compare_timed, timed
from benchmarks.steps import images, our_steps
from tacit.catalog import method_class
from tacit.protocol import Optim, Recipe

N, BATCH, LATENT = 12_800, 128, 16
HERE = Path(__file__).parent
NEEDS = ["pydantic", "cloudpickle", "imageio", "tqdm", "numpy", "scipy", "scikit-learn"]

WORKER = '''
import logging, sys, tempfile, time
import torch
torch.set_num_threads(int(sys.argv[1]))
logging.disable(logging.INFO)
from pythae.models import VAE, VAEConfig
from pythae.pipelines import TrainingPipeline
from pythae.trainers import BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback

class Turns(TrainingCallback):
    """Waits for a word before each epoch and says its seconds behind it."""

    def on_epoch_begin(self, *_, **__):
        sys.stdin.readline()
        self.start = time.perf_counter()

    def on_epoch_end(self, *_, **__):
        print("seconds", time.perf_counter() - self.start, file=real, flush=True)

real, sys.stdout = sys.stdout, sys.stderr
torch.manual_seed(0)
n, batch, latent = map(int, sys.argv[2:5])
model = VAE(VAEConfig(input_dim=(1, 28, 28), latent_dim=latent, reconstruction_loss="bce"))
print("parameters", sum(p.numel() for p in model.parameters()), file=real, flush=True)
with tempfile.TemporaryDirectory() as folder:
    config = BaseTrainerConfig(output_dir=folder, num_epochs=10_000, learning_rate=1e-3,
                               per_device_train_batch_size=batch, no_cuda=True)
    TrainingPipeline(model=model, training_config=config)(train_data=torch.rand(n, 1, 28, 28), callbacks=[Turns()])
'''


def environment() -> Path:
    """Makes the peers' environment when it is missing, and returns its python."""
    place = HERE.parent / ".venv-peers"
    python = place / "bin" / "python"
    if not (place / "ready").exists():
        venv.create(place, with_pip=True)
        lock = str(HERE.parent / "constraints.txt")
        pip = [str(python), "-m", "pip", "install", "-q"]
        subprocess.run([*pip, "-c", lock, "torch==2.13.0"], check=True)
        subprocess.run([*pip, "-c", lock, *NEEDS], check=True)
        subprocess.run([*pip, "--no-deps", "pythae==0.1.2"], check=True)
        (place / "ready").touch()
    return python


def run(pairs: int = 30) -> list[Ratio]:
    """Compares an epoch of both trainers."""
    command = [str(environment()), "-c", WORKER, *map(str, (torch.get_num_threads(), N, BATCH, LATENT))]
    pipe = subprocess.PIPE
    peer = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
    parameters = int(peer.stdout.readline().split()[1])

    def theirs() -> float:
        peer.stdin.write("go\n")
        peer.stdin.flush()
        return float(peer.stdout.readline().split()[1])

    data = images((1, 28, 28), N)
    torch.manual_seed(0)
    method = method_class("vae")(data.spec, latent=LATENT, width=512, depth=1, net="mlp", likelihood="bernoulli")
    own = sum(p.numel() for p in method.parameters())
    assert abs(own - parameters) < 0.01 * parameters, f"{own} parameters against {parameters}: not the same work"
    recipe = Recipe(batch=BATCH, steps=1_000_000, optim={"model": Optim(lr=1e-3)})
    steps = our_steps(method, data, recipe, N // BATCH)
    try:
        return [compare_timed("epoch of an MLP VAE 784-512-16, batch 128, against pythae 0.1.2",
                              lambda: timed(steps), theirs, work=N, pairs=pairs)]
    finally:
        peer.kill()
        peer.wait()


if __name__ == "__main__":
    sys.exit(0 if run()[0].ratio >= 1.3 else 1)
