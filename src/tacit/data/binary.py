"""Black and white made of grey: each value is drawn, its grey the probability of white."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from tacit.errors import DataError
from tacit.functional.noise import uniform

__all__ = ["binarised", "check_grey"]

CHUNK = 1_024


def check_grey(x: Tensor | None, kind: str, source: str) -> Tensor:
    """Returns samples, uint8 (N, C, H, W), if grey values can be drawn from.

    Raises:
        DataError: If they are not 8-bit images.
    """
    if x is None or kind != "image" or x.dtype != torch.uint8:
        found = f"{kind}s" if x is None else f"{kind}s of {str(x.dtype).removeprefix('torch.')}"
        raise DataError(f"--binarise draws black and white of the grey of 8-bit images; {source} holds {found}")
    return x


def binarised(grey: Tensor, generator: Generator) -> Tensor:
    """Returns a draw of each value: 255 with probability grey / 255, else 0.

    Arguments:
        grey: 8-bit values, uint8 (N, ...).
        generator: Of the draw.

    Example:
        >>> binarised(torch.tensor([[0, 255, 0]], dtype=torch.uint8), Generator().manual_seed(0))
        tensor([[  0, 255,   0]], dtype=torch.uint8)
    """
    parts = []
    for part in grey.split(CHUNK):
        u = uniform(*part.shape, device=part.device, generator=generator)  # in [0, 1), so that 0 stays 0 and 1 stays 1
        parts.append((255 * u < part).to(torch.uint8) * 255)
    return torch.cat(parts)
