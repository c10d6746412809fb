"""Effective rank and feature deviation: closed forms, and what leaves them alone."""

import math

import pytest
import torch

from tacit.functional.spread import effective_rank, feature_deviation


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(200, 6), (6, 200)])
def test_orthogonal_directions_count_fully(shape: tuple[int, int]) -> None:
    u, _, v = torch.linalg.svd(random(*shape), full_matrices=False)
    assert abs(float(effective_rank(u @ v)) - 6) < 1e-6
    assert abs(float(effective_rank(u[:, :1] @ v[:1])) - 1) < 1e-4
    values = torch.tensor([4.0, 2, 1, 1, 0, 0], dtype=torch.float64)
    entropy = -sum(p * math.log(p) for p in (0.5, 0.25, 0.125, 0.125))
    assert abs(float(effective_rank(u * values @ v)) - math.exp(entropy)) < 1e-4


def test_identity_covariance_fills_all_dimensions() -> None:
    x = random(20_000, 8)
    assert 7.99 < effective_rank(x - x.mean(0)) <= 8


def test_scale_and_rotation_change_no_rank() -> None:
    x = random(30, 5) * torch.tensor([5.0, 3, 1, 1, 0.1], dtype=torch.float64)
    q = torch.linalg.qr(random(5, 5)).Q
    torch.testing.assert_close(effective_rank(-7 * x @ q), effective_rank(x))
    assert effective_rank(torch.zeros(4, 3)) == 0


def test_deviation_of_constant_and_of_even_features() -> None:
    assert feature_deviation(torch.rand(4).expand(9, 4)) < 1e-7
    even = feature_deviation(random(5_000, 64))
    assert abs(float(even) - 1 / 8) < 1e-3  # 1 / sqrt(D)
    lengths = 0.1 + torch.rand(5_000, 1, dtype=torch.float64)
    torch.testing.assert_close(feature_deviation(random(5_000, 64) * lengths), even)
    signs = torch.tensor([[1.0], [-1.0]]).repeat(8, 1)
    assert feature_deviation(signs) == 1
