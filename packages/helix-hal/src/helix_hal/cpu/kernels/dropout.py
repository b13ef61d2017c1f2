"""Philox4x32-10 random bits, and dropout, which makes its mask of them.

Every element is a function of (seed, stream, element index) alone, so any range can be
made by any thread, and a dropout mask is made again in the backward pass instead of
being kept. The counter is (block low, block high, stream low, stream high), the key
(seed low, seed high); 32-bit element i is word ``i mod 4`` of block ``i div 4``, 64-bit
element i is words ``2 (i mod 2)`` and the next of block ``i div 2``, low word first.

References
----------
Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", 2011.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.jit import device_function, kernel
from helix_hal.cpu.launch import launch

__all__ = ["dropout", "random_bits"]

Array = NDArray[Any]
U32, U64 = np.uint32, np.uint64

_M0, _M1 = U64(0xD2511F53), U64(0xCD9E8D57)
_W0, _W1 = U32(0x9E3779B9), U32(0xBB67AE85)
_LOW = U64(0xFFFFFFFF)
_HALF_WORD = U64(32)
_CHUNK = 1 << 10  # Philox blocks a launch block: 4096 words, which stay in cache
_WORDS = 4 * _CHUNK


@device_function
def philox(block, k0, k1, c2, c3):
    """Ten rounds for the 64-bit counter `block` and the stream (c2, c3): four words."""
    c0, c1 = U32(block & _LOW), U32(block >> _HALF_WORD)
    for _ in range(10):
        p0 = _M0 * U64(c0)
        p1 = _M1 * U64(c2)
        c0 = U32(U32(p1 >> _HALF_WORD) ^ c1 ^ k0)
        c1 = U32(p1 & _LOW)
        c2 = U32(U32(p0 >> _HALF_WORD) ^ c3 ^ k1)
        c3 = U32(p0 & _LOW)
        k0 = U32(k0 + _W0)
        k1 = U32(k1 + _W1)
    return c0, c1, c2, c3


@device_function
def _fill(words, first, key, stream):
    """All of `words` from the block `first` on."""
    k0, k1, s0, s1 = key[0], key[1], stream[0], stream[1]
    whole = words.size // 4
    body = words[: 4 * whole]
    for i in range(whole):
        w0, w1, w2, w3 = philox(first + U64(i), k0, k1, s0, s1)
        body[4 * i] = w0
        body[4 * i + 1] = w1
        body[4 * i + 2] = w2
        body[4 * i + 3] = w3
    if words.size % 4:
        last = philox(first + U64(whole), k0, k1, s0, s1)
        for j in range(words.size % 4):
            words[4 * whole + j] = last[j]


@kernel
def _bits(lo, hi, key, stream, out):
    for chunk in range(lo, hi):
        words = out[chunk * _WORDS : (chunk + 1) * _WORDS]
        _fill(words, U64(chunk * _CHUNK), key, stream)


@kernel
def _dropout(lo, hi, key, stream, limit, scale, x, out):
    scratch = np.empty(_WORDS, U32)
    for chunk in range(lo, hi):
        xs = x[chunk * _WORDS : (chunk + 1) * _WORDS]
        ys = out[chunk * _WORDS : (chunk + 1) * _WORDS]
        words = scratch[: ys.size]
        _fill(words, U64(chunk * _CHUNK), key, stream)
        for i in range(ys.size):
            ys[i] = xs[i] * scale if words[i] >= limit else x.dtype.type(0)


def _blocks(words: int) -> int:
    return -(-words // _WORDS)


def random_bits(
    shape: tuple[int, ...], key: Array, stream: Array, bits: int = 32
) -> Array:
    """Philox4x32-10 words.

    Parameters
    ----------
    shape : tuple of int
    key : ndarray, shape (2,), uint32
        Seed, low word first.
    stream : ndarray, shape (2,), uint32
        Stream number, low word first.
    bits : 32 or 64

    Returns
    -------
    ndarray of uint32 or uint64
    """
    out = pool.empty(shape, U32 if bits == 32 else U64)
    words = out.reshape(-1).view(U32)
    launch(_bits, _blocks(words.size), key, stream, words)
    if bits == 64 and sys.byteorder == "big":
        words[:] = words.reshape(-1, 2)[:, ::-1].reshape(-1).copy()
    return out


def dropout(x: Array, p: float, key: Array, stream: Array) -> Array:
    """Zero each element with probability `p` and multiply the others by 1 / (1 - p).

    Its own backward pass: ``dropout(dy, p, key, stream)`` is the gradient, with the
    same mask made again from the key.

    Parameters
    ----------
    x : ndarray of any shape, float32 or float64, C-contiguous
    p : float in [0, 1)
        An element survives where its 32-bit word is at least ``int(p 2^32)``.
    key, stream : ndarray, shape (2,), uint32

    Returns
    -------
    ndarray of the shape and dtype of `x`
    """
    out = pool.empty(x.shape, x.dtype)
    limit, scale = U32(min(int(p * 2**32), 2**32 - 1)), x.dtype.type(1.0 / (1.0 - p))
    launch(
        *(_dropout, _blocks(x.size), key, stream, limit, scale),
        *(x.reshape(-1), out.reshape(-1)),
    )
    return out
