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

__all__ = ["Feed", "check_paired", "held_out_batch", "held_out_positions"]

PAIRED = ("flip",)  # augmentations that one draw does alike to samples and partners of any size and channels


class Feed:
    """Batches of the training samples, round after round, of which each is a function of its number alone.

    The stream of samples is one random order of the training samples for each epoch, end to end; round k takes the
    next `batch` of it, across the border of two epochs where it comes to that. Going on after an interruption needs
    only k.

    For a method that needs a target, all this holds of the samples of domain 0, and again of those of domain 1, in
    orders of their own: each epoch of the source meets the targets anew.

    Arguments:
        data: Its held-out samples never appear in `round`.
        batch: Samples per round, over all ranks.
        needs: The further fields of `Batch` that the method declares; others stay hidden. ``target`` is as many
            samples of the target domain as there are of the source, and nobody's partners.
        seed: Of order and augmentation.
        rank: Which consecutive share of each round is ours, from 0.
        world: How many shares there are.
        device: Where the batches are. The data are moved there once if they take less than half of its free memory.
        augment: What is done to the images of a round.

    Raises:
        DataError: If there is no training sample, or none of a domain that is needed.
        OptionError: If `batch` does not divide by `world`, what is not an image is to be augmented, or augmentation
            would part samples from their partners.
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
        if augment:
            check_paired(augment, self.needs)
            if data.spec.kind != "image" or "pair" in self.needs and len(data.spec.pair) != 3:
                partners = f" beside {' x '.join(map(str, data.spec.pair))}" if data.spec.pair else ""
                raise OptionError(f"augmentation {str(augment)!r} is for images; the data are {data.spec}{partners}")
        data.check(self.needs)
        self.data = _resident(data, self.needs, self.device)
        self.targets: Stream | None = None
        if "target" in self.needs:
            self.training, others = (_of_domain(data, domain) for domain in (0, 1))
            self.targets = Stream(others.to(self.data.x.device), seed, "target")
        self.stream = Stream(self.training.to(self.data.x.device), seed)
        self._generator = Generator(self.device)

    @property
    def samples(self) -> int:
        """Number of training samples; of domain 0 where there are targets."""
        return len(self.training)

    @property
    def rounds_per_epoch(self) -> float:
        """Rounds that it takes to see as many samples as there are."""
        return self.samples / self.batch

    def round(self, k: int) -> Batch:
        """Returns our share of round k, counted from 0."""
        drawn = None
        if self.augment or self.data.grey is not None:
            drawn = self._generator.manual_seed(_mixed(self.seed, k, self.rank))
        batch = self.data.batch(self.positions(k), self.needs, self.device, drawn)
        if self.targets is not None:
            batch.target = self.data.batch(self.targets.part(*self._span(k)), (), self.device, drawn).x
        if self.augment and drawn is not None:
            self._augment(batch, self.augment, drawn)
        return batch

    def positions(self, k: int) -> Tensor:
        """Returns the positions in the data of our share of round k, int64 (batch / world,)."""
        return self.stream.part(*self._span(k))

    def _span(self, k: int) -> tuple[int, int]:
        """Returns where our share of round k begins in a stream, and its length."""
        return k * self.batch + self.rank * self.share, self.share

    def _augment(self, batch: Batch, augment: Augment, drawn: Generator) -> None:
        """Augments a batch's images: partners as their samples, targets by draws of their own."""
        before = drawn.get_state()
        batch.x = augment(batch.x, drawn)
        if batch.target is not None:
            batch.target = augment(batch.target, drawn)
        if batch.pair is not None:
            batch.pair = augment(batch.pair, drawn.set_state(before))

    def held_out(self, size: int) -> Iterator[Batch]:
        """Yields the held-out samples in their own order, at most `size` at a time, never augmented.

        For a method that needs a target, those of the smaller domain come again until the greater one has ended.
        """
        positions, targets = held_out_positions(self.data, self.needs)
        for i in range(0, len(positions), size):
            yield held_out_batch(self.data, positions[i : i + size], targets[i : i + size], self.needs, self.device)


class Stream:
    """Some positions in random orders, one for each epoch, end to end.

    Arguments:
        positions: In the data, int64 (n,), where the samples are.
        seed: Of the orders; streams of one seed and different words have nothing in common.
    """

    def __init__(self, positions: Tensor, *seed: int | str) -> None:
        self.positions, self.seed = positions, seed
        self._orders: dict[int, Tensor] = {}

    def __len__(self) -> int:
        """Returns the number of positions in an epoch."""
        return len(self.positions)

    def part(self, first: int, count: int) -> Tensor:
        """Returns the positions from the first-th place of the stream on, int64 (count,)."""
        epoch, start = divmod(first, len(self))
        if start + count <= len(self):
            return self.order(epoch)[start : start + count]
        last, stop = divmod(first + count, len(self))
        middle = [self.order(e) for e in range(epoch + 1, last)]
        return torch.cat([self.order(epoch)[start:], *middle, self.order(last)[:stop]])

    def order(self, epoch: int) -> Tensor:
        """Returns the positions in the order of an epoch."""
        if epoch not in self._orders:
            while len(self._orders) > 1:  # two at most: a part may reach from one epoch into the next
                del self._orders[next(iter(self._orders))]
            shuffled = torch.randperm(len(self), generator=Generator().manual_seed(_mixed(*self.seed, epoch)))
            self._orders[epoch] = self.positions[shuffled.to(self.positions.device)]
        return self._orders[epoch]


def check_paired(augment: Augment, needs: Collection[str]) -> None:
    """Raises `OptionError` if augmentation would part samples from the partners that a method needs."""
    odd = [name for name in augment.names if name not in PAIRED]
    if odd and "pair" in needs:
        raise OptionError(f"augmentation {odd[0]!r} would part samples from their partners; with pairs there is "
                          f"{', '.join(PAIRED)}")


def held_out_positions(data: Data, needs: Collection[str]) -> tuple[Tensor, Tensor]:
    """Returns positions of held-out samples, and of as many targets beside them where they are needed, int64 (n,) each.

    The smaller domain begins again until the greater one has ended; where one has no held-out sample, there are none.
    """
    if "target" not in needs:
        return data.testing, data.testing[:0]
    here, there = (data.of_domain(data.testing, domain) for domain in (0, 1))
    place = torch.arange(max(len(here), len(there)) if len(here) and len(there) else 0)
    return here[place % max(1, len(here))], there[place % max(1, len(there))]


def held_out_batch(data: Data, positions: Tensor, targets: Tensor, needs: Collection[str], device: torch.device
                   ) -> Batch:
    """Returns samples at some positions, beside targets at others if there are any."""
    batch = data.batch(positions.to(data.x.device), needs, device)
    if len(targets):
        batch.target = data.batch(targets.to(data.x.device), (), device).x
    return batch


def _of_domain(data: Data, domain: int) -> Tensor:
    """Returns the positions of the training samples of a domain; raises `DataError` if there are none."""
    found = data.of_domain(data.training, domain)
    if not len(found):
        named = f"the target {data.options.get('target', '')}".rstrip() if domain else f"the source {data.source}"
        raise DataError(f"{named} leaves no training sample: it is empty, or all of it is held out; lower --split")
    return found


def _resident(data: Data, needs: Collection[str], device: torch.device) -> Data:
    """Returns the data with what a batch takes of them on the device, where that fits."""
    taken = {name: v for name in ("x", "grey", *needs) if isinstance(v := getattr(data, name, None), Tensor)}
    size = sum(v.nbytes for v in taken.values())
    if device.type == "cpu" or (device.type == "cuda" and size > torch.cuda.mem_get_info(device)[0] / 2):
        return data
    moved: dict[str, Any] = {name: v.to(device) for name, v in taken.items()}
    return dataclasses.replace(data, **moved)


def _mixed(*words: int | str) -> int:
    """Returns a seed that is another for every other row of numbers and words, near ones too."""
    return int.from_bytes(hashlib.blake2b(repr(words).encode(), digest_size=8).digest(), "little") >> 1
