"""NumPy lowerings of reductions, linear scan and products."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from .._dtypes import as_dtype, foreign
from .quiet import loudless, quiet, run
from .rounding import rounded

_FLOAT32 = np.dtype(np.float32)


def _wide(a: np.ndarray) -> np.dtype[Any]:
    """16-bit floats accumulate in float32; integers wrap in their own dtype."""
    dtype = a.dtype
    return _FLOAT32 if dtype.char == "e" or dtype.isbuiltin == 2 else dtype


narrowed = quiet(lambda a, dtype: a.astype(dtype))


def _accumulated(f: Any) -> Callable[..., Any]:
    reduce = f.reduce

    def lowering(dev: Any, a: np.ndarray, axes: Any, out: Any = None) -> np.ndarray:
        wide = _wide(a)
        try:
            r = run(reduce, a, axes, wide)
        except RuntimeError:  # another thread is inside
            r = loudless(reduce, a, axes, wide)
        r = r if r.__class__ is np.ndarray else np.asarray(r)
        return r if wide is a.dtype else narrowed(r, a.dtype)

    return lowering


def _extremum(f: Any) -> Callable[..., Any]:
    def lowering(dev: Any, a: np.ndarray, axes: Any, out: Any = None) -> np.ndarray:
        try:
            r = run(f.reduce, a, axes)
        except RuntimeError:
            r = loudless(f.reduce, a, axes)
        return r if r.__class__ is np.ndarray else np.asarray(r)

    return lowering


def _arg(f: Any) -> Callable[..., Any]:
    def lowering(dev: Any, a: np.ndarray, axis: int, out: Any = None) -> np.ndarray:
        if foreign(a.dtype):
            a = a.astype(np.float32)
        return np.asarray(f(a, axis=axis)).astype(np.int32)

    return lowering


def _linear_scan(
    dev: Any, a: Any, b: Any, h0: Any, axis: int, reverse: bool, out: Any = None
) -> np.ndarray:
    h = np.empty_like(b, order="C")
    at, bt, ht = (np.moveaxis(x, axis, 0) for x in (a, b, h))
    state = h0
    steps = range(len(bt))
    for t in reversed(steps) if reverse else steps:
        state = ht[t] = at[t] * state + bt[t]
    return h


def dot(
    dev: Any, a: Any, b: Any, dims: Any, compute: str = "float32", out: Any = None
) -> np.ndarray:
    """Through BLAS."""
    x, y, shape, dtype = dot_operands(a, b, dims, compute)
    return np.matmul(x, y).reshape(shape).astype(dtype, copy=False)


def dot_operands(a: Any, b: Any, dims: Any, compute: str) -> tuple[Any, Any, Any, Any]:
    """Operands as (batch, m, k) and (batch, k, n), the result's shape and dtype."""
    (ca, cb), (ba, bb) = dims
    a, b = rounded(a, compute), rounded(b, compute)
    dtype = a.dtype
    if dtype.itemsize < 4 and as_dtype(dtype).inexact:
        a, b = a.astype(np.float32), b.astype(np.float32)
    ra = [i for i in range(a.ndim) if i not in ca and i not in ba]
    rb = [i for i in range(b.ndim) if i not in cb and i not in bb]
    shape = [a.shape[i] for i in (*ba, *ra)] + [b.shape[i] for i in rb]
    batch = [a.shape[i] for i in ba]
    k = prod(a.shape[i] for i in ca)
    m, n = prod(a.shape[i] for i in ra), prod(b.shape[i] for i in rb)
    x = _rows(a, ba, ca, ra, batch, m, k)
    return x, _columns(b, bb, cb, rb, batch, k, n), shape, dtype


def _rows(
    a: np.ndarray, ba: Any, ca: Any, ra: Any, batch: Any, m: int, k: int
) -> np.ndarray:
    """(batch, m, k), as a transposed view where that avoids a copy: BLAS takes both."""
    direct = a.transpose(*ba, *ra, *ca)
    if not direct.flags.c_contiguous:
        other = a.transpose(*ba, *ca, *ra)
        if other.flags.c_contiguous:
            return np.swapaxes(other.reshape(*batch, k, m), -1, -2)
    return direct.reshape(*batch, m, k)


def _columns(
    b: np.ndarray, bb: Any, cb: Any, rb: Any, batch: Any, k: int, n: int
) -> np.ndarray:
    """(batch, k, n), likewise."""
    direct = b.transpose(*bb, *cb, *rb)
    if not direct.flags.c_contiguous:
        other = b.transpose(*bb, *rb, *cb)
        if other.flags.c_contiguous:
            return np.swapaxes(other.reshape(*batch, n, k), -1, -2)
    return direct.reshape(*batch, k, n)


LOWERINGS: dict[str, Callable[..., Any]] = {
    "reduce_sum": _accumulated(np.add),
    "reduce_prod": _accumulated(np.multiply),
    "reduce_max": _extremum(np.maximum),
    "reduce_min": _extremum(np.minimum),
    "argmax": _arg(np.argmax),
    "argmin": _arg(np.argmin),
    "linear_scan": quiet(_linear_scan),
    "dot_general": quiet(dot),
}
