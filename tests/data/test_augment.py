"""Augmentation: seeded, per sample, in range, and doing what its name says."""

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from tacit.data.augment import OPERATIONS, Augment, affine, blur, colour, crop, erase, flip, grey, jitter, noise, zoom
from tacit.errors import OptionError


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


@pytest.fixture
def x() -> Tensor:
    return torch.rand(16, 3, 12, 10, generator=seeded(9))


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_operations_are_seeded_per_sample_and_in_range(name: str, channels: int) -> None:
    one = torch.rand(1, channels, 12, 10, generator=seeded(1))
    same = one.expand(32, -1, -1, -1)
    result = OPERATIONS[name](same, seeded())
    assert result.shape == same.shape and result.dtype == same.dtype
    assert result.min() >= 0 and result.max() <= 1
    assert torch.equal(result, OPERATIONS[name](same, seeded())) and torch.equal(same[3], one[0])
    if name == "grey" and channels != 3:
        assert torch.equal(result, same), "there are no colours to lose"
        return
    assert not torch.equal(result, OPERATIONS[name](same, seeded(1)))
    assert len(result.flatten(1).unique(dim=0)) >= 2, "every sample was treated alike"


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_layout_of_memory_changes_nothing(name: str, x: Tensor) -> None:
    last = x.to(memory_format=torch.channels_last)
    torch.testing.assert_close(OPERATIONS[name](last, seeded()), OPERATIONS[name](x, seeded()))


@pytest.mark.parametrize("name", OPERATIONS)
def test_one_pixel_is_enough(name: str) -> None:
    assert OPERATIONS[name](torch.rand(5, 1, 1, 1), seeded()).shape == (5, 1, 1, 1)


def test_flip_mirrors_about_half_and_leaves_the_rest() -> None:
    x = torch.rand(400, 1, 2, 5, generator=seeded(2))
    result = flip(x, seeded())
    mirrored = (result == x.flip(-1)).flatten(1).all(1)
    assert torch.equal(result[mirrored], torch.flip(x, [-1])[mirrored]) and torch.equal(result[~mirrored], x[~mirrored])
    assert 150 < mirrored.sum() < 250


def test_crop_is_a_window_of_the_mirrored_image(x: Tensor) -> None:
    padded = torch.nn.functional.pad(x, (1, 1, 2, 2), mode="reflect")  # an eighth of 12 and of 10
    dark = torch.nn.functional.pad(x, (1, 1, 2, 2))
    reflected, zeroed = crop(x, seeded()), crop(x, seeded(), reflect=False)
    shifts = set()
    for i in range(len(x)):
        windows = {(d, r): (padded[i, :, d : d + 12, r : r + 10], dark[i, :, d : d + 12, r : r + 10])
                   for d in range(5) for r in range(3)}
        found = [k for k, (w, _) in windows.items() if torch.equal(w, reflected[i])]
        assert len(found) == 1 and torch.equal(windows[found[0]][1], zeroed[i])
        shifts |= set(found)
    assert len(shifts) > 5


def test_affine_turns_about_the_centre_without_shearing() -> None:
    x = torch.zeros(64, 1, 41, 61)
    x[:, :, 20, 10:51] = 1  # a horizontal bar
    result = affine(x, seeded(), degrees=30, zoom=0, share=0)[:, 0]
    rows, columns = torch.meshgrid(torch.arange(41.0) - 20, torch.arange(61.0) - 30, indexing="ij")
    mass = result.sum((1, 2))
    assert ((result * rows).sum((1, 2)) / mass).abs().max() < 0.1
    length = ((result * (rows**2 + columns**2)).sum((1, 2)) / mass).sqrt()
    torch.testing.assert_close(length, torch.full((64,), (41**2 / 12) ** 0.5), rtol=0.03, atol=0)  # no stretch
    slope = (result * rows * columns).sum((1, 2)) / (result * (columns**2 - rows**2)).sum((1, 2))
    angle = 0.5 * torch.atan(2 * slope).rad2deg()
    assert angle.max() > 20 and angle.min() < -20 and angle.abs().max() < 30.5


def test_affine_shifts_and_zooms_within_bounds() -> None:
    x = torch.zeros(64, 1, 32, 32)
    x[:, :, 12:20, 12:20] = 1
    moved = affine(x, seeded(), degrees=0, zoom=0)
    place = (moved.sum(2)[:, 0] * (torch.arange(32) - 15.5)).sum(1) / 64
    assert 1.5 < place.max() < 2.01 and -2.01 < place.min() < -1.5
    area = affine(x, seeded(), degrees=0, share=0).sum((1, 2, 3))
    assert 64 * 0.8 < area.min() < 64 * 0.87 and 64 * 1.15 < area.max() < 64 * 1.22
    torch.testing.assert_close(affine(x, seeded(), degrees=0, zoom=0, share=0), x)


def test_zoom_is_a_window_interpolated_along_both_axes(x: Tensor) -> None:
    result = zoom(x, seeded(), least=0.3, stretch=1.5)
    generator = seeded()
    area, ratio, down, right = (torch.rand(16, 1, 1, 1, generator=generator).flatten().double() for _ in range(4))
    side, ratio = (0.3 + 0.7 * area).sqrt(), 1.5 ** (ratio - 0.5)
    for i in range(16):
        seen = x[i].double().numpy()
        for axis, size, start in ((1, float(side[i] * ratio[i]), down[i]), (2, float(side[i] / ratio[i]), right[i])):
            pixels, share = x.shape[axis + 1], min(size, 1.0)
            wanted = pixels * (float(start) * (1 - share) + share * (np.arange(pixels) + 0.5) / pixels) - 0.5
            seen = np.apply_along_axis(lambda row, w=wanted: np.interp(w, np.arange(len(row)), row), axis, seen)
        torch.testing.assert_close(result[i].double(), torch.from_numpy(seen), atol=2e-5, rtol=0)
    torch.testing.assert_close(zoom(x, seeded(), least=1, stretch=1), x)


def test_zoom_shows_the_share_that_was_asked_for() -> None:
    place = torch.linspace(0, 1, 32).view(1, 1, 1, 32).expand(600, 1, 32, 32)
    seen = zoom(place, seeded(), stretch=1)[:, 0, 0]
    width = seen[:, -1] - seen[:, 0]
    assert 0.4 < width.min() < 0.47 and width.max() > 0.97  # roots of the areas 0.2 and 1
    assert abs((width**2).mean() - 0.6) < 0.04 and seen[:, 0].min() >= 0


def test_jitter_leaves_a_fifth_and_grey_takes_the_colours_of_a_tenth() -> None:
    x = torch.rand(1, 3, 4, 4, generator=seeded(5)).expand(1000, -1, -1, -1)
    left = (jitter(x, seeded()) == x).flatten(1).all(1)
    assert 150 < left.sum() < 250
    result = grey(x, seeded())
    lost = (result == result[:, :1]).flatten(1).all(1)
    assert 70 < lost.sum() < 130 and torch.equal(result[~lost], x[~lost])
    luma = (x[0] * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0)
    torch.testing.assert_close(result[lost][0, 0], luma)


def test_colour_keeps_greys_grey_and_turns_hues() -> None:
    grey = torch.rand(32, 1, 4, 4, generator=seeded(3)).expand(-1, 3, -1, -1) * 0.5 + 0.2
    result = colour(grey, seeded())
    torch.testing.assert_close(result[:, 0], result[:, 1], atol=1e-5, rtol=0)
    torch.testing.assert_close(result[:, 0], result[:, 2], atol=1e-5, rtol=0)
    red = torch.tensor([0.6, 0.4, 0.4]).view(1, 3, 1, 1).expand(64, 3, 2, 2)
    turned = colour(red, seeded(), brightness=0, contrast=0, saturation=0, hue=0.5)[:, :, 0, 0]
    luma = turned @ torch.tensor([0.299, 0.587, 0.114])
    torch.testing.assert_close(luma, torch.full((64,), 0.4 + 0.2 * 0.299), atol=1e-4, rtol=0)
    assert set(turned.argmax(1).tolist()) == {0, 1, 2}
    dull = colour(red, seeded(), brightness=0, contrast=0, hue=0)[:, :, 0, 0]
    spread = (dull.amax(1) - dull.amin(1)) / 0.2
    assert 0.7 <= spread.min() < 0.8 and 1.2 < spread.max() <= 1.3001


def test_brightness_and_contrast_of_one_channel() -> None:
    x = 0.3 + 0.2 * torch.rand(64, 1, 6, 6, generator=seeded(4))
    bright = colour(x, seeded(), contrast=0) / x
    assert (bright.flatten(1).std(1) < 1e-5).all() and 0.8 <= bright.min() < 0.85 and 1.15 < bright.max() <= 1.2001
    flat = colour(x, seeded(), brightness=0)
    torch.testing.assert_close(flat.mean((1, 2, 3)), x.mean((1, 2, 3)))
    stretch = flat.flatten(1).std(1) / x.flatten(1).std(1)
    assert 0.8 <= stretch.min() < 0.85 and 1.15 < stretch.max() <= 1.2001


def test_blur_spreads_a_point_by_a_gaussian_and_keeps_its_mass() -> None:
    x = torch.zeros(64, 2, 33, 33)
    x[:, 0, 16, 16] = 1
    result = blur(x, seeded(), share=2 / 33)
    torch.testing.assert_close(result[:, 0].sum((1, 2)), torch.ones(64))
    assert result[:, 1].abs().max() == 0, "channels do not mix"
    width = (result[:, 0].sum(1) * (torch.arange(33) - 16) ** 2).sum(1).sqrt()
    assert width.min() < 0.5 and 1.7 < width.max() <= 2.0
    torch.testing.assert_close(result, result.transpose(2, 3))
    torch.testing.assert_close(blur(torch.full_like(x, 0.7), seeded()), torch.full_like(x, 0.7))


def test_noise_has_a_spread_of_its_own_for_each_sample() -> None:
    x = torch.full((64, 1, 32, 32), 0.5)
    spread = noise(x, seeded()).flatten(1).std(1)
    assert spread.min() < 0.02 and 0.08 < spread.max() < 0.105
    assert (noise(x, seeded()).flatten(1).mean(1) - 0.5).abs().max() < 0.015


def test_erase_replaces_one_rectangle_in_about_half() -> None:
    x = torch.full((400, 3, 32, 24), 2.0)  # outside the noise's range, so that what is left can be told
    gone = (erase(x, seeded()) != 2).all(1)
    assert torch.equal(gone, (erase(x, seeded()) != 2).any(1)), "all channels at once"
    hit = gone.flatten(1).any(1)
    assert 150 < hit.sum() < 250
    areas = gone[hit].float().mean((1, 2))
    assert 0.01 < areas.min() < 0.04 and 0.15 < areas.max() < 0.23
    rows, columns = gone[hit].any(2), gone[hit].any(1)
    assert torch.equal(gone[hit], rows[:, :, None] & columns[:, None, :]), "a product of spans"
    assert (rows.diff(dim=1).sum(1) <= 2).all() and (columns.diff(dim=1).sum(1) <= 2).all(), "spans without gaps"


def test_parsing(x: Tensor) -> None:
    augment = Augment.parse(" flip, crop,colour ")
    assert str(augment) == "flip,crop,colour" and Augment.parse(str(augment)) == augment
    generator = seeded()
    expected = colour(crop(flip(x, generator), generator), generator)
    assert torch.equal(augment(x, seeded()), expected)
    assert not Augment.parse("") and torch.equal(Augment.parse("")(x, seeded()), x)
    torch.manual_seed(4)
    first, second = augment(x), augment(x)
    torch.manual_seed(4)
    with torch.autocast("cpu", torch.bfloat16):
        again = augment(x)
    assert torch.equal(first, again) and not torch.equal(first, second), "without a generator: torch's own decides"
    with pytest.raises(OptionError, match="'color' is unknown; .*Did you mean 'colour'"):
        Augment.parse("flip,color")
