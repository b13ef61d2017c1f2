"""``fft``: discrete Fourier transforms over one or more axes.

``fft`` and ``rfft`` are unscaled, ``ifft`` and ``irfft`` divide by the number of
points. Gradients are transposes without conjugation, as everywhere here.
"""

from __future__ import annotations

from functools import cache
from math import prod
from typing import Any

import numpy as np

from .. import _dtypes as dt
from .. import _ops as ops
from .._aval import Aval
from .._errors import DTypeError, ShapeError
from .._primitive import bind, primitive
from ._rules import normal_axes

_INPUT = {
    "fft": (dt.complex64, dt.complex128),
    "ifft": (dt.complex64, dt.complex128),
    "rfft": (dt.float32, dt.float64),
    "irfft": (dt.complex64, dt.complex128),
}


def _infer(x: Aval, kind: str, axes: Any, sizes: Any) -> tuple[Aval, ...]:
    if kind not in _INPUT:
        raise ShapeError(f"[fft] expected a kind of {', '.join(_INPUT)}; got {kind!r}")
    if x.dtype not in _INPUT[kind]:
        names = " or ".join(d.name for d in _INPUT[kind])
        raise DTypeError(f"[{kind}] expected {names}; got {x!r}")
    normal_axes(kind, axes, x.ndim)
    want = list(sizes)
    if kind == "irfft" and sizes:
        want[-1] = sizes[-1] // 2 + 1
    fits = len(axes) == len(sizes) > 0 and min(sizes) > 0
    if not fits or [x.shape[a] for a in axes] != want:
        raise ShapeError(
            f"[{kind}] expected one or more axes of sizes {tuple(want)}, at least 1; "
            f"got axes={axes}, sizes={sizes} for {x!r}"
        )
    shape, dtype = list(x.shape), x.dtype
    if kind == "rfft":
        shape[axes[-1]] = sizes[-1] // 2 + 1
        dtype = dt.complex64 if dtype is dt.float32 else dt.complex128
    elif kind == "irfft":
        shape[axes[-1]] = sizes[-1]
        dtype = dt.real_dtype(dtype)
    return (Aval(tuple(shape), dtype),)


def _fft(x: Any, kind: str, axes: Any, sizes: Any) -> Any:
    return bind(fft_p, x, kind=kind, axes=tuple(axes), sizes=tuple(sizes))


def _bins(ct: Any, n: int, axis: int, alone: float, mirrored: float) -> Any:
    """A weight per bin: those of a real signal stand for their mirror bins too."""
    w = np.full(n // 2 + 1, mirrored)
    w[0] = alone
    if n % 2 == 0:
        w[-1] = alone
    shape = tuple(w.size if i == axis else 1 for i in range(ct.ndim))
    real = dt.real_dtype(ct.dtype).dtype
    return ops.tensor(w.reshape(shape).astype(real), device=ct.device)


def _vjp(
    inputs: Any, outputs: Any, cts: Any, wanted: Any, kind: str, axes: Any, sizes: Any
) -> Any:
    ct, n, last = cts[0], sizes[-1], axes[-1]
    if kind in ("fft", "ifft"):  # the transform's matrix is symmetric
        return (_fft(ct, kind, axes, sizes),)
    total = float(prod(sizes))
    if kind == "rfft":
        half = ops.mul(ops.conj(ct), _bins(ct, n, last, total, total / 2))
        return (_fft(half, "irfft", axes, sizes),)
    g = ops.conj(_fft(ct, "rfft", axes, sizes))
    return (ops.mul(g, _bins(g, n, last, 1 / total, 2 / total)),)


# ------------------------------------------------------------------- as matrix products
_DIRECT = 64  # up to here one matrix product


@cache
def _matrix(n: int, sign: int) -> np.ndarray:
    """exp(sign 2 pi i j k / n), (j, k); the angle is reduced exactly first."""
    k = np.arange(n)
    return np.exp(sign * 2j * np.pi * (np.outer(k, k) % n) / n)


def _constant(a: np.ndarray, like: Any) -> Any:
    return ops.tensor(a.astype(like.dtype.dtype), device=like.device)


def _dft_last(x: Any, sign: int) -> Any:
    """Unscaled transform of the last axis: Cooley-Tukey down to small matrices."""
    n = x.shape[-1]
    if n <= _DIRECT:
        return ops.matmul(x, _constant(_matrix(n, sign), x))
    a = _factor(n)
    if a == 1:
        return _bluestein(x, sign)
    b = n // a
    lead = x.shape[:-1]
    x = ops.reshape_p(x, (*lead, a, b))
    x = ops.swapaxes(
        ops.matmul(ops.swapaxes(x, -1, -2), _constant(_matrix(a, sign), x)), -1, -2
    )
    turn = np.exp(sign * 2j * np.pi * np.outer(np.arange(a), np.arange(b)) / n)
    x = _dft_last(ops.mul(x, _constant(turn, x)), sign)
    return ops.reshape_p(ops.swapaxes(x, -1, -2), (*lead, n))


def _factor(n: int) -> int:
    """The largest divisor of n that one matrix handles; 1 for a big prime."""
    return max(d for d in range(1, _DIRECT + 1) if n % d == 0)


def _bluestein(x: Any, sign: int) -> Any:
    """A big prime size as a convolution of a power-of-two size.

    Source: L. Bluestein, "A linear filtering approach to the computation of the
    discrete Fourier transform", 1970.
    """
    n = x.shape[-1]
    m = 1 << (2 * n - 2).bit_length()
    k = np.arange(n)
    chirp = np.exp(sign * 1j * np.pi * (k * k % (2 * n)) / n)
    kernel = np.zeros(m, complex)
    kernel[:n] = chirp.conj()
    kernel[m - n + 1 :] = chirp[:0:-1].conj()
    wide = ops.pad(
        ops.mul(x, _constant(chirp, x)), [(0, 0)] * (x.ndim - 1) + [(0, m - n)]
    )
    product = ops.mul(_dft_last(wide, -1), _constant(np.fft.fft(kernel) / m, x))
    y = ops.narrow(_dft_last(product, 1), x.ndim - 1, 0, n)
    return ops.mul(y, _constant(chirp, x))


def _along(x: Any, axis: int, sign: int) -> Any:
    y = _dft_last(ops.swapaxes(x, axis, -1), sign)
    y = ops.mul(y, 1.0 / x.shape[axis]) if sign > 0 else y
    return ops.swapaxes(y, axis, -1)


def _decompose(x: Any, kind: str, axes: Any, sizes: Any) -> Any:
    if kind == "rfft":
        x = ops.complex_(x, ops.zeros_like(x))
    sign = -1 if kind in ("fft", "rfft") else 1
    for axis in axes[:-1]:
        x = _along(x, axis, sign)
    last, n = axes[-1], sizes[-1]
    if kind == "irfft":  # the other half is the mirror image
        mirror = ops.conj(ops.flip_p(ops.narrow(x, last, 1, (n + 1) // 2), (last,)))
        x = ops.concat([x, mirror], last)
    x = _along(x, last, sign)
    if kind == "rfft":
        return ops.narrow(x, last, 0, n // 2 + 1)
    return ops.real(x) if kind == "irfft" else x


fft_p = primitive("fft", "FFT", _infer, _vjp, reads=((),), decompose=_decompose)
