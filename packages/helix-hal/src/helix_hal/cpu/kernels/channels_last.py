"""Arrays with channels last, which kernels of images work on.

A result has them last in memory and second in its shape, so that the next kernel finds
what it wants; an array that a caller brings is turned once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.jit import kernel
from helix_hal.cpu.launch import launch

__all__ = ["channels_last", "dense", "fresh"]

Array = NDArray[Any]

_EDGE = 16


@kernel
def _turn(lo, hi, x, y):
    """(batch, channel, pixel) to (batch, pixel, channel), a square at a time."""
    channels, pixels = x.shape[1], x.shape[2]
    blocks = -(-pixels // _EDGE)
    for task in range(lo, hi):
        n, p = task // blocks, task % blocks * _EDGE
        past = min(pixels, p + _EDGE)
        for c in range(0, channels, _EDGE):
            end = min(channels, c + _EDGE)
            for i in range(p, past):
                for j in range(c, end):
                    y[n, i, j] = x[n, j, i]


def channels_last(a: Array) -> Array:
    """(batch, channel, *spatial) as (batch, *spatial, channel), channels contiguous.

    A view where the channels lie so already; the other strides are as they are.
    """
    moved = np.moveaxis(a, 1, -1)
    if a.shape[1] == 1 or a.strides[1] == a.itemsize:
        return moved
    if not a.flags.c_contiguous or a.dtype.char not in "fd":
        return np.ascontiguousarray(moved)
    n, c = a.shape[:2]
    flat = a.reshape(n, c, -1)
    out = pool.empty((n, flat.shape[2], c), a.dtype)
    blocks = n * -(-flat.shape[2] // _EDGE)
    launch(_turn, blocks, flat, out, grain=max(1, (1 << 14) // (c * _EDGE)))
    return out.reshape(moved.shape)


def dense(a: Array) -> Array:
    """`channels_last`, C-contiguous."""
    out = channels_last(a)
    return out if out.flags.c_contiguous else np.ascontiguousarray(out)


def fresh(shape: tuple[int, ...], dtype: Any) -> tuple[Array, Array]:
    """A new array (batch, channel, *spatial), and it as (batch, *spatial, channel)."""
    memory = pool.empty((shape[0], *shape[2:], shape[1]), dtype)
    return np.moveaxis(memory, -1, 1), memory
