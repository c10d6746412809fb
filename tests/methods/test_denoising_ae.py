"""The denoising autoencoder: without noise it is an autoencoder, and with noise it learns to take it away."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from tacit.errors import DataError, OptionError
from tacit.functional.corruption import CORRUPTIONS
from tacit.methods.autoencoders.ae import AE
from tacit.methods.autoencoders.denoising_ae import DenoisingAE
from tacit.protocol import Batch, Spec, capabilities

IMAGE = Spec("image", (1, 8, 8), (0.0, 1.0))
VECTOR = Spec("vector", (6,))


def loss_of(ae: AE, x: Tensor, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    (loss,) = ae.losses(Batch(x))
    return loss.value


@pytest.mark.parametrize("corruption", ["gaussian", "masking", "salt-and-pepper"])
@pytest.mark.parametrize("net", ["mlp", "conv"])
def test_without_noise_it_is_the_autoencoder_of_the_same_net(corruption: str, net: str) -> None:
    torch.manual_seed(0)
    ae, x = AE(IMAGE, latent=5, width=8, net=net), torch.rand(7, 1, 8, 8)
    denoising = DenoisingAE(IMAGE, latent=5, width=8, net=net, corruption=corruption, amount=0.0)
    denoising.load_state_dict(ae.state_dict())
    assert torch.equal(loss_of(denoising, x), loss_of(ae, x))
    assert torch.equal(denoising.reconstruct(x), ae.reconstruct(x))


@pytest.mark.parametrize("emphasis", [0.0, 0.3, 1.0])
def test_the_target_is_clean_and_struck_values_have_their_weight(emphasis: float) -> None:
    ae = DenoisingAE(IMAGE, latent=4, corruption="masking", amount=0.4, emphasis=emphasis)
    x = torch.rand(5, 1, 8, 8).round()  # half of the values are 0 before they are struck
    torch.manual_seed(3)
    noisy, struck = CORRUPTIONS["masking"](x, 0.4, None, (0.0, 1.0))
    made = ae.reconstruct(noisy).detach()
    slow = sum(
        2 * (emphasis if s else 1 - emphasis) * float((a - b) ** 2)
        for a, b, s in zip(x.flatten(), made.flatten(), struck.flatten(), strict=True)
    ) / 5
    assert loss_of(ae, x, seed=3).item() == pytest.approx(slow, rel=1e-5)


def test_noise_is_fresh_at_each_step() -> None:
    ae, x = DenoisingAE(VECTOR), torch.randn(5, 6)
    assert not torch.equal(loss_of(ae, x, seed=0), loss_of(ae, x, seed=1))
    torch.manual_seed(0)
    assert not torch.equal(*(next(ae.losses(Batch(x))).value for _ in range(2)))


def test_the_best_linear_denoiser_is_where_learning_ends() -> None:
    """Of x ~ N(0, C) with noise of variance s^2 it is C (C + s^2 I)^-1, with the error s^2 times its trace."""
    torch.manual_seed(0)
    mix = torch.randn(6, 6)
    covariance = mix @ mix.T
    best = covariance @ torch.linalg.inv(covariance + 0.25 * torch.eye(6))
    encoder = nn.Linear(6, 6)
    ae = DenoisingAE(VECTOR, latent=6, amount=0.5, encoder=encoder, decoder=nn.Identity())
    slopes = {}
    for name, weight in (("best", best), ("copy", torch.eye(6))):
        with torch.no_grad():
            encoder.weight.copy_(weight)
            encoder.bias.zero_()
        (loss,) = ae.losses(Batch(torch.randn(100_000, 6) @ mix.T))
        slopes[name] = torch.autograd.grad(loss.value, encoder.weight)[0].norm()
        expected = 0.25 * (best.trace() if name == "best" else 6)
        assert float(loss.value.detach()) == pytest.approx(float(expected), rel=0.02)
    assert slopes["best"] < 0.05 * slopes["copy"]


def test_it_takes_noise_off_images() -> None:
    torch.manual_seed(0)
    edges = torch.rand(64, 1, 1, 2).repeat_interleave(4, 3).expand(-1, 1, 8, -1)  # one edge each
    ae = DenoisingAE(IMAGE, latent=16)
    adam = torch.optim.Adam(ae.parameters(), 5e-3)
    for _ in range(60):
        adam.zero_grad()
        next(ae.losses(Batch(edges[torch.randint(48, (16,))]))).value.backward()
        adam.step()
    clean = edges[48:]
    noisy = ae.corrupted(clean)[0]
    ae.requires_grad_(False)
    before, after = ((a - clean).square().mean() for a in (noisy, ae.reconstruct(noisy)))
    assert 10 * math.log10(before / after) > 4


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (16, 16)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_map_for_a_code_fits_images_of_every_size(size: tuple[int, int], channels: int) -> None:
    spec = Spec("image", (channels, *size), (0.0, 1.0))
    ae, x = DenoisingAE(spec, latent=8, net="map"), torch.rand(3, channels, *size)
    assert ae.encode(x).shape == (3, 8, -(-size[0] // 2), -(-size[1] // 2))
    made = ae.decode(ae.encode(x))
    assert made.shape == x.shape and 0 <= made.min() and made.max() <= 1


def test_a_pixel_depends_on_its_surroundings_on_every_side() -> None:
    torch.manual_seed(0)
    ae, x = DenoisingAE(IMAGE, latent=8).double(), torch.rand(1, 1, 8, 8, dtype=torch.float64)
    slope = torch.autograd.functional.jacobian(lambda x: ae.reconstruct(x)[0, 0, 3, 4], x)[0, 0]
    assert (slope[2:5, 3:6] != 0).all()


def test_which_net_is_usual() -> None:
    assert DenoisingAE(IMAGE).encode(torch.rand(2, 1, 8, 8)).shape == (2, 32, 4, 4)
    assert DenoisingAE(VECTOR).encode(torch.rand(2, 6)).shape == (2, 32)  # wider than the data
    assert DenoisingAE(IMAGE, net="conv").encode(torch.rand(2, 1, 8, 8)).shape == (2, 32)
    named = DenoisingAE(Spec("image", (1, 8, 8), (0.0, 1.0), classes=("a", "b")), label_weight=1.0)
    assert named.classify(torch.rand(2, 1, 8, 8)).shape == (2, 2) and "Classifies" in capabilities(named)
    assert capabilities(DenoisingAE(VECTOR)) == {"Encodes", "Decodes", "Scores", "Reconstructs"}
    own = DenoisingAE(VECTOR, latent=3, encoder=nn.Linear(6, 3), decoder=nn.Linear(3, 6))
    assert own.reconstruct(torch.rand(2, 6)).shape == (2, 6)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(OptionError, match="no range; take masking"):
        DenoisingAE(VECTOR, corruption="salt-and-pepper")
    with pytest.raises(OptionError, match=r"share in \[0, 1\]"):
        DenoisingAE(VECTOR, corruption="masking", amount=1.5)
    with pytest.raises(OptionError, match="strikes every value"):
        DenoisingAE(VECTOR, emphasis=1.0)
    with pytest.raises(OptionError, match="take --net mlp"):
        DenoisingAE(VECTOR, net="map")
    with pytest.raises(DataError, match="take mse"):
        DenoisingAE(VECTOR, loss="bce")
