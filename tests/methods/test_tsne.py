"""t-SNE: a map that keeps neighbours, and that is the same after it was saved."""

from __future__ import annotations

import builtins
from typing import Any

import pytest
import torch

from tacit.errors import DataError, MissingExtra, OptionError
from tacit.functional.neighbours import nearest
from tacit.methods.classical import tsne
from tacit.methods.classical.tsne import TSNE
from tacit.protocol import Spec

pytest.importorskip("openTSNE")
SPEC = Spec("vector", (60,))


def blobs(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    centres = 4 * torch.randn(4, 60, generator=generator)
    label = torch.arange(n) % 4
    return centres[label] + torch.randn(n, 60, generator=generator), label


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tsne, "EARLY", 60)


@pytest.fixture(scope="module")
def fitted() -> TSNE:
    torch.manual_seed(0)
    method = TSNE(SPEC, perplexity=15, iterations=150, landmarks=160)
    method.fit(blobs(200)[0])
    return method


def test_new_samples_land_among_their_own(fitted: TSNE) -> None:
    (old, old_label), (new, label) = blobs(200), blobs(260)
    _, index = nearest(fitted.embed(new[200:]), fitted.embed(old), 5)
    assert (old_label[index] == label[200:, None]).float().mean() > 0.99


def test_new_samples_land_where_they_did_before_saving(fitted: TSNE) -> None:
    new = blobs(260)[0][200:]
    before = fitted.embed(new)
    other = TSNE(SPEC, perplexity=15, iterations=150, landmarks=160)
    other.restore({name: tensor.clone() for name, tensor in fitted.state_dict().items()})
    assert torch.equal(other.embed(new), before)
    assert torch.equal(fitted.embed(new), before)  # and placing moves nothing


def test_a_place_does_not_depend_on_the_other_samples(fitted: TSNE) -> None:
    new = blobs(260)[0][200:]
    torch.testing.assert_close(torch.cat([fitted.embed(new[:1]), fitted.embed(new[1:])]), fitted.embed(new), atol=1e-3,
                               rtol=1e-3)


def test_landmarks_stay(fitted: TSNE) -> None:
    places = fitted.embed(blobs(200)[0])
    distance, _ = nearest(fitted.places, places, 1)
    assert len(fitted.places) == 160 and float(distance.max()) == 0
    assert fitted.note.startswith("laid out 160 of 200 samples")


def test_many_landmarks_are_laid_out_on_a_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tsne, "SMALL", 50)
    x, label = blobs(100)
    method = TSNE(SPEC, perplexity=10, iterations=50)
    method.fit(x)
    _, index = nearest(method.places, method.places, 3)
    assert (label[index] == label[:, None]).float().mean() > 0.95


@pytest.mark.parametrize("shape", [(1,), (2,)])
def test_few_values_and_equal_samples_have_a_map(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.randn(12, *shape).repeat(3, 1)
    method = TSNE(Spec("vector", shape), iterations=20)
    method.fit(x)
    assert method.embed(x).isfinite().all() and "perplexity is lowered to 11.7" in method.note


def test_seed_decides() -> None:
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        method = TSNE(SPEC, perplexity=5, iterations=20, landmarks=30)
        method.fit(blobs(40)[0])
        found.append(method.places)
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("openTSNE"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"t-SNE needs openTSNE.*tacit\[maps\]"):
        TSNE(SPEC).fit(blobs(40)[0])


def test_mistakes_are_named() -> None:
    with pytest.raises(DataError, match="3 samples are too few for a map"):
        TSNE(SPEC).fit(torch.rand(3, 60))
    with pytest.raises(OptionError, match="perplexity is 0"):
        TSNE(SPEC, perplexity=0)
