"""Budgets in steps, the pace, patience."""

import json
import time

import pytest
from training_toys import Regression, teach, toy, vectors

from tacit.errors import OptionError
from tacit.protocol import Recipe
from tacit.training.budget import Pace, held_out_interval, round_down, steps_in
from tacit.training.checkpoint import read_state
from tacit.training.options import TrainOptions


@pytest.mark.parametrize(
    ("given", "steps", "name"),
    [
        ({}, 5_000, "steps"),
        ({"steps": 7}, 7, "steps"),
        ({"epochs": 1.5}, 15, "epochs"),
        ({"samples": 101}, 2, "samples"),
        ({"steps": 30, "epochs": 2}, 20, "epochs"),
        ({"minutes": 1}, None, "minutes"),
        ({"minutes": 1, "steps": 3}, 3, "steps"),
    ],
)
def test_the_first_budget_counts(given, steps, name):
    assert steps_in(TrainOptions(**given), Recipe(batch=100), 1_000) == (steps, name)


def test_the_pace_is_measured_behind_the_first_steps():
    pace = Pace(minutes=1)
    now, looks = 50.0, []
    for step in range(1, 40):
        now += 10.0 if step < 3 else 0.12
        if pace.tick(now - 50):
            looks.append((step, pace.beat(now - 50), pace.steps_left(now - 50)))
    assert [step for step, _, _ in looks] == [4, 8, 16, 32]
    assert looks[0][1:] == (None, None)
    assert looks[1][1:] == (5, None)  # 0.72 s are enough for a beat, not for a budget
    assert looks[2][1:] == (5, None)  # nor are 1.7 s: a twentieth of the minute is
    assert looks[3][1:] == (5, int(0.97 * (60 - 20 - 30 * 0.12) / 0.12))


@pytest.mark.parametrize(("n", "down"), [(0.1, 1), (1.9, 1), (2, 2), (4.9, 2), (9.9, 5), (10, 10), (499, 200)])
def test_beats_are_round(n, down):
    assert round_down(n) == down


def test_held_out_losses_take_two_percent():
    recipe = Recipe(batch=100)
    assert held_out_interval(TrainOptions(), recipe, 50_000, 2_000, 1) == 500
    assert held_out_interval(TrainOptions(), recipe, 1_000, 100, 1) == 20
    assert held_out_interval(TrainOptions(patience=3), recipe, 1_000, 100, 1) == 10
    assert held_out_interval(TrainOptions(), recipe, 1_000, 0, 1) is None
    assert held_out_interval(TrainOptions(), recipe, 1_000, 100, 2) is None
    with pytest.raises(OptionError, match="2 players play against one another"):
        held_out_interval(TrainOptions(patience=3), recipe, 1_000, 100, 2)
    with pytest.raises(OptionError, match="no held-out samples|there are none"):
        held_out_interval(TrainOptions(patience=3), recipe, 1_000, 0, 1)


class Slow(Regression):
    """Takes its time, and notes its clock."""

    seen: list[float]

    def losses(self, batch):
        self.seen.append(self.clock.progress)
        time.sleep(0.01)
        yield from super().losses(batch)


def test_minutes_fix_the_steps_once(tmp_path):
    method = Slow(vectors().spec)
    method.seen = []
    outcome = teach(method, vectors(), tmp_path, minutes=0.03)
    assert outcome.ended_by == "minutes"
    assert 1 < outcome.seconds < 3
    known = [p for p in method.seen if p > 0]
    assert 0 < len(method.seen) - len(known) < 0.6 * len(method.seen)
    differences = {round(b - a, 9) for a, b in zip(known, known[1:], strict=False)}
    assert len(differences) <= 2  # one step count, whatever the later pace (2: rounding)
    tally = read_state(tmp_path)[1]
    assert tally.timed and tally.total >= outcome.steps


def test_a_resumed_run_keeps_its_step_count(tmp_path):
    method = Slow(vectors().spec)
    method.seen = []
    teach(method, vectors(), tmp_path, minutes=0.02)
    tally = read_state(tmp_path)[1]
    again = Slow(vectors().spec)
    again.seen = []
    outcome = teach(again, vectors(), tmp_path, minutes=10)
    assert outcome.steps == tally.total


def test_patience_ends_when_nothing_improves(tmp_path):
    method = toy("regression")
    outcome = teach(method, vectors(64, 16), tmp_path, patience=3, lr=1e-12, batch=16, steps=500)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    held = [line["held_out"] for line in lines if "held_out" in line]
    assert outcome.ended_by == "patience"
    assert outcome.steps == 3 * (1 + held.index(min(held)) + 3)  # an epoch is 3 steps
    assert outcome.held_out == pytest.approx(held[-1], rel=1e-6)


def test_patience_lasts_while_it_improves(tmp_path):
    outcome = teach(toy("regression"), vectors(64, 16), tmp_path, patience=3, batch=16, steps=40)
    assert (outcome.ended_by, outcome.steps) == ("steps", 40)
