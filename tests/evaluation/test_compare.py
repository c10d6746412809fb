import dataclasses

import pytest

from tacit.errors import OptionError
from tacit.evaluation.compare import compare
from tacit.evaluation.evaluate import Evaluation
from tacit.evaluation.measure import Measure

GROUND = {"data": "digits", "fingerprint": "f", "split": "the default", "sample": "image 1 x 8 x 8", "against": None,
          "drawn": "100 + 50 samples", "samples": "s", "space": "random"}


def run(name, *measures, **ground):
    return Evaluation(name, "vae", {**GROUND, **ground}, {"parameters": 10, "steps": 5, "seconds": 1.0}, measures)


def accuracy(value, low=None, high=None, better="higher", space=""):
    return Measure("representation", "accuracy", value, "how", low=low, high=high, better=better, space=space)


def test_one_run_is_no_comparison():
    with pytest.raises(OptionError, match="at least two"):
        compare([run("a")])


@pytest.mark.parametrize(("ground", "word"), [
    ({"fingerprint": "g", "data": "moons"}, "data .*moons"), ({"split": {"split": "0.5"}}, "split"),
    ({"sample": "image 1 x 16 x 16"}, "size"), ({"against": "other"}, "against"), ({"drawn": "9"}, "drawn"),
])
def test_runs_on_other_ground_are_refused_and_flagged_where_one_insists(ground, word):
    runs = [run("a", accuracy(0.5)), run("b", accuracy(0.6), **ground)]
    with pytest.raises(OptionError, match=f"(?s){word}.*--anyway"):
        compare(runs)
    (flag, *_) = compare(runs, anyway=True).flags
    assert "they differ in" in flag


def test_values_in_other_features_never_stand_on_one_line():
    runs = [run("a", accuracy(0.5, space="A"), space="A"), run("b", accuracy(0.6, space="B"), space="B")]
    found = compare(runs)
    assert [[m is not None for m in line.measures] for line in found.lines] == [[True, False], [False, True]]
    assert all(not line.best for line in found.lines)
    assert "feature space" in found.flags[0]


def test_features_in_which_nothing_was_measured_make_no_difference():
    assert not compare([run("a", accuracy(0.5, space="A"), space="A"), run("b", accuracy(0.6), space="B")]).flags


def test_the_best_are_those_whose_intervals_touch_the_best_ones():
    runs = [run("a", accuracy(0.9, 0.85, 0.95)), run("b", accuracy(0.8, 0.7, 0.86)), run("c", accuracy(0.6, 0.5, 0.7))]
    (line,) = compare(runs).lines
    assert line.best == {0, 1}


def test_lower_is_better_where_the_measure_says_so():
    runs = [run("a", accuracy(0.9, better="lower")), run("b", accuracy(0.8, better="lower"))]
    assert compare(runs).lines[0].best == {1}


def test_nothing_is_best_where_neither_way_is_better():
    assert not compare([run("a", accuracy(0.9, better="")), run("b", accuracy(0.8, better=""))]).lines[0].best


def test_nothing_is_best_where_all_intervals_touch():
    assert not compare([run("a", accuracy(0.9, 0.8, 1.0)), run("b", accuracy(0.8, 0.7, 0.9))]).lines[0].best


def test_the_lines_of_a_question_stand_together():
    other = Measure("samples", "KID", 1.0, "how")
    late = Measure("representation", "kNN", 1.0, "how")
    found = compare([run("a", accuracy(0.9), other), run("b", accuracy(0.9), other, late)])
    assert [line.about.name for line in found.lines] == ["accuracy", "kNN", "KID"]


def test_unequal_training_is_flagged():
    long = dataclasses.replace(run("b"), cost={"parameters": 10, "steps": 9, "seconds": 9.0})
    assert compare([run("a"), long]).flags == ("they differ in s of training (a: 1, b: 9)",)
