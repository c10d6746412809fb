"""The game of numbers as a picture: what is drawn where, and that an animation moves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image, ImageSequence

from tacit.pictures.game import LAST, Board, Frame, Scene, animation, still

PLACES = torch.linspace(-4, 4, 201, dtype=torch.float64)


def normal(mean: float, deviation: float) -> torch.Tensor:
    return torch.distributions.Normal(mean, deviation).log_prob(PLACES).exp()


def scene() -> Scene:
    return Scene(PLACES, normal(0, 1), "arrows from z to x", 9)


def frame(step: int, mean: float) -> Frame:
    z = torch.linspace(-2, 2, 9, dtype=torch.float64)
    made = normal(mean, 1.5)
    return Frame(step, made, normal(0, 1) / (normal(0, 1) + made), z, mean + 1.5 * z)


def board(of: Frame) -> Board:
    drawn = Board(Figure(figsize=(10, 7)), scene(), "a game")
    drawn.show(of)
    return drawn


def test_the_best_discriminator_is_that_of_the_paper() -> None:
    best = np.asarray(board(frame(3, 1.0)).best.get_ydata(), dtype=float)
    assert best[100] == pytest.approx(0.651965, abs=1e-6)  # N(0, 1) against N(1, 1.5^2) at x = 0, in closed form
    alike = board(Frame(3, normal(0, 1), torch.zeros(201), *[torch.zeros(9)] * 2))
    assert np.nanmax(np.abs(np.asarray(alike.best.get_ydata(), dtype=float) - 0.5)) < 1e-12


def test_it_is_not_drawn_where_neither_density_is() -> None:
    nowhere = Frame(3, torch.zeros(201, dtype=torch.float64), torch.zeros(201), *[torch.zeros(9)] * 2)
    best = np.asarray(board(nowhere).best.get_ydata(), dtype=float)
    assert np.isnan(best[[0, -1]]).all() and best[100] == 1


def test_a_critic_is_compared_with_no_best_one() -> None:
    figure = Figure(figsize=(10, 7))
    drawn = Board(figure, replace(scene(), odds=False), "a game")
    drawn.show(frame(3, 1.0))
    assert not len(drawn.best.get_xdata()) and len(drawn.judged.get_xdata()) == 201
    words, others = ([t.get_text() for t in f.legends[0].get_texts()] for f in (figure, board(frame(3, 1)).figure))
    assert words == ["data", "generator", "D(x)"] and others == [*words, "best D = data / (data + generator)"]


def test_arrows_go_from_z_to_x() -> None:
    drawn = board(frame(3, 1.0))
    begin = np.asarray(drawn.arrows.get_offsets())
    z = np.array([drawn.origin(x) for x in begin[:, 0]])
    assert np.allclose(z, np.linspace(-2, 2, 9)) and not begin[:, 1].any()
    ends = begin[:, 0] + np.ma.getdata(drawn.arrows.U)
    assert np.allclose(ends, 1 + 1.5 * z) and (np.ma.getdata(drawn.arrows.V) == 1).all()


def test_an_animation_moves_and_its_axes_stay(tmp_path: Path) -> None:
    frames = [frame(step, mean) for step, mean in ((1, 2.0), (4, 1.0), (9, 0.0))]
    path = animation(scene(), frames, tmp_path / "game.gif", title="a game")
    with Image.open(path) as image:
        pictures = [np.asarray(f.convert("L")).astype(int) for f in ImageSequence.Iterator(image)]
        pauses = [f.info["duration"] for f in ImageSequence.Iterator(image)]
    assert len(pictures) == 3 and pauses[-1] == LAST > 5 * pauses[0]
    assert all(abs(a - b).max() > 60 for a, b in zip(pictures, pictures[1:], strict=False))
    still_ones = [p[:, :40] for p in pictures]  # the labels at the left
    assert min(still_ones[0].min(), 120) < 120 and all(abs(p - still_ones[0]).max() < 40 for p in still_ones)


def test_a_still_and_the_last_frame_show_the_same(tmp_path: Path) -> None:
    path = still(scene(), frame(9, 0.5), tmp_path / "game.png", title="a game")
    animation(scene(), [frame(1, 2.0), frame(9, 0.5)], tmp_path / "game.gif", title="a game")
    with Image.open(path) as image, Image.open(tmp_path / "game.gif") as moving:
        moving.seek(1)
        large = np.asarray(image.convert("L").resize(moving.size)).astype(float)
        small = np.asarray(moving.convert("L")).astype(float)
    blurred = [a[: a.shape[0] // 8 * 8].reshape(-1, 8, a.shape[1] // 8, 8).mean((1, 3)) for a in (large, small)]
    assert np.corrcoef(*(b.ravel() for b in blurred))[0, 1] > 0.97
