import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from tacit.data.duplicates import equal_rows, join, near_images


def scenes(count, side=40, seed=0):
    """Different smooth colourful pictures, (N, 3, side, side) uint8."""
    coarse = torch.rand(count, 3, 7, 7, generator=torch.Generator().manual_seed(seed))
    fine = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic", align_corners=False)
    return (fine.clamp(0, 1) * 255).to(torch.uint8)


def saved_again(image, quality):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(io.BytesIO(file.getvalue()))


def cropped(image, left, top, right, bottom):
    box = (left, top, image.width - right, image.height - bottom)
    return image.crop(box).resize(image.size, Image.Resampling.BICUBIC)


CHANGES = {
    "copied": lambda image: image,
    "saved again": lambda image: saved_again(image, 60),
    "brightened": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "flattened": lambda image: ImageEnhance.Contrast(image).enhance(0.8),
    "resized": lambda image: image.resize((28, 28), Image.Resampling.LANCZOS).resize(image.size),
    "cropped by 1": lambda image: cropped(image, 1, 1, 1, 1),
    "cropped by 2": lambda image: cropped(image, 2, 0, 0, 2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_near_duplicate_is_found_and_nothing_else(change):
    x = scenes(60)
    changed = [CHANGES[change](Image.fromarray(image.permute(1, 2, 0).numpy())) for image in x[:10]]
    y = torch.from_numpy(np.stack([np.asarray(c) for c in changed])).permute(0, 3, 1, 2)
    assert near_images(torch.cat([x, y])).tolist() == [*range(60), *range(10)]


def test_floats_and_grey_images_are_compared_as_bytes_are():
    x = scenes(40)
    y = torch.cat([x, (x[:5].float() * 0.9).to(torch.uint8)])
    assert near_images(y.float() / 255).tolist() == near_images(y).tolist() == [*range(40), *range(5)]
    grey = y.float().mean(1, keepdim=True).to(torch.uint8)
    assert near_images(grey).tolist() == [*range(40), *range(5)]


def test_another_colour_is_no_duplicate():
    x = scenes(40)
    assert near_images(torch.cat([x, x[:5].flip(1)])).tolist() == list(range(45))


def test_what_is_merely_alike_does_not_chain():
    """Many pictures of one thing, each a little different from the next: a blob at random places and sizes."""
    place = torch.rand(400, 3, generator=torch.Generator().manual_seed(1))
    y, x = torch.meshgrid(torch.linspace(0, 1, 32), torch.linspace(0, 1, 32), indexing="ij")
    u, v, r = (place[:, i, None, None] for i in range(3))
    blobs = torch.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * (0.1 + 0.1 * r) ** 2))[:, None]
    same = near_images((blobs * 255).to(torch.uint8))
    assert np.bincount(same).max() <= 40


def test_flat_images_are_duplicates_only_where_they_are_equal():
    x = scenes(30)
    flat = torch.randint(100, 103, (10, 3, 40, 40), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    same = near_images(torch.cat([x, flat, flat[:2]]))
    assert same.tolist() == [*range(40), 30, 31]


def test_the_cells_of_a_large_source_lose_nothing_that_matters():
    x = scenes(2600, side=16)
    y = (x[:200].float() * 0.8 + 20).to(torch.uint8)
    same = near_images(torch.cat([x, y]))
    assert (same[2600:] == np.arange(200)).mean() > 0.97
    assert (same[:2600] == np.arange(2600)).mean() > 0.99


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_or_small_images_are_compared_exactly(count):
    x = torch.cat([scenes(count, side=8), scenes(1, side=8)])
    assert near_images(x).tolist() == [*range(count), 0]


def test_equal_rows_and_joined_pairs():
    assert equal_rows(torch.tensor([[0.0, float("nan")], [1, 2], [0, float("nan")]])).tolist() == [0, 1, 0]
    joined = join(np.arange(6), np.array([[4, 5], [2, 4], [0, 1]]))
    assert joined.tolist() == [0, 0, 2, 3, 2, 2]
    assert join(np.array([0, 0, 2]), np.zeros((0, 2), int)).tolist() == [0, 0, 2]
