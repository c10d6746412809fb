"""Bounds of a model whose likelihood is known in closed form, and of a VAE."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from linear_gaussian import LinearGaussian

import tacit
from tacit.errors import CapabilityError, OptionError
from tacit.evaluation import bounds as asking
from tacit.evaluation.bounds import bounds
from tacit.evaluation.case import Case, Effort
from tacit.evaluation.measure import Measure
from tacit.evaluation.spaces import random_network
from tacit.protocol import Spec
from tacit.runs.run import Run


def linear(folder: Path, n: int = 40, **options: Any) -> Run:
    """A run of the known model on draws of its own."""
    method = LinearGaussian(Spec("vector", (6,)), **options)
    x, _ = method.simulate(n, generator=torch.Generator().manual_seed(1))
    return tacit.fit(method, x.numpy().astype(np.float32), split="0.5", out=folder / "run")


def test_every_bound_of_a_linear_gaussian_model_is_the_closed_form(tmp_path: Path) -> None:
    run = linear(tmp_path, shift=0.05, stretch=1.1)
    data = run.data()
    exact = run.method.exact(data.everything())
    found = bounds(run, data, draws=(1, 2_000), annealed=20, temperatures=60, chains=150)
    torch.testing.assert_close(found.draws[1].mean(), exact.mean() - run.method.kl(), atol=0.02, rtol=0)
    torch.testing.assert_close(found.draws[2_000].mean(), exact.mean(), atol=0.01, rtol=0)
    torch.testing.assert_close(found.annealed.mean(), exact[found.chosen].mean(), atol=0.01, rtol=0)
    assert abs((found.upper - found.lower).mean()) < 0.02
    assert found.lower.shape == found.upper.shape == (20,)
    assert 0.5 < found.acceptance < 0.8
    assert found.effective[1].eq(1).all() and (found.effective[2_000] < 2_000).all()


def test_a_posterior_that_is_exact_leaves_nothing_to_tighten(tmp_path: Path) -> None:
    run = linear(tmp_path)
    exact = run.method.exact(run.data().everything())
    found = bounds(run, run.data(), draws=(1, 5), annealed=5, temperatures=5, chains=4)
    for bound in found.draws.values():
        torch.testing.assert_close(bound, exact, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.effective[5], torch.full((40,), 5.0).double(), atol=1e-3, rtol=0)


def test_bounds_rise_with_draws_and_annealing_sample_by_sample(tmp_path: Path) -> None:
    run = linear(tmp_path, latent=4, shift=0.1, correlated=False)
    found = bounds(run, run.data(), draws=(1, 5, 50), annealed=40, temperatures=80)
    ladder = [found.draws[k] for k in (1, 5, 50)]
    assert all((low <= high).all() for low, high in itertools.pairwise(ladder))
    assert ladder[-1].mean() < found.annealed.mean() + 0.01
    assert found.lower.mean() < found.upper.mean() + 0.02


def test_chunks_bound_what_is_decoded_at_once_and_change_nothing_but_the_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, decoded = linear(tmp_path, shift=0.05, stretch=1.1), []
    log_joint = LinearGaussian.log_joint
    monkeypatch.setattr(LinearGaussian, "log_joint", lambda m, x, z: decoded.append(len(x)) or log_joint(m, x, z))
    monkeypatch.setattr(asking, "ROWS", 64)
    found = bounds(run, run.data(), draws=(1, 1_000), annealed=6, temperatures=40, chains=32)
    assert max(decoded) == 64
    exact = run.method.exact(run.data().everything())
    torch.testing.assert_close(found.draws[1_000].mean(), exact.mean(), atol=0.01, rtol=0)
    torch.testing.assert_close(found.annealed.mean(), exact[found.chosen].mean(), atol=0.03, rtol=0)


@pytest.fixture(scope="module")
def vae(tmp_path_factory: Any, digits_data: Any) -> Run:
    out = tmp_path_factory.mktemp("b") / "v"
    return tacit.fit("vae", digits_data, latent=3, steps=60, batch=32, width=32, net="mlp", likelihood="logistic",
                     out=out)  # fmt: skip


def asked(run: Run, folder: Path | None = None) -> tuple[Case, dict[tuple[str, str], Measure]]:
    own = run.data()
    case = Case(run, own.take(own.training), own.take(own.testing), ("the training", "the test"),
                random_network(run.spec), pictures=folder, effort=Effort(50, 12, 10))  # fmt: skip
    return case, {(m.name, m.of): m for m in asking.ask(case)}


def test_a_run_is_asked_for_every_bound_in_nats_and_bits(vae: Run, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    case, found = asked(vae, tmp_path)
    assert torch.equal(before, torch.get_rng_state())
    names = ["ELBO", "IWAE-5", "IWAE-50"]
    nats = [found[asking.TITLE, name] for name in names]
    assert nats[0].value < nats[1].value < nats[2].value and all(m.low < m.value < m.high for m in nats)
    assert nats[2].value == pytest.approx(float(vae.log_prob(case.test, k=50).mean()), rel=0.02)
    bits = found["bits per dimension", "AIS"]
    assert bits.value == pytest.approx(-found[asking.TITLE, "AIS"].value / (64 * np.log(2)))
    loose = [found["looseness", name] for name in names]
    assert loose[0].value > loose[1].value > loose[2].value
    assert loose[0].high - loose[0].low < found[asking.TITLE, "AIS"].high - found[asking.TITLE, "AIS"].low, "paired"
    assert "12 of the test" in loose[0].protocol and "10 temperatures" in loose[0].protocol
    assert 1 <= found["effective sample size", "IWAE-50"].value <= 50
    assert ("bidirectional gap", "AIS") in found
    assert (tmp_path / "bounds.png").is_file()


def test_bits_are_said_only_where_the_nats_are_those_of_probabilities_of_the_data(vae: Run) -> None:
    vae.method.discrete = False
    assert not any(m.unit == "bits/dim" for m in asked(vae)[1].values())
    vae.method.discrete = True


def test_latents_of_a_parent_are_bounded_as_such(vae: Run, tmp_path: Path) -> None:
    child = tacit.fit("vae", vae, latent=2, steps=20, batch=32, out=tmp_path / "child")
    _, found = asked(child)
    assert all("the latents of VAE" in m.space for m in found.values())
    assert "not over the data" in found[asking.TITLE, "AIS"].protocol


def test_what_cannot_be_asked_is_refused(vae: Run, tmp_path: Path) -> None:
    with pytest.raises(CapabilityError, match="cannot infer"):
        bounds(tacit.fit("pca", "digits", out=tmp_path / "pca"), vae.data())
    for wrong in ({"draws": ()}, {"draws": (0, 5)}, {"annealed": 1}, {"temperatures": 1}, {"chains": 0}):
        with pytest.raises(OptionError, match="at least"):
            bounds(vae, vae.data(), **wrong)
    with pytest.raises(OptionError, match="draws is 0"):
        Effort(0)


def test_the_seed_decides(vae: Run) -> None:
    data = vae.data().take(torch.arange(6))
    how: dict[str, Any] = {"draws": (1, 5), "annealed": 3, "temperatures": 4, "chains": 2}
    one, two, other = (bounds(vae, data, seed=seed, **how) for seed in (1, 1, 2))
    for field in dataclasses.fields(one):
        assert str(getattr(one, field.name)) == str(getattr(two, field.name))
    assert not torch.equal(one.draws[5], other.draws[5])
