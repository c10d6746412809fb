"""Corruptions: their statistics, scikit-image's and SciPy's values, and which values they say they struck."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Generator, Tensor

from tacit.errors import OptionError
from tacit.functional.corruption import CORRUPTIONS, block, blur, gaussian, masking, salt_and_pepper

UNIT = (0.0, 1.0)


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 50) -> Tensor:
    return 0.2 + 0.6 * torch.rand(n, 3, 12, 10, generator=seeded(9))  # neither 0 nor 1


AMOUNTS = {"gaussian": 0.1, "masking": 0.3, "salt-and-pepper": 0.3, "blur": 1.5, "block": 5}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_seed_range_and_what_was_struck(name: str) -> None:
    x, corrupt = images(), CORRUPTIONS[name]
    before = torch.get_rng_state()
    made, struck = corrupt(x, AMOUNTS[name], seeded(), UNIT)
    assert torch.equal(before, torch.get_rng_state())
    assert made.shape == struck.shape == x.shape and made.dtype == x.dtype and struck.dtype == torch.bool
    assert made.min() >= 0 and made.max() <= 1 and torch.equal(made[~struck], x[~struck])
    assert (made[struck] != x[struck]).float().mean() > 0.99
    assert torch.equal(made, corrupt(x, AMOUNTS[name], seeded(), UNIT)[0])
    assert torch.equal(made, corrupt(x, AMOUNTS[name], seeded(1), UNIT)[0]) == (name == "blur")
    torch.testing.assert_close(corrupt(x, 0.0, seeded(), UNIT)[0], x)


def test_noise_has_its_deviation_in_widths_of_the_range() -> None:
    x = torch.zeros(200, 3, 12, 10)
    assert float(gaussian(x, 0.1, seeded())[0].std()) == pytest.approx(0.1, rel=0.01)
    assert float(gaussian(x, 0.1, seeded(), (-1.0, 1.0))[0].std()) == pytest.approx(0.2, rel=0.01)
    assert float((gaussian(x, 0.1, seeded(), UNIT)[0] == 0).float().mean()) == pytest.approx(0.5, abs=0.01)


def test_values_are_struck_each_alone_with_the_probability_asked_for() -> None:
    x = images(400)
    for corrupt, marks in ((masking, (0.0,)), (salt_and_pepper, (0.0, 1.0))):
        made, struck = corrupt(x, 0.3, seeded(), UNIT)
        assert float(struck.float().mean()) == pytest.approx(0.3, abs=0.005)
        for mark in marks:
            assert float((made == mark).float().mean()) == pytest.approx(0.3 / len(marks), abs=0.005)
        both = (struck[:, 0] & struck[:, 1]).float().mean()  # channels of one pixel
        assert float(both) == pytest.approx(0.09, abs=0.005)


def test_a_value_that_was_0_before_is_struck_all_the_same() -> None:
    """Where only changed values counted, a loss on them would teach that 0 never stands for 0."""
    _, struck = masking(torch.zeros(10, 1, 20, 20), 0.5, seeded(), UNIT)
    assert float(struck.float().mean()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("sigma", [0.6, 1.5, 5.0])
def test_blur_is_scipys(sigma: float) -> None:
    x, radius = images(3), math.ceil(4 * sigma)
    slow = [[gaussian_filter(c.double().numpy(), sigma, mode="reflect", radius=radius) for c in i] for i in x]
    torch.testing.assert_close(blur(x, sigma)[0].double(), torch.from_numpy(np.array(slow)), atol=1e-6, rtol=0)


def test_a_block_is_one_square_that_may_lie_anywhere() -> None:
    x = torch.ones(4_000, 2, 6, 5)
    made, struck = block(x, 3, seeded(), UNIT)
    assert (struck.flatten(1).sum(1) == 2 * 9).all() and torch.equal(struck[:, 0], struck[:, 1])
    assert (made == (~struck).float()).all()
    first = struck[:, 0].flatten(1).float().argmax(1)  # of the square's upper left corner
    counts = first.bincount()
    assert counts[counts > 0].shape == (4 * 3,) and (counts[counts > 0] - 4_000 / 12).abs().max() < 80
    rows = struck[:, 0].any(2).sum(1)
    assert (rows == 3).all() and (struck[:, 0].any(1).sum(1) == 3).all()


def test_what_makes_no_sense_is_refused() -> None:
    vectors = torch.zeros(2, 5)
    with pytest.raises(OptionError, match="no range; take masking"):
        salt_and_pepper(vectors, 0.1)
    for corrupt in (blur, block):
        with pytest.raises(OptionError, match="has the shape 5; take gaussian"):
            corrupt(vectors, 1)
    with pytest.raises(OptionError, match="does not fit into 12 x 10"):
        block(images(1), 11)
    for corrupt, amount in ((gaussian, -0.1), (masking, 1.1), (blur, float("nan")), (gaussian, float("inf"))):
        with pytest.raises(OptionError, match="the amount of the corruption is"):
            corrupt(images(1), amount)
