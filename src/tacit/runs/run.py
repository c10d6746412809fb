"""A run: a fitted method with its parents, for people: any data in, CPU tensors out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tacit.data.dataset import IN_MEMORY, Data
from tacit.data.open import open_source
from tacit.data.options import ReadOptions
from tacit.errors import DataError, OptionError, RunError
from tacit.protocol import Chain, Method, Spec, capabilities
from tacit.runs.config import Record

__all__ = ["Run"]

LOOKS = ("size", "fit", "colour", "binarise", "columns")  # reading options that say how a sample looks
BUDGET = 4_000_000  # values per batch of inference
CACHED = 2**16  # values that are made at a time on a CPU: a U-Net's maps of more leave the cache, at twice the time


class Run:
    """A fitted method, on disk.

    Every call takes samples as a path, an array, a tensor, or `Data`, or nothing for the run's own data; it works in
    bounded batches, without gradients, with the averaged weights where there are any, and returns CPU tensors. For
    gradients, use `chain`.

    Arguments:
        path: Its folder.
        record: What its ``config.yaml`` holds.
        chain: The method and its parents.
        parent: The run it was fitted on, or None.
        data: Its own data, where they are open.
    """

    def __init__(
        self, path: Path, record: Record, chain: Chain, parent: Run | None = None, data: Data | None = None
    ) -> None:
        self.path, self.record, self.chain, self.parent = path, record, chain.eval(), parent
        self._data = data

    def __repr__(self) -> str:
        """Returns for instance ``Run('runs/0001-vae-digits': vae on image 1 x 8 x 8)``."""
        return f"Run({str(self.path)!r}: {self.method_name} on {self.record.spec})"

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def method_name(self) -> str:
        """The method's name in the catalogue."""
        return self.record.method

    @property
    def method(self) -> Method:
        """The method, without its parents."""
        method: Method = self.chain.method
        return method

    @property
    def spec(self) -> Spec:
        """What a sample of the root is: what the run takes and makes."""
        return self.chain.spec

    @property
    def root(self) -> Run:
        """The run at the root of the lineage: the only one that was fitted on a source."""
        return self if self.parent is None else self.parent.root

    @property
    def lineage(self) -> tuple[Run, ...]:
        """The runs from the root to this one."""
        return (*(self.parent.lineage if self.parent else ()), self)

    @property
    def title(self) -> str:
        """The methods of the lineage, from this run's to the root's: ``ddpm on vae``."""
        return " on ".join(r.method_name for r in reversed(self.lineage))

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do, as the names in `tacit.protocol.CALLS`."""
        return capabilities(self.chain)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.method.device

    def to(self, device: str | torch.device) -> Run:
        """Moves it to another device."""
        self.chain.to(device)
        return self

    def data(self, **labels: Any) -> Data:
        """Returns the root's own data, opened as they were for fitting, with the same split.

        Arguments:
            labels: Reading options about labels that override those of the root.

        Raises:
            DataError: If the source is no longer there, or has changed.
        """
        root = self.root
        if root._data is None or labels:
            root._data = root._reopen(labels)
        return root._data

    def _reopen(self, labels: dict[str, Any]) -> Data:
        entry = {**self.record.data, **labels}
        source = entry.pop("source")
        if source == IN_MEMORY:
            raise DataError(f"{self.path} was fitted on data that were in memory only; pass the data again")
        try:
            data = open_source(source, ReadOptions.from_dict(entry), like=self.record.spec)
        except DataError as error:
            raise DataError(f"the source of {self.path} cannot be opened as it was: {error}") from error
        if data.fingerprint != self.record.fingerprint:
            raise DataError(f"the source of {self.path}, {source}, has changed since it was fitted; "
                            "restore it, or fit the run again")
        return data

    def open(self, source: Any) -> Data:
        """Opens other data as this run's root saw its own: images at its size, tables with its columns.

        Raises:
            DataError: If the data are of another kind or shape.
        """
        if isinstance(source, Data):
            if source.spec.kind != self.spec.kind or source.spec.shape != self.spec.shape:
                raise DataError(f"{self.name} takes {self.spec}; {source.source} holds {source.spec}")
            return source
        reading = {k: v for k, v in self.root.record.data.items() if k in LOOKS}
        return open_source(source, ReadOptions.from_dict({**reading, "split": "0"}), like=self.spec)

    def encode(self, x: Any = None, *, layer: str | None = None, stochastic: bool = False) -> Tensor:
        """Returns float latents, shape (N, ...).

        Arguments:
            x: Samples.
            layer: Which layer's features, where the method has layers.
            stochastic: Whether a stochastic encoder draws from its posterior instead of giving the mean.
        """
        extra: dict[str, Any] = ({"layer": layer} if layer else {}) | ({"stochastic": True} if stochastic else {})
        self._require("Encodes")
        self._check_extra("encode", extra)
        return self._over("Encodes", x, lambda b: self.chain.encode(b, **extra))

    def tokenize(self, x: Any = None) -> Tensor:
        """Returns int64 codes, shape (N, ...)."""
        return self._over("Tokenizes", x, self.chain.tokenize)

    def detokenize(self, codes: Tensor) -> Tensor:
        """Returns the samples that int64 codes stand for, shape (N, *spec.shape)."""
        return self._each("Tokenizes", torch.as_tensor(codes), self.chain.detokenize)

    def decode(self, z: Any) -> Tensor:
        """Returns samples of latents, shape (N, *spec.shape)."""
        z = torch.as_tensor(z, dtype=torch.float32)
        self._require("Decodes")
        if (shape := self._latents()) and (z.shape[1:] != shape or not len(z)):
            raise DataError(f"{self.name} decodes latents of shape (N, {', '.join(map(str, shape))}); "
                            f"found {tuple(z.shape)}" + self._no_codes())
        return self._each("Decodes", z, self.chain.decode)

    def reconstruct(self, x: Any = None) -> Tensor:
        """Returns samples restored from their representation, shape (N, *spec.shape)."""
        return self._over("Reconstructs", x, self.chain.reconstruct)

    def score(self, x: Any = None) -> Tensor:
        """Returns anomaly scores, shape (N,); higher is stranger."""
        return self._over("Scores", x, self.chain.anomaly_score)

    def log_prob(self, x: Any = None, **extra: Any) -> Tensor:
        """Returns log p in nats, shape (N,); `bound` says how tight, `density_over` of what."""
        self._check_extra("log_prob", extra)
        return self._over("Density", x, lambda b: self.chain.log_prob(b, **extra))

    def bound(self) -> str:
        """Says whether `log_prob` is ``exact``, a ``lower`` bound, or an ``estimate``."""
        return self.chain.bound()

    def density_over(self) -> str:
        """Says of what `log_prob` is the density: ``the data``, or the latents of a parent."""
        return self.chain.density_over()

    def classify(self, x: Any = None) -> Tensor:
        """Returns logits, shape (N, K)."""
        return self._over("Classifies", x, self.chain.classify)

    def assign(self, x: Any = None) -> Tensor:
        """Returns int64 groups, shape (N,); -1 for none."""
        return self._over("Clusters", x, self.chain.assign)

    def translate(self, x: Any = None, *, to: Any = None) -> Tensor:
        """Returns samples in the other domain: of the shape of partners where samples have them, else of their own.

        Arguments:
            x: Samples.
            to: Of two domains, ``target``, which is the default, or ``source``.
        """
        return self._over("Translates", x, lambda b: self.chain.translate(b, to=to))

    def discriminate(self, x: Any = None) -> Tensor:
        """Returns logits, shape (N,): greater for what looks like data."""
        return self._over("Discriminates", x, self.chain.discriminate)

    def embed(self, x: Any = None) -> Tensor:
        """Returns places on a map, shape (N, 2)."""
        return self._over("Embeds", x, self.chain.embed)

    def sample(self, n: int, *, seed: int = 0, **extra: Any) -> Tensor:
        """Returns n new samples, shape (n, *spec.shape), the same for the same seed and device.

        Arguments:
            n: How many.
            seed: Of all their randomness.
            extra: The method's own options: ``label``, ``temperature``, ...

        Raises:
            CapabilityError: If the run cannot sample.
            OptionError: If the method does not know an option.
        """
        self._require("Samples")
        for name, value, least in (("n", n, 1), ("seed", seed, 0)):
            if not isinstance(value, int) or not least <= value < 2**63:
                raise OptionError(f"{name} is {value!r}; expected a whole number from {least} on")
        extra = {k: v for k, v in extra.items() if v is not None}
        self._check_extra("sample", extra)
        generator = torch.Generator(self.device).manual_seed(seed)
        most = self._batch if self.device.type != "cpu" else min(self._batch, max(32, CACHED // self.spec.size))
        sizes = [min(most, n - start) for start in range(0, n, most)]
        with torch.inference_mode():
            made = [self.chain.sample(k, generator=generator, **extra).cpu() for k in sizes]
        return torch.cat(made).clone()

    def figures(self) -> dict[str, Any]:
        """Returns arrays for a picture peculiar to the method."""
        self._require("Illustrates")
        return self.chain.figures()

    @property
    def _batch(self) -> int:
        return max(1, min(1024, BUDGET // max(1, self.spec.size)))

    def _require(self, capability: str) -> None:
        self.chain.check(capability, self.method_name)

    def _no_codes(self) -> str:
        """Returns the mend for one who takes features for what is decoded."""
        apart = "Encodes" in self.capabilities and "Reconstructs" not in self.capabilities
        return "; what it encodes are features, and 'tacit project' finds latents" if apart else ""

    @torch.inference_mode()
    def _latents(self) -> tuple[int, ...]:
        """Returns the shape of the latents of one sample that `decode` takes; nothing where it is not known."""
        if "Prior" in self.capabilities:
            return tuple(self.chain.prior(1, generator=torch.Generator(self.device)).shape[1:])
        if {"Encodes", "Reconstructs"} <= self.capabilities:  # else what it encodes need not be what it decodes
            return tuple(self.chain.encode(torch.zeros(1, *self.spec.shape, device=self.device)).shape[1:])
        return ()

    def _check_extra(self, call: str, extra: dict[str, Any]) -> None:
        known = inspect.signature(getattr(self.method, call)).parameters
        for name in extra:
            if name not in known:
                takes = ", ".join(k for k, p in known.items() if p.kind is p.KEYWORD_ONLY and k != "generator")
                raise OptionError(f"{self.method_name} takes no {name!r} to {call}; it takes {takes or 'no options'}")

    def _over(self, capability: str, x: Any, call: Callable[[Tensor], Tensor]) -> Tensor:
        """Applies a call to samples from anywhere, in bounded batches."""
        self._require(capability)
        data = self.data() if x is None else self.open(x)
        return self._gather(call(b) for b in self._batches(data))

    def _each(self, capability: str, z: Tensor, call: Callable[[Tensor], Tensor]) -> Tensor:
        """Applies a call to latents or codes, in bounded batches."""
        self._require(capability)
        return self._gather(call(part.to(self.device)) for part in z.split(self._batch))

    def _batches(self, data: Data) -> Iterator[Tensor]:
        for index in torch.arange(len(data)).split(self._batch):
            yield data.batch(index, device=self.device).x

    def _gather(self, parts: Iterator[Tensor]) -> Tensor:
        with torch.inference_mode():
            gathered = [part.cpu() for part in parts]
        if not gathered:
            raise RunError("there are no samples to work on")
        return torch.cat(gathered).clone()
