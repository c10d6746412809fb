import platform
import re
from importlib import metadata

import pytest
import torch

from tacit.cli.main import main
from tacit.cli.verbs import checks

Capture = pytest.CaptureFixture[str]


def test_all_that_an_answer_may_hang_on_is_said(capsys: Capture) -> None:
    assert main(["checks"]) == 0
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert said["tacit"] == metadata.version("tacit") and said["torch"] == torch.__version__
    assert said["python"].startswith(platform.python_version())
    assert re.fullmatch(r"\d+ cores, \d+ threads of torch", said["cpu"])
    assert re.search(r"GiB$", said["cache"]) and "GiB in this folder" in said["free"]
    assert {"cuda", "mps", "[maps]", "[tables]"} <= {re.sub(r":\d+", "", name) for name in said}


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = ["torch>=2", 'pandas>=2; extra == "tables"', "nothing-like-it[x]>=1 ; extra == 'tables'"]
    monkeypatch.setattr(checks.metadata, "requires", lambda name: needs)
    assert list(checks.requirements()) == [("torch", None), ("pandas", "tables"), ("nothing-like-it", "tables")]
    assert list(checks.extras()) == [("[tables]", f"pandas {metadata.version('pandas')}, no nothing-like-it")]
