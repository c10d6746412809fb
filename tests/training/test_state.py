"""The state file, the log's file, the line for a person."""

import json
import os
import resource
import signal

import pytest
import torch

from tacit.errors import OptionError, RunError
from tacit.training.checkpoint import STATE, Tally, copy_back, portable, read_state, write_state
from tacit.training.devices import Devices
from tacit.training.journal import Journal
from tacit.training.options import TrainOptions
from tacit.training.progress import Lines, pace
from tacit.training.randomness import kept_apart, random_states, restore_random_states
from tacit.training.step import Move


def test_a_state_comes_back_whole(tmp_path):
    tensors = {"a": torch.randn(2, 3), "b": torch.tensor(7), "c": torch.randn(3).bfloat16()}
    tally = Tally(step=3, seconds=0.1 + 0.2, total=9, beat=5, micro=4, best=1 / 3, sums={"x/loss": (0.1 + 0.7, 2)})
    write_state(tmp_path, tensors, tally)
    again, header = read_state(tmp_path)
    assert header == tally
    assert all(torch.equal(t, again[n]) for n, t in tensors.items())
    assert os.listdir(tmp_path / "state") == ["latest.safetensors"]


def test_portable_tensors_share_nothing():
    t = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    made = portable({"a": t, "tied": t, "view": t[0]})
    assert all(v.is_contiguous() for v in made.values())
    assert len({v.untyped_storage().data_ptr() for v in made.values()}) == 3
    assert torch.equal(made["a"], t)


def test_strides_of_the_live_tensor_win():
    live = torch.zeros(2, 3, 4, 4).to(memory_format=torch.channels_last)
    saved = torch.randn(2, 3, 4, 4)
    copy_back([("a", live)], {"a": saved}, "state")
    assert torch.equal(live, saved) and live.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("saved", "says"),
    [({}, "'a' is missing from the saved state"), ({"a": torch.zeros(2), "b": torch.zeros(1)}, "'b' is unknown"),
     ({"a": torch.zeros(3)}, "float32 3; float32 2 was expected"), ({"a": torch.zeros(2).long()}, "is int64 2")],
)
def test_what_does_not_fit_is_refused(saved, says):
    with pytest.raises(RunError, match=says):
        copy_back([("a", torch.ones(2))], saved, "state")


@pytest.mark.parametrize("content", [b"", b"garbage" * 40, None])
def test_a_damaged_state_is_named(tmp_path, content):
    path = tmp_path / STATE
    write_state(tmp_path, {"a": torch.zeros(100)}, Tally())
    path.write_bytes(path.read_bytes()[:-50] if content is None else content)
    with pytest.raises(RunError, match="latest.safetensors is damaged or foreign"):
        read_state(tmp_path)


def test_no_state_is_named(tmp_path):
    with pytest.raises(RunError, match="the run is finished, or was never saved"):
        read_state(tmp_path)


def test_a_file_that_grows_too_large_leaves_the_old(tmp_path):
    """A real refusal by the system in the middle of a write, as a full disk is one."""
    write_state(tmp_path, {"a": torch.zeros(1)}, Tally(step=1))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large|os error 27"):
            write_state(tmp_path, {"a": torch.zeros(100_000)}, Tally(step=2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert read_state(tmp_path)[1].step == 1
    assert os.listdir(tmp_path / "state") == ["latest.safetensors"]


def test_random_states_come_back():
    states = random_states(torch.device("cpu"))
    first = torch.rand(3)
    with kept_apart(torch.device("cpu"), 1):
        inside = torch.rand(3)
    second = torch.rand(3)
    restore_random_states(states)
    assert torch.equal(torch.cat([first, second]), torch.cat([torch.rand(3), torch.rand(3)]))
    torch.manual_seed(1)
    assert torch.equal(inside, torch.rand(3))


def move(step, loss):
    return Move(step, "model", torch.tensor(loss), torch.tensor(1.0), {"kl": torch.tensor(loss / 2)})


def test_the_log_does_not_depend_on_when_it_is_drained(tmp_path):
    numbers = torch.rand(50).tolist()
    for name, often in (("a", 1), ("b", 7)):
        journal = Journal(tmp_path / name)
        for step, number in enumerate(numbers):
            journal.add([move(step, number)])
            if step % often == 0:
                journal.drain()
        journal.drain()
        journal.line({"step": 50}, {})
        journal.close()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert json.loads((tmp_path / "a").read_text())["model/loss"] == pytest.approx(sum(numbers) / 50, rel=1e-6)


def test_the_log_is_cut_at_its_offset(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"one\ntwo\n")
    journal = Journal(path, offset=4)
    journal.write({"held_out": float("nan")})
    assert journal.offset() == len(path.read_bytes())
    journal.close()
    assert path.read_bytes() == b'one\n{"held_out": null}\n'


def test_plain_lines_come_rarely():
    said = []
    shown = Lines(said.append)
    for step in range(1, 100):
        shown.show(step, 200, 10.0, {"model/loss": 1.5, "lr": 0.1, "step": step})
    assert said == ["step 1 of 200  model/loss 1.5  10 steps/s, 0:20 left"]
    assert pace(0, 72_000, 10.0).endswith("2:00:00 left")


def test_devices_that_are_not_there_are_named():
    if not torch.cuda.is_available():
        with pytest.raises(OptionError, match="--device cuda is not there"):
            Devices(TrainOptions(device="cuda"))
    alone = Devices(TrainOptions(device="cpu"))
    assert (alone.rank, alone.world, alone.is_main, alone.agree("x"), alone.gather(1)) == (0, 1, True, "x", [1])
