"""VGG-19: the paper's convolutions, torchvision's names, the layers, and files that are recognised or not."""

import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn.functional import conv2d, max_pool2d, relu

import tacit
from tacit.errors import OptionError
from tacit.methods.selfsupervised import pretrained
from tacit.nets.foreign import recognised
from tacit.nets.vgg import VGG19
from tacit.protocol import Spec

PLACES = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]  # of the convolutions in torchvision's file


class Small(VGG19):
    """The same with two channels for 64."""

    def __init__(self):
        super().__init__(width=2)


@pytest.fixture
def small():
    torch.manual_seed(0)
    return Small().eval()


def with_classes(net):
    names = [f"classifier.{i}.{part}" for i in (0, 3, 6) for part in ("weight", "bias")]
    return net.state_dict() | {name: torch.zeros(2) for name in names}


def test_names_and_shapes_of_torchvisions_file():
    with torch.device("meta"):
        state = VGG19().state_dict()
    assert list(state) == [f"features.{i}.{part}" for i in PLACES for part in ("weight", "bias")]
    widths = [64, 64, 128, 128, *[256] * 4, *[512] * 8]
    assert [state[f"features.{i}.weight"].shape[0] for i in PLACES] == widths
    assert sum(t.numel() for t in state.values()) == 20_024_384


def test_layers_are_convolutions_before_their_relu_and_pooling(small):
    x = torch.rand(2, 3, 40, 33)
    made = (x - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    names = [f"conv{i}_{j}" for i, n in enumerate((2, 2, 4, 4, 4), 1) for j in range(1, n + 1)]
    assert small.layers() == names
    state = small.state_dict()
    for i, (name, place) in enumerate(zip(names, PLACES, strict=True)):
        if i:
            made = relu(made)
        if i in (2, 4, 8, 12):
            made = max_pool2d(made, 2)
        made = conv2d(made, state[f"features.{place}.weight"], state[f"features.{place}.bias"], padding=1)
        torch.testing.assert_close(small(x, name), made)
    torch.testing.assert_close(small(x), made)
    assert made.shape == (2, 16, 2, 2) and made.min() < 0
    with pytest.raises(OptionError, match="no layer 'conv5_5'; there are conv1_1"):
        small(x, "conv5_5")


def test_a_file_with_or_without_classes_becomes_a_run(small, monkeypatch, tmp_path):
    monkeypatch.setattr(pretrained, "KNOWN", (pretrained.InceptionV3, Small))
    colours = torch.rand(20, 3, 32, 32)
    for name, state in {"convolutions": small.state_dict(), "whole": with_classes(small)}.items():
        safetensors.torch.save_file(state, f"{name}.safetensors")
        run = tacit.fit("pretrained", colours, weights=f"{name}.safetensors", out=tmp_path / name)
        torch.testing.assert_close(run.encode(colours[:4], layer="conv3_2"), small(colours[:4], "conv3_2").detach())
        again = tacit.load(run.path)
        torch.testing.assert_close(again.encode(colours[:4]), small(colours[:4]).detach())
        assert again.method.layers() == small.layers()
    with pytest.raises(OptionError, match="no layer 'conv9'"):
        run.encode(colours, layer="conv9")


def test_other_encoders_have_no_layers():
    method = pretrained.Pretrained(Spec("image", (3, 6, 6), (0, 1)), encoder=nn.Identity())
    assert method.layers() == []
    with pytest.raises(OptionError, match="no layers to choose from; leave out 'conv1'"):
        method.encode(torch.rand(2, 3, 6, 6), layer="conv1")


def test_the_wrong_net_is_told_with_the_first_names_that_differ(small):
    shallower = {k: v for k, v in small.state_dict().items() if not k.startswith(("features.34", "features.32"))}
    with pytest.raises(OptionError, match="x.pth is of no net that is known; Small is the nearest, but the file lacks "
                                          "'features.32.bias', .* and 1 more; --encoder module:Class"):
        recognised((pretrained.InceptionV3, Small), shallower, "x.pth")
    with pytest.raises(OptionError, match="the file holds 'features.36.bias', which Small does not know"):
        recognised((Small,), small.state_dict() | {"features.36.bias": torch.zeros(1)}, "x.pth")
    with pytest.raises(OptionError, match="x.pth is of no net that is known; --encoder"):
        recognised((Small,), {"conv.weight": torch.zeros(1)}, "x.pth")


def test_weights_of_another_width(monkeypatch):
    monkeypatch.setattr(pretrained, "KNOWN", (Small,))
    safetensors.torch.save_file(VGG19(width=1).state_dict(), "thin.safetensors")
    with pytest.raises(OptionError, match=r"'features.0.weight' has shape \(1, 3, 3, 3\); Small expects"):
        tacit.fit("pretrained", torch.rand(20, 3, 32, 32), weights="thin.safetensors")
