import json

import pytest
import torch

import tacit
from tacit.errors import CapabilityError, DataError, OptionError, RunError
from tacit.evaluation.evaluate import FILE, Evaluation, aligned, evaluate
from tacit.evaluation.questions import QUESTIONS, chosen
from tacit.protocol import CALLS


@pytest.fixture(scope="module")
def kmeans(tmp_path_factory):
    return tacit.fit("kmeans", "digits", out=tmp_path_factory.mktemp("runs") / "kmeans")


def test_every_question_needs_a_capability_and_has_a_name_of_its_own():
    assert {q.capability for q in QUESTIONS} <= CALLS.keys()
    assert len({q.name for q in QUESTIONS}) == len(QUESTIONS)


def test_an_unknown_question_is_refused_with_the_near_one():
    with pytest.raises(OptionError, match="Did you mean 'clusters'"):
        chosen(("cluster",))


def test_a_question_beyond_the_run_is_refused_by_capability(kmeans):
    with pytest.raises(CapabilityError, match="kmeans can anomaly_score, assign"):
        evaluate(kmeans, only=("samples",))


def test_an_evaluation_is_written_and_read_back(kmeans):
    found = evaluate(kmeans, only=("clusters",), limit=400)
    assert Evaluation.read(kmeans.path) == found
    json.loads((kmeans.path / FILE).read_text(), parse_constant=pytest.fail)  # neither NaN nor infinity
    assert all(m.protocol and m.question == "clusters" for m in found.measures)


def test_answers_on_the_same_ground_are_kept_and_on_another_are_not(kmeans):
    first = evaluate(kmeans, only=("clusters",), limit=300)
    both = evaluate(kmeans, only=("anomaly",), limit=300)
    assert {m.question for m in both.measures} == {"clusters", "anomaly"}
    assert both.measures[: len(first.measures)] == first.measures
    other = evaluate(kmeans, only=("anomaly",), limit=200)
    assert {m.question for m in other.measures} == {"anomaly"}


def test_the_same_question_has_the_same_answer_and_leaves_the_random_state(kmeans):
    state = torch.random.get_rng_state()
    first, second = (evaluate(kmeans, only=("clusters", "anomaly"), limit=300) for _ in range(2))
    assert first.measures == second.measures
    assert torch.equal(torch.random.get_rng_state(), state)


def test_labels_of_other_data_are_matched_by_their_names(kmeans):
    own = kmeans.data()
    names = tuple(reversed(own.spec.classes))
    import dataclasses

    other = dataclasses.replace(own, label=9 - own.label, spec=dataclasses.replace(own.spec, classes=names))
    assert torch.equal(aligned(other, own).label, own.label)
    strange = dataclasses.replace(own, spec=dataclasses.replace(own.spec, classes=("x", *own.spec.classes[1:])))
    assert torch.equal(aligned(strange, own).label == -1, own.label == 0)


def test_without_held_out_samples_there_is_nothing_to_measure_on(tmp_path):
    run = tacit.fit("kmeans", "digits", split="0", out=tmp_path / "run")
    with pytest.raises(DataError, match=r"0 held-out samples.*--against"):
        evaluate(run)


def test_other_data_take_the_place_of_the_held_out_samples(tmp_path, kmeans):
    found = evaluate(kmeans, against="digits", only=("clusters",), limit=200)
    assert found.ground["against"] == "digits"
    assert "held-out" not in found.measures[0].protocol


def test_a_damaged_evaluation_is_said_and_replaced(kmeans):
    (kmeans.path / FILE).write_text("{")
    with pytest.raises(RunError, match="evaluate the run again"):
        Evaluation.read(kmeans.path)
    evaluate(kmeans, only=("clusters",), limit=200)
    assert Evaluation.read(kmeans.path).measures


def test_numbers_out_of_range_are_refused(kmeans):
    with pytest.raises(OptionError, match="limit is 3"):
        evaluate(kmeans, limit=3)
