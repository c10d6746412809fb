"""One round of the game: every micro-batch plays it in lockstep, and each player moves on the joined gradient."""

from __future__ import annotations

import functools
import gc
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _NormBase

from tacit.errors import TacitError, TrainingError, did_you_mean
from tacit.protocol import Batch, Loss, Method
from tacit.training.devices import Devices
from tacit.training.optim import Player
from tacit.training.randomness import random_states, restore_random_states

__all__ = ["Game", "Move", "NotFinite"]

FULL = ("out of memory", "can't allocate memory", "not enough memory")


@dataclass(frozen=True)
class Move:
    """What one player's move left for the log, as tensors that nobody has waited for yet.

    Arguments:
        step: The round, counted from 0.
        player: Who moved.
        value: The loss.
        norm: Norm of the gradient, before clipping.
        terms: Parts of the loss.
    """

    step: int
    player: str
    value: Tensor
    norm: Tensor
    terms: Mapping[str, Tensor]


class NotFinite(TrainingError):
    """A loss, or the norm of its gradient, is infinite or not a number; nobody has moved since.

    Arguments:
        move: The move that was not made.
    """

    def __init__(self, move: Move) -> None:
        terms = {"loss": move.value, "gradient norm": move.norm, **move.terms}
        listed = ", ".join(f"{name} {float(value):.4g}" for name, value in terms.items())
        super().__init__(f"step {move.step:,}: the move of {move.player!r} is not finite ({listed})")
        self.move = move


class Game:
    """Plays rounds of a method's game.

    Arguments:
        method: Whose `losses` are played.
        players: Its players, as `players_of` makes them.
        devices: What each round is shared with.
        micro: Samples per forward.
        clip: Greatest norm of a player's gradient, or None.
        say: Told when memory runs out and the micro-batch is halved.
    """

    def __init__(
        self, method: Method, players: Mapping[str, Player], devices: Devices, *, micro: int, clip: float | None,
        say: Any,
    ) -> None:
        self.method: Any = method
        self.players, self.devices, self.micro, self.clip, self.say = players, devices, micro, clip, say
        self.waits = devices.waits
        self.bad = torch.zeros((), device=devices.device)  # 1 from the first bad move on: nobody moves any more
        self.votes: Tensor | None = None  # what the processes asked for in this round, summed
        norms = [m for m in method.modules() if isinstance(m, _NormBase)]
        self.running = [b for m in norms for b in m.buffers(recurse=False)]  # what a forward changes

    def play(self, batch: Batch, votes: Sequence[float] = ()) -> list[Move]:
        """Plays one round: each player moves whenever the method names it.

        If memory runs out, the round goes on with micro-batches of half the size, from the same noise; who has moved
        already does not move again.

        Arguments:
            batch: This process's samples.
            votes: What this process asks for; the sums over all processes are in `self.votes` afterwards.

        Raises:
            TrainingError: If a loss or gradient is not a number, and the device could be asked without waiting.
            TacitError: If the method breaks the rules of the game, or memory runs out with one sample at a time.
        """
        moves: list[Move] = []
        noise = random_states(self.devices.device)
        kept = self.remember()
        while True:
            try:
                for move in self.turns(batch, moves, kept, votes):
                    moves.append(move)
                    kept = self.remember()
                break
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
            self.halve(len(batch))  # here, where the error no longer holds the activations
            self.recall(kept)
            restore_random_states(noise)
        if self.devices.world > 1:
            self.devices.average_(self.running)
        return moves

    def turns(self, batch: Batch, moved: list[Move], kept: list[Tensor], votes: Sequence[float]) -> Iterator[Move]:
        """Yields each move, after fast-forwarding over those that were made before memory ran out."""
        chunks = batch.chunks(self.micro)
        flows = [self.method.losses(chunk) for chunk in chunks]
        shares = [len(chunk) / len(batch) for chunk in chunks]
        for _ in moved[:]:
            for flow in flows:
                next(flow, None)
            self.recall(kept)
        while (loss := self.ask(flows, shares)) is not None:
            yield self.move(loss, len(batch), votes)

    def ask(self, flows: Sequence[Iterator[Loss]], shares: Sequence[float]) -> Loss | None:
        """Returns the joined loss of the next turn, its gradients in place; None when the round is over."""
        losses = [self.backward(flow, share, first=flow is flows[0]) for flow, share in zip(flows, shares, strict=True)]
        if len(losses) > 1 and len(named := {loss and loss.player for loss in losses}) > 1:
            raise TacitError(f"{self.title}: micro-batches of one round disagree on who moves "
                             f"({' or '.join(sorted(map(str, named)))}); it may depend on the step, never on the data")
        return joined(losses)

    def backward(self, flow: Iterator[Loss], share: float, *, first: bool) -> Loss | None:
        """Resumes one micro-batch's game up to its next loss, and adds the gradients of the player named there.

        Those of its last move are dropped only now: dropped with the activations they would leave the heap so empty
        that its memory goes back to the system, to be asked for again page by page (a tenth of a step on a CPU).
        """
        with self.devices.autocast():
            loss = next(flow, None)
        if loss is None:
            return None
        player, value = self.players.get(loss.player), loss.value
        if player is None:
            raise TacitError(f"{self.title}: losses() names the player {loss.player!r}; players() knows "
                             f"{', '.join(map(repr, self.players))}.{did_you_mean(loss.player, self.players)}")
        if value.dim() or not value.requires_grad:
            raise TacitError(f"{self.title}: the loss of {loss.player!r} must be one number that its parameters move; "
                             f"it has the shape {tuple(value.shape)}, requires_grad={value.requires_grad}")
        if share != 1:
            value = value * share
        if first:
            player.forget()
        value.backward(inputs=player.parameters)
        terms = {n: t.detach() if share == 1 else t.detach() * share for n, t in loss.terms.items()}
        return Loss(loss.player, value.detach(), terms, {n: t.detach() for n, t in loss.stats.items()}, loss.after)

    def move(self, loss: Loss, samples: int, votes: Sequence[float]) -> Move:
        """Moves a player once on the gradient of all micro-batches and processes."""
        player = self.players[loss.player]
        gradients = player.gradients()
        if not gradients:
            raise TacitError(f"{self.title}: the loss of {loss.player!r} depends on none of its parameters")
        if self.devices.world > 1:
            loss = self.share(loss, gradients, samples, votes)
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        move = Move(self.method.clock.step, loss.player, loss.value, norm, loss.terms)
        scale = None if self.clip is None else (norm / self.clip).clamp_(min=1).float()
        if self.waits:
            self.bad = torch.maximum(self.bad, (norm + loss.value).isfinite().logical_not().float())
            player.move(scale, self.bad)
        elif math.isfinite(norm.item() + loss.value.item()):
            player.move(scale)
        else:
            raise NotFinite(move)
        if loss.after is not None:
            with torch.no_grad():
                loss.after(loss.stats)
        return move

    def share(self, loss: Loss, gradients: list[Tensor], samples: int, votes: Sequence[float]) -> Loss:
        """Adds up a move over all processes, each weighted by its samples, in one message."""
        own = torch.tensor([samples, *votes], dtype=torch.float32, device=self.devices.device)
        means = [*gradients, loss.value, *loss.terms.values()]
        torch._foreach_mul_(means, samples)
        own, *sums = self.devices.total([own, *means, *loss.stats.values()])
        self.votes = own[1:]
        torch._foreach_div_(sums[: len(means)], own[0])
        torch._foreach_copy_(gradients, sums[: len(gradients)])
        value, *rest = sums[len(gradients) :]
        return Loss(loss.player, value, dict(zip(loss.terms, rest, strict=False)),
                    dict(zip(loss.stats, rest[len(loss.terms) :], strict=True)), loss.after)

    def halve(self, samples: int) -> None:
        """Halves the micro-batch and drops what the round has allocated."""
        size = min(self.micro, samples)
        if size == 1:
            raise TacitError("out of memory with one sample at a time; choose a smaller net, smaller samples, or "
                             "--device cpu")
        self.micro = (size + 1) // 2
        self.say(f"out of memory with {size} samples at a time; going on with {self.micro}, added up to the same batch")
        for player in self.players.values():
            player.forget()
        gc.collect()
        if self.devices.device.type == "cuda":
            torch.cuda.empty_cache()

    def remember(self) -> list[Tensor]:
        """Returns copies of what a forward changes: the statistics of normalisation."""
        return [b.clone() for b in self.running]

    def recall(self, kept: Sequence[Tensor]) -> None:
        """Undoes what forwards have changed since."""
        for live, former in zip(self.running, kept, strict=True):
            live.copy_(former)

    @property
    def title(self) -> str:
        """The method's name, for messages."""
        return type(self.method).__name__


def joined(losses: Sequence[Loss | None]) -> Loss | None:
    """Returns the sum of the shares of one turn, or None of none."""
    present = [loss for loss in losses if loss is not None]
    if len(present) < 2:
        return losses[0]
    first = present[0]
    return Loss(
        first.player,
        torch.stack([loss.value for loss in present]).sum(),
        {n: torch.stack([loss.terms[n] for loss in present]).sum(0) for n in first.terms},
        {n: functools.reduce(torch.add, (loss.stats[n] for loss in present)) for n in first.stats},
        first.after,
    )


def out_of_memory(error: RuntimeError) -> bool:
    """Returns whether memory ran out: on an accelerator by its own type, on the CPU by the words."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in FULL)
