"""Rounds of the game: lockstep, stats, who moves, memory, numbers that are none."""

import copy

import pytest
import torch
from torch import nn
from training_toys import TOYS, Duel, Noisy, Regression, Replayed, images, toy, vectors

from tacit.errors import TacitError
from tacit.protocol import Loss, Optim, Recipe
from tacit.training.devices import Devices
from tacit.training.optim import players_of
from tacit.training.options import TrainOptions
from tacit.training.step import Game, NotFinite

CPU = Devices(TrainOptions(device="cpu"))


def game(method, micro=1_000, clip=None, say=lambda _: None):
    return Game(method, players_of(method, method.recipe()), CPU, micro=micro, clip=clip, say=say)


def batch_of(method, n=24):
    data = (images if len(method.spec.shape) == 3 else vectors)(n)
    return data.batch(torch.arange(n), method.needs)


def apart(a, b):
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return max(float((x.double() - y.double()).abs().max()) for x, y in pairs)


@pytest.mark.parametrize("name", ["regression", "replayed", "codebook"])
@pytest.mark.parametrize("micro", [1, 5, 8])
def test_micro_batches_in_lockstep_equal_the_full_batch(name, micro):
    whole, cut = toy(name).double(), toy(name).double()
    batch = batch_of(whole)
    batch.x = batch.x.double()
    if name == "replayed":
        whole.prior = cut.prior = lambda b: Replayed.prior(cut, b).double()
    for _ in range(5):
        first = game(whole, clip=0.1).play(batch)
        second = game(cut, micro=micro, clip=0.1).play(batch)
        for one, other in zip(first, second, strict=True):
            assert torch.allclose(one.value, other.value)
            assert all(torch.allclose(one.terms[n], other.terms[n]) for n in one.terms)
    assert apart(whole, cut) < 1e-6
    assert apart(whole, toy(name).double()) > 1e-3


def test_after_sees_summed_stats_once_per_move():
    method = toy("codebook")
    game(method, micro=7).play(batch_of(method))
    assert method.calls == 1


def test_each_turn_moves_its_own_player_only():
    method = toy("duel")
    seen, touched = [], []
    method.discriminator[0].weight.register_hook(lambda gradient: touched.append("discriminator"))
    method.generator[0].weight.register_hook(lambda gradient: touched.append("generator"))

    def losses(batch):
        former = copy.deepcopy(method.state_dict())
        for loss in Duel.losses(method, batch):
            yield loss
            moved = {n.split(".")[0] for n, t in method.state_dict().items() if not torch.equal(t, former[n])}
            seen.append((loss.player, moved))
            former = copy.deepcopy(method.state_dict())

    method.losses = losses
    game(method).play(batch_of(method))
    assert seen == [("discriminator", {"discriminator"})] * 2 + [("generator", {"generator"})]
    assert touched == [player for player, _ in seen]  # no gradient is worked out in vain


def test_a_fused_clip_is_a_clip():
    ours, theirs = toy("regression"), toy("regression")
    batch = batch_of(ours)
    play = game(ours, clip=0.01)
    optimizer = torch.optim.AdamW(theirs.parameters(), lr=1e-2, weight_decay=0)
    for _ in range(5):
        play.play(batch)
        optimizer.zero_grad()
        next(theirs.losses(batch)).value.backward()
        nn.utils.clip_grad_norm_(theirs.parameters(), 0.01)
        optimizer.step()
    assert apart(ours, theirs) < 1e-5


class Rude(Regression):
    """Breaks one rule of the game."""

    rule = ""

    def losses(self, batch):
        value = self.net(batch.x).square().mean()
        match self.rule:
            case "unknown":
                yield Loss("modle", value)
            case "frozen":
                yield Loss("model", value.detach())
            case "vector":
                yield Loss("model", value.expand(3))
            case "count":
                for _ in range(len(batch)):
                    yield Loss("model", self.net(batch.x).square().mean())


@pytest.mark.parametrize(
    ("rule", "says"),
    [("unknown", "names the player 'modle'.*Did you mean 'model'"), ("frozen", "requires_grad=False"),
     ("vector", r"shape \(3,\)"), ("count", "disagree on who moves")],
)
def test_broken_rules_are_named(rule, says):
    method = Rude(vectors().spec)
    method.rule = rule
    with pytest.raises(TacitError, match=says):
        game(method, micro=16).play(batch_of(method))


def test_players_must_share_out_the_parameters():
    method = toy("duel")
    with pytest.raises(TacitError, match="no Optim for the player 'discriminator'"):
        players_of(method, Recipe(optim={"model": Optim()}))
    method.players = lambda: {"discriminator": method.discriminator}
    with pytest.raises(TacitError, match="'generator.0.weight' belongs to 0 players"):
        players_of(method, method.recipe())
    method.players = lambda: {"discriminator": method, "generator": method.generator}
    with pytest.raises(TacitError, match="'generator.0.weight' belongs to 2 players"):
        players_of(method, method.recipe())


class Hungry:
    """Memory for at most `room` samples at a time, from the n-th forward on."""

    def __init__(self, method, room, after=0):
        self.method, self.room, self.after, self.forwards = method, room, after, 0
        self.genuine = method.discriminator.forward if isinstance(method, Duel) else method.net.forward

    def __call__(self, x):
        result = self.genuine(x)  # statistics of normalisation are touched before memory runs out
        self.forwards += 1
        if len(x) > self.room and self.forwards > self.after:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")
        return result


@pytest.mark.parametrize("after", [0, 2, 4])  # in the first turn, in the second, in the generator's
def test_out_of_memory_halves_and_moves_nobody_twice(after):
    whole, hungry = toy("replayed"), toy("replayed")
    hungry.discriminator.forward = Hungry(hungry, 6, after)
    said = []
    play = game(hungry, say=said.append)
    batch = batch_of(whole)
    assert len(play.play(batch)) == 3
    game(whole).play(batch)
    assert play.micro == 6
    assert [line.split(";")[0] for line in said] == [f"out of memory with {n} samples at a time" for n in (24, 12)]
    assert apart(whole, hungry) < 1e-6


def test_out_of_memory_replays_the_same_noise_and_statistics():
    small, hungry = toy("noisy"), toy("noisy")
    batch = batch_of(small)
    for method, play in ((small, game(small, micro=6)), (hungry, game(hungry))):
        if method is hungry:
            method.net.forward = Hungry(method, 6)
        torch.manual_seed(5)
        play.play(batch)
    assert apart(small, hungry) == 0


def test_fast_forwarding_leaves_no_trace_in_statistics():
    method = toy("replayed")
    method.discriminator.insert(1, nn.BatchNorm1d(8))
    method.discriminator.forward = Hungry(method, 6, after=2)
    game(method).play(batch_of(method))
    whole, cut = 2, 4 * 2  # of 24 samples, real and made; of 6
    assert method.discriminator[1].num_batches_tracked == whole + cut + 4


def test_out_of_memory_with_one_sample_is_an_error():
    method = toy("regression")
    method.net.forward = Hungry(method, 0)
    with pytest.raises(TacitError, match="one sample at a time"):
        game(method).play(batch_of(method))


@pytest.mark.parametrize("name", sorted(TOYS))
def test_nothing_moves_on_what_is_not_a_number(name):
    method = toy(name)
    batch = batch_of(method)
    batch.x[3] = torch.nan
    before = copy.deepcopy(method.state_dict())
    with pytest.raises(NotFinite, match=r"step 0: the move of '\w+' is not finite \(loss nan, gradient norm nan"):
        game(method).play(batch)
    floats = [n for n, p in method.named_parameters()]
    assert all(torch.equal(method.state_dict()[n], before[n]) for n in floats)


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_a_device_that_is_not_waited_for_skips_every_later_move(kind):
    method = toy("regression")
    method.recipe = lambda: Recipe(optim={"model": Optim(lr=0.1, kind=kind, weight_decay=0.1)})
    play = game(method, clip=1.0)
    play.waits = True
    good = batch_of(method)
    bad = batch_of(method)
    bad.x[0] = torch.inf
    before = copy.deepcopy(method.state_dict())
    moves = [*play.play(bad), *play.play(good)]
    assert all(torch.equal(t, before[n]) for n, t in method.state_dict().items())
    assert all(not t.any() for _, t in play.players["model"].state())
    assert [bool(m.value.isfinite()) for m in moves] == [False, True]
    fresh = game(method, clip=1.0)
    fresh.waits = True
    fresh.play(good)
    assert any(not torch.equal(t, before[n]) for n, t in method.state_dict().items())


def test_bf16_is_entered_around_the_method_only():
    method = toy("regression")
    seen = []
    method.net.register_forward_hook(lambda net, x, y: seen.append(y.dtype))
    half = Devices(TrainOptions(device="cpu", precision="bf16"))
    Game(method, players_of(method, method.recipe()), half, micro=8, clip=None, say=print).play(batch_of(method))
    assert seen == [torch.bfloat16] * 3
    assert not torch.is_autocast_enabled("cpu")
    assert {p.dtype for p in method.parameters()} == {torch.float32}


def test_codebook_stats_of_micro_batches_add_up():
    seen = {}
    for micro in (24, 7):
        other = toy("codebook")
        flow = other.losses

        def losses(batch, flow=flow, micro=micro):
            for loss in flow(batch):
                loss.after = lambda stats: seen.update({micro: dict(stats)})
                yield loss

        other.losses = losses
        game(other, micro=micro).play(batch_of(other))
    assert torch.equal(seen[24]["counts"], seen[7]["counts"])
    assert seen[7]["counts"].sum() == 24
    assert seen[7]["counts"].dtype == torch.int64
    assert torch.allclose(seen[24]["sums"], seen[7]["sums"], atol=1e-6)


def test_statistics_of_normalisation_are_known():
    assert len(game(Noisy(images().spec)).running) == 3
