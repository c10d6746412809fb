"""The sparse autoencoder: its divergence, the gradient through a running mean, and that units come to rest at rho."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, kl_divergence

from tacit.errors import OptionError
from tacit.methods.autoencoders.sparse_ae import SparseAE, kl_bernoulli
from tacit.protocol import Batch, Loss, Spec, capabilities

VECTOR = Spec("vector", (6,))
IMAGE = Spec("image", (1, 8, 8), (0.0, 1.0))


def loss_of(ae: SparseAE, x: Tensor) -> Loss:
    (loss,) = ae.losses(Batch(x))
    return loss


def moved(ae: SparseAE, x: Tensor) -> None:
    loss = loss_of(ae, x)
    assert loss.after is not None
    with torch.no_grad():
        loss.after(loss.stats)


def gradient(ae: SparseAE, x: Tensor) -> Tensor:
    bias = ae.encoder.head.bias
    return torch.autograd.grad(ae.divergence(ae.encode(x)), bias)[0]


def test_divergence_is_torchs() -> None:
    mean = torch.tensor([0.01, 0.05, 0.3, 0.99])
    torch.testing.assert_close(kl_bernoulli(0.05, mean), kl_divergence(Bernoulli(torch.tensor(0.05)), Bernoulli(mean)))
    assert torch.isfinite(kl_bernoulli(0.05, torch.tensor([0.0, 1.0]))).all()


def test_the_loss_is_that_of_the_notes() -> None:
    torch.manual_seed(0)
    ae, x = SparseAE(VECTOR, latent=9, horizon=0, sparsity=3.0, decay=0.1), torch.randn(40, 6)
    z = torch.sigmoid(ae.encoder.head(x)).detach()
    error = sum(float((a - b).square().sum()) for a, b in zip(x, ae.reconstruct(x).detach(), strict=True)) / 40
    divergence = sum(0.05 * (0.05 / q).log() + 0.95 * (0.95 / (1 - q)).log() for q in z.mean(0))
    weights = sum(float(p.detach().square().sum()) for n, p in ae.named_parameters() if n.endswith("weight"))
    expected = error + 3 * float(divergence) + 0.05 * weights
    assert loss_of(ae, x).value.item() == pytest.approx(expected, rel=1e-5)


def test_the_gradient_of_small_batches_is_on_average_that_of_all_samples() -> None:
    """With the running mean at the mean of all samples; each small batch alone would pull elsewhere."""
    torch.manual_seed(0)
    ae, x = SparseAE(VECTOR, latent=5, horizon=1_000), 2 * torch.randn(120, 6)
    own = SparseAE(VECTOR, latent=5, horizon=0).eval()
    own.load_state_dict(ae.state_dict())
    ae.mean.copy_(ae.encode(x).mean(0).detach())
    whole = gradient(own, x)
    small = torch.stack([gradient(ae, part) for part in x.split(2)]).mean(0)
    torch.testing.assert_close(small, whole, atol=1e-6, rtol=1e-4)
    alone = torch.stack([gradient(own, part) for part in x.split(2)]).mean(0)
    assert (alone - whole).norm() > 0.1 * whole.norm()


def test_the_running_mean_covers_its_horizon_and_sums_over_micro_batches() -> None:
    torch.manual_seed(0)
    ae, x = SparseAE(VECTOR, latent=4, horizon=100), torch.randn(20, 6)
    z = ae.encode(x).detach()
    expected = 0.8 * torch.full((4,), 0.05) + 0.2 * z.mean(0)  # 20 of 100 samples
    parts = [loss_of(ae, part) for part in x.split(8)]
    ae.follow({key: torch.stack([p.stats[key] for p in parts]).sum(0) for key in parts[0].stats})
    torch.testing.assert_close(ae.mean, expected)
    moved(ae, x.repeat(9, 1))  # more samples than the horizon
    torch.testing.assert_close(ae.mean, z.mean(0))


@pytest.mark.parametrize("batch", [4, 64])
def test_units_come_to_rest_at_rho_whatever_the_batch(batch: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2_000, 6) @ torch.randn(6, 6) / 6**0.5
    ae = SparseAE(VECTOR, latent=12, sparsity=100.0, horizon=500)
    adam = torch.optim.Adam(ae.parameters(), 0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, 300)
    for step in range(300):
        loss = loss_of(ae, x[torch.arange(step * batch, (step + 1) * batch) % 2_000])
        adam.zero_grad()
        loss.value.backward()
        adam.step()
        schedule.step()
        with torch.no_grad():
            ae.follow(loss.stats)
    means = ae.encode(x).mean(0).detach()
    assert float(means.mean()) == pytest.approx(0.05, abs=0.01)


def test_atoms_are_the_decoders_columns_and_figures_put_the_busiest_first() -> None:
    ae = SparseAE(IMAGE, latent=70)
    columns = ae.decoder[0].head.weight.T.unflatten(1, (1, 8, 8))
    torch.testing.assert_close(ae.atoms(), columns)
    ae.mean.copy_(torch.arange(70) / 1_000)
    with torch.no_grad():
        ae.decoder[0].head.weight.copy_(torch.nn.functional.normalize(ae.decoder[0].head.weight, dim=0))
    atoms = ae.figures()["atoms"]
    assert atoms.shape == (70, 1, 8, 8) and not atoms.requires_grad
    torch.testing.assert_close(atoms, ae.atoms().flip(0))


def test_l1_charges_activations_by_the_length_of_their_atoms() -> None:
    torch.manual_seed(0)
    ae, x = SparseAE(VECTOR, latent=9, penalty="l1", sparsity=2.0, decay=0.0), torch.randn(5, 6)
    z, lengths = ae.encode(x), ae.decoder[0].head.weight.norm(dim=0)
    assert (z >= 0).all() and (z == 0).any()
    z, lengths = z.detach(), lengths.detach()
    cost = sum(float(z[i, j] * lengths[j]) for i in range(5) for j in range(9)) / 5
    error = float((x - ae.reconstruct(x).detach()).square().sum()) / 5
    before = loss_of(ae, x).value.item()
    assert before == pytest.approx(error + 2 * cost, rel=1e-5)
    with torch.no_grad():  # activations a tenth as large, atoms ten times as long: the same model at the same price
        ae.encoder.head.weight /= 10
        ae.encoder.head.bias /= 10
        ae.decoder[0].head.weight *= 10
    assert loss_of(ae, x).value.item() == pytest.approx(before, rel=1e-5)


@pytest.mark.parametrize("spec", [VECTOR, IMAGE, Spec("map", (4, 4, 4))], ids=lambda s: s.kind)
def test_what_it_can_do_with_more_units_than_values(spec: Spec) -> None:
    ae, x = SparseAE(spec), torch.rand(3, *spec.shape)
    assert capabilities(ae) == {"Encodes", "Decodes", "Scores", "Reconstructs", "Illustrates"}
    assert ae.encode(x).shape == (3, 196) and ae.decode(ae.encode(x)).shape == x.shape
    rest = ae.encode(torch.zeros_like(x)).detach()
    torch.testing.assert_close(rest, torch.full_like(rest, 0.05))  # where units start
    own = SparseAE(VECTOR, latent=3, encoder=nn.Linear(6, 3), decoder=nn.Linear(3, 6))
    assert own.figures()["atoms"].shape == (3, 6)


def test_what_cannot_be_is_refused() -> None:
    ae, x = SparseAE(VECTOR, horizon=0), torch.randn(19, 6)
    with pytest.raises(OptionError, match="19 samples is too small for a mean activation of 0.05, which takes 20"):
        loss_of(ae, x)
    assert torch.isfinite(loss_of(ae.eval(), x).value)  # the rest of held-out samples may be few
    loss_of(SparseAE(VECTOR), x[:1])
    with pytest.raises(OptionError, match="between 0 and 1"):
        SparseAE(VECTOR, rho=1.0)
    with pytest.raises(OptionError, match="none may be below 0"):
        SparseAE(VECTOR, sparsity=-1.0)
