import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

from tacit.cli.main import main

Capture = pytest.CaptureFixture[str]

FIXED = ("out", "overwrite", "init_from", "trust", "command", "say")  # handed over whatever was given


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """Notes what is asked of `tacit.runs.fitting` instead of fitting."""
    monkeypatch.chdir(tmp_path)
    asked = []
    run = SimpleNamespace(path=tmp_path / "runs" / "0001-x")
    (run.path / "samples").mkdir(parents=True)
    (run.path / "samples" / "samples.png").touch()
    module = ModuleType("tacit.runs.fitting")
    module.fit = lambda *args, **more: asked.append((args, more)) or run
    module.resume = lambda path, **more: asked.append((path, more)) or run
    monkeypatch.setitem(sys.modules, "tacit.runs.fitting", module)
    return asked


def options(asked: list[Any]) -> tuple[Any, dict[str, Any]]:
    """What was asked for, without what every fit is given."""
    (args, more), = asked
    return args, {k: v for k, v in more.items() if k not in FIXED}


def test_what_is_given_is_handed_over_and_nothing_else(fitted: list[Any], capsys: Capture) -> None:
    assert main("fit vae photos --latent 3 --lr 1/1000 --strict -o runs/x --seed 4".split()) == 0
    assert options(fitted) == (("vae", "photos"), {"latent": 3, "lr": 0.001, "strict": True, "seed": 4})
    more = fitted[0][1]
    assert [more[k] for k in FIXED[:4]] == ["runs/x", False, None, False]
    assert more["command"] == "tacit fit vae photos --latent 3 --lr 1/1000 --strict -o runs/x --seed 4"
    assert capsys.readouterr().out.splitlines()[-1].startswith("run: ")


def test_the_command_line_goes_before_the_config_before_the_default(fitted: list[Any], tmp_path: Path) -> None:
    config = {
        "method": "vae",
        "options": {"latent": 3, "beta": 2, "encoder": None},
        "training": {"steps": 5, "seed": 1},
        "data": {"source": "digits", "split": "0.2", "columns": ["a:id"]},
        "spec": {},
        "state": "finished",
    }
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    assert main("fit --config c.yaml --latent 4 --steps 6 --split 0.3".split()) == 0
    assert options(fitted) == (("vae", "digits"), {
        "latent": 4, "beta": 2.0, "steps": 6, "seed": 1, "split": "0.3", "columns": ("a:id",),
    })


def test_method_and_data_may_stand_in_the_config_or_before_it(fitted: list[Any], tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("method: kmeans\ndata: {source: digits}\n")
    for line, place in [
        ("fit --config c.yaml photos", ("kmeans", "photos")),
        ("fit photos --config c.yaml", ("kmeans", "photos")),
        ("fit pca --config=c.yaml", ("pca", "digits")),
        ("fit pca moons --config c.yaml", ("pca", "moons")),
    ]:
        fitted.clear()
        assert main(line.split()) == 0
        assert options(fitted)[0] == place


def test_a_dry_run_shows_everything_and_can_be_fed_back(fitted: list[Any], tmp_path: Path, capsys: Capture) -> None:
    assert main("fit vae digits --latent 4 --minutes 1/2 --columns a:id,b:label --dry-run".split()) == 0
    text = capsys.readouterr().out
    shown = yaml.safe_load(text)
    assert list(shown) == ["method", "options", "training", "data"]
    assert shown["options"]["latent"] == 4 and shown["options"]["beta"] == 1.0 and "encoder" not in shown["options"]
    assert shown["training"]["minutes"] == 0.5 and shown["training"]["device"] == "auto"
    assert shown["data"]["source"] == "digits" and shown["data"]["columns"] == ["a:id", "b:label"]
    assert fitted == []
    (tmp_path / "again.yaml").write_text(text)
    assert main("fit --config again.yaml --dry-run".split()) == 0
    assert capsys.readouterr().out == text
    assert main("fit --config again.yaml".split()) == 0
    assert options(fitted)[1]["columns"] == ("a:id", "b:label")


def test_a_fitted_method_shows_only_what_it_heeds(fitted: list[Any], capsys: Capture) -> None:
    assert main("fit pca digits --dry-run".split()) == 0
    assert set(yaml.safe_load(capsys.readouterr().out)["training"]) == {"minutes", "seed", "device", "threads"}


def test_help_of_a_method_groups_its_options(capsys: Capture) -> None:
    assert main("fit vae --help".split()) == 0
    lines = capsys.readouterr().out.splitlines()
    headings = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert headings == ["method:", "training:", "data:", "run:", "always:"]
    text = " ".join(" ".join(lines).split())
    assert "--latent N Dimensions of the latent space. (default: 16)" in text
    assert "--steps N" in text and "--labels TEXT" in text and "--encoder" not in text


def test_resuming_hands_over_the_run_and_takes_no_other_option(fitted: list[Any], capsys: Capture) -> None:
    assert main("fit --resume runs/x".split()) == 0
    assert fitted[0][0] == "runs/x" and set(fitted[0][1]) == {"say"}
    assert main("fit --resume runs/x --steps 3".split()) == 2
    assert "a run is continued as it was begun; --init-from starts a new one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("config", "line", "message"),
    [
        ("{method: vea}", "fit --config c.yaml digits", "there is no method 'vea'. Did you mean 'vae'?"),
        ("{method: vae}", "fit --config c.yaml", "needs DATA"),
        ("{method: vae, options: {latnt: 3}}", "fit --config c.yaml digits",
         "c.yaml has the unknown key 'latnt' under options. Did you mean 'latent'?"),
        ("{method: vae, training: {stpes: 3}}", "fit --config c.yaml digits",
         "unknown key 'stpes' under training. Did you mean 'steps'?"),
        ("{method: vae, data: {source: digits, sise: 3}}", "fit --config c.yaml",
         "unknown key 'sise' under data. Did you mean 'size'?"),
        ("{method: vae, training: {precision: bf61}}", "fit --config c.yaml digits",
         "c.yaml: training.precision takes fp32 or bf16; it was given 'bf61'. Did you mean 'bf16'?"),
        ("{}", "fit --config c.yaml", "'tacit fit' needs a METHOD before all options"),
        ("{}", "fit --latent 3 vae digits", "'tacit fit' needs a METHOD before all options"),
        ("{}", "fit vae digits --encoder mine", "only Python can hand in"),
        ("{}", "fit kmeans digits --lr 3", "'--lr': kmeans is fitted at one stroke"),
        ("{}", "fit vae digits --config", "--config takes FILE, and no value follows it"),
    ],
)
def test_mistakes(fitted: list[Any], tmp_path: Path, capsys: Capture, config: str, line: str, message: str) -> None:
    (tmp_path / "c.yaml").write_text(config)
    assert main(line.split()) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("tacit: ") and error.count("\n") == 1
    assert fitted == []
