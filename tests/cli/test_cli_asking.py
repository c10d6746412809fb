"""The verbs that ask something of a run, on a run whose answers are known."""

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Never

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tacit.cli.main import main
from tacit.data.dataset import Data, Skipped
from tacit.errors import CapabilityError, DataError
from tacit.protocol import Column, Spec

Capture = pytest.CaptureFixture[str]
IMAGE = Spec("image", (1, 4, 4), (0, 1), classes=("cat", "dog"))
TABLE = Spec("table", (2,), columns=(Column("age", "number", 0, mean=40, scale=10), Column("rich", "number", 1)))
N = 10


def samples(spec: Spec, source: str = "photos", notes: tuple[str, ...] = (), skipped: tuple[Skipped, ...] = ()) -> Data:
    x = torch.arange(N * spec.size, dtype=torch.float32).reshape(N, *spec.shape) / (N * spec.size)
    return Data(
        "photos", source, "f", spec, x, [f"{source}/{i}.png" for i in range(N)], torch.arange(N) >= 7,
        label=torch.arange(N) % 2, notes=notes, skipped=skipped,
    )


class Answers:
    """A run that brightens to reconstruct, is most surprised by sample 3, and groups by parity."""

    method_name, capabilities = "vae", frozenset({"Scores"})

    def __init__(self, path: Path, spec: Spec) -> None:
        self.path, self.spec, self.asked = path, spec, []
        self.chain = SimpleNamespace(check=self.check)
        self.lacks = None

    def check(self, capability: str, name: str) -> None:
        if capability == self.lacks:
            raise CapabilityError(f"{name} cannot do this through its parents")

    def data(self) -> Data:
        return samples(self.spec)

    def open(self, source: str) -> Data:
        return samples(self.spec, source, ("sizes differ",), (Skipped("bad.jpg", "truncated"),))

    def sample(self, n: int, *, seed: int = 0, **extra: Any) -> Tensor:
        self.asked.append((n, seed, extra))
        return torch.full((n, *self.spec.shape), 0.5)

    def encode(self, x: Data, **extra: Any) -> Tensor:
        self.asked.append(extra)
        return torch.arange(len(x) * 2, dtype=torch.float32).reshape(-1, 2)

    def decode(self, z: Tensor) -> Tensor:
        if z.shape[1] != 2:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
        return torch.zeros(len(z), *self.spec.shape)

    def reconstruct(self, x: Data) -> Tensor:
        return x.x + 0.5

    def score(self, x: Data) -> Tensor:
        scores = torch.arange(len(x), dtype=torch.float32)
        scores[3] = 99
        return scores

    def assign(self, x: Data) -> Tensor:
        return torch.arange(len(x)) % 2


Made = Callable[..., Answers]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answers]:
    """Puts a run of a catalogued method with known answers where the verbs look for it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    answers = Answers(tmp_path / "run", IMAGE)
    module = ModuleType("tacit.runs.loading")
    module.load = lambda path, device, trust: answers
    monkeypatch.setitem(sys.modules, "tacit.runs.loading", module)

    def of(method: str = "vae", spec: Spec = IMAGE) -> Answers:
        (tmp_path / "run" / "config.yaml").write_text(f"method: {method}\n")
        answers.spec = spec
        return answers

    of()
    return of


def ask(line: str, capsys: Capture, code: int = 0) -> Any:
    assert main(line.split()) == code, capsys.readouterr().err
    said = capsys.readouterr()
    assert not code or said.err.count("\n") == 1
    return said.err if code else said.out.splitlines()


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_samples_of_images_are_a_grid_and_never_overwritten(run: Made, tmp_path: Path, capsys: Capture) -> None:
    answers = run()
    out = ask("sample run -n 6 --seed 3 --temperature 1/2", capsys)
    assert answers.asked == [(6, 3, {"temperature": 0.5})]
    place = tmp_path / "run"
    assert out == [f"samples of {place}, seed 3: 6", f"wrote {place / 'samples' / 'samples-0001.png'}"]
    ask("sample run", capsys)
    assert answers.asked[1] == (64, 0, {})
    assert {p.name for p in (tmp_path / "run" / "samples").iterdir()} == {"samples-0001.png", "samples-0002.png"}


def test_each_image_may_be_a_file_of_its_own(run: Made, tmp_path: Path, capsys: Capture) -> None:
    out = ask("sample run -n 3 --each -o mine", capsys)
    assert len(out) == 5
    for i in range(3):
        with Image.open(tmp_path / "mine" / f"samples-0001-{i:05d}.png") as image:
            assert image.size == (4, 4)
            assert abs(image.getpixel((1, 1))[0] - 128) <= 1


def test_samples_of_a_table_are_rows_in_its_own_units(run: Made, tmp_path: Path, capsys: Capture) -> None:
    run(spec=TABLE)
    ask("sample run -n 2 -o made.csv", capsys)
    assert rows(tmp_path / "made.csv")[0].keys() == {"age", "rich"}
    assert float(rows(tmp_path / "made.csv")[0]["age"]) == 45
    assert "is there already; --overwrite" in ask("sample run -o made.csv", capsys, 2)
    ask("sample run -o made.csv --overwrite", capsys)
    assert len(rows(tmp_path / "made.csv")) == 64


def test_samples_of_vectors_are_arrays_and_a_picture(run: Made, tmp_path: Path, capsys: Capture) -> None:
    run(spec=Spec("vector", (2,)))
    out = ask("sample run -n 5", capsys)
    with np.load(tmp_path / "run" / "samples" / "samples-0001.npz") as held:
        assert held["x"].shape == (5, 2)
    assert out[-1].endswith("samples-0001.png") and (tmp_path / "run" / "samples" / "samples-0001.png").is_file()


def test_a_class_is_given_by_name_or_number(run: Made, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    from tacit.cli.verbs.sample import class_number
    from tacit.errors import OptionError

    assert class_number("dog", ("cat", "dog")) == class_number("1", ("cat", "dog")) == 1
    assert class_number("1", ("0", "5", "1")) == 2, "a name goes before a number"
    with pytest.raises(OptionError, match="no class 'dgo'. Did you mean 'dog'"):
        class_number("dgo", ("cat", "dog"))
    with pytest.raises(OptionError, match="fitted without labels"):
        class_number("2", ())


def test_the_options_of_a_call_are_the_method_s_own(run: Made, capsys: Capture) -> None:
    run("vae")
    assert any("--temperature" in line for line in ask("sample run --help", capsys))
    assert "has no option '--prompt'" in ask("sample run --prompt x", capsys, 2)
    assert any("--stochastic" in line for line in ask("encode run --help", capsys))
    run("pca")
    assert not any("--stochastic" in line for line in ask("encode run --help", capsys))


def test_what_no_run_of_a_method_can_do_is_said_before_anything_is_loaded(run: Made, capsys: Capture) -> None:
    run("ddpm").lacks = "everything: not even asked"
    assert ask("encode run", capsys, 2) == "tacit: ddpm cannot encode; it can sample, log_prob\n"
    run("kmeans")
    assert "kmeans cannot sample; it can anomaly_score, assign" in ask("sample run", capsys, 2)
    run("vae").lacks = "Samples"
    assert ask("sample run", capsys, 2) == "tacit: vae cannot do this through its parents\n"


def test_latents_are_written_with_all_that_is_known(run: Made, tmp_path: Path, capsys: Capture) -> None:
    out = ask("encode run -o z.npz --stochastic", capsys)
    assert out == ["latents, each 2: 10", "wrote z.npz"]
    assert run().asked == [{"stochastic": True}]
    with np.load(tmp_path / "z.npz", allow_pickle=False) as held:
        assert held["z"].shape == (N, 2) and held["ids"][3] == "photos/3.png"
        assert held["held_out"].tolist() == [False] * 7 + [True] * 3
        assert held["label"].tolist() == [0, 1] * 5 and held["classes"].tolist() == ["cat", "dog"]


def test_latents_are_decoded(run: Made, tmp_path: Path, capsys: Capture) -> None:
    ask("encode run -o z.npz", capsys)
    assert ask("decode run z.npz -o out", capsys)[-1] == "wrote out/decoded-0001.png"
    np.save(tmp_path / "wrong.npy", np.zeros((3, 5)))
    assert "latents of shape (5,), which are not those of" in ask("decode run wrong.npy", capsys, 2)
    np.savez(tmp_path / "two.npz", a=np.zeros(3), b=np.zeros((3, 2)))
    assert "holds a float64 (3,), b float64 (3, 2); expected latents 'z'" in ask("decode run two.npz", capsys, 2)
    (tmp_path / "text.npz").write_text("none")
    assert "holds no arrays" in ask("decode run text.npz", capsys, 2)
    (tmp_path / "torn.npz").write_bytes((tmp_path / "two.npz").read_bytes()[:200])
    assert "torn.npz holds no arrays" in ask("decode run torn.npz", capsys, 2)
    np.savez(tmp_path / "empty.npz")
    assert "empty.npz holds nothing; expected latents" in ask("decode run empty.npz", capsys, 2)
    assert "there is no file none.npz" in ask("decode run none.npz", capsys, 2)
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert "holds no arrays" in ask("decode run objects.npy", capsys, 2)


def test_the_error_is_over_held_out_samples_or_all_new_ones(run: Made, capsys: Capture) -> None:
    assert ask("reconstruct run", capsys)[0] == "mean squared error: 0.25 per value, over 3 held-out samples"
    out = ask("reconstruct run other", capsys)
    assert out[:3] == ["data: sizes differ", "skipped: bad.jpg: truncated",
                       "mean squared error: 0.25 per value, over 10 samples"]
    assert out[3].endswith("reconstructions-0002.png")


def test_the_strangest_come_first(run: Made, tmp_path: Path, capsys: Capture) -> None:
    out = ask("score run --top 2 -o s.csv", capsys)
    assert [line.split() for line in out] == [
        ["99", "photos/3.png"], ["9", "photos/9.png"], ["wrote", "s.csv"], ["wrote", "s.png"],
    ]
    table = rows(tmp_path / "s.csv")
    assert [r["id"] for r in table[:3]] == ["photos/3.png", "photos/9.png", "photos/8.png"]
    assert {r["split"] for r in table} == {"training", "held-out"} and len(table) == N
    ask("score run new -o s.csv --overwrite", capsys)
    assert {r["split"] for r in rows(tmp_path / "s.csv")} == {"new"}


@pytest.mark.parametrize("spec", [TABLE, IMAGE], ids=["table", "image"])
def test_scores_have_a_picture_of_every_kind(run: Made, tmp_path: Path, capsys: Capture, spec: Spec) -> None:
    run(spec=spec)
    ask("score run", capsys)
    with Image.open(tmp_path / "run" / "samples" / "scores-0001.png") as image:
        assert image.width > 50


def test_groups_are_counted_and_shown(run: Made, tmp_path: Path, capsys: Capture) -> None:
    run("kmeans")
    out = ask("cluster run", capsys)
    assert [line.split() for line in out[:2]] == [["cluster", "0", "5", "50.0%"], ["cluster", "1", "5", "50.0%"]]
    table = rows(tmp_path / "run" / "samples" / "clusters-0001.csv")
    assert [r["cluster"] for r in table] == ["0", "1"] * 5 and table[0]["id"] == "photos/0.png"
    assert (tmp_path / "run" / "samples" / "clusters-0001.png").is_file()
    run("kmeans", TABLE)
    assert len(ask("cluster run", capsys)) == 3, "a table has no exemplars"


@pytest.mark.parametrize("line", ["sample run -n 0", "reconstruct run -n 0"])
def test_nothing_is_no_number(run: Made, capsys: Capture, line: str) -> None:
    assert "takes a whole number from 1; it was given 0" in ask(line, capsys, 2)


def test_a_source_that_is_gone_spoils_no_samples(
    run: Made, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = run(spec=Spec("vector", (1,)))

    def gone() -> Never:
        raise DataError("gone")

    monkeypatch.setattr(answers, "data", gone)
    assert len(ask("sample run", capsys)) == 2
    assert ask("score run", capsys, 2) == "tacit: gone\n"
