"""Several processes: two that share each batch, one that is told to stop, one that is killed while it saves."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from training_toys import teach, toy, vectors, weights

from tacit.training.checkpoint import read_state

HERE = Path(__file__).parent
SLOW = """
import sys, time, torch
sys.path.insert(0, {here!r})
from pathlib import Path
from training_toys import *
torch.set_num_threads(1)

class Slow(Replayed):
    def losses(self, batch):
        time.sleep({sleep})
        yield from super().losses(batch)

torch.manual_seed(0)
method, data = Slow(VECTOR), vectors()
folder = Path(sys.argv[1])
"""


def script(tmp_path, body, sleep=0.0):
    path = tmp_path / "script.py"
    path.write_text(SLOW.format(here=str(HERE), sleep=sleep) + body)
    return path


def start(path, *args):
    env = {k: v for k, v in os.environ.items() if k not in ("WORLD_SIZE", "LOCAL_RANK", "RANK", "MASTER_PORT")}
    return subprocess.Popen([sys.executable, str(path), *map(str, args)], env={**env, "OMP_NUM_THREADS": "1"},
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition, process, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            pytest.fail(f"{process.poll()}: {process.communicate()[1][-2000:]}")
        time.sleep(0.02)


def test_sigterm_from_outside_and_resume(tmp_path):
    body = """
try:
    teach(method, data, folder, steps=2000, log_steps=1)
except TacitError as error:
    print(error)
    sys.exit(error.exit_code)
"""
    run = tmp_path / "run"
    process = start(script(tmp_path, "from tacit.errors import TacitError\n" + body, sleep=0.01), run)
    log = run / "metrics.jsonl"
    wait_for(lambda: log.exists() and log.read_bytes().count(b"\n") > 3, process)
    process.send_signal(signal.SIGTERM)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "saved; continue with: tacit fit --resume" in said
    steps = read_state(run)[1].step
    assert 3 < steps < 2000
    torch.manual_seed(0)
    teach(toy("replayed"), vectors(), run, steps=steps + 5)
    teach(toy("replayed"), vectors(), tmp_path / "whole", steps=steps + 5)
    for name, tensor in weights(run)["raw"].items():
        assert torch.allclose(tensor, weights(tmp_path / "whole")["raw"][name], atol=1e-5)  # other thread counts


KILLED = """
import json, os, random, signal
from tacit.training.checkpoint import STATE, read_state
chance, steps, saved = random.Random(0), [], lambda: read_state(folder)[1].step if (folder / STATE).exists() else 0
for _ in range(10):  # each continues the one before
    before, child = saved(), os.fork()
    if not child:
        teach(method, data, folder, steps=1_000_000, save_minutes=1e-9)
    while saved() == before:
        time.sleep(0.01)
    time.sleep(chance.random() / 50)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    tensors, tally = read_state(folder)
    assert weights(folder)["raw"].keys() == method.state_dict().keys()
    assert (folder / "metrics.jsonl").stat().st_size >= tally.offset
    steps.append(tally.step)
left = [p.name for p in [*folder.iterdir(), *(folder / "state").iterdir()] if p.name.startswith(".")]
print(json.dumps([steps, len(left)]))
"""


def test_sigkill_while_saving_leaves_what_can_be_loaded(tmp_path):
    process = start(script(tmp_path, KILLED), tmp_path / "run")
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors[-3000:]
    steps, half_written = json.loads(said)
    assert steps == sorted(set(steps)) and len(steps) == 10
    assert half_written <= 10


TWO = """
import signal
from tacit.errors import Interrupted

options = dict(devices=2, micro_batch=3, clip=1.0, seed=3)
devices = Devices(TrainOptions(device="cpu", devices=2))
rank = devices.rank
torch.manual_seed(rank)  # other weights on each, until training aligns them

def together(name, kind, data, **given):
    method = kind(data.spec)
    chosen = TrainOptions(device="cpu", **options, **given)
    (folder / name).mkdir(exist_ok=True, parents=True)
    try:
        train(method, data, recipe_with(method.recipe(), chosen), chosen, devices=devices, folder=folder / name,
              keep=kept(folder / name), say=lambda _: None)
    except Interrupted as error:
        print(error)
    torch.save({"weights": method.state_dict(), "step": method.clock.step}, folder / f"{name}{rank}.pt")

class Stopped(Replayed):
    sent = False

    def losses(self, batch):
        if rank == 1 and self.clock.step == 4 and not self.sent:
            self.sent = True
            signal.raise_signal(signal.SIGTERM)
        yield from super().losses(batch)

together("duel", Duel, vectors(), steps=6)
together("noisy", Noisy, images(72, 8), steps=6)
together("codebook", Codebook, vectors(), steps=6)
torch.manual_seed(rank)
together("replayed", Replayed, vectors(), steps=1)
torch.manual_seed(rank)
together("stopped", Stopped, vectors(), steps=50)
options["seed"] = 4
together("stopped", Replayed, vectors(), steps=8)
"""


def test_two_processes_play_as_one(tmp_path):
    run = tmp_path / "run"
    process = start(script(tmp_path, TWO), run)
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors[-3000:]
    both = {name: [torch.load(run / f"{name}{rank}.pt") for rank in (0, 1)]
            for name in ("duel", "noisy", "codebook", "replayed", "stopped")}
    for one, other in both.values():
        assert one["step"] == other["step"]
        for name, tensor in one["weights"].items():
            assert torch.equal(tensor, other["weights"][name]), name
    torch.manual_seed(0)
    alone = toy("replayed")
    teach(alone, vectors(), tmp_path / "alone", steps=1, micro_batch=3, clip=1.0, seed=3)
    for name, tensor in alone.state_dict().items():
        assert torch.allclose(tensor, both["replayed"][0]["weights"][name], atol=1e-6), name
    line = json.loads((run / "replayed/metrics.jsonl").read_text())
    assert line["discriminator/loss"] == pytest.approx(
        json.loads((tmp_path / "alone/metrics.jsonl").read_text())["discriminator/loss"], rel=1e-5)
    assert said.count("interrupted after step") == 2
    tally = read_state(run / "stopped")[1]
    assert (tally.world, tally.step) == (2, 8)


GAMES = """
import numpy as np
import tacit
from tacit.catalog import method_class
from tacit.data.feed import Feed

devices = Devices(TrainOptions(device="cpu", devices=2))
rank = devices.rank
chance = np.random.default_rng(0)
folder.mkdir(parents=True, exist_ok=True)
if rank == 0:
    np.savez(folder / "others.npz", x=chance.integers(0, 256, (40, 8, 8), np.uint8))
devices.agree("written")
x = np.random.default_rng(1).integers(0, 256, (60, 8, 8), np.uint8), np.arange(60) % 3
plain, two = tacit.open_data(x), tacit.open_data(x, target=str(folder / "others.npz"))
blurred, small = tacit.open_data(x, derive="blur:1"), tacit.open_data(x, derive="low-resolution:2")
tiny = dict(width=4, blocks=1)
for name, data, own in (
    ("gan", plain, dict(conditional=True, width=4)), ("dcgan", plain, dict(width=4)), ("wgan-gp", plain, dict(width=4)),
    ("r3gan", plain, dict(width=4)), ("infogan", plain, dict(width=4)), ("pix2pix", blurred, dict(width=4)),
    ("cyclegan", two, tiny | dict(pool=6)), ("srresnet", small, tiny), ("srgan", small, tiny | dict(critic_width=4)),
):
    torch.manual_seed(rank)  # other weights on each, until training aligns them
    kind = method_class(name)
    method = kind(data.spec, **own)
    chosen = TrainOptions(device="cpu", devices=2, micro_batch=3, batch=12, steps=8, seed=3,
                          augment="ada" if kind.adapts else "")
    (folder / name).mkdir(exist_ok=True)
    train(method, data, recipe_with(method.recipe(), chosen), chosen, devices=devices, folder=folder / name,
          keep=kept(folder / name), say=lambda _: None)
    torch.save(method.state_dict(), folder / f"{name}-{rank}.pt")
print("played")
"""


def test_two_processes_end_every_game_with_the_same_weights(tmp_path):
    run = tmp_path / "run"
    process = start(script(tmp_path, GAMES), run)
    said, errors = process.communicate(timeout=300)
    assert process.returncode == 0 and "played" in said, errors[-3000:]
    names = {path.name.rpartition("-")[0] for path in run.glob("*.pt")}
    assert names == {"gan", "dcgan", "wgan-gp", "r3gan", "infogan", "pix2pix", "cyclegan", "srresnet", "srgan"}
    for name in names:
        one, other = (torch.load(run / f"{name}-{rank}.pt") for rank in (0, 1))
        for key, tensor in one.items():
            assert torch.equal(tensor, other[key]), f"{name}: {key}"
    gan, cyclegan = torch.load(run / "gan-0.pt"), torch.load(run / "cyclegan-0.pt")
    assert gan["noise.seen"].sum() == 8 * 12
    assert cyclegan["pools.target.taken"].any()
