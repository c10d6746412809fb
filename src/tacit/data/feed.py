"""The resident feed: batches of training samples, each one index operation on data that stay where they are."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import Generator, Tensor

from tacit.data.augment import Augment
from tacit.data.dataset import Data
from tacit.errors import DataError, OptionError
from tacit.protocol import Batch

__all__ = ["Feed"]


class Feed:
    """Batches of the training samples, round after round, of which each is a function of its number alone.

    The stream of samples is one random order of the training samples for each epoch, end to end; round k takes the
    next `batch` of it, across the border of two epochs where it comes to that. Going on after an interruption needs
    only k.

    Arguments:
        data: Its held-out samples never appear in `round`.
        batch: Samples per round, over all ranks.
        needs: The further fields of `Batch` that the method declares; others stay hidden.
        seed: Of order and augmentation.
        rank: Which consecutive share of each round is ours, from 0.
        world: How many shares there are.
        device: Where the batches are. The data are moved there once if they take less than half of its free memory.
        augment: What is done to the images of a round.

    Raises:
        DataError: If there is no training sample.
        OptionError: If `batch` does not divide by `world`, or what is not an image is to be augmented.
    """

    def __init__(self, data: Data, batch: int, *, needs: Collection[str] = frozenset(), seed: int = 0, rank: int = 0,
                 world: int = 1, device: torch.device | str = "cpu", augment: Augment | None = None) -> None:
        self.device = torch.device(device)
        self.needs, self.seed, self.rank, self.augment = frozenset(needs), seed, rank, augment
        self.batch, self.share = batch, batch // world
        self.training = data.training
        if not len(self.training):
            raise DataError(f"{data.source} leaves no training sample: all {len(data):,} are held out; lower --split")
        if batch < 1 or batch % world:
            raise OptionError(f"a batch of {batch} cannot be shared by {world} processes; "
                              f"the next that can is {max(1, -(-batch // world)) * world}")
        if augment and data.spec.kind != "image":
            raise OptionError(f"augmentation {str(augment)!r} is for images; the data are {data.spec}")
        self.data = _resident(data, self.needs, self.device)
        self._orders: dict[int, Tensor] = {}
        self._generator = Generator(self.device)

    @property
    def samples(self) -> int:
        """Number of training samples."""
        return len(self.training)

    @property
    def rounds_per_epoch(self) -> float:
        """Rounds that it takes to see as many samples as there are."""
        return self.samples / self.batch

    def round(self, k: int) -> Batch:
        """Returns our share of round k, counted from 0."""
        if not self.augment and self.data.grey is None:
            return self.data.batch(self.positions(k), self.needs, self.device)
        drawn = self._generator.manual_seed(_mixed(self.seed, k, self.rank))
        batch = self.data.batch(self.positions(k), self.needs, self.device, drawn)
        if self.augment:
            batch.x = self.augment(batch.x, drawn)
        return batch

    def positions(self, k: int) -> Tensor:
        """Returns the positions in the data of our share of round k, int64 (batch / world,)."""
        first = k * self.batch + self.rank * self.share
        epoch, start = divmod(first, self.samples)
        if start + self.share <= self.samples:
            return self._order(epoch)[start : start + self.share]
        last, stop = divmod(first + self.share, self.samples)
        middle = [self._order(e) for e in range(epoch + 1, last)]
        return torch.cat([self._order(epoch)[start:], *middle, self._order(last)[:stop]])

    def held_out(self, size: int) -> Iterator[Batch]:
        """Yields the held-out samples in their own order, at most `size` at a time, never augmented."""
        testing = self.data.testing
        for part in testing.split(size) if len(testing) else ():
            yield self.data.batch(part.to(self.data.x.device), self.needs, self.device)

    def _order(self, epoch: int) -> Tensor:
        """Returns the positions of the training samples in the order of an epoch, where the samples are."""
        if epoch not in self._orders:
            while len(self._orders) > 1:  # two at most: a round may reach from one epoch into the next
                del self._orders[next(iter(self._orders))]
            shuffled = torch.randperm(self.samples, generator=Generator().manual_seed(_mixed(self.seed, epoch)))
            self._orders[epoch] = self.training[shuffled].to(self.data.x.device)
        return self._orders[epoch]


def _resident(data: Data, needs: Collection[str], device: torch.device) -> Data:
    """Returns the data with what a batch takes of them on the device, where that fits."""
    taken = {name: v for name in ("x", "grey", *needs) if isinstance(v := getattr(data, name, None), Tensor)}
    size = sum(v.nbytes for v in taken.values())
    if device.type == "cpu" or (device.type == "cuda" and size > torch.cuda.mem_get_info(device)[0] / 2):
        return data
    moved: dict[str, Any] = {name: v.to(device) for name, v in taken.items()}
    return dataclasses.replace(data, **moved)


def _mixed(*numbers: int) -> int:
    """Returns a seed that is another for every other row of numbers, near ones too."""
    return int.from_bytes(hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest(), "little") >> 1
