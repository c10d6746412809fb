"""Partners: two images side by side in one file, and two sources matched by name."""

import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from tacit.data.open import open_source
from tacit.data.options import ReadOptions
from tacit.errors import DataError, OptionError


def noise(seed, height=12, width=12, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def put(folder, images, suffix="png"):
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in images.items():
        Image.fromarray(image).save(folder / f"{name}.{suffix}")
    return folder


def opened(source, like=None, **options):
    return open_source(source, ReadOptions(**options), like=like)


def refused(source, error=DataError, **options):
    with pytest.raises(error) as caught:
        opened(source, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def doubles(tmp_path):
    return put(tmp_path / "doubles", {f"{i:02}": noise(i, 12, 24) for i in range(20)})


@pytest.mark.parametrize("side", ["left", "right"])
def test_halves_are_exact_and_the_named_one_is_the_partner(doubles, side):
    data = opened(doubles, pair=side)
    assert data.spec.shape == data.spec.pair == (3, 12, 12) and len(data) == 20
    left = np.stack([noise(i, 12, 24)[:, :12] for i in range(20)]).transpose(0, 3, 1, 2)
    right = np.stack([noise(i, 12, 24)[:, 12:] for i in range(20)]).transpose(0, 3, 1, 2)
    x, pair = (right, left) if side == "left" else (left, right)
    assert np.array_equal(data.x, x) and np.array_equal(data.pair, pair)
    assert data.columns["width"].tolist() == [12] * 20
    marks = {opened(doubles, pair=s).fingerprint for s in ("left", "right")}
    assert len(marks | {opened(doubles).fingerprint}) == 3


def test_each_half_is_brought_to_size_like_an_image_of_its_own(tmp_path):
    image = np.concatenate([np.full((30, 40, 3), 50, np.uint8), np.full((30, 40, 3), 200, np.uint8)], axis=1)
    image[:, 0] = 0  # what a crop of the whole would keep, and one of the halves cuts off
    folder = put(tmp_path / "f", {"a": image, "b": image})
    data = opened(folder, pair="right", size=16)
    assert (data.x == 50).all() and (data.pair == 200).all()
    padded = opened(folder, pair="right", size=16, fit="pad")
    assert (padded.pair[:, :, 2:14] == 200).all() and (padded.pair[:, :, [0, 1, 14, 15]] == 0).all()


def test_the_middle_of_an_odd_width_is_in_neither_half(tmp_path):
    images = {str(i): noise(i, 8, 17) for i in range(4)} | {"even": noise(9, 8, 16)}
    data = opened(put(tmp_path / "f", images), pair="left")
    assert np.array_equal(data.x[0], images["0"][:, 9:].transpose(2, 0, 1))
    assert np.array_equal(data.pair[0], images["0"][:, :8].transpose(2, 0, 1))
    assert any("4 of 5 images, as 0.png" in note for note in data.notes)
    put(tmp_path / "f", {"thin": noise(0, 8, 1)})
    data = opened(tmp_path / "f", pair="left")
    assert len(data) == 5 and "1 pixel wide" in data.skipped[0].reason
    assert "thin.png cannot be read: 1 pixel wide" in refused(tmp_path / "f", pair="left", strict=True)


def test_halves_are_read_again_from_archives_and_from_fewer(doubles, tmp_path):
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as file:
        [file.write(f, f.name) for f in sorted(doubles.iterdir())]
    data, packed = opened(doubles, pair="left"), opened(tmp_path / "d.zip", pair="left")
    assert torch.equal(data.x, packed.x) and torch.equal(data.pair, packed.pair)
    again = opened(doubles, like=data.spec, pair="left")
    assert torch.equal(again.x, data.x) and torch.equal(again.pair, data.pair) and again.spec == data.spec
    assert again.fingerprint == data.fingerprint
    few = opened(doubles, pair="left", limit=7)
    at = [data.ids.index(i) for i in few.ids]
    assert len(few) == 7 and torch.equal(few.pair, data.pair[at]) and torch.equal(few.x, data.x[at])


def test_a_folder_named_left_is_reached_by_its_path(doubles, tmp_path):
    put(tmp_path / "left", {f"{i:02}": noise(100 + i, 12, 24) for i in range(20)})
    data = opened(doubles, pair="./left")
    assert data.spec.shape == data.spec.pair == (3, 12, 24)
    assert np.array_equal(data.pair[3], noise(103, 12, 24).transpose(2, 0, 1))
    assert any("./left" in note for note in opened(doubles, pair="left").notes)
    assert "--pair left is for files" in refused("digits", pair="left")
    assert "--pair right is for files" in refused(np.zeros((9, 8, 16, 3), np.uint8), pair="right")


def test_samples_without_a_partner_are_named(tmp_path):
    a = put(tmp_path / "a", {f"{i:02}": noise(i) for i in range(12)})
    b = put(tmp_path / "b", {f"{i:02}": noise(50 + i) for i in range(7, 14)}, "bmp")
    data = opened(a, pair=str(b))
    assert [i[:2] for i in data.ids] == ["07", "08", "09", "10", "11"] and data.spec.pair == (3, 12, 12)
    assert all(np.array_equal(p, noise(57 + i).transpose(2, 0, 1)) for i, p in enumerate(data.pair))
    assert any(n.endswith("left out: 00.png, 01.png, 02.png, 03.png, 04.png and 2 more") for n in data.notes)
    assert any("no one's partner: 2 of 7 samples of b, 12.bmp, 13.bmp" in n for n in data.notes)
    assert "7 of 12 samples, 00.png, 01.png" in refused(a, pair=str(b), strict=True)
    full = put(tmp_path / "full", {f"{i:02}": noise(i) for i in range(20)})
    assert len(opened(a, pair=str(full), strict=True)) == 12, "nobody's partners do no harm"
    assert "has a partner" in refused(a, pair=str(put(tmp_path / "c", {"p": noise(0), "q": noise(1)})))


def test_partners_of_another_size_are_named_with_both(tmp_path):
    a = put(tmp_path / "a", {f"{i}": noise(i) for i in range(8)})
    b = put(tmp_path / "b", {f"{i}": noise(i, 12, 15 if i in (2, 5) else 12) for i in range(8)})
    said = refused(a, pair=str(b))
    assert "2 of 8 pairs: 2.png 12 x 12 and 12 x 15, 5.png 12 x 12 and 12 x 15;" in said
    assert refused(a, pair=str(b), size=8), "sizes in the files count, not those that they are brought to"
    smaller = put(tmp_path / "smaller", {f"{i}": noise(i, 6, 6) for i in range(8)})
    assert "8 of 8 pairs" in refused(a, pair=str(smaller)) and "and 3 more" in refused(a, pair=str(smaller))
    mixed = put(tmp_path / "mixed", {f"{i}": noise(i, *(24, 24) if i else (36, 36)) for i in range(8)})
    assert "1 of 8 pairs: 0.png 12 x 12 and 36 x 36" in refused(a, pair=str(mixed))


def test_partners_one_whole_number_of_times_larger_are_read_so(tmp_path):
    sizes = [(20, 30), (24, 24), (40, 26)]
    a = put(tmp_path / "a", {f"{i}": noise(i, *size) for i, size in enumerate(sizes)})
    b = put(tmp_path / "b", {f"{i}": noise(9 + i, 4 * h, 4 * w) for i, (h, w) in enumerate(sizes)})
    for options, shape, pair in (({}, (3, 64, 64), (3, 256, 256)), ({"size": 12}, (3, 12, 12), (3, 48, 48))):
        data = opened(a, pair=str(b), **options)
        assert data.spec.shape == shape and data.spec.pair == pair == tuple(data.pair.shape[1:])
        again = opened(a, pair=str(b), like=data.spec, **options)
        assert torch.equal(again.pair, data.pair) and again.fingerprint == data.fingerprint
    put(tmp_path / "b", {"extra": noise(3, 50, 70)})
    assert opened(a, pair=str(b)).spec.pair == (3, 256, 256)
    np.save(tmp_path / "small.npy", np.stack([noise(i, 8, 8) for i in range(9)]))
    np.save(tmp_path / "large.npy", np.stack([noise(i, 16, 16) for i in range(9)]))
    assert opened(tmp_path / "small.npy", pair=str(tmp_path / "large.npy")).spec.pair == (3, 16, 16)


def test_partners_keep_their_own_channels_whatever_lies_beside_them(tmp_path):
    a = put(tmp_path / "a", {f"{i}": noise(i)[:, :, 0] for i in range(6)})
    b = put(tmp_path / "b", {f"{i}": noise(i) for i in range(6)} | {"other": noise(0, 50, 70)})
    data = opened(a, pair=str(b))
    assert data.spec.shape == (1, 12, 12) and data.spec.pair == (3, 12, 12)
    assert np.array_equal(data.pair[4], noise(4).transpose(2, 0, 1))


def test_one_partner_or_two_domains(doubles):
    assert "--pair and --target exclude" in refused(doubles, OptionError, pair="left", target=str(doubles))
    assert "--binarise draws samples anew" in refused(doubles, OptionError, pair="left", binarise=True)
