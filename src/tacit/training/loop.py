"""The training loop. Nothing in it knows a method, a run or a file of a run besides its state and its log."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from tacit.data.augment import Augment
from tacit.data.dataset import Data
from tacit.data.feed import Feed
from tacit.errors import Interrupted, TrainingError
from tacit.protocol import Batch, Clock, Method, Recipe
from tacit.training.budget import Pace, held_out_interval, steps_in
from tacit.training.checkpoint import Tally
from tacit.training.devices import Devices
from tacit.training.ema import Average
from tacit.training.heldout import HeldOut, undisturbed
from tacit.training.journal import Journal
from tacit.training.optim import players_of
from tacit.training.options import TrainOptions
from tacit.training.progress import progress_for
from tacit.training.randomness import seed_process
from tacit.training.saving import Keep, Saves
from tacit.training.signals import Stop
from tacit.training.step import Game, NotFinite

__all__ = ["Monitor", "Outcome", "train"]

Say = Callable[[str], None]


class Monitor(Protocol):
    """Looks at a method while it trains; it finds averaged weights, evaluation mode, and random states of its own."""

    def due(self, step: int) -> bool:
        """Returns whether it wants to look after this many steps."""
        ...

    def __call__(self, step: int) -> None:
        """Looks."""
        ...


@dataclass(frozen=True)
class Outcome:
    """How training ended.

    Arguments:
        steps: Rounds played.
        samples: Training samples seen, over all devices.
        seconds: Time spent, over all resumptions.
        ended_by: The budget that ended: ``steps``, ``epochs``, ``samples``, ``minutes`` or ``patience``.
        held_out: The last held-out loss, if there was one.
    """

    steps: int
    samples: int
    seconds: float
    ended_by: str
    held_out: float | None


def train(
    method: Method,
    data: Data,
    recipe: Recipe,
    options: TrainOptions,
    *,
    devices: Devices,
    folder: Path,
    keep: Keep,
    monitors: Sequence[Monitor] = (),
    say: Say,
) -> Outcome:
    """Trains a method until a budget ends; a folder with a state is continued, bit for bit.

    Arguments:
        method: What is trained; afterwards it holds the raw weights and is in evaluation mode.
        data: Training and held-out samples.
        recipe: How, as `recipe_with` makes it.
        options: How long, on what, how often.
        devices: Where.
        folder: Gets ``metrics.jsonl`` and the state.
        keep: Writes the raw and the averaged weights (or None) whole; called on the main process at each save, just
            before the state is written, so that there are weights wherever there is a state.
        monitors: Called on the main process when they are due.
        say: Takes lines for a person.

    Raises:
        Interrupted: After a signal; everything is saved.
        TrainingError: If a loss or gradient is not a number; the last good state is kept.
        TacitError: If the method breaks the rules of the game, or nothing can be saved.
    """
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    place(method, options, devices)
    training = Training(method, data, recipe, options, devices, folder, keep, monitors, say)
    with contextlib.closing(training), training.stop.watching():
        return training.run()


def place(method: Method, options: TrainOptions, devices: Devices) -> None:
    """Brings a method to its device, layout and way of augmenting, the same weights on every process."""
    method.to(devices.device)
    if options.adaptive:
        method.get_submodule("ada").on = True  # type: ignore[assignment]
    if options.channels_last:
        method.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    devices.align_([*method.parameters(), *method.buffers()])
    if options.compile:
        for net in nets(method):
            net.compile()


def nets(module: nn.Module) -> Iterator[nn.Module]:
    """Yields the outermost modules that have a forward of their own; a method has none."""
    for child in module.children():
        if isinstance(child, (nn.ModuleList, nn.ModuleDict)):
            yield from nets(child)
        else:
            yield child


class Training:
    """One training, from its first or its next round to its last."""

    def __init__(
        self, method: Method, data: Data, recipe: Recipe, options: TrainOptions, devices: Devices, folder: Path,
        keep: Keep, monitors: Sequence[Monitor], say: Say,
    ) -> None:
        self.method, self.recipe, self.options, self.devices = method, recipe, options, devices
        self.folder, self.monitors, self.stop = folder, monitors, Stop(folder)
        say = say if devices.is_main else lambda _: None
        seed_process(options.seed, devices.rank)
        self.players = players_of(method, recipe)
        self.average = Average(method, recipe.ema) if recipe.ema is not None else None
        self.feed = Feed(
            data, recipe.batch, needs=method.needs, seed=options.seed, rank=devices.rank, world=devices.world,
            device=devices.device, augment=Augment.parse(options.operations),
        )
        self.held_out = HeldOut(data, method.needs)
        samples = self.feed.samples
        self.interval = held_out_interval(options, recipe, samples, len(self.held_out), len(self.players))
        self.saves = Saves(folder, method, self.players, self.average, devices, keep)
        self.tally = self.saves.restore(options.seed, say) or Tally(
            micro=options.micro_batch or recipe.batch, world=devices.world
        )
        if not self.tally.timed:  # minutes that were turned into steps stay so
            self.tally.total, self.tally.budget = steps_in(options, recipe, samples)
        self.game = Game(method, self.players, devices, micro=self.tally.micro, clip=recipe.clip, say=say)
        log = folder / "metrics.jsonl" if devices.is_main else None
        self.journal = Journal(log, self.tally.offset, self.tally.sums)
        self.progress = progress_for(say) if devices.is_main else None
        self.pace: Pace | None = Pace(options.minutes)
        self.saved = self.shown = time.perf_counter()
        self.began = self.saved - self.tally.seconds
        self.shown_step = self.tally.step

    def run(self) -> Outcome:
        """Plays rounds until a budget ends."""
        self.method.train()
        try:
            while (ended := self.ended()) is None:
                votes = self.votes()
                self.round(votes)
                stopping, overdue, saving = self.agreed()
                if stopping or saving:
                    self.save()
                if stopping:
                    raise Interrupted(f"interrupted after step {self.tally.step:,} and saved; continue with: "
                                      f"tacit fit --resume {self.folder}", final=self.stop.final)
                if overdue:
                    ended = "minutes"
                    break
            self.finish()
        except NotFinite as error:
            self.tally.step, self.tally.sums = error.move.step, {}
            there = self.saves.save_good(self.tally, self.journal)
            raise TrainingError(f"{error}; {there}; a lower --lr or a --clip may help") from None
        tally = self.tally
        return Outcome(tally.step, tally.step * self.recipe.batch, tally.seconds, ended, tally.held_out)

    def round(self, votes: Sequence[float]) -> None:
        """Plays one round, and does what is due behind it."""
        tally = self.tally
        self.method.clock = Clock(tally.step, tally.progress, self.feed.samples)
        for player in self.players.values():
            player.set_rate(tally.step, tally.progress)
        self.held = self.batch(tally.step)  # until the next is made, or its pages would go back to the system
        self.journal.add(self.game.play(self.held, votes))
        if not self.game.waits:
            self.journal.drain()  # scalars that are kept would litter the heap
        if self.average is not None:
            self.average.update(tally.step)
        tally.step += 1
        self.take_pace()
        self.look()

    def batch(self, step: int) -> Batch:
        """Returns a round's samples, laid out as the weights are."""
        batch = self.feed.round(step)
        if self.options.channels_last and batch.x.dim() == 4:
            batch.x = batch.x.contiguous(memory_format=torch.channels_last)
        return batch

    def ended(self) -> str | None:
        """Returns the budget that has ended, if one has."""
        tally, patience = self.tally, self.options.patience
        if tally.total is not None and tally.step >= tally.total:
            return tally.budget
        if patience and self.interval and tally.best is not None:
            return "patience" if tally.step - tally.best_step >= patience * self.interval else None
        return None

    def seconds(self) -> float:
        """Returns the time spent, over all resumptions."""
        return time.perf_counter() - self.began

    def votes(self) -> tuple[bool, bool, bool]:
        """Returns whether this process wants to stop, is out of time, and wants to save."""
        minutes = self.options.minutes
        overdue = minutes is not None and self.seconds() >= 60 * minutes
        return self.stop.requested, overdue, time.perf_counter() - self.saved >= 60 * self.options.save_minutes

    def agreed(self) -> tuple[bool, ...]:
        """Returns the votes that at least one process gave; where reading them would wait, only at every beat."""
        if self.devices.world == 1:
            return self.votes()
        if self.game.votes is None or self.game.waits and self.tally.step % (self.tally.beat or 1):
            return False, False, False
        return tuple(vote > 0 for vote in self.game.votes.tolist())

    def take_pace(self) -> None:
        """Fixes, when the first steps are timed, the steps in a second and in the minutes; then never again."""
        tally = self.tally
        if self.pace is None or not self.pace.tick(self.seconds()):
            return
        seconds = self.devices.agree(self.seconds())
        tally.beat = tally.beat or self.pace.beat(seconds)
        left = None if tally.timed else self.pace.steps_left(seconds)
        if left is not None:
            tally.timed = True
            if tally.total is None or tally.step + left < tally.total:
                tally.total, tally.budget = tally.step + left, "minutes"
        if tally.beat and (tally.timed or self.options.minutes is None):
            self.pace = None

    def look(self) -> None:
        """Measures, logs and shows what is due after a round."""
        step, beat = self.tally.step, self.tally.beat
        lines = self.options.log_steps or beat
        if self.interval and step % self.interval == 0:
            self.measure()
        if lines and step % lines == 0:
            self.log()
        elif beat and step % beat == 0:
            self.journal.drain()
            self.show({})
        due = [monitor for monitor in self.monitors if monitor.due(step)] if self.devices.is_main else []
        if due:
            with undisturbed(self.method), self.average.applied() if self.average else contextlib.nullcontext():
                for monitor in due:
                    monitor(step)

    def measure(self) -> None:
        """Measures the held-out loss."""
        tally = self.tally
        own = self.held_out.loss(self.method, self.game.micro, self.devices) if self.devices.is_main else None
        value: float = self.devices.agree(own)
        tally.held_out = value
        if tally.best is None or value < tally.best:
            tally.best, tally.best_step = value, tally.step
        self.show(self.journal.write({**self.about(), "held_out": value}))

    def log(self) -> None:
        """Writes a line."""
        self.journal.drain()
        rates = {f"{name}/lr": p.optimizer.param_groups[0]["lr"] for name, p in self.players.items()}
        if len(set(rates.values())) == 1:
            rates = {"lr": next(iter(rates.values()))}
        self.show(self.journal.line(self.about(), rates))

    def about(self) -> dict[str, float]:
        """Returns what a line begins with."""
        step = self.tally.step
        return {"step": step, "samples": step * self.recipe.batch, "seconds": round(self.seconds(), 3)}

    def show(self, line: Mapping[str, float | None]) -> None:
        """Shows a person how far training is, at most twice a second."""
        now, step = time.perf_counter(), self.tally.step
        if self.progress is None or now - self.shown < 0.5:
            return
        rate = (step - self.shown_step) / (now - self.shown)
        self.shown, self.shown_step = now, step
        self.progress.show(step, self.tally.total, rate, line)

    def save(self) -> None:
        """Saves everything, unless a move was bad."""
        self.journal.drain()
        tally = self.tally
        tally.seconds, tally.micro, tally.sums = self.seconds(), self.game.micro, dict(self.journal.sums)
        self.saves.save(tally, self.journal)
        self.saved = time.perf_counter()

    def finish(self) -> None:
        """Writes the last line and saves."""
        if self.journal.sums or self.journal.waiting:
            self.log()
        self.save()
        self.method.eval()

    def close(self) -> None:
        """Closes the log, takes the bar off the terminal, and leaves no gradients behind."""
        self.journal.close()
        for player in self.players.values():
            player.forget()
        if self.progress is not None:
            self.progress.close()
