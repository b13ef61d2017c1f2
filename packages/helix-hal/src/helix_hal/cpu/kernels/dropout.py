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

_M0, _M1 = U64(0xD2511F53), U64(0xCD9E8D57)
_W0, _W1 = U32(0x9E3779B9), U32(0xBB67AE85)
_LOW = U64(0xFFFFFFFF)
_HALF_WORD = U64(32)
_CHUNK = 1 << 10  # Philox blocks a launch block: 4096 words, which stay in cache
_WORDS = 4 * _CHUNK
_TWO_24, _TWO_53 = F32(2.0**-24), F64(2.0**-53)


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
            word = _join(words[2 * i], words[2 * i + 1])
            ys[i] = F64(word >> U64(11)) * _TWO_53


@device_function
def _join(low, high):
    return U64(low) | (U64(high) << _HALF_WORD)


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
def _dropout(lo, hi, key, stream, limit, scale, x, out):
    scratch = np.empty(_WORDS, U32)
    for chunk in range(lo, hi):
        xs = x[chunk * _WORDS : (chunk + 1) * _WORDS]
        ys = out[chunk * _WORDS : (chunk + 1) * _WORDS]
        words = scratch[: ys.size]
        _fill(words, U64(chunk * _CHUNK), key, stream)
        for i in range(ys.size):
            ys[i] = xs[i] * scale if words[i] >= limit else x.dtype.type(0)


# Wichura's algorithm AS 241: the quantile of the normal distribution as ratios of
# polynomials, highest power first, near the middle and in the tail.
_A0, _A1, _A2, _A3 = (
    F32(c) for c in (59.109374720, 159.29113202, 50.434271938, 3.3871327179)
)
_B0, _B1, _B2 = (F32(c) for c in (67.187563600, 78.757757664, 17.895169469))
_C0, _C1, _C2, _C3 = (
    F32(c) for c in (0.17023821103, 1.3067284816, 2.7568153900, 1.4234372777)
)
_D0, _D1 = F32(0.12021132975), F32(0.73700164250)
_NEAR_TOP = (
    *(2509.0809287301226727, 33430.575583588128105, 67265.770927008700853),
    *(45921.953931549871457, 13731.693765509461125, 1971.5909503065514427),
    *(133.14166789178437745, 3.387132872796366608),
)
_NEAR_BOTTOM = (
    *(5226.495278852545925, 28729.085735721942674, 39307.89580009271061),
    *(21213.794301586595867, 5394.1960214247511077, 687.1870074920579083),
    *(42.313330701600911252, 1.0),
)
_TAIL_TOP = (
    *(7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177),
    *(1.27045825245236838258, 3.64784832476320460504, 5.7694972214606914055),
    *(4.6303378461565452959, 1.42343711074968357734),
)
_TAIL_BOTTOM = (
    *(1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966),
    *(0.14810397642748007459, 0.68976733498510000455, 1.6763848301838038494),
    *(2.05319162663775882187, 1.0),
)
_FAR_TOP = (
    *(2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386),
    *(0.026532189526576123093, 0.29656057182850489123, 1.7848265399172913358),
    *(5.4637849111641143699, 6.6579046435011037772),
)
_FAR_BOTTOM = (
    *(2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5),
    *(7.868691311456132591e-4, 0.0148753612908506148525, 0.13692988092273580531),
    *(0.59983220655588793769, 1.0),
)


@device_function
def _quantile32(p):
    """The number beyond which lies the probability `p` of (0, 1/2), in float32.

    No multiply and add is fused: the roundings are those of every other device.
    """
    q = F32(0.5) - p
    s = F32(0.180625) - q * q
    near = _A3 + s * (_A2 + s * (_A1 + s * _A0))
    near = q * (near / (F32(1) + s * (_B2 + s * (_B1 + s * _B0))))
    t = np.sqrt(-log32(p)) - F32(1.6)
    tail = _C3 + t * (_C2 + t * (_C1 + t * _C0))
    tail = tail / (F32(1) + t * (_D1 + t * _D0))
    return near if q <= F32(0.425) else tail


@device_function
def _horner(coefficients, x):
    y = coefficients[0]
    for i in range(1, len(coefficients)):
        y = y * x + coefficients[i]
    return y


@device_function
def _quantile64(p):
    q = 0.5 - p
    if q <= 0.425:
        s = 0.180625 - q * q
        return q * (_horner(_NEAR_TOP, s) / _horner(_NEAR_BOTTOM, s))
    r = math.sqrt(-math.log(p))
    if r <= 5.0:
        return _horner(_TAIL_TOP, r - 1.6) / _horner(_TAIL_BOTTOM, r - 1.6)
    return _horner(_FAR_TOP, r - 5.0) / _horner(_FAR_BOTTOM, r - 5.0)


@kernel
def _normal32(lo, hi, key, stream, out):
    scratch = np.empty(_WORDS, U32)
    for chunk in range(lo, hi):
        ys = out[chunk * _WORDS : (chunk + 1) * _WORDS]
        words = scratch[: ys.size]
        _fill(words, U64(chunk * _CHUNK), key, stream)
        for i in range(ys.size):
            whole = np.int32((words[i] >> U32(8)) & U32(0x7FFFFF))
            z = _quantile32((F32(whole) + F32(0.5)) * _TWO_24)
            ys[i] = -z if words[i] >= U32(0x80000000) else z


@kernel
def _normal64(lo, hi, key, stream, out):
    scratch = np.empty(_WORDS, U32)
    for chunk in range(lo, hi):
        ys = out[chunk * (_WORDS // 2) : (chunk + 1) * (_WORDS // 2)]
        words = scratch[: 2 * ys.size]
        _fill(words, U64(chunk * _CHUNK), key, stream)
        for i in range(ys.size):
            word = _join(words[2 * i], words[2 * i + 1])
            whole = (word >> U64(11)) & U64(0xFFFFFFFFFFFFF)
            z = _quantile64((F64(whole) + 0.5) * _TWO_53)
            ys[i] = -z if word >> U64(63) else z


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
    """Standard normal numbers by the inverse of the distribution function.

    The top bit of an element's word is the sign; the next 23 (float64: 52) bits, plus
    one half, are the probability of the tail beyond the number in units of 2^-24
    (2^-53). Over all 2^23 tails at most 5 ulp from the same formula in NumPy, whose
    logarithm differs by up to 2; 4 ulp or less for all but one in 10^4.

    References
    ----------
    Wichura, "Algorithm AS 241: the percentage points of the normal distribution", 1988.
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
