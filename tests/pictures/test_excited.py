"""The images that excite each unit, in order, and the units that are worth showing."""

from __future__ import annotations

import torch

from tacit.pictures.excited import excited, telling


def test_the_strongest_come_first() -> None:
    z = torch.rand(30, 4, generator=torch.Generator().manual_seed(0))
    x = torch.arange(30.0).view(30, 1, 1, 1).expand(-1, 3, 5, 4)
    shown = excited(z, x, [2, 0], top=5)
    for unit, (caption, images) in zip((2, 0), shown, strict=True):
        order = sorted(range(30), key=lambda i: -float(z[i, unit]))[:5]
        assert images[:, 0, 0, 0].tolist() == order and images.shape == (5, 3, 5, 4)
        assert caption.startswith(f"unit {unit}\n") and f"to {float(z[:, unit].max()):.2g}," in caption
    assert len(excited(z[:3], x[:3], [1], top=5)[0][1]) == 3


def test_units_that_few_samples_excite_are_telling() -> None:
    """The skewness of a unit that is on with probability p is (1 - 2 p) / sqrt(p (1 - p))."""
    z = torch.zeros(100, 5)
    z[:50, 0], z[:10, 1], z[:2, 2], z[:90, 3] = 1.0, 5.0, 0.1, 1.0  # the last is always 0
    assert telling(z, 2) == [2, 1] and telling(z, 9)[-1] == 3
    assert set(telling(z, 9)[2:4]) == {0, 4}
