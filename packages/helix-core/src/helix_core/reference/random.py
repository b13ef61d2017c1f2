"""NumPy lowering of random_bits: vectorised Philox, in pieces that fit the cache."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from .._primitives.random import MULTIPLIERS, ROUNDS, WEYL

_PIECE = 1 << 13  # blocks
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_M0, _M1 = (np.uint64(m) for m in MULTIPLIERS)


def philox(first: int, count: int, key: tuple[int, ...]) -> np.ndarray:
    """Blocks ``first`` to ``first + count``, (count, 4) uint32."""
    k0, k1, s0, s1 = key
    b = np.arange(first, first + count, dtype=np.uint64)
    c0, c1 = b & _LOW, b >> _HALF
    c2, c3 = np.full_like(b, s0), np.full_like(b, s1)
    for _ in range(ROUNDS):
        p0, p1 = c0 * _M0, c2 * _M1
        c0, c1 = (p1 >> _HALF) ^ c1 ^ np.uint64(k0), p1 & _LOW
        c2, c3 = (p0 >> _HALF) ^ c3 ^ np.uint64(k1), p0 & _LOW
        k0, k1 = (k0 + WEYL[0]) & 0xFFFFFFFF, (k1 + WEYL[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], 1).astype(np.uint32)


def _random_bits(
    dev: Any, key: np.ndarray, shape: Any, bits: int, out: Any = None
) -> np.ndarray:
    n = prod(shape)
    blocks = -(-n // (128 // bits))
    words = np.empty((blocks, 4), np.uint32)
    k = tuple(key.tolist())
    for i in range(0, blocks, _PIECE):
        words[i : i + _PIECE] = philox(i, min(_PIECE, blocks - i), k)
    if bits == 32:
        return words.reshape(-1)[:n].reshape(shape)
    wide = words[:, 1::2].astype(np.uint64) << _HALF  # not a view: any byte order
    wide |= words[:, 0::2]
    return wide.reshape(-1)[:n].reshape(shape)


LOWERINGS: dict[str, Callable[..., Any]] = {"random_bits": _random_bits}
