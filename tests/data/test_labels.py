import numpy as np
import pytest
import torch

from tacit.data.labels import as_classes, choose, few
from tacit.data.layout import layout
from tacit.data.options import ReadOptions
from tacit.data.raw import Raw
from tacit.errors import DataError, OptionError


def labels(ids, wanted="auto", named=False, **raw):
    found = layout(ids) if all("." in i for i in ids) else None
    return choose(Raw("test", "image", ids, "", **raw), ReadOptions(labels=wanted), found, named)


def paths(*folders, each=4):
    return [f"{folder}/{i}.png" for folder in folders for i in range(each)]


def test_folders_are_classes():
    words, notes = labels(paths("cat", "dog"))
    assert words == ["cat"] * 4 + ["dog"] * 4
    assert "2 classes (cat, dog)" in notes[0] and "folders" in notes[0]


def test_wrappers_are_stepped_through():
    assert labels(paths("data/train/cat", "data/train/dog"))[0] == ["cat"] * 4 + ["dog"] * 4
    assert labels(paths("a/b/cat/x", "a/b/cat/y", "a/b/dog/x"))[0] == ["cat"] * 8 + ["dog"] * 4


def test_parts_are_no_classes_and_the_folders_below_are():
    ids = paths("set/Train/images/cat", "set/Train/images/dog", "set/val/images/cat", "set/test/images/dog")
    found = layout(ids)
    assert found.held_out.tolist() == [False] * 8 + [True] * 8
    assert found.parts == {"test": 4, "val": 4}
    assert labels(ids)[0] == ["cat"] * 4 + ["dog"] * 4 + ["cat"] * 4 + ["dog"] * 4


@pytest.mark.parametrize("folders", [
    ("images", "masks"), ("2023", "2024"), ("2023-01-05", "2023-02-06"), ("202301", "202302"), ("20230105", "20230206"),
    ("05.01.2023", "06.01.2023"), ("train", "data"), ("Train", "Images"),
])
def test_parts_kinds_and_dates_are_no_classes(folders):
    words, notes = labels(paths(*folders))
    assert words is None and "no labels" in notes[0]


def test_numbers_are_classes():
    assert labels(paths("0", "1", "7"))[0] is not None


def test_one_folder_or_nearly_one_per_sample_are_no_classes():
    assert labels(paths("cat"))[0] is None
    assert labels(["1.png", "2.png"])[0] is None
    words, notes = labels(paths(*(f"person{i}" for i in range(20)), each=1))
    assert words is None and "20 folders for 20 samples" in notes[0]


def test_a_loose_file_has_no_label():
    words, notes = labels([*paths("cat", "dog"), "loose.png"])
    assert words[-1] is None and f"1 of {len(words)} samples without" in notes[0]


def test_folder_means_the_parent():
    assert labels(paths("a/x", "a/y", "b/x"), "folder")[0] == ["x"] * 4 + ["y"] * 4 + ["x"] * 4


@pytest.mark.parametrize(("ids", "wanted", "reason"), [
    (["1.png", "2.png"], "folder", "all samples lie in one folder"),
    (["0", "1"], "folder", "no files"),
    (["1.png", "2.png"], "speces", "Did you mean 'species'"),
    (["1.png", "2.png"], "species", "empty"),
])
def test_labels_that_are_not_there_are_an_error_with_the_mend(ids, wanted, reason):
    with pytest.raises(DataError, match=reason) as error:
        labels(ids, wanted, columns={"species": np.array(["", ""])})
    assert "--labels none" in str(error.value) and "\n" not in str(error.value)


def test_a_column_gives_labels():
    ids = [f"{i}.png" for i in range(6)]
    words = np.array(["a", "", "b", "a", "b", "b"])
    assert labels(ids, "k", columns={"k": words})[0] == ["a", None, "b", "a", "b", "b"]
    assert labels(ids, "k", columns={"k": np.array([1.0, np.nan, 2, 1, 1, 1])})[0] == ["1", None, "2", "1", "1", "1"]
    with pytest.raises(DataError, match="too many"):
        labels(ids, "k", columns={"k": np.arange(6.0)})


def test_the_sources_own_labels_count_unless_none_are_wanted():
    assert labels(["0", "1", "2", "3"], label=["a", "b", "a", "b"])[0] == ["a", "b", "a", "b"]
    assert labels(["0", "1", "2", "3"], "none", label=["a", "b", "a", "b"])[0] is None


@pytest.mark.parametrize("head", ["", "id,label\n", "filename,split,label\n"])
def test_a_file_gives_labels_by_path_name_or_stem(tmp_path, head):
    rows = [("in/a/1.png", "x"), ("2.png", "y"), ("3", "x"), ("in/a/4.png", ""), ("else.png", "z")]
    between = ",train," if "split" in head else ","
    (tmp_path / "l.csv").write_text(head + "".join(f"{i}{between}{w}\n" for i, w in rows))
    ids = [f"in/a/{i}.png" for i in range(1, 6)]
    words, notes = labels(ids, str(tmp_path / "l.csv"))
    assert words == ["x", "y", "x", None, None]
    assert notes[1].endswith("l.csv that no sample has: 1")


def test_a_name_that_two_samples_share_labels_neither(tmp_path):
    (tmp_path / "l.csv").write_text("1.png,x\nb/2.png,y\n")
    assert labels(["a/1.png", "b/1.png", "b/2.png"], str(tmp_path / "l.csv"))[0] == [None, None, "y"]


@pytest.mark.parametrize("text", ["id,label\nelse.png,x\n", "", "just-one-value\n"])
def test_a_file_that_labels_nothing_is_an_error(tmp_path, text):
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(DataError, match=r"l\.csv"):
        labels(["1.png", "2.png"], str(tmp_path / "l.csv"))


def test_classes_are_sorted_and_a_runs_classes_keep_their_numbers():
    label, classes, notes = as_classes(["b", None, "a", "b"])
    assert (label.tolist(), classes, notes) == ([1, -1, 0, 1], ("a", "b"), [])
    label, classes, notes = as_classes(["b", "q"], ("z", "b"))
    assert (label.tolist(), classes) == ([1, -1], ("z", "b")) and notes[0].endswith(": q")
    assert as_classes(list("abcdef"), ("z",))[2][0].endswith(": a, b, c, d, e, ...")
    assert as_classes(None) == (None, (), [])


def test_few_labels_are_even_over_the_classes_and_spare_held_out_samples():
    label = torch.tensor([0] * 50 + [1] * 50 + [2] * 3 + [-1] * 20)
    held_out = torch.zeros(123, dtype=torch.bool)
    held_out[::10] = True
    ids = [str(i) for i in range(123)]
    kept, notes = few(label, held_out, ids, 14, seed=0)
    training = kept[~held_out]
    assert [int((training == c).sum()) for c in range(3)] == [6, 6, 2]
    assert torch.equal(kept[held_out], label[held_out])
    assert torch.equal(kept[kept >= 0], label[kept >= 0]) and "14" in notes[0]
    assert not torch.equal(kept, few(label, held_out, ids, 14, seed=1)[0])
    with pytest.raises(OptionError):
        few(label, held_out, ids, 0, seed=0)
