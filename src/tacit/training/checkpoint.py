"""What resuming needs, in one file: written beside its place and renamed, so that a crash leaves the old or the new."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tacit.errors import RunError
from tacit.files import written_whole

__all__ = ["STATE", "Tally", "all_finite", "copy_back", "portable", "read_state", "write_state"]

STATE = "state/latest.safetensors"
VERSION = 1


@dataclass
class Tally:
    """What a state holds besides tensors.

    Arguments:
        step: Rounds played.
        seconds: Time spent.
        total: Rounds to play; None as long as time alone limits them and the pace is not known.
        budget: The budget that `total` comes from.
        timed: Whether the minutes were turned into rounds.
        beat: Rounds in about a second, or None as long as the pace is not known.
        micro: Samples per forward.
        held_out: Last held-out loss.
        best: Least held-out loss.
        best_step: Its step.
        offset: Length in bytes of ``metrics.jsonl``.
        sums: Sum and number of what was logged since its last line, by name.
        world: Number of processes.
    """

    step: int = 0
    seconds: float = 0.0
    total: int | None = None
    budget: str = "steps"
    timed: bool = False
    beat: int | None = None
    micro: int = 0
    held_out: float | None = None
    best: float | None = None
    best_step: int = 0
    offset: int = 0
    sums: dict[str, tuple[float, int]] = field(default_factory=dict)
    world: int = 1

    @property
    def progress(self) -> float:
        """Share of the budget that is spent, in [0, 1]; 0 as long as the budget is not known."""
        return min(1.0, self.step / self.total) if self.total else 0.0


def portable(tensors: Iterable[tuple[str, Tensor]] | Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns contiguous copies on the CPU that share no storage, as files want them."""
    pairs = tensors.items() if isinstance(tensors, Mapping) else tensors
    return {n: torch.empty(t.shape, dtype=t.dtype).copy_(t.detach()) for n, t in pairs}


def write_state(folder: Path, tensors: Mapping[str, Tensor], tally: Tally) -> None:
    """Writes the state of a run.

    Arguments:
        folder: The run's.
        tensors: As `portable` makes them.
        tally: Everything else.

    Raises:
        OSError: If the disk is full or not writable; the old state stays.
    """
    header = {"tacit": json.dumps({"version": VERSION, **dataclasses.asdict(tally)})}
    with written_whole(folder / STATE) as path:
        try:
            save_file(dict(tensors), path, metadata=header)
        except SafetensorError as error:  # how it reports a full disk
            raise OSError(f"{path}: {error}") from error


def read_state(folder: Path) -> tuple[dict[str, Tensor], Tally]:
    """Reads what `write_state` wrote.

    Raises:
        RunError: If there is none, or it is damaged or foreign.
    """
    path = folder / STATE
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()["tacit"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        if header.pop("version") != VERSION:
            raise RunError(f"{path} was written by another version of tacit; resume with that one, or fit again")
        header["sums"] = {name: (total, count) for name, (total, count) in header["sums"].items()}
        return tensors, Tally(**header)
    except FileNotFoundError:
        raise RunError(f"{folder} has no {STATE}: the run is finished, or was never saved") from None
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path} is damaged or foreign ({error}); remove it to train {folder} from the start") from None


@torch.no_grad()
def copy_back(live: Iterable[tuple[str, Tensor]], saved: Mapping[str, Tensor], what: str) -> None:
    """Copies saved tensors into live ones, which keep their strides.

    A fused optimiser takes its state to be laid out as the parameter is; one loaded as saved, contiguous beside
    channels-last weights, would be updated wrongly without a word.

    Raises:
        RunError: If a name is missing or unknown, or a shape or type differs.
    """
    own = dict(live)
    for name in sorted(own.keys() ^ saved.keys()):
        where = "is missing from" if name in own else "is unknown in"
        raise RunError(f"{name!r} {where} the saved {what}; resume with the options that the run was started with")
    for name, tensor in own.items():
        if tensor.shape != saved[name].shape or tensor.dtype != saved[name].dtype:
            raise RunError(f"{name!r} of the saved {what} is {described(saved[name])}; {described(tensor)} was "
                           "expected; resume with the options that the run was started with")
        tensor.copy_(saved[name])


def described(tensor: Tensor) -> str:
    """Returns type and shape in words."""
    shape = " x ".join(map(str, tensor.shape)) or "a number"
    return f"{str(tensor.dtype).removeprefix('torch.')} {shape}"


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Returns whether no float is infinite or not a number."""
    return all(bool(t.isfinite().all()) for t in tensors if t.is_floating_point())
