"""What a density says through codes."""

import torch
from torch import nn

from tacit.protocol import Bridge, Chain, Method, Spec


class Coarse(Method):
    """Two binary values become one code of four; each value comes back right with a chance of 0.9."""

    codes, discrete = 4, True

    def tokenize(self, x):
        return (x[:, :1] * 2 + x[:, 1:]).long()

    def detokenize(self, c):
        return torch.cat([c // 2, c % 2], 1).float()

    def log_likelihood(self, x, c):
        same = (self.detokenize(c) == x).float()
        return (0.9 * same + 0.1 * (1 - same)).log().sum(1)


class Table(Method):
    """A categorical density over codes."""

    accepts = ("codes",)

    def __init__(self, spec):
        super().__init__(spec)
        self.logits = nn.Parameter(torch.tensor([0.4, 0.3, 0.2, 0.1]).log())

    def log_prob(self, x):
        return self.logits.log_softmax(0)[x[:, 0]]

    def bound(self):
        return "exact"


def chain(parent):
    codes = Spec("codes", (1,), codes=4)
    return Chain(Table(codes), [parent], [Bridge("tokenize", codes)])


def test_a_prior_over_codes_bounds_the_likelihood_of_the_data():
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    whole = chain(Coarse(Spec("vector", (2,))))
    assert whole.density_over() == "the data" and whole.bound() == "lower" and whole.discrete is True
    found = whole.log_prob(x)
    torch.testing.assert_close(found, torch.tensor([0.4, 0.3, 0.2, 0.1]).log() + 2 * torch.tensor(0.9).log())
    exact = torch.stack([(whole.method.logits.log_softmax(0)[c] + whole.parents[0].log_likelihood(
        x, torch.full((4, 1), c))) for c in range(4)]).logsumexp(0)
    assert (found <= exact).all() and abs(exact.exp().sum().item() - 1) < 1e-6


def test_a_parent_that_says_nothing_of_its_data_is_not_crossed():
    class Mute(Coarse):
        log_likelihood = None

    whole = chain(Mute(Spec("vector", (2,))))
    assert whole.density_over() == "the latents of Mute" and whole.bound() == "exact" and whole.discrete is True


def test_nats_through_a_decoders_density_are_of_a_density():
    class Smooth(Coarse):
        discrete = False

    assert chain(Smooth(Spec("vector", (2,)))).discrete is False
