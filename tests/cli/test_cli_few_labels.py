"""``tacit few-labels``: from a command line to a table and a picture."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tacit.cli.main import main


def test_a_curve_is_said_and_written(capsys):
    words = ["few-labels", "digits", "--limit", "200", "--counts", "20,40", "--repeats", "2", "--net", "mlp",
             "--width", "8", "--methods", "ae:steps=3,classifier:steps=5:dropout=0.1"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "accuracy, %" in out and "20 labels" in out and "40 labels" in out
    assert "ae has " in out and "over classifier" in out
    kept = json.loads(Path("runs/few/few-labels.json").read_text())
    assert kept["options"]["classifier"] == {"net": "mlp", "width": 8, "steps": 5, "dropout": 0.1}
    assert Path("runs/few/few-labels.png").stat().st_size > 10_000
    assert main(words) == 0  # goes on, and there is nothing left to do
    assert "draw 1" not in capsys.readouterr().out


@pytest.mark.parametrize(("words", "message"), [
    (["nowhere"], "there is no nowhere"),
    (["digits", "--methods", "vea"], "Did you mean 'vae'"),
    (["digits", "--methods", "m2 on vea"], "Did you mean 'vae'"),
    (["digits", "--methods", "m2:latnet=3"], "Did you mean 'latent'"),
    (["digits", "--methods", "m2:latent=x"], "takes a whole number"),
    (["digits", "--methods", "m2,m2:latent=3"], "twice"),
    (["digits", "--counts", "20,99999"], "training samples that have one"),
    (["digits", "--labels", "none"], "--labels names them"),
    (["digits", "--label-count", "9"], "--counts says"),
])
def test_bad_input_is_one_line(capsys, words, message):
    assert main(["few-labels", *words]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert not Path("runs").exists()


def test_help_and_wrong_names_need_no_torch():
    code = "import sys; from tacit.cli.main import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    for words, end in ((["--help"], "0 False"), (["digits", "--methods", "vea"], "2 False")):
        done = subprocess.run([sys.executable, "-c", code, "few-labels", *words], capture_output=True, text=True,
                              check=True)
        assert done.stdout.rstrip().endswith(end)
