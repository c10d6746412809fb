import re
import tarfile
import zipfile
from pathlib import Path

import pytest

from tacit.catalog import CATALOG
from tacit.cli.kinds import kind_of
from tacit.cli.main import main
from tacit.errors import DataError

Capture = pytest.CaptureFixture[str]


def names(out: str) -> list[str]:
    return [line.split()[0] for line in out.splitlines()[1:]]


def test_every_method_is_listed_in_plain_columns(capsys: Capture) -> None:
    assert main(["methods"]) == 0
    out = capsys.readouterr().out
    assert names(out) == [r.name for r in CATALOG]
    start = out.splitlines()[0].index("family")
    assert all(re.match(r"\S", line[start:]) for line in out.splitlines()), "columns stand under one another"
    assert "\x1b" not in out and "─" not in out


def test_they_are_chosen_by_purpose_and_data(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "people.csv").touch()
    assert main(["methods", "--can", "cluster", "--for", str(tmp_path / "people.csv")]) == 0
    assert set(names(capsys.readouterr().out)) == {
        r.name for r in CATALOG if "Clusters" in r.can and "table" in r.accepts
    }
    assert main(["methods", "--for", "video"]) == 0
    assert capsys.readouterr().out == "no method does that for video\n"


def test_on_a_terminal_they_are_a_table(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["methods"]) == 0
    out = capsys.readouterr().out
    assert "─" in out and all(r.name in out for r in CATALOG)


def test_a_word_or_a_path_tells_the_kind(tmp_path: Path) -> None:
    assert [kind_of(w) for w in ("images", "photos", "TABLE", "latents", "digits", "text")] == [
        "image", "image", "table", "vector", "image", "tokens",
    ]
    photos = tmp_path / "photos" / "cats"
    photos.mkdir(parents=True)
    for name in ("a.JPG", "b.png", "notes.txt"):
        (photos / name).touch()
    assert kind_of(str(tmp_path / "photos")) == "image"
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("in/a.wav", "")
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as tar:
        tar.add(photos, "in")
    assert kind_of(str(tmp_path / "x.zip")) == "audio"
    assert kind_of(str(tmp_path / "x.tar.gz")) == "image"
    (tmp_path / "train-images-idx3-ubyte.gz").touch()
    assert kind_of(str(tmp_path / "train-images-idx3-ubyte.gz")) == "image"
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").touch()
    assert kind_of(str(tmp_path / "run")) == "vector"


def test_what_is_no_kind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no kind of data and no path. Did you mean 'photos'"):
        kind_of("phots")
    with pytest.raises(DataError, match="holds no file of a kind that is known"):
        kind_of(str(tmp_path))
