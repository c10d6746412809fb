"""Opening data for people: any source, a run among them."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tacit.data.cache import cache_folder
from tacit.data.dataset import Data
from tacit.data.open import open_source
from tacit.data.options import ReadOptions, flag
from tacit.errors import CapabilityError, DataError, OptionError
from tacit.protocol import CALLS, Bridge, Kind, Spec, Via
from tacit.runs.folder import is_run, write_atomically
from tacit.runs.loading import load
from tacit.runs.run import Run
from tacit.runs.weights import weights_hash

__all__ = ["open_data", "open_run"]

ANY: tuple[Kind, ...] = ("vector", "map", "codes")
ABOUT_LABELS = ("labels", "label_count")


def open_data(source: Any, *, say: Callable[[str], None] = lambda _: None, **options: Any) -> Data:
    """Opens a source: built in, a file, a folder, an archive, arrays in memory, or a run.

    Arguments:
        source: A name (``digits``), a path, an array, tensor or data frame, a tuple (x, labels), or a run.
        say: Called with each sentence on what is assumed.
        options: How to read it; see `ReadOptions`.

    Returns:
        The samples, in memory or in the cache; of a run, what it makes of its own data.

    Raises:
        DataError: If there is nothing to read, or it is ambiguous or damaged.
        OptionError: If an option is unknown or does not fit.

    Example:
        >>> data = open_data("digits", labels="none")
        >>> len(data), str(data.spec)
        (1797, 'image 1 x 8 x 8')
    """
    if source is None:
        raise DataError("open_data needs a source: a path, a built-in name such as digits, arrays, or a run")
    reading = read_options(options)
    if isinstance(source, Run) or is_run(source):
        return open_run(load(source), reading, say=say)[0]
    return open_source(source, reading, say=say)


def read_options(options: dict[str, Any]) -> ReadOptions:
    """Returns reading options by name; raises `OptionError` for an unknown one."""
    known = [f.name for f in dataclasses.fields(ReadOptions)]
    for name in options:
        if name not in known:
            raise OptionError(f"a source is not read with {name!r}; the options are {', '.join(known)}")
    return ReadOptions.from_dict(options)


def open_run(
    run: Run,
    reading: ReadOptions,
    accepts: Sequence[Kind] = ANY,
    *,
    wanted_by: str = "a child",
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Data, Bridge]:
    """Returns what a run makes of its root's data, standardised, and the bridge that made it.

    Arguments:
        run: The parent.
        reading: Reading options; a child keeps its root's samples and split, so only those about labels, the layer
            and the draw may be given.
        accepts: The kinds that the child takes, best first.
        wanted_by: The child, for messages.
        say: Called with each sentence on what is assumed.

    Raises:
        OptionError: If an option would change the root's samples or split.
        CapabilityError: If the parent makes nothing that the child takes.
        DataError: If the root's source is gone or has changed.
    """
    for name in reading.unheeded(["runs"]):
        raise OptionError(f"{flag(name)} is decided by the root of the lineage, {run.root.path}; leave it out")
    given = reading.to_dict()
    data = run.data(**{k: v for k, v in given.items() if k in ABOUT_LABELS})
    via, spec = deliver(run, data, accepts, wanted_by, reading.layer)
    spec = dataclasses.replace(spec, classes=data.spec.classes)
    made = cached(run, data, via, reading)
    bridge = Bridge(via, spec, reading.layer)
    bridge.standardise(made[data.training])
    say(f"data: what {run.path} makes of {data.source}: {len(data):,} samples, each a {spec}")
    child = dataclasses.replace(
        data, name=f"{run.method_name}-{data.name}", source=str(run.path), spec=spec, x=bridge(made), pair=None,
        domain=None, options=given,
    )
    return child, bridge


def deliver(
    run: Run, data: Data, accepts: Sequence[Kind], wanted_by: str, layer: str | None
) -> tuple[Via, Spec]:
    """Returns by which call, and as what, a run delivers the first kind that a child accepts."""
    makes: dict[Kind, tuple[Via, Spec]] = {}
    able = run.capabilities
    two = data.batch(torch.arange(2), device=run.device).x
    with torch.inference_mode():
        if "Encodes" in able:
            shape = tuple(run.chain.encode(two, **({"layer": layer} if layer else {})).shape[1:])
            kind: Kind = "map" if len(shape) == 3 else "vector"
            makes[kind] = ("encode", Spec(kind, shape))
        elif "Embeds" in able:
            makes["vector"] = ("embed", Spec("vector", (2,)))
        if "Tokenizes" in able:
            shape = tuple(run.chain.tokenize(two).shape[1:])
            makes["codes"] = ("tokenize", Spec("codes", shape, codes=run.method.codes))  # type: ignore[arg-type]
    for kind in accepts:
        if kind in makes:
            return makes[kind]
    can = ", ".join(CALLS[c] for c in CALLS if c in able)
    made = f"makes {' or '.join(makes)} of its data" if makes else f"makes no representation; it can {can}"
    raise CapabilityError(f"{wanted_by} takes {' or '.join(accepts)}; {run.path} ({run.method_name}) {made}")


def cached(run: Run, data: Data, via: Via, reading: ReadOptions) -> Tensor:
    """Returns what a run makes of data, shape (N, ...), from the cache where it lies there."""
    weights = [weights_hash(r.path) for r in run.lineage]
    parts = [*weights, data.fingerprint, via, str(reading.layer), str(reading.stochastic)]
    key = hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()
    path = cache_folder() / "latents" / f"{key}.npy"
    if path.is_file():
        os.utime(path)  # so that the oldest can be found
        return torch.from_numpy(np.load(path, mmap_mode="c"))
    made = make(run, data, via, reading)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as temporary, open(temporary, "wb") as file:
        np.save(file, made.numpy())
    return made


def make(run: Run, data: Data, via: Via, reading: ReadOptions) -> Tensor:
    """Returns what a run makes of data, shape (N, ...)."""
    if via != "encode":
        return run.tokenize(data) if via == "tokenize" else run.embed(data)
    with torch.random.fork_rng(devices=[]):  # a draw is part of the data: the same for every child
        torch.manual_seed(0)
        return run.encode(data, layer=reading.layer, stochastic=reading.stochastic)
