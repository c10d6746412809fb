"""Recipes, learning rates, averages: closed forms."""

import math

import pytest
import torch
from training_toys import toy, vectors

from tacit.errors import OptionError
from tacit.protocol import Optim, Recipe
from tacit.training.ema import Average, ramp
from tacit.training.optim import Player, players_of, rate, recipe_with
from tacit.training.options import TrainOptions


def test_options_override_a_recipe():
    recipe = Recipe(ema=0.9, clip=2.0, optim={"a": Optim(lr=1.0, warmup=3), "b": Optim(lr=2.0)})
    assert recipe_with(recipe, TrainOptions()) == recipe
    changed = recipe_with(recipe, TrainOptions(batch=7, steps=9, lr=0.5, schedule="linear", ema=0, clip=0))
    assert (changed.batch, changed.steps, changed.ema, changed.clip) == (7, 9, None, None)
    assert changed.optim["a"] == Optim(lr=0.5, warmup=3, schedule="linear")
    assert changed.optim["b"].lr == 0.5


@pytest.mark.parametrize(
    ("option", "value"),
    [("batch", 0), ("micro_batch", -1), ("lr", 0.0), ("minutes", -1.0), ("ema", 1.0), ("clip", -1.0), ("steps", 0),
     ("lr", math.nan)],
)
def test_impossible_options_are_named(option, value):
    with pytest.raises(OptionError, match=f"--{option.replace('_', '-')} is {value}"):
        recipe_with(Recipe(), TrainOptions(**{option: value}))


@pytest.mark.parametrize("step", [0, 3, 50, 99])
def test_schedules_have_their_closed_forms(step):
    progress = step / 100
    assert rate(Optim(lr=0.3), step, progress) == 0.3
    assert rate(Optim(lr=0.3, schedule="linear"), step, progress) == pytest.approx(0.3 * (1 - progress))
    cosine = 0.3 * (1 + math.cos(math.pi * progress)) / 2
    assert rate(Optim(lr=0.3, schedule="cosine"), step, progress) == pytest.approx(cosine)
    warm = min(1, (step + 1) / 10)
    assert rate(Optim(lr=0.3, schedule="cosine", warmup=10), step, progress) == pytest.approx(warm * cosine)


def test_the_average_ramps_up_as_its_closed_form():
    method = toy("regression")
    average = Average(method, 0.6)
    weight = method.net[1].weight
    expected = weight.detach().clone()
    for step in range(16):
        with torch.no_grad():
            weight.fill_(float(step))
        average.update(step)
        decay = min(0.6, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
        assert torch.allclose(average.weights()["net.1.weight"], expected)
    assert ramp(0.6, 0) == 0.1 and ramp(0.6, 12) < 0.6 == ramp(0.6, 13)


def test_averages_can_stand_in_and_leave_no_trace():
    method = toy("noisy")
    average = Average(method, 0.9)
    with torch.no_grad():
        method.net[0].weight.add_(1)
        method.net[1].running_mean.add_(2)
    raw = {n: t.clone() for n, t in method.state_dict().items()}
    with average.applied():
        assert not torch.equal(method.net[0].weight, raw["net.0.weight"])
    assert all(torch.equal(t, raw[n]) for n, t in method.state_dict().items())
    assert torch.equal(average.weights()["net.1.running_mean"], raw["net.1.running_mean"])


def test_tied_weights_have_one_average():
    method = toy("regression")
    method.again = method.net
    names = Average(method, 0.9).weights()
    assert names["again.1.weight"] is names["net.1.weight"]


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_the_optimisers_are_torchs_own(kind):
    """Against the plain ones of torch, with weight decay, on channels-last weights."""
    ours = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    theirs = torch.nn.Conv2d(3, 4, 3)
    theirs.load_state_dict(ours.state_dict())
    optim = Optim(lr=0.1, betas=(0.8, 0.9), weight_decay=0.2, kind=kind)
    player = Player("model", dict(ours.named_parameters()), optim)
    if kind == "adam":
        plain = torch.optim.AdamW(theirs.parameters(), 0.1, (0.8, 0.9), weight_decay=0.2, foreach=False)
    else:
        plain = torch.optim.SGD(theirs.parameters(), 0.1, 0.8, weight_decay=0.2, foreach=False)
    x = torch.randn(2, 3, 5, 5)
    for _ in range(4):
        for net in (ours, theirs):
            net(x).square().sum().backward()
        player.move()
        player.forget()
        plain.step()
        plain.zero_grad()
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_the_state_is_there_before_the_first_step_with_the_strides_of_its_parameter():
    method = toy("noisy").to(memory_format=torch.channels_last)
    (player,) = players_of(method, recipe_with(method.recipe(), TrainOptions())).values()
    state = dict(player.state())
    assert state["model/exp_avg/net.0.weight"].stride() == method.net[0].weight.stride() != (27, 9, 3, 1)
    assert state["model/step/net.0.weight"] == 0
    assert len(state) == 3 * len(list(method.parameters()))


def test_frozen_parameters_stay_out():
    method = toy("regression")
    method.net[1].requires_grad_(False)
    (player,) = players_of(method, method.recipe()).values()
    assert player.names == ["net.3.weight", "net.3.bias"]
    next(method.losses(vectors().batch(torch.arange(4)))).value.backward(inputs=player.parameters)
    assert len(player.gradients()) == 2
