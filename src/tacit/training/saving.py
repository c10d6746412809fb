"""Saving a training so that it can be continued bit for bit, and continuing it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from torch import Tensor

from tacit.errors import TacitError
from tacit.protocol import Method
from tacit.training.checkpoint import STATE, Tally, all_finite, copy_back, portable, read_state, write_state
from tacit.training.devices import Devices
from tacit.training.ema import Average
from tacit.training.journal import Journal
from tacit.training.optim import Player
from tacit.training.randomness import random_states, restore_random_states, seed_process

__all__ = ["Keep", "Saves"]

Keep = Callable[[Mapping[str, Tensor], Mapping[str, Tensor] | None], None]


class Saves:
    """Everything of a training that outlives its process.

    Arguments:
        folder: The run's.
        method: Its weights and buffers.
        players: Their optimisers.
        average: The averaged weights, or None.
        devices: One process writes, for all.
        keep: Writes raw and averaged weights whole.
    """

    def __init__(
        self, folder: Path, method: Method, players: Mapping[str, Player], average: Average | None, devices: Devices,
        keep: Keep,
    ) -> None:
        self.folder, self.method, self.players, self.average = folder, method, players, average
        self.devices, self.keep = devices, keep
        self.step: int | None = None  # of the last save

    def save(self, tally: Tally, journal: Journal) -> None:
        """Writes the weights, then the state: wherever there is a state, there are weights.

        Raises:
            TacitError: On every process, if one of the files could not be written; the old one stays.
        """
        noise = self.devices.gather(random_states(self.devices.device))
        trouble = self.write(tally, journal, noise) if self.devices.is_main else None
        if trouble := self.devices.agree(trouble):
            raise TacitError(trouble)
        self.step = tally.step

    def write(self, tally: Tally, journal: Journal, noise: list[dict[str, Tensor]]) -> str | None:
        """Writes both files, and returns what went wrong."""
        try:
            averaged = None if self.average is None else portable(self.average.weights())
            self.keep(portable(self.method.state_dict()), averaged)
            tally.offset = journal.offset()
            states = {f"noise/{rank}/{kind}": t for rank, s in enumerate(noise) for kind, t in s.items()}
            write_state(self.folder, portable([*self.live(), *states.items()]), tally)
        except TacitError as error:
            return str(error)
        except OSError as error:
            kept = "nothing was saved before" if self.step is None else f"the save of step {self.step:,} is kept"
            return (f"{self.folder} could not be saved: {error.strerror or error}; {kept}; free some space, then "
                    f"continue with: tacit fit --resume {self.folder}")
        return None

    def save_good(self, tally: Tally, journal: Journal) -> str:
        """Saves what has stayed good after a bad move was not made, and says what there is to continue from."""
        weights = [*self.method.state_dict().values(), *(t for _, t in self.moving())]
        if all_finite(weights):
            with contextlib.suppress(TacitError):
                self.save(tally, journal)
                return f"everything before it is saved in {self.folder}"
        return "nothing was saved before" if self.step is None else f"the save of step {self.step:,} is kept"

    def restore(self, seed: int, say: Callable[[str], None]) -> Tally | None:
        """Copies a saved state back, or returns None where there is none.

        Raises:
            RunError: If the state is damaged, foreign, or of other options.
        """
        if not (self.folder / STATE).exists():
            return None
        tensors, tally = read_state(self.folder)
        groups: dict[str, dict[str, Tensor]] = {"method": {}, "moving": {}, "noise": {}}
        for name, tensor in tensors.items():
            group, _, rest = name.partition("/")
            groups.setdefault(group, {})[rest] = tensor
        self.method.restore(groups["method"])
        copy_back(self.moving(), groups["moving"], "state")
        if tally.world == self.devices.world:
            own = f"{self.devices.rank}/"
            restore_random_states({n.removeprefix(own): t for n, t in groups["noise"].items() if n.startswith(own)})
        else:
            say(f"saved by {tally.world} processes and continued by {self.devices.world}: not bit for bit the same")
            seed_process(seed + tally.step, self.devices.rank)
            tally.world = self.devices.world
        self.step = tally.step
        if self.devices.is_main:
            for stale in (self.folder / STATE).parent.glob(".*"):  # of a save that was killed
                stale.unlink()
        return tally

    def live(self) -> Iterator[tuple[str, Tensor]]:
        """Yields every tensor that a state holds, by name."""
        yield from ((f"method/{n}", t) for n, t in self.method.state_dict().items())
        yield from ((f"moving/{n}", t) for n, t in self.moving())

    def moving(self) -> Iterator[tuple[str, Tensor]]:
        """Yields the live tensors of optimisers and average."""
        for player in self.players.values():
            yield from player.state()
        if self.average is not None:
            yield from ((f"average/{n}", t) for n, t in self.average.state())
