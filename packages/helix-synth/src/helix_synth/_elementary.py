"""Logarithm, exponential, sine and cosine of float64 in exact steps.

Only +, -, * and / of IEEE 754, whose results no library or processor may choose, so that
a sample has the same bits everywhere. Accurate to about 1e-15, in pieces that stay in
the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from math import factorial

import numpy as np

_PIECE = 1 << 12
_LN2_HI, _LN2_LO = 0.693147180369123816490, 1.90821492927058770002e-10
_SQRT2 = 1.4142135623730951
_HALF_PI = 1.5707963267948966
_LOG = [2.0 / (2 * k + 1) for k in range(11, -1, -1)]
_EXP = [1.0 / factorial(k) for k in range(14, -1, -1)]
_SIN = [(-1.0) ** k / factorial(2 * k + 1) for k in range(8, -1, -1)]
_COS = [(-1.0) ** k / factorial(2 * k) for k in range(9, -1, -1)]


def _horner(x: np.ndarray, coefficients: list[float]) -> np.ndarray:
    out = x * coefficients[0]
    for c in coefficients[1:-1]:
        out += c
        out *= x
    out += coefficients[-1]
    return out


def _in_pieces(x: np.ndarray, f: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    x = np.ascontiguousarray(x, np.float64)
    flat = x.reshape(-1)
    if flat.size <= _PIECE:
        return f(flat).reshape(x.shape)
    out = np.empty_like(flat)
    for i in range(0, flat.size, _PIECE):
        out[i : i + _PIECE] = f(flat[i : i + _PIECE])
    return out.reshape(x.shape)


def _log(x: np.ndarray) -> np.ndarray:
    bits = x.view(np.int64)
    exponent = (bits >> 52) - 1023
    m = ((bits & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000).view(np.float64)
    high = m > _SQRT2
    m *= 1.0 - 0.5 * high
    e = (exponent + high).astype(np.float64)
    s = (m - 1.0) / (m + 1.0)
    out = _horner(s * s, _LOG)
    out *= s
    out += e * _LN2_LO
    out += e * _LN2_HI
    return out


def log(x: np.ndarray) -> np.ndarray:
    """Natural logarithm of positive normal numbers."""
    return _in_pieces(x, _log)


def _exp(x: np.ndarray) -> np.ndarray:
    x = np.maximum(x, -708.0)
    n = np.rint(x * 1.4426950408889634)
    r = (x - n * _LN2_HI) - n * _LN2_LO
    out = _horner(r, _EXP)
    scale = ((n.astype(np.int64) + 1023) << 52).view(np.float64)
    out *= scale
    return out


def exp(x: np.ndarray) -> np.ndarray:
    """Exponential; below -708 that of -708, which is 3e-308."""
    return _in_pieces(x, _exp)


def sin_cos_turns(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine of ``2 pi x``."""
    x = np.ascontiguousarray(x, np.float64)
    flat = x.reshape(-1)
    sine, cosine = np.empty_like(flat), np.empty_like(flat)
    for i in range(0, flat.size, _PIECE):
        _turns(flat[i : i + _PIECE], sine[i : i + _PIECE], cosine[i : i + _PIECE])
    return sine.reshape(x.shape), cosine.reshape(x.shape)


def _turns(x: np.ndarray, sine: np.ndarray, cosine: np.ndarray) -> None:
    quarter = x * 4.0
    n = np.rint(quarter)
    quarter -= n
    quarter *= _HALF_PI
    square = quarter * quarter
    s = _horner(square, _SIN)
    s *= quarter
    c = _horner(square, _COS)
    n -= 4.0 * np.floor(n * 0.25)  # 0, 1, 2 or 3
    odd = (n == 1.0) | (n == 3.0)
    np.copyto(sine, np.where(odd, c, s))
    np.copyto(cosine, np.where(odd, s, c))
    sine *= 1.0 - 2.0 * (n >= 2.0)
    cosine *= 1.0 - 2.0 * ((n == 1.0) | (n == 2.0))


def sin_turns(x: np.ndarray) -> np.ndarray:
    """Sine of ``2 pi x``: one polynomial of the distance to the nearest half turn."""
    return _in_pieces(x, _sine)


def _sine(x: np.ndarray) -> np.ndarray:
    half = x * 2.0
    n = np.rint(half)
    half -= n
    half *= 2 * _HALF_PI  # in [-pi/2, pi/2]
    out = _horner(half * half, _WIDE_SIN)
    out *= half
    n -= 2.0 * np.floor(n * 0.5)
    out *= 1.0 - 2.0 * n
    return out


_WIDE_SIN = [(-1.0) ** k / factorial(2 * k + 1) for k in range(11, -1, -1)]


def cos_turns(x: np.ndarray) -> np.ndarray:
    """Cosine of ``2 pi x``."""
    return sin_turns(np.asarray(x, np.float64) + 0.25)


def power(base: np.ndarray, exponent: np.ndarray | float) -> np.ndarray:
    """Positive numbers to a power."""
    return exp(np.asarray(exponent * log(base)))
