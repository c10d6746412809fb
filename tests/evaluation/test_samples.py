"""Measures of samples: what perfect samples, copies, noise and missing classes must give."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

import tacit
from tacit.errors import DataError, RunError
from tacit.evaluation import samples
from tacit.evaluation.case import Case
from tacit.evaluation.measure import Measure
from tacit.evaluation.reconstruction import detail
from tacit.evaluation.spaces import Space, random_network
from tacit.functional.frechet import Moments, frechet_distance
from tacit.functional.sets import kernel_distance, precision_recall
from tacit.runs.run import Run

RATIO = "distance to the nearest training sample, against held-out"
NEARER = "nearer to a training sample than held-out data are"


@pytest.fixture(scope="module")
def run(tmp_path_factory: Any) -> Run:
    return tacit.fit("gmm", "moons", components=8, count=900, split="0.3", out=tmp_path_factory.mktemp("samples") / "g")


def case_of(run: Run, seed: int = 0) -> Case:
    own = run.data()
    names = (f"all {len(own.training)} training samples of moons", f"all {len(own.testing)} held-out samples of moons")
    return Case(run, own.take(own.training), own.take(own.testing), names, random_network(run.spec), seed)


def asked(run: Run, monkeypatch: pytest.MonkeyPatch, made: Tensor | None = None) -> dict[tuple[str, str], Measure]:
    """The answers by name and `of`, for samples in place of the run's own."""
    if made is not None:
        monkeypatch.setattr(run, "sample", lambda n, seed: made[:n])
    return {(m.name, m.of): m for m in samples.ask(case_of(run))}


def test_values_are_those_of_the_functions_on_as_many_samples_as_are_held_out(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, own = asked(run, monkeypatch), run.data()
    train, held = own.x[own.training], own.x[own.testing]
    for of, x in (("", run.sample(len(held), seed=0)), ("held-out data", held)):
        expected = frechet_distance(Moments.of(train), Moments.of(x))
        assert found["Frechet distance", of].value == pytest.approx(expected, rel=1e-6)
        distance = kernel_distance(train.double(), x.double())
        assert found["kernel distance", of].value == pytest.approx(distance.value, rel=1e-9)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[: len(held)]
    precision, recall = precision_recall(train[order].double(), run.sample(len(held), seed=0).double(), 3)
    assert found["precision", ""].value == pytest.approx(float(precision.double().mean()))
    assert found["recall", ""].value == pytest.approx(float(recall.double().mean()))


def test_every_answer_has_its_interval_space_and_words(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_rng_state()
    found = asked(run, monkeypatch)
    assert torch.equal(before, torch.get_rng_state())
    for m in found.values():
        assert m.low is not None and m.high is not None and m.low <= m.value <= m.high
        assert m.space == "the values" and m.question == "samples" and "moons" in m.protocol
        assert m.better == "" if m.of == "held-out data" else True
    assert found == asked(run, monkeypatch)


def test_new_samples_are_as_good_as_held_out_ones(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = asked(run, monkeypatch, tacit.open_data("moons", count=3_000).x[2_000:])
    low, high = found["Frechet distance", "held-out data"].low, found["Frechet distance", "held-out data"].high
    assert low is not None and high is not None and low <= found["Frechet distance", ""].value <= high
    assert found["kernel distance", ""].low <= 0 <= found["kernel distance", ""].high
    assert found["precision", ""].value > 0.9 and found["recall", ""].value > 0.9
    assert found[RATIO, ""].low < 1 < found[RATIO, ""].high
    assert found[NEARER, ""].low <= 0.011 <= found[NEARER, ""].high


def test_copies_are_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    train = run.data().x[run.data().training]
    copies = asked(run, monkeypatch, train + 1e-6)
    assert copies[NEARER, ""].value == 1 and copies[RATIO, ""].value < 1e-3
    few = torch.cat([train[:40], tacit.open_data("moons", count=3_000).x[2_000:]])
    mixed = asked(run, monkeypatch, few)
    assert mixed[NEARER, ""].low > 0.05 and mixed[RATIO, ""].value > 0.5
    assert copies["precision", ""].value > 0.9


def test_noise_and_a_missing_half_are_told_apart(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = tacit.open_data("moons", count=6_000)
    upper = asked(run, monkeypatch, fresh.x[fresh.label == 0][1_500:])
    noise = asked(run, monkeypatch, 3 * torch.randn(300, 2, generator=torch.Generator().manual_seed(0)))
    assert upper["precision", ""].value > 0.9 and upper["recall", ""].value < 0.6
    assert noise["precision", ""].value < 0.3
    for found in (upper, noise):
        for name in ("Frechet distance", "kernel distance"):
            assert found[name, ""].low > found[name, "held-out data"].high


def test_images_are_rounded_as_the_data_and_their_pixels_compared(digits_data: Any, tmp_path: Any) -> None:
    run = tacit.fit("pca", digits_data, latent=5, out=tmp_path / "p")
    own = run.data()
    train, test = own.take(torch.arange(150)), own.take(torch.arange(150, 300))
    case = Case(run, train, test, ("150 samples", "150 others"), Space("pixels", lambda x: x))
    made = samples.generated(case, test)
    assert made.x.dtype == torch.uint8
    torch.testing.assert_close(made.x.float() / 255, run.sample(150, seed=0), atol=0.5 / 255 + 1e-6, rtol=0)
    found = {(m.name, m.of): m for m in samples.ask(case)}
    assert found[RATIO, "pixels"].value == pytest.approx(found[RATIO, ""].value)
    assert found[RATIO, "pixels"].space == "pixels at 8 x 8"
    sharp = found["sharpness", ""]
    assert sharp.value == pytest.approx(detail(test.everything(), made.everything())[0]) and sharp.low < sharp.value
    assert "150 others" in sharp.protocol and "150 generated samples" in sharp.protocol


def test_too_few_samples_and_samples_that_are_no_numbers_are_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of(run)
    with pytest.raises(DataError, match="needs 20 of each"):
        next(samples.ask(dataclasses.replace(case, test=case.test.take(torch.arange(10)))))
    bad = torch.randn(500, 2)
    bad[3] = torch.nan
    with pytest.raises(RunError, match="1 of 264 samples"):
        asked(run, monkeypatch, bad)
