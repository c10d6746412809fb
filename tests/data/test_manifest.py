import numpy as np
import pytest
import torch
from PIL import Image

from tacit.data.open import open_source
from tacit.data.options import ReadOptions
from tacit.errors import DataError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "files").mkdir()
    for i in range(30):
        coarse = np.random.default_rng(i).integers(0, 256, (5, 5, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((20, 20)).save(tmp_path / "files" / f"{i:02}.png")
    return tmp_path


def written(folder, head, row, count=30):
    lines = [head, *(row(i) for i in reversed(range(count)))]
    (folder / "list.csv").write_text("\n".join(lines) + "\n")
    return folder / "list.csv"


def row(i):
    return f"files/{i:02}.png,{'ab'[i % 2]},s{i % 7},{i / 2 + 0.25},2024-01-{i % 28 + 1:02}"


HEAD = "picture,kind,speaker,weight,taken"


def test_a_table_of_paths_is_a_manifest(folder):
    data = open_source(written(folder, HEAD, row), ReadOptions(labels="kind", group="speaker", split="0.4"))
    assert list(data.ids) == [f"files/{i:02}.png" for i in range(30)] and data.folder == folder
    assert np.array_equal(data.x[4].permute(1, 2, 0), np.asarray(Image.open(folder / data.ids[4])))
    assert data.spec.classes == ("a", "b") and data.label.tolist() == [0, 1] * 15
    assert data.columns["weight"].tolist() == [i / 2 + 0.25 for i in range(30)]
    assert data.columns["taken"][3] == "2024-01-04" and "kind" not in data.columns
    for speaker in range(7):
        assert len({bool(o) for i, o in enumerate(data.held_out) if i % 7 == speaker}) == 1
    assert 0 < data.held_out.sum() < 30


def test_roles_say_what_a_column_is(folder):
    path = written(folder, HEAD, row)
    data = open_source(path, ReadOptions(columns=("picture:path", "kind:label", "speaker:group"), split="0.4"))
    other = open_source(path, ReadOptions(labels="kind", group="speaker", split="0.4"))
    assert torch.equal(data.label, other.label) and torch.equal(data.held_out, other.held_out)


def test_an_id_column_names_the_samples(folder):
    path = written(folder, "name,picture", lambda i: f"sample-{i},files/{i:02}.png")
    data = open_source(path, ReadOptions(columns=("name:id",)))
    assert data.ids[7] == "sample-7" and data.folder is None and data.columns["picture"][7] == "files/07.png"


def test_images_that_are_not_there_are_skipped_by_name(folder):
    path = written(folder, "picture,n", lambda i: f"files/{i:02}.png,{i}", count=33)
    data = open_source(path)
    assert len(data) == 30 and {s.name for s in data.skipped} == {f"files/{i}.png" for i in range(30, 33)}
    assert data.columns["n"].tolist() == list(range(30)) if "n" in data.columns else True


def test_a_repeated_path_counts_once(folder):
    path = written(folder, "picture,w", lambda i: f"files/{i % 20:02}.png,{i}.5")
    data = open_source(path)
    assert len(data) == 20 and any(n.endswith("the first counts: 10") for n in data.notes)


def test_a_table_that_only_speaks_of_images_stays_a_table(tmp_path):
    (tmp_path / "t.csv").write_text("name,n\n" + "".join(f"gone{i}.png,{i / 3}\n" for i in range(30)))
    assert open_source(tmp_path / "t.csv").spec.kind == "table"
    with pytest.raises(DataError, match="none of the 30 images"):
        open_source(tmp_path / "t.csv", ReadOptions(columns=("name:path",)))
