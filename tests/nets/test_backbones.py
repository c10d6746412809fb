"""Backbones: their layers are what the last is made of, any size of image, and they say what they lack."""

import pytest
import torch
from torch import nn

from tacit.errors import DataError, OptionError
from tacit.nets.backbones import ConvStack, ResNet, backbone, feature_size, layer_of, layers_of, pooled
from tacit.nets.conv import group_norm
from tacit.nets.mlp import MLP
from tacit.protocol import Spec


def image(height: int, width: int | None = None, channels: int = 3) -> Spec:
    return Spec("image", (channels, height, width or height), (0.0, 1.0))


@pytest.mark.parametrize("kind", [ConvStack, ResNet])
@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 8, 8), (3, 28, 28), (3, 32, 20), (2, 65, 96)])
def test_layers_follow_one_another_down_to_a_small_grid(kind: type[ConvStack] | type[ResNet], shape: tuple[int, ...]
                                                        ) -> None:
    net = kind(shape, 4).eval()
    x = torch.rand(3, *shape)
    made = net.features(x)
    assert len(made) == len(net.layers()) == len(set(net.layers()))
    assert torch.equal(made[-1], net(x))
    sides = [min(m.shape[2:]) for m in made]
    assert sides == sorted(sides, reverse=True) and 2 <= sides[-1] <= 6
    assert [m.shape[1] for m in made] == sorted(m.shape[1] for m in made) and made[-1].shape[1] <= 32


def test_the_default_stack_at_32() -> None:
    net = ConvStack((3, 32, 32))
    assert [tuple(m.shape[1:]) for m in net.features(torch.rand(2, 3, 32, 32))] == [
        (32, 16, 16), (64, 8, 8), (128, 4, 4), (256, 4, 4)]
    assert feature_size(net, image(32)) == 1024


def test_a_stage_of_the_residual_net_is_a_way_around_its_branch() -> None:
    net = ResNet((3, 16, 16), 4, depth=2, norm=group_norm)
    block = net.blocks["stage1"][1]
    x = torch.rand(2, 4, 16, 16)
    nn.init.zeros_(block.branch[-1].weight)
    assert isinstance(block.around, nn.Identity) and torch.equal(block(x), x)
    assert sum(isinstance(m, nn.Conv2d) for m in net.modules()) == 1 + 3 * 2 * 2 + 2  # stem, branches, two ways around


def test_pooling_is_a_mean_over_quarters() -> None:
    x = torch.rand(2, 3, 4, 4)
    expected = torch.stack([x[:, :, i : i + 2, j : j + 2].mean((2, 3)) for i in (0, 2) for j in (0, 2)], dim=2)
    torch.testing.assert_close(pooled(x), expected.flatten(1))
    assert torch.equal(pooled(x[:, :, 0, 0]), x[:, :, 0, 0])


def test_the_net_that_suits_the_data() -> None:
    assert isinstance(backbone(image(8)), ConvStack) and isinstance(backbone(image(8), "resnet", 4), ResNet)
    assert backbone(image(8), "conv", 4).blocks["conv1"][0].out_channels == 4
    vectors = Spec("vector", (5,))
    assert isinstance(net := backbone(vectors, width=7), MLP) and feature_size(net, vectors) == 7
    with pytest.raises(OptionError, match="--architecture resnet takes images; the data are vector 5"):
        backbone(vectors, "resnet")
    with pytest.raises(DataError, match="4 x 4 and larger"):
        backbone(image(3))


def test_measuring_changes_nothing() -> None:
    net = ConvStack((1, 8, 8), 4)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    assert feature_size(net, image(8, channels=1)) == 128 and net.training
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_an_unknown_layer_is_named() -> None:
    net, x = ConvStack((1, 8, 8), 4).eval(), torch.rand(2, 1, 8, 8)
    assert torch.equal(layer_of(net, x, "conv2"), net.features(x)[1])
    with pytest.raises(OptionError, match="no layer 'conv9'; there are conv1, conv2, conv3, conv4. Did you mean"):
        layer_of(net, x, "conv9")
    assert layers_of(nn.Flatten()) == []
    with pytest.raises(OptionError, match="there are none"):
        layer_of(nn.Flatten(), x, "conv1")
