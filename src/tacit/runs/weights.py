"""``model.safetensors``: a chain's own weights, raw and averaged, and its bridge. Never a pickle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from tacit.errors import RunError
from tacit.runs.folder import WEIGHTS, write_atomically

__all__ = ["read_weights", "weights_hash", "write_weights"]

GROUPS = ("raw", "ema", "bridge")


def write_weights(folder: Path, groups: Mapping[str, Mapping[str, Tensor] | None]) -> None:
    """Writes the groups ``raw``, ``ema`` and ``bridge`` into one file; a crash leaves the old or the new."""
    tensors = {
        f"{group}/{name}": t.detach().to("cpu", copy=True).contiguous()  # a copy each: shared storage is refused
        for group, part in groups.items()
        for name, t in (part or {}).items()
    }
    with write_atomically(folder / WEIGHTS) as path:
        try:
            safetensors.torch.save_file(tensors, path)
        except safetensors.SafetensorError as error:  # how a full disk is reported
            raise OSError(str(error)) from error


def read_weights(folder: Path) -> dict[str, dict[str, Tensor]]:
    """Reads what `write_weights` wrote.

    Raises:
        RunError: If the file is missing, truncated, or of another make.
    """
    path = folder / WEIGHTS
    try:
        tensors = safetensors.torch.load_file(path)
    except FileNotFoundError as error:
        raise RunError(f"{folder} has no {WEIGHTS}; restore it, or fit the run again") from error
    except (safetensors.SafetensorError, OSError, ValueError, KeyError) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(f"{path} is damaged or foreign ({line}); restore it, or fit the run again") from error
    groups: dict[str, dict[str, Tensor]] = {g: {} for g in GROUPS}
    for key, tensor in tensors.items():
        group, _, name = key.partition("/")
        if group not in groups or not name:
            raise RunError(f"{path} holds the unknown weight {key!r}: it is not a run's file")
        groups[group][name] = tensor
    return groups


def weights_hash(folder: Path) -> str:
    """Returns the hash by which children know a run."""
    path = folder / WEIGHTS
    if not path.is_file():
        raise RunError(f"{folder} has no {WEIGHTS}; restore it, or fit the run again")
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
