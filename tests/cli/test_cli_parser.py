from typing import Any, Literal

import pytest

from tacit.cli.options import Option
from tacit.cli.parser import Call, Usage, asks_help, help_text, parse, peek
from tacit.errors import OptionError

OPTIONS = (
    Option("latent", int, 16, "Dimensions, 100% of them.", "method"),
    Option("lr", float | None, None, "Rate.", "training"),
    Option("precision", Literal["fp32", "bf16"], "fp32", "Of floats.", "training"),
    Option("strict", bool, False, "Whether it is strict.", "data"),
    Option("lazy", bool, True, "Whether it is lazy.", "data"),
    Option("columns", tuple[str, ...], (), "Roles.", "data"),
    Option("out", str | None, None, "Where.", "run", "o", "FOLDER"),
)


def given(line: str, places: tuple[str, ...] = ("DATA",)) -> Call:
    missing = {"steps": "no steps here"}
    return parse(Usage("fit x", "Fits.", places, OPTIONS, words=tuple(line.split()), missing=missing))


def test_places_and_options_may_mix() -> None:
    call = given("--latent 3 photos --lr=8/255 --strict -o runs/x --columns a:number,b:id")
    assert call.places == {"DATA": "photos"}
    assert call.given == {
        "latent": 3, "lr": 8 / 255, "strict": True, "out": "runs/x", "columns": ("a:number", "b:id"),
    }
    assert call["latent"] == 3 and call["precision"] == "fp32"
    assert call.group("data") == {"strict": True, "columns": ("a:number", "b:id")}


@pytest.mark.parametrize(
    ("line", "value"),
    [("--strict", True), ("--no-strict", False), ("--strict true", True), ("--strict=false", False),
     ("--strict no", False), ("--no-strict=true", False)],
)
def test_switches(line: str, value: Any) -> None:
    call = given(f"{line} photos")
    assert call.given == {"strict": value} and call.places == {"DATA": "photos"}


def test_a_negative_number_is_a_value_and_the_last_of_two_counts() -> None:
    assert given("x --lr -0.5 --latent=1 --latent=2").given == {"lr": -0.5, "latent": 2}


def test_after_two_dashes_everything_is_a_place() -> None:
    assert given("-- --latent").places == {"DATA": "--latent"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x --latnt 3", "'tacit fit x' has no option '--latnt'. Did you mean '--latent'? 'tacit fit x --help' lists"),
        ("x --laten 3", "Did you mean '--latent'"),
        ("x -q", "has no option '-q'. 'tacit"),
        ("x --steps 3", "'--steps': no steps here; 'tacit"),
        ("x --latent", "--latent takes a whole number, and no value follows it"),
        ("x --latent --strict", "--latent takes a whole number, and no value follows it"),
        ("x -o", "-o takes FOLDER, and no value follows it"),
        ("x --latent 3.5", "--latent takes a whole number; it was given '3.5'"),
        ("x --latent true", "--latent takes a whole number; it was given 'true'"),
        ("x --lr fast", "--lr takes a number; it was given 'fast'"),
        ("x --precision bf61", "--precision takes fp32 or bf16; it was given 'bf61'. Did you mean 'bf16'?"),
        ("x --strict=perhaps", "--strict takes true or false; it was given 'perhaps'"),
        ("", "'tacit fit x' needs DATA, a file, a folder, a built-in name such as digits, or a run: tacit fit x DATA"),
        ("x y", "does not know what to do with 'y'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_the_mend(line: str, message: str) -> None:
    with pytest.raises(OptionError) as error:
        given(line)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_optional_place_may_be_empty() -> None:
    assert given("run", ("RUN", "[DATA]")).places == {"RUN": "run"}
    assert given("run data", ("RUN", "[DATA]")).places == {"RUN": "run", "DATA": "data"}


def test_help_groups_the_options_and_shows_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    text = help_text(Usage("fit x", "Fits.", ("DATA",), OPTIONS, notes="the end"))
    lines = text.splitlines()
    assert lines[0] == "usage: tacit fit x DATA [options]"
    assert [line for line in lines if line.endswith(":")] == ["method:", "training:", "data:", "run:", "always:"]
    squeezed = [" ".join(line.split()) for line in lines]
    for line in (
        "--latent N Dimensions, 100% of them. (default: 16)",
        "--precision {fp32,bf16} Of floats. (default: fp32)",
        "-o, --out FOLDER Where.",
        "--strict Whether it is strict.",
        "--no-lazy Whether it is lazy. (default: True)",
        "-h, --help Shows this.",
    ):
        assert line in squeezed
    assert lines[-1] == "the end"


def test_peeking() -> None:
    assert peek(["a", "--config", "b"], "--config") == "b"
    assert peek(["a", "--config=b"], "--config") == "b"
    assert peek(["--config"], "--config") == ""
    assert peek(["--configs", "b"], "--config") is None
    assert asks_help(["x", "-h"]) and asks_help(["--help"]) and not asks_help(["--helper"])
