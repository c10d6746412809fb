"""ICA: known sources are found again."""

from __future__ import annotations

import math

import pytest
import torch

from tacit.errors import DataError, OptionError
from tacit.methods.classical import ica
from tacit.methods.classical.ica import ICA
from tacit.protocol import Spec

SPEC = Spec("vector", (5,))


def mixed(n: int = 4_000) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Three independent sources, mixed into five values."""
    generator = torch.Generator().manual_seed(0)
    uniform = torch.rand(n, 3, generator=generator)
    exponential = -(1 - uniform[:, 0]).log()
    square = (uniform[:, 1] > 0.3).float()
    s = torch.stack([exponential, square, uniform[:, 2]], 1)
    s = (s - s.mean(0)) / s.std(0)
    mixing = torch.randn(3, 5, generator=generator)
    return s @ mixing + 7, s, mixing


@pytest.fixture(scope="module")
def fitted() -> ICA:
    torch.manual_seed(0)
    method = ICA(SPEC, latent=3)
    method.fit(mixed()[0])
    return method


@pytest.mark.parametrize("contrast", ["logcosh", "exp", "cube"])
def test_sources_are_found_up_to_sign_and_order(contrast: str) -> None:
    x, s, mixing = mixed()
    torch.manual_seed(0)
    method = ICA(SPEC, latent=3, contrast=contrast)  # type: ignore[arg-type]
    method.fit(x)
    z = method.encode(x)
    match = torch.corrcoef(torch.cat([s, z], 1).T)[:3, 3:].abs()
    assert float(match.amax(0).min()) > 0.99 and len(match.argmax(0).unique()) == 3
    assert amari(mixing @ method.unmixing.T) < 0.05 and method.note == ""


def amari(p: torch.Tensor) -> float:
    """Distance of a matrix from a scaled permutation, in [0, 1] (Amari, Cichocki & Yang 1996)."""
    p, q = p.abs(), len(p)
    rows, columns = p.sum(1) / p.amax(1) - 1, p.sum(0) / p.amax(0) - 1
    return float((rows.sum() + columns.sum()) / (2 * q * (q - 1)))


def test_sources_are_white_ordered_and_skewed_to_the_positive_side(fitted: ICA) -> None:
    z = fitted.encode(mixed()[0]).double()
    torch.testing.assert_close(z.T @ z / len(z), torch.eye(3).double(), atol=1e-3, rtol=0)
    assert (z.pow(3).mean(0) >= 0).all()
    far = (z.cosh().log().mean(0) - gaussian()).abs()
    assert (far.diff() < 0).all()


def gaussian() -> float:
    """E[log cosh v] of a standard normal, by summing."""
    v = torch.linspace(-12, 12, 100_001, dtype=torch.float64)
    density = (-0.5 * v.square()).exp() / math.sqrt(2 * math.pi)
    return float((density * v.cosh().log()).sum() * (v[1] - v[0]))


def test_the_gaussian_mean_is_right() -> None:
    assert pytest.approx(gaussian(), abs=1e-6) == ica.GAUSSIAN


def test_another_seed_finds_the_same_sources(fitted: ICA) -> None:
    torch.manual_seed(1)
    other = ICA(SPEC, latent=3)
    other.fit(mixed()[0])
    torch.testing.assert_close(other.unmixing, fitted.unmixing, atol=2e-2, rtol=0)


def test_mixing_undoes_unmixing(fitted: ICA) -> None:
    x, _, mixing = mixed()
    torch.testing.assert_close(fitted.mixing @ fitted.unmixing.T, torch.eye(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(fitted.reconstruct(x), x, atol=1e-3, rtol=0)  # three sources are all there is
    overlap = torch.nn.functional.normalize(fitted.mixing) @ torch.nn.functional.normalize(mixing).T
    assert float(overlap.abs().amax(1).min()) > 0.99


def test_restored_images_stay_in_range() -> None:
    torch.manual_seed(0)
    x = torch.rand(60, 1, 3, 3).round()
    method = ICA(Spec("image", (1, 3, 3), (0.0, 1.0)), latent=4)
    method.fit(x)
    restored = method.reconstruct(x)
    assert restored.shape == x.shape and 0 <= float(restored.min()) and float(restored.max()) <= 1
    assert float((restored - x).square().mean()) < float((x - x.mean(0)).square().mean())


def test_what_does_not_vary_holds_no_source() -> None:
    x = mixed()[0]
    torch.manual_seed(0)
    method = ICA(SPEC)
    method.fit(x)
    assert method.encode(x).shape == (len(x), 3)
    assert method.note == "3 sources instead of 5: the data vary in no more directions"


def test_of_very_many_samples_a_part_is_rotated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ica, "MOST", 1)
    x, s, _ = mixed(12_000)
    torch.manual_seed(0)
    method = ICA(SPEC, latent=3)
    method.fit(x)
    match = torch.corrcoef(torch.cat([s, method.encode(x)], 1).T)[:3, 3:].abs()
    assert float(match.amax(0).min()) > 0.99 and method.note.startswith("rotated by 10,000 of 12,000")


def test_not_converged_is_noted() -> None:
    torch.manual_seed(0)
    method = ICA(SPEC, latent=3, iterations=1)
    method.fit(mixed()[0])
    assert method.note == "not converged after 1 iterations"


def test_mistakes_are_named() -> None:
    with pytest.raises(OptionError, match="latent is 6; a sample has 5 values"):
        ICA(SPEC, latent=6)
    with pytest.raises(OptionError, match="iterations is 0"):
        ICA(SPEC, iterations=0)
    with pytest.raises(DataError, match="3 samples are too few for 3 sources"):
        ICA(SPEC, latent=3).fit(torch.rand(3, 5))
    with pytest.raises(DataError, match="all 9 samples are equal"):
        ICA(SPEC, latent=3).fit(torch.ones(9, 5))
