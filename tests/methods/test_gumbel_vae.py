"""The VAE of categorical latents against enumeration of all its latents, torch's distributions, and planted data."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, kl_divergence
from torch.distributions.relaxed_categorical import ExpRelaxedCategorical

from tacit.errors import DataError, OptionError
from tacit.functional.relaxed import concrete
from tacit.methods.autoencoders.gumbel_vae import GumbelVAE
from tacit.protocol import Batch, Clock, Column, Loss, Spec, capabilities

BITS = Spec("vector", (6,), (0.0, 1.0))
TABLE = Spec("table", (5,), columns=(
    Column("a", "number", 0), Column("b", "category", 1, ("x", "y", "z")), Column("c", "number", 4)))  # fmt: skip


def loss_of(vae: GumbelVAE, x: Tensor, step: int = 0) -> Loss:
    vae.clock = Clock(step)
    (loss,) = vae.losses(Batch(x))
    return loss


def bits(n: int, spec: Spec = BITS, seed: int = 0) -> Tensor:
    return torch.rand(n, *spec.shape, generator=torch.Generator().manual_seed(seed)).round()


def tiny(categories: int, **options: object) -> GumbelVAE:
    """A model of few latents, whose posterior is far from uniform."""
    torch.manual_seed(0)
    vae = GumbelVAE(BITS, variables=2, categories=categories, likelihood="bernoulli", width=8, depth=1, **options)
    with torch.no_grad():
        for layer in (m for m in vae.modules() if isinstance(m, torch.nn.Linear)):
            layer.weight.mul_(2)
    return vae.double().eval()


def enumerated(vae: GumbelVAE, x: Tensor) -> tuple[Tensor, Tensor]:
    """Returns log p(x) and the ELBO, each (N,), by a loop over all latents."""
    log_joint, log_q = [], []
    q = Categorical(logits=vae.posterior(x))
    for choice in itertools.product(range(vae.categories), repeat=vae.variables):
        kinds = torch.tensor(choice)
        rows = torch.nn.functional.one_hot(kinds, vae.categories).to(x.dtype).expand(len(x), -1, -1)
        code = rows.flatten(1) if vae.categories > 2 else rows[..., 0]
        likelihood = Bernoulli(logits=vae.decoder(code)).log_prob(x).sum(1)
        log_joint.append(likelihood - vae.variables * math.log(vae.categories))
        log_q.append(q.log_prob(kinds.expand(len(x), -1)).sum(1))
    p, q_each = torch.stack(log_joint), torch.stack(log_q)
    return p.logsumexp(0), (q_each.exp() * (p - q_each)).sum(0)


@pytest.mark.parametrize("categories", [2, 3])
@torch.no_grad()
def test_the_bound_on_hard_draws_is_that_of_all_latents_enumerated(categories: int) -> None:
    vae, x = tiny(categories), bits(4).double()
    exact, elbo = enumerated(vae, x)
    assert (exact - elbo).min() > 0.05  # a posterior that is not the true one, or the test could not fail
    log_w = vae.log_weights(x, 10_000, torch.Generator().manual_seed(0))
    error = 4 * log_w.std(0) / math.sqrt(len(log_w))
    assert ((log_w.mean(0) - elbo).abs() < error).all()
    torch.testing.assert_close(vae.log_prob(x, k=10_000), exact, atol=0.03, rtol=0)


@torch.no_grad()
def test_more_draws_make_a_tighter_bound() -> None:
    vae, x = tiny(3), bits(500).double()
    generator = torch.Generator().manual_seed(1)
    bounds = [vae.log_prob(x, k=k, generator=generator).mean().item() for k in (1, 5, 50)]
    assert bounds[0] < bounds[1] < bounds[2] < enumerated(vae, x)[0].mean().item() + 0.01
    assert vae.bound() == "lower"


@torch.no_grad()
def test_chunks_of_draws_do_not_change_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    vae, x = tiny(3), bits(32).double()
    whole = vae.log_prob(x, k=40)
    monkeypatch.setattr("tacit.nets.observations.ROWS", 3 * len(x))
    torch.testing.assert_close(vae.log_prob(x, k=40), whole)


@pytest.mark.parametrize("estimator", ["gumbel", "straight-through", "concrete"])
def test_the_loss_is_the_slow_sum(estimator: str) -> None:
    vae, x = tiny(3, estimator=estimator, tau=0.7), bits(4).double()
    torch.manual_seed(7)
    loss = loss_of(vae, x)
    torch.manual_seed(7)
    logits = vae.posterior(x)
    log_y, total = concrete(logits, 0.7), 0.0
    for i in range(4):
        y = log_y[i].exp()
        code = torch.eye(3, dtype=x.dtype)[y.argmax(-1)] if estimator == "straight-through" else y
        total -= Bernoulli(logits=vae.decoder(code.reshape(1, 6))).log_prob(x[i]).sum().item() / 4
        for v in range(2):
            q, even = logits[i, v], torch.zeros(3, dtype=x.dtype)
            if estimator == "concrete":
                densities = [ExpRelaxedCategorical(torch.tensor(0.7, dtype=x.dtype), logits=a) for a in (q, even)]
                total += (densities[0].log_prob(log_y[i, v]) - densities[1].log_prob(log_y[i, v])).item() / 4
            else:
                total += kl_divergence(Categorical(logits=q), Categorical(logits=even)).item() / 4
    assert loss.value.item() == pytest.approx(total, rel=1e-6)
    assert (loss.terms["reconstruction"] + loss.terms["kl"]).item() == pytest.approx(total, rel=1e-6)


def test_the_decoder_sees_hard_rows_straight_through_and_the_encoder_still_learns() -> None:
    vae = tiny(3, estimator="straight-through")
    seen: list[Tensor] = []
    vae.decoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    loss_of(vae, bits(50).double()).value.backward()
    assert set(seen[0].unique().tolist()) == {0.0, 1.0}
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in vae.encoder.parameters())


def test_the_temperature_falls_by_steps_to_its_floor() -> None:
    vae = GumbelVAE(BITS, tau=2.0, tau_rate=0.1, tau_floor=0.5)
    taus = [loss_of(vae, bits(2), step).terms["tau"].item() for step in (0, 5, 500)]
    assert taus == pytest.approx([2.0, 2 * math.exp(-0.5), 0.5])


def planted(kinds: int, n: int = 2_000) -> tuple[Tensor, Tensor]:
    """Patterns of 12 bits of which each is flipped at 5 %, and the true log probability of each sample."""
    generator = torch.Generator().manual_seed(0)
    patterns = torch.tensor([[1.0] * 6 + [0.0] * 6, [0.0] * 6 + [1.0] * 6, [1.0, 0.0] * 6, [1.0, 1.0, 0.0] * 4])[:kinds]
    kind = torch.randint(kinds, (n,), generator=generator)
    x = (patterns[kind] - (torch.rand(n, 12, generator=generator) < 0.05).float()).abs()
    likelihoods = Bernoulli(probs=0.05 + 0.9 * patterns[:, None]).log_prob(x).sum(-1)  # (kinds, n)
    return x, likelihoods.logsumexp(0) - math.log(kinds)


def trained(x: Tensor, kinds: int, estimator: str, tau: float = 0.5) -> GumbelVAE:
    torch.manual_seed(0)
    vae = GumbelVAE(Spec("vector", (12,), (0.0, 1.0)), variables=1, categories=kinds, estimator=estimator,
                    likelihood="bernoulli", width=32, depth=1, tau_rate=0.01, tau_floor=tau)  # fmt: skip
    adam = torch.optim.Adam(vae.parameters(), lr=0.02)
    for step in range(250):
        adam.zero_grad()
        loss_of(vae, x[torch.randint(len(x), (100,))], step).value.backward()
        adam.step()
    return vae


@pytest.mark.parametrize(("kinds", "estimator"), [(4, "gumbel"), (2, "gumbel"), (2, "straight-through")])
def test_training_finds_planted_categories(kinds: int, estimator: str) -> None:
    x, truth = planted(kinds)
    vae = trained(x, kinds, estimator)
    with torch.no_grad():
        reached = vae.log_prob(x).mean()
        drawn = vae.sample(500, generator=torch.Generator().manual_seed(0))
    assert truth.mean() - 0.2 < reached < truth.mean() + 0.1
    assert len(drawn.round().unique(dim=0)) == kinds  # means of p(x | z): every pattern, and nothing between them
    assert torch.cdist(drawn, x).amin(1).max() < 0.6


def test_only_relaxed_densities_make_a_bound() -> None:
    """With the KL of the categories the relaxed loss falls below -log p(x), which no bound could."""
    x, truth = planted(4)
    values = {}
    for estimator in ("gumbel", "concrete"):
        vae = trained(x, 4, estimator, tau=1.0)
        with torch.no_grad():
            values[estimator] = loss_of(vae, x, 250).value.item()
            assert vae.log_prob(x, k=50).mean() < truth.mean() + 0.1
    assert values["gumbel"] < -truth.mean() - 0.05
    assert values["concrete"] > -truth.mean() - 0.1


@torch.no_grad()
def test_binary_latents_are_written_as_one_number_each() -> None:
    vae = GumbelVAE(BITS, variables=5, categories=2, likelihood="bernoulli", width=8)
    z, x = vae.encode(bits(3)), bits(3)
    assert z.shape == (3, 5) and (0 < z).all() and (z < 1).all()
    torch.testing.assert_close(z, vae.encoder(x).sigmoid())
    hard = vae.encode(x, stochastic=True, generator=torch.Generator().manual_seed(0))
    assert set(hard.unique().tolist()) <= {0.0, 1.0}


@torch.no_grad()
def test_codes_reconstructions_and_samples() -> None:
    vae, x = GumbelVAE(BITS, variables=5, categories=3, likelihood="bernoulli", width=8).eval(), bits(7)
    z = vae.encode(x)
    torch.testing.assert_close(z.unflatten(1, (5, 3)).sum(2), torch.ones(7, 5))
    hard = torch.nn.functional.one_hot(z.unflatten(1, (5, 3)).argmax(2), 3).float().flatten(1)
    assert torch.equal(vae.reconstruct(x), vae.decode(hard))
    for call in (lambda g: vae.sample(5, generator=g), lambda g: vae.encode(x, stochastic=True, generator=g)):
        first, again, other = (call(torch.Generator().manual_seed(s)) for s in (1, 1, 2))
        assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(vae.log_prob(x, k=3), vae.log_prob(x, k=3))
    torch.testing.assert_close(vae.anomaly_score(x)[2:4], vae.anomaly_score(x[2:4]))
    assert "Infers" not in capabilities(vae)  # its latents are not continuous


def test_sampled_rows_are_rows() -> None:
    rows = GumbelVAE(TABLE, variables=2, width=8).sample(50, generator=torch.Generator().manual_seed(0))
    assert set(rows[:, 1:4].unique().tolist()) == {0.0, 1.0} and (rows[:, 1:4].sum(1) == 1).all()


@pytest.mark.parametrize("categories", [2, 4])
def test_the_prior_draws_each_category_as_often_and_samples_are_decoded_draws(categories: int) -> None:
    vae = GumbelVAE(BITS, variables=3, categories=categories, likelihood="bernoulli", width=8)
    z = vae.prior(4_000, generator=torch.Generator().manual_seed(0))
    assert z.shape == (4_000, 3 * vae.written) and set(z.unique().tolist()) == {0.0, 1.0} and vae.gaussian == 0
    assert categories == 2 or (z.unflatten(1, (3, categories)).sum(2) == 1).all()
    assert (z.mean(0) - 1 / categories).abs().max() < 0.04
    drawn = vae.prior(5, generator=torch.Generator().manual_seed(2))
    assert torch.equal(vae.decode(drawn), vae.sample(5, generator=torch.Generator().manual_seed(2)))


def test_errors() -> None:
    with pytest.raises(DataError, match="take gaussian"):
        GumbelVAE(Spec("vector", (5,)), likelihood="bernoulli")
    with pytest.raises(OptionError, match="at least 1 and 2"):
        GumbelVAE(BITS, categories=1)
    with pytest.raises(OptionError, match="tau >= floor > 0"):
        GumbelVAE(BITS, tau=0.3)
