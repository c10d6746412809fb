"""The held-out loss of a method with one player, and looking at a method without touching its training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from tacit.data.dataset import Data
from tacit.data.feed import held_out_batch, held_out_positions
from tacit.functional.draws import some
from tacit.protocol import Method
from tacit.training.devices import Devices
from tacit.training.randomness import kept_apart

__all__ = ["HeldOut", "undisturbed"]

MOST = 2_000  # samples whose loss is measured
SEED = 2013


class HeldOut:
    """Measures the mean loss over held-out samples, always the same ones with the same noise.

    Arguments:
        data: Where the samples are; at most 2,000 are drawn.
        needs: What the method declares.
    """

    def __init__(self, data: Data, needs: frozenset[str]) -> None:
        self.data, self.needs = data, needs
        positions, targets = held_out_positions(data, needs)
        drawn = some(torch.arange(len(positions)), MOST, SEED)
        self.positions, self.targets = positions[drawn], targets[drawn] if len(targets) else targets

    def __len__(self) -> int:
        """Returns the number of samples that are measured."""
        return len(self.positions)

    def loss(self, method: Any, chunk: int, devices: Devices) -> float:
        """Returns the mean loss, at most `chunk` samples at a time.

        Gradients stay possible, because a loss may differentiate on its way (contractive penalties, score matching).
        """
        total = 0.0
        with undisturbed(method):
            for i in range(0, len(self), chunk):
                part, beside = self.positions[i : i + chunk], self.targets[i : i + chunk]
                flow = method.losses(held_out_batch(self.data, part, beside, self.needs, devices.device))
                with devices.autocast():
                    total += len(part) * float(next(flow).value.detach())
                flow.close()
        return total / len(self)


@contextlib.contextmanager
def undisturbed(method: Method) -> Iterator[None]:
    """Puts a method into evaluation mode, with random states of its own, while the block lasts."""
    modes = {m: m.training for m in method.modules()}
    with kept_apart(method.device, SEED):
        method.eval()
        try:
            yield
        finally:
            for module, mode in modes.items():
                module.training = mode
