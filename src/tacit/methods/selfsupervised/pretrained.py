"""An encoder that was trained elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from tacit.errors import DataError, OptionError, UserError
from tacit.nets.foreign import build_named, copy_weights, image_input, read_weights_file, recognised
from tacit.nets.inception import InceptionV3
from tacit.nets.onnx import OnnxGraph, read_graph
from tacit.nets.vgg import VGG19
from tacit.protocol import Method, Spec

__all__ = ["Pretrained"]

KNOWN = (InceptionV3, VGG19)  # told by the names in a file; each brings images to its size and scale itself
NORMS = {
    "none": ((0.0,), (1.0,)),
    "half": ((0.5,), (0.5,)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}  # mean and standard deviation, one for all channels or one each
TRIED = 16  # samples on which an encoder is tried
TOGETHER = 64  # samples that are encoded at once, since small images may become large ones


class Pretrained(Method):
    """An encoder trained elsewhere as a run, so that maps, clusters and probes can stand on it.

    The weights become the run's own; their file is needed no more. Grey images are repeated where an ONNX graph, or a
    module's first convolution, takes three channels. Through a graph no gradient flows.

    References:
        Donahue et al. 2013, DeCAF, arXiv:1310.1531 (what a net learned for one task represents data for others).

    Arguments:
        spec: What one sample is.
        weights: File of the weights: .onnx; .safetensors, .pth, .pt, .bin or .ckpt with the encoder that they belong
            to. The Inception v3 of the Frechet distance and torchvision's VGG-19 are known by their names.
        encoder: Your own module, or its class as module:Class, which is built without arguments. It maps samples to
            (N, D), (N, C, h, w) or tokens (N, T, D); of several outputs the first counts.
        side: Height and width to which images are brought; by default what an ONNX graph asks for, else their own.
        normalise: What is subtracted from images in [0, 1], and by what they are divided then: half is 0.5 twice,
            imagenet the mean and standard deviation of its channels.
        tokens: What stands for a sample's tokens: their mean, or the first, often the class token.

    Raises:
        OptionError: If there is neither a file nor an encoder, or the options contradict each other or the data.
    """

    accepts = ("image", "map", "vector", "table")
    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        weights: str | None = None,
        encoder: str | nn.Module | None = None,
        side: int | None = None,
        normalise: Literal["none", "half", "imagenet"] = "none",
        tokens: Literal["mean", "first"] = "mean",
    ) -> None:
        super().__init__(spec)
        is_graph = weights is not None and weights.endswith(".onnx")
        if weights is None and encoder is None:
            raise OptionError("an encoder is brought along: --weights FILE, an .onnx graph or a .safetensors file")
        if is_graph and encoder is not None:
            raise OptionError(f"{weights} is an encoder already; leave out --encoder")
        if spec.kind != "image" and (side is not None or normalise != "none"):
            raise OptionError(f"--side and --normalise are for images; the data are {spec}")
        if side is not None and side < 1:
            raise OptionError(f"side is {side}; it is at least 1")
        self.weights, self.side, self.normalise, self.tokens, self.note = weights, side, normalise, tokens, ""
        self.encoder: Any = OnnxGraph() if is_graph else build_named(encoder) if isinstance(encoder, str) else encoder
        for name, values in zip(("mean", "deviation"), NORMS[normalise], strict=True):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1), persistent=False)  # (1 or 3, 1, 1)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Keeps the encoder in evaluation mode."""
        return super().train(False)

    def fit(self, x: Tensor, **needed: Tensor) -> None:
        """Reads the weights and tries the encoder on a few samples, shape (N, *spec.shape).

        Raises:
            OptionError: If the file cannot be read, or does not fit the encoder.
            DataError: If the encoder does not take the data, or makes no finite features of them.
            MissingExtra: If a graph is given and onnxruntime is not installed.
        """
        notes = []
        if isinstance(self.encoder, OnnxGraph):
            self.encoder = OnnxGraph(read_graph(str(self.weights)))
        elif self.weights is not None:
            tensors = read_weights_file(self.weights)
            if self.encoder is None:
                self.encoder = self._recognised(tensors)
                notes.append(f"{self.weights} holds {type(self.encoder).__name__}")
            copy_weights(self.encoder, tensors, self.weights)
        if isinstance(self.encoder, KNOWN) and self.normalise != "none":
            raise OptionError(f"{type(self.encoder).__name__} normalises images itself; leave out --normalise")
        features = self._tried(x[:TRIED])
        if not torch.isfinite(features).all():
            raise DataError("the encoder's features are no finite numbers; look at its weights, --side and --normalise")
        if len(features) > 1 and (features == features[0]).all():
            notes.append(f"the first {len(features)} samples have the same features: look at --side and --normalise")
        self.note = "; ".join(notes)

    def _recognised(self, tensors: Mapping[str, Tensor]) -> nn.Module:
        """Returns the known net that a file's names belong to; it joins the options, so that the run can be loaded."""
        net = recognised(KNOWN, tensors, str(self.weights))
        self.options["encoder"] = net
        return net.eval()

    @torch.no_grad()
    def _tried(self, x: Tensor) -> Tensor:
        """Returns the features of a few samples, or raises `DataError` with what the encoder says against them."""
        try:
            channels = self._prepared(x).shape[1]
            if self.spec.kind == "image" and (wanted := image_input(self.encoder)[0]) not in (None, channels):
                raise DataError(f"the encoder takes {wanted} channels; the data are {self.spec}")
            return self.encode(x)
        except UserError:
            raise
        except Exception as error:  # of anybody's module
            why = " ".join(str(error).split())
            raise DataError(f"the encoder does not take {self.spec}: {type(error).__name__}: {why}") from error

    def _prepared(self, x: Tensor) -> Tensor:
        """Returns images as the encoder takes them, and other samples as they are."""
        if self.spec.kind != "image":
            return x
        channels, *sides = image_input(self.encoder)
        x = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 and channels == 3 else x
        size = [self.side or wanted or own for wanted, own in zip(sides, x.shape[2:], strict=True)]
        if size != list(x.shape[2:]):
            x = interpolate(x, size, mode="bilinear", antialias=True)
        return (x - self.mean) / self.deviation

    def layers(self) -> list[str]:
        """Returns the layers that `encode` knows: those of VGG-19, none of other encoders."""
        return self.encoder.layers() if isinstance(self.encoder, VGG19) else []

    def encode(self, x: Tensor, *, layer: str | None = None) -> Tensor:
        """Returns features, shape (N, D) or (N, C, h, w).

        Arguments:
            x: Samples, shape (N, *spec.shape).
            layer: One of `layers`, in place of the last.

        Raises:
            OptionError: If there is no such layer.
        """
        if layer is not None and not self.layers():
            raise OptionError(f"the encoder has no layers to choose from; leave out {layer!r}")
        return torch.cat([self._features(part, *([] if layer is None else [layer])) for part in x.split(TOGETHER)])

    def _features(self, x: Tensor, *layer: str) -> Tensor:
        made = self.encoder(self._prepared(x), *layer)
        several = made.values() if isinstance(made, Mapping) else made
        out: Tensor = made if isinstance(made, Tensor) else next(iter(several))
        if out.dim() not in (2, 3, 4) or len(out) != len(x) or not out.is_floating_point():
            raise DataError(f"of {len(x)} samples the encoder makes {out.dtype} of shape {tuple(out.shape)}; expected "
                            "floats, (N, D), (N, C, h, w) or (N, T, D)")
        if out.dim() == 3:  # (N, T, D)
            out = out.mean(1) if self.tokens == "mean" else out[:, 0]
        return (out.flatten(1) if out.shape[2:] == (1, 1) else out).float()
