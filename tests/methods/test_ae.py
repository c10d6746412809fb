"""The autoencoder: its losses by hand, its ranges, and that it learns."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy

from tacit.errors import DataError
from tacit.methods.autoencoders.ae import AE
from tacit.protocol import Batch, Column, Spec, capabilities

IMAGE = Spec("image", (1, 8, 8), (0.0, 1.0))
TABLE = Spec("table", (4,), columns=(Column("a", "number", 0), Column("b", "category", 1, ("x", "y", "z"))))


def loss_of(ae: AE, x: Tensor) -> Tensor:
    (loss,) = ae.losses(Batch(x))
    return loss.value


def test_mse_is_summed_over_values_and_averaged_over_the_batch() -> None:
    ae, x = AE(IMAGE, latent=3, width=8), torch.rand(5, 1, 8, 8)
    made = ae.reconstruct(x).detach()
    slow = sum(float((a - b) ** 2) for a, b in zip(x.flatten(), made.flatten(), strict=True)) / 5
    assert loss_of(ae, x).item() == pytest.approx(slow, rel=1e-5)


def test_bce_is_the_cross_entropy_of_the_reconstruction() -> None:
    ae, x = AE(IMAGE, latent=3, width=8, loss="bce"), torch.rand(5, 1, 8, 8)
    torch.testing.assert_close(loss_of(ae, x), binary_cross_entropy(ae.reconstruct(x), x, reduction="sum") / 5)


def test_the_score_is_the_loss_per_value() -> None:
    ae, x = AE(IMAGE, latent=3, width=8), torch.rand(5, 1, 8, 8)
    score = ae.anomaly_score(x)
    assert score.shape == (5,)
    torch.testing.assert_close(score, (x - ae.reconstruct(x)).square().mean((1, 2, 3)))


@pytest.mark.parametrize("spec", [IMAGE, TABLE, Spec("vector", (3,)), Spec("map", (4, 4, 4))], ids=lambda s: s.kind)
def test_what_it_can_do(spec: Spec) -> None:
    ae, x = AE(spec, latent=2, width=8), torch.rand(6, *spec.shape)
    assert capabilities(ae) == {"Encodes", "Decodes", "Scores", "Reconstructs"}
    assert ae.encode(x).shape == (6, 2)
    assert ae.decode(ae.encode(x)).shape == x.shape


def test_decoded_values_live_where_the_data_do() -> None:
    image = AE(IMAGE, latent=3, width=8).decode(50 * torch.randn(4, 3))
    assert image.min() >= 0 and image.max() <= 1
    torch.testing.assert_close(AE(TABLE, latent=3).decode(torch.randn(4, 3))[:, 1:].sum(1), torch.ones(4))


def test_without_hidden_layers_it_finds_the_principal_plane() -> None:
    """Baldi & Hornik 1989: the linear autoencoder's best is PCA's."""
    torch.manual_seed(0)
    x = torch.randn(400, 2) @ torch.randn(2, 6) + 0.2 * torch.randn(400, 6)
    least = torch.linalg.svdvals(x - x.mean(0))[2:].square().sum() / 400
    ae = AE(Spec("vector", (6,)), latent=2, depth=0)
    lbfgs = torch.optim.LBFGS(ae.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        lbfgs.zero_grad()
        loss_of(ae, x).backward()
        return loss_of(ae, x)

    lbfgs.step(closure)
    assert least <= loss_of(ae, x) * (1 + 1e-5) and loss_of(ae, x) < 1.01 * least


def test_your_own_modules_take_the_places_of_ours() -> None:
    encoder, decoder = nn.Linear(3, 2), nn.Linear(2, 3)
    ae, x = AE(Spec("vector", (3,)), latent=2, encoder=encoder, decoder=decoder), torch.randn(4, 3)
    torch.testing.assert_close(ae.reconstruct(x), decoder(encoder(x)))


def test_errors() -> None:
    with pytest.raises(DataError, match="take mse"):
        AE(Spec("vector", (3,)), loss="bce")
    with pytest.raises(DataError, match="--size 8"):
        AE(Spec("image", (1, 3, 3), (0.0, 1.0)))
    assert math.isfinite(loss_of(AE(Spec("image", (1, 3, 3), (0.0, 1.0)), net="mlp"), torch.rand(2, 1, 3, 3)).item())
