"""Perceptual path length: its closed form where a run only turns its latents, and who is not asked."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tacit
from tacit.errors import CapabilityError
from tacit.evaluation.evaluate import evaluate
from tacit.evaluation.smoothness import lengths, trimmed
from tacit.evaluation.spaces import Space
from tacit.runs.run import Run


@pytest.fixture(scope="module")
def turned(tmp_path_factory: Any) -> Run:
    """A run that decodes two latents by an isometry into five values."""
    x = np.random.default_rng(0).normal(size=(80, 5)).astype(np.float32)
    run = tacit.fit("pca", x, latent=2, whiten=True, out=tmp_path_factory.mktemp("smoothness") / "pca")
    run.method.variances.fill_(1.0)  # type: ignore[operator, union-attr]
    return run


def speed(gain: float = 1.0) -> float:
    """The mean squared speed of spherical walks between pairs of N(0, I) in two dimensions, times a gain squared.

    The norm changes by r1 - r0 and the direction by an angle that is uniform on (0, pi); the radius at t is
    (1 - t) r0 + t r1.
    """
    mean, square = math.sqrt(math.pi / 2), 2.0  # of a norm
    along = 2 * square - 2 * mean**2
    radius = 2 / 3 * square + 1 / 3 * mean**2  # t uniform: E[(1 - t)^2 + t^2] = 2/3, E[2 t (1 - t)] = 1/3
    return gain**2 * (along + radius * math.pi**2 / 3)


@pytest.mark.parametrize("gain", [1.0, 3.0])
def test_it_has_its_closed_form_on_a_linear_run_with_linear_features(turned: Run, gain: float) -> None:
    found = lengths(turned, Space("scaled", lambda x: gain * x), 20_000)
    error = float(found.std()) / math.sqrt(len(found))
    assert abs(float(found.mean()) - speed(gain)) < 4 * error < 0.1 * speed(gain)


def test_rounding_does_not_show(turned: Run) -> None:
    """Far from zero float32 has few digits: what is lost to them must be little beside what the step changes."""
    space = Space("values", lambda x: x)
    near = lengths(turned, space, 500)
    turned.method.mean.add_(1.0)  # type: ignore[operator, union-attr]
    torch.testing.assert_close(lengths(turned, space, 500), near, rtol=0.01, atol=1e-3)
    turned.method.mean.sub_(1.0)  # type: ignore[operator, union-attr]


def test_hundredths_at_both_ends_are_dropped() -> None:
    values = torch.cat([torch.full((3,), 1e9), torch.ones(294), torch.full((3,), -1e9)])
    assert torch.equal(trimmed(values), torch.ones(294))
    assert len(trimmed(torch.ones(20))) == 20


def test_runs_are_asked_by_name_and_those_without_gaussian_latents_say_why(tmp_path: Path) -> None:
    vae = tacit.fit("vae", "digits", steps=5, out=tmp_path / "vae")
    (measure,) = evaluate(vae, only=("smoothness",), made=60).measures
    assert measure.name == "perceptual path length" and measure.better == "lower" and measure.value > 0
    assert measure.low is not None and measure.high is not None and measure.low < measure.value < measure.high
    assert "60 pairs" in measure.protocol and measure.space.startswith("random convolutional network")
    gmm = tacit.fit("gmm", "digits", components=2, out=tmp_path / "gmm")
    silent = evaluate(gmm, only=("smoothness",)).silent
    assert "does not draw latents" in silent["smoothness"]
    with pytest.raises(CapabilityError, match="sample"):
        evaluate(tacit.fit("kmeans", "digits", out=tmp_path / "k"), only=("smoothness",))
