"""Neighbours against the obvious."""

from __future__ import annotations

import pytest
import torch

from tacit.functional import neighbours
from tacit.functional.neighbours import nearest


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
