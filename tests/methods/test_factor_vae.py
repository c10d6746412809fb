"""FactorVAE: both turns by hand, who moves and who does not, and that a fooled discriminator means independence."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal

from tacit.functional.total_correlation import permuted
from tacit.methods.autoencoders.factor_vae import FactorVAE
from tacit.methods.autoencoders.vae import VAE
from tacit.protocol import Batch, Spec

VECTOR = Spec("vector", (4,))


def made(**options: float) -> FactorVAE:
    torch.manual_seed(0)
    return FactorVAE(VECTOR, latent=3, sigma=0.5, width=8, critic_width=6, critic_depth=2, **options).double()


def data(n: int = 8) -> Tensor:
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_both_turns_are_those_of_algorithm_2() -> None:
    vae, x = made(gamma=3.0), data()
    torch.manual_seed(3)
    first, second = vae.losses(Batch(x))
    torch.manual_seed(3)
    eps, other_eps = (torch.randn(4, 3, dtype=torch.float64) for _ in range(2))
    mean, log_var = vae.posterior(x)
    sigma = (0.5 * log_var).exp()
    z = mean[:4] + sigma[:4] * eps
    total, critic = 0.0, 0.0
    for i in range(4):
        total -= Normal(vae.decoder(z[i : i + 1])[0], 0.5).log_prob(x[i]).sum().item() / 4
        kl = torch.distributions.kl_divergence(Normal(mean[i], sigma[i]), Normal(0.0, 1.0))
        probability = vae.discriminator(z[i : i + 1]).sigmoid().item()
        total += kl.sum().item() / 4 + 3.0 * math.log(probability / (1 - probability)) / 4
        critic -= 0.5 * math.log(probability) / 4
    assert first.player == "vae" and first.value.item() == pytest.approx(total, rel=1e-6)
    shuffled = permuted(mean[4:] + sigma[4:] * other_eps)  # the second half's, by the next draws
    for one in vae.discriminator(shuffled).sigmoid().flatten().tolist():
        critic -= 0.5 * math.log(1 - one) / 4
    assert second.player == "discriminator" and second.value.item() == pytest.approx(critic, rel=1e-6)


def test_with_gamma_0_it_is_the_vae_on_half_of_the_batch() -> None:
    factor, x = made(gamma=0.0), data()
    vae = VAE(VECTOR, latent=3, sigma=0.5, width=8).double()
    vae.load_state_dict({k: v for k, v in factor.state_dict().items() if not k.startswith("discriminator")})
    torch.manual_seed(3)
    ours = next(iter(factor.losses(Batch(x)))).value
    torch.manual_seed(3)
    torch.testing.assert_close(ours, next(iter(vae.losses(Batch(x[:4])))).value)


def test_the_discriminators_turn_moves_nothing_of_the_vae() -> None:
    vae = made()
    _, second = vae.losses(Batch(data()))
    second.value.backward()
    assert all(p.grad is None for p in vae.players()["vae"].parameters())
    assert all(p.grad is not None for p in vae.discriminator.parameters())


@pytest.mark.parametrize("n", [1, 2, 5])
def test_small_and_odd_batches_give_finite_losses(n: int) -> None:
    for loss in made().losses(Batch(data(n))):
        assert loss.value.isfinite()


class Correlated(nn.Module):
    """An encoder whose latents are x's first two values, which are correlated, with little noise."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.eye(2))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x[:, :2] @ self.mix, torch.full((len(x), 2), -6.0)], 1)


def test_the_game_makes_correlated_latents_independent() -> None:
    torch.manual_seed(0)
    vae = FactorVAE(VECTOR, latent=2, gamma=10.0, sigma=1.0, critic_width=32, critic_depth=2, encoder=Correlated())
    rates = {"vae": 0.003, "discriminator": 0.01}
    optim = {name: torch.optim.Adam(player.parameters(), lr=rates[name]) for name, player in vae.players().items()}
    u = torch.randn(1_024, 2)
    x = torch.stack([u[:, 0], 0.9 * u[:, 0] + 0.44 * u[:, 1], *torch.randn(2, 1_024)], 1)
    for _ in range(150):
        for loss in vae.losses(Batch(x[torch.randperm(1_024)[:256]])):
            own = [p for p in vae.players()[loss.player].parameters() if p.requires_grad]
            optim[loss.player].zero_grad()
            loss.value.backward(inputs=own)
            optim[loss.player].step()
    before, after = (abs(float(torch.corrcoef(z.T)[0, 1])) for z in (x[:, :2], vae.encode(x).detach()))
    assert before > 0.85 and after < 0.4
