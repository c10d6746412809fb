import io
import os
import tarfile
import zipfile

import pytest

from tacit.data.archives import open_archive
from tacit.data.folders import list_folder, one_file
from tacit.errors import DataError

FILES = {"b/2.png": b"two", "b/10.png": b"ten", "a.png": b"a" * 5000, "deep/er/x.png": b"x"}


def contents(place):
    entries = place.entries()
    found = {}
    for batch in place.batches(entries):
        for opener in batch:
            with opener.open() as file:
                found[entries[opener.position].id] = file.read()
    return found


def packed(path, files, links=()):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in files.items():
                file.writestr(name, content)
        return path
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as file:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            file.addfile(info)
    return path


@pytest.fixture
def folder(tmp_path):
    for name, content in FILES.items():
        (tmp_path / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "files" / name).write_bytes(content)
    return tmp_path / "files"


def test_a_folder_is_walked_in_the_order_of_ids_without_hidden_files(folder):
    (folder / ".hidden.png").write_bytes(b"no")
    (folder / ".git").mkdir()
    (folder / ".git" / "x.png").write_bytes(b"no")
    place = list_folder(folder)
    assert [e.id for e in place.entries()] == ["a.png", "b/10.png", "b/2.png", "deep/er/x.png"]
    assert contents(place) == FILES


def test_a_link_that_leads_back_up_ends(folder):
    (folder / "b" / "again").symlink_to(folder)
    assert {e.id for e in list_folder(folder).entries()} == set(FILES)


def test_links_to_files_and_folders_elsewhere_are_followed(folder, tmp_path):
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "y.png").write_bytes(b"y")
    (folder / "linked").symlink_to(tmp_path / "else")
    assert contents(list_folder(folder))["linked/y.png"] == b"y"


def test_a_name_that_is_no_text_gets_an_id_that_can_be_printed(folder):
    try:
        (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(b"c")
    except OSError:
        pytest.skip("this file system takes text only")
    found = contents(list_folder(folder))
    assert found["caf\\udce9.png"] == b"c"


def test_the_signature_changes_with_every_change_of_chosen_files_and_with_no_other(folder):
    def signature():
        return list_folder(folder).signature(lambda name: name.endswith(".png"))

    first = signature()
    assert signature() == first
    (folder / "note.txt").write_text("not chosen")
    assert signature() == first
    os.utime(folder / "a.png", ns=(1, 1))
    later = signature()
    assert later != first
    (folder / "b" / "2.png").write_bytes(b"more")
    assert signature() not in (first, later)
    (folder / "b" / "2.png").rename(folder / "b" / "3.png")
    assert len({first, later, signature()}) == 3


def test_one_file_is_a_place(folder):
    assert contents(one_file(folder / "a.png")) == {"a.png": FILES["a.png"]}


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tgz"])
def test_archives_hold_the_same_as_the_folder(tmp_path, name):
    place = open_archive(packed(tmp_path / name, dict(reversed(FILES.items()))))
    assert [e.id for e in place.entries()] == sorted(FILES)
    assert contents(place) == FILES


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tgz"])
def test_odd_names_are_skipped_by_name_and_later_members_win(tmp_path, name, recwarn):
    odd = {"../up.png": b"1", "/root.png": b"2", "./in/./side.png": b"3", "__MACOSX/._a.png": b"4", "in/.thumb": b"5",
           "in\\back.png": b"6"}
    place = open_archive(packed(tmp_path / name, odd, links=[("in/link.png", "/etc/passwd")]))
    assert contents(place) == {"in/side.png": b"3", "in/back.png": b"6"}
    assert {"../up.png", "/root.png"} <= {s.name for s in place.skipped} <= {"../up.png", "/root.png", "in/link.png"}
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def test_of_two_members_of_one_name_the_later_counts(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as file:
        for content in (b"old", b"new!"):
            info = tarfile.TarInfo("a.png")
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    assert contents(open_archive(tmp_path / "x.tar")) == {"a.png": b"new!"}


def test_a_large_member_of_a_tar_is_read_through_a_window(tmp_path, monkeypatch):
    monkeypatch.setattr("tacit.data.archives.BYTES_PER_BATCH", 3)
    place = open_archive(packed(tmp_path / "x.tar", FILES))
    assert contents(place) == FILES
    batch = next(place.batches(place.entries()))
    with batch[0].open() as file:
        assert (file.seek(-2, 2), file.read(9), file.seek(1), file.read(2)) == (4998, b"aa", 1, b"aa")


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz"])
def test_a_damaged_archive_is_named(tmp_path, name):
    whole = packed(tmp_path / name, {str(i): os.urandom(3000) for i in range(20)}).read_bytes()
    (tmp_path / f"half-{name}").write_bytes(whole[: len(whole) // 2])
    (tmp_path / f"text-{name}").write_text("this is no archive")
    for bad in (f"half-{name}", f"text-{name}"):
        with pytest.raises(DataError, match=bad):
            open_archive(tmp_path / bad).entries()


def test_an_encrypted_member_is_skipped_by_name(tmp_path):
    path = packed(tmp_path / "x.zip", {"a.png": b"a", "b.png": b"b"})
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 8] |= 1
    path.write_bytes(content)
    place = open_archive(path)
    assert [e.id for e in place.entries()] == ["a.png"]
    assert [(s.name, s.reason) for s in place.skipped] == [("b.png", "encrypted")]
