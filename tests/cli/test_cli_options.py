from typing import Any, Literal

import pytest

from tacit.cli.options import Option, choices, described, metavar, plain, suggestion


def test_a_flag_is_the_name_with_dashes() -> None:
    assert Option("micro_batch", int | None).flag == "--micro-batch"


@pytest.mark.parametrize(
    ("hint", "word", "asks"),
    [
        (int, "N", "a whole number"),
        (float | None, "X", "a number"),
        (str, "TEXT", "text"),
        (Literal["a", "b"] | None, "{a,b}", "a or b"),
        (tuple[int, ...], "N,...", "a whole number each, separated by commas"),
    ],
)
def test_help_has_a_word_for_each_type(hint: Any, word: str, asks: str) -> None:
    assert metavar(Option("x", hint)) == word
    assert described(hint) == asks


@pytest.mark.parametrize(
    ("hint", "given", "value"),
    [
        (float, "8/255", 8 / 255),
        (float | None, "1/3", 1 / 3),
        (float, "1/0", "1/0"),
        (float, "0.5", "0.5"),
        (str, "8/255", "8/255"),
        (str, 0.2, "0.2"),
        (str | None, 3, "3"),
        (str | None, "none", None),
        (int | None, "null", None),
        (str, "none", "none"),
        (tuple[str, ...], "a:number, b:ignore", ["a:number", "b:ignore"]),
        (tuple[float, ...], "1/2,3", [0.5, "3"]),
        (tuple[str, ...], ["a", "b"], ["a", "b"]),
        (bool, True, True),
    ],
)
def test_values_are_brought_to_what_the_type_takes(hint: Any, given: Any, value: Any) -> None:
    assert plain(Option("x", hint), given) == value


def test_only_the_values_of_literals_are_suggested() -> None:
    option = Option("fit", Literal["crop", "pad"])
    assert choices(option.hint) == ("crop", "pad")
    assert suggestion(option, "crp") == " Did you mean 'crop'?"
    assert suggestion(Option("n", int), "crp") == ""
