import errno
import threading

import numpy as np
import pytest
import torch

from tacit.data import cache
from tacit.errors import DataError

KEY = {"what": "test", "size": 3}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TACIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "data"


def making(rows, calls=None):
    def make(folder):
        if calls is not None:
            calls.append(1)
        with cache.Rows(folder / "x.npy", rows.shape[1:], rows.dtype, len(rows)) as out:
            for part in np.array_split(rows, 3):
                out.append(part)
        return {"ids": ["a", "b"]}

    return make


def test_what_was_stored_is_loaded_and_nothing_else(folder):
    rows = np.arange(20, dtype=np.uint8).reshape(10, 2)
    assert cache.load(KEY) is None
    cache.store(KEY, making(rows))
    x, meta = cache.load(KEY)
    assert np.array_equal(x.numpy(), rows) and meta == {"ids": ["a", "b"]}
    assert cache.load({**KEY, "size": 4}) is None
    assert len(list(folder.iterdir())) == 1


def test_what_is_loaded_can_be_changed_without_changing_what_is_stored():
    cache.store(KEY, making(np.zeros((4, 2), np.float32)))
    x, _ = cache.load(KEY)
    x[0] = 7  # no warning, as of a tensor over memory that cannot be written
    assert cache.load(KEY)[0].sum() == 0 and x.sum() == 14


@pytest.mark.parametrize("damage", ["cut", "no meta", "bad meta"])
def test_a_damaged_entry_is_made_again(folder, damage):
    rows = np.ones((1000, 8), np.float32)
    cache.store(KEY, making(rows))
    (place,) = folder.iterdir()
    if damage == "cut":
        (place / "x.npy").write_bytes((place / "x.npy").read_bytes()[:500])
    elif damage == "no meta":
        (place / "meta.json").unlink()
    else:
        (place / "meta.json").write_text("{")
    assert cache.load(KEY) is None
    x, _ = cache.store(KEY, making(rows))
    assert torch.equal(x, torch.ones(1000, 8))


def test_two_at_once_both_get_it(folder):
    rows, got = np.arange(3000, dtype=np.int64).reshape(-1, 3), []
    both = threading.Barrier(4)

    def make(place):
        both.wait()
        return making(rows)(place)

    threads = [threading.Thread(target=lambda: got.append(cache.store(KEY, make)[0])) for _ in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert len(got) == 4 and all(np.array_equal(x.numpy(), rows) for x in got)
    assert len(list(folder.iterdir())) == 1


def test_what_fails_leaves_nothing(folder):
    def make(place):
        (place / "x.npy").write_bytes(b"half")
        raise KeyError("stop")

    with pytest.raises(KeyError):
        cache.store(KEY, make)
    assert list(folder.iterdir()) == [] and cache.load(KEY) is None


def test_a_full_disk_is_named_with_the_mend_and_leaves_nothing(folder, monkeypatch):
    class Full:
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

        def seek(self, _):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    def make(place):
        with cache.Rows(place / "x.npy", (2,), np.dtype(np.uint8), 5) as out:
            out._file.close()
            out._file = Full()
            out.append(np.zeros((5, 2), np.uint8))
        return {}

    with pytest.raises(DataError, match=r"disk is full.*TACIT_CACHE"):
        cache.store(KEY, make)
    assert list(folder.iterdir()) == []


def test_too_little_room_is_seen_before_the_work(monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(DataError, match=r"full.*0 MB|full.*TACIT_CACHE"):
        cache.store(KEY, making(np.zeros((100, 8), np.uint8)))


def test_a_cache_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TACIT_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="TACIT_CACHE"):
        cache.store(KEY, making(np.zeros((1, 1), np.uint8)))


def test_rows_know_their_number_at_the_end(tmp_path):
    with cache.Rows(tmp_path / "x.npy", (2, 3), np.dtype(np.float32), 1000) as out:
        for i in range(7):
            out.append(np.full((3, 2, 3), i, np.float32))
    x = np.load(tmp_path / "x.npy")
    assert x.shape == (21, 2, 3) and (x[3 * 5] == 5).all()
    cache.reorder(tmp_path / "x.npy", np.arange(21)[::-1])
    assert np.array_equal(np.load(tmp_path / "x.npy"), x[::-1])


def test_what_was_computed_is_remembered():
    calls = []

    def make():
        calls.append(1)
        return np.array([3, 1, 2])

    assert cache.remembered("groups 1", "abc", make).tolist() == cache.remembered("groups 1", "abc", make).tolist()
    assert len(calls) == 1
    cache.remembered("groups 2", "abc", make)
    assert len(calls) == 2
