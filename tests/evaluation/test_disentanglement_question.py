"""What is said of disentanglement, of which columns, and when nothing is said."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

import tacit
from tacit.data.dataset import Data
from tacit.errors import DataError
from tacit.evaluation import disentanglement
from tacit.evaluation.case import Case
from tacit.evaluation.measure import Measure
from tacit.evaluation.spaces import random_network
from tacit.runs.run import Run


def planted(n: int = 600) -> Data:
    """Vectors of two factors, one a number and one a word, and noise; the number varies most."""
    rng = np.random.default_rng(0)
    size, kind = rng.random(n), rng.integers(0, 3, n)
    x = np.stack([8 * size, 2.0 * kind, 0.3 * rng.normal(size=n)], 1).astype(np.float32)
    columns = {
        "size": size, "kind": np.array(["a", "b", "c"], object)[kind], "same": np.full(n, 3.0),
        "name": np.array([f"sample {i}" for i in range(n)], object), "folder": np.array(["p", "q"], object)[kind % 2],
        "gappy": np.where(np.arange(n) % 7 == 0, np.nan, size),
    }  # fmt: skip
    return dataclasses.replace(tacit.open_data(x, split="0.5"), columns=columns)


def case_of(run: Run, data: Data) -> Case:
    return Case(run, data.take(data.training), data.take(data.testing), ("the training", "the test"),
                random_network(run.spec))  # fmt: skip


@pytest.fixture(scope="module")
def answers(tmp_path_factory: Any) -> dict[tuple[str, str], Measure]:
    """Of a PCA with as many axes as values: the data's own, since the two factors are independent."""
    data = planted()
    run = tacit.fit("pca", data, latent=3, out=tmp_path_factory.mktemp("d") / "pca")
    patch = pytest.MonkeyPatch()
    patch.setattr(disentanglement, "LEARNED", 60)  # trees take seconds
    patch.setattr(disentanglement, "VOTES", 300)
    patch.setattr(disentanglement, "UNSEEN_VOTES", 200)
    found = {(m.name, m.of): m for m in disentanglement.ask(case_of(run, data))}
    patch.undo()
    return found


def test_factors_are_numbers_and_words_that_vary_without_gaps_and_repeat() -> None:
    data = planted()
    known = disentanglement.known_factors(data.take(data.training), data.take(data.testing))
    assert known.names == ("size", "kind") and known.continuous == (True, False)
    assert known.levels[0][:, 0].unique().tolist() == list(range(10))
    assert known.levels[0][:, 1].unique().tolist() == known.levels[1][:, 1].unique().tolist() == [0, 1, 2]
    np.testing.assert_array_equal(known.values[1][:, 0], data.columns["size"][data.testing.numpy()])


def test_a_code_that_is_the_factors_scores_high_and_turned_it_does_not(answers: Any) -> None:
    turned = "the code turned at random"
    for name, least in (("MIG", 0.7), ("SAP", 0.5), ("FactorVAE score", 0.9)):
        own, other = answers[name, ""], answers[name, turned]
        assert own.value > least and own.value >= other.value, name
        assert name == "FactorVAE score" or own.low > other.high, "two turned axes still vary least at different times"
        assert own.low <= own.value <= own.high and 0 <= own.low and own.high <= 1
    assert answers["DCI disentanglement", ""].value > 0.7 and answers["DCI completeness", ""].value > 0.6
    assert answers["DCI informativeness", ""].value > 0.6
    assert all(m.better == "higher" and m.protocol.endswith((".", "these.")) for m in answers.values())


def test_each_factor_has_its_gap_and_their_mean_is_the_mig(answers: Any) -> None:
    each = [answers["information gap of a factor", name].value for name in ("size", "kind")]
    assert sum(each) / 2 == pytest.approx(answers["MIG", ""].value, abs=1e-12)


def test_principal_components_are_asked_where_they_are_fewer_than_the_values(answers: Any) -> None:
    assert ("MIG", "3 principal components") not in answers


def test_the_built_in_shapes_bring_their_factors() -> None:
    data = tacit.open_data("shapes", count=300, split="0.3")
    known = disentanglement.known_factors(data.take(data.training), data.take(data.testing))
    assert known.names == ("shape", "scale", "angle", "x", "y", "colour")
    assert known.continuous == (False, True, True, True, True, True)


@pytest.mark.parametrize(("columns", "said"), [({}, "names no factor"), ({"a": np.arange(300) % 2}, "one factor, a")])
def test_without_factors_nothing_is_claimed(columns: Any, said: str, digits_data: Data, tmp_path: Any) -> None:
    data = dataclasses.replace(digits_data, columns=columns)
    run = tacit.fit("pca", data, latent=2, out=tmp_path / "pca")
    with pytest.raises(DataError, match=f"{said}.*the report claims none") as caught:
        next(disentanglement.ask(case_of(run, data)))
    assert "\n" not in str(caught.value)


def test_a_code_that_is_a_single_number_is_refused(tmp_path: Any) -> None:
    data = planted()
    run = tacit.fit("pca", data, latent=1, out=tmp_path / "pca")
    with pytest.raises(DataError, match="vectors of 2 to 128 dimensions; the run's code is 1"):
        next(disentanglement.ask(case_of(run, data)))


def test_a_turn_keeps_lengths_and_is_the_same_for_a_seed() -> None:
    turn = disentanglement.rotation(5, 3)
    torch.testing.assert_close(turn @ turn.T, torch.eye(5, dtype=torch.float64))
    assert torch.equal(turn, disentanglement.rotation(5, 3)) and not torch.equal(turn, disentanglement.rotation(5, 4))


def test_random_states_stay(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disentanglement, "VOTES", 50)
    monkeypatch.setattr(disentanglement, "UNSEEN_VOTES", 50)
    data = planted(120)
    run = tacit.fit("pca", data, latent=2, out=tmp_path / "pca")
    before = torch.get_rng_state()
    case = case_of(run, data)
    known = disentanglement.known_factors(case.train, case.test)
    codes = run.encode(case.train), run.encode(case.test)
    first, second = (list(disentanglement.scores(case, known, codes)) for _ in range(2))
    assert first == second and torch.equal(before, torch.get_rng_state())


def test_a_value_that_is_rare_makes_no_factor() -> None:
    rare = torch.tensor([0] * 995 + [1] * 5)
    assert not disentanglement.in_both(rare, 500) and not disentanglement.in_both(rare.roll(3), 500)
    assert disentanglement.in_both(torch.arange(1000) % 3, 500)
