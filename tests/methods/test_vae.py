"""The VAE against the closed form, a slow loop, torch's distributions, and probabilistic PCA."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, MultivariateNormal, Normal

from tacit.catalog import row
from tacit.errors import DataError, OptionError
from tacit.functional.divergences import kl_standard_normal
from tacit.functional.importance import effective_draws
from tacit.methods.autoencoders.vae import VAE
from tacit.protocol import Batch, Clock, Column, Loss, Spec, capabilities

VECTOR = Spec("vector", (5,))
IMAGE = Spec("image", (1, 8, 8), (0.0, 1.0))
TABLE = Spec("table", (5,), columns=(
    Column("a", "number", 0), Column("b", "category", 1, ("x", "y", "z")), Column("c", "number", 4)))  # fmt: skip


def loss_of(vae: VAE, x: Tensor, step: int = 0) -> Loss:
    vae.clock = Clock(step)
    (loss,) = vae.losses(Batch(x))
    return loss


def data(n: int = 300) -> Tensor:
    """Five dimensions of which two carry most."""
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(2, 5, generator=generator, dtype=torch.float64) * torch.tensor([[2.0], [1.0]])
    noise = torch.randn(n, 5, generator=generator, dtype=torch.float64)
    return torch.randn(n, 2, generator=generator, dtype=torch.float64) @ mix + 0.4 * noise + 3


def ppca_vae(x: Tensor, d: int = 2) -> tuple[VAE, MultivariateNormal]:
    """The linear VAE at the maximum likelihood of probabilistic PCA with the exact posterior, and that density.

    Tipping & Bishop 1999: W = U (L - s2 I)^(1/2); p(z | x) = N(M^-1 W^T (x - mean), s2 M^-1), M = W^T W + s2 I = L.
    """
    mean, values_vectors = x.mean(0), torch.linalg.eigh(torch.cov(x.T, correction=0))
    values, vectors = values_vectors[0].flip(0), values_vectors[1].flip(1)
    s2 = values[d:].mean()
    w = vectors[:, :d] * (values[:d] - s2).sqrt()
    encoder, decoder = nn.Linear(5, 2 * d), nn.Linear(d, 5)
    vae = VAE(VECTOR, latent=d, sigma=s2.sqrt().item(), encoder=encoder, decoder=decoder).double()
    with torch.no_grad():
        vae.observation.log_sigma.fill_(0.5 * s2.log())
        encoder.weight[:d] = w.T / values[:d, None]
        encoder.bias[:d] = -(w.T / values[:d, None]) @ mean
        encoder.weight[d:] = 0
        encoder.bias[d:] = (s2 / values[:d]).log()
        decoder.weight.copy_(w)
        decoder.bias.copy_(mean)
    return vae, MultivariateNormal(mean, w @ w.T + s2 * torch.eye(5))


def test_the_elbo_of_the_linear_vae_is_the_likelihood_of_ppca() -> None:
    x = data()
    vae, density = ppca_vae(x)
    exact = density.log_prob(x)
    with torch.no_grad():
        for k in (1, 3):  # with the exact posterior every weight is p(x)
            torch.testing.assert_close(vae.log_prob(x, k=k), exact, atol=1e-5, rtol=0)
        torch.testing.assert_close(vae.log_prob(x[:7], k=1200), exact[:7], atol=1e-5, rtol=0)  # in several chunks
        mean, log_var = vae.posterior(x)
        weight = vae.decoder.weight
        assert isinstance(weight, Tensor)
        spread = 0.5 * (log_var.exp() @ weight.square().sum(0)) * (-2 * vae.observation.log_sigma).exp()
        elbo = vae.log_likelihood(x, mean) - spread - kl_standard_normal(mean, log_var).sum(1)
        torch.testing.assert_close(elbo, exact, atol=1e-5, rtol=0)
        many = torch.stack([-loss_of(vae, x).value for _ in range(200)])
        assert abs(many.mean() - exact.mean()) < 4 * many.std() / math.sqrt(200)


def test_training_the_linear_vae_reaches_the_likelihood_of_ppca() -> None:
    torch.manual_seed(0)
    x = data() - data().mean(0)
    best = ppca_vae(x)[1].log_prob(x).mean().item()
    vae = VAE(VECTOR, latent=2, depth=0).double()
    adam = torch.optim.Adam(vae.parameters(), lr=0.05)
    for step in range(500):
        adam.param_groups[0]["lr"] = 0.05 * (1 - step / 500)
        adam.zero_grad()
        loss_of(vae, x, step).value.backward()
        adam.step()
    with torch.no_grad():
        reached = vae.log_prob(x, k=50).mean().item()
    assert best - 0.1 < reached < best + 0.01


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_the_loss_is_the_slow_sum(likelihood: str) -> None:
    sigma = 0.3 if likelihood == "gaussian" else None
    vae = VAE(IMAGE, latent=3, likelihood=likelihood, sigma=sigma, width=8, beta=2.5)
    x = (torch.rand(4, 1, 8, 8) > 0.5).float()
    torch.manual_seed(7)
    loss = loss_of(vae, x)
    torch.manual_seed(7)
    eps, total = torch.randn(4, 3), 0.0
    mean, log_var = vae.posterior(x)
    for i in range(4):
        sigma = (0.5 * log_var[i]).exp()
        out = vae.decoder((mean[i] + sigma * eps[i])[None])[0]
        p = Normal(out.sigmoid(), 0.3) if likelihood == "gaussian" else Bernoulli(logits=out)
        for a in range(8):
            for b in range(8):
                total -= p.log_prob(x[i])[0, a, b].item() / 4
        for j in range(3):
            q = Normal(mean[i, j], sigma[j])
            total += 2.5 * torch.distributions.kl_divergence(q, Normal(0.0, 1.0)).item() / 4
    assert loss.value.item() == pytest.approx(total, rel=1e-5)
    assert (loss.terms["reconstruction"] + 2.5 * loss.terms["kl"]).item() == pytest.approx(total, rel=1e-5)


def test_values_are_summed_not_averaged() -> None:
    """Twice as many copies of the same values cost twice the nats."""
    x, nats = torch.rand(64, 6), []
    for copies in (1, 2):
        decoder = nn.Linear(2, 6 * copies)
        nn.init.zeros_(decoder.weight)
        nn.init.zeros_(decoder.bias)
        vae = VAE(Spec("vector", (6 * copies,)), latent=2, sigma=1.0, decoder=decoder)
        nats.append(loss_of(vae, x.repeat(1, copies)).terms["reconstruction"].item())
    assert nats[1] == pytest.approx(2 * nats[0], rel=1e-5)


def test_more_draws_make_a_tighter_bound() -> None:
    torch.manual_seed(0)
    vae = VAE(VECTOR, latent=2, sigma=0.5, width=16).eval()
    x, generator = data(400).float() - 3, torch.Generator().manual_seed(1)
    with torch.no_grad():
        bounds = [vae.log_prob(x, k=k, generator=generator).mean().item() for k in (1, 5, 50)]
        ess = effective_draws(vae.log_weights(x, 50))
    assert bounds[0] < bounds[1] < bounds[2]
    assert vae.bound() == "lower"
    assert ess.min() >= 1 - 1e-4 and ess.max() <= 50


def test_one_draw_agrees_with_the_loss() -> None:
    torch.manual_seed(0)
    vae = VAE(VECTOR, latent=2, width=16)
    x = data(50).float()
    with torch.no_grad():
        elbo = vae.log_weights(x, 4000).mean()
        losses = torch.stack([loss_of(vae, x).value for _ in range(200)])
    assert -elbo.item() == pytest.approx(losses.mean().item(), rel=0.02)


def test_the_weight_of_the_kl_warms_up_by_steps() -> None:
    vae = VAE(VECTOR, beta=4.0, warmup_steps=10)
    weights = []
    for step in (0, 4, 9, 500):
        vae.clock = Clock(step)
        weights.append(vae.weight())
    assert weights == pytest.approx([0.4, 2.0, 4.0, 4.0])
    assert VAE(VECTOR, beta=4.0).weight() == 4.0


def test_free_bits_hold_for_each_dimension_averaged_over_the_batch() -> None:
    class Fixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            mean = torch.tensor([[2.0, 0.0, 0.1], [0.0, 0.0, 0.1]], requires_grad=True)
            return torch.cat([mean, torch.zeros(2, 3)], 1)

    vae = VAE(VECTOR, latent=3, free_bits=0.5, encoder=Fixed())
    loss = loss_of(vae, torch.zeros(2, 5))
    kl = loss.value - loss.terms["reconstruction"]
    assert kl.item() == pytest.approx(1.0 + 0.5 + 0.5, abs=1e-4)  # (2 + 0) / 2 = 1; two dimensions at the floor
    assert loss.terms["kl"].item() == pytest.approx(1.0 + 0.005, abs=1e-5)
    assert loss.terms["active_units"].item() == 1


def test_learned_sigma_is_a_parameter_and_a_given_one_is_not() -> None:
    names = dict(VAE(VECTOR).named_parameters())
    assert names["observation.log_sigma"].shape == ()
    assert VAE(TABLE).observation.log_sigma.shape == (2,)
    fixed = VAE(VECTOR, sigma=1.0)
    assert "observation.log_sigma" not in dict(fixed.named_parameters())
    assert "observation.log_sigma" in fixed.state_dict()


@pytest.mark.parametrize("net", ["conv", "resnet", "mlp"])
@pytest.mark.parametrize("shape", [(1, 5, 9), (4, 12, 7), (3, 28, 28)], ids=str)
def test_images_of_any_size_and_number_of_channels(shape: tuple[int, ...], net: str) -> None:
    vae = VAE(Spec("image", shape, (0.0, 1.0)), latent=3, width=4, net=net, likelihood="mixture")
    x = torch.randint(256, (2, *shape)) / 255
    loss_of(vae, x).value.backward()
    assert vae.reconstruct(x).shape == x.shape
    assert all(p.grad is not None for p in vae.parameters())


@pytest.mark.parametrize("spec", [IMAGE, VECTOR, TABLE, Spec("map", (4, 4, 4))], ids=lambda s: s.kind)
def test_what_it_can_do(spec: Spec) -> None:
    vae = VAE(spec, latent=3, width=8).eval()
    x = torch.rand(6, *spec.shape)
    with torch.no_grad():
        assert capabilities(vae) == {*row("vae").can, "Prior"}
        assert vae.encode(x).shape == (6, 3)
        assert vae.reconstruct(x).shape == vae.sample(6).shape == x.shape
        assert vae.log_prob(x, k=2).shape == vae.anomaly_score(x).shape == (6,)
    assert torch.isfinite(loss_of(vae, x).value)


def test_images_stay_in_their_range() -> None:
    x = VAE(IMAGE, latent=3, width=8).decode(100 * torch.randn(8, 3))
    assert x.min() >= 0 and x.max() <= 1 and x.std() > 0


def test_sampled_rows_are_rows() -> None:
    rows = VAE(TABLE, latent=2, width=8).sample(50, generator=torch.Generator().manual_seed(0))
    assert set(rows[:, 1:4].unique().tolist()) == {0.0, 1.0} and (rows[:, 1:4].sum(1) == 1).all()


def test_scores_and_densities_are_the_same_from_call_to_call() -> None:
    vae, x = VAE(IMAGE, latent=3, width=8).eval(), torch.rand(6, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(vae.log_prob(x, k=3), vae.log_prob(x, k=3))
        torch.testing.assert_close(vae.anomaly_score(x)[2:4], vae.anomaly_score(x[2:4]))
        stranger = vae.anomaly_score(torch.cat([vae.reconstruct(x), 1 - vae.reconstruct(x).round()]))
    assert stranger[:6].max() < stranger[6:].min()


def test_all_randomness_is_the_generators() -> None:
    vae, x = VAE(IMAGE, latent=3, width=8).eval(), torch.rand(6, 1, 8, 8)
    with torch.no_grad():
        for call in (lambda g: vae.sample(5, generator=g), lambda g: vae.encode(x, stochastic=True, generator=g)):
            first, again, other = (call(torch.Generator().manual_seed(s)) for s in (1, 1, 2))
            assert torch.equal(first, again) and not torch.equal(first, other)
        assert torch.equal(vae.sample(3, temperature=0.0), vae.decode(torch.zeros(3, 3)))
        assert torch.equal(vae.encode(x), vae.posterior(x)[0])


def test_a_draw_of_a_flow_brings_its_density_along() -> None:
    """log q(z) of what noise becomes is that of the noise less the log determinant of the way."""
    torch.manual_seed(0)
    vae = VAE(VECTOR, latent=4, width=8, flows=3).double()
    for p in vae.flow.parameters():
        torch.nn.init.normal_(p, std=0.7)
    mean, log_var = vae.posterior(torch.randn(1, 5, dtype=torch.float64))
    eps = torch.randn(1, 4, dtype=torch.float64)
    way = torch.autograd.functional.jacobian(lambda e: vae.moved(mean, log_var, e[None])[0][0], eps[0])
    expected = Normal(0.0, 1.0).log_prob(eps).sum() - torch.linalg.slogdet(way)[1]
    torch.testing.assert_close(vae.moved(mean, log_var, eps)[1].sum(), expected)
    assert abs(torch.linalg.slogdet(way)[1] - 0.5 * log_var.sum()) > 0.1, "the flow moved nothing"


def test_a_flow_that_has_learned_nothing_has_the_bound_of_its_gaussian() -> None:
    torch.manual_seed(0)
    plain, flowing = VAE(VECTOR, latent=3, width=16), VAE(VECTOR, latent=3, width=16, flows=2)
    flowing.load_state_dict(plain.state_dict(), strict=False)
    for made in flowing.flow.steps:
        nn.init.constant_(made.outer.bias[3:], 40.0)  # gates open: z' = z
        for p in (made.outer.weight, made.free.weight):
            nn.init.zeros_(p)
    x, few = data(200).float(), torch.arange(200)
    with torch.no_grad():
        a, b = ([loss_of(v, x[few]).terms["kl"].item() for _ in range(200)] for v in (plain, flowing))
        torch.testing.assert_close(flowing.encode(x), plain.encode(x))
    assert torch.tensor(a).mean().item() == pytest.approx(torch.tensor(b).mean().item(), rel=0.03)


def test_a_flow_fits_a_posterior_that_no_gaussian_fits() -> None:
    """x = z_1^2 + z_2 + noise: the posterior lies along a parabola; the flow's bound is the tighter one."""

    class Parabola(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return z[:, :1].square() + z[:, 1:]

    x, bounds = torch.randn(256, 1, generator=torch.Generator().manual_seed(0)), []
    for flows in (0, 4):
        torch.manual_seed(0)
        vae = VAE(Spec("vector", (1,)), latent=2, sigma=0.2, flows=flows, decoder=Parabola(), width=32)
        adam = torch.optim.Adam(vae.parameters(), lr=5e-3)
        for step in range(300):
            adam.zero_grad()
            loss_of(vae, x, step).value.backward()
            adam.step()
        with torch.no_grad():
            bounds.append(vae.log_weights(x, 200, torch.Generator().manual_seed(1)).mean().item())
    assert bounds[1] > bounds[0] + 0.1


def test_the_weights_posterior_counts_once_for_all_samples() -> None:
    vae = VAE(VECTOR, latent=2, width=4, depth=1, bayesian=True)
    x = data(16).float()
    kl = torch.zeros(())
    for mean, log_sigma in zip(vae.decoder.net.parameters(), vae.decoder.log_sigma, strict=True):
        kl += torch.distributions.kl_divergence(Normal(mean, log_sigma.exp()), Normal(0.0, 1.0)).sum()
    vae.clock = Clock(0, 0.0, samples=50)
    (loss,) = vae.losses(Batch(x))
    rest = loss.terms["reconstruction"] + loss.terms["kl"]
    assert (loss.value - rest).item() == pytest.approx(kl.item() / 50, rel=1e-4)
    loss.value.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in vae.parameters())
    out = [vae.decoder(torch.ones(1, 2)) for _ in range(2)]
    assert not torch.equal(*out)
    vae.eval()
    assert torch.equal(vae.decoder(torch.ones(1, 2)), vae.decoder.net(torch.ones(1, 2)))


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli", "logistic"])
def test_simulated_data_are_as_likely_as_their_model_says(likelihood: str) -> None:
    """E log p(x | z) over x ~ p(x | z) is minus the entropy of the noise, whatever the decoder."""
    torch.manual_seed(0)
    vae = VAE(IMAGE, latent=3, width=8, likelihood=likelihood, sigma=None if likelihood == "bernoulli" else 0.02).eval()
    with torch.no_grad():
        x, z = vae.simulate(2000, generator=torch.Generator().manual_seed(0))
        assert x.shape == (2000, 1, 8, 8) and z.shape == (2000, 3)
        found = vae.log_likelihood(x, z).mean().item() / 64
        p = vae.decode(z).double()
    entropy = {
        "gaussian": 0.5 * math.log(2 * math.pi * math.e * 0.02**2),
        "bernoulli": -(p * p.log() + (1 - p) * (1 - p).log()).mean().item(),
        "logistic": math.log(0.02 * 255) + 2,  # of the logistic, in steps of 1 / 255
    }[likelihood]
    assert -found == pytest.approx(entropy, abs=0.01)
    assert likelihood == "gaussian" or (255 * x - (255 * x).round()).abs().max() < 1e-3


def test_the_joint_is_likelihood_and_prior() -> None:
    vae, x = VAE(VECTOR, latent=2, width=8), torch.randn(4, 5)
    z, log_q = vae.infer(x, k=3, generator=torch.Generator().manual_seed(0))
    assert z.shape == (3, 4, 2) and log_q.shape == (3, 4)
    mean, log_var = vae.posterior(x)
    torch.testing.assert_close(log_q, Normal(mean, (0.5 * log_var).exp()).log_prob(z).sum(-1))
    prior = Normal(0.0, 1.0).log_prob(z[0]).sum(-1)
    torch.testing.assert_close(vae.log_joint(x, z[0]), vae.log_likelihood(x, z[0]) + prior)


@pytest.mark.parametrize("flows", [0, 2])
def test_samples_are_decoded_draws_of_the_prior(flows: int) -> None:
    vae = VAE(IMAGE, latent=3, width=8, flows=flows)
    z = vae.prior(6, generator=torch.Generator().manual_seed(1))
    assert torch.equal(z, torch.randn(6, 3, generator=torch.Generator().manual_seed(1))) and vae.gaussian == 3
    assert torch.equal(vae.decode(z), vae.sample(6, generator=torch.Generator().manual_seed(1)))
    assert "Prior" in capabilities(vae)


def test_errors() -> None:
    with pytest.raises(DataError, match="take gaussian"):
        VAE(VECTOR, likelihood="bernoulli")
    with pytest.raises(DataError, match="--size 8"):
        VAE(Spec("image", (1, 2, 2), (0.0, 1.0)))
    with pytest.raises(OptionError, match="--sigma 0.3"):
        VAE(IMAGE, likelihood="bernoulli", sigma=0.3)
    with pytest.raises(OptionError, match="take mixed"):
        VAE(TABLE, likelihood="gaussian")
