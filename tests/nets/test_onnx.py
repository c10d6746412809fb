import copy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tacit.errors import CapabilityError, DataError, MissingExtra, OptionError
from tacit.nets.onnx import OnnxGraph, read_graph

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
FLOAT = onnx.TensorProto.FLOAT


def write(
    path: Path,
    *,
    batch: int | str = "n",
    sides: tuple[int | str, ...] = (6, 5),
    kind: int = FLOAT,
    inputs: int = 1,
    **how: object,
) -> nn.Conv2d:
    """Writes a convolution of 3 x 3 from 2 channels to 4 as ONNX, and returns it."""
    torch.manual_seed(0)
    conv = nn.Conv2d(2, 4, 3)
    weights = onnx.numpy_helper.from_array(conv.weight.detach().numpy(), "w")
    bias = onnx.numpy_helper.from_array(conv.bias.detach().numpy(), "b")
    cast = onnx.helper.make_node("Cast", ["x0"], ["x"], to=FLOAT)
    nodes = [cast, onnx.helper.make_node("Conv", ["x", "w", "b"], ["y"])]
    taken = [onnx.helper.make_tensor_value_info(f"x{i}", kind, [batch, 2, *sides]) for i in range(inputs)]
    made = onnx.helper.make_tensor_value_info("y", FLOAT, None)
    graph = onnx.helper.make_graph(nodes, "conv", taken, [made], [weights, bias])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path, **how)
    return conv


@pytest.mark.parametrize("batch", ["n", 1, 3])
def test_it_computes_what_torch_computes(tmp_path: Path, batch: int | str) -> None:
    conv = write(tmp_path / "conv.onnx", batch=batch)
    net = OnnxGraph(read_graph(tmp_path / "conv.onnx"))
    for n in (7, 3, 1, 0):
        x = torch.randn(n, 2, 6, 5)
        torch.testing.assert_close(net(x), conv(x).detach(), rtol=1e-5, atol=1e-6)


def test_open_lengths_are_none(tmp_path: Path) -> None:
    conv = write(tmp_path / "conv.onnx", sides=("h", "w"))
    net, x = OnnxGraph(read_graph(tmp_path / "conv.onnx")), torch.randn(2, 2, 9, 4)
    assert net.shape == (None, 2, None, None)
    torch.testing.assert_close(net(x), conv(x).detach(), rtol=1e-5, atol=1e-6)
    write(tmp_path / "fixed.onnx", batch=1)
    assert OnnxGraph(read_graph(tmp_path / "fixed.onnx")).shape == (1, 2, 6, 5)


@pytest.mark.parametrize("kind", [onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE])
def test_other_floats_are_converted(tmp_path: Path, kind: int) -> None:
    conv, x = write(tmp_path / "conv.onnx", kind=kind), torch.randn(2, 2, 6, 5).half().float()
    torch.testing.assert_close(OnnxGraph(read_graph(tmp_path / "conv.onnx"))(x), conv(x).detach(), rtol=1e-5, atol=1e-6)


def test_the_file_is_no_longer_needed(tmp_path: Path) -> None:
    write(tmp_path / "conv.onnx")
    net, x = OnnxGraph(read_graph(tmp_path / "conv.onnx")), torch.randn(2, 2, 6, 5)
    expected = net(x)
    (tmp_path / "conv.onnx").unlink()
    twin = copy.deepcopy(net)
    again = OnnxGraph(net.state_dict()["graph"].clone())
    assert torch.equal(twin(x), expected) and torch.equal(again(x), expected)
    assert twin.session is not net.session and net.session is net.session


def test_a_graph_put_in_its_place_is_the_one_that_runs(tmp_path: Path) -> None:
    write(tmp_path / "conv.onnx")
    net = OnnxGraph()
    with pytest.raises(OptionError, match="the graph cannot be opened as ONNX"):
        net(torch.zeros(1, 2, 6, 5))
    net.graph = read_graph(tmp_path / "conv.onnx")
    assert net(torch.zeros(1, 2, 6, 5)).shape == (1, 4, 4, 3)


def test_no_gradient_is_pretended(tmp_path: Path) -> None:
    write(tmp_path / "conv.onnx")
    net, x = OnnxGraph(read_graph(tmp_path / "conv.onnx")), torch.randn(1, 2, 6, 5, requires_grad=True)
    with pytest.raises(CapabilityError, match="no gradient flows through an ONNX graph"):
        net(x)
    with torch.no_grad():
        assert net(x).shape == (1, 4, 4, 3)


def test_another_shape_is_refused_in_one_line(tmp_path: Path) -> None:
    write(tmp_path / "conv.onnx")
    with pytest.raises(DataError, match=r"does not take inputs of shape \(1, 3, 6, 5\): Got invalid dim") as caught:
        OnnxGraph(read_graph(tmp_path / "conv.onnx"))(torch.zeros(1, 3, 6, 5))
    assert "\n" not in str(caught.value)


def test_files_that_will_not_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.onnx"
    with pytest.raises(OptionError, match="there is no file .*net.onnx"):
        read_graph(path)
    for content in (b"", b"a poem", np.random.default_rng(0).bytes(1000)):
        path.write_bytes(content)
        with pytest.raises(OptionError, match="net.onnx cannot be opened as ONNX: ") as caught:
            read_graph(path)
        assert "\n" not in str(caught.value)
    write(path, inputs=2)
    with pytest.raises(OptionError, match=r"takes the inputs x0: .*, x1: tensor\(float\); .* a single one"):
        read_graph(path)
    write(path, kind=onnx.TensorProto.UINT8)
    with pytest.raises(OptionError, match=r"takes the inputs x0: tensor\(uint8\); .* a tensor of floats"):
        read_graph(path)
    monkeypatch.chdir(tmp_path)  # where onnxruntime would find the other file, and the run would later not
    write(path, save_as_external_data=True, size_threshold=0, location="weights.bin")
    with pytest.raises(OptionError, match="keeps its weights in another file beside it; .*external_data=False"):
        read_graph(path)
    onnx.save(onnx.load(path), tmp_path / "one.onnx")  # the mend that the message names
    assert OnnxGraph(read_graph(tmp_path / "one.onnx")).shape == (None, 2, 6, 5)


def test_without_onnxruntime_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "conv.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"needs onnxruntime, .* pip install 'tacit\[onnx\]'"):
        read_graph(tmp_path / "conv.onnx")
