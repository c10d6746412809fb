"""An ONNX graph as a module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tacit.errors import CapabilityError, DataError, MissingExtra, OptionError

__all__ = ["OnnxGraph", "read_graph"]

FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
BESIDE = b"\x0a\x08location\x12"  # the key under which a tensor names the file that holds its values


class OnnxGraph(nn.Module):
    """A net in ONNX, run by onnxruntime on the CPU with as many threads as torch.

    The file's bytes are a buffer, so that they are saved and loaded as weights are. A graph that was exported for a
    fixed number of samples is called as often as that takes. No gradient flows through.

    Arguments:
        graph: The file's bytes, uint8, as `read_graph` gives them; none until they are restored.
    """

    graph: Tensor
    _learned = {"graph": (None,)}  # restored at any length, as what a method learns

    def __init__(self, graph: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("graph", torch.zeros(0, dtype=torch.uint8) if graph is None else graph)
        self._opened: tuple[Tensor, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Returns what a copy takes over: all but the session, which each copy opens for itself."""
        return {**self.__dict__, "_opened": None}

    @property
    def session(self) -> Any:
        """The graph, opened when it is first asked for."""
        if self._opened is None or self._opened[0] is not self.graph:
            self._opened = self.graph, open_graph(self.graph.cpu().numpy().tobytes(), "the graph")
        return self._opened[1]

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Shape of the input, the number of samples first; None for a length that the graph leaves open."""
        return tuple(n if isinstance(n, int) else None for n in self.session.get_inputs()[0].shape)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the graph's first output.

        Arguments:
            x: Samples of the shape that the graph takes, (N, ...).

        Raises:
            CapabilityError: If a gradient is asked for.
            DataError: If the graph does not take samples of this shape.
        """
        if torch.is_grad_enabled() and x.requires_grad:
            raise CapabilityError("no gradient flows through an ONNX graph; bring the net as a torch module")
        size = self.shape[0] or max(len(x), 1)
        made = [self._run(part, size) for part in x.detach().cpu().split(size)]
        return torch.cat(made).to(x.device)

    def _run(self, x: Tensor, size: int) -> Tensor:
        """Returns the output for at most `size` samples; those that lack are zeros."""
        entry = self.session.get_inputs()[0]
        filled = torch.cat([x, x.new_zeros(size - len(x), *x.shape[1:])])
        try:
            out = self.session.run(None, {entry.name: filled.numpy().astype(FLOATS[entry.type])})[0]
        except Exception as error:  # onnxruntime's have no root of their own
            raise DataError(f"the ONNX graph does not take inputs of shape {tuple(filled.shape)}: "
                            f"{one_line(error)}") from error
        return torch.from_numpy(np.array(out))[: len(x)]


def read_graph(path: str | Path) -> Tensor:
    """Reads an ONNX file that `OnnxGraph` can run, as uint8 of shape (bytes,).

    Raises:
        OptionError: If the file is not there, is not ONNX, keeps its weights in another file, or takes anything but
            one input of floats.
        MissingExtra: If onnxruntime is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise OptionError(f"there is no file {path}")
    content = path.read_bytes()
    if BESIDE in content:
        raise OptionError(f"{path} keeps its weights in another file beside it; export it with external_data=False, or "
                          "make it one with onnx.save(onnx.load(old), new)")
    inputs = open_graph(content, str(path)).get_inputs()
    if len(inputs) != 1 or inputs[0].type not in FLOATS:
        found = ", ".join(f"{i.name}: {i.type}" for i in inputs) or "none"
        raise OptionError(f"{path} takes the inputs {found}; an encoder takes a single one, a tensor of floats")
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def open_graph(content: bytes, title: str) -> Any:
    """Returns a session for the bytes of an ONNX file."""
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtra("onnxruntime", "onnx", "an ONNX graph") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors only
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's have no root of their own
        raise OptionError(f"{title} cannot be opened as ONNX: {one_line(error)}") from error


def one_line(error: Exception) -> str:
    """Returns what onnxruntime says of an error, without the code before it, on one line."""
    return " ".join(str(error).split(" : ", 3)[-1].split())
