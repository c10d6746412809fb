import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

import tacit
from tacit.errors import DataError, OptionError, RunError
from tacit.methods.selfsupervised import pretrained
from tacit.methods.selfsupervised.pretrained import Pretrained
from tacit.protocol import Spec

GREY = Spec("image", (1, 6, 6), (0, 1))
COLOUR = Spec("image", (3, 6, 6), (0, 1))


class Net(nn.Module):
    """A small encoder with batch norm, which one sees at once if it is left in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)
        self.norm = nn.BatchNorm2d(5)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)).mean((2, 3))


class Gives(nn.Module):
    """An encoder that gives what a function makes of the samples."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


def features(function: Callable[[Tensor], Any], x: Tensor, spec: Spec = COLOUR, **options: Any) -> Tensor:
    """What a run makes of samples with an encoder given as a function."""
    method = Pretrained(spec, encoder=Gives(function), **options)
    method.fit(x)
    return method.encode(x)


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    made = Net()
    made.norm.running_mean.uniform_(-1, 1)
    made.norm.running_var.uniform_(0.5, 2)
    return made.eval()


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_of_a_file_become_the_runs_own(
    net: Net, tmp_path: Path, suffix: str, little_digits: tuple[np.ndarray, np.ndarray]
) -> None:
    path = tmp_path / f"net{suffix}"
    state = net.state_dict()
    torch.save(state, path) if suffix == ".pth" else safetensors.torch.save_file(state, path)
    run = tacit.fit("pretrained", little_digits, weights=str(path), encoder=f"{__name__}:Net", out=tmp_path / "run")
    path.unlink()
    again = tacit.load(run.path)
    x = torch.rand(7, 1, 8, 8)
    expected = net(x.expand(-1, 3, -1, -1)).detach()  # grey as three channels
    torch.testing.assert_close(run.encode(x), expected)
    assert torch.equal(again.encode(x), run.encode(x))


def test_a_graph_becomes_the_runs_own(tmp_path: Path, little_digits: tuple[np.ndarray, np.ndarray]) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    weight = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    nodes = [onnx.helper.make_node("Conv", ["x", "w"], ["h"]), onnx.helper.make_node("GlobalAveragePool", ["h"], ["y"])]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(nodes, "net", [value("x", 1, [1, 3, 12, 10])], [value("y", 1, [1, 4, 1, 1])],
                                   [onnx.numpy_helper.from_array(weight, "w")])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), "net.onnx")
    run = tacit.fit("pretrained", little_digits, weights="net.onnx", normalise="half")
    Path("net.onnx").unlink()
    x = torch.rand(3, 1, 8, 8)
    large = interpolate(x.expand(-1, 3, -1, -1), (12, 10), mode="bilinear", antialias=True)  # what the graph asks for
    expected = nn.functional.conv2d(2 * large - 1, torch.from_numpy(weight)).mean((2, 3))
    torch.testing.assert_close(run.encode(x), expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(tacit.load(run.path).encode(x), run.encode(x))
    child = tacit.fit("kmeans", run, clusters=3)
    assert child.assign(x).shape == (3,)
    with pytest.raises(DataError, match="the ONNX graph does not take inputs of shape"):
        tacit.fit("pretrained", torch.rand(8, 5), weights=str(rewritten(run, tmp_path)))


def rewritten(run: tacit.Run, folder: Path) -> Path:
    path = folder / "again.onnx"
    path.write_bytes(bytes(run.method.state_dict()["encoder.graph"].tolist()))
    return path


def test_known_nets_are_told_by_their_names(
    net: Net, monkeypatch: pytest.MonkeyPatch, little_digits: tuple[np.ndarray, np.ndarray]
) -> None:
    assert {kind.__name__ for kind in pretrained.KNOWN} == {"InceptionV3", "VGG19"}
    monkeypatch.setattr(pretrained, "KNOWN", (Net,))  # a smaller one in its place
    safetensors.torch.save_file(net.state_dict(), "net.safetensors")
    said: list[str] = []
    run = tacit.fit("pretrained", little_digits, weights="net.safetensors", say=said.append)
    assert "pretrained: net.safetensors holds Net" in said
    Path("net.safetensors").unlink()
    again = tacit.load(run.path)
    assert again.record.options["encoder"] == f"{__name__}:Net"
    assert torch.equal(again.encode(torch.ones(1, 1, 8, 8)), run.encode(torch.ones(1, 1, 8, 8)))
    safetensors.torch.save_file(net.state_dict(), "net.safetensors")
    with pytest.raises(OptionError, match="Net normalises images itself; leave out --normalise"):
        tacit.fit("pretrained", little_digits, weights="net.safetensors", normalise="imagenet")


def test_images_are_normalised_as_asked() -> None:
    x = torch.rand(4, 3, 6, 6)
    assert torch.equal(features(torch.clone, x), x)
    torch.testing.assert_close(features(torch.clone, x, normalise="half"), 2 * x - 1)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = (x.movedim(1, -1) - mean) / deviation
    torch.testing.assert_close(features(torch.clone, x, normalise="imagenet"), expected.movedim(-1, 1))


def test_images_are_brought_to_the_side() -> None:
    x = torch.rand(4, 3, 6, 6)
    assert torch.allclose(features(torch.clone, x, side=3), x.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5)), atol=0.2)
    assert features(torch.clone, x, side=3).shape == (4, 3, 3, 3)
    flat = torch.full((2, 3, 6, 6), 0.3)
    torch.testing.assert_close(features(torch.clone, flat, side=9), torch.full((2, 3, 9, 9), 0.3))


def test_outputs_become_vectors_or_maps() -> None:
    x = torch.rand(4, 3, 6, 6)
    tokens = x.flatten(2)  # (N, T, D) of T = 3
    assert torch.equal(features(lambda x: x.flatten(2), x), tokens.mean(1))
    assert torch.equal(features(lambda x: x.flatten(2), x, tokens="first"), tokens[:, 0])
    assert features(lambda x: x.mean((2, 3), keepdim=True), x).shape == (4, 3)
    for several in (lambda x: (x, x[:, :1]), lambda x: [x], lambda x: {"last": x, "pooled": x[:, :1]}):
        assert torch.equal(features(several, x), x)
    assert features(lambda x: x.half(), x).dtype == torch.float32
    vectors = torch.rand(5, 4)
    assert torch.equal(features(lambda x: 2 * x, vectors, Spec("vector", (4,))), 2 * vectors)


def test_many_are_encoded_in_parts_and_gradients_flow() -> None:
    seen: list[int] = []
    x = torch.rand(150, 3, 6, 6, requires_grad=True)
    method = Pretrained(COLOUR, encoder=Gives(lambda x: (seen.append(len(x)), x.square())[1]))
    method.encode(x).sum().backward()
    assert seen == [64, 64, 22]
    torch.testing.assert_close(x.grad, 2 * x.detach())


def test_the_encoder_stays_in_evaluation_mode(net: Net) -> None:
    net.train()
    method = Pretrained(COLOUR, encoder=net).train()
    assert not net.training
    x = torch.rand(9, 3, 6, 6)
    torch.testing.assert_close(method.encode(x)[:1], method.encode(x[:1]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: x.mean((1, 2, 3)), r"the encoder makes torch.float32 of shape \(6,\); expected floats, \(N, D\)"),
        (lambda x: x.argmax(1).flatten(1), "the encoder makes torch.int64"),
        (lambda x: x[:1], r"of 6 samples the encoder makes torch.float32 of shape \(1, 3, 6, 6\)"),
        (lambda x: x / 0, "features are no finite numbers"),
        (lambda x: x.view(2, 7), r"does not take image 3 x 6 x 6: RuntimeError: shape '\[2, 7\]' is invalid"),
        (lambda x: None, "does not take image 3 x 6 x 6: TypeError"),
        (lambda x: "text", "does not take image 3 x 6 x 6: AttributeError"),
    ],
)
def test_encoders_that_will_not_do(make: Callable[[Tensor], Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        features(make, torch.rand(6, 3, 6, 6))
    assert "\n" not in str(caught.value)


def test_channels_that_do_not_fit(net: Net) -> None:
    two = Spec("image", (2, 6, 6), (0, 1))
    with pytest.raises(DataError, match="the encoder takes 3 channels; the data are image 2 x 6 x 6"):
        Pretrained(two, encoder=net).fit(torch.rand(2, 2, 6, 6))


def test_features_that_say_nothing_are_noted() -> None:
    method = Pretrained(GREY, encoder=Gives(lambda x: torch.ones(len(x), 2)))
    method.fit(torch.rand(20, 1, 6, 6))
    assert method.note == "the first 16 samples have the same features: look at --side and --normalise"
    method = Pretrained(GREY, encoder=Gives(lambda x: x))
    method.fit(torch.rand(20, 1, 6, 6))
    assert method.note == ""


def test_options_that_contradict() -> None:
    for options, message in [
        ({}, "--weights FILE, an .onnx graph or a .safetensors file"),
        ({"weights": "x.onnx", "encoder": nn.Identity()}, "x.onnx is an encoder already; leave out --encoder"),
        ({"encoder": nn.Identity(), "side": 0}, "side is 0; it is at least 1"),
        ({"encoder": "tacit.nets.conv:ConvEncoder"}, "ConvEncoder cannot be built .*without arguments"),
        ({"encoder": "nowhere:Net"}, "nowhere:Net cannot be built .No module named 'nowhere'.; write module:Class"),
        ({"encoder": "torch"}, "torch cannot be built"),
        ({"encoder": "fractions:Fraction"}, "makes a Fraction; expected a torch module"),
    ]:
        with pytest.raises(OptionError, match=message):
            Pretrained(GREY, **options)
    with pytest.raises(OptionError, match="--side and --normalise are for images; the data are vector 3"):
        Pretrained(Spec("vector", (3,)), encoder=nn.Identity(), side=4)


def test_files_that_will_not_do(net: Net, little_digits: tuple[np.ndarray, np.ndarray]) -> None:
    def refused(path: str, message: str, **options: Any) -> None:
        with pytest.raises(OptionError, match=message) as caught:
            tacit.fit("pretrained", little_digits, weights=path, **options)
        assert "\n" not in str(caught.value)

    own = {"encoder": net}
    refused("none.onnx", "there is no file none.onnx")
    refused("none.pth", "there is no file none.pth", **own)
    Path("net.h5").write_bytes(b"x")
    refused("net.h5", "has the suffix '.h5'; weights are read from .safetensors, .pth", **own)
    for name in ("broken.safetensors", "broken.pth"):
        Path(name).write_bytes(b"a poem of some length, but no weights at all")
        refused(name, f"{name} is damaged, or holds more than tensors", **own)
    torch.save(net, "whole.pth")  # pickled as a module: unpickling would run its code
    refused("whole.pth", "holds more than tensors; save the net's state_dict", **own)
    torch.save({"state_dict": net.state_dict(), "epoch": 3}, "lightning.ckpt")
    refused("lightning.ckpt", "holds a (Ordered)?[dD]ict under 'state_dict'; save the net's state_dict alone", **own)
    torch.save(torch.zeros(3), "tensor.pth")
    refused("tensor.pth", "tensor.pth holds a Tensor; save the net's state_dict", **own)
    state = net.state_dict()
    torch.save({f"module.{k}": v for k, v in state.items()}, "prefixed.pth")
    refused("prefixed.pth", "does not fit Net: it lacks 'conv.bias', 'conv.weight', 'norm.bias' and 3 more and "
                            "holds 'module.conv.bias', .* which Net does not know", **own)
    refused("prefixed.pth", "is of no net that is known; --encoder module:Class says whose it is")
    torch.save(state | {"conv.weight": torch.zeros(5, 1, 3, 3)}, "grey.pth")
    refused("grey.pth", r"'conv.weight' has shape \(5, 1, 3, 3\); Net expects \(5, 3, 3, 3\)", **own)


def test_a_persons_own_code_is_not_imported_to_load_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, little_digits: tuple[np.ndarray, np.ndarray]
) -> None:
    (tmp_path / "brought.py").write_text("from torch import nn\nclass Flat(nn.Flatten):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    run = tacit.fit("pretrained", little_digits, encoder="brought:Flat")
    monkeypatch.delitem(sys.modules, "brought")
    with pytest.raises(RunError, match="brought:Flat, which is not imported"):
        tacit.load(run.path)
    assert torch.equal(tacit.load(run.path, trust=True).encode(torch.ones(1, 1, 8, 8)), torch.ones(1, 64))
