"""Images that are tensors already: brought to the size and the channels that were asked for."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from tacit.data.options import ReadOptions
from tacit.errors import DataError

__all__ = ["brought", "recoloured", "resized"]

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's "L"
LARGEST = 64  # height and width that are kept where no size is asked for
CHUNK = 1024


def brought(x: Tensor, options: ReadOptions) -> tuple[Tensor, list[str]]:
    """Returns images of the size and colour that the options ask for, and notes on what that changed.

    Arguments:
        x: Images, uint8 or float in [0, 1], shape (N, C, H, W).
        options: Its `size`, `fit` and `colour` count.
    """
    was, notes = tuple(x.shape[1:]), []
    if options.colour != "auto":
        x = recoloured(x, options.colour)
    size = options.size or (LARGEST if max(x.shape[2:]) > LARGEST else None)
    if size and x.shape[2:] != (size, size):
        x = resized(x, size, options.fit)
    if tuple(x.shape[1:]) != was:
        notes.append(f"images of {_said(was)} are brought to {_said(tuple(x.shape[1:]))} ({options.fit})")
    return x, notes


def _said(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def resized(x: Tensor, size: int, fit: Literal["crop", "pad", "stretch"] = "crop") -> Tensor:
    """Returns square images, filtered so that nothing aliases.

    Arguments:
        x: Images, uint8 or float, shape (N, C, H, W).
        size: Height and width of the result.
        fit: The longer side is cut off at both ends, the shorter is padded with 0, or both are stretched.
    """
    height, width = x.shape[2:]
    if fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        x = x[:, :, top : top + side, left : left + side]
        height = width = side
    scale = size / max(height, width)
    to = (size, size) if fit != "pad" else (max(1, round(height * scale)), max(1, round(width * scale)))
    small = torch.cat([_filtered(part, to) for part in x.split(CHUNK)])
    down, right = size - small.shape[2], size - small.shape[3]
    return F.pad(small, (right // 2, right - right // 2, down // 2, down - down // 2))


def _filtered(x: Tensor, to: tuple[int, int]) -> Tensor:
    small = F.interpolate(x, size=to, mode="bilinear", antialias=True, align_corners=False)
    return small.contiguous()


def recoloured(x: Tensor, colour: Literal["rgb", "grey"]) -> Tensor:
    """Returns images of three channels or of one; of four, the last is how much of white they cover.

    Arguments:
        x: Images, uint8 or float in [0, 1], shape (N, 1, 3 or 4, H, W).
        colour: Which.

    Raises:
        DataError: If the images have other channels.
    """
    if x.shape[1] not in (1, 3, 4):
        raise DataError(f"images of {x.shape[1]} channels cannot be read as {colour}; keep three, x[:, :3]")
    if x.shape[1] == 4:
        x = torch.cat([_over_white(part) for part in x.split(CHUNK)])
    if x.shape[1] == (3 if colour == "rgb" else 1):
        return x
    if colour == "rgb":
        return x.repeat(1, 3, 1, 1)
    return torch.cat([_grey(part) for part in x.split(CHUNK)])


def _over_white(x: Tensor) -> Tensor:
    colour, alpha = x[:, :3].float(), x[:, 3:].float()
    white = 255 if x.dtype == torch.uint8 else 1
    mixed = torch.lerp(torch.full_like(colour, white), colour, alpha / white)
    return mixed.round_().to(x.dtype) if x.dtype == torch.uint8 else mixed


def _grey(x: Tensor) -> Tensor:
    luma = torch.einsum("nchw,c->nhw", x.float(), torch.tensor(LUMA))[:, None]  # (N, 1, H, W)
    return luma.round_().to(x.dtype) if x.dtype == torch.uint8 else luma.clamp_(0, 1)
