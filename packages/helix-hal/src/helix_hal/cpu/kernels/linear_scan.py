"""``linear_scan``: h_t = a_t h_{t-1} + b_t along any axis, over all cores.

The arrays are seen as (outer, time, inner). Rows of ``inner`` go through time together,
in blocks that stay in cache; where they are short, each of their elements goes through
time on its own, its state in a register. Blocks are independent.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.jit import kernel
from helix_hal.cpu.launch import launch

__all__ = ["linear_scan"]

Array = NDArray[Any]
_BLOCK = 256  # elements of inner that a block takes through time
_SHORT = 8  # elements of inner that are not worth a loop of their own


@kernel(fastmath={"contract"})
def _scan(lo, hi, parts, reverse, a, b, h0, h):
    length, inner = a.shape[1], a.shape[2]
    for task in range(lo, hi):
        o = task // parts
        first = (task % parts) * _BLOCK
        final = min(inner, first + _BLOCK)
        before = h0[o, first:final]
        for i in range(length):
            t = length - 1 - i if reverse else i
            x, y = a[o, t, first:final], b[o, t, first:final]
            out = h[o, t, first:final]
            for j in range(final - first):
                out[j] = x[j] * before[j] + y[j]
            before = out


@kernel(fastmath={"contract"})
def _scan_each(lo, hi, reverse, a, b, h0, h):
    length, inner = a.shape[1], a.shape[2]
    for o in range(lo, hi):
        for j in range(inner):
            state = h0[o, j]
            for i in range(length):
                t = length - 1 - i if reverse else i
                state = a[o, t, j] * state + b[o, t, j]
                h[o, t, j] = state


def linear_scan(a: Array, b: Array, h0: Array, *, axis: int, reverse: bool) -> Array:
    """Every state.

    Parameters
    ----------
    a, b : ndarray of one shape and dtype (float or complex, 32 to 128 bits)
    h0 : ndarray, that shape without the axis
    axis : int
        At least 0.
    reverse : bool
        h_t = a_t h_{t+1} + b_t.

    Returns
    -------
    ndarray
    """
    shape = b.shape
    outer, inner = prod(shape[:axis]), prod(shape[axis + 1 :])
    view = (outer, shape[axis], inner)
    h = pool.empty(shape, b.dtype)
    arrays = (
        *(np.ascontiguousarray(x).reshape(view) for x in (a, b)),
        *(np.ascontiguousarray(h0).reshape(outer, inner), h.reshape(view)),
    )
    if inner <= _SHORT:
        grain = max(1, (1 << 13) // max(1, view[1] * inner))
        launch(_scan_each, outer, reverse, *arrays, grain=grain)
    else:
        parts = -(-inner // _BLOCK)
        launch(_scan, outer * parts, parts, reverse, *arrays)
    return h
