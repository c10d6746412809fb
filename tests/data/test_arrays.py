"""Arrays as a source: formats, what type and shape say, and what is refused."""

import gzip
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch

from tacit.data.arrays import from_memory, read_arrays, with_items
from tacit.data.options import ReadOptions
from tacit.errors import DataError
from tacit.protocol import Spec

Array = np.ndarray[Any, Any]
PLAIN = ReadOptions()
BYTES = np.arange(6 * 5 * 4, dtype=np.uint8).reshape(6, 5, 4)


def idx(array: Array) -> bytes:
    codes = {"uint8": 8, "int32": 12}
    head = bytes([0, 0, codes[str(array.dtype)], array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    for part, count in (("train", 5), ("t10k", 3)):
        images = np.arange(count * 16, dtype=np.uint8).reshape(count, 4, 4) + (100 if part == "t10k" else 0)
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.arange(count, dtype=np.uint8))))
    return tmp_path


def test_npy_of_bytes_is_images(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", BYTES)
    raw = read_arrays(tmp_path / "x.npy", PLAIN)
    assert (raw.kind, raw.name, raw.range) == ("image", "x", (0.0, 1.0))
    assert raw.x.dtype == torch.uint8 and np.array_equal(raw.x[:, 0].numpy(), BYTES)
    assert raw.ids == [f"{i:04d}" for i in range(6)] and raw.label is None
    assert "6 images of 5 x 4" in raw.notes[-1]


def test_a_batch_never_writes_to_the_file(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((3, 2), np.float32))
    raw = read_arrays(tmp_path / "x.npy", PLAIN)
    raw.x.zero_()
    assert np.load(tmp_path / "x.npy").all()


@pytest.mark.parametrize(
    ("array", "kind", "shape"),
    [
        (np.zeros((7, 5, 4), np.uint8), "image", (7, 1, 5, 4)),
        (np.zeros((7, 5, 4, 3), np.uint8), "image", (7, 3, 5, 4)),
        (np.zeros((7, 3, 5, 4), np.uint8), "image", (7, 3, 5, 4)),
        (np.zeros((7, 3, 5, 3), np.uint8), "image", (7, 3, 5, 3)),
        (np.zeros((7, 5, 4, 4), np.float64), "image", (7, 4, 5, 4)),
        (np.ones((7, 5, 4), bool), "image", (7, 1, 5, 4)),
        (np.zeros((7, 5), np.float64), "vector", (7, 5)),
        (np.zeros((7, 5), np.int64), "vector", (7, 5)),
        (np.zeros((7, 784), np.uint8), "vector", (7, 784)),
        (np.zeros(7, np.float32), "vector", (7, 1)),
        (np.full((7, 16, 5, 5), -3.0), "map", (7, 16, 5, 5)),
    ],
)
def test_type_and_shape_say_what_it_is(array: Array, kind: str, shape: tuple[int, ...]) -> None:
    raw = from_memory(array, PLAIN)
    assert (raw.kind, tuple(raw.x.shape)) == (kind, shape)
    assert raw.x.dtype == (torch.uint8 if array.dtype in (np.uint8, bool) else torch.float32)
    assert str(array.dtype) in raw.notes[-1]


def test_channels_last_are_moved_not_reshaped() -> None:
    array = np.random.default_rng(0).integers(0, 255, (4, 6, 5, 3)).astype(np.uint8)
    assert np.array_equal(from_memory(array, PLAIN).x.numpy(), array.transpose(0, 3, 1, 2))
    assert from_memory(np.ones((2, 3, 3), bool), PLAIN).x.unique().tolist() == [255]


def test_like_says_what_it_is() -> None:
    codes = np.arange(32).reshape(2, 4, 4)
    raw = from_memory(codes, PLAIN, Spec("codes", (4, 4), codes=32))
    assert raw.kind == "codes" and raw.x.dtype == torch.int64 and np.array_equal(raw.x.numpy(), codes)
    latents = np.full((2, 3, 4, 4), -7.0)
    assert from_memory(latents, PLAIN, Spec("map", (3, 4, 4))).kind == "map"


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((3, 4, 4), 100.0), r"\[100, 100\].*divide by 255"),
        (np.linspace(-1, 1, 48).reshape(3, 4, 4), r"\[-1, 1\].*\(x \+ 1\) / 2"),
        (np.linspace(-3, 5, 48).reshape(3, 4, 4), r"\(x - -3\) / 8"),
        (np.zeros((3, 4, 4), np.int64), "pixels or codes.*uint8"),
        (np.zeros((30, 40, 3), np.uint8), r"one picture.*x\[None\]"),
        (np.zeros((2, 2, 2, 2, 2)), r"\(2, 2, 2, 2, 2\)"),
        (np.zeros((0, 4)), "no samples"),
        (np.float64(3), "no samples"),
        (np.zeros((3, 2), complex), "complex"),
        ([[1.0], [2.0, 3.0]], "unequal lengths"),
        ({"a": 1}, "expected numbers"),
    ],
)
def test_what_fits_no_modality_is_refused(array: Array, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        from_memory(array, PLAIN)
    assert "\n" not in str(caught.value)


def test_nan_and_infinity_are_counted_and_named() -> None:
    x = np.zeros((9000, 3))
    x[[4, 17, 8000], [0, 1, 2]] = np.nan, np.inf, 1e300  # too great for float32
    with pytest.raises(DataError, match=r"3 of 9,000 samples \(rows 4, 17, 8000\)"):
        from_memory(x, PLAIN)
    with pytest.raises(DataError, match=r"1 of 2 samples \(row 1\)"):
        from_memory(np.array([[[0.5]], [[np.nan]]]), PLAIN)


def test_npz_finds_its_parts(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", images=BYTES, labels=np.array([[0], [1], [2], [-1], [1], [0]]), width=np.arange(6.0),
             ids=np.array(list("abcdef")), note=np.zeros(3))
    raw = read_arrays(tmp_path / "set.npz", PLAIN)
    assert raw.kind == "image" and raw.label == ["0", "1", "2", None, "1", "0"] and raw.ids == list("abcdef")
    assert raw.columns["width"].tolist() == [0, 1, 2, 3, 4, 5]
    assert "not used: note" in raw.notes
    assert read_arrays(tmp_path / "set.npz", ReadOptions(labels="none")).label is None
    assert read_arrays(tmp_path / "set.npz", ReadOptions(labels="width")).label[:2] == ["0", "1"]
    with pytest.raises(DataError, match="no array 'widht'.*'width'"):
        read_arrays(tmp_path / "set.npz", ReadOptions(labels="widht"))


def test_an_archive_of_other_files_is_no_npz(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "foreign.npz", "w") as file:
        file.writestr("notes.txt", "hello")
    with pytest.raises(DataError, match=r"foreign.npz\['notes.txt'\] is no array"):
        read_arrays(tmp_path / "foreign.npz", PLAIN)


def test_npz_with_one_array_needs_no_name_and_with_two_needs_one(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", features=np.zeros((3, 2)))
    assert read_arrays(tmp_path / "one.npz", PLAIN).x.shape == (3, 2)
    np.savez(tmp_path / "two.npz", left=np.zeros((3, 2)), right=np.zeros((3, 2)))
    with pytest.raises(DataError, match=r"left \(3, 2\), right \(3, 2\).*x, images, data, arr_0"):
        read_arrays(tmp_path / "two.npz", PLAIN)
    np.savez(tmp_path / "both.npz", x=np.zeros((3, 2)), data=np.zeros((3, 2)))
    with pytest.raises(DataError, match="one of"):
        read_arrays(tmp_path / "both.npz", PLAIN)


def test_npz_of_parts_holds_the_test_part_out(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", x_test=BYTES[:2], y_test=np.array([7, 8]), x_train=BYTES[2:], y_train=np.arange(4))
    raw = read_arrays(tmp_path / "m.npz", PLAIN)
    assert raw.held_out.tolist() == [i.startswith("test/") for i in raw.ids] and raw.held_out.sum() == 2
    assert dict(zip(raw.ids, raw.label, strict=True))["test/0001"] == "8"
    assert any("test held out" in note for note in raw.notes)


def test_labels_must_fit(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="6 samples and labels of shape \\(5,\\)"):
        from_memory((BYTES, np.zeros(5, int)), PLAIN)
    with pytest.raises(DataError, match="one-hot"):
        from_memory((BYTES, np.eye(6)), PLAIN)
    with pytest.raises(DataError, match="0.5"):
        from_memory((BYTES, np.full(6, 0.5)), PLAIN)
    assert from_memory((BYTES, ["a", "b", "", "a", None, "b"]), PLAIN).label == ["a", "b", None, "a", None, "b"]
    assert from_memory((BYTES, np.array([1.0, np.nan, 2, 3, 4, 5])), PLAIN).label[:3] == ["1", None, "2"]


def test_pickles_and_foreign_files_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "o.npz", x=np.array([{}], dtype=object))
    for name in ("o.npy", "o.npz"):
        with pytest.raises(DataError, match="pickled objects"):
            read_arrays(tmp_path / name, PLAIN)
    (tmp_path / "text.npy").write_text("hello")
    with pytest.raises(DataError, match="not a .npy file"):
        read_arrays(tmp_path / "text.npy", PLAIN)


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x-images-idx3-ubyte", "x-images-idx3-ubyte.gz"])
def test_truncated_files_are_said_to_be(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    noise = np.random.default_rng(0).integers(0, 255, (6, 50, 40)).astype(np.uint8)
    if "idx" in name:
        path.write_bytes(gzip.compress(idx(noise)) if name.endswith("gz") else idx(noise))
    else:
        (np.save if name == "x.npy" else np.savez_compressed)(path, noise)
    assert len(read_arrays(path, PLAIN).ids) == 6
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DataError, match=r"again"):
        read_arrays(path, PLAIN)


def test_a_single_idx_file_finds_its_labels(mnist: Path) -> None:
    raw = read_arrays(mnist / "train-images-idx3-ubyte.gz", PLAIN)
    assert raw.x.shape == (5, 1, 4, 4) and raw.label == list("01234") and raw.held_out is None
    assert raw.x[1, 0, 0].tolist() == [16, 17, 18, 19]
    with pytest.raises(DataError, match="5 labels; give the file of images"):
        read_arrays(mnist / "train-labels-idx1-ubyte.gz", PLAIN)
    (mnist / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(4, np.uint8))))
    with pytest.raises(DataError, match="5 images and .* 4 labels"):
        read_arrays(mnist / "train-images-idx3-ubyte.gz", PLAIN)


def test_a_folder_of_idx_files_holds_t10k_out(mnist: Path) -> None:
    raw = read_arrays(mnist, PLAIN)
    assert raw.ids == [f"train/{i:04d}" for i in range(5)] + [f"t10k/{i:04d}" for i in range(3)]
    assert raw.held_out.tolist() == [False] * 5 + [True] * 3 and raw.label == list("01234012")
    assert raw.x[5, 0, 0, 0] == 100 and any("t10k held out" in n for n in raw.notes)
    (mnist / "train-images-idx3-ubyte.gz").unlink()
    only = read_arrays(mnist, PLAIN)
    assert only.held_out is None and only.ids == ["0000", "0001", "0002"]


def test_a_foreign_idx_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a-images-idx3-ubyte").write_bytes(b"\x89PNG\r\n\x1a\n" * 4)
    with pytest.raises(DataError, match="not an idx file"):
        read_arrays(tmp_path / "a-images-idx3-ubyte", PLAIN)
    (tmp_path / "a-images-idx3-ubyte.gz").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be unpacked"):
        read_arrays(tmp_path / "a-images-idx3-ubyte.gz", PLAIN)


def test_images_are_brought_to_size_and_colour() -> None:
    wide = np.zeros((2, 8, 16, 3), np.uint8)
    wide[:, :, 4:12, 0] = 200  # the middle square is red
    crop = from_memory(wide, ReadOptions(size=4))
    assert crop.x.shape == (2, 3, 4, 4) and (crop.x[:, 0] == 200).all()
    pad = from_memory(wide, ReadOptions(size=16, fit="pad"))
    assert pad.x.shape == (2, 3, 16, 16) and pad.x[:, :, :4].max() == 0 and pad.x[:, 0, 8, 8].eq(200).all()
    stretch = from_memory(wide, ReadOptions(size=16, fit="stretch"))
    assert stretch.x[0, 0, :, 8].eq(200).all() and stretch.x[0, 0, :, 0].eq(0).all()
    grey = from_memory(wide, ReadOptions(colour="grey"))
    assert grey.x.shape == (2, 1, 8, 16) and grey.x[0, 0, 0, 8] == round(0.299 * 200)
    assert from_memory(np.zeros((2, 100, 90), np.uint8), PLAIN).x.shape == (2, 1, 64, 64)
    veiled = np.array([[[[100, 0, 0, 255], [100, 0, 0, 51], [100, 0, 0, 0]]] * 2], np.uint8)
    assert from_memory(veiled, PLAIN).x.shape == (1, 4, 2, 3)
    over_white = from_memory(veiled, ReadOptions(colour="rgb")).x[0, :, 0]
    assert over_white.tolist() == [[100, 224, 255], [0, 204, 255], [0, 204, 255]]


def test_memory_takes_what_programs_hold() -> None:
    lists = from_memory([1.0, 2.0, 3.0], PLAIN)
    assert lists.x.tolist() == [[1.0], [2.0], [3.0]] and lists.name == "array"
    tensor = from_memory(torch.ones(3, 2, dtype=torch.bfloat16, requires_grad=True), PLAIN)
    assert tensor.x.dtype == torch.float32 and not tensor.x.requires_grad
    assert from_memory((torch.ones(2, 2), torch.tensor([1, 0])), PLAIN).label == ["1", "0"]
    assert from_memory((1.0, 2.0), PLAIN).x.shape == (2, 1), "a pair of numbers is two samples"
    frozen = np.zeros((2, 2))
    frozen.flags.writeable = False
    assert from_memory(frozen, PLAIN).x.shape == (2, 2)
    swapped = from_memory(np.arange(4.0).reshape(2, 2).astype(">f8"), PLAIN)
    assert swapped.x.tolist() == [[0.0, 1.0], [2.0, 3.0]]


def test_a_data_frame_is_a_table() -> None:
    frame = pandas.DataFrame({"a": [1.0, None, 3.0], "b": ["x", "y", None]}, index=[5, 7, 9])
    raw = from_memory((frame, [0, 1, 0]), PLAIN)
    assert raw.kind == "table" and raw.ids == ["5", "7", "9"] and raw.label == ["0", "1", "0"]
    assert np.isnan(raw.table["a"][1]) and raw.table["b"].tolist() == ["x", "y", ""]


def test_pandas_is_imported_for_data_frames_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)  # importing it fails
    assert from_memory(np.zeros((2, 2)), PLAIN).kind == "vector"


def test_the_fingerprint_is_the_content() -> None:
    x = np.random.default_rng(0).random((5, 3))
    same, other = from_memory(x.copy(), PLAIN), from_memory(x + 1e-3, PLAIN)
    assert from_memory(x, PLAIN).fingerprint == same.fingerprint != other.fingerprint
    labelled = from_memory((x, [0, 1, 0, 1, 0]), PLAIN)
    assert labelled.fingerprint not in (same.fingerprint, from_memory((x, [0, 1, 0, 1, 1]), PLAIN).fingerprint)


def test_vectors_made_elsewhere_take_the_place_of_their_items() -> None:
    items = from_memory((BYTES, list("aabbcc")), PLAIN)
    items.ids, items.columns = [f"photos/{i}.png" for i in range(6)], {"date": np.arange(6)}
    both = with_items(from_memory(np.random.default_rng(0).random((6, 2)), PLAIN), items)
    assert both.kind == "vector" and both.x.shape == (6, 2)
    assert both.ids == items.ids and both.label == list("aabbcc") and "date" in both.columns
    with pytest.raises(DataError, match="5 vectors and array has 6 items"):
        with_items(from_memory(np.zeros((5, 2)), PLAIN), items)
