"""Finding what does not belong, against scikit-learn's metrics and by cases with a known answer."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

import tacit
from tacit.errors import CapabilityError, DataError
from tacit.evaluation import anomaly
from tacit.evaluation.anomaly import ranked
from tacit.evaluation.case import Case


def case_of(run, seed=0):
    data = run.data()
    train, test = data.take(data.training), data.take(data.testing)
    return Case(run, train, test, ("the training samples", "the held-out samples"), None, seed)  # type: ignore[arg-type]


def scored(ties):
    generator = torch.Generator().manual_seed(3)
    strange = torch.rand(150, generator=generator) < 0.2
    scores = torch.randn(150, generator=generator) + strange
    return (scores * 2).round() if ties else scores, strange


@pytest.mark.parametrize("ties", [False, True])
def test_values_are_the_librarys(ties):
    scores, strange = scored(ties)
    found = ranked(scores, strange, times=0)
    expected = [roc_auc_score(strange, scores), average_precision_score(strange, scores)]
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_draws_are_the_librarys_on_the_samples_drawn(ties, monkeypatch):
    scores, strange = scored(ties)
    monkeypatch.setattr(anomaly, "AT_ONCE", 900)  # six draws at a time
    found = ranked(scores, strange, seed=5, times=20)
    assert found.shape == (2, 21)
    generator = torch.Generator().manual_seed(5)
    picks = torch.cat([torch.randint(150, (n, 150), generator=generator) for n in (6, 6, 6, 2)])
    for column, index in zip(found[:, 1:].T, picks, strict=True):
        expected = [f(strange[index], scores[index]) for f in (roc_auc_score, average_precision_score)]
        np.testing.assert_allclose(column, expected, rtol=1e-12)


def test_a_draw_without_strange_samples_has_no_value():
    found = ranked(torch.arange(4.0), torch.tensor([False, False, False, True]), times=50)
    assert found[:, 0].tolist() == [1, 1]
    assert found.isnan().any() and not found.isnan().all()
    assert torch.equal(found[0].isnan() | (found[0] == 1), torch.ones(51, dtype=torch.bool))


def test_scores_that_are_not_numbers_are_named():
    with pytest.raises(DataError, match="1 of 2 anomaly scores are not numbers"):
        ranked(torch.tensor([1.0, float("nan")]), torch.tensor([True, False]))


def test_planted_and_left_out_with_a_fitted_method(little_digits, tmp_path):
    run = tacit.fit("kmeans", little_digits, out=tmp_path / "run", split=0.3)
    state = torch.get_rng_state()
    found = list(anomaly.ask(case_of(run)))
    assert torch.equal(torch.get_rng_state(), state)
    value = {(m.name, m.of): m.value for m in found}
    assert all(m.low <= m.value <= m.high and m.better == "higher" for m in found)
    assert value["AUROC", "planted: noise"] > 0.95
    kinds = [of for name, of in value if name == "AUROC" and of.startswith("planted:")]
    assert len(kinds) == 5
    for name in ("AUROC", "average precision"):
        assert value[name, "planted"] == pytest.approx(np.mean([value[name, of] for of in kinds]))
        classes = [v for (n, of), v in value.items() if n == name and of.startswith("without class")]
        assert len(classes) == 10
        assert value[name, "without one class"] == pytest.approx(np.mean(classes))


def blobs():
    generator = torch.Generator().manual_seed(0)
    label = torch.arange(300) % 3
    centres = torch.tensor([[0.0, 0], [20, 0], [0, 20]])
    return (centres[label] + torch.randn(300, 2, generator=generator)).numpy(), label.numpy()


def test_a_blob_left_out_is_found_and_the_run_stays_as_it_is(tmp_path):
    run = tacit.fit("kmeans", blobs(), clusters=3, out=tmp_path / "run")
    centres = run.method.centres.clone()
    found = [m for m in anomaly.ask(case_of(run)) if m.of.startswith("without")]
    assert {m.of for m in found} == {"without class 0", "without class 1", "without class 2", "without one class"}
    assert all(m.value == 1 for m in found)  # with the class among its samples, kmeans would put a centre on it
    assert torch.equal(run.method.centres, centres)


def test_a_child_says_that_its_parent_has_seen_the_class(little_digits, tmp_path):
    parent = tacit.fit("ae", little_digits, steps=5, out=tmp_path / "ae")
    run = tacit.fit("isolation-forest", parent, out=tmp_path / "forest")
    left_out = [m for m in anomaly.ask(case_of(run)) if m.of == "without one class"]
    assert "ae, on which it stands, stays as it is and has seen all training samples" in left_out[0].protocol


def test_what_would_have_to_be_trained_again_is_said_after_the_rest(little_digits, tmp_path):
    run = tacit.fit("ae", little_digits, steps=5, out=tmp_path / "run")
    answers, found = anomaly.ask(case_of(run)), []
    with pytest.raises(CapabilityError, match="ae would have to be trained again for each class"):
        for measure in answers:
            found.append(measure.of)
    assert found[-1] == "planted"


def test_without_labels_only_outliers_are_planted(tmp_path):
    run = tacit.fit("pca", torch.randn(100, 5).numpy(), latent=2, out=tmp_path / "run")
    assert {m.of for m in anomaly.ask(case_of(run))} == {"planted: columns apart", "planted: uniform", "planted"}
