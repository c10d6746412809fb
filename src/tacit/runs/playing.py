"""Training a method into its run's folder, and what comes after."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from tacit.data.dataset import Data
from tacit.errors import Interrupted, UserError
from tacit.protocol import Bridge, Chain, Method
from tacit.runs.balance import Balance
from tacit.runs.config import Record
from tacit.runs.frames import Frames
from tacit.runs.health import Health
from tacit.runs.loading import lengthen
from tacit.runs.log import Log
from tacit.runs.monitor import Monitor
from tacit.runs.portrait import portrait
from tacit.runs.run import Run
from tacit.runs.weights import read_weights, write_weights
from tacit.training.checkpoint import STATE
from tacit.training.devices import Devices
from tacit.training.loop import Monitor as Looks
from tacit.training.loop import train
from tacit.training.optim import recipe_with
from tacit.training.options import TrainOptions

__all__ = ["Job", "finish", "play"]


@dataclass
class Job:
    """Everything that a run is made of.

    Arguments:
        name: The method's name.
        method: The method.
        data: What it sees: the root's data, or what a parent makes of them.
        parent: The run it stands on, or None.
        bridge: Behind the parent, or None.
        frozen: Runs inside the method, by option.
        training: How it is trained.
        devices: On what.
        log: What is said.
    """

    name: str
    method: Method
    data: Data
    parent: Run | None
    bridge: Bridge | None
    frozen: Mapping[str, Run]
    training: TrainOptions
    devices: Devices
    log: Log

    @property
    def chain(self) -> Chain:
        """The method behind its parents."""
        if self.parent is None or self.bridge is None:
            return Chain(self.method)
        return lengthen(self.parent.chain, self.bridge, self.method)

    @property
    def root(self) -> Data:
        """The root's data."""
        return self.data if self.parent is None else self.parent.data()

    def bridge_tensors(self) -> dict[str, Tensor]:
        """Returns what the bridge has learned."""
        return self.bridge.state_dict() if self.bridge is not None else {}


def play(job: Job, record: Record, folder: Path) -> Run:
    """Trains, or continues to train, a method whose run is already on disk.

    Raises:
        Interrupted: If a signal ended it; the run is saved and says so.
        UserError: If the method refuses the data or its options only when it sees them; then nothing is left.
        TrainingError: If a loss or gradient stops being a number; the last good state is kept.
    """

    def keep(raw: Mapping[str, Tensor], ema: Mapping[str, Tensor] | None) -> None:
        write_weights(folder, {"raw": raw, "ema": ema, "bridge": job.bridge_tensors()})

    recipe = recipe_with(job.method.recipe(), job.training)
    chain, root, seed = job.chain, job.root, record.seed
    monitors: list[Looks] = [
        Monitor(chain, root, folder / "samples", seed=seed),
        Frames(chain, root, folder / "samples", title=f"{job.name} on {root.name}", seed=seed),
        Health(chain, root, folder, seed=seed, say=job.log),
        Balance(chain, root, folder, seed=seed, say=job.log),
    ]
    try:
        outcome = train(
            job.method, job.data, recipe, job.training,
            devices=job.devices, folder=folder, keep=keep, monitors=monitors, say=job.log,
        )
    except Interrupted:
        if job.devices.is_main:
            dataclasses.replace(record, state="interrupted").write(folder)
        raise
    except UserError:
        if job.devices.is_main and not (folder / STATE).exists():
            shutil.rmtree(folder)
        raise
    groups = read_weights(folder)
    job.method.restore(groups["raw"] | groups["ema"])
    done = dataclasses.replace(record, state="finished", steps=outcome.steps)
    return finish(job, done, folder)


def finish(job: Job, record: Record, folder: Path) -> Run:
    """Notes that a run is finished, drops what resuming needed, draws it, and returns it."""
    run = Run(folder, record, job.chain, job.parent, job.root)
    if job.devices.is_main:
        record.write(folder)
        shutil.rmtree(folder / "state", ignore_errors=True)
        for path in portrait(run, job.root, folder / "pictures", seed=record.seed):
            job.log(f"picture: {path}")
        if "Classifies" in run.capabilities:
            job.log(accuracy(run))
    return run


def accuracy(run: Run) -> str:
    """Returns in words how often a run names the class of its root's held-out samples."""
    data = run.data()
    shown = data.take(data.testing)
    known = shown.label >= 0 if shown.label is not None else torch.zeros(len(shown), dtype=torch.bool)
    if shown.label is None or not known.any():
        return "held-out accuracy: no held-out sample has a label"
    right = (run.classify(shown).argmax(1) == shown.label)[known]
    return f"held-out accuracy: {right.float().mean():.1%} of {len(right):,} samples"
