"""Knowing samples again where it is known who must be, and views that change what they say they change."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import tacit
from tacit.errors import DataError
from tacit.evaluation import recognition
from tacit.evaluation.case import Case
from tacit.evaluation.recognition import blocks, recognised, replaced, view
from tacit.functional.spread import effective_rank
from tacit.protocol import Column, Spec


def case_of(run: Any) -> Case:
    data = run.data()
    return Case(run, data.take(data.training), data.take(data.testing), ("training", "the held-out"), None)  # type: ignore[arg-type]


def test_hits_are_those_of_a_slow_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(40, 6, generator=generator) * torch.tensor([1, 1, 1, 1, 50.0, 0.0])
    seen = z + 0.8 * torch.randn(40, 6, generator=generator) * torch.tensor([1, 1, 1, 1, 50.0, 0.0])
    found = recognised(z, seen, torch.arange(40))
    scale = z.std(0, correction=0) + (z.std(0, correction=0) == 0)
    a, b = (z - z.mean(0)) / scale, (seen - z.mean(0)) / scale
    for i in range(40):
        cosine = [float(torch.nn.functional.cosine_similarity(b[i], a[j], dim=0)) for j in range(40)]
        assert bool(found[i]) == (max(range(40), key=cosine.__getitem__) == i)
    assert 5 < int(found.sum()) < 40


def test_equals_are_one_and_a_collapsed_representation_knows_nobody() -> None:
    z = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))[[0, 1, 2, 0, 1, 2]]
    assert recognised(z, z, torch.arange(6) % 3).all()
    assert int(recognised(torch.ones(50, 4), torch.ones(50, 4), torch.arange(50)).sum()) == 1


def test_a_fifth_of_the_columns_comes_whole_from_other_samples() -> None:
    block = torch.tensor([0, 1, 1, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9])
    x = torch.arange(200.0)[:, None].expand(200, 13)
    changed = replaced(x, block, torch.Generator().manual_seed(0))
    moved = changed != x
    for column in range(10):
        own = changed[:, block == column]
        assert (own == own[:, :1]).all() and 0.08 < float(moved[:, block == column][:, 0].double().mean()) < 0.35
    assert all(len(block[row].unique()) == 2 for row in moved)
    assert len(torch.unique(changed[moved])) > 150


def test_columns_of_a_table_are_told_by_its_header() -> None:
    columns = (Column("age", "number", 0, missing=True), Column("town", "category", 2, levels=("a", "b", "c")))
    assert blocks(Spec("table", (5,), columns=columns)).tolist() == [0, 0, 1, 1, 1]
    assert blocks(Spec("codes", (2, 3), codes=9)).tolist() == list(range(6))
    codes = torch.arange(60).view(10, 2, 3)
    changed = view(codes, Spec("codes", (2, 3), codes=60))
    assert changed.shape == codes.shape and changed.dtype == torch.int64 and ((changed != codes).sum((1, 2)) == 1).all()


def test_views_of_images_are_changed_a_little_and_not_mirrored() -> None:
    ramp = torch.linspace(0.2, 0.8, 16).expand(130, 3, 16, 16).contiguous()
    changed = view(ramp, Spec("image", (3, 16, 16), (0.0, 1.0)))
    assert changed.shape == ramp.shape and 0 <= float(changed.min()) and float(changed.max()) <= 1
    assert (changed[..., 12:].mean((1, 2, 3)) > changed[..., :4].mean((1, 2, 3))).all()
    assert 0.01 < float((changed - ramp).abs().mean()) < 0.2
    assert len(changed.flatten(1).unique(dim=0)) == 130 and torch.equal(changed, view(ramp, Spec("image", (3, 16, 16))))


def test_what_is_said_of_images_and_of_vectors(little_digits: Any, tmp_path: Any) -> None:
    vectors = torch.randn(200, 10, generator=torch.Generator().manual_seed(0)).numpy()
    for name, source, beside in (("images", little_digits, "pixels"), ("vectors", vectors, "values")):
        run = tacit.fit("pca", source, latent=5, split="0.3", out=tmp_path / name)
        case, state = case_of(run), torch.random.get_rng_state()
        found = {(m.name, m.of): m for m in recognition.ask(case)}
        assert torch.equal(state, torch.random.get_rng_state())
        assert set(found) == {(n, of) for n in ("changed samples known again", "effective rank") for of in ("", beside)}
        for m in found.values():
            assert m.low is not None and m.high is not None and m.low <= m.value <= m.high
        z = run.encode(case.test)
        assert found["effective rank", ""].value == pytest.approx(float(effective_rank(z - z.mean(0))))
        assert 3 < found["effective rank", ""].value <= 5 < found["effective rank", beside].value
        known = found["changed samples known again", ""].value
        assert known > 0.1 and (name == "images" or known < found["changed samples known again", beside].value)
        assert list(recognition.ask(case)) == list(found.values())


def test_too_few_samples_are_named(little_digits: Any, tmp_path: Any) -> None:
    case = case_of(tacit.fit("pca", (little_digits[0][:40], little_digits[1][:40]), split="0.1", out=tmp_path / "run"))
    with pytest.raises(DataError, match="told apart among 10 or more"):
        next(recognition.ask(case))
