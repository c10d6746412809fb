import math

import pytest
import torch
from torch.nn.functional import affine_grid, grid_sample

from tacit.functional.warping import reflected, warped


def maps(n: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    linear = torch.eye(2) + 0.7 * torch.randn(n, 2, 2, generator=generator)
    return torch.cat([linear, 6 * torch.randn(n, 2, 1, generator=generator)], 2).to(dtype)


@pytest.mark.parametrize("shape", [(5, 1, 8, 8), (4, 3, 7, 12), (3, 2, 9, 4)])
def test_it_is_grid_sample_with_reflection(shape):
    n, _, height, width = shape
    x, matrices = torch.rand(shape, generator=torch.Generator().manual_seed(0)), maps(shape[0])
    pixels = torch.tensor([width / 2, height / 2])
    theta = matrices.clone()  # grid_sample counts from -1 to 1 along either axis
    theta[:, :, :2] = matrices[:, :, :2] * pixels / pixels[:, None]
    theta[:, :, 2] = matrices[:, :, 2] / pixels
    grid = affine_grid(theta, [*shape], align_corners=False)
    expected = grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    torch.testing.assert_close(warped(x, matrices), expected, rtol=0, atol=1e-5)


def test_it_is_differentiable_twice():
    x = torch.rand(2, 2, 4, 5, dtype=torch.double, requires_grad=True)
    matrices = maps(2, torch.double)
    assert torch.autograd.gradcheck(lambda x: warped(x, matrices), x)
    assert torch.autograd.gradgradcheck(lambda x: warped(x, matrices).pow(3), x)


@pytest.mark.parametrize("size", [(6, 6), (5, 5)])
def test_maps_of_pixels_onto_pixels_are_exact(size):
    x = torch.rand(1, 3, *size)
    quarter = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]])
    assert torch.equal(warped(x, quarter), torch.rot90(x, 1, (2, 3)))
    right = torch.tensor([[[1.0, 0.0, -2.0], [0.0, 1.0, 1.0]]])  # fetched from two to the left and one below
    assert torch.equal(warped(x, right)[..., :-1, 2:], x[..., 1:, :-2])
    assert torch.equal(warped(x, torch.eye(3)[None]), x)


def test_a_rotation_keeps_distances_in_images_that_are_not_square():
    x = torch.zeros(1, 1, 9, 21)
    x[0, 0, 4, 13] = 1.0  # three to the right of the centre
    c, s = math.cos(math.pi / 2), math.sin(math.pi / 2)
    made = warped(x, torch.tensor([[[c, -s, 0.0], [s, c, 0.0]]]))
    assert made[0, 0, 1, 10] > 0.999


@pytest.mark.parametrize("size", [1, 2, 5])
def test_mirrors_stand_at_the_outer_edges(size):
    order = [*range(size), *reversed(range(size))]
    at = torch.arange(-3 * size, 4 * size)
    expected = [order[i % len(order)] for i in at.tolist()]
    assert reflected(at.float(), size).tolist() == expected
