"""Curves whose trend is known, and the log of a real training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import tacit
from tacit.evaluation.trend import fitted, trend
from tacit.runs.log import read_lines

STEPS = np.arange(1, 41) * 50


def lines(losses: Any, steps: Any = STEPS) -> list[dict[str, float]]:
    return [{"step": int(s), "held_out": float(v)} for s, v in zip(steps, losses, strict=True)]


def noise(size: float, seed: int = 0, count: int = 40) -> Any:
    return size * np.random.default_rng(seed).standard_normal(count)


@pytest.mark.parametrize("power", [0.1, 0.3, 0.5])
def test_a_power_law_still_improves_by_what_it_says(power: float) -> None:
    def law(step: Any) -> Any:
        return 2 + 5 * step ** -power

    found = trend(lines(law(STEPS) + noise(0.002)))
    assert found.verdict == "improving" and found.gain is not None
    truth = (law(2000) - law(4000)) / (law(50) - law(2000))
    assert truth / 1.4 < found.gain[0] < truth * 1.4
    assert found.gain[1] < found.gain[0] < found.gain[2]
    assert "twice the steps would lower the held-out loss by about " in str(found)


def test_what_has_levelled_off_is_level() -> None:
    for seed in range(10):
        found = trend(lines(1 + np.exp(-STEPS / 60) + noise(0.002, seed)))
        assert found.verdict == "level" and str(found) == "has levelled off"


def test_a_valley_is_overfitting_since_its_bottom() -> None:
    x = np.log2(STEPS)
    found = trend(lines((x - x[9]) ** 2 + noise(0.01)))
    assert found.verdict == "worse" and found.since is not None and 400 <= found.since <= 650
    assert str(found).startswith(f"has been getting worse since step {found.since}: it overfits")


def test_noise_alone_says_nothing() -> None:
    found = [trend(lines(1 + noise(0.1, seed))).verdict for seed in range(40)]
    assert found.count("worse") + found.count("improving") <= 4
    assert str(trend(lines(np.ones(40)))) == ""


def test_too_few_points_and_lines_without_the_key_say_nothing() -> None:
    falling = lines(10 - np.log2(STEPS))
    assert str(trend(falling[:5])) == "" and trend(falling[:6]).verdict == "improving"
    assert trend([{"step": 10 * i, "model/loss": 1 / i} for i in range(1, 40)]) == trend([])
    others: list[dict[str, Any]] = [{"step": 75, "model/loss": 3.0}, {"step": 80, "held_out": None}]
    assert trend([*others, *falling]) == trend(falling)
    assert trend([{"step": 50, "held_out": 99.0}, *falling]) == trend(falling)  # a step that was taken once more


def test_the_end_of_a_schedule_is_not_taken_for_a_plateau() -> None:
    rate = 0.5 + 0.5 * np.cos(np.pi * STEPS / 2000)
    losses = 10 - np.log2(np.minimum(STEPS, 1000)) + 0.001 * rate
    flat = lines(losses)
    assert trend(flat).verdict != "improving"
    scheduled = [{**line, "lr": r} for line, r in zip(flat, rate, strict=True)]
    assert trend(scheduled).verdict == "improving"
    assert trend(scheduled).gain == pytest.approx(trend(flat[:20]).gain, rel=0.05)
    assert trend([{**line, "lr": 0.1} for line in flat]) == trend(flat)


def test_the_interval_is_the_librarys() -> None:
    x, y = np.arange(12.0), 0.3 * np.arange(12.0) + noise(1, count=12)
    value, reach = fitted(np.stack([np.ones(12), x], 1), y)
    reference = stats.linregress(x, y)
    assert value[1] == pytest.approx(reference.slope)
    assert reach[1] == pytest.approx(stats.t.ppf(0.975, 10) * reference.stderr)


def test_the_log_of_a_real_training_is_read(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((400, 4)) @ np.random.default_rng(1).standard_normal((4, 30))
    x = x.astype(np.float32)
    run = tacit.fit("ae", x, split=0.1, steps=60, batch=120, schedule="constant", out=tmp_path / "run")
    found = read_lines(run.path / "metrics.jsonl")
    assert sum("held_out" in line for line in found) >= 6
    assert trend(found).verdict in ("improving", "level")
