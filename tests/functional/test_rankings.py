"""Neighbourhoods against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.manifold import trustworthiness as reference
from sklearn.neighbors import NearestNeighbors

from tacit.functional.rankings import kept_neighbours, ranks, trustworthiness


@pytest.fixture
def spaces() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(150, 12, generator=torch.Generator().manual_seed(0))
    return x, x[:, :2] + 0.3 * x[:, 2:4]


@pytest.mark.parametrize("k", [1, 5, 10, 40])
def test_trustworthiness_and_continuity_are_scikit_learns(k: int, spaces: tuple[torch.Tensor, torch.Tensor]) -> None:
    x, y = spaces
    data, places = ranks(x), ranks(y)
    ours, theirs = float(trustworthiness(data, places, k).mean()), reference(x.numpy(), y.numpy(), n_neighbors=k)
    assert ours == pytest.approx(theirs, abs=1e-9) and ours < 1
    ours, theirs = float(trustworthiness(places, data, k).mean()), reference(y.numpy(), x.numpy(), n_neighbors=k)
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_kept_neighbours_are_those_of_both_graphs(spaces: tuple[torch.Tensor, torch.Tensor]) -> None:
    graphs = [NearestNeighbors(n_neighbors=7).fit(z.numpy()).kneighbors(return_distance=False) for z in spaces]
    expected = [len(np.intersect1d(a, b)) / 7 for a, b in zip(*graphs, strict=True)]
    assert kept_neighbours(*map(ranks, spaces), 7).tolist() == pytest.approx(expected)


def test_ranks_count_from_the_nearest_and_leave_oneself_to_the_end() -> None:
    assert ranks(torch.tensor([[0.0], [1.0], [5.0]])).tolist() == [[3, 1, 2], [1, 3, 2], [2, 1, 3]]


def test_the_data_themselves_are_the_perfect_map(spaces: tuple[torch.Tensor, torch.Tensor]) -> None:
    data = ranks(spaces[0] + 1e4)
    assert (trustworthiness(data, data, 10) == 1).all() and (kept_neighbours(data, data, 10) == 1).all()
    noise = ranks(torch.randn(150, 2, generator=torch.Generator().manual_seed(1)))
    assert float(trustworthiness(data, noise, 10).mean()) == pytest.approx(0.5, abs=0.05)
