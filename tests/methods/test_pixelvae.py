"""The PixelVAE: a VAE without masked layers; with them, order and latent both count."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from tacit.errors import DataError, OptionError
from tacit.methods.autoencoders.pixelvae import InOrder, PixelVAE
from tacit.methods.autoencoders.vae import VAE
from tacit.protocol import Batch, Clock, Loss, Spec, capabilities

IMAGE = Spec("image", (1, 8, 8), (0.0, 1.0))
TINY = Spec("image", (1, 2, 2), (0.0, 1.0))


def loss_of(method: VAE, x: Tensor, step: int = 10_000) -> Loss:
    method.clock = Clock(step)
    torch.manual_seed(7)
    (loss,) = method.losses(Batch(x))
    return loss


def little(spec: Spec = IMAGE, **options: object) -> PixelVAE:
    torch.manual_seed(0)
    small = {"latent": 3, "layers": 2, "stack_width": 8, "width": 8}
    return PixelVAE(spec, **{**small, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("likelihood", ["bernoulli", "mixture"])
def test_without_masked_layers_it_is_the_vae(likelihood: str) -> None:
    ours = little(layers=0, likelihood=likelihood)
    vae = VAE(IMAGE, latent=3, width=8, likelihood=likelihood)  # type: ignore[arg-type]
    vae.load_state_dict(ours.state_dict())
    x = torch.rand(6, 1, 8, 8).round()
    assert torch.equal(loss_of(ours, x).value, loss_of(vae, x).value)
    assert torch.equal(ours.reconstruct(x), vae.reconstruct(x))


def test_given_the_latent_probabilities_sum_to_one() -> None:
    x = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4))).view(16, 1, 2, 2)
    method = little(TINY, likelihood="bernoulli", net="mlp")
    with torch.no_grad():
        p = torch.stack([method.log_likelihood(x, z.expand(16, 3)).exp() for z in 30 * torch.randn(4, 3)])
    torch.testing.assert_close(p.sum(1), torch.ones(4))
    assert (p[0] - p[1]).abs().max() > 1e-3, "the latent is not heard"


def test_a_pixel_sees_the_latent_and_the_pixels_before_it() -> None:
    method = little(layers=6, likelihood="bernoulli").train()
    assert isinstance(method.observation, InOrder)
    z, net = torch.randn(1, 3, requires_grad=True), method.observation.pixels.net
    x = torch.rand(1, 1, 8, 8)
    (moved,) = torch.autograd.grad(net(x, method.decoder(z))[..., 3, 4].sum(), z)
    assert moved.abs().min() > 0
    said = method.decoder(z).detach()
    moved = torch.autograd.functional.jacobian(lambda v: net(v, said)[0, 0, 0], x, vectorize=True)  # (8, 8, *x.shape)
    moved = moved.reshape(64, 64)
    assert moved.triu().abs().max() == 0 and moved[63, :63].abs().min() > 0


def test_the_loss_is_the_bound_and_its_kl_is_logged() -> None:
    method, x = little(beta=2.0), torch.randint(256, (5, 1, 8, 8)) / 255
    loss = loss_of(method, x)
    torch.testing.assert_close(loss.value, loss.terms["reconstruction"] + 2 * loss.terms["kl"])
    mean, log_var = method.posterior(x)
    kl = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(1).mean()
    torch.testing.assert_close(loss.terms["kl"], kl.detach())
    early = loss_of(method, x, step=0)
    torch.testing.assert_close(early.value, early.terms["reconstruction"] + 2 / 500 * early.terms["kl"])


def test_draws_of_x_given_z_are_as_likely_as_the_model_says() -> None:
    """Mean log P(x | z) over its own draws is minus the entropy, which enumeration gives."""
    x = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4))).view(16, 1, 2, 2)
    method, n = little(TINY, likelihood="bernoulli", net="mlp"), 4000
    z = torch.tensor([[2.0, -1.0, 0.5]])
    with torch.no_grad():
        out = method.decoder(z)
        p = method.observation(x, out.expand(16, -1, -1, -1)).exp()
        drawn = method.observation.sample(out.expand(n, -1, -1, -1), torch.Generator().manual_seed(0))
    places = (drawn.flatten(1) @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long()
    shares = places.bincount(minlength=16) / n
    assert (shares - p).abs().max() < 4 * (0.25 / n) ** 0.5


def test_decoded_images_do_not_depend_on_their_neighbours_and_samples_on_their_seed() -> None:
    method = little(likelihood="bernoulli").eval()
    z = torch.randn(5, 3)
    assert torch.equal(method.decode(z)[3:], method.decode(z[3:]))
    assert torch.equal(method.decode(z), method.decode(z)) and set(method.decode(z).unique().tolist()) == {0.0, 1.0}
    first, again, other = (method.sample(4, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    x, drawn = method.simulate(4, generator=torch.Generator().manual_seed(1))
    assert x.shape == (4, 1, 8, 8) and drawn.shape == (4, 3)


def test_what_it_can_do() -> None:
    method, x = little().eval(), torch.rand(3, 1, 8, 8)
    assert capabilities(method) == capabilities(VAE(IMAGE))
    assert method.discrete and not method.binary and little(likelihood="bernoulli").binary
    with torch.no_grad():
        assert method.log_prob(x, k=2).shape == (3,) and method.bound() == "lower"


def test_errors() -> None:
    with pytest.raises(OptionError, match="--layers is -1"):
        PixelVAE(IMAGE, layers=-1)
    with pytest.raises(DataError, match="PixelVAE takes image"):
        PixelVAE(Spec("vector", (5,)))
