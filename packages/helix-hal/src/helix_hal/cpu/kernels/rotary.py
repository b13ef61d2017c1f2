"""Rotary position embedding in one pass, forward and backward.

References
----------
Su et al., "RoFormer", arXiv:2104.09864.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.jit import Jitted, kernel
from helix_hal.cpu.kernels.attention_blocks import loose
from helix_hal.cpu.kernels.tables import array_at
from helix_hal.cpu.launch import launch

__all__ = ["rotary", "rotary_backward"]

Array = NDArray[Any]

_LEAST = 1 << 14  # numbers of a piece of work


@cache
def _turn(interleaved: bool) -> Jitted:
    # size: time, heads, d, pairs, then the steps of x along batch and time, and 1 where
    # the tables are one for all of the batch
    @kernel(fastmath={"contract"})
    def turn(lo, hi, size, address, direction, cos, sin, out):
        time, heads, d, half = size[0], size[1], size[2], size[3]
        cos, sin, out = loose(cos), loose(sin), loose(out)
        for task in range(lo, hi):
            b, t = task // time, task % time
            table = (t if size[7] else task) * half
            c, s = cos[table : table + half], sin[table : table + half]
            for h in range(heads):
                start = b * size[4] + t * size[5] + h * size[6]
                row = array_at(address + start * out.itemsize, d, out)
                to = (task * heads + h) * d
                y = out[to : to + d]
                if interleaved:
                    for i in range(half):
                        a, e, u = row[2 * i], row[2 * i + 1], s[i] * direction
                        y[2 * i] = a * c[i] - e * u
                        y[2 * i + 1] = e * c[i] + a * u
                else:
                    first, second = row[:half], row[half : 2 * half]
                    y1, y2 = y[:half], y[half : 2 * half]
                    for i in range(half):
                        a, e, u = first[i], second[i], s[i] * direction
                        y1[i] = a * c[i] - e * u
                        y2[i] = e * c[i] + a * u
                y[2 * half :] = row[2 * half :]

    return turn


@cache
def _tables(interleaved: bool) -> Jitted:
    @kernel(fastmath={"contract"})
    def tables(lo, hi, size, cos, sin, y, dy, dcos, dsin):
        """Gradients of cos and sin at one time: sums over heads (and the batch)."""
        time, heads, d, half, batch = size[0], size[1], size[2], size[3], size[4]
        along, turned = np.empty(half, cos.dtype), np.empty(half, cos.dtype)
        for task in range(lo, hi):
            along[:] = 0
            turned[:] = 0
            for b in range(batch):
                for h in range(heads):
                    at = ((b * time + task) * heads + h) * d
                    for i in range(half):
                        j = 2 * i if interleaved else i
                        k = j + 1 if interleaved else i + half
                        a, e, da, de = y[at + j], y[at + k], dy[at + j], dy[at + k]
                        along[i] += da * a + de * e
                        turned[i] += de * a - da * e
            for i in range(half):
                c, s = cos[task * half + i], sin[task * half + i]
                norm = c * c + s * s
                norm = cos.dtype.type(1) if norm == 0 else norm
                dcos[task * half + i] = (c * along[i] - s * turned[i]) / norm
                dsin[task * half + i] = (c * turned[i] + s * along[i]) / norm

    return tables


def rotary(x: Array, cos: Array, sin: Array, *, interleaved: bool, back: bool) -> Array:
    """Pairs of features turned by their angle, or `back`.

    Parameters
    ----------
    x : ndarray, shape (batch, time, heads, d), float32 or float64
        Rows contiguous, in whatever place.
    cos, sin : ndarray, shape (1 or batch, time, d_rot / 2)

    Returns
    -------
    ndarray, shape of x
    """
    if (x.strides[3] != x.itemsize and x.shape[3] > 1) or min(x.strides) < 0:
        x = np.ascontiguousarray(x)
    b, t, h, d = x.shape
    steps = [s // x.itemsize for s in x.strides[:3]]
    size = np.array([t, h, d, cos.shape[2], *steps, cos.shape[0] == 1], np.int64)
    out = pool.empty(x.shape, x.dtype)
    address = x.__array_interface__["data"][0]
    direction = x.dtype.type(-1 if back else 1)
    tables = (np.ascontiguousarray(a).reshape(-1) for a in (cos, sin))
    launch(
        *(_turn(interleaved), b * t, size, address, direction, *tables),
        out.reshape(-1),
        grain=max(1, _LEAST // (h * d)),
    )
    return out


def rotary_backward(
    cos: Array, sin: Array, y: Array, dy: Array, *, interleaved: bool
) -> tuple[Array, Array, Array]:
    """Gradients of x, cos and sin, from the result.

    Parameters
    ----------
    cos, sin : ndarray, shape (1 or batch, time, d_rot / 2)
    y, dy : ndarray, shape (batch, time, heads, d)
    """
    dx = rotary(dy, cos, sin, interleaved=interleaved, back=True)
    b, t, h, d = y.shape
    half, whole = cos.shape[2], cos.shape[0] > 1 or b == 1
    # tables of their own for every batch entry: one long time
    size = [b * t, h, d, half, 1] if whole else [t, h, d, half, b]
    flat = (np.ascontiguousarray(a).reshape(-1) for a in (cos, sin, y, dy))
    dcos, dsin = (pool.empty(cos.shape, cos.dtype) for _ in range(2))
    launch(
        *(_tables(interleaved), size[0], np.array(size, np.int64), *flat),
        *(dcos.reshape(-1), dsin.reshape(-1)),
        grain=max(1, _LEAST // (h * d)),
    )
    return dx, dcos, dsin
