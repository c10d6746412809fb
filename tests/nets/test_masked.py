"""Masked nets: who sees whom, to the last pixel, and the walk from pixel to pixel against the whole net."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from tacit.nets.masked import GatedStacks

HEIGHT, WIDTH = 4, 6


def stacks(channels: int, groups: int, **options: int) -> GatedStacks:
    torch.manual_seed(0)
    sees = tuple(range(channels)) if groups > 1 else (0,) * channels
    return GatedStacks(sees, 2, groups=groups, **{"width": 12, "layers": 4, **options}).double()


def jacobian(net: GatedStacks, x: Tensor, condition: Tensor | None = None) -> Tensor:
    """How much each output of the first sample moves with each input of all: (groups, H, W, N, C, H, W)."""

    def first(values: Tensor) -> Tensor:
        out = net(values, condition)[0]  # (groups, outputs, H, W)
        return (out * torch.tensor([1.0, 0.7])[:, None, None]).sum(1)

    return torch.autograd.functional.jacobian(first, x, vectorize=True).abs()


@pytest.mark.parametrize(("channels", "groups"), [(1, 1), (3, 3), (3, 1)])
def test_every_earlier_value_is_seen_and_no_other(channels: int, groups: int) -> None:
    """In training mode, over all samples of the batch: exactly 0 for what comes later, above 0 for all before."""
    net = stacks(channels, groups).train()
    x = torch.randn(2, channels, HEIGHT, WIDTH, dtype=torch.float64)
    moved = jacobian(net, x)
    assert moved[:, :, :, 1].max() == 0, "another sample of the batch is seen"
    place = torch.arange(HEIGHT * WIDTH).view(HEIGHT, WIDTH)
    for group in range(groups):
        for i in range(HEIGHT):
            for j in range(WIDTH):
                earlier = (place < place[i, j]).expand(channels, -1, -1).clone()
                earlier[:group, i, j] = groups > 1
                seen = moved[group, i, j, 0]
                assert (seen[earlier] > 0).all(), "a blind spot"
                assert (seen[~earlier] == 0).all(), "a later value is seen"


def test_the_first_layer_sees_four_rows_above_and_three_pixels_beside() -> None:
    net = stacks(1, 1, layers=1)
    moved = jacobian(net, torch.randn(1, 1, 6, 8, dtype=torch.float64))[0, 5, 4, 0, 0]
    seen = torch.zeros(6, 8, dtype=torch.bool)
    seen[1:5, 1:8] = seen[5, 1:4] = True
    assert torch.equal(moved > 0, seen)


@pytest.mark.parametrize("size", [(1, 1), (HEIGHT, WIDTH)])
def test_every_pixel_hears_the_condition(size: tuple[int, int]) -> None:
    net, x = stacks(1, 1, condition=3), torch.randn(2, 1, HEIGHT, WIDTH, dtype=torch.float64)
    condition = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    out = net(x, condition)[0].sum((0, 1))  # (H, W)
    for i, j in itertools.product(range(HEIGHT), range(WIDTH)):
        (heard,) = torch.autograd.grad(out[i, j], condition, retain_graph=True)
        here = heard[0, :, i, j] if size == (HEIGHT, WIDTH) else heard[0, :, 0, 0]
        assert here.abs().min() > 0 and heard[1].abs().max() == 0
    moved = jacobian(net, x, condition.detach())[0, :, :, 0, 0].view(HEIGHT * WIDTH, -1)
    assert moved.triu().max() == 0 and moved.tril(-1)[-1, :-1].min() > 0


@pytest.mark.parametrize(("channels", "groups"), [(1, 1), (3, 3), (2, 1)])
@pytest.mark.parametrize("condition", [None, (1, 1), (HEIGHT, WIDTH)])
def test_the_walk_finds_what_the_whole_net_finds(
    channels: int, groups: int, condition: tuple[int, int] | None
) -> None:
    net = stacks(channels, groups, condition=4 if condition else 0).eval()
    x = torch.randn(2, channels, HEIGHT, WIDTH, dtype=torch.float64)
    said = None if condition is None else torch.randn(2, 4, *condition, dtype=torch.float64)
    whole, walked = net(x, said), torch.full((2, groups, 2, HEIGHT, WIDTH), torch.nan, dtype=torch.float64)
    known = torch.zeros_like(x)
    each = channels // groups

    def fill(i: int, j: int, group: int, out: Tensor) -> Tensor:
        walked[:, group, :, i, j] = out
        part = slice(group * each, (group + 1) * each)
        known[:, part, i, j] = x[:, part, i, j]
        return known[:, :, i, j]

    net.generate(2, (HEIGHT, WIDTH), fill, said)
    torch.testing.assert_close(walked, whole, rtol=1e-10, atol=1e-10)
