import pytest

from tacit.errors import RunError
from tacit.evaluation.measure import Measure, number


def test_a_measure_survives_the_way_through_a_file():
    measure = Measure("samples", "KID", 0.0123, "how", of="data", low=0.01, high=0.02, better="lower", space="s")
    assert Measure.from_dict(measure.to_dict()) == measure
    assert "unit" not in measure.to_dict()


def test_what_is_no_measure_is_refused():
    with pytest.raises(RunError, match="no measure"):
        Measure.from_dict({"question": "samples", "valve": 1.0})


def test_a_value_of_zero_is_kept():
    assert Measure.from_dict(Measure("q", "n", 0.0, "p", low=0.0, high=0.0).to_dict()).low == 0.0


@pytest.mark.parametrize(("value", "digits", "shown"), [
    (0.0, 3, "0.000"), (9.9999, 3, "10.00"), (-1.5, 2, "-1.5"), (123.456, 4, "123.5"), (2.5e7, 3, "2.5e+07"),
])
def test_numbers_have_the_digits_that_matter(value, digits, shown):
    assert number(value, digits) == shown


def test_different_spaces_are_different_keys():
    assert Measure("q", "n", 1.0, "p", space="a").key != Measure("q", "n", 1.0, "p", space="b").key
