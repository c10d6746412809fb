"""Measures of translations: what perfect, plain and wrong translators must get, with partners and without."""

import dataclasses
from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import interpolate

from tacit.data.dataset import Data
from tacit.errors import DataError, RunError
from tacit.evaluation import translation
from tacit.evaluation.case import Case
from tacit.evaluation.spaces import random_network
from tacit.functional.fidelity import luma, psnr, ssim
from tacit.nets.superres import enlarged
from tacit.protocol import Spec

N = 40


def data_of(x, **more):
    spec = Spec("image", tuple(x.shape[1:]), (0, 1), pair=tuple(more["pair"].shape[1:]) if "pair" in more else ())
    n = len(x)
    return Data("made", "made", "f", spec, x, [str(i) for i in range(n)], torch.zeros(n, dtype=torch.bool), **more)


def asked(data, translate):
    """The answers of a translator on the second half of data, by name and `of`."""
    half = torch.arange(len(data)).view(2, -1) if data.domain is None else torch.arange(len(data)).view(-1, 2).T
    run = SimpleNamespace(spec=data.spec, name="r", device="cpu", chain=SimpleNamespace(translate=translate))
    train, test = data.take(half[0]), data.take(half[1])
    case = Case(run, train, test, ("the training samples", "the held-out samples"), random_network(data.spec))
    return {(m.name, m.of): m for m in translation.ask(case)}


def smooth(n, channels, side):
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(n, channels, side // 4, side // 4, generator=generator)
    x = interpolate(coarse, (side, side), mode="bilinear")
    return x.add(0.1 * torch.rand(x.shape, generator=generator)).clamp(0, 1).mul(255).round().to(torch.uint8)


@pytest.fixture(scope="module")
def larger():
    """Images of 20 x 20 as the partners of their averages over 2 x 2."""
    pair = smooth(2 * N, 3, 20)
    return data_of(interpolate(pair.float(), scale_factor=0.5, mode="area").round().to(torch.uint8), pair=pair)


@pytest.fixture(scope="module")
def coloured():
    """Colour images as the partners of their grey."""
    pair = smooth(2 * N, 3, 16)
    return data_of(pair.float().mean(1, keepdim=True).round().to(torch.uint8), pair=pair)


def test_of_larger_partners_y_without_the_border_is_compared(larger):
    found = asked(larger, lambda x, to: interpolate(x, scale_factor=2.0))
    x, true = larger.x[N:].float() / 255, larger.pair[N:].float() / 255
    for of, made in (("", interpolate(x, scale_factor=2.0)), ("bicubic", enlarged(x, 20, 20).clamp(0, 1))):
        for name, call in (("PSNR on Y", psnr), ("SSIM on Y", ssim)):
            m = found[name, of]
            assert m.value == pytest.approx(float(call(luma(made), luma(true), 2).mean()), abs=1e-4)
            assert m.low < m.value < m.high and "without 2 pixels at each border" in m.protocol
    assert ("PSNR", "") not in found and found["PSNR on Y", ""].unit == "dB"
    less = found["PSNR on Y", "less bicubic"]
    assert less.value == pytest.approx(found["PSNR on Y", ""].value - found["PSNR on Y", "bicubic"].value)
    apart = found["PSNR on Y", ""].high - found["PSNR on Y", ""].low
    assert less.high - less.low < apart  # image by image, most of what images differ by falls out
    assert found["Frechet distance", ""].space.endswith("on image 3 x 20 x 20")


def test_a_perfect_translator(coloured):
    true = coloured.pair[N:].float() / 255
    found = asked(coloured, lambda x, to: true + 0.3 / 255)  # what 8 bits do not see
    for suffix in ("", " on Y"):
        assert found[f"PSNR{suffix}", ""].value == 100 and found[f"SSIM{suffix}", ""].value == pytest.approx(1)
        assert 10 < found[f"PSNR{suffix}", "copy"].value < 40
    assert "without" not in found["PSNR on Y", ""].protocol
    assert found["Frechet distance", ""].value == pytest.approx(found["Frechet distance", "held-out data"].value)
    assert found["Frechet distance", "copy"].low > found["Frechet distance", ""].high


def test_the_plain_copy_of_any_shape():
    grey, colour = torch.rand(3, 1, 8, 8), torch.rand(3, 3, 8, 8)
    made, of, _ = translation.plain_copy(grey, (3, 8, 8))
    assert of == "copy" and torch.equal(made, grey.expand(-1, 3, -1, -1))
    made, _, _ = translation.plain_copy(colour, (1, 8, 8))
    torch.testing.assert_close(made, colour.mean(1, keepdim=True))
    made, of, _ = translation.plain_copy(colour, (3, 16, 24))
    assert of == "bicubic" and made.shape == (3, 3, 16, 24) and made.min() >= 0 and made.max() <= 1


def test_images_too_small_for_a_window_have_no_ssim(larger):
    small = data_of(larger.x[:, :, :4, :4].contiguous(), pair=larger.pair[:, :, :8, :8].contiguous())
    names = {name for name, _ in asked(small, lambda x, to: interpolate(x, scale_factor=2.0))}
    assert names == {"PSNR on Y", "Frechet distance"}


@pytest.fixture(scope="module")
def inverted():
    """Dark images and their like in bright, of which none is another's negative."""
    x = smooth(4 * N, 1, 8) // 3
    domain = torch.arange(2).repeat_interleave(2 * N)
    x[domain == 1] = 255 - x[domain == 1]
    return data_of(x, domain=domain)


def test_two_domains_and_the_perfect_translator(inverted):
    asked_for = []
    found = asked(inverted, lambda x, to: (asked_for.append(to), 1 - x)[1])
    assert asked_for == ["target", "source", "source", "target"]
    for domain in ("source", "target"):
        assert found["cycle error", domain].value < 1e-6 and found["cycle PSNR", domain].value == 100
    assert found["called target", ""].value == 1 and found["called target", "untranslated"].value == 0
    assert found["called target", "held-out data"].value == 1
    assert "right about 100.0 % of held-out samples" in found["called target", ""].protocol
    away = found["Frechet distance", "untranslated"].low
    assert max(found["Frechet distance", of].high for of in ("", "held-out data")) < away


def test_two_domains_and_translators_that_fail(inverted):
    idle = asked(inverted, lambda x, to: x)
    assert idle["called target", ""].value == 0 and idle["cycle error", "source"].value < 1e-6
    assert idle["Frechet distance", ""].value == pytest.approx(idle["Frechet distance", "untranslated"].value, rel=1e-4)
    forgetful = asked(inverted, lambda x, to: torch.full_like(x, 0.8 if to == "target" else 0.2))
    assert forgetful["called target", ""].value == 1
    x = inverted.x[inverted.domain == 0][1::2].float() / 255
    assert forgetful["cycle error", "source"].value == pytest.approx(float((x - 0.2).abs().mean()), abs=1e-3)


def test_what_cannot_be_measured(coloured, inverted):
    with pytest.raises(DataError, match="neither partners nor a second domain"):
        asked(dataclasses.replace(coloured, pair=None), lambda x, to: x)
    with pytest.raises(DataError, match="judged by 20 of each"):
        asked(inverted.take(torch.cat([torch.arange(2 * N), torch.tensor([2 * N, 2 * N + 1])])), lambda x, to: x)
    with pytest.raises(DataError, match="needs 20 of each"):
        asked(coloured.take(torch.arange(10)), lambda x, to: x.expand(-1, 3, -1, -1))
    with pytest.raises(RunError, match="40 of 40 translations of r hold values that are not finite"):
        asked(coloured, lambda x, to: x.expand(-1, 3, -1, -1) / 0)
