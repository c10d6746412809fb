"""The features in which samples are compared with data: of a run, of a seeded random network, of Inception."""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from tacit.errors import DataError, OptionError, did_you_mean
from tacit.functional.shrinking import shrunk
from tacit.nets.inception import load_inception
from tacit.protocol import Spec
from tacit.runs.folder import is_run
from tacit.runs.loading import load
from tacit.runs.run import Run
from tacit.runs.weights import weights_hash

__all__ = ["Space", "inception", "of_run", "random_network", "space_of"]

BATCH, VALUES = 256, 2**22  # samples, and values of samples, that are turned into features at a time
WIDEST = 2_048  # features beyond which maps are pooled
WIDTHS = (16, 24, 24, 24)  # channels of the random network's blocks
SMALLEST = 4  # side of an image below which no block halves it
LEAK = 0.2  # slope below zero: what is dark is seen too
SIDE = 10  # letters of a hash that a name shows


@dataclass(frozen=True)
class Space:
    """Features of samples, by a name that no other features share.

    Arguments:
        name: What the features are, to stand beside every value that was measured in them.
        call: Returns features of a batch, shape (N, D) or (N, ...), of samples of shape (N, ...).
    """

    name: str
    call: Callable[[Tensor], Tensor]

    def features(self, x: Tensor) -> Tensor:
        """Returns features of samples on the CPU, float32 (N, D), in bounded batches and without gradients."""
        size = max(1, min(BATCH, VALUES // max(1, math.prod(x.shape[1:]))))
        with torch.inference_mode():
            made = [self.call(part).flatten(1).float().cpu() for part in x.split(size)]
        return torch.cat(made).clone()


def space_of(word: str, run: Run, seed: int = 0) -> Space:
    """Returns the space that a word names, for the samples of a run's root.

    Arguments:
        word: ``random``, the folder of a run that encodes, or a file of Inception weights.
        run: The run whose samples are measured.
        seed: Of the random network.

    Raises:
        OptionError: If the word names none of these.
        CapabilityError: If a run is named that cannot encode.
        DataError: If the samples do not fit the space.
    """
    if word == "random":
        return random_network(run.spec, seed)
    if is_run(word):
        other = load(word)
        if (other.spec.kind, other.spec.shape) != (run.spec.kind, run.spec.shape):
            raise DataError(f"--features {word} is a run on {other.spec}; the samples are {run.spec}")
        return of_run(other)
    if Path(word).is_file():
        return inception(word, run.spec)
    raise OptionError(f"--features is {word!r}; expected random, the folder of a run, or a file of Inception weights."
                      f"{did_you_mean(word, ['random'])}")


def of_run(run: Run, layer: str | None = None) -> Space:
    """Returns the space of what a run's encoder makes of samples; maps of over 2,048 values are averaged over places.

    Arguments:
        run: A run that encodes.
        layer: Which layer's features, where the method has layers.

    Raises:
        CapabilityError: If the run cannot encode.
        OptionError: If the method has no layers and one is named.
    """
    run.chain.check("Encodes", run.method_name)
    if layer is not None and "layer" not in inspect.signature(run.chain.method.encode).parameters:
        raise OptionError(f"{run.method_name} has no layers to choose from; leave out the layer")
    extra = {} if layer is None else {"layer": layer}
    name = f"encode of {run.name}{f', layer {layer}' if layer else ''} ({weights_hash(run.path)[:SIDE]})"
    return Space(name, lambda x: pooled(run.chain.encode(x.to(run.device), **extra)))


def pooled(z: Tensor) -> Tensor:
    """Returns maps averaged over as few places as leave at most 2,048 values; other features unchanged."""
    if z.dim() != 4 or z[0].numel() <= WIDEST:
        return z
    side = max(1, math.isqrt(WIDEST // z.shape[1]))
    return shrunk(z, side)


def random_network(spec: Spec, seed: int = 0) -> Space:
    """Returns the space of a seeded random convolutional network; of samples without places, that of their values.

    Its weights are drawn once and never trained. Of each block it takes the mean of every channel over each quarter
    of the image, and the standard deviation over all of it. Distances in it depend on nobody's training data; they
    see colour, texture and rough arrangement, not meaning. Codes are represented by how often each occurs.

    Arguments:
        spec: What one sample is.
        seed: Of the weights.

    References:
        Saxe et al. 2011, On Random Weights and Unsupervised Feature Learning, ICML.
        Naeem et al. 2020, arXiv:2002.09797, section 4 (random features for measures of samples).
    """
    if spec.codes:
        return Space("how often each code occurs", lambda x: frequencies(x, spec.codes))
    if len(spec.shape) != 3:
        return Space("the values", lambda x: x)
    filters, centre, scale = random_filters(spec, seed), *scaling(spec)
    return Space(f"random convolutional network, seed {seed}, on {spec}",
                 lambda x: responses((x.cpu() - centre) / scale, filters))


def scaling(spec: Spec) -> tuple[float, float]:
    """Returns what is taken from samples, and by what they are divided, to be about of mean 0 and deviation 1."""
    low, high = spec.range or (-2.0, 2.0)
    return (low + high) / 2, (high - low) / 4


def random_filters(spec: Spec, seed: int) -> list[Tensor]:
    """Returns the weights of each block, shape (wider, channels, 3, 3), drawn as He et al. 2015 (arXiv:1502.01852)."""
    generator = torch.Generator().manual_seed(seed)
    channels, filters = spec.shape[0], []
    for wider in WIDTHS:
        gain = math.sqrt(2 / ((1 + LEAK**2) * 9 * channels))
        filters.append(gain * torch.randn(wider, channels, 3, 3, generator=generator))
        channels = wider
    return filters


def responses(x: Tensor, filters: list[Tensor]) -> Tensor:
    """Returns the pooled responses of all blocks, shape (N, D), of images, shape (N, C, H, W)."""
    found = []
    for weight in filters:
        x = F.leaky_relu(F.conv2d(x, weight, padding=1), LEAK)
        found += [F.adaptive_avg_pool2d(x, 2).flatten(1), x.std((2, 3), correction=0)]  # (N, 4 C), (N, C)
        if min(x.shape[2:]) > SMALLEST:
            x = F.avg_pool2d(x, 2)
    return torch.cat(found, 1)


def frequencies(codes: Tensor, count: int) -> Tensor:
    """Returns the share of places at which each code stands, shape (N, count)."""
    codes = codes.flatten(1)
    ones = torch.ones((), device=codes.device).expand(codes.shape)
    return torch.zeros(len(codes), count, device=codes.device).scatter_add_(1, codes, ones) / codes.shape[1]


def inception(path: str | Path, spec: Spec) -> Space:
    """Returns the space of the 2,048 features of Inception, in which Frechet distances are published as FID.

    Arguments:
        path: A file with the weights of ``pt_inception-2015-12-05``.
        spec: What one sample is: images of one channel, which are shown in grey, or of three.

    Raises:
        DataError: If the samples are no such images.
        OptionError: If the file holds other weights.
    """
    if spec.kind != "image" or spec.shape[0] not in (1, 3):
        raise DataError(f"Inception sees images of 1 or 3 channels; the samples are {spec}; take --features random")
    net = load_inception(path).requires_grad_(False)
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "blake2b").hexdigest()[:SIDE]
    return Space(f"Inception 2048 ({digest})", lambda x: net(x.cpu().expand(-1, 3, -1, -1)))
