"""Bad input from the command line: one line that names the thing and the mend, the right exit code, no traceback."""

import csv
import io
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

import tacit
from tacit.cli.main import main

QUICK = ["pca", "--latent", "2"]


@pytest.fixture
def tell(capsys):
    """Runs a command and returns its exit code, what it said, and its errors."""

    def run(*words):
        code = main([str(w) for w in words])
        said = capsys.readouterr()
        assert "Traceback" not in said.err + said.out
        if code:
            assert len(said.err.strip().splitlines()) == 1, said.err
            assert said.err.startswith("tacit: ")
        return code, said.out, said.err

    return run


def picture(seed=0, size=(16, 16), mode="RGB"):
    rng = np.random.default_rng(seed)
    bands = {"RGB": 3, "RGBA": 4, "CMYK": 4, "L": 1}[mode]
    values = rng.integers(0, 256, (*size[::-1], bands), dtype=np.uint8)
    return Image.fromarray(values.squeeze(), mode)


@pytest.fixture
def photos(tmp_path):
    """A folder of 24 images, to which a test adds."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(24):
        picture(i).save(folder / f"{i:02d}.png")
    return folder


def bomb():
    """A PNG of a few bytes that claims 60,000 x 60,000 pixels."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_empty_folder(tell, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, error = tell("fit", *QUICK[:1], tmp_path / "empty")
    assert code == 2 and "empty" in error and "no files" in error


def test_no_such_path_and_no_such_name(tell):
    code, _, error = tell("fit", "pca", "digitz")
    assert code == 2 and "Did you mean 'digits'?" in error


def test_text_that_is_called_jpg(tell, photos):
    for path in photos.iterdir():
        path.unlink()
    (photos / "a.jpg").write_text("not an image")
    (photos / "b.jpg").write_text("nor this")
    code, _, error = tell("fit", "pca", photos)
    assert code == 2 and "a.jpg" in error


@pytest.mark.parametrize("bad", ["text", "truncated", "bomb", "nothing"])
def test_one_corrupt_image_is_skipped_named_and_counted(tell, photos, bad):
    whole = io.BytesIO()
    picture(99, (64, 64)).save(whole, "PNG")
    content = {"text": b"words", "truncated": whole.getvalue()[:200], "bomb": bomb(), "nothing": b""}[bad]
    (photos / "bad.png").write_bytes(content)
    code, said, _ = tell("fit", *QUICK[:1], photos, *QUICK[1:])
    assert code == 0 and "bad.png" in said and "1 " in said
    code, _, error = tell("fit", "pca", photos, "--strict")
    assert code == 2 and "bad.png" in error


def test_images_of_every_make(tell, photos):
    picture(30, (40, 20)).save(photos / "wide.png")
    picture(31, mode="L").save(photos / "grey.png")
    picture(32, mode="RGBA").save(photos / "alpha.png")
    picture(33, mode="CMYK").save(photos / "print.jpg")
    picture(34).quantize(16).save(photos / "palette.png")
    Image.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16) * 257).save(photos / "deep.png")
    code, said, _ = tell("fit", "pca", photos, "--latent", 2)
    assert code == 0
    run = tacit.load("runs/0001-pca-photos")
    assert len(run.data()) == 30 and run.spec.shape[0] == 3


def test_a_rotated_photograph_is_turned_upright(photos):
    upright = Image.new("RGB", (16, 16))
    upright.paste((255, 0, 0), (0, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    upright.transpose(Image.Transpose.ROTATE_90).save(photos / "turned.png", exif=exif)
    data = tacit.open_data(photos)
    x = data.x[list(data.ids).index("turned.png")]
    assert (x[0, :8] == 255).all() and (x[0, 8:] == 0).all()


def test_images_smaller_than_the_net_allows(tell, tmp_path):
    np.save(tmp_path / "tiny.npy", np.random.default_rng(0).integers(0, 256, (40, 3, 3), dtype=np.uint8))
    code, _, error = tell("fit", "dcgan", tmp_path / "tiny.npy", "--steps", 1)
    assert code == 2 and "3" in error and "--size" in error


def test_train_and_val_folders_of_classes(tell, tmp_path):
    for part, n in (("train", 12), ("val", 3)):
        for kind in ("cat", "dog"):
            place = tmp_path / "pets" / part / kind
            place.mkdir(parents=True)
            for i in range(n):
                picture(hash((part, kind, i)) % 2**31).save(place / f"{i}.png")
    code, said, _ = tell("fit", "probe", tmp_path / "pets")
    assert code == 0 and "val" in said and "cat" in said
    data = tacit.load("runs/0001-probe-pets").data()
    assert data.spec.classes == ("cat", "dog") and int(data.held_out.sum()) == 6


def table(path, **columns):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def test_tables_with_gaps_constants_and_new_categories(tell, tmp_path):
    rng = np.random.default_rng(0)
    words = rng.choice(["red", "blue"], 200)
    numbers = [f"{v:.3f}" if i % 7 else "NaN" for i, v in enumerate(rng.normal(size=200))]
    path = table(tmp_path / "t.csv", a=numbers, b=rng.normal(size=200).round(3), c=["same"] * 200, d=words)
    code, said, _ = tell("fit", "pca", path, "--latent", 2)
    assert code == 0 and "c" in said and "constant" in said
    other = table(tmp_path / "u.csv", a=numbers, b=rng.normal(size=200), d=["green", *words[1:]])
    code, said, error = tell("encode", "runs/0001-pca-t", other)
    assert code == 0 and "green" in said + error
    code, _, error = tell("encode", "runs/0001-pca-t", table(tmp_path / "v.csv", a=numbers, b=numbers))
    assert code == 2 and "d" in error


def test_many_distinct_strings(tell, tmp_path):
    rng = np.random.default_rng(0)
    path = table(tmp_path / "t.csv", x=rng.normal(size=8000), y=rng.normal(size=8000),
                 name=[f"n{i}" for i in rng.permutation(7999)] + ["n0"])
    code, said, _ = tell("fit", "pca", path, "--latent", 2)
    assert code == 0 and "name" in said and "7,999" in said
    code, _, error = tell("fit", "pca", path, "--columns", "name:category")
    assert code == 2 and "name" in error and "7,999" in error


def test_arrays_that_are_not_numbers_in_range(tell, tmp_path):
    x = np.random.default_rng(0).normal(size=(50, 3))
    x[7, 1] = np.nan
    np.save(tmp_path / "x.npy", x)
    code, _, error = tell("fit", "pca", tmp_path / "x.npy")
    assert code == 2 and "NaN" in error and "7" in error
    np.save(tmp_path / "one.npy", x[:1])
    code, _, error = tell("fit", "pca", tmp_path / "one.npy")
    assert code == 2 and "single sample" in error


def test_labels_where_there_are_none(tell, photos):
    code, _, error = tell("fit", "pca", photos, "--labels", "folder")
    assert code == 2 and "label" in error
    code, _, error = tell("fit", "probe", photos)
    assert code == 2 and "label" in error


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["photos", "--count", 50], "--count makes no difference to images, as photos; it is for built-in sources"),
        (["digits", "--label-count", 5], "--label-count makes no difference to pca; it is for a method that needs"),
        (["digits", "--layer", "conv1"], "it is for runs"),
    ],
)
def test_reading_options_that_make_no_difference(tell, photos, words, hint):
    code, _, error = tell("fit", "pca", *words)
    assert code == 2 and hint in error


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["fit", "vea", "digits"], "'vae'"),
        (["fot", "vae", "digits"], "'fit'"),
        (["fit", "vae", "digits", "--latnet", "3"], "latent"),
        (["fit", "vae", "digits", "--latent", "many"], "many"),
        (["fit", "kmeans", "digits", "--epochs", "3"], "epochs"),
        (["fit", "vae"], "DATA"),
        (["sample", "nowhere"], "nowhere"),
        (["methods", "--can", "smaple"], "sample"),
    ],
)
def test_usage(tell, words, hint):
    code, _, error = tell(*words)
    assert code == 2 and hint in error


def test_unknown_key_in_a_config(tell, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("method: vae\noptions: {latnet: 3}\ndata: {source: digits}\n")
    code, _, error = tell("fit", "--config", path)
    assert code == 2 and "latnet" in error and "latent" in error
    path.write_text("method: vae\noption: {}\n")
    code, _, error = tell("fit", "--config", path)
    assert code == 2 and "options" in error


def test_capabilities_that_are_not_there(tell):
    assert tell("fit", "kmeans", "digits", "--clusters", 3)[0] == 0
    code, _, error = tell("sample", "runs/0001-kmeans-digits")
    assert code == 2 and "kmeans cannot sample; it can" in error


def test_a_disk_that_fills_up(tell, monkeypatch):
    import safetensors.torch

    def full(*_, **__):
        raise safetensors.SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    code, _, error = tell("fit", *QUICK[:1], "digits", *QUICK[1:])
    assert code == 1 and "No space left" in error and "free some space" in error


def test_a_module_of_ones_own_is_imported_only_where_it_is_trusted(tell, tmp_path, monkeypatch):
    (tmp_path / "own_encoder.py").write_text(
        "import torch\n\n\n"
        "class Net(torch.nn.Flatten):\n    def forward(self, x):\n        return super().forward(x)[:, :3]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert tell("fit", "pretrained", "digits", "--encoder", "own_encoder:Net", "-o", "run")[0] == 0
    monkeypatch.delitem(sys.modules, "own_encoder")
    code, _, error = tell("fit", "kmeans", "run", "-o", "child")
    assert code == 2 and "--trust" in error
    assert tell("fit", "kmeans", "run", "--trust", "-o", "child")[0] == 0
    monkeypatch.delitem(sys.modules, "own_encoder")
    assert tell("encode", "run", "digits", "-o", "out.npz")[0] == 2
    assert tell("encode", "run", "digits", "--trust", "-o", "out.npz")[0] == 0
