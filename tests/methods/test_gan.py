"""The GAN: its two turns by hand, its optimum in closed form, and that the game ends near it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from tacit.errors import DataError, OptionError
from tacit.functional.divergences import discriminator_value
from tacit.functional.likelihoods import gaussian
from tacit.methods.adversarial.gan import GAN
from tacit.protocol import Batch, Column, Spec, capabilities

LINE = Spec("vector", (1,))
IMAGE = Spec("image", (1, 8, 8), (0.0, 1.0))
TABLE = Spec("table", (4,), columns=(Column("a", "number", 0), Column("b", "category", 1, ("x", "y", "z"))))


def affine(scale: float, shift: float) -> nn.Linear:
    """The generator whose samples are N(shift, scale^2)."""
    net = nn.Linear(1, 1)
    nn.init.constant_(net.weight, scale)
    nn.init.constant_(net.bias, shift)
    return net


class Constant(nn.Module):
    """A discriminator with one logit for everything."""

    def __init__(self, logit: float) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor([logit]))

    def forward(self, x: Tensor) -> Tensor:
        return self.logit + 0 * x


def log_density(x: Tensor, mean: float, sigma: float) -> Tensor:
    return gaussian(x, torch.tensor(mean), torch.tensor(sigma).log())


def play(gan: GAN, x: Tensor, players: set[str], adams: dict[str, torch.optim.Optimizer]) -> None:
    for loss in gan.losses(Batch(x)):
        if loss.player in players:
            own = list(gan.players()[loss.player].parameters())
            adams[loss.player].zero_grad()
            loss.value.backward(inputs=own)
            adams[loss.player].step()


def test_the_losses_are_those_of_equation_1() -> None:
    gan, x = GAN(LINE, latent=1, generator=affine(1.5, 1), width=8), torch.randn(6, 1)
    torch.manual_seed(3)
    z = gan.prior(6)
    torch.manual_seed(3)
    discriminator, generator = gan.losses(Batch(x))
    real, fake = gan.discriminator(x).sigmoid(), gan.discriminator(1.5 * z + 1).sigmoid()
    torch.testing.assert_close(discriminator.value, -(real.log().mean() + (1 - fake).log().mean()))
    torch.testing.assert_close(generator.value, -fake.log().mean())
    assert discriminator.terms["accuracy_real"] == (real > 0.5).float().mean()
    assert discriminator.terms["accuracy_fake"] == (fake < 0.5).float().mean()
    gan.saturating = True
    torch.manual_seed(3)
    torch.testing.assert_close(list(gan.losses(Batch(x)))[1].value, (1 - fake).log().mean())


def test_the_discriminator_approaches_p_over_p_plus_q() -> None:
    torch.manual_seed(0)
    gan = GAN(LINE, latent=1, generator=affine(1.5, 1), width=32)
    adam = torch.optim.Adam(gan.discriminator.parameters(), lr=0.01)
    for step in range(200):
        adam.param_groups[0]["lr"] = 0.01 * (1 - step / 200)
        play(gan, torch.randn(1024, 1), {"discriminator"}, {"discriminator": adam})
    x = torch.linspace(-8, 10, 1801)[:, None]
    log_p, log_q = log_density(x, 0, 1), log_density(x, 1, 1.5)
    with torch.no_grad():
        logits = gan.discriminate(x)
    seen = torch.logaddexp(log_p, log_q).exp() > 0.05
    assert (logits.sigmoid() - (log_p - log_q).sigmoid())[seen].abs().max() < 0.03
    assert gan.discriminate(torch.zeros(1, 1)).sigmoid().item() == pytest.approx(0.651965, abs=0.02)
    assert discriminator_value(log_p, log_q, logits, 0.01).item() == pytest.approx(-1.187714, abs=0.005)


@pytest.mark.parametrize("logit", [-20.0, 0.0, 3.0])
def test_the_saturating_gradient_vanishes_where_the_discriminator_wins(logit: float) -> None:
    """d/dl log(1 - s(l)) = -s(l) and d/dl -log s(l) = s(l) - 1, s the sigmoid."""
    sigmoid = 1 / (1 + math.exp(-logit))
    for saturating, slope in ((True, -sigmoid), (False, sigmoid - 1)):
        constant = Constant(logit)
        gan = GAN(LINE, latent=1, saturating=saturating, generator=affine(1, 0), discriminator=constant)
        list(gan.losses(Batch(torch.zeros(4, 1))))[1].value.backward()
        assert constant.logit.grad is not None
        assert constant.logit.grad.item() == pytest.approx(slope, rel=1e-4, abs=1e-12)


def test_the_generators_turn_never_touches_the_data_and_each_moves_alone() -> None:
    gan = GAN(IMAGE, latent=4, width=8)
    gradients = []
    for poison in (False, True):
        torch.manual_seed(0)
        batch = Batch(torch.rand(6, 1, 8, 8))
        game = gan.losses(batch)
        next(game).value.backward(inputs=list(gan.discriminator.parameters()))
        assert all(p.grad is None for p in gan.generator.parameters())
        if poison:
            batch.x.fill_(math.nan)
        next(game).value.backward(inputs=list(gan.generator.parameters()))
        gradients.append([p.grad.clone() for p in gan.generator.parameters() if p.grad is not None])
        gan.zero_grad()
    assert gradients[0] and all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_the_generator_sees_the_discriminator_that_has_moved() -> None:
    gan = GAN(LINE, latent=1, generator=affine(1, 0), discriminator=Constant(0.0))
    game = gan.losses(Batch(torch.zeros(4, 1)))
    next(game)
    gan.discriminator.logit.data.fill_(5.0)
    assert next(game).value.item() == pytest.approx(math.log1p(math.exp(-5.0)), rel=1e-5)


def test_the_game_finds_a_gaussian() -> None:
    torch.manual_seed(0)
    gan = GAN(LINE, latent=1, generator=affine(1, 0), width=32)
    adams = {name: torch.optim.Adam(p.parameters(), lr=0.02, betas=(0.5, 0.999)) for name, p in gan.players().items()}
    for step in range(400):
        for adam in adams.values():
            adam.param_groups[0]["lr"] = 0.02 * (1 - step / 400)
        play(gan, 1.5 + 0.5 * torch.randn(256, 1), {"discriminator", "generator"}, adams)
    with torch.no_grad():
        made = gan.sample(20_000, generator=torch.Generator().manual_seed(0))
    assert made.mean().item() == pytest.approx(1.5, abs=0.1) and made.std().item() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("spec", [IMAGE, LINE, TABLE, Spec("map", (3, 4, 4))], ids=lambda s: s.kind)
def test_what_it_can_do(spec: Spec) -> None:
    gan = GAN(spec, latent=4, width=8).eval()
    assert capabilities(gan) == {"Encodes", "Decodes", "Samples", "Discriminates", "Prior"}
    with torch.no_grad():
        first, again, other = (gan.sample(5, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
        assert first.shape == (5, *spec.shape)
        assert torch.equal(first, again) and not torch.equal(first, other)
        assert torch.equal(*gan.sample(2, temperature=0.0))
        assert gan.discriminate(first).shape == (5,)
        z = gan.prior(5, generator=torch.Generator().manual_seed(1))
        assert z.shape == (5, gan.gaussian) and torch.equal(gan.decode(z), first)
        assert len(gan.encode(first)) == 5 and gan.encode(first, layer=gan.layers()[-1]).shape[0] == 5
    if spec is IMAGE:
        assert first.min() >= 0 and first.max() <= 1


def test_without_features_there_is_no_representation() -> None:
    assert "Encodes" not in capabilities(GAN(LINE, latent=1, discriminator=Constant(0.0)))


def test_conditioned_on_a_class_it_makes_that_class() -> None:
    """Two classes on a line, at -2 and at 2; a fifth of the labels are missing."""
    torch.manual_seed(0)
    gan = GAN(Spec("vector", (1,), classes=("left", "right")), latent=2, width=32, conditional=True)
    assert gan.needs == {"label"}
    adams = {name: torch.optim.Adam(p.parameters(), lr=5e-3, betas=(0.5, 0.999)) for name, p in gan.players().items()}
    for _ in range(300):
        label = torch.randint(2, (128,))
        x = (4.0 * label - 2 + 0.3 * torch.randn(128))[:, None]
        known = label.where(torch.rand(128) > 0.2, -1)
        for loss in gan.losses(Batch(x, known)):
            adams[loss.player].zero_grad()
            loss.value.backward(inputs=list(gan.players()[loss.player].parameters()))
            adams[loss.player].step()
            if loss.after:
                with torch.no_grad():
                    loss.after(loss.stats)
    with torch.no_grad():
        left, right = (gan.sample(200, label=k, generator=torch.Generator().manual_seed(0)) for k in (0, 1))
        assert left.mean().item() == pytest.approx(-2, abs=0.5) and right.mean().item() == pytest.approx(2, abs=0.5)
        assert left.std() < 1 and right.std() < 1


def test_without_classes_it_cannot_be_conditioned() -> None:
    with pytest.raises(DataError, match="--labels names"):
        GAN(LINE, conditional=True)
    with pytest.raises(OptionError, match="--conditional"):
        GAN(LINE).sample(2, label=0)


def test_made_rows_cannot_be_told_by_their_fractions() -> None:
    rows = GAN(TABLE, latent=4, width=8).sample(50)
    assert ((rows[:, 1:] - rows[:, 1:].round()).abs() < 1e-6).all()
    rows.sum().backward()


def test_every_parameter_belongs_to_one_player() -> None:
    gan = GAN(IMAGE, width=8)
    owned = [id(p) for player in gan.players().values() for p in player.parameters()]
    assert sorted(owned) == sorted(id(p) for p in gan.parameters())
    assert set(gan.recipe().optim) == set(gan.players())
