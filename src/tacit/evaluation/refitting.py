"""Methods fitted once more, on other samples or from another seed, as their run was."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tacit.data.dataset import Data
from tacit.protocol import Method
from tacit.runs.run import Run

__all__ = ["SAMPLES", "inputs", "on_parents", "refitted"]

SAMPLES = 4_000  # on which a method is fitted again at most, so that it takes seconds
ROWS = 512  # samples that pass through the parents at a time


def inputs(run: Run, data: Data) -> Tensor:
    """Returns what a run's method sees of samples: themselves, or what its parents make of them."""
    with torch.inference_mode():
        parts = [
            run.chain.features(data.batch(index, device=run.device).x).cpu()
            for index in torch.arange(len(data)).split(ROWS)
        ]
    return torch.cat(parts).clone()


def refitted(method: Method, x: Tensor, data: Data, index: Tensor, seed: int) -> Any:
    """Returns a method of the same options, fitted anew.

    Arguments:
        method: The one to repeat; it stays as it is.
        x: What it sees of the samples, shape (N, *method.spec.shape).
        data: The samples, for labels where it needs them.
        index: Which samples to fit on, int64 (n,).
        seed: Of the fit; the global generator is left as it was.

    Raises:
        DataError: If these samples do not suffice.
    """
    needed = {name: value for name, value in data.batch(index, method.needs).fields().items() if name != "x"}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh: Any = type(method)(method.spec, **method.options)
        fresh.train().fit(x[index], **needed)
    return fresh.eval()


def on_parents(run: Run) -> str:
    """Returns for protocols that only the last method is fitted again, or nothing where it has no parents."""
    names = " and ".join(r.method_name for r in run.lineage[:-1])
    return f"; {names}, on which it stands, stays as it is and has seen all training samples" if names else ""
