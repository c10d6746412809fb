"""Tables as a method sees them, and the way back."""

from typing import Any

import numpy as np
import pytest
import torch

from tacit.data.coding import decode, encode, encode_like, table_spec
from tacit.errors import DataError
from tacit.protocol import Column, Spec

Array = np.ndarray[Any, Any]
Table = dict[str, Array]
ALL = np.ones(6, bool)


def strings(*values: str) -> Array:
    return np.array(values, dtype=object)


@pytest.fixture
def table() -> Table:
    return {
        "age": np.array([20.0, 30, 40, np.nan, 50, 61]),
        "height": np.array([1.5, 1.75, 1.6, 1.8, 2, 1.7]),
        "job": strings("clerk", "porter", "", "clerk", "cook", "porter"),
        "sex": strings("m", "f", "m", "f", "f", "m"),
    }


def test_decoding_undoes_encoding(table: Table) -> None:
    spec, x = encode(table, ALL)
    assert x.dtype == torch.float32 and x.shape == (6, *spec.shape) == (6, 2 + 1 + 4 + 2)
    back = decode(x, spec)
    assert list(back) == list(table)
    np.testing.assert_array_equal(back["age"], table["age"])
    np.testing.assert_allclose(back["height"], table["height"], rtol=1e-6)
    assert back["job"].tolist() == table["job"].tolist() and back["sex"].tolist() == table["sex"].tolist()
    assert spec == Spec.from_dict(spec.to_dict())


def test_the_code_is_what_it_says(table: Table) -> None:
    spec, x = encode(table, ALL)
    known = np.array([20, 30, 40, 50, 61])
    expected = (table["age"] - known.mean()) / known.std()
    np.testing.assert_allclose(x[:, 0], np.nan_to_num(expected), rtol=1e-5)
    assert x[:, 1].tolist() == [0, 0, 0, 1, 0, 0]
    assert x[:, 3:7].tolist()[:3] == [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]  # clerk cook porter missing
    assert [(c.name, c.start, c.width, c.missing, c.whole) for c in spec.columns] == [
        ("age", 0, 2, True, True), ("height", 2, 1, False, False),
        ("job", 3, 4, True, False), ("sex", 7, 2, False, False),
    ]


def test_only_training_rows_teach(table: Table) -> None:
    training = np.array([True, True, False, False, False, True])
    spec, x = encode(table, training)
    other = {**table, "age": np.array([20.0, 30, 1e6, 5, 7, 61]),
             "job": strings("clerk", "porter", "pilot", "nun", "", "porter")}
    assert table_spec(other, training) == spec
    age, _, job, _ = spec.columns
    assert job.levels == ("clerk", "porter") and not job.missing and not age.missing
    np.testing.assert_allclose(x[training, 0].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(x[training, 0].square().mean(), 1, rtol=1e-5)
    _, notes = encode_like(table, spec)
    assert any("'job': 1 values" in n and "'cook'" in n for n in notes)
    assert any("'age': 1 missing" in n and "the mean" in n for n in notes)


def test_constant_and_absent_numbers_divide_by_nothing() -> None:
    table = {"one": np.full(6, 3.0), "gone": np.full(6, np.nan)}
    spec, x = encode(table, ALL)
    assert x.tolist() == [[0.0, 0.0, 1.0]] * 6
    back = decode(x, spec)
    assert back["one"].tolist() == [3.0] * 6 and np.isnan(back["gone"]).all()


def test_unseen_words_are_no_level_and_never_silent(table: Table) -> None:
    spec, _ = encode(table, ALL)
    new = {**table, "job": strings("pilot", "nun", "pilot", "clerk", "", "cook"), "shoe": np.arange(6.0)}
    x, notes = encode_like(new, spec)
    assert x[:3, 3:7].abs().sum() == 0 and x[3, 3] == 1 and x[4, 6] == 1
    assert any("3 values" in n and "'pilot', 'nun'" in n for n in notes)
    assert any("ignored: shoe" in n for n in notes)
    assert decode(x, spec)["job"].tolist() == ["", "", "", "clerk", "", "cook"]


def test_missing_columns_are_named_and_words_are_no_numbers(table: Table) -> None:
    spec, _ = encode(table, ALL)
    new = {("Job" if k == "job" else k): v for k, v in table.items() if k != "sex"}
    with pytest.raises(DataError, match="no column 'job', 'sex'.*Did you mean 'Job'"):
        encode_like(new, spec)
    with pytest.raises(DataError, match="'age' holds words, as 'old'"):
        encode_like({**table, "age": strings("old", "", "", "", "", "")}, spec)


def test_rows_that_a_method_made_are_decoded() -> None:
    spec = Spec("table", (6,), columns=(
        Column("n", "number", 0, mean=10, scale=2, missing=True, whole=True),
        Column("c", "category", 2, levels=("a", "b", "c"), missing=True),
    ))
    x = torch.tensor([[0.3, 0.4, 0.2, 0.9, 0.1, 0.2], [-1.0, 0.6, -3, -2, -1, 0.7], [1.0, 0.0, 0.9, 0.1, 0.2, 0.6]])
    back = decode(x.requires_grad_(), spec)
    np.testing.assert_array_equal(back["n"], [11, np.nan, 12])
    assert back["c"].tolist() == ["b", "", ""]
