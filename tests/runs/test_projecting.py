"""Projection: least squares where the run is linear, codes that stay codes, targets that do not touch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import tacit
from tacit.catalog import method_class
from tacit.errors import CapabilityError
from tacit.runs.latents import draw
from tacit.runs.projecting import project, rounds
from tacit.runs.run import Run


@pytest.fixture(scope="module")
def linear(tmp_path_factory: Any) -> Run:
    """A run whose samples are a linear map of standard normal latents."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 6)) + 0.3 * rng.normal(size=(300, 6)) + 2
    return tacit.fit("pca", x.astype(np.float32), latent=3, whiten=True, out=tmp_path_factory.mktemp("p") / "pca")


def test_on_a_linear_run_it_is_least_squares(linear: Run) -> None:
    targets = linear.data().take(torch.arange(20))
    found = project(linear, targets)
    x = targets.everything().double()
    a = (linear.method.axes * linear.method.variances.sqrt()[:, None]).T.double()  # (6, 3)
    best = torch.linalg.lstsq(a, (x - linear.method.mean).T).solution.T
    torch.testing.assert_close(found.z.double(), best, atol=2e-3, rtol=0)
    torch.testing.assert_close(found.error.double(), (x - best @ a.T - linear.method.mean).square().mean(1), atol=1e-5,
                               rtol=1e-4)
    torch.testing.assert_close(found.x, linear.decode(found.z))


def test_latents_stay_within_the_ball(linear: Run) -> None:
    far = tacit.open_data((100 * linear.data().everything()[:4]).numpy())
    norms = project(linear, far, steps=200).z.norm(dim=1)
    torch.testing.assert_close(norms, torch.full((4,), 3**0.5 + 3.0))


def test_targets_do_not_touch_one_another_and_the_seed_decides(linear: Run) -> None:
    data = linear.data()
    both, alone = project(linear, data.take(torch.tensor([4, 9])), steps=30), project(
        linear, data.take(torch.tensor([9])), steps=30)
    torch.testing.assert_close(both.z[1:], alone.z)
    assert torch.equal(project(linear, data.take(torch.tensor([9])), steps=30).z, alone.z)
    calls: list[int] = []
    project(linear, data.take(torch.arange(5)), steps=7, advance=calls.append)
    assert sum(calls) == rounds(linear, 5, 7) == 7


def test_without_steps_it_is_the_nearest_draw(linear: Run) -> None:
    targets = linear.data().take(torch.arange(6))
    drawn = draw(linear, 50, seed=8)
    nearest = torch.cdist(targets.everything(), linear.decode(drawn)).argmin(1)
    found = project(linear, targets, steps=0, draws=50, seed=8)
    assert torch.equal(found.z, drawn[nearest]) and torch.equal(found.error, found.drawn)


def test_codes_stay_one_hot_and_come_nearer(tmp_path: Any, digits_data: Any) -> None:
    run = tacit.fit("gumbel-vae", digits_data, variables=6, categories=4, steps=60, out=tmp_path / "gumbel")
    made = draw(run, 8, seed=5)
    targets = run.open(run.decode(made).numpy())
    found = project(run, targets, steps=120, draws=16)
    codes = found.z.unflatten(1, (6, 4))
    assert ((codes == 0) | (codes == 1)).all() and codes.sum(-1).eq(1).all()
    assert (found.error <= found.drawn).all() and float(found.error.mean()) < 0.5 * float(found.drawn.mean())


def test_a_class_is_found_with_its_style(tmp_path: Any) -> None:
    run = tacit.fit("m2", "digits", steps=60, out=tmp_path / "m2")
    made = draw(run, 6, seed=5)
    found = project(run, run.open(run.decode(made).numpy()), steps=150)
    assert found.z[:, 8:].sum(1).eq(1).all() and found.z[:, 8:].max(1).values.eq(1).all()
    assert float(found.error.mean()) < 0.2 * float(found.drawn.mean())


@pytest.mark.parametrize("name, options", [
    ("gan", {"conditional": True}), ("infogan", {}), ("infogan", {"categories": 0}), ("m2", {}),
    ("gumbel-vae", {"variables": 3, "categories": 4}), ("gumbel-vae", {"variables": 3, "categories": 2}),
])
def test_codes_are_what_their_method_says(name: str, options: dict[str, Any], digits_data: Any) -> None:
    method: Any = method_class(name)(digits_data.spec, **options)
    z = method.prior(300)
    uniform = getattr(method, "uniform", 0)
    widths = [method.gaussian, *method.one_hot, uniform]
    assert sum(widths) == z.shape[1] and (method.one_hot or uniform)
    _, *codes, last = z.split(widths, 1)
    assert all(((code == 0) | (code == 1)).all() for code in codes)
    assert all((code.sum(1) == 1).all() for code in codes if code.shape[1] > 1)
    assert not uniform or last.amin() < -0.9 and last.amax() > 0.9 and last.abs().amax() <= 1


@pytest.mark.parametrize("name, options, widths", [
    ("infogan", {"latent": 3, "categories": 4, "continuous": 2}, [4]),
    ("infogan", {"latent": 3, "categories": 0, "continuous": 2}, []),
    ("gan", {"latent": 3, "conditional": True}, [11]),
])
def test_what_is_found_lies_where_noise_may(
    name: str, options: dict[str, Any], widths: list[int], tmp_path: Any, digits_data: Any
) -> None:
    run = tacit.fit(name, digits_data, net="mlp", width=16, steps=20, out=tmp_path / name, **options)
    found = project(run, digits_data.take(torch.arange(6)), steps=60, draws=8)
    _, *codes, last = found.z.split([3, *widths, found.z.shape[1] - 3 - sum(widths)], 1)
    for code in codes:
        assert ((code == 0) | (code == 1)).all() and code.sum(1).eq(1).all()
    assert (last.abs() <= 1).all() and (found.error <= found.drawn + 1e-6).all()


def test_features_of_another_run_are_heeded(tmp_path: Any, linear: Run) -> None:
    aslant = np.random.default_rng(1).normal(size=(50, 1)) * np.array([[1, -1, 2, 0, 1, -2]])  # not in the plane
    other = tacit.fit("pca", aslant.astype(np.float32), latent=1, out=tmp_path / "axis")
    targets = linear.data().take(torch.arange(5))
    heeded, plain = project(linear, targets, features=other), project(linear, targets)
    seen = other.encode(targets)
    apart = [float((other.encode(f.x.numpy()) - seen).square().mean()) for f in (heeded, plain)]
    assert apart[0] < 0.5 * apart[1]
    assert (heeded.error >= plain.error - 1e-6).all()
    with pytest.raises(CapabilityError, match="cannot encode"):
        project(linear, targets, features=tacit.fit("gmm", linear.data(), components=2, out=tmp_path / "gmm"))


def test_runs_without_gradients_say_so(tmp_path: Any, digits_data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tacit.fit("pca", digits_data, latent=3, whiten=True, out=tmp_path / "pca")
    decode = run.method.decode
    monkeypatch.setattr(run.method, "decode", lambda z: decode(z.detach()))
    with pytest.raises(CapabilityError, match="no gradients"):
        project(run, digits_data.take(torch.arange(2)), steps=2)


def test_a_chain_is_projected_through_its_parents(tmp_path: Any, digits_data: Any) -> None:
    parent = tacit.fit("pca", digits_data, latent=20, out=tmp_path / "parent")
    child = tacit.fit("pca", parent, latent=5, whiten=True, out=tmp_path / "child")
    targets = digits_data.take(torch.arange(4))
    found = project(child, targets)
    assert found.x.shape == (4, 1, 8, 8) and (found.error < found.drawn).all()
