import torch
from torch import nn

from tacit.nets.mlp import MLP


def test_no_hidden_layer_is_a_linear_map() -> None:
    net = MLP([6, 3])
    x = torch.randn(4, 2, 3)
    torch.testing.assert_close(net(x), x.flatten(1) @ net.head.weight.T + net.head.bias)
    assert net.layers() == []


def test_layers_in_order_without_an_activation_behind_the_last() -> None:
    net = MLP([2, 5, 4, 3], nn.ReLU)
    x = torch.randn(50, 2)
    first, second = net.features(x)
    assert first.shape == (50, 5) and second.shape == (50, 4) and net.layers() == ["hidden1", "hidden2"]
    assert first.min() == 0 and second.min() == 0
    torch.testing.assert_close(net(x), net.head(second))
    assert net(x).min() < 0
