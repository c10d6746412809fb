"""The live look at features: when, what it says, what it warns of, and that it resumes."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

import tacit
from tacit.data.dataset import IN_MEMORY, Data
from tacit.protocol import Chain, Method, Spec
from tacit.runs.health import Health, knn_accuracy

VECTOR = Spec("vector", (6,), classes=("a", "b"))


class Net(Method):
    """Multiplies by a matrix."""

    def __init__(self, spec: Spec, weight: Tensor) -> None:
        super().__init__(spec)
        self.weight = nn.Parameter(weight)

    def encode(self, x: Tensor) -> Tensor:
        return x @ self.weight + 0.1


def data(n: int = 700, held_out: int = 100, labelled: bool = True) -> Data:
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(2, (n,), generator=generator)
    x = torch.randn(n, 6, generator=generator)
    x[:, 0] += 8 * label - 4
    held = torch.arange(n) < held_out
    return Data("toy", IN_MEMORY, "0", VECTOR, x, [str(i) for i in range(n)], held, label=label if labelled else None)


def looks(tmp_path: Path, weight: Tensor, source: Data | None = None) -> tuple[Health, list[str]]:
    said: list[str] = []
    chain = Chain(Net(VECTOR, weight)).eval()
    return Health(chain, source or data(), tmp_path, say=said.append), said


def test_when_it_is_due(tmp_path: Path) -> None:
    health, _ = looks(tmp_path, torch.eye(6))
    assert [s for s in range(1, 5001) if health.due(s)] == [10, 100, 200, 500, 1000, 2000, 5000]
    assert not Health(Chain(Method(VECTOR)), data(), tmp_path, say=print).due(100), "what cannot encode has no features"


def test_what_it_says_of_healthy_features(tmp_path: Path) -> None:
    health, said = looks(tmp_path, torch.eye(6))
    health(7)
    assert not said
    health(500)
    (line,) = said
    found = json.loads((tmp_path / "health.jsonl").read_text())
    assert found["step"] == 500 and found["knn"] > 0.95 and 4 < found["effective_rank"] <= 6
    assert line == (f"step 500: kNN {100 * found['knn']:.1f} %, effective rank {found['effective_rank']:.1f} of 6, "
                    f"feature deviation {found['feature_deviation']:.3g}")


@pytest.mark.parametrize("weight", [
    torch.ones(6, 6),  # a line
    1e-6 * torch.eye(6),  # a point
])
def test_collapse_is_said_in_words(tmp_path: Path, weight: Tensor) -> None:
    health, said = looks(tmp_path, weight)
    health(10)
    assert len(said) == 1, "an untrained net may look so"
    health(100)
    assert len(said) == 3 and said[-1].startswith("warning: the features have collapsed") and "--lr" in said[-1]


def test_without_labels_or_held_out_samples(tmp_path: Path) -> None:
    for source in (data(labelled=False), data(held_out=0)):
        health, said = looks(tmp_path, torch.eye(6), source)
        health(100)
        assert said[0].startswith("step 100: effective rank")


def test_numbers_that_are_none_end_nothing(tmp_path: Path) -> None:
    health, said = looks(tmp_path, torch.full((6, 6), torch.nan))
    health(100)
    assert said == ["step 100: warning: some features are not finite"]


def test_a_resumed_run_replaces_what_came_after(tmp_path: Path) -> None:
    first, _ = looks(tmp_path, torch.eye(6))
    for step in (10, 100, 200):
        first(step)
    again, _ = looks(tmp_path, torch.ones(6, 6))
    again(100)
    lines = [json.loads(line) for line in (tmp_path / "health.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 100]
    assert lines[1]["effective_rank"] < 1.5


def test_votes_against_a_slow_count() -> None:
    generator = torch.Generator().manual_seed(0)
    x, reference = (torch.randn(n, 4, generator=generator) for n in (40, 60))
    label, known = (torch.randint(-1, 3, (n,), generator=generator) for n in (40, 60))
    right = total = 0
    for row, y in zip(x, label.tolist(), strict=True):
        if y < 0:
            continue
        cosine = [(float(normalize(row, dim=0) @ normalize(r, dim=0)), k)
                  for r, k in zip(reference, known.tolist(), strict=True) if k >= 0]
        votes = [0.0] * 3
        for c, k in sorted(cosine, reverse=True)[:20]:
            votes[k] += float(torch.tensor(c / 0.07).exp())
        total, right = total + 1, right + (votes.index(max(votes)) == y)
    assert knn_accuracy(x, label, reference, known) == pytest.approx(right / total)
    nobody = torch.full((60,), -1)
    assert knn_accuracy(x, label, reference, nobody) is None
    assert knn_accuracy(x[:0], label[:0], reference, known) is None


def test_a_run_keeps_its_looks(little_digits) -> None:
    run = tacit.fit("ae", little_digits, steps=12, batch=16, latent=3)
    (line,) = [json.loads(line) for line in (run.path / "health.jsonl").read_text().splitlines()]
    assert line["step"] == 10 and 0 <= line["knn"] <= 1
    assert "step 10: kNN" in (run.path / "log.txt").read_text()
