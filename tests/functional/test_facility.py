"""Representative samples against a slow loop, and where it is known who must come first."""

from __future__ import annotations

import math

import pytest
import torch

from tacit.functional.facility import closeness, representative_order


def planted(clusters: int, each: int = 40, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Equal clusters far from one another, in random order, and the cluster of each sample."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.randperm(clusters * each, generator=generator) % clusters
    centres = 10 * torch.randn(clusters, 5, generator=generator)
    return centres[label] + 0.3 * torch.randn(len(label), 5, generator=generator), label


def test_the_order_is_the_slow_loops() -> None:
    x = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    near = closeness(x).tolist()
    chosen: list[int] = []
    for _ in range(12):
        def total(j: int) -> float:
            return math.fsum(max(near[i][c] for c in [*chosen, j]) for i in range(60))  # noqa: B023
        chosen.append(max((j for j in range(60) if j not in chosen), key=total))
    assert representative_order(x, 12).tolist() == chosen


def test_coverage_by_its_definition() -> None:
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(1))
    distance = [[math.dist(a, b) for b in x.tolist()] for a in x.tolist()]
    reach = sorted(sorted(row)[1] for row in distance)[19]  # of 40, a twentieth is 2: itself and one more
    assert float(closeness(x)[3, 17]) == pytest.approx(math.exp(-((distance[3][17] / reach) ** 2)), rel=1e-6)


@pytest.mark.parametrize("clusters", [3, 5, 8])
def test_the_first_are_of_different_clusters(clusters: int) -> None:
    for seed in range(3):
        x, label = planted(clusters, seed=seed)
        assert len(label[representative_order(x, clusters)].unique()) == clusters


def test_what_is_far_from_all_comes_late() -> None:
    x, _ = planted(4)
    x = torch.cat([x, torch.full((1, 5), 1e4), torch.full((1, 5), -30.0)])
    order = representative_order(x, len(x)).tolist()
    assert min(order.index(160), order.index(161)) >= 12


def test_everyone_comes_once_and_the_beginning_stays() -> None:
    x, _ = planted(3, each=10)
    x = torch.cat([x, x[:5], x[:5]])  # equals
    order = representative_order(x, 100)
    assert sorted(order.tolist()) == list(range(40))
    assert torch.equal(representative_order(x, 7), order[:7])
    assert len(x[representative_order(x, 20)].unique(dim=0)) == 20  # an equal covers nothing new
    assert representative_order(x[:1], 3).tolist() == [0]
    assert representative_order(torch.zeros(4, 2), 2).tolist() == [0, 1]


def test_of_many_a_part_is_looked_at() -> None:
    x, label = planted(3, each=100)
    order = representative_order(x, 3, seed=1, most=60)
    assert len(label[order].unique()) == 3
    assert torch.equal(order, representative_order(x, 3, seed=1, most=60))
    assert len(representative_order(x, 300, most=60)) == 60
