import pytest
import torch

from tacit.errors import DataError, OptionError
from tacit.nets.coders import Net, decoder, encoder, kind_of_net
from tacit.nets.conv import ConvEncoder
from tacit.nets.mlp import MLP
from tacit.protocol import Spec

IMAGE, MAP, VECTOR = Spec("image", (1, 8, 8), (0, 1)), Spec("map", (6, 2, 2)), Spec("vector", (5,))


def test_the_net_suits_the_data() -> None:
    assert kind_of_net(IMAGE) == "conv"
    assert kind_of_net(MAP) == "mlp"
    assert kind_of_net(Spec("map", (6, 7, 7))) == "conv"
    assert kind_of_net(VECTOR) == kind_of_net(Spec("table", (5,))) == "mlp"
    assert kind_of_net(IMAGE, "mlp") == "mlp"


@pytest.mark.parametrize("net", ["auto", "mlp"])
@pytest.mark.parametrize("spec", [IMAGE, MAP, VECTOR], ids=str)
def test_there_and_back(spec: Spec, net: Net) -> None:
    x = torch.rand(3, *spec.shape)
    z = encoder(spec, 4, net=net)(x)
    assert z.shape == (3, 4)
    assert decoder(spec, 4, net=net)(z).shape == x.shape


def test_width_and_depth() -> None:
    net = encoder(VECTOR, 4, width=7, depth=3)
    assert isinstance(net, MLP) and [b[0].out_features for b in net.blocks] == [7, 7, 7]
    linear = encoder(VECTOR, 4, depth=0)
    assert sum(p.numel() for p in linear.parameters()) == 5 * 4 + 4
    conv = encoder(IMAGE, 4, width=16)
    assert isinstance(conv, ConvEncoder) and conv.blocks[0][0].out_channels == 16


def test_errors_name_the_mend() -> None:
    with pytest.raises(OptionError, match="vector 5; take --net mlp"):
        encoder(VECTOR, 4, net="conv")
    with pytest.raises(DataError, match="--size 8 enlarges them"):
        encoder(Spec("image", (3, 2, 2), (0, 1)), 4)
