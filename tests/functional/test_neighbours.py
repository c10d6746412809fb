"""Neighbours against the obvious."""

from __future__ import annotations

import pytest
import torch

from tacit.functional import neighbours
from tacit.functional.neighbours import memberships, nearest, nearest_others


def test_nearest_are_found_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "ROWS", 7)
    torch.manual_seed(0)
    x, reference = torch.randn(40, 5), torch.randn(60, 5)
    distance, index = nearest(x, reference, 4)
    for row, d, i in zip(x, distance, index, strict=True):
        true = (reference - row).norm(dim=1)
        assert i.tolist() == true.argsort()[:4].tolist()
        torch.testing.assert_close(d, true[i])


def test_small_distances_far_from_zero_are_exact() -> None:
    reference = torch.randn(50, 8) + 1_000
    distance, index = nearest(reference[:30], reference, 2)
    assert index[:, 0].tolist() == list(range(30))
    assert (distance[:, 0] == 0).all()


def test_a_sample_is_not_its_own_neighbour_even_among_equals() -> None:
    torch.manual_seed(0)
    x = torch.cat([torch.randn(20, 3), torch.ones(6, 3)])
    distance, index = nearest_others(x, 4)
    assert (index != torch.arange(26)[:, None]).all()
    assert (distance[20:] == 0).all() and (index[20:] >= 20).all()
    for i in range(20):
        others = (x - x[i]).norm(dim=1).sort().values[1:5]
        torch.testing.assert_close(distance[i], others)


def test_memberships_add_up_and_the_nearest_belongs_wholly() -> None:
    torch.manual_seed(0)
    distance = torch.rand(50, 14).sort(1).values * torch.logspace(-3, 3, 50)[:, None]
    weight = memberships(distance)
    torch.testing.assert_close(weight.sum(1), torch.full((50,), 15.0).log2(), rtol=1e-4, atol=0)
    assert (weight[:, 0] == 1).all() and (weight.diff() <= 0).all() and (weight >= 0).all()
    torch.testing.assert_close(memberships(7 * distance), weight, rtol=1e-3, atol=1e-5)  # the unit does not matter


def test_memberships_of_equals_are_whole() -> None:
    assert (memberships(torch.zeros(1, 5)) == 1).all()
    assert memberships(torch.tensor([[0.0, 0.0, 0.0, 2.0, 3.0, 4.0]]))[0, :4].tolist() == [1, 1, 1, 1]
    assert (memberships(torch.ones(1, 5)) == 1).all()
