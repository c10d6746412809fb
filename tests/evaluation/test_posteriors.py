"""True posteriors on a grid: of a model that is known in closed form, and of VAEs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from linear_gaussian import LinearGaussian

import tacit
from tacit.errors import DataError
from tacit.evaluation import posteriors as asking
from tacit.evaluation.case import Case
from tacit.evaluation.posteriors import Gaussians, Grid, Hidden, best_gaussian, gaussian_of, hidden
from tacit.evaluation.spaces import random_network
from tacit.protocol import Spec
from tacit.runs.run import Run


def linear(folder: Path, **options: Any) -> tuple[Run, Hidden, torch.Tensor]:
    method = LinearGaussian(Spec("vector", (6,)), **options)
    x, _ = method.simulate(12, generator=torch.Generator().manual_seed(1))
    run = tacit.fit(method, x.numpy().astype(np.float32), split="0.5", out=folder / "run")
    return run, hidden(run, run.data()), run.method.exact(run.data().everything())


def test_log_p_is_the_elbo_and_the_divergence_to_a_ten_thousandth(tmp_path: Path) -> None:
    run, found, exact = linear(tmp_path, shift=0.2, stretch=0.7, correlated=False)
    torch.testing.assert_close(found.log_p, exact, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.kl, torch.full_like(exact, run.method.kl()), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.elbo, exact - run.method.kl(), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.log_p, found.elbo + found.kl, atol=1e-4, rtol=0)


def test_the_gap_is_split_as_the_closed_form_says(tmp_path: Path) -> None:
    """The best diagonal Gaussian has the exact mean and the exact precision's diagonal; the best of all is exact."""
    run, found, _ = linear(tmp_path, shift=0.2, stretch=1.5)
    covariance = run.method.covariance
    precision = torch.linalg.inv(covariance)
    least = 0.5 * float(precision.diagonal().log().sum() - precision.logdet())
    assert least > 0.01
    torch.testing.assert_close(found.diagonal, torch.full_like(found.diagonal, least), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.full, torch.zeros_like(found.full), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.best.mean, run.method.mean(run.data().everything()), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.best.root.diagonal(dim1=1, dim2=2), precision.diagonal().rsqrt().expand(12, 2),
                               atol=1e-3, rtol=0)  # fmt: skip


def test_a_narrow_posterior_far_from_a_wrong_q_is_found(tmp_path: Path) -> None:
    run, found, exact = linear(tmp_path, sigma=0.02, shift=0.3)
    torch.testing.assert_close(found.log_p, exact, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.kl, torch.full_like(exact, run.method.kl()), atol=0.05, rtol=1e-3)


def test_a_gaussian_is_known_by_its_log_density_and_others_are_not() -> None:
    g = torch.Generator().manual_seed(0)
    root = torch.tensor([[[0.5, 0.0], [0.3, 0.01]], [[3.0, 0.0], [-1.0, 2.0]]], dtype=torch.float64)
    given = Gaussians(torch.tensor([[5.0, -2.0], [0.0, 0.1]], dtype=torch.float64), root)
    z = given.at(torch.randn(300, 2, generator=g, dtype=torch.float64))
    log_q = given.log_prob(z)
    expected = torch.distributions.MultivariateNormal(given.mean, scale_tril=root).log_prob(z)
    torch.testing.assert_close(log_q, expected)
    rounded = gaussian_of(z.float().double(), log_q.float().double())
    assert rounded is not None
    torch.testing.assert_close(rounded.root, root, atol=1e-3, rtol=1e-3)
    bent = torch.stack([z[..., 0], z[..., 1] + 0.05 * z[..., 0] ** 2], 2)  # keeps volumes
    assert gaussian_of(bent, log_q) is None


def test_of_two_modes_the_best_gaussian_takes_one() -> None:
    side = torch.linspace(-4, 4, 81, dtype=torch.float64)
    z = torch.cartesian_prod(side, side)[:, None]
    modes = [Gaussians(torch.tensor([[m, 0.0]]).double(), 0.4 * torch.eye(2).double()[None]) for m in (-1.5, 1.5)]
    joint = torch.logaddexp(modes[0].log_prob(z), modes[1].log_prob(z) - 0.5)
    box = torch.full((1, 2), 4.05).double()
    grid = Grid(-box, box, z, joint)
    near = Gaussians(torch.tensor([[-1.2, 0.1]]).double(), 0.6 * torch.eye(2).double()[None])
    best = best_gaussian(grid, near, full=True)
    torch.testing.assert_close(best.mean, modes[0].mean, atol=0.02, rtol=0)
    share = 1 / (1 + math.exp(-0.5))
    assert float(grid.kl(best.log_prob(z))) == pytest.approx(-math.log(share), abs=0.01)


@pytest.fixture(scope="module")
def vaes(tmp_path_factory: Any, digits_data: Any) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("p")
    return {
        name: tacit.fit("vae", digits_data, latent=2, steps=60, batch=32, width=32, net="mlp", flows=flows,
                        out=folder / name)
        for name, flows in (("gaussian", 0), ("flow", 2))
    }


def asked(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], Any]:
    monkeypatch.setattr(asking, "FEW", 6)
    monkeypatch.setattr(asking, "FINE", 64)
    own = run.data()
    case = Case(run, own.take(own.training), own.take(own.testing), ("the training", "the test"),
                random_network(run.spec), pictures=folder)  # fmt: skip
    return {(m.name, m.of): m for m in asking.ask(case)}


@pytest.mark.parametrize("name", ["gaussian", "flow"])
def test_what_the_bound_of_a_vae_hides_is_measured_and_drawn(
    vaes: dict[str, Run], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = asked(vaes[name], tmp_path, monkeypatch)
    kl = found["KL from the true posterior", ""].value
    whole = found["log likelihood", ""].value
    assert kl > -0.01 and whole - found["ELBO", ""].value == pytest.approx(kl, abs=1e-3)
    best = found["approximation gap", "diagonal Gaussian"].value
    assert 0 <= found["approximation gap", "full Gaussian"].value <= best + 1e-6
    if name == "gaussian":
        amortised = found["amortisation gap", "diagonal Gaussian"].value
        assert amortised > 0 and best + amortised == pytest.approx(kl, abs=1e-6)
    else:
        assert ("amortisation gap", "diagonal Gaussian") not in found and "draws of q" in str(found)
    assert (tmp_path / "posterior.png").is_file()


def test_a_latent_of_other_than_two_dimensions_is_refused_with_the_mend(tmp_path: Path, digits_data: Any) -> None:
    run = tacit.fit("vae", digits_data, latent=3, steps=2, batch=32, width=8, net="mlp", out=tmp_path / "v")
    with pytest.raises(DataError, match="v has 3; fit one with --latent 2"):
        hidden(run, run.data())
