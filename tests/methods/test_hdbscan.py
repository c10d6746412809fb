"""HDBSCAN's assignment of new samples against the library's hierarchy."""

from __future__ import annotations

import pytest
import torch
from sklearn import cluster

from tacit.errors import DataError, OptionError
from tacit.functional.neighbours import nearest
from tacit.methods.classical import hdbscan
from tacit.methods.classical.hdbscan import HDBSCAN
from tacit.protocol import Spec

SPEC = Spec("vector", (2,))
CENTRES = torch.tensor([[0.0, 0.0], [6.0, 0.0], [0.0, 7.0], [9.0, 9.0]])
SPREAD = torch.tensor([0.5, 1.0, 0.8, 1.5])


def blobs(n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Four blobs, of which the first is the largest, and a tenth of the samples anywhere, labelled -1."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.tensor([0, 0, 0, 0, 1, 1, 2, 2, 3, -1])[torch.arange(n) % 10]
    x = CENTRES[label] + SPREAD[label][:, None] * torch.randn(n, 2, generator=generator)
    anywhere = 18 * torch.rand(n, 2, generator=generator) - 4
    return torch.where(label[:, None] < 0, anywhere, x), label


@pytest.fixture(scope="module")
def fitted() -> HDBSCAN:
    torch.manual_seed(0)
    method = HDBSCAN(SPEC, min_cluster_size=15)
    method.fit(blobs(400)[0])
    return method


def test_clusters_are_the_librarys_by_size(fitted: HDBSCAN) -> None:
    x = blobs(400)[0]
    reference = torch.from_numpy(cluster.HDBSCAN(15, min_samples=5, copy=True).fit_predict(x.numpy()))
    pairs = {(int(a), int(b)) for a, b in zip(fitted.label, reference, strict=True)}
    assert len(pairs) == len(reference.unique()) and (-1, -1) in pairs
    size = fitted.label[fitted.label >= 0].bincount()
    assert (size.diff() <= 0).all() and len(size) == 4
    assert fitted.note.startswith("4 clusters;")


def test_landmarks_get_their_own_back(fitted: HDBSCAN, monkeypatch: pytest.MonkeyPatch) -> None:
    x = blobs(400)[0]
    monkeypatch.setattr(hdbscan, "ROWS", 64)
    assert torch.equal(fitted.assign(x), fitted.label)
    inside = fitted.label >= 0
    barely = fitted.assign(x[inside] + 1e-3)  # no longer known by equality: the rule itself says the same
    assert torch.equal(barely, fitted.label[inside])


def test_middles_join_and_far_samples_do_not(fitted: HDBSCAN) -> None:
    x, label = blobs(400)
    middle = fitted.assign(CENTRES)
    for k in range(3):
        assert int(middle[k]) == int(fitted.label[label == k].mode().values)
    assert fitted.assign(torch.tensor([[100.0, 0.0], [3.0, 3.5], [-30.0, -30.0]])).tolist() == [-1, -1, -1]


def test_new_samples_join_what_they_would_have_been_in(fitted: HDBSCAN) -> None:
    """Each is added to the data and all is clustered anew; that moves core distances, so that a few may differ."""
    (x, _), (new, _) = blobs(400), blobs(60, seed=1)
    expected = []
    for one in new:
        found = cluster.HDBSCAN(15, min_samples=5, copy=True).fit_predict(torch.cat([x, one[None]]).numpy())
        members = fitted.label[torch.from_numpy(found[:-1] == found[-1])]
        expected.append(-1 if found[-1] < 0 else int(members.mode().values))
    group = fitted.assign(new)
    assert (group < 0).any() and len(group.unique()) == 5
    assert float((group == torch.tensor(expected)).float().mean()) > 0.95


def test_a_margin_is_the_height_at_which_the_hierarchy_splits(fitted: HDBSCAN) -> None:
    model = cluster.HDBSCAN(15, min_samples=5, copy=True).fit(blobs(400)[0].numpy())
    members = [{i} for i in range(400)]
    heights = {}
    for left, right, height, _ in model._single_linkage_tree_.tolist():
        for child in (left, right):
            heights[frozenset(members[child])] = height
        members.append(members[left] | members[right])
    for k, margin in enumerate(fitted.margin.tolist()):
        own = frozenset((fitted.label == k).nonzero().flatten().tolist())
        assert margin == pytest.approx(heights[own], rel=1e-4)


def test_samples_beyond_the_landmarks_join_them() -> None:
    torch.manual_seed(0)
    x, label = blobs(600)
    method = HDBSCAN(SPEC, min_cluster_size=10, landmarks=250)
    method.fit(x)
    group = method.assign(x)
    assert "clustered 250 of 600 samples" in method.note and len(method.label) == 250
    same = (group[:, None] == group)[label >= 0][:, label >= 0]
    truly = (label[:, None] == label)[label >= 0][:, label >= 0]
    assert float((same == truly).float().mean()) > 0.9


def test_of_many_values_the_principal_axes_count() -> None:
    torch.manual_seed(0)
    x = torch.cat([torch.randn(40, 80), 9 + torch.randn(40, 80)])
    method = HDBSCAN(Spec("vector", (80,)))
    method.fit(x)
    assert method.axes.shape == (50, 80) and len(method.margin) == 2
    assert method.assign(torch.stack([x[:40].mean(0), x[40:].mean(0)])).unique().tolist() == [0, 1]


def test_one_blob_has_no_clusters() -> None:
    torch.manual_seed(0)
    x = torch.randn(60, 2)
    method = HDBSCAN(SPEC)
    method.fit(x)
    assert method.assign(x).tolist() == [-1] * 60 and method.note == "0 clusters; 100% of the samples are in none"


def test_equal_samples_are_clustered() -> None:
    method = HDBSCAN(SPEC, min_cluster_size=5)
    x = CENTRES.repeat(12, 1)
    method.fit(x)
    assert torch.equal(method.assign(x), method.label)


def test_saved_state_gives_the_same(fitted: HDBSCAN) -> None:
    other = HDBSCAN(SPEC, min_cluster_size=15)
    other.restore(fitted.state_dict())
    new = blobs(100, seed=2)[0]
    assert torch.equal(fitted.assign(new), other.assign(new))


def test_core_distances_count_the_landmark_itself(fitted: HDBSCAN) -> None:
    distance, _ = nearest(fitted.reference, fitted.reference, 5)
    torch.testing.assert_close(fitted.core, distance[:, 4])


def test_mistakes_are_named() -> None:
    with pytest.raises(DataError, match="10 samples and 10000 landmarks are too few for two clusters of 20"):
        HDBSCAN(SPEC).fit(torch.rand(10, 2))
    with pytest.raises(OptionError, match="min_cluster_size is 1"):
        HDBSCAN(SPEC, min_cluster_size=1)
