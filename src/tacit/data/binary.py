"""Black and white made of grey: each value is drawn, its grey the probability of white."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from tacit.errors import DataError

__all__ = ["binarised", "grey_of", "two_valued"]

CHUNK, WHITE = 1_024, torch.tensor(255, dtype=torch.uint8)


def grey_of(x: Tensor | None, kind: str, source: str) -> Tensor | None:
    """Returns the grey to draw from, uint8 (N, C, H, W), or None where all is black and white already.

    Raises:
        DataError: If the samples are neither.
    """
    if x is not None and kind == "image" and two_valued(x):
        return None
    if x is None or kind != "image" or x.dtype != torch.uint8:
        found = f"{kind}s" if x is None else f"{kind}s of {str(x.dtype).removeprefix('torch.')}"
        raise DataError(f"--binarise draws black and white of the grey of 8-bit images; {source} holds {found}")
    return x


def two_valued(x: Tensor) -> bool:
    """Returns whether all values of samples, (N, ...), are the least or the greatest of images: 0 or 1, or 0 or 255."""
    most = 255 if x.dtype == torch.uint8 else 1
    return all(bool(((part == 0) | (part == most)).all()) for part in x.split(CHUNK))


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
    for part in grey.split(CHUNK):  # of 0 to 254 as many are below a grey as it has 255ths
        level = torch.randint(255, part.shape, dtype=torch.uint8, device=generator.device, generator=generator)
        parts.append((level.to(part.device) < part) * WHITE)
    return torch.cat(parts)
