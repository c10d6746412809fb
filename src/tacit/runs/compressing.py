"""Samples as a small file that only their run can read: codes or rounded latents, entropy-coded."""

from __future__ import annotations

import hashlib
import json
import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tacit.data.dataset import Data
from tacit.errors import CapabilityError, DataError, OptionError, RunError
from tacit.functional import entropy_coding as coding
from tacit.functional.entropy_coding import Conditionals, Symbols
from tacit.runs.folder import write_atomically
from tacit.runs.run import Run
from tacit.runs.weights import weights_hash

__all__ = ["STEP", "Packed", "Rate", "compress", "identity", "pack", "read", "unpack", "way_of", "write"]

MAGIC = b"tacit\x00\x00\x01"  # the last byte is the version of the format
LENGTH = struct.Struct("<I")  # of the head
DIGEST = 16  # bytes, at the end, of all that is before
STEP = 0.25
STATISTICS = 10_000  # training samples from which frequencies are counted
TOGETHER = 64  # samples at once where codes are predicted from those before: the same in both directions
LEAST = 1e-8  # probability of a code
WIDEST = 1 << 20  # symbols of one latent: more are no compression


@dataclass(frozen=True)
class Packed:
    """A compressed file, read or about to be written.

    Arguments:
        about: Which run, which samples, which shapes.
        arrays: The stream and what its model needs, by name.
    """

    about: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Rate:
    """What compression cost and what it lost.

    Arguments:
        values: Numbers in all samples together.
        stream: Bits of the stream.
        ideal: -log2 p of what is in it, in bits.
        error: Mean squared error per value.
        peak: Greatest difference between two values, or None where values have no range.
    """

    values: int
    stream: int
    ideal: float
    error: float
    peak: float | None

    @property
    def bits(self) -> float:
        """Bits per value of the stream."""
        return self.stream / self.values

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio in dB; not a number where values have no range."""
        return math.nan if self.peak is None else 10 * math.log10(self.peak**2 / max(self.error, 1e-12))


def way_of(run: Run) -> str:
    """Returns how a run compresses: ``predicted`` codes, ``codes``, or rounded ``latents``.

    Raises:
        CapabilityError: If it cannot.
    """
    links, able = run.chain.links(), run.capabilities
    if links and links[-1][1].via == "tokenize" and callable(getattr(run.method, "code_logits", None)):
        return "predicted"
    if "Tokenizes" in able:
        return "codes"
    if {"Encodes", "Decodes", "Reconstructs"} <= able:
        return "latents"
    raise CapabilityError(f"{run.method_name} cannot compress; what can encode and decode, such as vqvae or ae, can")


def identity(run: Run) -> str:
    """Returns the hash of a run's weights and of those before it."""
    return hashlib.blake2b("".join(weights_hash(r.path) for r in run.lineage).encode(), digest_size=DIGEST).hexdigest()


def compress(run: Run, data: Data, *, step: float = STEP) -> tuple[Packed, Rate]:
    """Compresses samples and decodes them again, to say what is lost.

    Arguments:
        run: What makes codes or latents of them.
        data: The samples, as the run sees its own.
        step: Of rounded latents, in standard deviations of each over training samples.

    Raises:
        CapabilityError: If the run cannot compress.
        OptionError: If the step is not above 0, or so small that nothing is saved.
        MissingExtra: If the entropy coder is not installed.
    """
    packed, ideal = pack(run, data, step=step)
    restored, error = unpack(run, packed), 0.0
    for index in torch.arange(len(data)).split(STATISTICS):
        error += (restored[index] - data.batch(index).x).double().square().sum().item()
    values, bounds = len(data) * data.spec.size, data.spec.range
    peak = None if bounds is None else bounds[1] - bounds[0]
    return packed, Rate(values, 32 * len(packed.arrays["stream"]), ideal, error / values, peak)


def pack(run: Run, data: Data, *, step: float = STEP) -> tuple[Packed, float]:
    """Returns samples compressed, and -log2 p of their symbols in bits."""
    way = way_of(run)
    about = {"way": way, "run": str(run.path), "method": run.title, "weights": identity(run), "ids": list(data.ids)}
    if way == "predicted":
        codes = seen(run, data)
        symbols = flat(codes)
        stream, bits = coding.encode_with(symbols, predictions(run, tuple(codes.shape[1:])))
        return Packed({**about, "shape": list(codes.shape[1:]), "symbols": digest(symbols)}, {"stream": stream}), bits
    known, arrays = training(run), dict[str, NDArray[Any]]()
    if way == "codes":
        codes = run.tokenize(data)
        symbols, before, size = flat(codes), flat(run.tokenize(known)), int(run.method.codes)  # type: ignore[arg-type]
        shape = codes.shape[1:]
    else:
        z = run.encode(data)
        symbols, before, size, arrays = rounded(z, run.encode(known), step)
        shape = z.shape[1:]
    table = cheapest(before, size, symbols)
    packed = Packed({**about, "shape": list(shape)}, {**arrays, "table": table,
                                                      "stream": coding.encode_each(symbols, table)})
    return packed, coding.ideal_bits(symbols, table)


def unpack(run: Run, packed: Packed) -> Tensor:
    """Returns the samples that were compressed, shape (N, *spec.shape).

    Raises:
        RunError: If they were compressed by another run.
    """
    about, arrays = packed.about, packed.arrays
    if identity(run) != about["weights"]:
        raise RunError(f"{run.path} is not the run that compressed this ({about['method']}, then at {about['run']}), "
                       "or its weights have changed; --run names the right one")
    n, shape = len(about["ids"]), tuple(about["shape"])
    size = (n, math.prod(shape))
    if about["way"] == "predicted":
        codes = foretold(run, packed, shape, size)
        with torch.inference_mode():
            parts = torch.from_numpy(codes).long().view(n, *shape).split(TOGETHER)
            return torch.cat([run.chain.restore(part.to(run.device)).cpu() for part in parts])
    symbols = torch.from_numpy(coding.decode_each(arrays["stream"], arrays["table"], size)).long()
    if about["way"] == "codes":
        return run.detokenize(symbols.view(n, *shape))
    z = (symbols.double() + int(arrays["first"])) * torch.from_numpy(arrays["steps"]) + torch.from_numpy(arrays["mean"])
    return run.decode(z.float().view(n, *shape))


def foretold(run: Run, packed: Packed, shape: tuple[int, ...], size: tuple[int, int]) -> Symbols:
    """Returns the codes of a stream whose model is a run's predictions, (N, P).

    Raises:
        RunError: If the predictions come out otherwise here, to the last bit, than where it was written.
    """
    try:
        codes = coding.decode_with(packed.arrays["stream"], predictions(run, shape), size)
    except (AssertionError, ValueError):  # what the coder raises of a stream that its model could not have written
        codes = np.zeros(size, np.int32)
    if digest(codes) != packed.about["symbols"]:
        raise RunError("predictions come out otherwise here than where this was compressed; decompress it on the same "
                       "device, build and number of threads")
    return codes


def digest(symbols: Symbols) -> str:
    """Returns the hash by which decoded symbols are checked."""
    return hashlib.blake2b(np.ascontiguousarray(symbols, np.int32).tobytes(), digest_size=DIGEST).hexdigest()


def training(run: Run) -> Data:
    """Returns the run's own training samples, or evenly spaced ones of many."""
    data = run.data()
    spaced = torch.linspace(0, len(data.training) - 1, min(STATISTICS, len(data.training))).long()
    return data.take(data.training[spaced])


def flat(codes: Tensor) -> Symbols:
    """Returns codes as symbols, shape (N, P)."""
    return codes.flatten(1).numpy().astype(np.int32)


def rounded(z: Tensor, past: Tensor, step: float) -> tuple[Symbols, Symbols, int, dict[str, NDArray[Any]]]:
    """Returns latents and those of training samples as whole numbers of steps from 0, how many, and the way back.

    Raises:
        OptionError: If the step is not above 0, or too small.
    """
    if not 0 < step < math.inf:
        raise OptionError(f"--step is {step:g}; it must be above 0")
    z, past = z.flatten(1).double(), past.flatten(1).double()  # (N, P)
    mean, spread = past.mean(0), past.std(0, correction=0)
    steps = step * torch.where(spread > 0, spread, 1.0)
    whole, before = ((each - mean) / steps for each in (z, past))
    first = min(whole.min(), before.min()).round()
    size = int(max(whole.max(), before.max()).round() - first) + 1
    if size > WIDEST:
        raise OptionError(f"--step {step:g} makes {size:,} numbers of one latent; a larger one saves something")
    way = {"first": first.numpy().astype(np.int64), "steps": steps.numpy(), "mean": mean.numpy()}
    symbols, earlier = ((each.round() - first).numpy().astype(np.int32) for each in (whole, before))
    return symbols, earlier, size, way


def cheapest(before: Symbols, size: int, symbols: Symbols) -> NDArray[np.uint16]:
    """Returns the frequencies of training symbols, of each position or of all together: what makes less of a file."""
    each = np.stack([np.bincount(column, minlength=size) for column in before.T])  # (P, K)
    tables = [coding.frequencies(counts.astype(np.float64)) for counts in (each, each.sum(0, keepdims=True))]
    return min(tables, key=lambda t: coding.ideal_bits(symbols, t) + 8 * len(zlib.compress(t.tobytes(), 9)))


def seen(run: Run, data: Data) -> Tensor:
    """Returns the codes that the last method of a chain sees of samples, int64 (N, *grid)."""
    with torch.inference_mode():
        parts = torch.arange(len(data)).split(TOGETHER)
        return torch.cat([run.chain.features(data.batch(part, device=run.device).x).cpu() for part in parts])


def predictions(run: Run, shape: tuple[int, ...]) -> Conditionals:
    """Returns the probabilities of each code given those before it in raster order.

    Later codes are zeros in both directions and batches are cut alike, so that the very same floats come out.
    """
    logits: Callable[[Tensor], Tensor] = run.method.code_logits  # type: ignore[assignment]

    def given(known: Symbols, p: int) -> NDArray[np.float32]:
        codes = torch.from_numpy(known).long().view(len(known), *shape)
        with torch.inference_mode():
            parts = [logits(part.to(run.device)).flatten(2)[:, :, p] for part in codes.split(TOGETHER)]  # (n, K)
            chances: NDArray[np.float32] = torch.cat(parts).cpu().double().softmax(1).clamp_min(LEAST).float().numpy()
        return chances

    return given


def write(packed: Packed, path: Path) -> int:
    """Writes a compressed file: head, arrays, digest; returns its size in bytes."""
    layout = {name: [array.dtype.str, list(array.shape)] for name, array in packed.arrays.items()}
    head = zlib.compress(json.dumps({**packed.about, "arrays": layout}).encode(), 9)
    parts = [array.tobytes() if name == "stream" else zlib.compress(array.tobytes(), 9)
             for name, array in packed.arrays.items()]  # fmt: skip
    sized = [LENGTH.pack(len(part)) + part for part in (head, *parts)]
    body = MAGIC + b"".join(sized)
    with write_atomically(path) as temporary:
        temporary.write_bytes(body + hashlib.blake2b(body, digest_size=DIGEST).digest())
    return len(body) + DIGEST


def read(path: Path) -> Packed:
    """Reads what `write` wrote.

    Raises:
        DataError: If it is missing, cut short, damaged, or no such file.
    """
    try:
        whole = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    if whole[: len(MAGIC) - 1] != MAGIC[:-1]:
        raise DataError(f"{path} is no compressed file of tacit's; 'tacit compress' writes them")
    if whole[len(MAGIC) - 1 : len(MAGIC)] != MAGIC[-1:]:
        raise DataError(f"{path} is of another version of the format; decompress it with the tacit that wrote it")
    body, digest = whole[:-DIGEST], whole[-DIGEST:]
    if hashlib.blake2b(body, digest_size=DIGEST).digest() != digest:
        raise DataError(f"{path} is damaged or cut short; copy it again")
    parts, place = [], len(MAGIC)
    while place < len(body):
        (length,) = LENGTH.unpack_from(body, place)
        parts.append(body[place + LENGTH.size : place + LENGTH.size + length])
        place += LENGTH.size + length
    about = json.loads(zlib.decompress(parts[0]))
    arrays = {}
    for part, (name, (dtype, shape)) in zip(parts[1:], about.pop("arrays").items(), strict=True):
        held = part if name == "stream" else zlib.decompress(part)
        arrays[name] = np.frombuffer(held, np.dtype(dtype)).reshape(shape).copy()
    return Packed(about, arrays)
