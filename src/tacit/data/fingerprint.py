"""Hashes of content: equal means the same samples."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from torch import Tensor

__all__ = ["fingerprint"]


def fingerprint(*parts: str | np.ndarray[Any, Any] | Tensor | Iterable[str]) -> str:
    """Returns the hash of words, arrays and lists of words: 32 hexadecimal digits.

    Arguments:
        parts: In an order that counts. Arrays enter with type, shape and content.

    Example:
        >>> fingerprint("digits", ["a", "b"]) == fingerprint("digits", ["ab"])
        False
    """
    total = hashlib.blake2b(digest_size=16)
    for part in parts:
        for piece in _pieces(part):
            total.update(len(piece).to_bytes(8, "little"))
            total.update(piece)
    return total.hexdigest()


def _pieces(part: str | np.ndarray[Any, Any] | Tensor | Iterable[str]) -> Iterable[bytes | memoryview]:
    if isinstance(part, str):
        return [part.encode()]
    if isinstance(part, Tensor):
        part = part.detach().cpu().numpy()
    if isinstance(part, np.ndarray) and part.dtype.kind != "O":
        flat = np.ascontiguousarray(part).reshape(-1).view(np.uint8)
        return [f"{part.dtype.str}{part.shape}".encode(), flat.data]
    return [str(word).encode() for word in part]
