import math

import pytest
import torch
from torch import nn

from tacit.nets.denoisers import ResidualMLP, denoiser
from tacit.nets.unet import TimeEmbedding, UNet, group_norm
from tacit.protocol import Spec


def perturbed(net):
    """The net with weights that all say something."""
    torch.manual_seed(0)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return net


CASES = [
    (lambda: UNet((1, 14, 14), width=8), (1, 14, 14)),
    (lambda: UNet((3, 16, 16), width=8, blocks=2, attention=16), (3, 16, 16)),
    (lambda: ResidualMLP((5,), width=16), (5,)),
]


@pytest.mark.parametrize(("make", "shape"), CASES)
def test_says_nothing_at_first_and_every_weight_learns(make, shape):
    net = make()
    x, t = torch.randn(3, *shape), torch.tensor([0.0, 400.0, 999.0])
    assert net(x, t).abs().max() < 1e-3
    net(x, t).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
    net.zero_grad()
    perturbed(net)(x, t).square().sum().backward()
    for name, p in net.named_parameters():
        assert p.grad.abs().sum() > 1e-3, name


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (4, 2, 7), (1, 4, 4), (3, 5, 5), (1, 8, 8), (2, 9, 4), (1, 28, 28), (3, 33, 47), (1, 65, 64)]
)
def test_any_size_comes_back_as_it_was(shape):
    net, x = perturbed(UNet(shape, width=4)), torch.randn(2, *shape, requires_grad=True)
    made = net(x, torch.tensor([3.0, 900.0]))
    assert made.shape == x.shape and torch.isfinite(made).all()
    made[0].sum().backward()
    assert (x.grad[0] != 0).all() and (x.grad[1] == 0).all()  # every pixel counts, and no other sample


def test_number_of_parameters():
    """Counted by hand for one level: width 4, time 16, no halving, attention behind every block."""

    def conv(n, m, k=3):
        return n * m * k * k + m

    def block(n, m):
        return 2 * n + conv(n, m) + 16 * m + m + 2 * m + conv(m, m) + (conv(n, m, 1) if n != m else 0)

    attention = 2 * 4 + (4 * 12 + 12) + (4 * 4 + 4)
    time = (4 * 16 + 16) + (16 * 16 + 16)
    levels = block(4, 4) + attention + 2 * (block(8, 4) + attention)
    middle = 2 * block(4, 4) + attention
    net = UNet((1, 4, 4), width=4)
    assert sum(p.numel() for p in net.parameters()) == time + conv(1, 4) + levels + middle + 2 * 4 + conv(4, 1)


def test_attention_is_where_it_is_asked_for():
    def blocks(**options):
        net = UNet((1, 32, 32), width=4, **options)
        return sum(hasattr(m, "qkv") for m in net.modules())

    assert blocks(attention=0) == 1  # the middle's
    assert blocks(attention=8) == 4 and blocks(attention=16) == 7 and blocks(attention=32) == 10


def test_levels_that_would_be_too_small_are_left_out():
    for side, halvings in ((4, 0), (7, 0), (8, 1), (15, 1), (16, 2), (64, 2)):
        net = UNet((1, side, side), width=4)
        assert sum(isinstance(m, nn.Conv2d) and m.stride == (2, 2) for m in net.modules()) == halvings


def test_attention_is_a_sum_over_all_places():
    layer = perturbed(next(m for m in UNet((1, 4, 4), width=4).modules() if hasattr(m, "qkv")))
    x = torch.randn(1, 4, 2, 3)
    places = layer.norm(x)[0].reshape(4, 6).T  # (hw, C)
    q, k, v = layer.qkv(places).split(4, dim=1)
    slow = torch.stack([sum(w * v[j] for j, w in enumerate((q[i] @ k.T / 2).softmax(0))) for i in range(6)])
    torch.testing.assert_close(layer(x)[0], x[0] + layer.out(slow).T.reshape(4, 2, 3))


@pytest.mark.parametrize(("make", "shape"), CASES)
def test_the_time_is_told_and_samples_keep_to_themselves(make, shape):
    net, x = perturbed(make()).eval(), torch.randn(4, *shape)
    t = torch.tensor([0.0, 0.5, 1.0, 999.0])
    with torch.no_grad():
        together = net(x, t)
        torch.testing.assert_close(net(x[1:2], t[1:2]), together[1:2], rtol=1e-4, atol=1e-4)
        same = net(x[:1].expand(4, *shape), t)
    assert all((same[i] - same[j]).abs().max() > 1e-4 for i in range(4) for j in range(i))


def test_waves_of_the_time():
    embedding = TimeEmbedding(4, 8)
    seen = []
    embedding.layers[0].register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    embedding(torch.tensor([3.0]))
    assert seen[0][0].tolist() == pytest.approx([math.sin(3), math.sin(0.03), math.cos(3), math.cos(0.03)], abs=1e-6)


def test_groups_of_the_norm():
    assert [group_norm(n).num_groups for n in (1, 4, 6, 8, 32, 64, 128, 256)] == [1, 1, 1, 2, 8, 16, 32, 32]


def test_the_net_suits_the_data():
    assert isinstance(denoiser(Spec("image", (1, 8, 8))), UNet) and isinstance(denoiser(Spec("map", (4, 4, 4))), UNet)
    for spec in (Spec("map", (4, 2, 2)), Spec("vector", (2,)), Spec("table", (3,))):
        net = denoiser(spec, width=16)
        assert isinstance(net, ResidualMLP)
        assert net(torch.randn(3, *spec.shape), torch.rand(3)).shape == (3, *spec.shape)
