"""Nats and bits: their values, their bound, and what is not said because it is not known."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

import tacit
from tacit.evaluation import likelihood
from tacit.evaluation.case import Case
from tacit.evaluation.measure import Measure
from tacit.evaluation.spaces import random_network
from tacit.runs.run import Run


def asked(run: Run) -> tuple[Case, dict[tuple[str, str], Measure]]:
    own = run.data()
    case = Case(run, own.take(own.training), own.take(own.testing), ("the training", "the test"),
                random_network(run.spec))
    return case, {(m.name, m.of): m for m in likelihood.ask(case)}


@pytest.fixture(scope="module")
def gmm(tmp_path_factory: Any) -> Run:
    return tacit.fit("gmm", "moons", count=400, split="0.3", components=30, out=tmp_path_factory.mktemp("l") / "g")


@pytest.fixture
def vae(tmp_path: Any, digits_data: Any) -> Run:
    return tacit.fit("vae", digits_data, latent=2, steps=5, batch=32, likelihood="logistic", out=tmp_path / "v")


def test_nats_are_the_mean_of_an_exact_density_and_overfitting_is_seen(gmm: Run) -> None:
    case, found = asked(gmm)
    nats = found["log likelihood", ""]
    unseen, known = gmm.log_prob(case.test), gmm.log_prob(case.train)
    assert nats.value == pytest.approx(float(unseen.mean()), rel=1e-6) and nats.unit == "nats"
    assert nats.low < nats.value < nats.high and "the test" in nats.protocol
    gap = found["overfitting", ""]
    assert gap.value == pytest.approx(float(known.mean() - unseen.mean()), rel=1e-5)
    assert gap.low > 0, "thirty Gaussians on 280 points know them by heart"
    assert gap.high - gap.low == pytest.approx(nats.high - nats.low, rel=1e-5)
    assert set(found) == {("log likelihood", ""), ("overfitting", "")}


def test_a_lower_bound_is_called_one_and_tightens_with_draws(vae: Run) -> None:
    case, found = asked(vae)
    title = "lower bound of the log likelihood"
    one, many = found[title, ""], found[title, "64 draws"]
    assert many.value > one.value - 0.5
    assert many.value == pytest.approx(float(vae.log_prob(case.test, k=64).mean()), rel=1e-5)
    assert "a bound of 64 draws" in many.protocol


def test_bits_are_given_only_where_it_is_known_of_what_the_nats_are(vae: Run) -> None:
    vae.method.discrete = None
    case, found = asked(vae)
    assert not any(m.unit == "bits/dim" for m in found.values())
    assert all("does not say" in m.protocol for n, m in found.items() if n[0] != "overfitting")
    nats = float(vae.log_prob(case.test).double().mean())
    spaces = {found["overfitting", ""].space}
    for discrete, extra, word in ((True, 0.0, "the probability"), (False, math.log2(255), "a density")):
        vae.method.discrete = discrete
        _, told = asked(vae)
        bits = told["bits per dimension", "lower bound of the log likelihood"]
        assert bits.value == pytest.approx(-nats / (64 * math.log(2)) + extra, rel=1e-5)
        assert word in bits.protocol and bits.better == "lower" and bits.low < bits.value < bits.high
        spaces.add(bits.space)
    assert len(spaces) == 3, "densities and probabilities are never set side by side"


def test_a_density_over_latents_is_called_one_and_has_no_bits(vae: Run, tmp_path: Any) -> None:
    child = tacit.fit("gmm", vae, components=2, out=tmp_path / "child")
    _, found = asked(child)
    assert not any(m.unit == "bits/dim" for m in found.values())
    nats = found["log likelihood", ""]
    assert "the latents of VAE" in nats.space and "not over the data" in nats.protocol


def test_codes_leave_no_choice(vae: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from tacit.protocol import Spec

    monkeypatch.setattr(vae.method, "spec", Spec("codes", (2, 2), codes=4))
    assert likelihood.mass_of(vae, vae.data()) == "probability"


def test_random_states_stay(vae: Run) -> None:
    before = torch.get_rng_state()
    assert asked(vae)[1] == asked(vae)[1]
    assert torch.equal(before, torch.get_rng_state())


def test_a_bernoulli_of_grey_values_is_no_likelihood(tmp_path: Any) -> None:
    grey, binary = (
        tacit.fit("vae", "digits", likelihood="bernoulli", binarise=binarise, steps=2, out=tmp_path / str(binarise))
        for binarise in (False, True)
    )
    assert likelihood.mass_of(grey, grey.data()) == "none"
    assert likelihood.mass_of(binary, binary.data()) == "probability"
    assert not list(likelihood.bits(asked(grey)[0], "bound", torch.zeros(5)))
    (measure,) = likelihood.bits(asked(binary)[0], "bound", torch.full((5,), -64 * 0.5 * math.log(2)))
    assert measure.value == pytest.approx(0.5)
    assert "--binarise" in likelihood.about(grey, grey.data())
