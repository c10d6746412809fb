"""From a folder to a run: every name, shape and parent is checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from tacit.errors import RunError
from tacit.protocol import Bridge, Chain, Method
from tacit.runs.building import build
from tacit.runs.config import Parent, Record
from tacit.runs.folder import is_run
from tacit.runs.run import Run
from tacit.runs.weights import read_weights, weights_hash

__all__ = ["load"]


def load(
    path: str | os.PathLike[str] | Run, *, trust: bool = False, device: str = "cpu", **modules: nn.Module
) -> Run:
    """Loads a run and its parents.

    Arguments:
        path: The run's folder.
        trust: Whether modules of the user's own that are not imported yet may be imported, which runs their code.
        device: Where to.
        modules: The user's own modules, by the option they were given as.

    Returns:
        The run, with the averaged weights where there are any.

    Raises:
        RunError: If the folder is not a run, is damaged, or a parent has moved or changed.

    Example:
        >>> load("runs/9999-none")
        Traceback (most recent call last):
        ...
        tacit.errors.RunError: runs/9999-none is not a run: it is not there
    """
    if isinstance(path, Run):
        return path
    if not isinstance(path, (str, os.PathLike)):
        raise RunError(f"a run is named by its folder; found {path!r}")
    folder = Path(path)
    if not is_run(folder):
        found = "it has no config.yaml" if folder.exists() else "it is not there"
        raise RunError(f"{folder} is not a run: {found}")
    record = Record.read(folder)
    parent = load_parent(folder, record.parent, trust=trust) if record.parent else None
    method = build(record, modules=modules, trust=trust)
    groups = read_weights(folder)
    method.restore(groups["raw"] | groups["ema"])
    chain = extend(parent, method, record, groups["bridge"])
    return Run(folder, record, chain, parent).to(device)


def load_parent(folder: Path, parent: Parent, *, trust: bool) -> Run:
    """Loads the run that another stands on, from beside it or from where it was."""
    place = next((p for p in (folder / parent.path, Path(parent.path)) if is_run(p)), None)
    if place is None:
        raise RunError(f"{folder} stands on the run {parent.path}, which is not there; move it back, or correct "
                       f"'parent' in {folder / 'config.yaml'}")
    if weights_hash(place) != parent.weights:
        raise RunError(f"{folder} stands on the run {place}, whose weights have changed since; restore them, or fit "
                       "the child again")
    return load(Path(os.path.normpath(place)), trust=trust)


def extend(parent: Run | None, method: Method, record: Record, tensors: Mapping[str, Tensor]) -> Chain:
    """Returns the chain of a parent and a method, with the bridge between them as it was saved."""
    if parent is None or record.parent is None:
        return Chain(method)
    bridge = Bridge(record.parent.via, record.spec, record.parent.layer)
    try:
        with torch.no_grad():
            bridge.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise RunError(f"the bridge to {record.parent.path} does not fit: {str(error).splitlines()[-1].strip()}; "
                       "fit the child again") from error
    return lengthen(parent.chain, bridge, method)


def lengthen(chain: Chain, bridge: Bridge, method: Method) -> Chain:
    """Returns a chain with one more method behind a bridge; the methods are shared, not copied."""
    parents = [link[0] for link in chain.links()] + [chain.method]
    return Chain(method, parents, [link[1] for link in chain.links()] + [bridge])
