"""Measures of maps against scikit-learn, and of what explains an axis that is known."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from sklearn.manifold import trustworthiness

import tacit
from tacit.errors import DataError
from tacit.evaluation import maps
from tacit.evaluation.case import Case
from tacit.evaluation.measure import Measure
from tacit.evaluation.spaces import random_network
from tacit.runs.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: Any) -> Run:
    out = tmp_path_factory.mktemp("maps")
    return tacit.fit("pca", "shapes", count=300, size=16, split="0.4", latent=3, out=out / "p")


def asked(run: Run) -> tuple[Case, dict[tuple[str, str], Measure]]:
    own = run.data()
    case = Case(run, own.take(own.training), own.take(own.testing), ("the training", "the test"),
                random_network(run.spec))
    return case, {(m.name, m.of): m for m in maps.ask(case)}


def test_neighbourhoods_are_scikit_learns(run: Run) -> None:
    case, found = asked(run)
    x, y = case.test.everything().flatten(1).double().numpy(), run.embed(case.test).double().numpy()
    assert found["trustworthiness", ""].value == pytest.approx(trustworthiness(x, y, n_neighbors=10), abs=1e-6)
    assert found["continuity", ""].value == pytest.approx(trustworthiness(y, x, n_neighbors=10), abs=1e-6)


def test_every_answer_has_its_interval_and_the_seed_decides_it(run: Run) -> None:
    before = torch.get_rng_state()
    _, found = asked(run)
    for m in found.values():
        assert m.low is not None and m.high is not None and m.low <= m.value <= m.high
        assert ("the training" if m.of else "the test") in m.protocol
    assert found == asked(run)[1]
    assert torch.equal(before, torch.get_rng_state())


def test_a_child_is_measured_in_what_it_saw(run: Run, tmp_path: Any) -> None:
    child = tacit.fit("pca", run, latent=2, out=tmp_path / "c")
    case, found = asked(child)
    with torch.no_grad():
        x = child.chain.features(case.test.everything()).double().numpy()
    expected = trustworthiness(x, child.embed(case.test).double().numpy(), n_neighbors=10)
    assert found["trustworthiness", ""].value == pytest.approx(expected, abs=1e-6)


def test_axes_are_explained_by_what_they_show(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def map_of(data: Any) -> torch.Tensor:
        x, place = data.everything(), torch.from_numpy(data.columns["x"]).float()
        return torch.stack([x.mean((1, 2, 3)), place], 1)

    monkeypatch.setattr(run, "embed", map_of)
    _, found = asked(run)
    assert found["explained by x", "axis 2"].value > 0.95
    assert abs(found["explained by x", "axis 1"].value) < 0.2
    assert found["explained by brightness", "axis 1"].value > 0.4
    assert found["explained by brightness", "axis 2"].low < 0.1
    assert {"explained by hue", "explained by contrast", "explained by saturation"} <= {name for name, _ in found}


def test_few_samples_are_drawn_of_many_and_too_few_are_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    case, _ = asked(run)
    monkeypatch.setattr(maps, "MOST", 50)
    assert "50 of the test" in next(maps.ask(case)).protocol
    with pytest.raises(DataError, match="a map is measured on 8 or more"):
        next(maps.ask(dataclasses.replace(case, test=case.test.take(torch.arange(7)))))
    assert next(maps.ask(dataclasses.replace(case, test=case.test.take(torch.arange(8))))).value <= 1
