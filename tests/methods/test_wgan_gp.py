"""WGAN-GP: algorithm 1 by hand, a critic that measures a distance, and a game that ends near the data."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from tacit.errors import OptionError
from tacit.methods.adversarial.wgan_gp import WGANGP
from tacit.protocol import Batch, Clock, Spec

LINE = Spec("vector", (2,))


def test_the_critics_loss_is_that_of_algorithm_1() -> None:
    gan, x = WGANGP(LINE, latent=2, width=8, penalty=10.0), torch.randn(6, 2)
    gan.discriminator, gan.generator = nn.Linear(2, 1), nn.Identity()
    gan.discriminator.weight.data = torch.tensor([[3.0, 4.0]])  # of slope 5 everywhere
    torch.manual_seed(1)
    z = gan.prior(6)
    torch.manual_seed(1)
    loss = next(gan.losses(Batch(x)))
    distance = (gan.discriminator(x) - gan.discriminator(z)).mean()
    torch.testing.assert_close(loss.value, 10 * torch.tensor((5 - 1.0) ** 2) - distance)
    torch.testing.assert_close(loss.terms["wasserstein"], distance)


def test_the_generator_moves_in_every_fifth_round() -> None:
    gan, x = WGANGP(LINE, width=8), torch.randn(4, 2)
    turns = []
    for step in range(10):
        gan.clock = Clock(step, 0.0)
        turns.append(len(list(gan.losses(Batch(x)))))
    assert turns == [1, 1, 1, 1, 2, 1, 1, 1, 1, 2]


def test_there_is_no_batch_norm() -> None:
    gan = WGANGP(Spec("image", (1, 16, 16), (0, 1)), width=8, net="resnet")
    assert not any(isinstance(m, nn.modules.batchnorm._NormBase) for m in gan.discriminator.modules())
    x = torch.rand(5, 1, 16, 16)
    torch.testing.assert_close(gan.discriminate(x)[:2], gan.discriminate(x[:2]))


def test_the_critic_measures_how_far_samples_are() -> None:
    """Between two points of a line that are 3 apart the distance is 3, and the critic's slope 1."""
    torch.manual_seed(0)
    gan = WGANGP(Spec("vector", (1,)), latent=1, width=32, penalty=10.0)
    gan.generator = nn.Linear(1, 1)
    gan.generator.weight.data.zero_()
    gan.generator.bias.data.fill_(-1.0)
    adam = torch.optim.Adam(gan.discriminator.parameters(), lr=3e-3, betas=(0.0, 0.9))
    for step in range(500):
        adam.param_groups[0]["lr"] = 3e-3 * (1 - step / 500)
        loss = next(gan.losses(Batch(torch.full((32, 1), 2.0))))
        adam.zero_grad()
        loss.value.backward(inputs=list(gan.discriminator.parameters()))
        adam.step()
    # (1 - slope)^2 at weight 10 against a gain of 3 per slope: slope = 1 + 3 / 20
    assert float(loss.terms["wasserstein"]) == pytest.approx(3 * (1 + 3 / 20), rel=0.05)


def test_the_penalty_goes_by_what_the_data_are() -> None:
    weights = [WGANGP(s, width=4).penalty for s in (LINE, Spec("image", (1, 8, 8), (0.0, 1.0)))]
    assert weights == [0.1, 10.0] and WGANGP(LINE, penalty=2.0).penalty == 2


def test_options_out_of_range() -> None:
    with pytest.raises(OptionError, match="critic"):
        WGANGP(LINE, critic=0)
    with pytest.raises(OptionError, match="--penalty"):
        WGANGP(LINE, penalty=-math.pi)


def test_each_sample_is_judged_by_its_class_and_so_is_what_lies_between() -> None:
    gan = WGANGP(Spec("vector", (1,), classes=("a", "b")), latent=1, conditional=True, penalty=1.0, width=4)
    gan.discriminator = nn.Linear(1, 3, bias=False)  # a slope for each class, and one for none
    gan.discriminator.weight.data = torch.tensor([[1.0], [3.0], [-2.0]])
    x, fake, label = torch.tensor([[1.0], [2.0], [5.0]]), torch.tensor([[4.0], [0.5], [1.0]]), torch.tensor([0, 1, -1])
    value, terms = gan.critical(x, fake, label)
    slope, distance = (0 + 4 + 1) / 3, (1 * (1 - 4) + 3 * (2 - 0.5) - 2 * (5 - 1)) / 3
    assert float(terms["slope"]) == pytest.approx(slope) and float(terms["wasserstein"]) == pytest.approx(distance)
    assert value.item() == pytest.approx(slope - distance)
