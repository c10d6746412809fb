import json
import subprocess
import sys
from pathlib import Path

import pytest

from tacit.cli.main import main
from tacit.cli.verbs import data as verb
from tacit.study.timing import Timing

Capture = pytest.CaptureFixture[str]


def test_everything_is_said_in_lines(capsys: Capture) -> None:
    assert main(["data", "digits", "--no-time"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].split() == ["samples", "1,797", "images"]
    assert "  labels      10 classes (0, 1, 2, 3, 4, ...), as the source has them" in lines
    assert "  7  179" in lines and max(map(len, lines)) <= 120 and "\x1b" not in out
    assert lines[-1] == "a page with pictures: tacit data digits --no-time -o digits.html"
    assert "time here" not in out and "1,797 samples" in err


def test_json_is_one_document_and_nothing_else(capsys: Capture) -> None:
    assert main(["data", "moons", "--count", "300", "--json", "--no-time"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["source"] == "moons" and told["samples"] == 300 and told["timings"] == []
    assert sum(told["classes"].values()) == 300
    assert {"name", "value", "about", "warning"} == told["facts"][0].keys()
    assert told["facts"][-1]["name"] == "cache"


def test_times_are_said_and_stand_in_the_document(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Timing("vae", 12.0, "epoch", "steps", 480.0), Timing("pca", 0.01, "fit", "rows", 0.01),
             Timing("nmf", None, "fit", "it is negative")]
    monkeypatch.setattr("tacit.study.timing.timings", lambda data: iter(found))
    assert main(["data", "moons"]) == 0
    out = capsys.readouterr().out
    assert "vae               12 s an epoch, 8.0 min in all (steps)" in out
    assert "pca               under 0.1 s in all (rows)" in out and "nmf               not here: it is negative" in out
    assert main(["data", "moons", "--json"]) == 0
    assert [t["seconds"] for t in json.loads(capsys.readouterr().out)["timings"]] == [12.0, 0.01, None]


def test_a_page_is_written_and_not_overwritten_in_silence(capsys: Capture, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert main(["data", "digits", "--no-time", "-o", str(page)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"wrote {page}" and page.stat().st_size > 10_000
    assert main(["data", "digits", "--no-time", "-o", str(page)]) == 2
    assert "--overwrite replaces it" in capsys.readouterr().err
    assert main(["data", "digits", "--no-time", "--json", "-o", str(page), "--overwrite"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 1797
    assert main(["data", "digits", "-o", "page.png"]) == 2
    assert "a page is written as .html" in capsys.readouterr().err


def test_ten_unreadable_files_are_named_and_the_rest_counted(capsys: Capture, tmp_path: Path) -> None:
    from PIL import Image

    for i in range(20):
        Image.new("RGB", (16, 16), (i, 2 * i, 255 - i)).save(tmp_path / f"{i}.png")
    for i in range(13):
        (tmp_path / f"bad{i:02d}.png").touch()
    assert main(["data", str(tmp_path), "--no-time"]) == 0
    out = capsys.readouterr().out
    assert "! unreadable" in out and "  bad09.png  empty" in out and "bad10.png" not in out
    assert "  and 3 more, which --json lists" in out


def test_a_table_s_columns_stand_below_one_another(capsys: Capture, tmp_path: Path) -> None:
    rows = "\n".join(f"{i % 50},{'x' if i % 4 else 'y'},9" for i in range(240))
    (tmp_path / "t.csv").write_text(f"age,kind,flat\n{rows}")
    assert main(["data", str(tmp_path / "t.csv"), "--no-time"]) == 0
    out = capsys.readouterr().out
    assert "  age   number      0 to 49, median" in out and "  kind  category    x 75%, y 25%" in out
    assert "! constant" in out and "  flat  ignored     constant: one value throughout" in out


def test_long_facts_hang_beside_their_names() -> None:
    text = verb.hanging("  sizes  ", "word " * 12, 40).splitlines()
    assert len(text) == 2 and text[1].startswith(" " * 9 + "word") and max(map(len, text)) <= 40


def test_help_needs_no_torch() -> None:
    code = "import sys; from tacit.cli.main import main; main(['data', '--help']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "--no-time" in done.stdout and "--labels" in done.stdout
