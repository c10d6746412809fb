"""Pictures of bounds and posteriors: all that should be there is, and nothing is cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tacit.pictures.bounds import Panel, ladder, posteriors, regions, rim

PAPER = (252, 252, 250)


def looked_at(path: Path) -> Any:
    """Returns the pixels of a picture whose rim is empty: nothing was cut off."""
    with Image.open(path) as image:
        picture = np.asarray(image.convert("RGB"))
    for edge in (picture[:12], picture[-12:], picture[:, :12], picture[:, -12:]):
        assert (edge == PAPER).all()
    return picture


def amount(picture: Any, colour: str) -> int:
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((np.abs(picture.astype(int) - wanted).max(2) < 12).sum())


def test_a_bar_is_as_long_as_its_bound_is_short(tmp_path: Path) -> None:
    bounds = {"ELBO": (-12.0, -13.0, -11.0), "IWAE-50": (-11.0, -12.0, -10.0), "AIS": (-10.0, -11.0, -9.0)}
    pictures = [
        looked_at(ladder(bounds, {"ELBO": (2.0, 1.9, 2.1), "IWAE-50": (gap, 0.0, 2.0)}, tmp_path / "a.png", title="t"))
        for gap in (0.5, 1.0)
    ]
    right = [p[:, p.shape[1] // 2 :] for p in pictures]
    narrow, wide = (amount(p, "#33608f") for p in right)
    assert wide / narrow == pytest.approx(3.0 / 2.5, rel=0.05)
    assert amount(pictures[0], "#d1703c") > 100, "the tightest has a colour of its own"


def test_a_bound_that_beats_the_annealed_one_is_drawn_to_the_other_side(tmp_path: Path) -> None:
    bounds = {"ELBO": (-1.0, -1.1, -0.9), "AIS": (-1.1, -1.2, -1.0)}
    picture = looked_at(ladder(bounds, {"ELBO": (-0.1, -0.2, 0.05)}, tmp_path / "a.png", title="t", subtitle="s"))
    assert amount(picture[:, picture.shape[1] // 2 :], "#33608f") > 1_000
    same = {"ELBO": (-1.0, -1.0, -1.0), "AIS": (-1.0, -1.0, -1.0)}
    looked_at(ladder(same, {"ELBO": (0.0, 0.0, 0.0)}, tmp_path / "b.png", title="an exact posterior"))


def gaussian(side: int = 80) -> tuple[torch.Tensor, torch.Tensor]:
    """A grid from -4 to 4 on which a correlated Gaussian lies, and its root."""
    root = torch.tensor([[1.0, 0.0], [0.5, 0.4]], dtype=torch.float64)
    at = (torch.arange(side).double() + 0.5) / side * 8 - 4
    z = torch.cartesian_prod(at, at)
    log_p = torch.distributions.MultivariateNormal(torch.zeros(2).double(), scale_tril=root).log_prob(z)
    return log_p.softmax(0).view(side, side), root


def test_regions_hold_the_mass_that_they_are_named_for() -> None:
    share, _ = gaussian(200)
    held = [float(share[share >= level].sum()) for level in regions(share)]
    assert held == pytest.approx([0.99, 0.95, 0.8, 0.5], abs=0.005)


def test_the_rim_of_a_gaussian_holds_the_mass_that_it_is_named_for() -> None:
    share, root = gaussian(200)
    level = regions(share)[1]  # 95 %
    places = ((rim((torch.zeros(2).double(), root), 0.95) + 4) / 8 * 200).long()
    assert share[places[:, 0], places[:, 1]].numpy() == pytest.approx(np.full(100, level), rel=0.25)


@pytest.mark.parametrize("count", [1, 5, 8])
def test_posteriors_with_gaussians_and_draws(tmp_path: Path, count: int) -> None:
    share, root = gaussian()
    box = torch.full((2,), 4.0).double()
    best, off = (torch.zeros(2).double(), root), (torch.ones(2).double(), 0.5 * root)
    draws = torch.randn(1_000, 2, generator=torch.Generator().manual_seed(0)).double()
    caption = "log p -12.3, KL 0.45 nats, best Gaussian 0.01"
    panels = [Panel(caption, -box, box, share, best, off if n % 2 else None, draws) for n in range(count)]
    picture = looked_at(posteriors(panels, tmp_path / "a.png", title="What the bound hides", subtitle="a line below"))
    for colour in ("#dbe4ee", "#4a76a4", "#22262e"):
        assert amount(picture, colour) > 500 * count / 8
    assert amount(picture, "#d1703c") > 20


def test_a_place_of_the_grid_is_drawn_where_it_is(tmp_path: Path) -> None:
    """The first latent runs to the right, the second upwards."""
    share = torch.zeros(40, 40).double()
    share[30:36, 4:10] = 1 / 36
    box = torch.full((2,), 4.0).double()
    wide = (torch.zeros(2).double(), 1.2 * torch.eye(2).double())
    panel = Panel("c", -box, box, share, wide, None, torch.zeros(1, 2))
    picture = looked_at(posteriors([panel], tmp_path / "a.png", title="t"))
    picture = picture[140:]  # below the headline

    def middle(colour: tuple[int, int, int]) -> Any:
        return np.argwhere(np.abs(picture.astype(int) - colour).max(2) < 12).mean(0)

    offset = middle((0x4A, 0x76, 0xA4)) - middle((0x22, 0x26, 0x2E))
    assert (offset > 40).all(), "below and to the right of the ellipse about 0"
