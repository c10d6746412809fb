"""The IWAE against a slow loop, closed forms, pythae where it is installed, and its own gradient in expectation."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Normal

from tacit.errors import OptionError
from tacit.methods.autoencoders.iwae import IWAE
from tacit.methods.autoencoders.vae import VAE
from tacit.protocol import Batch, Loss, Spec

BITS = Spec("vector", (6,), (0.0, 1.0))
IMAGE = Spec("image", (1, 4, 4), (0.0, 1.0))


def loss_of(method: VAE, x: Tensor, seed: int = 0) -> Loss:
    torch.manual_seed(seed)
    (loss,) = method.losses(Batch(x))
    return loss


def bits(n: int, spec: Spec = BITS) -> Tensor:
    return torch.rand(n, *spec.shape, generator=torch.Generator().manual_seed(0)).round()


def tiny(**options: Any) -> IWAE:
    """A model whose posterior is far from the true one."""
    torch.manual_seed(0)
    made = IWAE(BITS, latent=2, likelihood="bernoulli", width=8, depth=1, **options)
    with torch.no_grad():
        for layer in (m for m in made.modules() if isinstance(m, nn.Linear)):
            layer.weight.mul_(2)
    return made.double()


def slow_weights(model: IWAE, x: Tensor, eps: Tensor) -> Tensor:
    """Returns log p(x, z_i) - log q(z_i | x), shape (k, N), by loops over draws, samples and dimensions."""
    mean, log_var = model.posterior(x)
    log_w = x.new_zeros(len(eps), len(x))
    for i in range(len(eps)):
        for n in range(len(x)):
            q = Normal(mean[n], (0.5 * log_var[n]).exp())
            z = mean[n] + (0.5 * log_var[n]).exp() * eps[i, n]
            log_p = Bernoulli(logits=model.decoder(z[None])[0]).log_prob(x[n]).sum()
            log_w[i, n] = log_p + Normal(0.0, 1.0).log_prob(z).sum() - q.log_prob(z).sum()
    return log_w


def gradients(model: IWAE, part: str, x: Tensor, seed: int) -> Tensor:
    """Returns the gradient of all parameters of one net, flat."""
    model.zero_grad()
    loss_of(model, x, seed).value.backward()
    return torch.cat([p.grad.flatten() for p in model.get_submodule(part).parameters()])


@pytest.mark.parametrize("gradient", ["standard", "dreg"])
def test_the_loss_is_the_slow_bound(gradient: str) -> None:
    model, x = tiny(draws=5, gradient=gradient), bits(3).double()
    loss = loss_of(model, x)
    torch.manual_seed(0)
    log_w = slow_weights(model, x, torch.randn(15, 2).view(5, 3, 2))
    bound = (log_w.exp().sum(0) / 5).log()
    assert loss.value.item() == pytest.approx(-bound.mean().item(), rel=1e-6)
    assert loss.terms["elbo"].item() == pytest.approx(log_w.mean().item(), rel=1e-6)
    effective = log_w.exp().sum(0) ** 2 / log_w.exp().square().sum(0)
    assert loss.terms["effective_draws"].item() == pytest.approx(effective.mean().item(), rel=1e-6)


def test_the_surrogate_has_the_right_gradient_and_another_value() -> None:
    """-sum_i v_i log w_i, with fixed normalised weights v_i, lies log k - H(v) below the bound's loss."""
    model, x = tiny(draws=16, gradient="standard"), bits(5).double()
    value, own = loss_of(model, x).value, [gradients(model, part, x, 0) for part in ("encoder", "decoder")]
    model.zero_grad()
    torch.manual_seed(0)
    log_w = model.log_weights(x, 16)
    share = log_w.detach().softmax(0)
    surrogate = -(share * log_w).sum(0).mean()
    surrogate.backward()
    entropy = -(share * share.log()).sum(0).mean()
    torch.testing.assert_close(value, surrogate + math.log(16) - entropy)
    for part, gradient in zip(("encoder", "decoder"), own, strict=True):
        theirs = [p.grad.flatten() for p in model.get_submodule(part).parameters()]
        torch.testing.assert_close(gradient, torch.cat(theirs))


def test_one_draw_is_the_elbo() -> None:
    model, x = tiny(draws=1, gradient="standard"), bits(200).double()
    vae = VAE(BITS, latent=2, likelihood="bernoulli", width=8, depth=1).double()
    vae.load_state_dict(model.state_dict())
    with torch.no_grad():
        own = torch.stack([loss_of(model, x, seed).value for seed in range(200)])
        elbo = torch.stack([loss_of(vae, x, seed).value for seed in range(200)])
        assert abs(own.mean() - elbo.mean()) < 4 * (own.var() / 200 + elbo.var() / 200).sqrt()


@torch.no_grad()
def test_more_draws_make_a_tighter_bound() -> None:
    model, x = tiny(), bits(500).double()
    generator = torch.Generator().manual_seed(1)
    bounds = [model.log_prob(x, k=k, generator=generator).mean().item() for k in (1, 5, 50)]
    assert bounds[0] < bounds[1] - 0.01 < bounds[2] - 0.02


@torch.no_grad()
def test_chunks_of_draws_do_not_change_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = tiny(), bits(32).double()
    whole = model.log_prob(x, k=40)
    monkeypatch.setattr(model, "rows", 3 * len(x))
    torch.testing.assert_close(model.log_prob(x, k=40), whole)


def test_dreg_has_the_bounds_gradient_on_average_with_less_variance() -> None:
    x = bits(4).double()
    standard, dreg = tiny(draws=20, gradient="standard"), tiny(draws=20, gradient="dreg")
    torch.testing.assert_close(gradients(standard, "decoder", x, 3), gradients(dreg, "decoder", x, 3))
    first, second = (torch.stack([gradients(m, "encoder", x, seed) for seed in range(start, start + 500)])
                     for m, start in ((standard, 0), (dreg, 1000)))  # fmt: skip
    error = (first.var(0) / 500 + second.var(0) / 500).sqrt()
    apart = (first.mean(0) - second.mean(0)) / error.clamp_min(1e-12)
    assert apart.abs().max() < 5 and apart.square().mean() < 2
    assert (first.mean(0).abs() / error.clamp_min(1e-12)).max() > 10  # there is a gradient to agree on
    assert second.var(0).sum() < 0.7 * first.var(0).sum()


def test_dreg_has_no_noise_at_the_true_posterior() -> None:
    """x = 2 z + noise of sigma 1/2: p(z | x) = N(8 x / 17, 1 / 17), where every weight is p(x)."""
    x = torch.randn(6, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sizes = {}
    for gradient in ("standard", "dreg"):
        encoder, decoder = nn.Linear(1, 2), nn.Linear(1, 1)
        model = IWAE(Spec("vector", (1,)), latent=1, draws=7, gradient=gradient, sigma=0.5, encoder=encoder,
                     decoder=decoder).double()  # fmt: skip
        with torch.no_grad():
            encoder.weight.copy_(torch.tensor([[8 / 17], [0.0]]))
            encoder.bias.copy_(torch.tensor([0.0, -math.log(17)]))
            decoder.weight.fill_(2.0)
            decoder.bias.zero_()
        exact = Normal(0.0, math.sqrt(4.25)).log_prob(x).mean()
        torch.testing.assert_close(loss_of(model, x).value, -exact, atol=1e-6, rtol=0)
        sizes[gradient] = gradients(model, "encoder", x, 0).abs().max().item()
    assert sizes["dreg"] < 1e-5 < 1e-3 < sizes["standard"]


@pytest.mark.parametrize("gradient", ["standard", "dreg"])
def test_training_finds_that_bits_are_copies(gradient: str) -> None:
    """Three bits are free and three are copies: 3 log 2 = 2.08 nats, where 6 log 2 = 4.16 are those of free ones."""
    x = bits(200)
    x[:, 3:] = x[:, :3]
    torch.manual_seed(0)
    model = IWAE(BITS, latent=3, draws=5, gradient=gradient, likelihood="bernoulli", width=16, depth=1)
    adam = torch.optim.Adam(model.parameters(), lr=0.02)
    for seed in range(200):
        adam.zero_grad()
        loss_of(model, x, seed).value.backward()
        adam.step()
    assert 2.0 < loss_of(model, x).value.item() < 3.3


def test_there_must_be_a_draw() -> None:
    with pytest.raises(OptionError, match="at least 1"):
        IWAE(BITS, draws=0)


class Logits(nn.Module):
    """pythae's decoder before its sigmoid."""

    def __init__(self, theirs: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.Sequential(*theirs.layers[:-1], theirs.layers[-1][0], nn.Unflatten(1, shape))

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class Posterior(nn.Module):
    """pythae's encoder: the mean, then the log-variance."""

    def __init__(self, theirs: nn.Module) -> None:
        super().__init__()
        self.theirs = theirs

    def forward(self, x: Tensor) -> Tensor:
        found = self.theirs(x)
        return torch.cat([found.embedding, found.log_covariance], 1)


def borrowed(theirs: Any, cls: type[VAE], **options: Any) -> VAE:
    """Our method on pythae's nets themselves, so that gradients meet in the same parameters."""
    return cls(IMAGE, latent=3, likelihood="bernoulli", encoder=Posterior(theirs.encoder),
               decoder=Logits(theirs.decoder, IMAGE.shape), **options)  # fmt: skip


def test_the_vae_is_pythaes() -> None:
    models = pytest.importorskip("pythae.models")
    torch.manual_seed(0)
    theirs = models.VAE(models.VAEConfig(input_dim=IMAGE.shape, latent_dim=3, reconstruction_loss="bce"))
    x = bits(7, IMAGE)
    ours = loss_of(borrowed(theirs, VAE), x, seed=1)
    torch.manual_seed(1)
    found = theirs({"data": x})
    torch.testing.assert_close(ours.value, found.loss)
    torch.testing.assert_close(ours.terms["kl"], found.reg_loss.detach())


def test_the_iwae_is_pythaes_and_its_loss_is_the_bound() -> None:
    models = pytest.importorskip("pythae.models")
    torch.manual_seed(0)
    config = models.IWAEConfig(input_dim=IMAGE.shape, latent_dim=3, reconstruction_loss="bce", number_samples=16)
    theirs = models.IWAE(config)
    x = bits(7, IMAGE)
    ours = borrowed(theirs, IWAE, draws=16, gradient="standard")
    noise = torch.randn(16, 7, 3, generator=torch.Generator().manual_seed(1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tacit.methods.autoencoders.vae.normal", lambda *shape, **_: noise.view(shape))
        patch.setattr(theirs, "_sample_gauss", lambda mu, std: (mu + noise.transpose(0, 1) * std, None))
        loss = loss_of(ours, x).value
        with torch.no_grad():
            share = ours.log_weights(x, 16).softmax(0)
        found = theirs({"data": x}).loss
    entropy = -(share * share.log()).sum(0).mean()
    torch.testing.assert_close(loss, found + math.log(16) - entropy, atol=1e-5, rtol=1e-6)
    parameters = list(theirs.parameters())
    for own, other in zip(torch.autograd.grad(loss, parameters), torch.autograd.grad(found, parameters), strict=True):
        torch.testing.assert_close(own, other, atol=1e-6, rtol=1e-4)
