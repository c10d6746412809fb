"""NMF: its latents are the non-negative least squares, its parts as good as the library's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from sklearn import decomposition

from tacit.errors import DataError, OptionError
from tacit.methods.classical import nmf
from tacit.methods.classical.nmf import NMF
from tacit.protocol import Spec

SPEC = Spec("image", (1, 4, 5), (0.0, 1.0))


def made(n: int = 300) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums of four sparse parts, and the parts."""
    generator = torch.Generator().manual_seed(0)
    parts = torch.rand(4, 20, generator=generator) * (torch.rand(4, 20, generator=generator) > 0.6)
    z = torch.rand(n, 4, generator=generator) * (torch.rand(n, 4, generator=generator) > 0.4)
    return (z @ parts / 4).view(n, 1, 4, 5), parts


@pytest.fixture(scope="module")
def fitted() -> NMF:
    torch.manual_seed(0)
    method = NMF(SPEC, latent=4, iterations=2_000)
    method.fit(made()[0])
    return method


@pytest.mark.parametrize("q", [1, 3, 8, 30])
def test_latents_are_the_least_squares(q: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nmf, "ROWS", 16)
    torch.manual_seed(0)
    method = NMF(Spec("vector", (30,)), latent=q)
    method.parts.copy_(torch.rand(q, 30) + 0.2)  # far from orthogonal
    x = torch.rand(50, 30) + torch.randn(50, 30)
    z = method.encode(x)
    slow = np.stack([nnls(method.parts.double().numpy().T, row.double().numpy())[0] for row in x])
    np.testing.assert_allclose(z, slow, atol=1e-4 * slow.max())
    assert float(z.min()) == 0 or q == 1


def test_the_least_squares_of_parts_that_are_much_alike_are_optimal() -> None:
    torch.manual_seed(0)
    parts = (1 + 0.05 * torch.randn(12, 16)).double()
    b, square = torch.randn(400, 16).double() @ parts.T, parts @ parts.T
    z = nmf.least_squares(b, square)
    gradient = z @ square - b
    assert float(z.min()) >= 0 and float(gradient.min()) > -1e-4  # the conditions of Karush, Kuhn and Tucker
    assert float((z * gradient).abs().max()) < 1e-4


def test_a_sample_is_encoded_alone(fitted: NMF) -> None:
    x = made()[0]
    torch.testing.assert_close(torch.cat([fitted.encode(one[None]) for one in x[:20]]), fitted.encode(x)[:20],
                               atol=1e-6, rtol=1e-5)


def test_parts_are_found(fitted: NMF) -> None:
    x, parts = made()
    overlap = torch.nn.functional.normalize(fitted.parts) @ torch.nn.functional.normalize(parts).T
    assert float(overlap.amax(1).min()) > 0.98 and len(overlap.argmax(1).unique()) == 4
    assert float(fitted.parts.min()) >= 0
    torch.testing.assert_close(fitted.parts.amax(1), torch.ones(4))
    added = fitted.encode(x).mean(0) * fitted.parts.sum(1)
    assert (added.diff() <= 0).all()


def test_error_is_no_greater_than_the_librarys() -> None:
    torch.manual_seed(0)
    x = torch.rand(80, 1, 4, 5)
    method = NMF(SPEC, latent=6)
    method.fit(x)
    reference = decomposition.NMF(6, init="nndsvda", max_iter=3_000, random_state=0).fit(x.flatten(1).numpy())
    error = (method.encode(x) @ method.parts - x.flatten(1)).norm()
    assert float(error) < 1.01 * reference.reconstruction_err_


def test_reconstructions_have_the_datas_shape_and_range(fitted: NMF) -> None:
    x = made()[0]
    restored = fitted.reconstruct(x)
    assert restored.shape == x.shape and 0 <= float(restored.min()) and float(restored.max()) <= 1
    assert float((restored - x).abs().mean()) < 0.01 * float(x.mean()) + 1e-3


def test_gradients_are_those_of_the_least_squares(fitted: NMF) -> None:
    x = made()[0][:3].double().requires_grad_()
    fitted.encode(x.float())[:, 1].sum().backward()
    assert x.grad is not None
    step = torch.zeros_like(x)
    step[0, 0, 1, 2] = 1e-2
    with torch.no_grad():
        moved = fitted.encode((x + step).float()) - fitted.encode((x - step).float())
    assert float(moved[:, 1].sum()) / 2e-2 == pytest.approx(float(x.grad[0, 0, 1, 2]), abs=1e-3)


def test_of_very_many_values_a_part_is_factorised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nmf, "MOST", 1)
    x, parts = made(5_400)
    torch.manual_seed(0)
    method = NMF(SPEC, latent=4, iterations=2)
    method.fit(x)
    assert method.note.startswith("fitted on 5,000 of 5,400 samples") and method.note.endswith("after 2 iterations")


def test_mistakes_are_named() -> None:
    with pytest.raises(DataError, match="values from -1 to 1; NMF adds parts up"):
        NMF(SPEC).fit(torch.linspace(-1, 1, 40).view(2, 1, 4, 5))
    with pytest.raises(DataError, match="values from 0 to 0"):
        NMF(SPEC).fit(torch.zeros(20, 1, 4, 5))
    with pytest.raises(DataError, match="3 samples are too few for 16 parts"):
        NMF(SPEC).fit(torch.rand(3, 1, 4, 5))
    with pytest.raises(OptionError, match="latent is 21; a sample has 20 values"):
        NMF(SPEC, latent=21)
    with pytest.raises(OptionError, match="iterations is 0"):
        NMF(SPEC, iterations=0)
