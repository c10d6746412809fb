"""The beta-TCVAE: its loss by hand, what it becomes with weights of 1, and that its weight presses what it should."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

from tacit.methods.autoencoders.beta_tcvae import BetaTCVAE
from tacit.methods.autoencoders.vae import VAE
from tacit.protocol import Batch, Clock, Loss, Spec

VECTOR = Spec("vector", (4,))


def loss_of(vae: VAE, x: Tensor, samples: int = 40) -> Loss:
    vae.clock = Clock(0, 0.0, samples)
    torch.manual_seed(3)
    (loss,) = vae.losses(Batch(x))
    return loss


def made(**options: float | str) -> BetaTCVAE:
    torch.manual_seed(0)
    return BetaTCVAE(VECTOR, latent=3, sigma=0.5, width=8, **options).double()


def data(n: int = 5) -> Tensor:
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("estimator", ["stratified", "weighted"])
def test_the_loss_is_the_slow_sum(estimator: str) -> None:
    """alpha MI + beta TC + gamma KL_j - log p with sums over posteriors; what estimates noise is the exact KL."""
    vae, x = made(alpha=0.5, beta=4.0, gamma=2.0, estimator=estimator), data()
    loss = loss_of(vae, x)
    torch.manual_seed(3)
    eps = torch.randn(5, 3, dtype=torch.float64)
    mean, log_var = (part.detach() for part in vae.posterior(x))
    sigma = (0.5 * log_var).exp()
    z = mean + sigma * eps
    n, m = 40, 4
    total = {"mi": 0.0, "tc": 0.0, "own": 0.0, "kl": 0.0, "log_p": 0.0}
    for i in range(5):
        joint, alone = 0.0, [0.0, 0.0, 0.0]
        for j in range(5):
            if estimator == "weighted":
                weight = 1 / (n * 5)
            else:
                weight = 1 / n if j == i else (n - m) / (n * m) if j == (i + 1) % 5 else 1 / m
            each = [Normal(mean[j, k], sigma[j, k]).log_prob(z[i, k]).exp().item() for k in range(3)]
            joint += weight * math.prod(each)
            alone = [a + weight * e for a, e in zip(alone, each, strict=True)]
        conditional = sum(Normal(mean[i, k], sigma[i, k]).log_prob(z[i, k]).item() for k in range(3))
        prior = sum(Normal(0.0, 1.0).log_prob(z[i, k]).item() for k in range(3))
        total["mi"] += (conditional - math.log(joint)) / 5
        total["tc"] += (math.log(joint) - sum(map(math.log, alone))) / 5
        total["own"] += (sum(map(math.log, alone)) - prior) / 5
        for k in range(3):
            total["kl"] += torch.distributions.kl_divergence(
                Normal(mean[i, k], sigma[i, k]), Normal(0.0, 1.0)).item() / 5
        out = vae.decoder(z[i : i + 1])[0]
        total["log_p"] += Normal(out, 0.5).log_prob(x[i]).sum().item() / 5
    expected = total["kl"] - 0.5 * total["mi"] + 3 * total["tc"] + total["own"] - total["log_p"]
    assert loss.value.item() == pytest.approx(expected, rel=1e-6)
    for name, term in (("mutual_information", "mi"), ("total_correlation", "tc"), ("dimension_kl", "own")):
        assert loss.terms[name].item() == pytest.approx(total[term], abs=1e-6)


def test_with_weights_of_1_it_is_the_vae() -> None:
    tcvae = made(beta=1.0)
    vae = VAE(VECTOR, latent=3, sigma=0.5, width=8).double()
    vae.load_state_dict(tcvae.state_dict())
    assert loss_of(tcvae, data()).value.item() == pytest.approx(loss_of(vae, data()).value.item(), rel=1e-12)


def test_its_terms_sum_to_the_kl_on_average() -> None:
    vae, x = made(), data(20)
    vae.clock = Clock(0, 0.0, 20)
    torch.manual_seed(0)
    found = [next(iter(vae.losses(Batch(x)))).terms for _ in range(150)]
    sums = torch.stack([t["mutual_information"] + t["total_correlation"] + t["dimension_kl"] for t in found])
    assert abs(sums.mean() - found[0]["kl"]) < 4 * sums.std() / math.sqrt(150)


def test_the_loss_knows_how_many_samples_there_are() -> None:
    vae = made()
    few, many = (loss_of(vae, data(), samples).terms["mutual_information"] for samples in (40, 4_000))
    assert many > few, "of more samples, one is rarer"


def test_latents_of_correlated_causes_become_independent() -> None:
    """Two strongly correlated causes: a VAE may keep them, with beta = 20 the latents' correlation falls."""
    generator = torch.Generator().manual_seed(0)
    u = torch.randn(512, 2, generator=generator)
    causes = torch.stack([u[:, 0], 0.9 * u[:, 0] + 0.44 * u[:, 1]], 1)
    x = torch.cat([causes, causes @ torch.tensor([[0.5, 1.0], [0.3, -1.0]])], 1)

    def correlation(beta: float) -> float:
        torch.manual_seed(0)
        vae = BetaTCVAE(VECTOR, latent=2, beta=beta, sigma=0.5, depth=0)
        with torch.no_grad():
            vae.encoder.head.weight[:2] = torch.eye(4)[:2]  # starts with the causes themselves
        adam = torch.optim.Adam(vae.parameters(), lr=0.02)
        for step in range(150):
            vae.clock = Clock(step, 0.0, 512)
            (loss,) = vae.losses(Batch(x[torch.randperm(512, generator=generator)[:128]]))
            adam.zero_grad()
            loss.value.backward()
            adam.step()
        return abs(float(torch.corrcoef(vae.encode(x).detach().T)[0, 1]))

    assert correlation(20.0) < 0.15
