"""Restoring what was corrupted: the corruption's own error, perfect and idle restorers, and what was asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import tacit
from tacit.data.dataset import Data
from tacit.errors import OptionError
from tacit.evaluation import restoration as room
from tacit.evaluation.reconstruction import scores
from tacit.evaluation.restoration import Corruption, Restoration, restoration
from tacit.functional.corruption import CORRUPTIONS, masking
from tacit.protocol import Spec


class Run:
    """Restores by a function."""

    def __init__(self, restore: Any) -> None:
        self.restore = restore

    def reconstruct(self, data: Data) -> Tensor:
        made: Tensor = self.restore(data.everything())
        return made


def asked(restore: Any, data: Data, text: str = "gaussian:0.1", **more: Any) -> tuple[Restoration, dict[Any, Any]]:
    run: Any = Run(restore)
    found = restoration(run, data, Corruption.parse(text), words="the samples", **more)
    return found, {(m.name, m.of): m for m in found.measures}


def test_an_idle_restorer_gains_nothing(digits_data: Data) -> None:
    found, measures = asked(lambda x: x, digits_data, "masking:0.5", seed=3)
    x = digits_data.everything()
    corrupted = masking(x, 0.5, torch.Generator().manual_seed(3), (0.0, 1.0))[0]
    assert torch.equal(found.corrupted, corrupted[:32]) and torch.equal(found.clean, x[:32])
    for score in scores(x, corrupted, digits_data.spec):
        assert measures[score.name, "corrupted"].value == pytest.approx(float(score.values.mean()))
        assert measures[score.name, "restored"].value == measures[score.name, "corrupted"].value
        assert measures[score.name, "restored less corrupted"].span == (0, 0)
    assert {name for name, _ in measures} == {"squared error", "PSNR", "SSIM"}
    assert "the samples, each corrupted once by masking:0.5 (seed 3)" in measures["PSNR", "restored"].protocol


def test_noise_has_the_decibels_that_its_deviation_says(digits_data: Data) -> None:
    grey = 0.5 + 0.0 * digits_data.everything()
    data = tacit.open_data((grey * 255).round().to(torch.uint8).numpy())
    _, measures = asked(lambda x: x.mean((2, 3), keepdim=True).expand_as(x), data, "gaussian:0.1")
    assert measures["squared error", "corrupted"].value == pytest.approx(0.01, rel=0.03)
    assert measures["squared error", "restored"].value == pytest.approx(0.01 / 64, rel=0.2)  # the mean of 64 values
    assert measures["PSNR", "corrupted"].value == pytest.approx(20, abs=0.15)
    before, after, gained = (measures["PSNR", of] for of in ("corrupted", "restored", "restored less corrupted"))
    assert gained.low > 18 and gained.value == pytest.approx(after.value - before.value)


def test_parts_are_joined_and_the_first_samples_kept(digits_data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = asked(lambda x: x, digits_data, "block:3", shown=150)[0]
    monkeypatch.setattr(room, "ROWS", 70)
    parts = asked(lambda x: x.flip(2), digits_data, "block:3", shown=150)[0]
    assert len(parts.clean) == len(parts.corrupted) == len(parts.restored) == 150
    assert torch.equal(parts.clean, whole.clean) and torch.equal(parts.restored, parts.corrupted.flip(2))
    idle = asked(lambda x: x, digits_data, "gaussian:0")[1]
    assert idle["PSNR", "corrupted"].value == 100


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_what_is_written_is_read(name: str) -> None:
    assert Corruption.parse(f"{name}:0.5") == Corruption(name, 0.5)
    assert Corruption.parse(str(Corruption(name, 8.0))) == Corruption(name, 8.0)


def test_what_cannot_be_is_refused(digits_data: Data) -> None:
    with pytest.raises(OptionError, match="no corruption 'gausian'. Did you mean 'gaussian'"):
        Corruption.parse("gausian:0.1")
    for text in ("gaussian", "block:", "blur:much"):
        with pytest.raises(OptionError, match="such as gaussian:0.1"):
            Corruption.parse(text)
    with pytest.raises(OptionError, match="does not fit into 8 x 8"):
        asked(lambda x: x, digits_data, "block:9")
    codes = Spec("codes", (2, 2), codes=4)
    with pytest.raises(OptionError, match="only numbers that are measured"):
        Corruption("masking", 0.5)(torch.zeros(1, 2, 2, dtype=torch.int64), codes, torch.Generator())
