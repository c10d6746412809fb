"""Where a method trains: one device, or several processes that share each batch."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from tacit.errors import OptionError
from tacit.training.options import TrainOptions

__all__ = ["Devices"]

LAUNCHER = "TACIT_LAUNCHER"  # in the environment: the id of the process that started the others


class Devices:
    """The device of this process, and what it shares with the others.

    With more than one device, lightning-fabric starts the other processes, each with this one's command line, or
    joins those that torchrun or SLURM started; what they share afterwards goes through `torch.distributed`. A
    process group that is there already is used as it is.

    Arguments:
        options: `device`, `devices` and `precision`.

    Raises:
        OptionError: If the devices asked for are not there.
    """

    def __init__(self, options: TrainOptions = TrainOptions()) -> None:  # noqa: B008 - frozen
        kind = chosen(options)
        if not dist.is_initialized() and (options.devices > 1 or launched()):
            join(kind, options.devices)
        together = dist.is_initialized()
        self.rank = dist.get_rank() if together else 0
        self.world = dist.get_world_size() if together else 1
        local = int(os.environ.get("LOCAL_RANK", self.rank)) if together else 0
        self.device = torch.device(kind, local) if kind == "cuda" else torch.device(kind)
        if kind == "cuda":
            torch.cuda.set_device(self.device)
        self.precision = options.precision

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.rank == 0

    @property
    def waits(self) -> bool:
        """Whether reading a number from the device makes the host wait."""
        return self.device.type != "cpu"

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Returns the context of a forward: bf16 where asked for."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def total(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Returns the sums over all processes, as one flat message; shapes and types as given."""
        if self.world == 1:
            return list(tensors)
        wide = torch.float64 if any(t.dtype == torch.float64 for t in tensors) else torch.float32
        flat = torch.cat([t.detach().reshape(-1).to(wide) for t in tensors])
        dist.all_reduce(flat)
        parts = flat.split([t.numel() for t in tensors])
        return [part.view(t.shape).to(t.dtype) for part, t in zip(parts, tensors, strict=True)]

    @torch.no_grad()
    def average_(self, tensors: Sequence[Tensor]) -> None:
        """Puts the means over all processes in the tensors' place."""
        floats = [t for t in tensors if t.is_floating_point()]
        if self.world > 1 and floats:
            torch._foreach_copy_(floats, torch._foreach_div(self.total(floats), self.world))

    @torch.no_grad()
    def align_(self, tensors: Sequence[Tensor]) -> None:
        """Puts the first process's values in the tensors' place."""
        for tensor in tensors if self.world > 1 else ():
            dense = tensor.detach().contiguous()
            dist.broadcast(dense, 0)
            tensor.copy_(dense)

    def agree(self, value: Any) -> Any:
        """Returns the first process's value, a number, text or None, to all."""
        if self.world == 1:
            return value
        held = [value]
        dist.broadcast_object_list(held, 0, device=self.device if self.device.type == "cuda" else None)
        return held[0]

    def gather(self, value: Any) -> list[Any]:
        """Returns every process's value, in the order of their ranks."""
        if self.world == 1:
            return [value]
        held: list[Any] = [None] * self.world
        dist.all_gather_object(held, value)
        return held


def chosen(options: TrainOptions) -> str:
    """Returns the kind of device: the one asked for, or the fastest that is there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if options.device == "auto":
        return next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    if not there[options.device]:
        raise OptionError(f"--device {options.device} is not there (torch {torch.__version__} sees "
                          f"{', '.join(k for k, v in there.items() if v)}); give --device auto")
    if options.device == "mps" and options.devices > 1:
        raise OptionError("--device mps is a single one; drop --devices")
    return options.device


def launched() -> bool:
    """Returns whether torchrun or SLURM started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", 1)) > 1 or int(os.environ.get("SLURM_NTASKS", 1)) > 1


def join(kind: str, devices: int) -> None:
    """Starts or joins the other processes."""
    if kind == "cuda" and devices > torch.cuda.device_count():
        raise OptionError(f"--devices is {devices}; there are {torch.cuda.device_count()} of cuda")
    from lightning_fabric import Fabric  # takes seconds to import, for one device in vain

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    world = int(os.environ.get("WORLD_SIZE", 0))
    here, nodes = int(os.environ.get("LOCAL_WORLD_SIZE", devices)), 1
    if world:
        nodes = max(1, world // here)
    elif "SLURM_NTASKS" in os.environ:
        nodes = int(os.environ.get("SLURM_NNODES", 1))
        here = max(devices, int(os.environ["SLURM_NTASKS"]) // nodes)
    if not launched():
        os.environ[LAUNCHER] = str(os.getpid())
    elif os.environ.get(LAUNCHER, "") not in ("", str(os.getpid())):
        threading.Thread(target=end_with, args=[int(os.environ[LAUNCHER])], daemon=True).start()
    Fabric(accelerator=kind, devices=here, num_nodes=nodes, strategy="ddp").launch()


def end_with(launcher: int) -> None:
    """Ends this process once the one that started it is gone, however it went: nobody would ever answer again."""
    while os.getppid() == launcher:
        time.sleep(1)
    os._exit(130)
