import os

import pytest

from tacit.files import written_whole


def test_a_file_appears_when_the_block_ends_and_not_before(tmp_path):
    path = tmp_path / "new" / "file"
    with written_whole(str(path)) as temporary:
        temporary.write_text("whole")
        assert not path.exists() and temporary.parent == path.parent  # on one disk, where renaming is one step
    assert path.read_text() == "whole" and os.listdir(path.parent) == ["file"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_block_that_fails_leaves_the_old(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(ValueError), written_whole(path) as temporary:
        temporary.write_text("new")
        raise ValueError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]
