"""The autoencoder: its losses by hand, its ranges, and that it learns."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, cross_entropy

from tacit.errors import CapabilityError, DataError, OptionError
from tacit.methods.autoencoders.ae import AE
from tacit.protocol import Batch, Column, Spec, capabilities

IMAGE = Spec("image", (1, 8, 8), (0.0, 1.0))
NAMED = Spec("vector", (4,), classes=("a", "b", "c"))
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


def test_labels_count_beside_the_error_and_unlabelled_samples_do_not() -> None:
    torch.manual_seed(0)
    ae, plain = AE(NAMED, latent=2, width=8, label_weight=3.0), AE(NAMED, latent=2, width=8)
    plain.load_state_dict({k: v for k, v in ae.state_dict().items() if not k.startswith("head")})
    x, label = torch.randn(6, 4), torch.tensor([0, -1, 2, -1, -1, 1])
    (loss,) = ae.losses(Batch(x, label))
    nats = sum(cross_entropy(ae.classify(x[i, None]), label[i, None]).item() for i in (0, 2, 5))
    assert loss.value.item() == pytest.approx(loss_of(plain, x).item() + 3 * nats / 6, rel=1e-5)
    assert loss.terms["label"].item() == pytest.approx(nats / 3, rel=1e-5)
    parts = [next(ae.losses(Batch(x[i : i + 3], label[i : i + 3]))).value for i in (0, 3)]
    torch.testing.assert_close(torch.stack(parts).mean(), loss.value)  # micro-batches add up
    (silent,) = ae.losses(Batch(x, torch.full((6,), -1)))
    torch.testing.assert_close(silent.value, loss_of(plain, x))


def test_labels_are_asked_for_and_classes_named_only_with_a_weight() -> None:
    ae, plain = AE(NAMED, latent=2, label_weight=1.0), AE(NAMED, latent=2)
    assert ae.needs == {"label"} and "Classifies" in capabilities(ae)
    assert not plain.needs and "Classifies" not in capabilities(plain)
    assert ae.classify(torch.randn(5, 4)).shape == (5, 3)
    with pytest.raises(CapabilityError, match="--label-weight"):
        plain.classify(torch.randn(5, 4))
    with pytest.raises(DataError, match="--labels names them"):
        AE(IMAGE, label_weight=1.0)
    with pytest.raises(OptionError, match="0 or more"):
        AE(NAMED, label_weight=-1.0)


def test_few_labels_shape_the_code() -> None:
    """Two clouds apart along a direction of little variance, which one dimension of code leaves out but for labels."""
    torch.manual_seed(0)
    label = torch.arange(400) % 2
    x = torch.randn(400, 2) * torch.tensor([4.0, 0.3]) + torch.tensor([0.0, 2.0]) * label[:, None]
    few = torch.where(torch.arange(400) < 40, label, -1)
    right = {}
    for weight in (0.01, 300.0):
        ae = AE(Spec("vector", (2,), classes=("a", "b")), latent=1, depth=0, label_weight=weight)
        adam = torch.optim.Adam(ae.parameters(), 0.05)
        for _ in range(150):
            adam.zero_grad()
            next(ae.losses(Batch(x, few))).value.backward()
            adam.step()
        right[weight] = (ae.classify(x[40:]).argmax(1) == label[40:]).double().mean().item()
    assert right[300.0] > 0.95 and right[0.01] < 0.8


def test_a_code_wider_than_the_data_is_refused_and_the_usual_one_is_narrow() -> None:
    with pytest.raises(OptionError, match="copy them: take 4 at most, or the method sparse-ae or denoising-ae"):
        AE(NAMED, latent=5)
    with pytest.raises(OptionError, match="1 or more"):
        AE(NAMED, latent=0)
    sizes = {size: AE(Spec("vector", (size,))).encode(torch.zeros(1, size)).shape[1] for size in (1, 2, 20, 100)}
    assert sizes == {1: 1, 2: 1, 20: 10, 100: 16}


def test_errors() -> None:
    with pytest.raises(DataError, match="take mse"):
        AE(Spec("vector", (3,)), loss="bce")
    with pytest.raises(DataError, match="--size 8"):
        AE(Spec("image", (1, 3, 3), (0.0, 1.0)))
    assert math.isfinite(loss_of(AE(Spec("image", (1, 3, 3), (0.0, 1.0)), net="mlp"), torch.rand(2, 1, 3, 3)).item())
