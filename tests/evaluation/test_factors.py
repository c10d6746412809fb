"""Factors beside meaning: read from images and sources, and how much they explain."""

from __future__ import annotations

import colorsys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import tacit
from tacit.evaluation.factors import dated, explained, factors_of, look, parsed


def test_looks_are_those_of_plain_colours() -> None:
    colours = [(0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.2, 0.2, 0.6)]
    found = look(torch.tensor(colours)[:, :, None, None].expand(-1, -1, 4, 4))
    expected = [0.299 * r + 0.587 * g + 0.114 * b for r, g, b in colours]
    assert found["brightness"].tolist() == pytest.approx(expected)
    assert found["contrast"].tolist() == pytest.approx([0] * 5, abs=1e-6)
    assert found["saturation"].tolist() == pytest.approx([0, 0, 1, 1, 0.4], abs=1e-6)
    turns = (found["hue"][2:] / (2 * torch.pi)) % 1
    assert turns.tolist() == pytest.approx([colorsys.rgb_to_hsv(*c)[0] for c in colours[2:]], abs=1e-6)


def test_grey_images_have_no_colour() -> None:
    x = torch.rand(3, 1, 5, 5)
    found = look(x)
    assert set(found) == {"brightness", "contrast"}
    torch.testing.assert_close(found["contrast"], x.flatten(1).std(1, correction=0))


@pytest.mark.parametrize(
    ("word", "days"),
    [("1970:01:03 06:00:00", 2.25), ("1970-02-01", 31), ("1970-01-02T12:00:30Z", 1.5 + 30 / 86400),
     ("2/1/1970", 1), ("1/31/1970", 30), ("1970/1/5", 4)],
)
def test_dates_are_read_as_sources_write_them(word: str, days: float) -> None:
    assert parsed(word) == pytest.approx(days)


def test_columns_of_words_stay_unless_all_are_dates() -> None:
    assert dated(np.array(["cat", "2020-01-01"], object)).tolist() == ["cat", "2020-01-01"]
    assert dated(np.array(["", "1970-01-02"], object)).tolist() == pytest.approx([np.nan, 1.0], nan_ok=True)
    assert dated(np.array(["1970-01-02", "NaT"], "datetime64[D]")).tolist() == pytest.approx([1, np.nan], nan_ok=True)
    assert dated(np.array(["", ""], object)).tolist() == ["", ""]
    assert parsed("99/99/2020") is None


def test_a_folder_of_images_has_looks_sizes_and_folders(tmp_path: Path) -> None:
    for i in range(24):
        folder = tmp_path / "photos" / f"trip{i % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        colour = (10 * i, 200 * (i % 2), 30)
        Image.new("RGB", (16 + i, 16), colour).save(folder / f"{i}.png")
    data = tacit.open_data(str(tmp_path / "photos"))
    found = factors_of(data)
    assert {"brightness", "contrast", "saturation", "hue", "folder", "bytes", "width"} <= set(found)
    assert all(len(v) == 24 for v in found.values())
    number = torch.tensor([float(i.rpartition("/")[2][:-4]) for i in data.ids])
    axis = number % 2 + 0.1 * torch.rand(24, generator=torch.Generator().manual_seed(0))
    assert explained(axis, {"folder": found["folder"]})["folder"][0] > 0.9


def test_what_explains_is_told_from_what_does_not() -> None:
    generator = torch.Generator().manual_seed(0)
    x, noise = torch.randn(2, 2_000, generator=generator).unbind(0)
    factors = {
        "itself": x.numpy(), "its size": x.abs().numpy(), "noise": noise.numpy(),
        "words": np.where(x.numpy() > 0, "right", "left"), "constant": np.ones(2_000),
        "ids": np.array([str(i) for i in range(2_000)], object),
    }
    found = explained(x.abs() + 0.2 * noise, factors)
    assert set(found) == {"itself", "its size", "noise", "words"}
    share, low, high = found["its size"]
    assert 0.75 < low < share < high <= 1
    assert found["itself"][0] > 0.7 and abs(found["words"][0]) < 0.01
    assert found["noise"][1] < 0.1 < found["noise"][2] < 0.2  # of the variance, 0.04 / (0.36 + 0.04) is its own
    assert found == explained(x.abs() + 0.2 * noise, factors)


def test_intervals_cover_what_is_true() -> None:
    covered = 0
    for seed in range(60):
        generator = torch.Generator().manual_seed(seed)
        group = torch.randint(4, (300,), generator=generator)
        axis = group.float() + torch.randn(300, generator=generator)
        _, low, high = explained(axis, {"group": group.numpy()}, seed=seed)["group"]
        covered += low <= 1.25 / 2.25 <= high
    assert covered >= 51
