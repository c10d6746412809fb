"""CycleGAN: its losses against their definition, the pools as state, the learning rate, and that it learns."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch import Tensor, nn

from tacit.errors import DataError, OptionError
from tacit.methods.adversarial.cyclegan import CycleGAN
from tacit.protocol import Batch, Loss, Optim, Reach, Spec, capabilities
from tacit.training.devices import Devices
from tacit.training.optim import players_of, rate, recipe_with
from tacit.training.options import TrainOptions
from tacit.training.step import Game


def image(height: int, width: int | None = None, channels: int = 1) -> Spec:
    return Spec("image", (channels, height, width or height), (0.0, 1.0))


def two_domains(n: int, size: int = 8) -> Batch:
    return Batch(torch.rand(n, 1, size, size), target=torch.rand(n, 1, size, size))


def adams_of(method: CycleGAN, lr: float) -> dict[str, torch.optim.Optimizer]:
    return {n: torch.optim.Adam(p.parameters(), lr=lr, betas=(0.5, 0.999)) for n, p in method.players().items()}


def move(method: CycleGAN, loss: Loss, adams: dict[str, torch.optim.Optimizer]) -> None:
    adams[loss.player].zero_grad()
    loss.value.backward(inputs=list(method.players()[loss.player].parameters()))
    adams[loss.player].step()
    if loss.after:
        loss.after(loss.stats)


def test_capabilities_and_shapes() -> None:
    method = CycleGAN(image(32, 40), width=4, blocks=1).eval()
    assert capabilities(method) == {"Translates"} and method.reach == Reach(multiple=4)
    for size in ((32, 40), (64, 32), (47, 33)):
        made = method.translate(torch.rand(2, 1, *size))
        assert made.shape == (2, 1, *size) and made.min() >= 0 and made.max() <= 1


def test_each_way_has_its_own_net() -> None:
    torch.manual_seed(0)
    method, x = CycleGAN(image(8), width=4, blocks=1).eval(), torch.rand(3, 1, 8, 8)
    with torch.no_grad():
        there, back = method.translate(x, to="target"), method.translate(x, to="source")
        assert torch.equal(there, method.translate(x)) and not torch.allclose(there, back)
        torch.testing.assert_close(there, (method.generators["target"](2 * x - 1) + 1) / 2)
        torch.testing.assert_close(there, torch.cat([method.translate(one[None]) for one in x]))
    with pytest.raises(OptionError, match=r"no domain 'tarjet'. Did you mean 'target'\?"):
        method.translate(x, to="tarjet")


def test_losses_are_those_of_the_paper() -> None:
    torch.manual_seed(0)
    method, batch = CycleGAN(image(16), width=4, blocks=1, cycle=7.0, identity=0.3), two_domains(3, 16)
    x, y = 2 * batch.x - 1, 2 * batch.target - 1
    to_y, to_x = method.generators["target"], method.generators["source"]
    of_y, of_x = method.discriminators["target"], method.discriminators["source"]

    def mean(values: Tensor) -> Tensor:
        return sum(values.flatten()) / values.numel()

    with torch.no_grad():
        passed = mean((of_y(to_y(x)) - 1) ** 2) + mean((of_x(to_x(y)) - 1) ** 2)
        back = mean(abs(to_x(to_y(x)) - x)) + mean(abs(to_y(to_x(y)) - y))
        kept = mean(abs(to_y(y) - y)) + mean(abs(to_x(x) - x))
        at_y = (mean((of_y(y) - 1) ** 2) + mean(of_y(to_y(x)) ** 2)) / 2
        at_x = (mean((of_x(x) - 1) ** 2) + mean(of_x(to_x(y)) ** 2)) / 2
    generators, discriminators = method.losses(batch)
    torch.testing.assert_close(generators.value, passed + 7 * back + 7 * 0.3 * kept)
    torch.testing.assert_close(discriminators.value, at_y + at_x)
    found = [generators.terms[n] for n in ("adversarial", "cycle", "identity")]
    torch.testing.assert_close(torch.stack(found), torch.stack([passed, back, kept]))
    assert (generators.player, discriminators.player) == ("generators", "discriminators")


def test_discriminators_judge_what_was_made_before_the_generators_moved() -> None:
    torch.manual_seed(0)
    method, batch = CycleGAN(image(8), width=4, blocks=1, pool=0), two_domains(2)
    x, y = 2 * batch.x - 1, 2 * batch.target - 1
    game = method.losses(batch)
    loss = next(game)
    with torch.no_grad():
        made = {"target": method.generators["target"](x), "source": method.generators["source"](y)}
        for p in method.generators.parameters():
            p.add_(0.1)
        scores = [method.discriminators[d] for d in made]
        expected = sum((d(r) - 1).square().mean() + d(m).square().mean()
                       for d, r, m in zip(scores, (y, x), made.values(), strict=True)) / 2
    assert loss.value.requires_grad
    torch.testing.assert_close(next(game).value, expected)


def test_no_graph_lives_on_across_the_turns() -> None:
    method = CycleGAN(image(8), width=2, blocks=1)
    game = method.losses(two_domains(2))
    loss = next(game)
    graph = weakref.ref(loss.value)
    loss.value.backward(inputs=list(method.generators.parameters()))
    del loss
    second = next(game)
    assert graph() is None
    second.value.backward()
    assert all(p.grad is not None for p in method.discriminators.parameters())


def test_the_pools_change_after_the_move_and_are_part_of_the_state() -> None:
    torch.manual_seed(0)
    method = CycleGAN(image(8), width=2, blocks=1, pool=6)
    adams = adams_of(method, 1e-3)
    before = method.pools["target"].images.clone()
    game = method.losses(two_domains(4))
    move(method, next(game), adams)
    loss = next(game)
    assert torch.equal(method.pools["target"].images, before)
    move(method, loss, adams)
    assert method.pools["target"].taken.sum() == method.pools["source"].taken.sum() == 4
    state = method.state_dict()
    assert {k for k in state if k.startswith("pools")} == {
        f"pools.{d}.{b}" for d in ("target", "source") for b in ("images", "taken")
    }
    again = CycleGAN(image(8), width=2, blocks=1, pool=6)
    again.restore(state)
    batch = two_domains(4)
    values = []
    for one in (method, again):
        torch.manual_seed(1)
        values.append([loss.value.item() for loss in one.losses(batch)])
    assert values[0] == values[1]
    fresh = CycleGAN(image(8), width=2, blocks=1, pool=6)
    fresh.restore({k: torch.zeros_like(v) if k.startswith("pools") else v for k, v in state.items()})
    torch.manual_seed(1)
    assert [loss.value.item() for loss in fresh.losses(batch)][1] != values[0][1]


def test_micro_batches_share_the_pools() -> None:
    torch.manual_seed(0)
    method = CycleGAN(image(8), width=2, blocks=1, pool=40)
    options = TrainOptions(device="cpu")
    recipe = recipe_with(method.recipe(), options)
    game = Game(method, players_of(method, recipe), Devices(options), micro=3, clip=None, say=None)
    batch = two_domains(8)
    with torch.no_grad():
        made = {"target": method.generators["target"](2 * batch.x - 1),
                "source": method.generators["source"](2 * batch.target - 1)}
    moves = game.play(batch)
    assert [m.player for m in moves] == ["generators", "discriminators"]
    for domain, pool in method.pools.items():
        kept = pool.images[pool.taken]
        assert 4 <= len(kept) <= 8  # less those that wanted the same place
        distance = (kept[:, None] - made[domain][None]).abs().amax((2, 3, 4))  # (kept, 8)
        assert (distance < 1e-5).sum(1).min() == 1 and not pool.images[~pool.taken].any()


def test_the_rate_is_the_authors_curve() -> None:
    epochs = 200
    optims = CycleGAN(image(8), width=2, blocks=1).recipe().optim
    assert set(optims) == {"generators", "discriminators"}
    for optim in optims.values():
        assert optim == Optim(lr=2e-4, betas=(0.5, 0.999), schedule="constant-linear")
        for epoch in range(epochs):
            authors = 1 - max(0, epoch + 1 - epochs / 2) / (epochs / 2 + 1)  # a step for each epoch
            assert rate(optim, 0, epoch / epochs) / optim.lr == pytest.approx(authors, abs=1.1 / (epochs / 2))
        assert rate(optim, 0, 0.5) == optim.lr and rate(optim, 0, 0.75) == optim.lr / 2 and rate(optim, 0, 1.0) == 0


def test_blocks_and_sizes_of_the_paper() -> None:
    with torch.device("meta"):
        method = CycleGAN(image(256, channels=3), width=64)
        small = CycleGAN(image(128, channels=3), width=64)
    sizes = {n: sum(p.numel() for p in m.parameters()) for n, m in method.players().items()}
    assert sizes == {"generators": 2 * 11_378_179, "discriminators": 2 * 2_764_737}
    in_block = 2 * (256 * 256 * 9 + 256)
    assert sum(p.numel() for p in small.generators.parameters()) == 2 * (11_378_179 - 3 * in_block)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in method.modules())
    assert method.pools["source"].images.shape == (50, 3, 256, 256)


def test_bad_input_is_refused_with_the_mend() -> None:
    with pytest.raises(DataError, match="7 x 9 .* 8 x 8 and larger; --size 8"):
        CycleGAN(image(7, 9))
    with pytest.raises(OptionError, match="--pool is -1; it must be at least 0"):
        CycleGAN(image(8), pool=-1)


def test_images_return_and_take_on_the_other_domains_brightness() -> None:
    """Dark blobs on light against light blobs on dark."""
    torch.manual_seed(0)
    method = CycleGAN(image(8), width=4, blocks=1, identity=0.0)

    def dark(n: int) -> Tensor:
        return 0.3 * nn.functional.interpolate(torch.rand(n, 1, 4, 4), size=8, mode="bilinear")

    def error() -> Tensor:
        with torch.no_grad():
            x = dark(32)
            return (method.translate(method.translate(x), to="source") - x).abs().mean()

    before, adams = error(), adams_of(method, 2e-3)
    for _ in range(50):
        for loss in method.losses(Batch(dark(4), target=1 - dark(4))):
            move(method, loss, adams)
    assert error() < 0.4 * before and error() < 0.1
    with torch.no_grad():
        assert method.translate(dark(32)).mean() > 0.6
