"""Interrupted by a signal at any step and resumed, a run ends as if nothing had happened, bit for bit."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

import tacit
from tacit.catalog import CATALOG, method_class, row
from tacit.data.feed import Feed
from tacit.nets.ada import Ada
from tacit.runs.weights import read_weights

TRAINED = [r.name for r in CATALOG if r.kind == "trained"]
SMALLER = {"derive": "low-resolution:2", "augment": "flip", "width": 8, "blocks": 1}
OWN = {
    "vae": {"net": "conv"}, "ddpm": {"width": 8, "timesteps": 20},
    "pix2pix": {"derive": "blur:1", "augment": "flip", "width": 8}, "srresnet": SMALLER,
    "srgan": SMALLER | {"critic_width": 8, "pretrain": 0.4}, "cyclegan": {"width": 4, "blocks": 1, "pool": 8},
} | {r.name: {"augment": "crop,ada"} for r in CATALOG if r.kind == "trained" and method_class(r.name).adapts}
STEPS = 12
HARD = {"steps": STEPS, "batch": 16, "micro_batch": 6, "channels_last": True, "ema": 0.9, "clip": 1.0,
        "augment": "crop", "log_steps": 2}


@pytest.fixture
def digits_file(little_digits, tmp_path):
    path = tmp_path / "digits.npz"
    np.savez(path, x=little_digits[0], y=little_digits[1])
    return str(path)


@pytest.fixture
def signal_at(monkeypatch):
    """Sends this process a signal while the batch of a step is made."""
    play = Feed.round

    def arrange(step, number):
        def round_(self, k):
            if k == step:
                os.kill(os.getpid(), number)
            return play(self, k)

        monkeypatch.setattr(Feed, "round", round_)

    yield arrange


@pytest.mark.parametrize("name", TRAINED)
def test_resumed_is_as_uninterrupted(name, digits_file, signal_at, monkeypatch):
    monkeypatch.setattr(Ada.__init__, "__kwdefaults__", {"target": -2.0, "images": 200, "every": 2})  # p always rises
    options = HARD | OWN.get(name, {})
    if "target" in row(name).needs:
        np.savez("others.npz", x=255 - np.load(digits_file)["x"][:100])
        options["target"] = "others.npz"
    whole = tacit.fit(name, digits_file, **options)
    steps = np.random.default_rng(0).permutation(STEPS - 1)[:3].tolist()
    for step, number in zip([*steps, 0], [signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGTERM], strict=True):
        out = f"run{step}-{number}"
        signal_at(step, number)
        with pytest.raises(tacit.Interrupted, match=f"after step {step + 1} and saved; .*--resume {out}"):
            tacit.fit(name, digits_file, out=out, **options)
        signal_at(-1, number)
        assert tacit.load(out).record.state == "interrupted"
        resumed = tacit.resume(out)
        assert resumed.record.state == "finished" and not (resumed.path / "state").exists()
        expected, found = read_weights(whole.path), read_weights(resumed.path)
        for group in ("raw", "ema"):
            assert expected[group].keys() == found[group].keys() and found[group]
            for key, tensor in expected[group].items():
                assert torch.equal(tensor, found[group][key]), f"{group}/{key} after an interruption at step {step}"
        assert logged(whole) == logged(resumed)
    if "ada" in options["augment"]:
        assert whole.method.ada.p > 0.5
    if "target" in options:
        assert all(pool.taken.any() for pool in whole.method.pools.values())


def logged(run):
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def test_a_child_resumes_on_its_parent(digits_file, signal_at):
    parent = tacit.fit("pca", digits_file, latent=6)
    signal_at(3, signal.SIGTERM)
    with pytest.raises(tacit.Interrupted):
        tacit.fit("gan", parent, steps=6, batch=16, out="gan")
    signal_at(-1, signal.SIGTERM)
    resumed = tacit.resume("gan")
    whole = tacit.fit("gan", parent, steps=6, batch=16)
    assert torch.equal(resumed.sample(3), whole.sample(3))


TWO = """
import os, sys, time
from pathlib import Path
from tacit.training.devices import Devices
from tacit.training.options import TrainOptions

devices = Devices(TrainOptions(device="cpu", devices=2))
Path(sys.argv[1], str(devices.rank)).touch()
time.sleep(100)
"""


def test_a_process_does_not_outlive_the_one_that_started_it(tmp_path):
    (tmp_path / "two.py").write_text(TWO)
    env = {k: v for k, v in os.environ.items() if k not in ("WORLD_SIZE", "LOCAL_RANK", "RANK", "MASTER_PORT")}
    command = [sys.executable, str(tmp_path / "two.py"), str(tmp_path)]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    end = time.monotonic() + 90
    while not all((tmp_path / rank).exists() for rank in "01"):
        assert process.poll() is None and time.monotonic() < end, process.communicate()[0]
        time.sleep(0.05)
    process.terminate()
    process.communicate(timeout=20)  # until both have closed the pipe
    assert process.returncode == -signal.SIGTERM


@pytest.mark.parametrize("name", ["ddpm", "rotation", "simclr"])
def test_two_processes_train_a_method(name, digits_file):
    words = ["fit", name, digits_file, "--devices", "2", "--steps", "4", "--batch", "16", "--log-steps", "1"]
    words += ["-o", name, *(["--width", "8"] if name == "ddpm" else [])]
    env = {k: v for k, v in os.environ.items() if k not in ("WORLD_SIZE", "LOCAL_RANK", "RANK", "MASTER_PORT")}
    done = subprocess.run([sys.executable, "-m", "tacit", *words], env=env | {"OMP_NUM_THREADS": "1"},
                          capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    run = tacit.load(name)
    assert run.record.state == "finished" and run.record.steps == 4
    assert all(weight.isfinite().all() for weight in run.method.parameters())
    assert [line["samples"] for line in logged(run) if "lr" in line] == [16, 32, 48, 64]


def test_what_is_finished_cannot_be_resumed(digits_file):
    run = tacit.fit("vae", digits_file, steps=1, batch=16)
    with pytest.raises(tacit.RunError, match="--init-from .* starts a new run from its weights"):
        tacit.resume(run.path)
    again = tacit.fit("vae", digits_file, steps=1, batch=16, lr=1e-12, init_from=run, ema=0)
    for a, b in zip(run.method.parameters(), again.method.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-9)
    with pytest.raises(tacit.OptionError, match="takes a run of gan"):
        tacit.fit("gan", digits_file, steps=1, init_from=run)
