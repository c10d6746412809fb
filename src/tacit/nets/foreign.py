"""Nets made elsewhere: a class by its name, what it takes, and files of weights, read without running code."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from tacit.errors import OptionError
from tacit.nets.onnx import OnnxGraph

__all__ = ["build_named", "copy_weights", "image_input", "read_weights_file", "recognised"]

SAFE = ".safetensors"
PICKLED = (".pth", ".pt", ".bin", ".ckpt")
OPTIONAL = "num_batches_tracked"  # batch norm's count, which older files lack and evaluation does not use
NAMED = 3  # names that a message lists
AKIN = 0.5  # share of a net's names from which a file is likely to have been meant for it


def build_named(name: str) -> nn.Module:
    """Returns the module that ``module:Class`` makes without arguments; this imports the module.

    Raises:
        OptionError: If it is not there, needs arguments, or is no torch module.
    """
    module, _, kind = name.partition(":")
    try:
        net = getattr(importlib.import_module(module), kind)()
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise OptionError(f"{name} cannot be built ({error}); write module:Class, the module's folder in PYTHONPATH "
                          "and the class without arguments") from error
    if not isinstance(net, nn.Module):
        raise OptionError(f"{name} makes a {type(net).__name__}; expected a torch module")
    return net


def image_input(net: nn.Module) -> tuple[int | None, int | None, int | None]:
    """Returns the channels, height and width of the images that a net takes; None for what it leaves open.

    An ONNX graph says all three; of a torch module the first convolution has the channels.
    """
    if isinstance(net, OnnxGraph):
        _, channels, height, width = net.shape if len(net.shape) == 4 else (None,) * 4
        return channels, height, width
    return next((m.in_channels for m in net.modules() if isinstance(m, nn.Conv2d)), None), None, None


def read_weights_file(path: str | Path) -> dict[str, Tensor]:
    """Reads tensors by name from a ``.safetensors`` file or a state dict that torch saved; unpickles nothing else.

    Raises:
        OptionError: If the file is not there, damaged, or of another kind.
    """
    path = Path(path)
    if not path.is_file():
        raise OptionError(f"there is no file {path}")
    if path.suffix not in (SAFE, *PICKLED):
        raise OptionError(f"{path} has the suffix {path.suffix!r}; weights are read from {SAFE}, {', '.join(PICKLED)}")
    found: Any
    try:
        found = safetensors.torch.load_file(path) if path.suffix == SAFE else torch.load(path, "cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # torch raises anything for a damaged file
        raise OptionError(f"{path} is damaged, or holds more than tensors; save the net's state_dict") from error
    if not isinstance(found, Mapping):
        raise OptionError(f"{path} holds a {type(found).__name__}; save the net's state_dict")
    for name, value in found.items():
        if not isinstance(value, Tensor):
            raise OptionError(f"{path} holds a {type(value).__name__} under {name!r}; save the net's state_dict alone")
    return dict(found)


def recognised(kinds: Sequence[type[nn.Module]], tensors: Mapping[str, Tensor], path: str | Path) -> nn.Module:
    """Returns a net of the kind whose weights a file holds, going by their names: all of them and no others.

    Raises:
        OptionError: If there is none; where one is near, with the first names that differ.
    """
    with torch.device("meta"):  # for their names alone
        nets = {kind: kind() for kind in kinds}
    kind = max(kinds, key=lambda kind: kinship(nets[kind], tensors))
    difference = name_difference(nets[kind], tensors)
    if not difference:
        return kind()
    akin = kinship(nets[kind], tensors) >= AKIN
    near = f"; {kind.__name__} is the nearest, but the file {difference}" if akin else ""
    raise OptionError(f"{path} is of no net that is known{near}; --encoder module:Class says whose it is")


def kinship(net: nn.Module, tensors: Mapping[str, Tensor]) -> float:
    """Returns the share of a net's names that a file holds."""
    own = counted(net.state_dict())
    return len(own & counted(tensors)) / max(1, len(own))


def name_difference(net: nn.Module, tensors: Mapping[str, Tensor]) -> str:
    """Returns in words which names a file lacks and which a net does not know; nothing where there are none.

    A net that reads only part of its file says so by ``unused``: how the names begin that it leaves out.
    """
    leaves: tuple[str, ...] = getattr(net, "unused", ())
    own, found = counted(net.state_dict()), {name for name in counted(tensors) if not name.startswith(leaves)}
    missing, unknown = sorted(own - found), sorted(found - own)
    lacks = f"lacks {listed(missing)}" if missing else ""
    extra = f"holds {listed(unknown)}, which {type(net).__name__} does not know" if unknown else ""
    return " and ".join(filter(None, (lacks, extra)))


@torch.no_grad()
def copy_weights(net: nn.Module, tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Copies the tensors of a file into a net.

    Raises:
        OptionError: If a name is missing or unknown, or a shape differs.
    """
    own, title = net.state_dict(), type(net).__name__
    if difference := name_difference(net, tensors):
        raise OptionError(f"{path} does not fit {title}: it {difference}")
    shared = [name for name in own if name in tensors]
    for name in shared:
        if own[name].shape != tensors[name].shape:
            raise OptionError(f"{path} does not fit {title}: {name!r} has shape {tuple(tensors[name].shape)}; "
                              f"{title} expects {tuple(own[name].shape)}")
    for name in shared:
        own[name].copy_(tensors[name])


def counted(names: Iterable[str]) -> set[str]:
    """Returns the names that must agree."""
    return {name for name in names if name.rpartition(".")[2] != OPTIONAL}


def listed(names: list[str]) -> str:
    """Returns the first few names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(map(repr, names[:NAMED])) + more
