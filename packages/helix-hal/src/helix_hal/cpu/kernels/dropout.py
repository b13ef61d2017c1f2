"""Philox4x32-10 random bits and what is made of them, dropout included.

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

import math
import sys
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.jit import device_function, kernel
from helix_hal.cpu.kernels.elementwise import log32
from helix_hal.cpu.launch import launch

__all__ = ["bernoulli", "dropout", "normal", "random_bits", "uniform"]

Array = NDArray[Any]
U32, U64 = np.uint32, np.uint64
F32, F64 = np.float32, np.float64
_EXACT = {"contract"}

_M0, _M1 = U64(0xD2511F53), U64(0xCD9E8D57)
_W0, _W1 = U32(0x9E3779B9), U32(0xBB67AE85)
_LOW = U64(0xFFFFFFFF)
_HALF_WORD = U64(32)
_CHUNK = 1 << 10  # Philox blocks a launch block: 4096 words, which stay in cache
_WORDS = 4 * _CHUNK
_TWO_24, _TWO_53 = F32(2.0**-24), F64(2.0**-53)
_PI_2_64 = F64(math.pi / 2)

_SIN = tuple(
    F32(c)
    for c in (
        1.5707963217001222,
        -0.6459634594640337,
        0.07968002266887057,
        -0.004601625899629338,
    )
)
_COS = tuple(
    F32(c)
    for c in (
        -1.2337005425852858,
        0.2536692256200832,
        -0.020860162416165447,
        0.000903760278614629,
    )
)
_S0, _S1, _S2, _S3 = _SIN
_C0, _C1, _C2, _C3 = _COS


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
def _uniform32(lo, hi, key, stream, out):
    scratch = np.empty(_WORDS, U32)
    for chunk in range(lo, hi):
        ys = out[chunk * _WORDS : (chunk + 1) * _WORDS]
        words = scratch[: ys.size]
        _fill(words, U64(chunk * _CHUNK), key, stream)
        for i in range(ys.size):
            ys[i] = F32(np.int32(words[i] >> U32(8))) * _TWO_24


@kernel
def _uniform64(lo, hi, key, stream, out):
    scratch = np.empty(_WORDS, U32)
    for chunk in range(lo, hi):
        ys = out[chunk * (_WORDS // 2) : (chunk + 1) * (_WORDS // 2)]
        words = scratch[: 2 * ys.size]
        _fill(words, U64(chunk * _CHUNK), key, stream)
        for i in range(ys.size):
            ys[i] = _unit64(words[2 * i], words[2 * i + 1])


@device_function
def _unit64(low, high):
    word = U64(low) | (U64(high) << _HALF_WORD)
    return F64(word >> U64(11)) * _TWO_53


@kernel
def _bernoulli(lo, hi, key, stream, threshold, out):
    scratch = np.empty(_WORDS, U32)
    for chunk in range(lo, hi):
        ys = out[chunk * _WORDS : (chunk + 1) * _WORDS]
        words = scratch[: ys.size]
        _fill(words, U64(chunk * _CHUNK), key, stream)
        for i in range(ys.size):
            ys[i] = (words[i] >> U32(8)) < threshold


@kernel
def _dropout(lo, hi, key, stream, threshold, scale, x, out):
    scratch = np.empty(_WORDS, U32)
    for chunk in range(lo, hi):
        xs = x[chunk * _WORDS : (chunk + 1) * _WORDS]
        ys = out[chunk * _WORDS : (chunk + 1) * _WORDS]
        words = scratch[: ys.size]
        _fill(words, U64(chunk * _CHUNK), key, stream)
        for i in range(ys.size):
            keep = (words[i] >> U32(8)) < threshold
            ys[i] = xs[i] * scale if keep else x.dtype.type(0)


@device_function(fastmath=_EXACT)
def _circle32(turn):
    """cos and sin of 2 pi `turn`, for `turn` in [0, 1) on a grid of 2^-24."""
    quarter = turn * F32(4)
    q = np.int32(quarter + F32(0.5))
    r = quarter - F32(q)
    s = r * r
    sine = r * (_S0 + s * (_S1 + s * (_S2 + s * _S3)))
    cosine = F32(1) + s * (_C0 + s * (_C1 + s * (_C2 + s * _C3)))
    odd = (q & np.int32(1)) != 0
    a = sine if odd else cosine
    b = cosine if odd else sine
    a = -a if ((q + np.int32(1)) & np.int32(2)) != 0 else a
    b = -b if (q & np.int32(2)) != 0 else b
    return a, b


@device_function
def _circle64(turn):
    quarter = turn * 4.0
    q = np.int64(quarter + 0.5)
    x = (quarter - F64(q)) * _PI_2_64
    sine, cosine = math.sin(x), math.cos(x)
    odd = (q & 1) != 0
    a = sine if odd else cosine
    b = cosine if odd else sine
    a = -a if ((q + 1) & 2) != 0 else a
    b = -b if (q & 2) != 0 else b
    return a, b


@kernel(fastmath=_EXACT)
def _normal32(lo, hi, key, stream, out):
    scratch = np.empty(_WORDS, U32)
    for chunk in range(lo, hi):
        ys = out[chunk * _WORDS : (chunk + 1) * _WORDS]
        words = scratch[: ys.size + ys.size % 2]
        _fill(words, U64(chunk * _CHUNK), key, stream)
        pairs = ys.size // 2
        body = ys[: 2 * pairs]
        for i in range(pairs):
            u = F32(np.int32(words[2 * i] >> U32(8)) + np.int32(1)) * _TWO_24
            turn = F32(np.int32(words[2 * i + 1] >> U32(8))) * _TWO_24
            radius = np.sqrt(F32(-2) * log32(u))
            a, b = _circle32(turn)
            body[2 * i] = radius * a
            body[2 * i + 1] = radius * b
        if ys.size % 2:
            u = F32(np.int32(words[2 * pairs] >> U32(8)) + np.int32(1)) * _TWO_24
            turn = F32(np.int32(words[2 * pairs + 1] >> U32(8))) * _TWO_24
            ys[2 * pairs] = np.sqrt(F32(-2) * log32(u)) * _circle32(turn)[0]


@kernel
def _normal64(lo, hi, key, stream, out):
    scratch = np.empty(_WORDS, U32)
    for chunk in range(lo, hi):
        ys = out[chunk * (_WORDS // 2) : (chunk + 1) * (_WORDS // 2)]
        words = scratch[: 2 * (ys.size + ys.size % 2)]
        _fill(words, U64(chunk * _CHUNK), key, stream)
        for i in range((ys.size + 1) // 2):
            u = _unit64(words[4 * i], words[4 * i + 1]) + _TWO_53
            a, b = _circle64(_unit64(words[4 * i + 2], words[4 * i + 3]))
            radius = math.sqrt(-2.0 * math.log(u))
            ys[2 * i] = radius * a
            if 2 * i + 1 < ys.size:
                ys[2 * i + 1] = radius * b


def _blocks(words: int) -> int:
    return -(-words // _WORDS)


def _threshold(p: float) -> Any:
    """How many of the 2^24 values of a float32 uniform are below ``float32(p)``."""
    return U32(math.ceil(float(F32(p)) * 2.0**24))


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


def uniform(
    shape: tuple[int, ...], key: Array, stream: Array, dtype: DTypeLike = F32
) -> Array:
    """Uniform numbers in [0, 1): multiples of 2^-24 (float32) or 2^-53 (float64)."""
    out = pool.empty(shape, dtype)
    flat = out.reshape(-1)
    run = _uniform32 if out.dtype == F32 else _uniform64
    launch(run, _blocks(out.nbytes // 4), key, stream, flat)
    return out


def normal(
    shape: tuple[int, ...], key: Array, stream: Array, dtype: DTypeLike = F32
) -> Array:
    """Standard normal numbers by Box and Muller's transform.

    Elements 2i and 2i + 1 are ``sqrt(-2 ln u) cos(2 pi v)`` and the same with sin,
    where v is element 2i + 1 of `uniform` and u is element 2i plus one grid step, so
    that it is never 0. Within 3 ulp of that definition's exact value.
    """
    out = pool.empty(shape, dtype)
    flat = out.reshape(-1)
    run = _normal32 if out.dtype == F32 else _normal64
    launch(run, _blocks(out.nbytes // 4), key, stream, flat)
    return out


def bernoulli(shape: tuple[int, ...], p: float, key: Array, stream: Array) -> Array:
    """True with probability `p`: where the float32 uniform is below ``float32(p)``."""
    out = pool.empty(shape, np.bool_)
    launch(_bernoulli, _blocks(out.size), key, stream, _threshold(p), out.reshape(-1))
    return out


def dropout(x: Array, p: float, key: Array, stream: Array) -> Array:
    """Zero each element with probability `p` and divide the others by ``1 - p``.

    Its own backward pass: ``dropout(dy, p, key, stream)`` is the gradient, with the
    same mask made again from the key.

    Parameters
    ----------
    x : ndarray of any shape, float32 or float64, C-contiguous
    p : float in [0, 1]
        The kept elements are those where ``bernoulli(x.shape, 1 - p)`` is True.
    key, stream : ndarray, shape (2,), uint32

    Returns
    -------
    ndarray of the shape and dtype of `x`
    """
    out = pool.empty(x.shape, x.dtype)
    keep = 1.0 - p
    scale = x.dtype.type(1.0 / keep if keep > 0 else 0.0)
    launch(
        *(_dropout, _blocks(x.size), key, stream, _threshold(keep), scale),
        *(x.reshape(-1), out.reshape(-1)),
    )
    return out
