"""Nets that keep a grid: a quarter of any height and width, and back to exactly that."""

import pytest
import torch

from tacit.errors import OptionError
from tacit.nets.grids import GridDecoder, GridEncoder, grid_decoder, grid_encoder
from tacit.protocol import Spec


@pytest.mark.parametrize(("size", "grid"), [
    ((32, 32), (8, 8)), ((28, 28), (7, 7)), ((30, 45), (8, 12)), ((1, 5), (1, 2)), ((3, 3), (1, 1)),
])  # fmt: skip
def test_any_size_there_and_back(size, grid):
    x = torch.rand(2, 3, *size)
    z = GridEncoder(3, 10, width=4)(x)
    assert z.shape == (2, 10, *grid)
    assert GridDecoder(10, (6, *size), width=4)(z).shape == (2, 6, *size)


def test_a_shifted_image_has_a_shifted_grid():
    """Nothing but convolutions: the same patch gives the same vector wherever it is, away from the edges."""
    torch.manual_seed(0)
    net, patch = GridEncoder(1, 5, width=8), torch.rand(1, 1, 8, 8)
    first, second = torch.zeros(1, 1, 64, 64), torch.zeros(1, 1, 64, 64)
    first[:, :, 24:32, 24:32] = patch
    second[:, :, 28:36, 24:32] = patch
    torch.testing.assert_close(net(first)[:, :, 4:12, 4:12], net(second)[:, :, 5:13, 4:12])


def test_padding_is_even_and_repeats_the_edge():
    torch.manual_seed(0)
    net, x = GridEncoder(1, 5, width=8), torch.rand(1, 1, 6, 6)
    rows = torch.tensor([0, 0, 1, 2, 3, 4, 5, 5])
    torch.testing.assert_close(net(x), net(x[:, :, rows][:, :, :, rows]))


@pytest.mark.parametrize(("spec", "net", "grid"), [
    (Spec("image", (1, 8, 8), (0.0, 1.0)), "auto", (2, 2)),
    (Spec("image", (1, 8, 8), (0.0, 1.0)), "mlp", (7,)),
    (Spec("map", (5, 4, 4)), "auto", (1, 1)),
    (Spec("map", (5, 2, 2)), "auto", (7,)),
    (Spec("vector", (9,)), "auto", (7,)),
])  # fmt: skip
def test_the_net_that_suits_the_data(spec, net, grid):
    z = grid_encoder(spec, 6, 7, width=8, net=net)(torch.rand(3, *spec.shape))
    assert z.shape == (3, 6, *grid)
    shape = (2, *spec.shape[1:]) if len(spec.shape) == 3 else (11,)
    assert grid_decoder(spec, 6, 7, shape=shape, width=8, net=net)(z).shape == (3, *shape)


def test_convolutions_need_a_grid():
    with pytest.raises(OptionError, match="take --net mlp"):
        grid_encoder(Spec("vector", (9,)), 6, 7, net="conv")


def test_what_passes_through_keeps_its_scale() -> None:
    """Else a decoder first learns one image for all codes, so dark a one, of dark data, that nothing follows it."""
    torch.manual_seed(0)
    x = torch.rand(16, 1, 28, 28) * (torch.rand(16, 1, 28, 28) < 0.2)
    z = GridEncoder(1, 16, width=32)(x)
    out = GridDecoder(16, (1, 28, 28), width=32)(z)
    assert 0.1 < z.std() < 3 and 0.1 < out.std(0).mean() < 3
