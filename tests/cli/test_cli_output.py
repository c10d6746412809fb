from pathlib import Path

import pytest

from tacit.cli.output import place
from tacit.errors import OptionError, RunError


def test_files_are_numbered_beside_the_run(tmp_path: Path) -> None:
    home = tmp_path / "run" / "samples"
    first = place(None, home, "samples", ".png")
    assert first == home / "samples-0001.png"
    first.touch()
    (home / "samples-0007.csv").touch()  # another type with the same number is the same call's
    (home / "scores-0009.csv").touch()
    assert place(None, home, "samples", ".png").name == "samples-0008.png"
    assert place(None, home, "latents", ".npz").name == "latents-0001.npz"


def test_a_folder_or_a_file_may_be_named(tmp_path: Path) -> None:
    assert place(str(tmp_path / "v1.2"), tmp_path, "samples", ".png") == tmp_path / "v1.2" / "samples-0001.png"
    file = tmp_path / "new" / "mine.png"
    assert place(str(file), tmp_path, "samples", ".png") == file and file.parent.is_dir()


def test_nothing_is_overwritten_in_silence(tmp_path: Path) -> None:
    file = tmp_path / "mine.png"
    file.touch()
    with pytest.raises(RunError, match="is there already; --overwrite replaces it"):
        place(str(file), tmp_path, "samples", ".png")
    assert place(str(file), tmp_path, "samples", ".png", overwrite=True) == file
    with pytest.raises(OptionError, match="is written as .csv; -o names"):
        place(str(file), tmp_path, "samples", ".csv")
    (tmp_path / "plain").touch()
    with pytest.raises(RunError, match="is a file; -o takes a folder"):
        place(str(tmp_path / "plain"), tmp_path, "samples", ".png")
