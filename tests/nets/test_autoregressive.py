"""What each output of a masked net sees."""

import torch

from tacit.nets.autoregressive import MADE, InverseAutoregressiveFlow


def test_an_output_sees_all_dimensions_before_it_and_no_other():
    torch.manual_seed(0)
    made = MADE(5, 3, 32, 2)
    z, context = torch.randn(1, 5), torch.randn(1, 3)
    for i in range(2):
        seen = torch.autograd.functional.jacobian(lambda z: made(z, context)[i][0], z)[:, 0] != 0  # (out, in)  # noqa: B023
        assert torch.equal(seen, torch.ones(5, 5).tril(-1).bool())
    assert (torch.autograd.functional.jacobian(lambda c: made(z, c)[0][0], context)[:, 0] != 0).all()


def test_one_dimension_sees_the_context_only():
    made = MADE(1, 3, 8, 1)
    (out,) = made(torch.randn(2, 1), torch.ones(2, 3))
    assert out[0] == out[1]


def test_slopes_are_those_of_the_way():
    torch.manual_seed(0)
    flow = InverseAutoregressiveFlow(4, 2, steps=3, width=16).double()
    z, context = torch.randn(1, 4, dtype=torch.float64), torch.randn(1, 2, dtype=torch.float64)
    way = torch.autograd.functional.jacobian(lambda z: flow(z[None], context)[0][0], z[0])
    torch.testing.assert_close(flow(z, context)[1].sum(), torch.linalg.slogdet(way)[1])
