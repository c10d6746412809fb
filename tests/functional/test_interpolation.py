"""Walks between points: ends, angles, norms, and what happens where the great circle is not defined."""

from __future__ import annotations

import math

import pytest
import torch

from tacit.functional.interpolation import lerp, slerp


def test_both_walks_begin_and_end_at_their_ends() -> None:
    a, b = torch.randn(2, 50, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for walk in (lerp, slerp):
        torch.testing.assert_close(walk(a, b, torch.zeros(50)), a)
        torch.testing.assert_close(walk(a, b, torch.ones(50)), b)


def test_spherical_walks_turn_evenly_and_change_their_norm_evenly() -> None:
    a, b = torch.randn(2, 1, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    z = slerp(a, b, t)  # (11, 5)
    torch.testing.assert_close(z.norm(dim=1), (1 - t) * a.norm() + t * b.norm())
    u = z / z.norm(dim=1, keepdim=True)
    angles = (u[1:] * u[:-1]).sum(1).arccos()
    whole = (u[0] @ u[-1]).arccos()
    torch.testing.assert_close(angles, (whole / 10).expand(10), rtol=1e-6, atol=1e-6)


def test_spherical_walks_of_equal_norms_are_those_of_shoemake() -> None:
    ends = torch.randn(2, 20, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    a, b = torch.nn.functional.normalize(ends, dim=-1)
    angle = (a * b).sum(-1, keepdim=True).arccos()
    expected = ((0.7 * angle).sin() * a + (0.3 * angle).sin() * b) / angle.sin()
    torch.testing.assert_close(slerp(a, b, torch.tensor(0.3).double()), expected)


@pytest.mark.parametrize("tilt", [0.0, 1e-9, 1e-7, 1e-5, 1e-3])
def test_nearly_parallel_points_lose_no_digits(tilt: float) -> None:
    a, b = torch.tensor([2.0, 0.0, 0.0]), torch.tensor([4.0, tilt, 0.0])
    z = slerp(a, b, torch.tensor(0.5))
    half = math.atan(tilt / 4) / 2
    torch.testing.assert_close(z, torch.tensor([3.0, 3 * math.sin(half), 0.0]), rtol=1e-5, atol=3e-7)


def test_opposite_points_are_joined_by_half_a_circle() -> None:
    a = torch.randn(4, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    half = slerp(a, -a, torch.tensor(0.5).double())
    torch.testing.assert_close(half.norm(dim=1), a.norm(dim=1))
    assert ((half * a).sum(1).abs() < 1e-9).all()


def test_zeros_and_single_dimensions_are_walked_straight() -> None:
    zero, b, t = torch.zeros(3), torch.tensor([0.0, 4.0, 0.0]), torch.tensor(0.25)
    assert torch.equal(slerp(zero, b, t), lerp(zero, b, t)) and torch.equal(slerp(zero, zero, t), zero)
    one, other = torch.tensor([-1.0]), torch.tensor([3.0])
    assert torch.equal(slerp(one, other, t), torch.tensor([0.0]))
