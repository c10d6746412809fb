"""``tacit compress`` and ``tacit decompress`` end to end."""

import numpy as np
import pytest
import torch
from PIL import Image

import tacit
from tacit.cli.main import main

pytest.importorskip("constriction")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("runs")
    tacit.fit("vqvae", "digits", codes=32, width=8, steps=20, batch=64, out=made / "vq")
    tacit.fit("pca", "digits", latent=6, out=made / "pca")
    return made


def test_images_come_back_under_their_ids(folder, tmp_path, capsys):
    assert main(["compress", str(folder / "vq"), "-o", "held.tacit"]) == 0
    said = capsys.readouterr().out
    assert "bits per value" in said and "ideal" in said and "PSNR" in said and "wrote held.tacit" in said
    assert main(["decompress", "held.tacit", "-o", "back"]) == 0
    run = tacit.load(folder / "vq")
    held = run.data().take(run.data().testing)
    expected = (run.reconstruct(held) * 255).round().byte()
    files = {p.relative_to(tmp_path / "back").as_posix() for p in (tmp_path / "back").rglob("*.png")}
    assert files == {f"{name}.png" for name in held.ids}
    for i in (0, len(held) - 1):
        with Image.open(tmp_path / "back" / f"{held.ids[i]}.png") as image:
            assert np.array_equal(np.asarray(image.convert("L")), expected[i, 0].numpy())
    assert main(["decompress", "held.tacit", "-o", "back"]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_the_run_may_have_moved(folder, tmp_path, capsys):
    assert main(["compress", str(folder / "vq"), "digits", "-o", "all.tacit"]) == 0
    moved = tmp_path / "moved"
    (folder / "vq").rename(moved)
    try:
        assert main(["decompress", "all.tacit", "-o", "one"]) == 2
        assert "is not a run" in capsys.readouterr().err
        assert main(["decompress", "all.tacit", "--run", str(moved), "-o", "one"]) == 0
        assert main(["decompress", "all.tacit", "--run", str(folder / "pca"), "-o", "two"]) == 2
        assert "not the run that compressed" in capsys.readouterr().err
    finally:
        moved.rename(folder / "vq")


def test_the_curve_of_latents(folder, capsys):
    assert main(["compress", str(folder / "pca"), "--curve", "--step", "0.5"]) == 0
    said = capsys.readouterr().out
    assert all(f"step {step}" in said for step in ("2", "1", "0.5", "0.25", "0.125", "0.0625"))
    assert (folder / "pca" / "pictures" / "rate-distortion.png").is_file()
    assert (folder / "pca" / "samples" / "compressed-0001.tacit").is_file()


def test_rows_come_back_as_arrays(tmp_path, capsys):
    tacit.fit("pca", "moons", latent=1, out="moons")
    assert main(["compress", "moons", "-o", "rows.tacit"]) == 0
    assert main(["decompress", "rows.tacit", "-o", "rows.npz"]) == 0
    run = tacit.load("moons")
    held = run.data().take(run.data().testing)
    with np.load("rows.npz") as arrays:
        apart = torch.from_numpy(arrays["x"]) - run.reconstruct(held)
    assert apart.shape == (len(held), 2) and apart.abs().max() < 0.3


def test_errors_are_one_line(folder, tmp_path, capsys):
    (tmp_path / "foreign.tacit").write_bytes(b"something else")
    tacit.fit("kmeans", "moons", clusters=2, out="k")
    for words, said in [
        (["decompress", "foreign.tacit"], "no compressed file"), (["compress", "k"], "kmeans cannot compress"),
        (["compress", "nothing"], "is not a run"), (["compress", str(folder / "pca"), "--step", "0"], "above 0"),
    ]:  # fmt: skip
        assert main(words) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
