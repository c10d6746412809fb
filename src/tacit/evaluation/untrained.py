"""The same net with random weights: what a representation must be better than."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tacit.data.dataset import Data
from tacit.errors import CapabilityError, UserError
from tacit.evaluation.case import drawn
from tacit.protocol import Bridge, Chain, Fitted, Trained
from tacit.protocol.chain import produce
from tacit.runs.building import skeleton
from tacit.runs.run import Run

__all__ = ["has_training", "untrained"]

SAMPLES = 2_000  # from which statistics are taken, at most
ROWS = 512  # samples that pass a method at a time


def has_training(run: Run) -> bool:
    """Returns whether any method of the lineage learned by gradient."""
    return any(isinstance(method, Trained) for method in (*run.chain.parents, run.chain.method))


def untrained(run: Run, train: Data, seed: int) -> Run:
    """Returns a copy of a run whose nets have fresh random weights.

    Their batch norms take their statistics, bridges between methods their mean and scale, and fitted methods their
    fit from what the copy makes of 2,000 training samples, so that the weights are all that differs.

    Arguments:
        run: The run; it stays as it is.
        train: Training samples of its root.
        seed: Of the weights; the global generator is left as it was.

    Raises:
        CapabilityError: If a net cannot be built from the run's record.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            chain = skeleton([r.record for r in run.lineage])
        except UserError as error:
            raise CapabilityError(f"{run.name} cannot be compared with its net untrained: {error}") from error
        settle(chain, drawn(train, torch.arange(len(train)), SAMPLES, seed))
    return Run(run.path, run.record, chain)


@torch.no_grad()
def settle(chain: Chain, train: Data) -> None:
    """Gives a chain all that is taken from data and is not trained, root first."""
    x = train.everything()
    steps: list[tuple[Any, Bridge | None]] = [*chain.links(), (chain.method, None)]
    for method, bridge in steps:
        fits, trains = isinstance(method, Fitted), isinstance(method, Trained)
        if fits:
            method.train().fit(**train.batch(torch.arange(len(train)), method.needs).fields() | {"x": x})
        method.eval()
        if trains:
            settle_norms(method, x)
        if bridge is not None:
            made = torch.cat([produce(method, bridge.via, part, bridge.layer) for part in x.split(ROWS)])
            bridge.standardise(made)
            x = bridge(made)


def settle_norms(method: Any, x: Tensor) -> None:
    """Gives batch norms the statistics of what they see when samples are encoded."""
    norms = [m for m in method.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    if not norms or not hasattr(method, "encode"):
        return
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    for part in x.split(ROWS):
        if len(part) > 1:
            method.encode(part)
    method.eval()
