"""Training as a whole: resuming bit for bit, signals, monitors, the log, memory, numbers that are none."""

import json
import os
import random
import signal

import pytest
import torch
from training_toys import TOYS, Noisy, Regression, as_data, images, teach, toy, vectors, weights

from tacit.data.feed import Feed
from tacit.errors import Interrupted, RunError, TacitError, TrainingError
from tacit.training import saving
from tacit.training.checkpoint import read_state
from tacit.training.devices import Devices

STEPS = 12


def signalled(kind, at, number=signal.SIGTERM):
    """A method that sends its own process a signal in the middle of a round."""

    class Signalled(kind):
        sent = False

        def losses(self, batch):
            if self.clock.step == at and not self.sent:
                self.sent = True
                os.kill(os.getpid(), number)
            yield from super().losses(batch)

    return Signalled


def lines(folder):
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{n: v for n, v in line.items() if n != "seconds"} for line in found]


def same(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(t, other[n]) for n, t in one.items())


@pytest.mark.parametrize("name", sorted(TOYS))
def test_resuming_is_bit_for_bit(name, tmp_path):
    """At random steps, with micro-batches, channels last, fused optimisers, averages and a schedule."""
    kind, make = TOYS[name]
    given = {"steps": STEPS, "batch": 16, "micro_batch": 7, "channels_last": True, "ema": 0.9, "log_steps": 5,
             "schedule": "cosine", "augment": "flip,noise" if name == "noisy" else ""}
    data = make(70, 8)
    teach(toy(name), data, tmp_path / "whole", **given)
    for at in random.Random(name).sample(range(STEPS - 1), 2):
        folder = tmp_path / f"at{at}"
        torch.manual_seed(0)
        with pytest.raises(Interrupted, match=f"step {at + 1} and saved; continue with: tacit fit --resume {folder}"):
            teach(signalled(kind, at)(make().spec), data, folder, **given)
        assert read_state(folder)[1].step == at + 1
        with open(folder / "metrics.jsonl", "a") as log:
            log.write('{"step": 1000000, "written": "after the save"}\n')
        torch.rand(at)
        fresh = toy(name, seed=99)
        outcome = teach(fresh, data, folder, **given)
        assert (outcome.steps, outcome.samples) == (STEPS, 16 * STEPS)
        for group in ("raw", "ema"):
            same(weights(tmp_path / "whole")[group], weights(folder)[group])
        states = [read_state(f)[0] for f in (tmp_path / "whole", folder)]
        same(*states)
        assert lines(folder) == lines(tmp_path / "whole")


def test_a_run_can_be_repeated_and_its_seed_matters(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        teach(toy("noisy"), images(), tmp_path / name, steps=3, seed=seed)
    same(weights(tmp_path / "a")["raw"], weights(tmp_path / "b")["raw"])
    differ = weights(tmp_path / "a")["raw"]["net.0.weight"] - weights(tmp_path / "c")["raw"]["net.0.weight"]
    assert differ.abs().max() > 0


def test_channels_last_changes_the_layout_only(tmp_path):
    for name, last in (("first", False), ("last", True)):
        torch.manual_seed(0)
        method = Quiet(images().spec)
        teach(method, images(), tmp_path / name, steps=8, channels_last=last, log_steps=1)
        assert method.net[0].weight.is_contiguous(memory_format=torch.channels_last) is last
    one, other = ([line["model/loss"] for line in lines(tmp_path / name)] for name in ("first", "last"))
    assert one == pytest.approx(other, rel=1e-4)
    assert one[-1] < 0.7 * one[0]


class Quiet(Noisy):
    """Without dropout."""

    def losses(self, batch):
        self.net[3].eval()
        yield from super().losses(batch)


def test_the_log_holds_means(tmp_path):
    seen = []

    class Recording(Regression):
        def losses(self, batch):
            for loss in super().losses(batch):
                seen.append(loss.value.item())
                yield loss

    teach(Recording(vectors().spec), vectors(), tmp_path, steps=10, log_steps=4, schedule="linear", clip=0)
    first, second, last = lines(tmp_path)
    assert [line["step"] for line in (first, second, last)] == [4, 8, 10]
    assert [line["samples"] for line in (first, second, last)] == [64, 128, 160]
    assert first["model/loss"] == pytest.approx(sum(seen[:4]) / 4, rel=1e-6)
    assert last["model/error"] == pytest.approx(sum(seen[8:]) / 2, rel=1e-6)
    assert last["lr"] == pytest.approx(1e-2 * (1 - 9 / 10))


def test_a_signal_saves_and_a_second_leaves_at_once(tmp_path):
    class Twice(Regression):
        def losses(self, batch):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
            yield from super().losses(batch)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match="left at once, without saving"):
        teach(Twice(vectors().spec), vectors(), tmp_path, steps=5)
    assert signal.getsignal(signal.SIGINT) is before
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("name", ["regression", "duel"])
def test_a_bad_number_ends_it_and_the_good_is_kept(name, tmp_path):
    data = (TOYS[name][1])(64)
    data.x[7] = torch.nan
    with pytest.raises(TrainingError, match=r"the move of '\w+' is not finite .*everything before it is saved"):
        teach(toy(name), data, tmp_path, steps=50, batch=4)
    kept, tally = read_state(tmp_path)
    assert 0 < tally.step < 16
    assert all(t.isfinite().all() for t in kept.values() if t.is_floating_point())
    if name == "regression":
        clean = vectors(64)
        teach(toy(name), clean, tmp_path / "clean", steps=tally.step, batch=4, schedule="constant")
        same(weights(tmp_path)["raw"], weights(tmp_path / "clean")["raw"])


def test_a_device_that_is_not_waited_for_goes_back_to_the_bad_step(tmp_path, monkeypatch):
    monkeypatch.setattr(Devices, "waits", True)
    data = vectors(64)
    position = Feed(data, 4, seed=0).positions(5)[0]
    data.x[position] = torch.nan
    with pytest.raises(TrainingError, match=r"step 5: the move of 'model' is not finite"):
        teach(toy("regression"), data, tmp_path / "bad", steps=50, batch=4, log_steps=20)
    assert read_state(tmp_path / "bad")[1].step == 5
    assert lines(tmp_path / "bad") == []
    teach(toy("regression"), vectors(64), tmp_path / "clean", steps=5, batch=4)
    same(weights(tmp_path / "bad")["raw"], weights(tmp_path / "clean")["raw"])


def test_poisoned_buffers_leave_the_last_save(tmp_path):
    """What a forward itself has spoilt cannot be kept; the save before it stays."""
    data = as_data(images().spec, torch.rand(64, 3, 8, 8), 0)
    with pytest.raises(Interrupted):
        teach(signalled(Noisy, 2)(data.spec), data, tmp_path, steps=40)
    before = read_state(tmp_path)[0]
    data.x[:] = torch.nan
    with pytest.raises(TrainingError, match=r"step 3: .*the save of step 3 is kept"):
        teach(toy("noisy"), data, tmp_path, steps=40)
    same(before, read_state(tmp_path)[0])


class Looking:
    """A monitor that draws from every random state and notes what it finds."""

    def __init__(self, method):
        self.method, self.seen = method, []

    def due(self, step):
        return step % 3 == 0

    def __call__(self, step):
        torch.rand(100)
        self.seen.append((step, self.method.training, self.method.net[0].weight.clone()))


def test_monitors_see_averages_and_disturb_nothing(tmp_path):
    teach(toy("noisy"), images(), tmp_path / "alone", steps=7)
    method = toy("noisy")
    looking = Looking(method)
    teach(method, images(), tmp_path / "seen", steps=7, monitors=[looking])
    assert [(step, training) for step, training, _ in looking.seen] == [(3, False), (6, False)]
    same(weights(tmp_path / "alone")["raw"], weights(tmp_path / "seen")["raw"])
    assert not torch.equal(looking.seen[-1][2], weights(tmp_path / "seen")["raw"]["net.0.weight"])


def test_held_out_losses_disturb_nothing(tmp_path):
    for name, held_out in (("without", 0), ("with", 8)):
        data = as_data(images().spec, images(72).x[8 - held_out :], held_out)
        teach(toy("noisy"), data, tmp_path / name, steps=16, batch=16)
    assert sum("held_out" in line for line in lines(tmp_path / "with")) == 1
    same(weights(tmp_path / "with")["raw"], weights(tmp_path / "without")["raw"])


def test_out_of_memory_is_said_and_saved(tmp_path):
    class Hungry(Regression):
        def losses(self, batch):
            if len(batch) > 5:
                raise torch.OutOfMemoryError("CUDA out of memory")
            yield from super().losses(batch)

    torch.manual_seed(0)
    said = []
    teach(Hungry(vectors().spec), vectors(), tmp_path / "hungry", steps=5, said=said)
    teach(toy("regression"), vectors(), tmp_path / "rich", steps=5, micro_batch=4)
    same(weights(tmp_path / "hungry")["raw"], weights(tmp_path / "rich")["raw"])
    assert "going on with 4, added up to the same batch" in [line for line in said if "out of memory" in line][-1]
    assert read_state(tmp_path / "hungry")[1].micro == 4


def test_a_full_disk_is_named_and_the_old_save_stays(tmp_path, monkeypatch):
    with pytest.raises(Interrupted):
        teach(signalled(Regression, 2)(vectors().spec), vectors(), tmp_path, steps=40)
    before = read_state(tmp_path)[0]

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving, "write_state", full)
    with pytest.raises(TacitError, match=f"{tmp_path} could not be saved: No space left on device; the save of step 3"):
        teach(toy("regression"), vectors(), tmp_path, steps=5)
    same(before, read_state(tmp_path)[0])


def test_saves_come_at_their_time(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(saving, "write_state", lambda folder, tensors, tally: seen.append(tally.step))
    teach(toy("regression"), vectors(), tmp_path, steps=5, save_minutes=1e-9)
    assert seen == [1, 2, 3, 4, 5, 5]


def test_another_method_or_options_are_refused(tmp_path):
    teach(toy("regression"), vectors(), tmp_path, steps=3)
    with pytest.raises(RunError, match="'average/net.1.bias' is unknown in the saved state"):
        teach(toy("regression"), vectors(), tmp_path, steps=5, ema=0)
    with pytest.raises(RunError, match="net.1.bias"):
        teach(Regression(vectors().spec, width=5), vectors(), tmp_path, steps=5)


def test_nets_are_compiled_and_names_stay(tmp_path, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: compiled.append(type(self).__name__))
    teach(toy("duel"), vectors(), tmp_path, steps=1, compile=True)
    assert compiled == ["Sequential", "Sequential"]
