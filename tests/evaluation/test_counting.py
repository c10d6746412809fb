"""The number of clusters where it is known, and none where there are none."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.datasets import make_moons

from tacit.errors import DataError
from tacit.evaluation import counting
from tacit.evaluation.counting import Counted, Tried, beyond_chance, count_clusters, halves_alike, without


@pytest.fixture(autouse=True)
def few_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "SETS", 8)
    monkeypatch.setattr(counting, "SPLITS", 6)


def planted(clusters: int, n: int = 200, seed: int = 0) -> torch.Tensor:
    """Round clusters with centres on a sphere, none near another."""
    generator = torch.Generator().manual_seed(seed)
    centres = 9 * torch.eye(8)[:clusters]
    return centres[torch.arange(n) % clusters] + torch.randn(n, 8, generator=generator)


@pytest.mark.parametrize("clusters", [3, 7])
def test_planted_clusters_are_counted(clusters: int) -> None:
    found = count_clusters(planted(clusters), (clusters - 1, clusters, clusters + 1))
    assert found.chosen == clusters and clusters in found.as_good
    best = next(t for t in found.tried if t.count == clusters)
    assert best.stability > 0.95 and best.low <= best.stability <= best.high
    assert best.excess_low <= best.excess <= best.excess_high


@pytest.mark.parametrize("seed", [0, 1])
def test_one_cloud_has_no_clusters(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for cloud in (torch.randn(200, 3, generator=generator), torch.rand(200, 2, generator=generator)):
        assert count_clusters(cloud, (2, 4), seed=seed).chosen is None


def test_a_square_is_no_four_clusters_though_they_come_out_again() -> None:
    """Against a Gaussian alone, the quarters of a square would count."""
    square = torch.rand(600, 2, generator=torch.Generator().manual_seed(0))
    found = count_clusters(square, (4,)).tried[0]
    assert found.stability > 0.6 and not found.holds


def test_moons_are_counted_as_the_pieces_into_which_they_are_cut() -> None:
    x = torch.from_numpy(make_moons(400, noise=0.06, random_state=0)[0])
    found = count_clusters(x, (2, 3, 4))
    assert found.chosen in (None, 4) and 2 not in found.as_good


def test_the_index_is_that_of_both_halves() -> None:
    x = planted(2, 40)
    learned, asked = x[:20], x[20:]
    assert halves_alike(learned, asked, 2, 0) == 1
    assert halves_alike(learned, asked.flip(1), 2, 0) < 1  # the first half's centroids say nothing of such samples
    assert halves_alike(torch.zeros(20, 2), torch.zeros(20, 2), 3, 0) == 1  # without a warning


def test_clouds_have_the_variances_of_the_samples() -> None:
    z = torch.randn(2_000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([5.0, 2.0, 0.1])
    for kind in without(z, torch.Generator().manual_seed(1)):
        for cloud in kind:
            torch.testing.assert_close(cloud.std(0), z.std(0), rtol=0.1, atol=0)
            assert cloud.shape == z.shape
    gaussian, uniform = without(z, torch.Generator().manual_seed(1))
    assert float(uniform[0][:, 0].abs().max()) < 5 * math.sqrt(3) * 1.1 < float(gaussian[0][:, 0].abs().max())


def test_chance_is_that_of_the_next_of_a_sample() -> None:
    generator = torch.Generator().manual_seed(0)
    hits = []
    for _ in range(2_000):
        levels = torch.tanh(0.8 + 0.2 * torch.randn(9, generator=generator)).double()
        hits.append(beyond_chance(float(levels[0]), levels[1:]) <= 0.1)
    assert sum(hits) / 2_000 == pytest.approx(0.1, abs=0.025)
    assert beyond_chance(0.5, torch.full((5,), 0.5)) == 1 and beyond_chance(0.9, torch.full((5,), 0.5)) == 0


def test_measures_say_how_they_came_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MOST", 60)
    state = torch.random.get_rng_state()
    found = count_clusters(planted(3), (3, 2, 3, 50), seed=1)
    assert torch.equal(state, torch.random.get_rng_state()) and found == count_clusters(planted(3), (2, 3), seed=1)
    chosen, two, three = found.measures("all 200 samples of blobs")
    assert chosen.value == 3 and str(chosen) == "3"
    assert (two.of, three.of) == ("k = 2", "k = 3")  # 50 would leave a cluster of 60 samples too few
    assert three.question == "clusters" and three.low is not None and three.low <= three.value
    assert "all 200 samples of blobs, of which 60 were looked at" in three.protocol


def test_the_answer_in_words() -> None:
    def tried(count: int, excess: float, high: float, chance: float = 0.0) -> Tried:
        return Tried(count, 0.5 + excess, 0.5, 1.0, 0.5, excess, 0.2, high, chance)

    several = Counted(5, (tried(4, 0.3, 0.35), tried(5, 0.4, 0.45), tried(6, 0.38, 0.41), tried(7, 0.39, 0.5, 0.4)), 99)
    assert str(several) == "5 clusters; 6 do as well"
    assert str(Counted(None, (tried(7, 0.39, 0.5, 0.4),), 99)).startswith("no number of clusters")
    assert Counted(None, (), 99).as_good == ()


def test_too_few_samples_are_named_and_equal_ones_are_no_clusters() -> None:
    with pytest.raises(DataError, match="40 samples or more and there are 39"):
        count_clusters(torch.randn(39, 2), (2,))
    assert count_clusters(torch.ones(40, 2), (2, 3)).chosen is None
