"""Ways in which samples are spoilt, of one signature: what became of them, and which values were struck."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Generator, Tensor
from torch.nn.functional import conv2d

from tacit.errors import OptionError
from tacit.functional.noise import normal, uniform

__all__ = ["CORRUPTIONS", "block", "blur", "gaussian", "masking", "salt_and_pepper"]

Limits = tuple[float, float] | None

REACH = 4  # standard deviations after which a blur's kernel ends


def gaussian(
    x: Tensor, amount: float, generator: Generator | None = None, limits: Limits = None
) -> tuple[Tensor, Tensor]:
    """Adds independent Gaussian noise to every value, and clips to the range.

    Arguments:
        x: Samples, shape (N, ...).
        amount: Standard deviation of the noise, from 0 on: in widths of the range, or of 1 where there is none.
        generator: The source of randomness; by default that of the device.
        limits: Least and greatest value, or None.

    Returns:
        The samples with noise, and whether each value was struck, bool: all of them; both of x's shape.
    """
    check(amount)
    noisy = x + amount * width(limits) * normal(*x.shape, device=x.device, generator=generator).to(x.dtype)
    return clipped(noisy, limits), torch.ones_like(x, dtype=torch.bool)


def masking(
    x: Tensor, amount: float, generator: Generator | None = None, limits: Limits = None
) -> tuple[Tensor, Tensor]:
    """Sets values to 0, each alone.

    Arguments:
        x: Samples, shape (N, ...).
        amount: Share of the values, in [0, 1].
        generator: The source of randomness; by default that of the device.
        limits: Least and greatest value, or None; the nearest to 0 takes its place where 0 is not between them.

    Returns:
        The samples with zeros, and whether each value was struck, bool; both of x's shape.
    """
    struck = uniform(*x.shape, device=x.device, generator=generator) < check(amount, 1.0)
    return torch.where(struck, clipped(torch.zeros_like(x), limits), x), struck


def salt_and_pepper(
    x: Tensor, amount: float, generator: Generator | None = None, limits: Limits = None
) -> tuple[Tensor, Tensor]:
    """Sets values to the least or the greatest, with equal probability, each alone.

    Arguments:
        x: Samples, shape (N, ...).
        amount: Share of the values, in [0, 1].
        generator: The source of randomness; by default that of the device.
        limits: Least and greatest value.

    Returns:
        The samples with extremes, and whether each value was struck, bool; both of x's shape.

    Raises:
        OptionError: If there are no limits.
    """
    if limits is None:
        raise OptionError("salt-and-pepper sets values to the least or the greatest, and these data have no range; "
                          "take masking or gaussian")
    u, low, high = uniform(*x.shape, device=x.device, generator=generator), *limits
    struck = u < check(amount, 1.0)
    return torch.where(struck, torch.where(u < amount / 2, low, high).to(x.dtype), x), struck


def blur(
    x: Tensor, amount: float, generator: Generator | None = None, limits: Limits = None
) -> tuple[Tensor, Tensor]:
    """Blurs images by a Gaussian that is cut off after four standard deviations, their borders mirrored.

    Arguments:
        x: Images or maps, shape (N, C, H, W).
        amount: Standard deviation of the Gaussian, in pixels, from 0 on.
        generator: Not asked: there is no chance in it.
        limits: Not looked at: a mean stays between the values.

    Returns:
        The blurred images, and whether each value was struck, bool: all of them; both of x's shape.

    Raises:
        OptionError: If the samples are no images or maps.
    """
    grid(x, "blur")
    if check(amount) > 0:
        for dim in (2, 3):
            x = smoothed(x.transpose(2, dim), amount).transpose(2, dim)
    return x, torch.ones_like(x, dtype=torch.bool)


def block(
    x: Tensor, amount: float, generator: Generator | None = None, limits: Limits = None
) -> tuple[Tensor, Tensor]:
    """Sets a square to 0, somewhere in each image.

    Arguments:
        x: Images or maps, shape (N, C, H, W).
        amount: Side of the square in pixels, rounded, from 0 on; no longer than the shorter side of the image.
        generator: The source of randomness; by default that of the device.
        limits: Least and greatest value, or None; the nearest to 0 takes its place where 0 is not between them.

    Returns:
        The images with a hole, and whether each value was struck, bool; both of x's shape.

    Raises:
        OptionError: If the samples are no images or maps, or the square does not fit.
    """
    side, inside = round(check(amount)), grid(x, "block")
    if side > min(inside):
        raise OptionError(f"a block of {side} pixels does not fit into {inside[0]} x {inside[1]}; name a shorter side")
    u = uniform(len(x), 2, device=x.device, generator=generator)
    rows, columns = (
        (torch.arange(length, device=x.device) - (u[:, i, None] * (length - side + 1)).floor())  # (N, length)
        for i, length in enumerate(inside)
    )
    hole = ((rows >= 0) & (rows < side))[:, :, None] & ((columns >= 0) & (columns < side))[:, None]  # (N, H, W)
    struck = hole[:, None].expand_as(x)
    return torch.where(struck, clipped(torch.zeros_like(x), limits), x), struck


CORRUPTIONS: Mapping[str, Callable[[Tensor, float, Generator | None, Limits], tuple[Tensor, Tensor]]] = {
    "gaussian": gaussian,
    "masking": masking,
    "salt-and-pepper": salt_and_pepper,
    "blur": blur,
    "block": block,
}
"""Every corruption, by the name that a person gives it."""


def smoothed(x: Tensor, sigma: float) -> Tensor:
    """Returns maps (N, C, H, W), smoothed down their columns."""
    reach = math.ceil(REACH * sigma)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=x.device) / sigma).square())
    kernel = (kernel / kernel.sum()).to(x.dtype).view(1, 1, -1, 1)
    index = torch.arange(-reach, x.shape[2] + reach, device=x.device) % (2 * x.shape[2])  # mirrored as often as needed
    mirrored = x[:, :, torch.minimum(index, 2 * x.shape[2] - 1 - index)]  # (N, C, reach + H + reach, W)
    result: Tensor = conv2d(mirrored.flatten(0, 1)[:, None], kernel)[:, 0].unflatten(0, x.shape[:2])
    return result


def check(amount: float, most: float = math.inf) -> float:
    """Returns the amount of a corruption, if it is one.

    Raises:
        OptionError: If it is below 0, or above the most.
    """
    if not 0 <= amount <= most or amount == math.inf:
        raise OptionError(f"the amount of the corruption is {amount:g}; it is "
                          f"{'a share in [0, 1]' if most == 1 else 'a number from 0 on'}")
    return amount


def grid(x: Tensor, name: str) -> tuple[int, int]:
    """Returns height and width of images.

    Raises:
        OptionError: If they are none.
    """
    if x.dim() != 4:
        raise OptionError(f"{name} takes images and maps; one sample has the shape "
                          f"{' x '.join(map(str, x.shape[1:]))}; take gaussian or masking")
    return x.shape[2], x.shape[3]


def width(limits: Limits) -> float:
    """Returns the width of a range; 1 where there is none."""
    return 1.0 if limits is None else limits[1] - limits[0]


def clipped(x: Tensor, limits: Limits) -> Tensor:
    """Returns values brought to their range, if there is one."""
    return x if limits is None else x.clamp(*limits)
