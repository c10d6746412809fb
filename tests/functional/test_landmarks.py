"""Landmarks: which they are, what their axes keep, and who is one of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tacit.functional.landmarks import along, coincide, landmarks


def samples(n: int, *shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed)) + 3


def test_few_samples_are_all_landmarks_in_their_order_and_nothing_is_drawn() -> None:
    x = samples(12, 1, 4, 5)
    torch.manual_seed(0)
    mean, axes, reference = landmarks(x, 12)
    after = torch.rand(1)
    assert torch.equal(after, torch.rand(1, generator=torch.Generator().manual_seed(0)))
    assert mean.shape == (20,) and axes.shape == (11, 20) and reference.shape == (12, 11)
    torch.testing.assert_close(reference @ axes + mean, x.flatten(1))  # 12 samples lie in 11 dimensions


def test_of_many_samples_a_part_is_drawn_by_the_generator_of_torch() -> None:
    x = samples(40, 3)
    torch.manual_seed(7)
    mean, axes, reference = landmarks(x, 10)
    torch.manual_seed(7)
    chosen = x[torch.randperm(40)[:10]]
    torch.testing.assert_close(mean, chosen.mean(0))
    torch.testing.assert_close(reference @ axes + mean, chosen)


@pytest.mark.parametrize(("n", "d", "kept"), [(200, 7, 7), (200, 80, 50), (9, 80, 8)])
def test_the_axes_are_the_fifty_that_hold_the_most(n: int, d: int, kept: int) -> None:
    x = samples(n, d) * torch.logspace(0, -2, d)
    mean, axes, reference = landmarks(x, n)
    assert mean.dtype == axes.dtype == reference.dtype == torch.float32 and axes.is_contiguous()
    torch.testing.assert_close(axes @ axes.T, torch.eye(kept), atol=1e-5, rtol=0)
    spectrum = np.linalg.svd((x - x.mean(0)).double().numpy(), compute_uv=False)[:kept]
    np.testing.assert_allclose(reference.norm(dim=0), spectrum, rtol=1e-3)


def test_a_new_sample_goes_where_its_landmark_is() -> None:
    x = samples(30, 2, 3)
    mean, axes, reference = landmarks(x, 30)
    torch.testing.assert_close(along(x[4:6], mean, axes), reference[4:6])
    row = torch.stack([((x[4].flatten() - mean) * axis).sum() for axis in axes])
    torch.testing.assert_close(along(x[4:5], mean, axes)[0], row)


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_coincidence_is_a_matter_of_scale(size: float) -> None:
    reference = size * torch.tensor([[3.0, 4.0], [-3.0, -4.0]])  # 5 from the mean
    distance = size * torch.tensor([0.0, 4.9e-5, 5.1e-5, 1.0])
    assert coincide(distance, reference).tolist() == [True, True, False, False]
