"""The live look at a game: when, what it says, what it warns of, and that it resumes."""

import json
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor

import tacit
from tacit.data.dataset import IN_MEMORY, Data
from tacit.protocol import Chain, Method, Spec
from tacit.runs.balance import Balance, played, quality, warnings

SPEC = Spec("image", (1, 8, 8), range=(0.0, 1.0))


class Game(Method):
    """Makes images as `make` says."""

    def __init__(self, spec: Spec, make) -> None:
        super().__init__(spec)
        self.make = make

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        return self.make(torch.rand(n, *self.spec.shape, generator=generator))

    def discriminate(self, x: Tensor) -> Tensor:
        return x.flatten(1).mean(1)


def data(n: int = 400) -> Data:
    x = (torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 255).to(torch.uint8)
    return Data("toy", IN_MEMORY, "0", SPEC, x, [str(i) for i in range(n)], torch.arange(n) < 40)


def balance(tmp_path: Path, make=lambda x: x) -> tuple[Balance, list[str]]:
    said: list[str] = []
    return Balance(Chain(Game(SPEC, make)).eval(), data(), tmp_path, say=said.append), said


def logs(tmp_path: Path, *lines: tuple[int, float, float, float, float]) -> None:
    names = ("discriminator/accuracy_real", "discriminator/accuracy_fake", "discriminator/logit_gap", "generator/norm")
    rows = [{"step": step, **dict(zip(names, rest, strict=True)), "discriminator/norm": 7.0} for step, *rest in lines]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_when_it_is_due(tmp_path: Path) -> None:
    looks, _ = balance(tmp_path)
    assert [s for s in range(1, 5001) if looks.due(s)] == [100, 200, 500, 1000, 2000, 5000]
    assert not Balance(Chain(Method(SPEC)), data(), tmp_path, say=print).due(100), "no game"


def test_what_it_says_of_a_balanced_game(tmp_path: Path) -> None:
    looks, said = balance(tmp_path)
    logs(tmp_path, (40, 0.1, 0.1, 9.0, 1.0), (60, 0.8, 0.7, 2.0, 3.0), (100, 0.86, 0.88, 2.2, 1.0), (150, 0, 0, 0, 9.0))
    logged = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])
    (tmp_path / "balance.jsonl").write_text(json.dumps({"step": 50, **logged, "precision": 0, "recall": 0}) + "\n")
    looks(7)
    assert not said
    looks(100)
    (line,) = said
    assert line.startswith("step 100: D is right on 83 % of data and 79 % of samples, logit gap 2.1; of a few samples, "
                           "roughly: precision ")
    found = json.loads((tmp_path / "balance.jsonl").read_text().splitlines()[-1])
    assert found["generator_norm"] == 2.0 and found["accuracy_real"] == pytest.approx(0.83)
    assert min(found["precision"], found["recall"]) > 0.5 and found["diversity"] == pytest.approx(1, abs=0.05)


def test_nothing_is_warned_of_without_cause(tmp_path: Path) -> None:
    looks, said = balance(tmp_path)
    steps = (100, 200, 500, 1000, 2000)
    logs(tmp_path, *((step, 0.9, 0.99, 5.0, 1.0) for step in steps))
    for step in steps:
        looks(step)
    assert len(said) == len(steps) and not any("warning" in line for line in said)


def test_a_generator_of_one_image_is_found_out(tmp_path: Path) -> None:
    looks, said = balance(tmp_path, lambda x: x.new_full(x.shape, 0.5) + 0.01 * x)
    for step in (100, 200, 500):
        looks(step)
    assert len(said) == 3, "an untrained generator may do so"
    looks(1000)
    assert len(said) == 5 and said[-1].startswith("warning: modes have collapsed") and "--lr" in said[-1]


def test_samples_of_one_kind_of_many_are_found_out() -> None:
    generator = torch.Generator().manual_seed(0)
    kinds = 10 * torch.eye(8)[torch.randint(8, (256,), generator=generator)]
    noise = [0.3 * torch.randn(256, 8, generator=generator) for _ in range(2)]
    found = {"step": 500, **quality(kinds + noise[0], 10 * torch.eye(8)[0] + noise[1])}
    assert found["precision"] > 0.8 and found["recall"] < 0.25 and found["diversity"] < 0.3
    assert len(warnings(found, [found])) == 1
    assert not warnings({"step": 500, **quality(kinds + noise[0], kinds + noise[1])}, [found])


def test_a_discriminator_that_has_won_is_said_in_words(tmp_path: Path) -> None:
    looks, said = balance(tmp_path)
    logs(tmp_path, (500, 1.0, 1.0, 9.0, 1.0), (1000, 1.0, 0.99, 14.0, 1.0), (2000, 1.0, 1.0, 11.0, 1.0),
         (5000, 1.0, 1.0, 10.0, 0.001))
    for step in (500, 1000, 2000, 5000):
        looks(step)
    steps = [said[i - 1].partition(":")[0] for i, line in enumerate(said) if "the discriminator has won" in line]
    assert steps == ["step 1,000", "step 5,000"], "at 2,000 its lead was falling; at 5,000 the gradient has vanished"


def test_players_that_log_no_accuracy_are_not_asked(tmp_path: Path) -> None:
    assert played([{"step": 1, "critic/loss": 3.0, "critic/norm": 1.0, "generator/norm": 2.0}]) == {}
    assert played([{"step": 1, "judge/accuracy_real": None, "judge/accuracy_fake": 0.5}]) == {"accuracy_fake": 0.5}
    looks, said = balance(tmp_path)
    looks(100)
    assert said[0].startswith("step 100: of a few samples, roughly: precision ")


def test_numbers_that_are_none_end_nothing(tmp_path: Path) -> None:
    looks, said = balance(tmp_path, lambda x: x * torch.nan)
    looks(100)
    assert said == ["step 100: warning: some samples are not finite"]


def test_a_resumed_run_replaces_what_came_after(tmp_path: Path) -> None:
    looks, _ = balance(tmp_path)
    for step in (100, 200, 500):
        looks(step)
    whole = (tmp_path / "balance.jsonl").read_text()
    again, _ = balance(tmp_path)
    for step in (200, 500):
        again(step)
    assert (tmp_path / "balance.jsonl").read_text() == whole
    again(200)
    assert [json.loads(line)["step"] for line in (tmp_path / "balance.jsonl").read_text().splitlines()] == [100, 200]


def test_a_run_keeps_its_looks(little_digits) -> None:
    run = tacit.fit("gan", little_digits, steps=100, batch=8, latent=2, net="mlp", width=8, log_steps=50)
    (line,) = [json.loads(line) for line in (run.path / "balance.jsonl").read_text().splitlines()]
    assert line["step"] == 100 and {"accuracy_real", "logit_gap", "generator_norm", "recall"} <= line.keys()
    assert "step 100: D is right on" in (run.path / "log.txt").read_text()
