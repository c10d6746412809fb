"""Symbols to a bitstream of about -log2 p bits and back, by range coding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tacit.errors import MissingExtra

__all__ = ["Conditionals", "decode_each", "decode_with", "encode_each", "encode_with", "frequencies", "ideal_bits"]

TOTAL = 1 << 15  # of the frequencies of one position

Symbols = NDArray[np.int32]
Conditionals = Callable[[Symbols, int], NDArray[np.float32]]
"""Given symbols (N, P) of which the first p columns count, returns the probabilities of column p, (N, K)."""


def frequencies(counts: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Returns counts (rows, K) as small integers, at least 1: a table that is stored with the stream, and is the model.

    Arguments:
        counts: Of the symbols at each position, or pooled in one row; not negative.
    """
    share = (counts + 0.5) / (counts + 0.5).sum(1, keepdims=True)  # Krichevsky & Trofimov 1981
    whole: NDArray[np.uint16] = np.maximum(1, np.rint(TOTAL * share)).astype(np.uint16)
    return whole


def encode_each(symbols: Symbols, table: NDArray[np.uint16]) -> NDArray[np.uint32]:
    """Returns the stream of independent symbols.

    Arguments:
        symbols: Shape (N, P), from 0 to K - 1.
        table: Frequencies, (P, K), or (1, K) for the same at every position.

    Example:
        >>> table = np.array([[60, 3, 1]], np.uint16)
        >>> stream = encode_each(np.zeros((100, 4), np.int32), table)
        >>> 32 * len(stream), round(ideal_bits(np.zeros((100, 4), np.int32), table))
        (64, 37)
        >>> int(decode_each(stream, table, (100, 4)).sum())
        0
    """
    stream = library()
    encoder = stream.queue.RangeEncoder()
    for column, row in zip(columns(symbols, table), table, strict=True):
        encoder.encode(column, static(stream, row))
    made: NDArray[np.uint32] = encoder.get_compressed()
    return made


def decode_each(compressed: NDArray[np.uint32], table: NDArray[np.uint16], shape: tuple[int, int]) -> Symbols:
    """Returns the symbols, shape (N, P), that `encode_each` was given."""
    stream = library()
    decoder = stream.queue.RangeDecoder(compressed)
    n, p = shape
    if len(table) == 1:
        return np.asarray(decoder.decode(static(stream, table[0]), n * p)).reshape(n, p)
    return np.stack([decoder.decode(static(stream, row), n) for row in table], axis=1)


def encode_with(symbols: Symbols, conditionals: Conditionals) -> tuple[NDArray[np.uint32], float]:
    """Returns the stream of symbols (N, P), column by column, each given those before, and its -log2 p in bits."""
    stream = library()
    encoder, known, bits = stream.queue.RangeEncoder(), np.zeros_like(symbols), 0.0
    for p in range(symbols.shape[1]):
        given = conditionals(known, p)  # (N, K): of the very symbols that the decoder will know
        column = np.ascontiguousarray(symbols[:, p])
        encoder.encode(column, stream.model.Categorical(perfect=False), given)
        bits -= np.log2(given[np.arange(len(column)), column].astype(np.float64)).sum()
        known[:, p] = column
    return encoder.get_compressed(), float(bits)


def decode_with(compressed: NDArray[np.uint32], conditionals: Conditionals, shape: tuple[int, int]) -> Symbols:
    """Returns the symbols, shape (N, P), that `encode_with` was given with the same conditionals."""
    stream = library()
    decoder, known = stream.queue.RangeDecoder(compressed), np.zeros(shape, np.int32)
    for p in range(shape[1]):
        known[:, p] = decoder.decode(stream.model.Categorical(perfect=False), conditionals(known, p))
    return known


def ideal_bits(symbols: Symbols, table: NDArray[np.uint16]) -> float:
    """Returns -log2 p of symbols (N, P) under frequencies (P, K) or (1, K), in bits."""
    bits = -np.log2(table / table.sum(1, keepdims=True, dtype=np.float64))
    return float(sum(row[column].sum() for column, row in zip(columns(symbols, table), bits, strict=True)))


def columns(symbols: Symbols, table: NDArray[np.uint16]) -> list[Symbols]:
    """Returns the symbols that each row of a table is for, each contiguous."""
    parts = [symbols.ravel()] if len(table) == 1 else list(symbols.T)
    return [np.ascontiguousarray(part) for part in parts]


def static(stream: Any, row: NDArray[np.uint16]) -> Any:
    """Returns the coder's model of one row of frequencies."""
    return stream.model.Categorical(row / row.sum(dtype=np.float64), perfect=False)


def library() -> Any:
    """Returns the module of stream coders.

    Raises:
        MissingExtra: If constriction is not installed.
    """
    try:
        import constriction  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtra("constriction", "compress", "entropy coding") from error
    return constriction.stream
