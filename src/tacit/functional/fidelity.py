"""How near images are to the true ones, as super-resolution and translation are judged."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from tacit.errors import DataError

__all__ = ["SSIM_WINDOW", "luma", "psnr", "ssim"]

SSIM_WINDOW = 11  # pixels, the least side of images that SSIM compares
SIGMA = 1.5  # of its Gaussian, in pixels
K1, K2 = 0.01, 0.03
WEIGHTS = (65.481, 128.553, 24.966)  # of red, green and blue, in levels of 255
BLACK = 16.0


def luma(x: Tensor) -> Tensor:
    """Returns the Y of ITU-R BT.601 at studio swing, as MATLAB's ``rgb2ycbcr``: from 16/255 (black) to 235/255.

    Arguments:
        x: Images in [0, 1], shape (N, C, H, W); of one channel it is taken for red, green and blue alike.

    Returns:
        Shape (N, 1, H, W).

    Example:
        >>> (255 * luma(torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(-1, 3, 1, 1))).flatten()
        tensor([ 16., 235.])
    """
    weights = torch.tensor(WEIGHTS, dtype=x.dtype, device=x.device).view(3, 1, 1)
    return ((weights * x).sum(1, keepdim=True) + BLACK) / 255


def psnr(a: Tensor, b: Tensor, border: int = 0) -> Tensor:
    """Returns the peak signal-to-noise ratio of images in [0, 1] in dB, float64, shape (N,); infinite where equal.

    Arguments:
        a: Images, shape (N, C, H, W); the error is averaged over channels and places.
        b: As many others.
        border: Pixels at each side that do not count.
    """
    error = cropped(a, border).double() - cropped(b, border).double()
    return -10 * error.square().mean((1, 2, 3)).log10()


def ssim(a: Tensor, b: Tensor, border: int = 0) -> Tensor:
    """Returns the structural similarity of images in [0, 1], float64, shape (N,), averaged over channels.

    Gaussian windows of 11 x 11 pixels that lie inside of the image altogether, with K = (0.01, 0.03).

    References:
        Wang et al. 2004, Image Quality Assessment: From Error Visibility to Structural Similarity, IEEE TIP 13(4).

    Arguments:
        a: Images, shape (N, C, H, W).
        b: As many others.
        border: Pixels at each side that do not count.

    Raises:
        DataError: If a side is shorter than the window.
    """
    a, b = cropped(a, border).double(), cropped(b, border).double()
    if min(a.shape[2:]) < SSIM_WINDOW:
        raise DataError(f"SSIM compares images of {SSIM_WINDOW} x {SSIM_WINDOW} and larger; found "
                        f"{a.shape[2]} x {a.shape[3]}{f' within a border of {border}' if border else ''}")
    mean_a, mean_b = windowed(a), windowed(b)
    var_a = windowed(a * a) - mean_a.square()
    var_b = windowed(b * b) - mean_b.square()
    covariance = windowed(a * b) - mean_a * mean_b
    light = (2 * mean_a * mean_b + K1**2) / (mean_a.square() + mean_b.square() + K1**2)
    structure = (2 * covariance + K2**2) / (var_a + var_b + K2**2)
    return (light * structure).mean((1, 2, 3))


def windowed(x: Tensor) -> Tensor:
    """Returns means under the Gaussian window, shape (N, C, H - 10, W - 10), of maps, shape (N, C, H, W)."""
    place = torch.arange(SSIM_WINDOW, dtype=x.dtype, device=x.device) - SSIM_WINDOW // 2
    weights = (-place.square() / (2 * SIGMA**2)).exp()
    weights = (weights / weights.sum()).expand(x.shape[1], 1, 1, -1)  # (C, 1, 1, 11)
    across = conv2d(x, weights, groups=x.shape[1])
    return conv2d(across, weights.transpose(2, 3), groups=x.shape[1])


def cropped(x: Tensor, border: int) -> Tensor:
    """Returns images without so many pixels at each side."""
    return x[:, :, border : x.shape[2] - border, border : x.shape[3] - border]
