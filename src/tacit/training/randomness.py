"""The random states that training draws from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

__all__ = ["kept_apart", "random_states", "restore_random_states", "seed_process"]

MODULES = {"cuda": torch.cuda, "mps": torch.mps}


def seed_process(seed: int, rank: int) -> None:
    """Seeds the noise of training: for each process another, and never the stream that the weights came from."""
    torch.manual_seed((seed << 16) + rank + 1)


def random_states(device: torch.device) -> dict[str, Tensor]:
    """Returns the states of the CPU's generator and the device's, bytes."""
    states = {"cpu": torch.get_rng_state()}
    if device.type in MODULES:
        states[device.type] = MODULES[device.type].get_rng_state()
    return states


def restore_random_states(states: Mapping[str, Tensor]) -> None:
    """Puts back what `random_states` returned."""
    torch.set_rng_state(states["cpu"])
    for kind in states.keys() & MODULES.keys():
        MODULES[kind].set_rng_state(states[kind])


@contextlib.contextmanager
def kept_apart(device: torch.device, seed: int) -> Iterator[None]:
    """Draws from states of its own, the same each time, while the block lasts."""
    states = random_states(device)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        restore_random_states(states)
