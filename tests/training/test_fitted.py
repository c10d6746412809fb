"""Methods that are fitted at one stroke, and what can end them."""

import os
import signal
import time

import pytest
import torch
from training_toys import VECTOR, vectors

from tacit.errors import DataError, Interrupted, OptionError, TacitError
from tacit.protocol import Method
from tacit.training import fitted
from tacit.training.fitted import fit_at_once
from tacit.training.options import TrainOptions


class Mean(Method):
    """Remembers what it was given."""

    needs = frozenset({"label"})

    def fit(self, x, *, label):
        self.x, self.label, self.drawn = x, label, torch.rand(1)


class Endless(Method):
    def fit(self, x):
        while True:
            time.sleep(0.01)


class Signalled(Method):
    def fit(self, x):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)


def quiet(_):
    pass


def test_it_sees_training_samples_and_what_it_needs():
    data = vectors(20, held_out=5)
    data.label = torch.arange(20)
    method = Mean(VECTOR)
    fit_at_once(method, data, TrainOptions(seed=3), say=quiet)
    assert torch.equal(method.x, data.x[5:])
    assert method.label.tolist() == list(range(5, 20))
    assert not method.training
    torch.manual_seed(3)
    assert torch.equal(method.drawn, torch.rand(1))


def test_labels_that_are_not_there_are_an_error():
    with pytest.raises(DataError, match="--labels"):
        fit_at_once(Mean(VECTOR), vectors(), TrainOptions(), say=quiet)


def test_memory_is_bounded_and_said(monkeypatch):
    monkeypatch.setattr(fitted, "MOST", 40)
    data, said = vectors(64), []
    data.label = torch.arange(64)
    method = Mean(VECTOR)
    fit_at_once(method, data, TrainOptions(), say=said.append)
    assert len(method.x) == 10
    assert len(set(method.label.tolist())) == 10
    assert said == ["fitted on 10 of 64 training samples, which is what 1 GiB holds"]


def test_a_deadline_ends_it():
    before, began = signal.getsignal(signal.SIGALRM), time.monotonic()
    with pytest.raises(TacitError, match="did not finish within 0.005 minutes"):
        fit_at_once(Endless(VECTOR), vectors(), TrainOptions(minutes=0.005), say=quiet)
    assert time.monotonic() - began < 3
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_signal_ends_it_and_nothing_is_saved():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted, match="nothing of it is saved"):
        fit_at_once(Signalled(VECTOR), vectors(), TrainOptions(), say=quiet)
    assert signal.getsignal(signal.SIGTERM) is before


def test_steps_do_not_apply():
    with pytest.raises(OptionError, match="--micro-batch does not apply"):
        fit_at_once(Mean(VECTOR), vectors(), TrainOptions(micro_batch=3), say=quiet)
