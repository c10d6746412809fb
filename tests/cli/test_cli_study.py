"""``tacit study``: from a command line to a report."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tacit.cli.main import main


@pytest.fixture
def points(tmp_path: Path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.save("points.npy", np.concatenate([rng.normal(size=(100, 3)), rng.normal(size=(100, 3)) + 9]).astype(np.float32))
    return "points.npy"


def test_a_study_says_its_verdicts_and_writes_its_pages(points, capsys):
    assert main(["study", points, "--methods", "pca,isolation-forest", "--share"]) == 0
    out = capsys.readouterr().out
    folder = Path("runs/study-points")
    for name in ("report.html", "share.html", "samples.csv"):
        assert (folder / name).is_file() and f"wrote {folder / name}" in out
    assert "for finding what does not belong: " in out
    assert json.loads((folder / "study.json").read_text())["command"].startswith("tacit study points.npy")
    assert main(["study", points]) == 2
    assert "--resume goes on with it" in capsys.readouterr().err
    assert main(["study", points, "--add", "lof", "--minutes", "1"]) == 0
    assert "03-lof" in (folder / "report.html").read_text()


@pytest.mark.parametrize(("words", "message"), [
    (["nowhere"], "there is no nowhere"),
    (["digits", "--methods", "vea"], "Did you mean 'vae'"),
    (["digits", "--minutes", "-1"], "above 0"),
    (["digits", "--resume"], "holds no study"),
    (["digits", "--resume", "--methods", "pca"], "--add METHOD"),
    (["digits", "--pair", "other"], "nothing but the data"),
    (["digits", "--methds", "pca"], "Did you mean '--methods'"),
])
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    assert main(["study", *words]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert not Path("runs").exists()


def test_help_and_wrong_names_need_no_torch():
    code = "import sys; from tacit.cli.main import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    for words, end in ((["study", "--help"], "0 False"), (["study", "digits", "--add", "vea"], "2 False")):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
        assert done.stdout.rstrip().endswith(end)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_two_interruptions_keep_everything_and_it_goes_on(points):
    study = [sys.executable, "-m", "tacit", "study"]
    with subprocess.Popen([*study, points, "--methods", "pca,vae,kmeans", "--minutes", "5"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        next(line for line in running.stdout if "steps/s" in line)  # the VAE is training
        running.send_signal(signal.SIGINT)
        time.sleep(0.3)  # sooner, on a busy machine, both would arrive as one
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=120)
    assert running.returncode == 130, err
    assert "--resume" in err and "Traceback" not in err
    states = [m["state"] for m in json.loads(Path("runs/study-points/study.json").read_text())["members"]]
    assert states[:2] == ["done", "interrupted"] and len(states) == 3
    assert states[2] in ("waiting", "interrupted")  # it may have begun between the two
    assert Path("runs/study-points/report.html").is_file()
