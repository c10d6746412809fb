from collections.abc import Callable
from pathlib import Path

import pytest

from tacit.cli.config import load_config, method_of
from tacit.cli.options import Option
from tacit.errors import OptionError, RunError

OPTIONS = (Option("latent", int, 16), Option("beta", float, 1.0), Option("encoder", None))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        (tmp_path / "config.yaml").write_text(text)
        return str(tmp_path / "config.yaml")

    return write


def test_a_run_s_config_is_read_and_its_records_left_aside(write: Callable[[str], str], tmp_path: Path) -> None:
    path = write(
        "method: vae\noptions: {latent: 3, encoder: null}\ntraining: {steps: 5}\ndata: {source: digits, split: 0.2}\n"
        "spec: {kind: image}\nversions: {torch: '2'}\nstate: finished\nparent: null\ncommand: rm -rf\n"
    )
    config = load_config(path)
    assert (config.method, config.source) == ("vae", "digits")
    assert (config.options, config.training, config.data) == (
        {"latent": 3, "encoder": None}, {"steps": 5}, {"split": 0.2},
    )
    assert config.values("options", OPTIONS) == {"latent": 3}
    assert load_config(str(tmp_path)) == config, "a run's folder stands for its config"
    assert method_of(str(tmp_path)) == "vae"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("method: [", "is not plain YAML (line 1: "),
        ("a: b: c", "is not plain YAML (line 1: "),
        ("- 1", "holds no names and values"),
        ("", "holds no names and values"),
        ("method: 3", "method is 3; it must be a name"),
        ("options: 3", "options is 3; it must hold names and values"),
        ("optoins: {}", "has the unknown key 'optoins'. Did you mean 'options'?"),
        ("1: 2", "has the unknown key 1."),
        ("x: !!python/object/apply:os.system ['touch pwned']", "is not plain YAML"),
        ("x: \x07", "is not plain YAML"),
    ],
)
def test_a_bad_file_is_one_line(
    write: Callable[[str], str], text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError) as error:
        load_config(write(text))
    assert message in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "pwned").exists()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no file"):
        load_config(str(tmp_path / "none.yaml"))
    with pytest.raises(RunError, match="cannot be read"):
        load_config(str(tmp_path))
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError, match="is not plain YAML"):
        load_config(str(tmp_path / "bytes.yaml"))


@pytest.mark.parametrize(
    ("section", "error", "message"),
    [
        ("{bta: 3}", RunError, "has the unknown key 'bta' under options. Did you mean 'beta'?"),
        ("{latent: many}", OptionError, "options.latent takes a whole number; it was given 'many'"),
        ("{latent: [1]}", OptionError, "options.latent takes a whole number; it was given [1]"),
        ("{beta: true}", OptionError, "options.beta takes a number; it was given True"),
        ("{encoder: 'mine:Net'}", RunError, "gives options.encoder, a module of your own; only Python"),
    ],
)
def test_keys_and_values_are_checked_as_options_are(
    write: Callable[[str], str], section: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as found:
        load_config(write(f"options: {section}")).values("options", OPTIONS)
    assert message in str(found.value) and "\n" not in str(found.value)


def test_what_is_no_run(tmp_path: Path, write: Callable[[str], str]) -> None:
    with pytest.raises(RunError, match="is not a run: it is not there"):
        method_of(str(tmp_path / "none"))
    with pytest.raises(RunError, match="is not a run: it has no config.yaml"):
        method_of(str(tmp_path))
    write("a: 1")
    with pytest.raises(RunError, match="names no method"):
        method_of(str(tmp_path))
