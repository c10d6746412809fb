"""pix2pix: its losses against their definition, translation image by image, and that it learns."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tacit.errors import DataError, OptionError
from tacit.methods.adversarial.pix2pix import Pix2Pix, jittered
from tacit.nets.translators import KeptDropout
from tacit.protocol import Batch, Method, Reach, Spec, capabilities


def images(height: int, width: int | None = None, channels: int = 1, pair: int = 1) -> Spec:
    size = (height, width or height)
    return Spec("image", (channels, *size), (0.0, 1.0), pair=(pair, *size))


def play(method: Method, batch: Batch, adams: dict[str, torch.optim.Optimizer]) -> None:
    for loss in method.losses(batch):
        adams[loss.player].zero_grad()
        loss.value.backward(inputs=list(method.players()[loss.player].parameters()))
        adams[loss.player].step()


def test_capabilities_and_shapes() -> None:
    method = Pix2Pix(images(32, 40, pair=3), width=4).eval()
    assert capabilities(method) == {"Translates"} and method.reach == Reach(multiple=32)
    for size in ((32, 40), (64, 32), (47, 33)):
        made = method.translate(torch.rand(2, 1, *size))
        assert made.shape == (2, 3, *size) and made.min() >= 0 and made.max() <= 1


def test_there_is_one_way_only() -> None:
    method, x = Pix2Pix(images(16), width=2).eval(), torch.rand(1, 1, 16, 16)
    assert torch.equal(method.translate(x), method.translate(x, to="target"))
    with pytest.raises(OptionError, match="no way to 'source'"):
        method.translate(x, to="source")


def test_losses_are_those_of_the_paper() -> None:
    torch.manual_seed(0)
    method, x = Pix2Pix(images(16, pair=2), width=4, l1=7.0, dropout=0.0), torch.rand(3, 1, 16, 16)
    y = torch.rand(3, 2, 16, 16)
    with torch.no_grad():
        fake = method.generator(2 * x - 1)
        real = method.discriminator(torch.cat([2 * x - 1, 2 * y - 1], 1)).sigmoid().flatten()
        made = method.discriminator(torch.cat([2 * x - 1, fake], 1)).sigmoid().flatten()
    first, second = method.losses(Batch(x, pair=y))
    cross_entropy = -sum(p.log() for p in real) / len(real) - sum((1 - p).log() for p in made) / len(made)
    torch.testing.assert_close(first.value, cross_entropy / 2)
    distance = sum(abs(a - b) for a, b in zip(fake.flatten(), (2 * y - 1).flatten(), strict=True)) / y.numel()
    torch.testing.assert_close(second.value, -made.log().mean() + 7 * distance)
    torch.testing.assert_close(second.terms["l1"], distance)
    assert (first.player, second.player) == ("discriminator", "generator")


@pytest.mark.parametrize("channels", [1, 3])
def test_with_a_skip_what_it_changes_is_learned(channels: int) -> None:
    method, x = Pix2Pix(images(16, channels=channels, pair=3), width=2, skip="input"), torch.rand(2, channels, 16, 16)
    head = method.generator.up[-1][1]
    nn.init.zeros_(head.weight)
    nn.init.constant_(head.bias, 0.5)
    change = torch.tanh(torch.tensor(0.5)) / 2  # of values in [0, 1]
    torch.testing.assert_close(method.eval().translate(x), (x + change).clamp(0, 1).expand(2, 3, 16, 16))
    y = (x + 0.25).expand(2, 3, 16, 16)
    *_, loss = method.train().losses(Batch(x, pair=y))
    torch.testing.assert_close(loss.terms["l1"], 2 * (0.25 - change).abs())


def test_a_skip_takes_channels_that_can_be_added() -> None:
    with pytest.raises(OptionError, match="--skip input adds 2 channels to 3"):
        Pix2Pix(images(16, channels=2, pair=3), width=2, skip="input")


def test_the_discriminators_turn_leaves_the_generator_alone() -> None:
    method = Pix2Pix(images(8), width=4)
    next(method.losses(Batch(torch.rand(4, 1, 8, 8), pair=torch.rand(4, 1, 8, 8)))).value.backward()
    assert all(p.grad is None for p in method.generator.parameters())


def test_gradients_of_a_batch_are_the_mean_of_those_of_its_images() -> None:
    torch.manual_seed(0)
    method, x, y = Pix2Pix(images(16), width=4, dropout=0.0), torch.rand(3, 1, 16, 16), torch.rand(3, 1, 16, 16)

    def gradient(batch: Batch) -> Tensor:
        method.zero_grad()
        list(method.losses(batch))[1].value.backward(inputs=list(method.generator.parameters()))
        return torch.cat([p.grad.flatten() for p in method.generator.parameters()])

    apart = [gradient(Batch(x[i : i + 1], pair=y[i : i + 1])) for i in range(3)]
    torch.testing.assert_close(gradient(Batch(x, pair=y)), torch.stack(apart).mean(0), rtol=1e-3, atol=1e-4)


def test_test_time_keeps_dropout_and_the_statistics_of_each_image() -> None:
    torch.manual_seed(0)
    method, x = Pix2Pix(images(32), width=8).eval(), torch.rand(4, 1, 32, 32)
    state = {k: v.clone() for k, v in method.state_dict().items()}
    with torch.no_grad():
        together = method.translate(x)
        torch.testing.assert_close(together, torch.cat([method.translate(one[None]) for one in x]))
        assert torch.equal(together, method.translate(x))
        for layer in method.modules():
            if isinstance(layer, KeptDropout):
                layer.p = 0.0
        assert not torch.allclose(together, method.translate(x), atol=1e-4)
    assert all(torch.equal(v, state[k]) for k, v in method.state_dict().items())


def test_jitter_moves_both_of_a_pair_alike() -> None:
    torch.manual_seed(0)
    x = torch.rand(64, 2, 64, 48)
    a, b = jittered(x, 3 * x[:, :1])
    assert a.shape == x.shape and b.shape == (64, 1, 64, 48)
    torch.testing.assert_close(3 * a[:, :1], b)
    ramp = torch.linspace(0, 1, 64).expand(200, 1, 64, 64)
    across = jittered(ramp, ramp)[0]
    slopes = across[:, 0, 32, 40] - across[:, 0, 32, 24]
    assert set(slopes.sign().tolist()) == {-1.0, 1.0} and 60 < (slopes > 0).sum() < 140
    torch.testing.assert_close(slopes.abs(), torch.full((200,), 16 / 63 * 64 / 72), rtol=1e-3, atol=0)  # 72 by 286/256
    assert len(across[:, 0, 32, 32].unique()) > 5
    assert torch.equal(across[:, :, 0], across[:, :, 63])


def test_jitter_is_for_larger_images_and_for_training() -> None:
    assert Pix2Pix(images(64), width=2).jitter and not Pix2Pix(images(32), width=2).jitter
    torch.manual_seed(0)
    method = Pix2Pix(images(16), width=2, jitter=True, dropout=0.0)
    batch = Batch(torch.rand(2, 1, 16, 16), pair=torch.rand(2, 1, 16, 16))
    assert next(method.losses(batch)).value != next(method.losses(batch)).value
    method.eval()
    assert next(method.losses(batch)).value == next(method.losses(batch)).value


def test_bad_input_is_refused_with_the_mend() -> None:
    with pytest.raises(DataError, match="7 x 9 .* 8 x 8 and larger; --size 8"):
        Pix2Pix(images(7, 9))
    larger = Spec("image", (1, 8, 8), (0.0, 1.0), pair=(1, 16, 16))
    with pytest.raises(DataError, match="image 1 x 8 x 8, their partners 1 x 16 x 16; srgan is for"):
        Pix2Pix(larger)
    with pytest.raises(OptionError, match="--depth is 4; images of 8 x 8 are halved at most 3"):
        Pix2Pix(images(8), depth=4)


def test_recipe_and_sizes_of_the_paper() -> None:
    with torch.device("meta"):
        method = Pix2Pix(images(256, channels=3, pair=3), width=64)
    sizes = {n: sum(p.numel() for p in m.parameters()) for n, m in method.players().items()}
    assert sizes == {"discriminator": 2_768_705, "generator": 54_413_955}
    assert method.l1 == 100 and not any(isinstance(m, nn.BatchNorm2d) for m in method.modules())
    assert {(o.lr, o.betas) for o in method.recipe().optim.values()} == {(2e-4, (0.5, 0.999))}


def test_it_learns_to_invert_blobs() -> None:
    torch.manual_seed(0)
    method = Pix2Pix(images(16), width=8)

    def blobs(n: int) -> Tensor:
        coarse = torch.rand(n, 1, 4, 4)
        return nn.functional.interpolate(coarse, size=16, mode="bilinear")

    adams = {n: torch.optim.Adam(p.parameters(), lr=2e-3, betas=(0.5, 0.999)) for n, p in method.players().items()}
    for _ in range(80):
        x = blobs(16)
        play(method, Batch(x, pair=1 - x), adams)
    x = blobs(32)
    with torch.no_grad():
        error = (method.eval().translate(x) - (1 - x)).abs().mean()
    assert error < 0.4 * (x - (1 - x)).abs().mean()
