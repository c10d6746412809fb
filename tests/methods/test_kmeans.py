"""K-means against the obvious and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans as Reference

from tacit.errors import DataError, OptionError
from tacit.methods.classical import kmeans
from tacit.methods.classical.kmeans import KMeans
from tacit.protocol import Spec

SPEC = Spec("image", (1, 2, 3), (0.0, 1.0))


def blobs() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    centres = torch.rand(4, 1, 2, 3)
    label = torch.arange(200) % 4
    return centres[label] + 0.01 * torch.randn(200, 1, 2, 3), label


def fitted() -> KMeans:
    method = KMeans(SPEC, clusters=4)
    method.fit(blobs()[0])
    return method


def test_blobs_are_found() -> None:
    x, label = blobs()
    group = fitted().assign(x)
    pairs = {(int(a), int(b)) for a, b in zip(group, label, strict=True)}
    assert group.dtype == torch.int64 and len(pairs) == 4


def test_distances_are_as_small_as_the_librarys() -> None:
    torch.manual_seed(0)
    x = torch.rand(300, 1, 2, 3)
    method = KMeans(SPEC, clusters=5, restarts=8)
    method.fit(x)
    reference = Reference(5, n_init=8, random_state=0).fit(x.flatten(1).numpy())
    assert float(method.anomaly_score(x).square().sum()) <= 1.02 * reference.inertia_


def test_score_is_the_distance_to_the_nearest_centre() -> None:
    x, method = blobs()[0], fitted()
    slow = torch.stack([(x.flatten(1) - c).norm(dim=1) for c in method.centres]).min(0)
    torch.testing.assert_close(method.anomaly_score(x), slow.values)
    assert (method.assign(x) == slow.indices).all()


def test_score_at_a_centre_far_from_zero_is_zero() -> None:
    method = KMeans(Spec("vector", (4,)), clusters=30)
    method.fit(torch.randn(30, 4) + 1_000)
    assert float(method.anomaly_score(method.centres).max()) == 0


def test_gradients_flow() -> None:
    x = blobs()[0].requires_grad_()
    fitted().anomaly_score(x).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.flatten(1).norm(dim=1), 1, rtol=1e-4)  # of a distance


def test_of_very_many_samples_a_part_is_tried_and_all_are_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kmeans, "MOST", 1)
    torch.manual_seed(0)
    x = torch.rand(10_400, 1, 2, 3)
    method = KMeans(SPEC, clusters=3, restarts=2)
    method.fit(x)
    group = method.assign(x)
    for k in range(3):  # each centre is the mean of all of its samples
        torch.testing.assert_close(method.centres[k], x.flatten(1)[group == k].mean(0), atol=2e-3, rtol=0)


def test_seed_decides() -> None:
    torch.manual_seed(0)
    x = torch.rand(300, 1, 2, 3)
    found = []
    for seed in (1, 1, 2):
        method = KMeans(SPEC, clusters=9, restarts=1)
        torch.manual_seed(seed)
        method.fit(x)
        found.append(method.centres)
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_equal_samples_leave_clusters_empty_and_say_so() -> None:
    method = KMeans(SPEC, clusters=4)
    method.fit(torch.ones(10, 1, 2, 3))
    assert method.note == "only 1 of 4 clusters have samples"


def test_mistakes_are_named() -> None:
    with pytest.raises(DataError, match="3 samples cannot make 10 clusters; set clusters to 3 or less"):
        KMeans(SPEC).fit(torch.rand(3, 1, 2, 3))
    with pytest.raises(OptionError, match="clusters is 0"):
        KMeans(SPEC, clusters=0)
