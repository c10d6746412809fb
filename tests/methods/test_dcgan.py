"""The DCGAN: what section 4 of the paper prescribes, and that the game moves towards the data."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from tacit.errors import DataError, OptionError
from tacit.methods.adversarial.dcgan import DCGAN
from tacit.protocol import Batch, Spec, capabilities


def image(height: int, width: int | None = None, channels: int = 1) -> Spec:
    return Spec("image", (channels, height, width or height), (0.0, 1.0))


def of_kind(module: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    return [m for m in module.modules() if isinstance(m, kind)]


def test_initial_weights() -> None:
    torch.manual_seed(0)
    dcgan = DCGAN(image(32))
    for conv in of_kind(dcgan, nn.Conv2d) + of_kind(dcgan, nn.ConvTranspose2d) + of_kind(dcgan, nn.Linear):
        assert isinstance(conv.weight, Tensor)
        assert abs(conv.weight.mean()) < 0.004 and 0.015 < conv.weight.std() < 0.025
        assert conv.bias is None or not conv.bias.any()
    gains = torch.cat([m.weight for m in of_kind(dcgan, nn.BatchNorm2d)])
    assert abs(gains.mean() - 1) < 0.01 and 0.012 < gains.std() < 0.028
    assert all(not m.bias.any() for m in of_kind(dcgan, nn.BatchNorm2d))


def test_architecture_of_the_paper_at_64() -> None:
    dcgan = DCGAN(image(64, channels=3), width=64)
    down = of_kind(dcgan.discriminator, nn.Conv2d)
    up = of_kind(dcgan.generator, nn.ConvTranspose2d)
    assert [c.out_channels for c in down] == [64, 128, 256, 512]
    assert [c.in_channels for c in up] == [512, 256, 128, 64] and up[-1].out_channels == 3
    for conv in down + up:
        assert (conv.kernel_size, conv.stride, conv.padding) == ((4, 4), (2, 2), (1, 1))
    assert dcgan.generator[0].stem.out_features == 512 * 4 * 4
    assert len(of_kind(dcgan.discriminator, nn.BatchNorm2d)) == 3  # not on the first block
    assert len(of_kind(dcgan.generator, nn.BatchNorm2d)) == 4  # the projection too, not on the last
    assert isinstance(dcgan.discriminator[1].blocks[0][1], nn.Identity)
    assert {m.negative_slope for m in of_kind(dcgan.discriminator, nn.LeakyReLU)} == {0.2}
    assert of_kind(dcgan.generator, nn.ReLU) and not of_kind(dcgan.generator, nn.LeakyReLU)
    assert of_kind(dcgan.generator, nn.Tanh)
    assert {(o.lr, o.betas) for o in dcgan.recipe().optim.values()} == {(2e-4, (0.5, 0.999))}


@pytest.mark.parametrize("shape", [(8, 8), (9, 21), (28, 28), (33, 32), (100, 64)])
def test_any_size_from_8(shape: tuple[int, int]) -> None:
    dcgan = DCGAN(image(*shape), width=4)
    made = dcgan.sample(3)
    assert made.shape == (3, 1, *shape) and made.min() >= 0 and made.max() <= 1
    assert dcgan.discriminate(made).shape == (3,)


def test_smaller_images_are_refused_with_the_mend() -> None:
    with pytest.raises(DataError, match="image 1 x 7 x 9; --size 8 enlarges them"):
        DCGAN(image(7, 9))


def test_the_losses_pass_real_and_made_images_apart() -> None:
    dcgan, x = DCGAN(image(16), width=8), torch.rand(6, 1, 16, 16)
    torch.manual_seed(3)
    z = dcgan.prior(6)
    signed = dcgan.generator[0](z).tanh()  # as the paper has it, without the way to [0, 1] and back
    real, fake = dcgan.discriminator[1](2 * x - 1).sigmoid(), dcgan.discriminator[1](signed).sigmoid()
    torch.manual_seed(3)
    discriminator, generator = dcgan.losses(Batch(x))
    torch.testing.assert_close(discriminator.value, -(real.log().mean() + (1 - fake).log().mean()))
    torch.testing.assert_close(generator.value, -fake.log().mean())


def test_the_generators_turn_never_touches_the_data() -> None:
    gradients = []
    for poison in (False, True):
        torch.manual_seed(0)
        dcgan, batch = DCGAN(image(8), width=4), Batch(torch.rand(6, 1, 8, 8))
        game = dcgan.losses(batch)
        next(game).value.backward(inputs=list(dcgan.discriminator.parameters()))
        assert all(p.grad is None for p in dcgan.generator.parameters())
        if poison:
            batch.x.fill_(math.nan)
        next(game).value.backward(inputs=list(dcgan.generator.parameters()))
        gradients.append([p.grad for p in dcgan.generator.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_in_evaluation_a_sample_does_not_depend_on_the_others() -> None:
    dcgan = DCGAN(image(16), width=8)
    list(dcgan.losses(Batch(torch.rand(8, 1, 16, 16))))  # moves the running statistics
    dcgan.eval()
    z = torch.randn(5, 100)
    with torch.no_grad():
        torch.testing.assert_close(dcgan.generator(z)[:2], dcgan.generator(z[:2]))
        first, again = (dcgan.sample(4, generator=torch.Generator().manual_seed(1)) for _ in range(2))
        assert torch.equal(first, again)
        made = (dcgan.generator[0](torch.zeros(1, 100)).tanh() + 1) / 2
        torch.testing.assert_close(dcgan.sample(1, temperature=0.0), made)


def test_features_of_every_block_at_4_by_4() -> None:
    dcgan, x = DCGAN(image(32), width=8).eval(), torch.rand(3, 1, 32, 32)
    assert capabilities(dcgan) == {"Encodes", "Decodes", "Samples", "Discriminates", "Prior"}
    with torch.no_grad():
        z = dcgan.encode(x)
        assert z.shape == (3, (8 + 16 + 32) * 16)
        assert dcgan.encode(x, layer="conv2").shape == (3, 16, 8, 8)
        pooled = nn.functional.max_pool2d(dcgan.encode(x, layer="conv1"), 4)  # 16 x 16 to 4 x 4
        torch.testing.assert_close(z[:, : 8 * 16], pooled.flatten(1))
    with pytest.raises(OptionError, match="conv1, conv2, conv3"):
        dcgan.encode(x, layer="conv9")


def test_the_game_moves_towards_the_data() -> None:
    torch.manual_seed(0)
    dcgan = DCGAN(image(8), latent=8, width=8)
    pattern = torch.zeros(1, 8, 8)
    pattern[:, 2:6, 3:5] = 1
    adams = {n: torch.optim.Adam(p.parameters(), lr=2e-3, betas=(0.5, 0.999)) for n, p in dcgan.players().items()}
    for _ in range(120):
        for loss in dcgan.losses(Batch((pattern + 0.1 * torch.rand(32, 1, 8, 8)).clamp(0, 1))):
            adams[loss.player].zero_grad()
            loss.value.backward(inputs=list(dcgan.players()[loss.player].parameters()))
            adams[loss.player].step()
    with torch.no_grad():
        made = dcgan.eval().sample(64, generator=torch.Generator().manual_seed(0)).mean(0)
    assert torch.corrcoef(torch.stack([made.flatten(), pattern.flatten()]))[0, 1] > 0.8
