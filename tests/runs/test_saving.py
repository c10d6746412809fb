"""Runs on disk: numbering, overwriting, damage, moved parents and sources."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
import yaml

import tacit
from tacit.protocol import Method
from tacit.runs.folder import write_atomically


@pytest.fixture
def pca(little_digits):
    return tacit.fit("pca", little_digits, latent=3)


def test_folders_are_numbered(little_digits):
    runs = [tacit.fit("pca", little_digits, latent=2) for _ in range(2)]
    assert [str(run.path) for run in runs] == ["runs/0001-pca-array", "runs/0002-pca-array"]
    assert tacit.fit("kmeans", runs[0], clusters=2).path.name == "0003-kmeans-pca-array"


def test_nothing_is_overwritten_silently(little_digits, tmp_path):
    tacit.fit("pca", little_digits, latent=2, out="mine")
    with pytest.raises(tacit.RunError, match="--overwrite replaces it"):
        tacit.fit("pca", little_digits, latent=2, out="mine")
    assert tacit.fit("pca", little_digits, latent=4, out="mine", overwrite=True).encode(little_digits[0]).shape[1] == 4
    precious = tmp_path / "thesis"
    precious.mkdir()
    (precious / "text").write_text("mine")
    with pytest.raises(tacit.RunError, match="is not a run; nothing of it is touched"):
        tacit.fit("pca", little_digits, out=precious, overwrite=True)
    assert (precious / "text").read_text() == "mine"


def test_a_failed_fit_leaves_no_folder(little_digits):
    with pytest.raises(tacit.UserError):
        tacit.fit("kmeans", little_digits, clusters=1000)
    assert not Path("runs").exists() or not list(Path("runs").iterdir())


def test_the_record_makes_the_run_again(little_digits, tmp_path):
    np.savez(tmp_path / "d.npz", x=little_digits[0], y=little_digits[1])
    run = tacit.fit("vae", tmp_path / "d.npz", latent=3, steps=4, batch=16, seed=5)
    plain = yaml.safe_load((run.path / "config.yaml").read_text())
    assert plain["options"]["latent"] == 3 and plain["seed"] == 5 and plain["state"] == "finished"
    source = plain["data"].pop("source")
    again = tacit.fit(plain["method"], source, **plain["options"], **plain["training"], **plain["data"])
    assert all(torch.equal(a, b) for a, b in zip(run.method.state_dict().values(),
                                                 again.method.state_dict().values(), strict=True))


@pytest.mark.parametrize("damage", ["truncated", "foreign", "missing", "renamed", "shape", "type", "pickle"])
def test_damaged_weights_are_refused_in_one_line(pca, damage):
    path = pca.path / "model.safetensors"
    tensors = safetensors.torch.load(path.read_bytes())
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "foreign":
        path.write_bytes(b"PK\x03\x04 something else entirely")
    elif damage == "pickle":
        torch.save(tensors, path)
    elif damage == "missing":
        path.unlink()
    else:
        name = next(k for k in tensors if tensors[k].dim() == 2)
        if damage == "renamed":
            tensors["raw/spare"] = tensors.pop(name)
        elif damage == "shape":
            tensors[name] = tensors[name][:, :-1].contiguous()
        else:
            tensors[name] = tensors[name].double()
        safetensors.torch.save_file(tensors, path)
    with pytest.raises(tacit.RunError) as caught:
        tacit.load(pca.path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch owned']",
        "method: os:system\noptions: {}\ndata: {}\nspec: {kind: vector, shape: [2]}\ntraining: {}\nname: x\n"
        "fingerprint: x",
        "[1, 2",
        "just words",
        "method: vae\nmethid: 3",
        "method: vae\noptions: 3\nspec: {shape: [1]}",
        "\x00\x01",
    ],
)
def test_damaged_or_malicious_records_are_refused_in_one_line(pca, text):
    (pca.path / "config.yaml").write_text(text)
    with pytest.raises(tacit.UserError) as caught:
        tacit.load(pca.path)
    assert "\n" not in str(caught.value)
    assert not Path("owned").exists()


def test_code_is_not_imported_without_trust(pca, tmp_path, monkeypatch):
    (tmp_path / "surprise.py").write_text("open('owned', 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    record = yaml.safe_load((pca.path / "config.yaml").read_text())
    record["method"] = "surprise:Method"
    (pca.path / "config.yaml").write_text(yaml.safe_dump(record))
    with pytest.raises(tacit.RunError, match="trust=True"):
        tacit.load(pca.path)
    assert not Path("owned").exists()


def test_moved_and_changed_parents_are_said(pca, little_digits):
    child = tacit.fit("kmeans", pca, clusters=3)
    shutil.copytree("runs", "elsewhere")
    assert torch.equal(tacit.load(Path("elsewhere") / child.path.name).assign(little_digits[0]), child.assign())
    os.rename(pca.path, "away")
    with pytest.raises(tacit.RunError, match="stands on the run .* is not there; move it back"):
        tacit.load(child.path)
    os.rename("away", pca.path)
    tacit.fit("pca", little_digits, latent=2, out=pca.path, overwrite=True)
    with pytest.raises(tacit.RunError, match="whose weights have changed"):
        tacit.load(child.path)


def test_moved_and_changed_sources_are_said(little_digits, tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, little_digits[0])
    run = tacit.load(tacit.fit("pca", path, latent=2).path)
    other = little_digits[0][:5]
    np.save(path, little_digits[0][:200])
    with pytest.raises(tacit.DataError, match="has changed since it was fitted"):
        run.encode()
    path.unlink()
    with pytest.raises(tacit.DataError, match="the source of .* cannot be opened"):
        run.encode()
    assert run.encode(other).shape == (5, 2)


def test_arrays_in_memory_must_be_passed_again(pca, little_digits):
    again = tacit.load(pca.path)
    with pytest.raises(tacit.DataError, match="pass the data again"):
        again.encode()
    assert again.encode(little_digits[0]).shape == (300, 3)


def test_a_folder_of_a_built_in_name_is_not_taken_for_it(tmp_path):
    (tmp_path / "moons").mkdir()
    run = tacit.load(tacit.fit("pca", "moons", latent=1).path)
    assert run.record.data["source"] == "moons" and len(run.encode()) == 2000


def test_full_disk_keeps_what_was_there(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(tacit.TacitError, match="what was there before is kept"), write_atomically(path) as temporary:
        temporary.write_text("ne")
        raise OSError(28, "No space left on device")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


class Mine(torch.nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.line = torch.nn.Linear(64, width)

    def forward(self, x):
        return self.line(x.flatten(1))


def test_a_module_of_ones_own_is_saved_by_name_or_handed_over(little_digits, digits_data):
    from tacit.methods.autoencoders.vae import VAE

    run = tacit.fit(VAE(digits_data.spec, latent=3, encoder=Mine()), little_digits, steps=2, batch=16)
    assert tacit.load(run.path).encode(little_digits[0]).shape == (300, 3)
    handed = tacit.load(run.path, encoder=Mine())
    assert torch.equal(handed.encode(little_digits[0]), run.encode())
    with pytest.raises(tacit.OptionError, match="no option 'encodr'"):
        tacit.load(run.path, encodr=Mine())


class Doubled(Method):
    """A method of one's own, beside another run."""

    accepts = ("image",)

    def __init__(self, spec, *, features: "tacit.Frozen", factor: float = 2.0):
        super().__init__(spec)
        self.features, self.factor = features, factor
        self.learns("seen", dtype=torch.int64)

    def fit(self, x):
        self.seen = torch.tensor(len(x))

    def encode(self, x):
        return self.factor * self.features.chain.encode(x)


def test_another_run_inside_a_method_is_copied_in(pca, little_digits):
    from tacit.protocol import Frozen

    run = tacit.fit(f"{__name__}:Doubled", little_digits, features=pca, factor=3.0)
    assert torch.allclose(run.encode(), 3 * pca.encode())
    assert not any(p.requires_grad for p in run.method.features.parameters())
    shutil.rmtree(pca.path)
    assert torch.equal(tacit.load(run.path).encode(little_digits[0]), run.encode())
    by_hand = tacit.fit(Doubled(pca.spec, features=Frozen(pca.chain)), little_digits)
    with pytest.raises(tacit.RunError, match="hand it over: tacit.load\\(run, features=...\\)"):
        tacit.load(by_hand.path)
    assert tacit.load(by_hand.path, features=Frozen(pca.chain)).encode(little_digits[0]).shape == (300, 3)


KILLED = """
import os, random, signal, sys, time
import torch
import tacit
from tacit.runs.config import Record
from tacit.runs.weights import read_weights, write_weights
from pathlib import Path

folder, random = Path(sys.argv[1]), random.Random(0)
groups, record = read_weights(folder), Record.read(folder)
for _ in range(50):
    child = os.fork()
    while child == 0:
        write_weights(folder, groups)
        record.write(folder)
    time.sleep(random.uniform(0, 0.03))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    again = tacit.load(folder)
    assert all(torch.equal(groups["raw"][k], v) for k, v in again.method.state_dict().items())
print("survived")
"""


def test_killed_while_saving_the_run_always_loads(tmp_path, little_digits):
    """SIGKILL at 50 random moments of saving."""
    run = tacit.fit("pca", little_digits, latent=30, out=tmp_path / "run")
    done = subprocess.run([sys.executable, "-c", KILLED, run.path], capture_output=True, text=True, check=False)
    assert done.stdout == "survived\n", done.stderr
