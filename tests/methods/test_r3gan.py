"""R3GAN: the relativistic loss and both penalties by hand, and a game that converges where others circle."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from tacit.errors import DataError, OptionError
from tacit.methods.adversarial.r3gan import R3GAN
from tacit.protocol import Batch, Spec

PLANE = Spec("vector", (2,))
IMAGE = Spec("image", (1, 8, 8), (0.0, 1.0))


def linear(gan: R3GAN, *weight: float) -> None:
    judge = nn.Linear(len(weight), 1)
    judge.weight.data = torch.tensor([list(weight)])
    gan.discriminator, gan.generator = nn.Sequential(nn.Identity(), judge), nn.Identity()


def test_both_turns_by_hand() -> None:
    """Of a linear discriminator R1 and R2 are both gamma / 2 |w|^2."""
    gan, x = R3GAN(PLANE, latent=2, gamma=0.5, width=8), torch.randn(6, 2)
    linear(gan, 3.0, 4.0)
    torch.manual_seed(1)
    z = gan.prior(6)
    torch.manual_seed(1)
    discriminator, generator = gan.losses(Batch(x))
    gap = (gan.discriminator(x) - gan.discriminator(z)).squeeze(1)  # pair by pair
    torch.testing.assert_close(discriminator.value, softplus(-gap).mean() + 0.5 / 2 * (25 + 25))
    torch.testing.assert_close(generator.value, softplus(gap).mean())
    torch.testing.assert_close(discriminator.terms["slope"], torch.tensor(50.0))


def test_each_sample_is_judged_by_its_class() -> None:
    gan = R3GAN(Spec("vector", (1,), classes=("a", "b")), latent=1, conditional=True, width=4)
    gan.discriminator = nn.Linear(1, 3, bias=False)  # a slope for each class, and one for none
    gan.discriminator.weight.data = torch.tensor([[1.0], [3.0], [-2.0]])
    x, fake, label = torch.tensor([[1.0], [2.0], [5.0]]), torch.tensor([[4.0], [0.5], [1.0]]), torch.tensor([0, 1, -1])
    real, made, slopes = gan.judged(x, fake, label)
    assert real.tolist() == [1.0, 6.0, -10.0] and made.tolist() == [4.0, 1.5, -2.0]
    assert slopes.tolist() == [2.0, 18.0, 8.0]  # R1 and R2


def test_slopes_are_over_images_between_minus_1_and_1() -> None:
    gan = R3GAN(IMAGE, latent=4, width=4)

    class Sum(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 3 * x.flatten(1).sum(1, keepdim=True)

    gan.discriminator = nn.Sequential(gan.discriminator[0], Sum())
    loss = next(gan.losses(Batch(torch.rand(5, 1, 8, 8))))
    torch.testing.assert_close(loss.terms["slope"], torch.tensor(2 * 64 * 9.0))


def test_the_penalties_move_every_weight_of_the_discriminator() -> None:
    gan = R3GAN(IMAGE, latent=4, width=4, net="residual")
    for p in gan.discriminator.parameters():
        p.data += 0.05 * torch.randn_like(p)  # past the start, where last convolutions are 0
    _, _, slopes = gan.judged(torch.rand(4, 1, 8, 8), torch.rand(4, 1, 8, 8), None)
    slopes.mean().backward()
    weights = {n: p for n, p in gan.discriminator.named_parameters() if "bias" not in n}
    still = [n for n, p in weights.items() if p.grad is None or not p.grad.any()]
    assert weights and not still


def test_the_game_converges_where_it_would_circle() -> None:
    """The Dirac-GAN of Mescheder et al. 2018: data at 0, a generator that is its own sample, a linear discriminator."""
    ends = {}
    for gamma in (0.0, 1.0):
        place, slope = torch.tensor(1.0), torch.tensor(0.0)
        gan = R3GAN(Spec("vector", (1,)), latent=1, gamma=gamma, width=4)
        gan.generator, judge = nn.Linear(1, 1), nn.Linear(1, 1, bias=False)
        gan.generator.weight.data.zero_()
        gan.generator.bias.data.fill_(place)
        judge.weight.data.fill_(slope)
        gan.discriminator = nn.Sequential(nn.Identity(), judge)
        far = []
        for _ in range(400):
            far.append(gan.generator.bias.abs().item())
            for loss in gan.losses(Batch(torch.zeros(2, 1))):
                own = [judge.weight] if loss.player == "discriminator" else [gan.generator.bias]
                own[0].data -= 0.2 * torch.autograd.grad(loss.value, own)[0]
        ends[gamma] = max(far[-100:])
    assert ends[1.0] < 0.01 and ends[0.0] > 0.2


def test_ada_counts_which_of_each_pair_seems_real() -> None:
    gan, x = R3GAN(PLANE, latent=2, width=8), torch.randn(7, 2)
    linear(gan, 3.0, 4.0)
    gan.ada.on = True
    torch.manual_seed(1)
    z = gan.prior(7)
    torch.manual_seed(1)
    stats = next(gan.losses(Batch(x))).stats
    gap = (gan.discriminator(x) - gan.discriminator(z)).squeeze(1)
    assert stats["ada_sign"] == gap.sign().sum() and stats["ada_count"] == 7


@pytest.mark.parametrize("net", ["residual", "conv", "mlp"])
def test_every_net_plays(net: str) -> None:
    gan = R3GAN(IMAGE, latent=4, width=4, net=net)  # type: ignore[arg-type]
    for loss in gan.losses(Batch(torch.rand(4, 1, 8, 8))):
        loss.value.backward(inputs=list(gan.players()[loss.player].parameters()))
    assert gan.sample(2).shape == (2, 1, 8, 8)
    assert not any(isinstance(m, nn.GroupNorm | nn.modules.batchnorm._NormBase) for m in gan.modules())


def test_bad_input() -> None:
    with pytest.raises(OptionError, match="--gamma"):
        R3GAN(PLANE, gamma=-1.0)
    with pytest.raises(DataError, match="--size 8 enlarges"):
        R3GAN(Spec("image", (1, 6, 9), (0.0, 1.0)))
