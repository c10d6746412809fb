"""Black and white drawn of grey."""

import pytest
import torch

import tacit
from tacit.data.binary import binarised
from tacit.data.feed import Feed
from tacit.errors import DataError, OptionError


def test_white_is_as_frequent_as_the_grey_says():
    grey = torch.tensor([0, 51, 128, 255], dtype=torch.uint8).repeat(20_000, 1)
    found = binarised(grey, torch.Generator().manual_seed(0))
    assert set(found.unique().tolist()) == {0, 255}
    share = (found == 255).double().mean(0)
    torch.testing.assert_close(share, grey[0].double() / 255, atol=0.01, rtol=0)
    assert share[0] == 0 and share[3] == 1


def test_training_samples_are_drawn_anew_and_held_out_ones_once():
    data = tacit.open_data("digits", binarise=True)
    assert set(data.everything().unique().tolist()) == {0.0, 1.0}
    again = tacit.open_data("digits", binarise=True)
    assert torch.equal(data.x, again.x) and data.fingerprint == again.fingerprint
    assert data.fingerprint != tacit.open_data("digits").fingerprint
    feed = Feed(data, batch=len(data.training), seed=0)
    first, second = feed.positions(0).argsort(), feed.positions(1).argsort()
    one, two = feed.round(0).x[first], feed.round(1).x[second]
    assert set(one.unique().tolist()) == {0.0, 1.0} and not torch.equal(one, two)
    assert torch.equal(feed.round(0).x[first], one), "a round is a function of its number alone"
    held = torch.cat([b.x for b in feed.held_out(50)])
    assert torch.equal(held, data.batch(data.testing).x)


def test_parts_keep_their_draw():
    data = tacit.open_data("digits", binarise=True)
    part = data.take(torch.tensor([3, 1]))
    assert torch.equal(part.everything(), data.everything()[[3, 1]])
    assert torch.equal(part.grey, data.grey[[3, 1]])


def test_a_run_opens_other_images_as_it_saw_its_own(tmp_path):
    run = tacit.fit("pca", "digits", latent=2, binarise=True, out=tmp_path / "run")
    assert set(run.open(tacit.open_data("digits").everything().mul(255).byte()).x.unique().tolist()) == {0, 255}
    drawn = tacit.open_data("digits", binarise=True).everything()
    assert torch.equal(run.open(drawn).everything(), drawn), "what is black and white stays as it is"
    assert torch.equal(tacit.load(run.path).data().x, tacit.open_data("digits", binarise=True).x)


def test_errors():
    with pytest.raises(OptionError, match="binarise"):
        tacit.open_data("moons", binarise=True)
    with pytest.raises(DataError, match="8-bit images"):
        tacit.open_data(torch.rand(20, 1, 8, 8), binarise=True)
