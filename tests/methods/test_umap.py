"""UMAP: a map that keeps neighbours, and that is the same after it was saved."""

from __future__ import annotations

import builtins
import warnings
from typing import Any

import numpy as np
import pytest
import torch

from tacit.errors import DataError, MissingExtra, OptionError
from tacit.functional.neighbours import memberships, nearest, nearest_others
from tacit.methods.classical import umap
from tacit.methods.classical.umap import UMAP
from tacit.protocol import Spec

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ImportWarning)
    pytest.importorskip("umap")
SPEC = Spec("vector", (60,))


def blobs(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    centres = 4 * torch.randn(4, 60, generator=generator)
    label = torch.arange(n) % 4
    return centres[label] + torch.randn(n, 60, generator=generator), label


@pytest.fixture(scope="module")
def fitted() -> UMAP:
    torch.manual_seed(0)
    method = UMAP(SPEC, neighbours=10, iterations=150, landmarks=160)
    method.fit(blobs(200)[0])
    return method


def test_new_samples_land_among_their_own(fitted: UMAP) -> None:
    (old, old_label), (new, label) = blobs(200), blobs(260)
    distance, index = nearest(fitted.embed(new[200:]), fitted.embed(old), 5)
    assert (old_label[index] == label[200:, None]).float().mean() > 0.99
    usual, _ = nearest_others(fitted.places, 5)
    assert float(distance.median()) < 2 * float(usual.median())  # in the midst of them, not beside


def test_digits_land_as_near_their_own_as_landmarks_are() -> None:
    from sklearn.datasets import load_digits

    torch.manual_seed(0)
    shuffled = torch.randperm(1_797)
    images, target = (torch.from_numpy(a)[shuffled] for a in load_digits(return_X_y=True))
    method = UMAP(Spec("vector", (64,)), iterations=200)
    method.fit(images[:600].float())
    _, among = nearest_others(method.places, 10)
    _, near = nearest(method.embed(images[600:1_000].float()), method.places, 10)
    own = (target[among] == target[:600, None]).float().mean()
    placed = (target[near] == target[600:1_000, None]).float().mean()
    assert own > 0.9 and placed > own - 0.02


def test_the_graph_is_the_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    library = umap.load()
    monkeypatch.setattr(library, "smooth_knn_dist", library.smooth_knn_dist.py_func)  # compiling it takes seconds
    x = torch.cat([blobs(60)[0], blobs(3)[0]])  # three are there twice
    distance, index = nearest_others(x, 7)
    own = torch.arange(63)[:, None]
    reference, _, _ = library.fuzzy_simplicial_set(
        x.numpy(), 8, np.random.RandomState(0), "euclidean", knn_indices=torch.cat([own, index], 1).int().numpy(),
        knn_dists=torch.cat([torch.zeros(63, 1), distance], 1).numpy(),
    )
    found = umap.union(index, memberships(distance))
    np.testing.assert_allclose(found.toarray(), reference.toarray(), atol=1e-4)


def test_a_step_goes_down_the_cross_entropy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(umap, "ROUNDS", 1)
    torch.manual_seed(0)
    places, weight, index = 4 * torch.randn(30, 2), torch.rand(6, 5) + 0.1, torch.randint(30, (6, 5))
    a, b = curve = torch.tensor([1.5769, 0.8951])
    start = (weight[..., None] * places[index]).sum(1) / weight.sum(1, keepdim=True)
    pushing = torch.randint(30, (20,), generator=torch.Generator().manual_seed(0))
    for i in range(6):
        y = start[i].clone().requires_grad_()
        near = 1 / (1 + a * (y - places[index[i]]).square().sum(1) ** b)  # memberships on the map
        other = 1 / (1 + a * (y - places[pushing]).square().sum(1) ** b)
        loss = -(weight[i] * near.log()).sum() - 5 * weight[i].sum() * (1 - other).log().mean()
        loss.backward()
        stepped = umap.place(weight[i : i + 1], index[i : i + 1], places, curve)[0]
        torch.testing.assert_close(stepped, start[i] - 0.25 * y.grad, rtol=0, atol=2e-2)


def test_new_samples_land_where_they_did_before_saving(fitted: UMAP) -> None:
    new = blobs(260)[0][200:]
    before = fitted.embed(new)
    other = UMAP(SPEC, neighbours=10, iterations=150, landmarks=160)
    other.restore({name: tensor.clone() for name, tensor in fitted.state_dict().items()})
    torch.manual_seed(5)
    assert torch.equal(other.embed(new), before)
    assert torch.equal(fitted.embed(new), before)  # and placing moves nothing


def test_a_place_does_not_depend_on_the_other_samples(fitted: UMAP, monkeypatch: pytest.MonkeyPatch) -> None:
    new = blobs(260)[0][200:]
    together = fitted.embed(new)
    monkeypatch.setattr(umap, "ROWS", 7)
    torch.testing.assert_close(fitted.embed(new), together, atol=1e-3, rtol=1e-3)
    alone = torch.cat([fitted.embed(one[None]) for one in new])
    torch.testing.assert_close(alone, together, atol=1e-3, rtol=1e-3)


def test_landmarks_stay(fitted: UMAP) -> None:
    places = fitted.embed(blobs(200)[0])
    distance, _ = nearest(fitted.places, places, 1)
    assert len(fitted.places) == 160 and float(distance.max()) == 0
    assert fitted.note.startswith("laid out 160 of 200 samples")


@pytest.mark.parametrize("shape", [(1,), (2,)])
def test_few_values_and_equal_samples_have_a_map(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    for x in (torch.randn(4, *shape).repeat(3, 1), torch.ones(12, *shape)):
        method = UMAP(Spec("vector", shape), iterations=20)
        method.fit(x)
        assert method.embed(x).isfinite().all() and method.embed(x + 0.1).isfinite().all()
        assert method.note == "neighbours is lowered to 12, all samples"


def test_seed_decides() -> None:
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        method = UMAP(SPEC, neighbours=5, iterations=20, landmarks=30)
        method.fit(blobs(40)[0])
        found.append(method.places)
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_a_missing_package_is_named_and_a_fitted_map_does_without(
    fitted: UMAP, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "umap":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"UMAP needs umap-learn.*tacit\[maps\]"):
        UMAP(SPEC).fit(blobs(40)[0])
    assert fitted.embed(blobs(5)[0]).shape == (5, 2)


def test_mistakes_are_named() -> None:
    with pytest.raises(DataError, match="3 samples are too few for a map"):
        UMAP(SPEC).fit(torch.rand(3, 60))
    with pytest.raises(OptionError, match="neighbours is 2"):
        UMAP(SPEC, neighbours=2)
    with pytest.raises(OptionError, match="min_dist is 1.5"):
        UMAP(SPEC, min_dist=1.5)
