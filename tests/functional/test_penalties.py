import pytest
import torch
from torch import Tensor

from tacit.functional.penalties import gradient_penalty, interpolated, r1


def judged(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """A quadratic judge, x'Ax / 2 + b'x."""
    return 0.5 * torch.einsum("nd,de,ne->n", x, a, x) + x @ b


@pytest.fixture
def quadratic() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    half, b, x = (torch.randn(*shape, generator=generator, dtype=torch.double) for shape in ((4, 4), (4,), (6, 4)))
    return half + half.T, b, x.requires_grad_()


def test_of_a_linear_judge_it_is_the_square_of_its_weights():
    w = torch.tensor([3.0, 0.0, -4.0])
    x = torch.randn(5, 3, requires_grad=True)
    torch.testing.assert_close(r1(x @ w, x), torch.full((5,), 25.0))
    torch.testing.assert_close(gradient_penalty(x @ w, x), torch.full((5,), 16.0))


def test_of_a_quadratic_judge_it_is_that_of_its_slope(quadratic):
    a, b, x = quadratic
    slope = x @ a + b
    torch.testing.assert_close(r1(judged(x, a, b), x), slope.square().sum(1))
    torch.testing.assert_close(gradient_penalty(judged(x, a, b), x), (slope.norm(dim=1) - 1).square())


@pytest.mark.parametrize("penalty", [r1, gradient_penalty])
def test_the_penalty_moves_the_judge(penalty, quadratic):
    a, b, x = quadratic
    assert torch.autograd.gradcheck(lambda a, b: penalty(judged(x, a, b), x), (a.requires_grad_(), b.requires_grad_()))


@pytest.mark.parametrize("shape", [(3,), (3, 1), (3, 2, 2)])
def test_logits_of_any_shape_and_images(shape):
    x = torch.rand(3, 2, 4, 4, requires_grad=True)
    per = torch.Size(shape[1:]).numel()
    logits = (x.sum((1, 2, 3))[:, None] / per).expand(3, per).reshape(shape)
    torch.testing.assert_close(r1(logits, x), torch.full((3,), 32.0))  # summed over 2 * 4 * 4 values


def test_a_flat_critic_has_a_finite_gradient():
    w = torch.zeros(3, requires_grad=True)
    x = torch.randn(4, 3, requires_grad=True)
    penalty = gradient_penalty(x @ w, x)
    penalty.sum().backward()
    assert torch.equal(penalty, torch.ones(4)) and torch.isfinite(w.grad).all()


def test_each_pair_has_its_own_place_on_its_line():
    real, fake = torch.zeros(500, 2, 3, 3), torch.ones(500, 2, 3, 3)
    x = interpolated(real, fake, torch.Generator().manual_seed(0))
    assert x.is_leaf and x.requires_grad
    place = x.detach().flatten(1)
    assert (place == place[:, :1]).all() and len(place[:, 0].unique()) > 490
    assert abs(place[:, 0].mean() - 0.5) < 0.05 and abs(place[:, 0].var() - 1 / 12) < 0.01
    assert torch.equal(x, interpolated(real, fake, torch.Generator().manual_seed(0)))
