"""What is derived of images, and that such data are opened again as they were."""

import numpy as np
import pytest
import torch
from PIL import Image

from tacit.data.dataset import Data
from tacit.data.derive import Derivation
from tacit.data.open import open_source
from tacit.data.options import ReadOptions
from tacit.errors import DataError, OptionError
from tacit.protocol import Spec


def smooth(n=4, height=16, width=24, channels=3):
    coarse = np.random.default_rng(0).integers(0, 256, (n, 6, 6, channels), dtype=np.uint8)
    pictures = [Image.fromarray(c.squeeze()).resize((width, height), Image.Resampling.BICUBIC) for c in coarse]
    return torch.from_numpy(np.stack([np.asarray(p).reshape(height, width, channels) for p in pictures])).movedim(3, 1)


def by_pillow(x, change):
    """Each image (C, H, W) through a change of Pillow's."""
    found = [np.asarray(change(Image.fromarray(i.movedim(0, 2).numpy()))) for i in x]
    return torch.from_numpy(np.stack([f if f.ndim == 3 else f[:, :, None] for f in found])).movedim(3, 1)


def opened(source, like=None, **options) -> Data:
    return open_source(source, ReadOptions(**options), like=like)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for kind in ("cat", "dog"):
        (folder / kind).mkdir(parents=True)
    for i, picture in enumerate(smooth(30, 40, 40)):
        Image.fromarray(picture.movedim(0, 2).numpy()).save(folder / ("cat", "dog")[i % 2] / f"{i:02}.png")
    return folder


def test_grey_is_pillows_luma():
    x = smooth()
    found = Derivation.parse("grey")(x)
    assert found.shape == (4, 1, 16, 24) and found.dtype == torch.uint8
    assert (found.int() - by_pillow(x, lambda i: i.convert("L")).int()).abs().max() <= 1


@pytest.mark.parametrize("factor", [2, 4])
def test_low_resolution_is_bicubic_and_does_not_alias(factor):
    x = torch.randint(70, 186, (300, 3, 16, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = Derivation.parse(f"low-resolution:{factor}")(x)
    # of this contrast nothing overshoots, which Pillow would cut to 0 to 255 between its two passes
    expected = by_pillow(x, lambda i: i.resize((24 // factor, 16 // factor), Image.Resampling.BICUBIC))
    assert found.shape == expected.shape and (found.int() - expected.int()).abs().max() <= 1


def test_a_blurred_point_is_a_gaussian_and_what_is_flat_stays():
    x = torch.zeros(2, 1, 41, 41)
    x[0, 0, 20, 20] = 1
    x[1] = 0.5
    found = Derivation.parse("blur:3")(x)
    place = torch.arange(41.0)
    weight = torch.exp(-((place - 20) ** 2) / 18)
    expected = torch.outer(weight, weight) / (2 * torch.pi * 9)
    torch.testing.assert_close(found[0, 0], expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(found[1], x[1])


def test_edges_are_thin_dark_lines_where_a_shape_ends():
    x = torch.full((2, 3, 32, 32), 200, dtype=torch.uint8)
    x[0, 2, 8:24, 8:24] = 60  # a square that differs in one colour only
    found = Derivation.parse("edges")(x)
    assert found.shape == (2, 1, 32, 32) and (found[1] == 255).all(), "nothing to draw"
    drawn = found[0, 0] < 128
    assert drawn[15, :].nonzero().flatten().tolist() in ([7, 23], [7, 24], [8, 23], [8, 24])
    assert drawn[:, 15].sum() == 2 and 48 <= drawn.sum() <= 68
    mirrored = Derivation.parse("edges")(x.flip(2, 3))
    assert (mirrored[0, 0] < 128).sum() == drawn.sum()


def test_what_is_derived_is_the_sample_and_the_image_its_partner(photos):
    plain, data = opened(photos), opened(photos, derive="grey")
    assert str(data.spec) == "image 1 x 40 x 40" and data.spec.pair == (3, 40, 40) and plain.spec.pair == ()
    assert torch.equal(data.pair, plain.x) and torch.equal(data.x, Derivation("grey")(plain.x))
    assert torch.equal(data.label, plain.label) and torch.equal(data.held_out, plain.held_out)
    assert data.ids == plain.ids and torch.equal(data.twins, plain.twins)
    marks = {opened(photos, derive=kind).fingerprint for kind in ("blur:1", "blur:2", "grey", "edges")}
    assert len(marks | {plain.fingerprint}) == 5 and opened(photos, derive="blur").fingerprint in marks
    assert any("an image (blur:2), which is its partner" in note for note in opened(photos, derive="blur").notes)


@pytest.mark.parametrize("kind", ["digits", "shapes", "array"])
def test_every_source_of_images_can_be_derived_of(kind):
    source = np.random.default_rng(0).integers(0, 256, (30, 16, 16, 3), dtype=np.uint8) if kind == "array" else kind
    data = opened(source, derive="low-resolution:2")
    side = data.spec.pair[1]
    assert data.spec.shape[1:] == (side // 2, side // 2) and data.batch(torch.arange(3), {"pair"}).pair.max() <= 1


@pytest.mark.parametrize("options", [
    {"derive": "grey"}, {"derive": "grey", "colour": "rgb", "size": 16}, {"derive": "low-resolution:4", "size": 24},
    {"derive": "low-resolution:2"}, {"derive": "edges", "split": "0.3"},
])
@pytest.mark.parametrize("kind", ["files", "array", "shapes"])
def test_a_run_opens_its_own_source_again_and_other_images_as_its_input(photos, kind, options):
    source = {"files": photos, "array": smooth(20, 36, 48).movedim(1, 3).numpy(), "shapes": "shapes"}[kind]
    data = opened(source, **options)
    again = opened(source, like=data.spec, **options)
    assert again.spec == data.spec and again.fingerprint == data.fingerprint
    assert torch.equal(again.x, data.x) and torch.equal(again.pair, data.pair)
    if kind == "array":
        return  # images in memory are brought to squares only
    looks = {k: v for k, v in options.items() if k != "derive"}
    other = opened(photos, like=data.spec, **{**looks, "split": "0"})
    assert other.spec.shape == data.spec.shape and other.pair is None and other.spec.pair == ()


@pytest.mark.parametrize(("derive", "part"), [
    ("gray", "Did you mean 'grey'"), ("grey:2", "grey takes none"), ("blur:0", "above 0, as blur:2"),
    ("blur:x", "above 0"), ("blur:nan", "above 0"), ("blur:400", "wider than images of 40 x 40"),
    ("low-resolution:1", "a whole number from 2 on, as low-resolution:4"), ("low-resolution:2.5", "a whole number"),
    ("low-resolution:", "a whole number"), ("low-resolution:3", "40 x 40 do not divide by 3; --size 39 does"),
])
def test_what_cannot_be_derived_is_said(photos, derive, part):
    with pytest.raises(OptionError) as caught:
        opened(photos, derive=derive)
    assert part in str(caught.value) and "\n" not in str(caught.value)


def test_there_must_be_something_to_learn(photos):
    with pytest.raises(DataError, match="grey already"):
        opened("digits", derive="grey")
    with pytest.raises(DataError, match="grey already"):
        opened(photos, derive="grey", colour="grey")
    with pytest.raises(OptionError, match="--derive makes no difference to built-in sources, as moons"):
        opened("moons", derive="blur")
    for more in ({"pair": "left"}, {"target": "digits"}, {"binarise": True}):
        with pytest.raises(OptionError, match="leave"):
            opened("digits", derive="blur", **more)
    with pytest.raises(DataError, match="partners in .* 3 x 40 x 40"):
        opened(photos, like=Spec("image", (3, 40, 40), (0.0, 1.0), pair=(1, 40, 40)), pair=str(photos))
