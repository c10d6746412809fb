import io
import os
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from tacit.data.dataset import Data
from tacit.data.open import modality_of, open_source
from tacit.data.options import ReadOptions
from tacit.errors import DataError, OptionError
from tacit.protocol import Spec


def picture(seed, height=20, width=20, mode="RGB"):
    """A smooth picture unlike that of any other seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def put(folder, *names, **options):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture(zlib.crc32(name.encode()), **options).save(folder / name)
    return folder


def bomb():
    chunks = [b"IHDR" + struct.pack(">IIBBBBB", 70_000, 70_000, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(b""), b"IEND"]
    packed = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def opened(source, said=None, like=None, **options):
    said = [] if said is None else said
    return open_source(source, ReadOptions(**options), like=like, say=said.append)


def refused(source, error=DataError, like=None, **options):
    with pytest.raises(error) as caught:
        opened(source, like=like, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def photos(tmp_path):
    return put(tmp_path / "photos", *(f"{kind}/{i:02}.png" for kind in ("cat", "dog") for i in range(20)))


def test_a_folder_of_images_becomes_data(photos):
    said = []
    data = opened(photos, said)
    assert isinstance(data, Data) and str(data.spec) == "image 3 x 20 x 20" and data.spec.range == (0.0, 1.0)
    assert data.x.dtype == torch.uint8 and data.x.shape == (40, 3, 20, 20) and data.name == "photos"
    assert data.ids[0] == "cat/00.png" and list(data.ids) == sorted(data.ids)
    assert np.array_equal(data.x[3].permute(1, 2, 0), np.asarray(Image.open(photos / data.ids[3])))
    assert data.spec.classes == ("cat", "dog") and data.label.tolist() == [0] * 20 + [1] * 20
    assert 0 < data.held_out.sum() < 12 and data.folder == photos
    assert data.columns["width"].tolist() == [20] * 40 and data.columns["folder"][-1] == "dog"
    assert data.columns["bytes"][0] == (photos / data.ids[0]).stat().st_size
    assert data.notes and all(note in said for note in data.notes)


def test_the_second_opening_decodes_nothing_and_gives_the_same(photos, monkeypatch):
    first = opened(photos)
    monkeypatch.setattr("tacit.data.resident.decode", None)
    monkeypatch.setattr("tacit.data.resident.read_header", None)
    monkeypatch.setattr("tacit.data.open.near_images", None)
    second = opened(photos)
    assert torch.equal(first.x, second.x) and torch.equal(first.held_out, second.held_out)
    assert (first.ids, first.fingerprint, first.notes) == (second.ids, second.fingerprint, second.notes)
    like = opened(photos, like=first.spec)  # a run reopens its own source so: no second decoding
    assert torch.equal(like.x, first.x) and like.fingerprint == first.fingerprint


def test_a_change_of_the_source_or_of_the_options_is_never_missed(photos):
    first = opened(photos)
    picture(999).save(photos / "cat/00.png")
    second = opened(photos)
    assert not torch.equal(first.x[0], second.x[0]) and first.fingerprint != second.fingerprint
    (photos / "cat/00.png").unlink()
    assert len(opened(photos)) == 39
    assert opened(photos, size=16).x.shape[-1] == 16
    assert opened(photos, colour="grey").x.shape[1] == 1
    os.utime(photos / "cat/01.png")
    assert opened(photos).fingerprint == opened(photos, size=None).fingerprint


@pytest.mark.parametrize("name", ["photos.zip", "photos.tar", "photos.tar.gz", "photos.tgz"])
def test_an_archive_gives_what_the_folder_gives(photos, tmp_path, name):
    files = sorted(photos.rglob("*.png"), reverse=True)
    if name.endswith("zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as file:
            [file.write(f, f"wrap/{f.relative_to(photos)}") for f in files]
    else:
        with tarfile.open(tmp_path / name, "w:gz" if "gz" in name else "w") as file:
            [file.add(f, f"wrap/{f.relative_to(photos)}") for f in files]
    data, folder = opened(tmp_path / name), opened(photos)
    assert torch.equal(data.x, folder.x) and torch.equal(data.label, folder.label) and data.name == "photos"
    assert list(data.ids) == [f"wrap/{i}" for i in folder.ids] and data.folder is None
    assert torch.equal(opened(tmp_path / name).x, data.x)


def test_what_cannot_be_read_is_skipped_named_and_counted(tmp_path):
    folder = put(tmp_path / "f", *(f"{i:03}.png" for i in range(60)))
    whole = (folder / "003.png").read_bytes()
    (folder / "007.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.jpg").write_text("I am a text")
    (folder / "nothing.gif").write_bytes(b"")
    (folder / "bomb.png").write_bytes(bomb())
    said = []
    for _ in range(2):  # decoded, and from the cache
        data = opened(folder, said)
        assert len(data) == 59 and "007.png" not in data.ids
        reasons = {s.name: s.reason for s in data.skipped}
        assert set(reasons) == {"007.png", "text.jpg", "nothing.gif", "bomb.png"}
        assert "bomb" in reasons["bomb.png"] and "I am a text" in reasons["text.jpg"]
        assert reasons["nothing.gif"] == "empty"
        assert np.array_equal(data.x[7].permute(1, 2, 0), np.asarray(Image.open(folder / data.ids[7])))
        assert any("skipped 4" in line and "bomb.png" in line for line in said)
        assert "--strict" in refused(folder, strict=True)


def test_nothing_readable_is_an_error(tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "f/a.jpg").write_text("text")
    (tmp_path / "f/b.jpg").write_text("text")
    assert "none of the 2 images" in refused(tmp_path / "f")


def test_mixed_sizes_and_channels_are_brought_to_one(tmp_path):
    folder = put(tmp_path / "f", "a.png", "b.png")
    put(folder, "grey.png", mode="L", height=70, width=30)
    put(folder, "alpha.png", mode="RGBA")
    put(folder, "ink.jpg", mode="CMYK")
    put(folder, "palette.gif", mode="P")
    data = opened(folder)
    assert data.x.shape == (6, 3, 64, 64)
    assert any("2 sizes, from 20 x 20 to 70 x 30" in n for n in data.notes)
    assert any("1 of 6 images are grey" in n for n in data.notes)
    assert opened(folder, size=24, fit="pad", colour="grey").x.shape == (6, 1, 24, 24)


def test_size_and_colour_follow_the_images(tmp_path):
    assert opened(put(tmp_path / "small", "1.png", "2.png", height=12, width=30)).x.shape == (2, 3, 12, 30)
    assert opened(put(tmp_path / "large", "1.png", "2.png", height=65, width=65)).x.shape == (2, 3, 64, 64)
    assert opened(put(tmp_path / "grey", "1.png", "2.png", mode="L")).x.shape == (2, 1, 20, 20)


def test_sixteen_bit_images_stay_fine_only_where_all_are(tmp_path):
    folder = tmp_path / "f"
    folder.mkdir()
    for i in range(3):
        values = np.random.default_rng(i).integers(0, 65536, (20, 20)).astype(np.uint16)
        Image.fromarray(values).save(folder / f"{i}.png")
    data = opened(folder)
    assert data.x.dtype == torch.float32 and torch.allclose(data.x[2, 0] * 65535, torch.from_numpy(values.astype("f4")))
    put(folder, "a.png", mode="L")
    data = opened(folder)
    assert data.x.dtype == torch.uint8 and any("3 of 4" in n and "8 bits" in n for n in data.notes)


def test_folders_of_training_and_validation_are_the_split(tmp_path):
    names = [f"set/{part}/{kind}/{i}.png" for part in ("train", "val") for kind in ("a", "b") for i in range(4)]
    data = opened(put(tmp_path / "f", *names))
    assert data.held_out.tolist() == ["val" in i for i in data.ids] and data.spec.classes == ("a", "b")
    assert any("val/ (8 of 16 samples)" in n for n in data.notes)
    assert opened(tmp_path / "f", split="0.4").held_out.tolist() != data.held_out.tolist()


def test_labels_that_do_not_exist_are_an_error(tmp_path):
    folder = put(tmp_path / "f", "1.png", "2.png", "3.png")
    assert opened(folder).label is None
    assert "there are none" in refused(folder, labels="folder")
    assert "neither a column nor a file" in refused(folder, labels="species")


def test_near_duplicates_stay_on_one_side(tmp_path):
    folder = put(tmp_path / "f", *(f"{i:02}.png" for i in range(40)), height=32, width=32)
    for i in range(40):
        file = io.BytesIO()
        Image.open(folder / f"{i:02}.png").save(file, "JPEG", quality=70)
        (folder / f"again{i:02}.jpg").write_bytes(file.getvalue())
    data = opened(folder, split="0.5")
    out = dict(zip(data.ids, data.held_out.tolist(), strict=True))
    assert all(out[f"{i:02}.png"] == out[f"again{i:02}.jpg"] for i in range(40)) and 10 < sum(out.values()) < 70
    assert any("of the split: 40 of 80 samples" in n for n in data.notes)


def test_a_limit_reads_no_more(photos):
    few = opened(photos, limit=12)
    assert len(few) == 12 and set(few.ids) < set(opened(photos).ids)
    assert set(few.ids) < set(opened(photos, limit=20).ids)
    assert len(opened(torch.rand(50, 3), limit=12)) == 12


def test_like_brings_images_to_a_runs_size_channels_and_classes(photos):
    like = Spec("image", (1, 28, 24), (0.0, 1.0), classes=("bird", "dog", "eel"))
    data = opened(photos, like=like)
    assert data.x.shape == (40, 1, 28, 24) and data.spec == like
    assert data.label.tolist() == [-1] * 20 + [1] * 20
    assert len(opened(photos / "cat/00.png", like=like)) == 1
    assert "vector 7" in refused(photos, like=Spec("vector", (7,)))
    assert "vector 7" in refused(torch.rand(5, 3), like=Spec("vector", (7,)))


def test_like_codes_a_table_as_the_fitted_one(tmp_path):
    (tmp_path / "a.csv").write_text("n,k\n" + "".join(f"{i / 3},{'ab'[i % 2]}\n" for i in range(40)))
    (tmp_path / "b.csv").write_text("k,n\nb,0.5\nq,1.5\n")
    spec = opened(tmp_path / "a.csv").spec
    data = opened(tmp_path / "b.csv", like=spec)
    assert data.spec == spec and data.x[:, -2:].tolist() == [[0, 1], [0, 0]]
    (tmp_path / "c.csv").write_text("k\nb\na\n")
    assert "'n'" in refused(tmp_path / "c.csv", like=spec)


def test_only_training_rows_teach_how_a_table_is_coded(tmp_path):
    rows = [1000.0 if i == 7 else float(i % 5) + 0.5 for i in range(40)]
    (tmp_path / "a.csv").write_text("n,m\n" + "".join(f"{v},{i * 0.3}\n" for i, v in enumerate(rows)))
    (tmp_path / "out.txt").write_text("0007\n")
    data = opened(tmp_path / "a.csv", split=str(tmp_path / "out.txt"))
    assert data.held_out.sum() == 1 and data.spec.columns[0].mean < 5


def test_arrays_builtins_and_data_are_sources():
    assert str(opened("digits").spec) == "image 1 x 8 x 8"
    assert str(opened((np.random.default_rng(0).random((30, 4)), list("ab") * 15)).spec) == "vector 4"
    data = opened("moons")
    assert open_source(data) is data


def test_equal_rows_share_a_side_unless_nearly_all_are_equal():
    x = torch.rand(50, 3)
    data = opened(torch.cat([x, x[:20]]), split="0.5")
    assert torch.equal(data.held_out[50:], data.held_out[:20]) and 0 < data.held_out[:20].sum() < 20
    bits = opened(torch.randint(0, 2, (200, 2)).float(), split="0.5")
    assert any("coincidence" in n for n in bits.notes) and 60 < bits.held_out.sum() < 140


def test_items_stand_behind_vectors(photos):
    vectors = np.random.default_rng(0).random((40, 5)).astype("f4")
    data = opened(vectors, items=str(photos))
    assert data.ids[0] == "cat/00.png" and data.spec.classes == ("cat", "dog") and data.folder == photos
    assert "39 vectors" in refused(vectors[:39], items=str(photos))
    assert len(opened(vectors, items=str(photos), limit=10)) == 10


def test_partners_are_found_by_name(tmp_path):
    a = put(tmp_path / "a", *(f"x/{i}.png" for i in range(6)))
    b = put(tmp_path / "b", *(f"x/{i}.jpg" for i in range(2, 9)))
    data = opened(a, pair=str(b))
    assert list(data.ids) == [f"x/{i}.png" for i in range(2, 6)] and data.pair.shape == data.x.shape
    assert torch.equal(data.pair, opened(b).x[:4])
    assert any("4 of 6 samples have a partner" in n for n in data.notes)
    assert "has a partner" in refused(a, pair=str(put(tmp_path / "c", "p.png", "q.png")))


def test_a_target_is_another_domain_whose_training_labels_are_hidden(photos, tmp_path):
    names = [f"{kind}/{i:02}.png" for kind in ("cat", "dog") for i in range(15)]
    other = put(tmp_path / "other", *names, mode="L", height=30)
    data = opened(photos, target=str(other), split="0.3")
    assert data.domain.tolist() == [0] * 40 + [1] * 30 and data.x.shape == (70, 3, 20, 20)
    hidden = (data.domain == 1) & ~data.held_out
    assert (data.label[hidden] == -1).all() and (data.label[~hidden] >= 0).all() and hidden.any()
    assert len(set(data.ids)) == 70 and data.fingerprint != opened(photos).fingerprint


def test_few_labels(photos):
    data = opened(photos, label_count=6)
    assert (data.label[data.training] >= 0).sum() == 6 and (data.label[data.testing] >= 0).all()


@pytest.mark.parametrize(("source", "part"), [
    ("empty", "no files"), ("strange", r".dat 2"), ("single", "a single sample"), ("wave", "audio: .wav 3"),
    ("both", "2 of images (.png 2), 3 of audio (.wav 3)"), ("tables", "2 files"), ("nowhere", "there is no"),
    ("singl", "Did you mean 'single'"), ("digts", "Did you mean 'digits'"), ("hf:mnist", "hub"),
])
def test_a_source_that_is_none_says_what_was_found(tmp_path, source, part):
    for name in ("empty", "strange", "wave", "tables"):
        (tmp_path / name).mkdir()
    put(tmp_path, "single/1.png", "both/1.png", "both/2.png")
    [(tmp_path / "strange" / f"{i}.dat").write_text("x") for i in range(2)]
    [(tmp_path / folder / f"{i}.wav").write_text("x") for i in range(3) for folder in ("wave", "both")]
    [(tmp_path / "tables" / f"{i}.csv").write_text("a,b\n1,2\n") for i in range(2)]
    assert part in refused(source)


def test_notes_beside_images_are_no_second_kind(photos):
    (photos / "README.txt").write_text("photographs")
    (photos / "labels.csv").write_text("id,label\n")
    assert len(opened(photos)) == 40


def test_a_folder_that_is_named_as_a_builtin_is_said(tmp_path):
    put(tmp_path / "digits", "1.png", "2.png")
    assert any("./digits" in n for n in opened("digits").notes)
    assert len(opened("./digits")) == 2


@pytest.mark.parametrize(("options", "error"), [
    ({"size": 0}, OptionError), ({"limit": 0}, OptionError), ({"split": "1"}, OptionError),
    ({"label_count": 0}, OptionError), ({"group": "(("}, OptionError), ({"group": "nowhere"}, DataError),
])
def test_an_option_out_of_range_is_named(photos, options, error):
    refused(photos, error, **options)


def test_no_training_sample_is_an_error(photos, tmp_path):
    (tmp_path / "all.txt").write_text("\n".join(opened(photos).ids))
    assert "none is left to learn from" in refused(photos, split=str(tmp_path / "all.txt"))


def test_modalities_are_known_by_their_suffix():
    assert [modality_of(n) for n in ("a.JPG", "b.csv", "c.npy", "d.idx3-ubyte.gz", "e.mp4", "f")] == [
        "images", "tables", "arrays", "arrays", "video", None]
