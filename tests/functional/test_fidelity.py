"""PSNR, SSIM and luma: scikit-image on the same protocol, closed forms, and a slow loop."""

import math

import pytest
import torch

from tacit.errors import DataError
from tacit.functional.fidelity import luma, psnr, ssim


@pytest.fixture
def images():
    torch.manual_seed(0)
    x = torch.rand(3, 3, 23, 31, dtype=torch.float64)
    return x, (x + 0.1 * torch.randn_like(x)).clamp(0, 1)


@pytest.mark.parametrize("border", [0, 4])
def test_as_scikit_image_on_the_same_protocol(images, border):
    metrics = pytest.importorskip("skimage.metrics")
    a, b = images
    inside = (slice(border, 23 - border), slice(border, 31 - border))
    for ours, one, other in zip(psnr(a, b, border), a, b, strict=True):
        one, other = (x.permute(1, 2, 0)[inside].numpy() for x in (one, other))
        expected = metrics.peak_signal_noise_ratio(one, other, data_range=1.0)
        assert float(ours) == pytest.approx(expected, abs=1e-6)
    for ours, one, other in zip(ssim(a, b, border), a, b, strict=True):
        one, other = (x.permute(1, 2, 0)[inside].numpy() for x in (one, other))
        expected = metrics.structural_similarity(
            one, other, data_range=1.0, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert float(ours) == pytest.approx(expected, abs=1e-6)


def test_luma_as_scikit_image(images):
    color = pytest.importorskip("skimage.color")
    x, _ = images
    expected = torch.from_numpy(color.rgb2ycbcr(x.permute(0, 2, 3, 1).numpy())[..., 0])
    torch.testing.assert_close(255 * luma(x)[:, 0], expected, atol=1e-6, rtol=0)


def test_luma_of_grey_is_that_of_equal_channels():
    x = torch.rand(2, 1, 4, 4)
    torch.testing.assert_close(luma(x), luma(x.expand(-1, 3, -1, -1)))


def test_psnr_in_closed_form():
    x = torch.rand(4, 3, 9, 9, dtype=torch.float64)
    torch.testing.assert_close(psnr(x, x + 0.1), torch.full((4,), 20.0, dtype=torch.float64))
    edged = x.clone()
    edged[:, :, 0] += 1
    assert psnr(x, edged).max() < 20 and psnr(x, edged, 1).isinf().all()


def test_ssim_of_one_window_by_hand():
    a, b = torch.rand(2, 1, 1, 11, 11, dtype=torch.float64)
    weight = torch.tensor([[math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / 4.5) for j in range(11)] for i in range(11)],
                          dtype=torch.float64)
    weight /= weight.sum()
    ma, mb = (weight * a).sum(), (weight * b).sum()
    va, vb = (weight * (a - ma) ** 2).sum(), (weight * (b - mb) ** 2).sum()
    cov = (weight * (a - ma) * (b - mb)).sum()
    expected = (2 * ma * mb + 1e-4) * (2 * cov + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))
    torch.testing.assert_close(ssim(a, b)[0], expected)
    assert ssim(a, a)[0] == pytest.approx(1)


def test_images_without_room_for_a_window_are_refused():
    x = torch.rand(1, 3, 16, 16)
    with pytest.raises(DataError, match="11 x 11 and larger; found 10 x 10 within a border of 3"):
        ssim(x, x, 3)
