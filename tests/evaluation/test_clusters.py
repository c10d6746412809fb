"""Clusters by cases with a known answer, and against scikit-learn."""

import itertools

import numpy as np
import pytest
import torch
from sklearn import metrics

import tacit
from tacit.errors import DataError
from tacit.evaluation import clusters
from tacit.evaluation.case import Case
from tacit.evaluation.clusters import adjusted_rand, agreement, normalised_information, purity
from tacit.protocol import Method


def case_of(run):
    data = run.data()
    train, test = data.take(data.training), data.take(data.testing)
    return Case(run, train, test, ("the training samples", "the held-out samples"), None)  # type: ignore[arg-type]


def blobs(centres=((0.0, 0.0), (20.0, 0.0), (0.0, 20.0))):
    label = torch.arange(150) % len(centres)
    noise = torch.randn(150, 2, generator=torch.Generator().manual_seed(0))
    return (torch.tensor(centres)[label] + noise).numpy(), label.numpy()


def answers(run):
    return {m.name: m for m in clusters.ask(case_of(run))}


def test_clear_blobs_are_perfect_in_every_way(tmp_path):
    run = tacit.fit("kmeans", blobs(), clusters=3, out=tmp_path / "run")
    state = torch.get_rng_state()
    found = answers(run)
    assert torch.equal(torch.get_rng_state(), state)
    assert found["clusters used"].value == 3
    for name in ("normalised mutual information", "adjusted Rand index", "purity", "samples in a cluster",
                 "stability over bootstraps", "stability over seeds"):
        assert found[name].value == pytest.approx(1), name
        assert found[name].low == pytest.approx(1)
    assert found["silhouette"].value > 0.85


def test_values_are_the_librarys(little_digits, tmp_path):
    run = tacit.fit("kmeans", little_digits, out=tmp_path / "run", split=0.3)
    found, test = answers(run), case_of(run).test
    group, label = run.assign(test).numpy(), test.label.numpy()
    x = test.batch(torch.arange(len(test))).x.flatten(1).numpy()
    assert found["normalised mutual information"].value == metrics.normalized_mutual_info_score(label, group)
    assert found["adjusted Rand index"].value == metrics.adjusted_rand_score(label, group)
    assert found["silhouette"].value == pytest.approx(metrics.silhouette_score(x, group), abs=1e-6)
    assert 0.3 < found["stability over bootstraps"].value < 1
    assert all(m.low <= m.value <= m.high for m in found.values() if m.low is not None)


def test_clusters_where_none_are_come_out_otherwise_each_time(tmp_path):
    noise = torch.rand(400, 8, generator=torch.Generator().manual_seed(0)).numpy()
    found = answers(tacit.fit("kmeans", noise, clusters=8, restarts=1, out=tmp_path / "run"))
    assert found["stability over bootstraps"].value < 0.6
    assert found["stability over seeds"].value < 0.8
    assert "purity" not in found


def test_purity_by_counting():
    generator = torch.Generator().manual_seed(0)
    label, group = (torch.randint(4, (100,), generator=generator) for _ in range(2))
    slow = sum(int(label[group == g].bincount().max()) for g in group.unique())
    assert purity(label, group) == slow / 100


def test_agreement_is_the_mean_over_pairs():
    generator = torch.Generator().manual_seed(0)
    base = torch.randint(3, (60,), generator=generator)
    groups = [torch.where(torch.rand(60, generator=generator) < 0.2, 0, base) for _ in range(4)]
    pairs = [metrics.adjusted_rand_score(a, b) for a, b in itertools.combinations(groups, 2)]
    value, low, high = agreement(groups)
    assert value == pytest.approx(np.mean(pairs))
    assert min(pairs) <= low < value < high <= max(pairs)


def test_names_of_groups_do_not_matter():
    label = torch.tensor([0, 0, 1, 1, 2, 2])
    group = torch.tensor([7, 7, -1, -1, 0, 0])
    assert adjusted_rand(label, group) == normalised_information(label, group) == purity(label, group) == 1


class Threshold(Method):
    """Two clusters far from zero, and noise between; or all noise."""

    def __init__(self, spec, *, least: float = 5.0):
        super().__init__(spec)
        self.least = least
        self.learns("centre", *spec.shape)

    def fit(self, x, **needed):
        self.centre.copy_(x.mean(0))

    def assign(self, x):
        away = (x - self.centre)[:, 0]
        return torch.where(away.abs() < self.least, -1, (away > 0).long())


def test_noise_is_a_group_of_its_own_and_has_no_silhouette(tmp_path):
    data = tacit.open_data(blobs(((-20.0, 0.0), (0.0, 0.0), (20.0, 0.0))))
    found = answers(tacit.fit(Threshold(data.spec), data, out=tmp_path / "run"))
    assert found["clusters used"].value == 2
    assert found["samples in a cluster"].value < 0.9
    assert found["adjusted Rand index"].value == found["stability over seeds"].value == 1
    assert found["silhouette"].value > 0.85  # with the noise between them it would be lower


def test_all_noise_and_a_single_cluster_answer_what_they_can(tmp_path):
    data = tacit.open_data(blobs())
    nothing = tacit.fit(Threshold(data.spec, least=1e6), data, out=tmp_path / "nothing")
    one = tacit.fit("kmeans", data, clusters=1, out=tmp_path / "one")
    for run, share, used in ((nothing, 0, 0), (one, 1, 1)):
        found = {}
        with pytest.raises(DataError, match=f"the held-out samples are in {used}; ask for more clusters"):
            for measure in clusters.ask(case_of(run)):
                found[measure.name] = measure.value
        assert found["samples in a cluster"] == share and found["clusters used"] == used
        assert found["adjusted Rand index"] == 0
        assert found["stability over seeds"] == 1 and "silhouette" not in found


def test_parents_stay_and_it_is_said(little_digits, tmp_path):
    parent = tacit.fit("pca", little_digits, latent=3, out=tmp_path / "pca")
    run = tacit.fit("kmeans", parent, clusters=4, out=tmp_path / "run")
    found = answers(run)
    assert "pca, on which it stands, stays as it is" in found["stability over seeds"].protocol
    assert "what pca makes of them" in found["silhouette"].protocol
