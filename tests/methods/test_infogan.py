"""InfoGAN: its bound in closed form, both turns by hand, and a code that comes to be read."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from tacit.errors import OptionError
from tacit.methods.adversarial.infogan import InfoGAN
from tacit.protocol import Batch, Spec, capabilities

PLANE = Spec("vector", (2,))
IMAGE = Spec("image", (1, 8, 8), (0.0, 1.0))


def test_the_bound_is_at_most_the_entropy_and_reached_by_an_exact_reader() -> None:
    gan = InfoGAN(PLANE, latent=3, categories=4, continuous=2, width=8, information=1.0, smooth=1.0)
    z = gan.prior(50)
    category, rest = gan.parts(z[:, 3:])
    exact, terms = gan.bound_of(torch.cat([1e4 * category, rest], dim=1), z)
    torch.testing.assert_close(exact, torch.tensor(math.log(4)))  # and nothing is lost of the continuous codes
    blind, terms = gan.bound_of(torch.zeros(50, 6), z)
    torch.testing.assert_close(terms["information"], torch.tensor(0.0))
    torch.testing.assert_close(terms["code_error"], rest.square().sum(1).mean() / 2)
    assert gan.bound_of(torch.randn(50, 6), z)[1]["information"] < math.log(4)


def test_both_turns_by_hand() -> None:
    gan = InfoGAN(PLANE, latent=3, categories=3, continuous=1, width=8, information=2.0, smooth=0.5)
    x = torch.randn(6, 2)
    torch.manual_seed(1)
    z = gan.prior(6)
    torch.manual_seed(1)
    discriminator, generator = gan.losses(Batch(x))
    logits, code = gan.read(gan.generator(z))
    read = -nn.functional.cross_entropy(code[:, :3], z[:, 3:6].argmax(1)) + math.log(3)
    bound = 2.0 * read - 0.5 * (code[:, 3] - z[:, 6]).square().mean() / 2
    torch.testing.assert_close(
        discriminator.value, softplus(-gan.discriminate(x)).mean() + softplus(logits).mean() - bound
    )
    torch.testing.assert_close(generator.value, softplus(-logits).mean() - bound)


def test_the_prior_of_each_part() -> None:
    gan = InfoGAN(PLANE, latent=2, categories=5, continuous=3, width=8)
    z = gan.prior(5_000, generator=torch.Generator().manual_seed(0))
    noise, category, rest = z.split([2, 5, 3], dim=1)
    assert abs(noise.std() - 1) < 0.03
    torch.testing.assert_close(category.mean(0), torch.full((5,), 0.2), atol=0.02, rtol=0)
    assert torch.equal(category.sum(1), torch.ones(5_000))
    assert rest.min() > -1 and rest.max() < 1 and rest.square().mean().item() == pytest.approx(1 / 3, abs=0.01)
    assert torch.equal(gan.prior(4, label=2)[:, 2:7].argmax(1), torch.full((4,), 2))


def test_a_category_comes_to_be_read_and_to_be_a_cluster() -> None:
    """Two clumps, two categories: the code tells them apart though no label was seen."""
    torch.manual_seed(0)
    gan = InfoGAN(PLANE, latent=2, categories=2, continuous=0, width=32)
    adams = {n: torch.optim.Adam(p.parameters(), lr=2e-3, betas=(0.5, 0.999)) for n, p in gan.players().items()}

    def clumps(n: int) -> tuple[Tensor, Tensor]:
        label = torch.randint(2, (n,))
        return torch.stack([2.0 * label - 1, torch.zeros(n)], 1) + 0.3 * torch.randn(n, 2), label

    for _ in range(300):
        for loss in gan.losses(Batch(clumps(128)[0])):
            adams[loss.player].zero_grad()
            loss.value.backward(inputs=list(gan.players()[loss.player].parameters()))
            adams[loss.player].step()
    x, label = clumps(500)
    with torch.no_grad():
        agreed = (gan.assign(x) == label).float().mean()
        assert max(agreed, 1 - agreed) > 0.95
        spread = [gan.sample(200, category=k, generator=torch.Generator().manual_seed(0))[:, 0].mean() for k in (0, 1)]
    assert abs(spread[0] - spread[1]) > 1.2


def test_what_it_can_do() -> None:
    gan = InfoGAN(IMAGE, latent=4, categories=3, continuous=2, width=8).eval()
    assert {"Clusters", "Illustrates", "Encodes", "Prior"} <= capabilities(gan)
    code = gan.encode(torch.rand(5, 1, 8, 8))
    assert code.shape == (5, 5)
    torch.testing.assert_close(code[:, :3].sum(1), torch.ones(5))
    figures = gan.figures()
    assert figures["categories"].shape == (3, 10, 1, 8, 8) and figures["code-2"].shape == (3, 9, 1, 8, 8)
    torch.testing.assert_close(figures["code-1"][:, 4], figures["code-2"][:, 4])  # the middle of every walk
    assert "Clusters" not in capabilities(InfoGAN(IMAGE, categories=0, width=8))


def test_bad_input() -> None:
    with pytest.raises(OptionError, match="make no code"):
        InfoGAN(PLANE, categories=0, continuous=0)
    with pytest.raises(OptionError, match="they are 0 to 9"):
        InfoGAN(PLANE, width=8).sample(2, category=10)


def test_under_ada_all_that_is_judged_and_read_is_augmented() -> None:
    class Shifted(nn.Module):
        on, p = True, torch.tensor(0.5)

        def forward(self, x: Tensor) -> Tensor:
            return x + 100

        def stats(self, real: Tensor) -> dict[str, Tensor]:
            return {}

    gan, seen = InfoGAN(Spec("vector", (2,)), latent=2, width=8), []
    gan.ada = Shifted()  # type: ignore[assignment]
    gan.discriminator.get_submodule("trunk").register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    assert [loss.player for loss in gan.losses(Batch(torch.randn(5, 2)))] == ["discriminator", "generator"]
    assert len(seen) == 3 and all((x > 50).all() for x in seen)  # data, samples, and samples at the generator's turn
