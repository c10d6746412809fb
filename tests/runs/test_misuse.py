"""What people hand to the Python API by mistake: one line, of the right type."""

import numpy as np
import pytest
import torch

import tacit
from tacit.methods.autoencoders.vae import VAE


@pytest.fixture(scope="module")
def vae(tmp_path_factory, little_digits):
    return tacit.fit("vae", little_digits, latent=4, steps=2, batch=16, out=tmp_path_factory.mktemp("vae") / "vae")


@pytest.mark.parametrize(
    ("wrong", "error", "hint"),
    [
        (lambda run, x: run.decode(np.zeros((2, 5))), tacit.DataError, r"latents of shape \(N, 4\); found \(2, 5\)"),
        (lambda run, x: run.decode(np.zeros(4)), tacit.DataError, r"found \(4,\)"),
        (lambda run, x: run.sample(0), tacit.OptionError, "n is 0; expected a whole number from 1 on"),
        (lambda run, x: run.sample(2.5), tacit.OptionError, "n is 2.5"),
        (lambda run, x: run.sample(2, seed="x"), tacit.OptionError, "seed is 'x'"),
        (lambda run, x: run.sample(2, label=3), tacit.OptionError, "vae takes no 'label' to sample"),
        (lambda run, x: run.encode(layer="conv1"), tacit.OptionError, "takes no 'layer' to encode"),
        (lambda run, x: run.encode(torch.zeros(3, 7)), tacit.DataError, "8"),
        (lambda run, x: tacit.fit(VAE, x), tacit.OptionError, "a method is a name in the catalogue"),
        (lambda run, x: tacit.fit(None, x), tacit.OptionError, "found None"),
        (lambda run, x: tacit.fit("vae", x, steps="x"), tacit.OptionError, "steps is 'x'; expected a number"),
        (lambda run, x: tacit.fit("vae", x, augment="flop"), tacit.OptionError, "flip"),
        (lambda run, x: tacit.fit("vae", x, latnet=3), tacit.OptionError, "Did you mean 'latent'"),
        (lambda run, x: tacit.fit("pca", tacit.open_data(x), limit=100), tacit.OptionError, "open already: limit"),
        (lambda run, x: tacit.fit("pca", x, devices=2), tacit.OptionError, "on one device"),
        (lambda run, x: tacit.fit("vae"), tacit.OptionError, "needs data"),
        (lambda run, x: tacit.load(3), tacit.RunError, "found 3"),
        (lambda run, x: tacit.open_data(x, sise=3), tacit.OptionError, "'sise'"),
        (lambda run, x: tacit.open_data(None), tacit.DataError, "open_data needs a source: a path"),
        (lambda run, x: tacit.open_data(tacit.open_data(x), limit=9), tacit.OptionError, "open already: limit"),
        (lambda run, x: tacit.open_data(run, columns=("a:id",)), tacit.OptionError, "--columns is decided by the root"),
        (lambda run, x: tacit.fit("pca", x, pair=x), tacit.OptionError, "--pair makes no difference to pca"),
    ],
)
def test_it_is_said(vae, little_digits, wrong, error, hint):
    with pytest.raises(error, match=hint) as caught:
        wrong(vae, little_digits)
    assert "\n" not in str(caught.value)


def test_nothing_is_written_among_other_files(vae, tmp_path, capsys):
    from tacit.cli.main import main

    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.png").write_bytes(b"mine")
    assert main(["sample", str(vae.path), "-n", "2", "-o", str(photos)]) == 2
    assert "holds other files, as a.png" in capsys.readouterr().err
    assert [p.name for p in photos.iterdir()] == ["a.png"]
    assert main(["sample", str(vae.path), "-n", "2", "-o", "x.jpg"]) == 2
    assert main(["sample", str(vae.path), "-n", "2", "-o", "new"]) == 0
    assert main(["sample", str(vae.path), "-n", "2", "-o", "new"]) == 0
