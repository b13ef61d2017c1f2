"""Convolutions with one filter a channel, over channels-last arrays.

A vector of channels of one pixel is a sum over the taps that fall inside; nothing but
their offsets is worked out, once for all vectors of the pixel.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.jit import device_function, kernel
from helix_hal.cpu.kernels.conv_taps import (
    Taps,
    address_of,
    distances,
    falls_inside,
    first_place,
    go_on,
    ints,
    place_of,
    steps_of,
)
from helix_hal.cpu.kernels.simd import BYTES, fma, load, splat, store
from helix_hal.cpu.kernels.tables import array_at
from helix_hal.cpu.launch import launch

__all__ = ["depthwise", "depthwise_outer"]

Array = NDArray[Any]

_CHUNKS = 32


@device_function
def _inside(where, sizes, steps, first, taps, xs, reach, far, base, offsets, which):
    """Offsets in the image, and numbers, of the taps that fall inside; how many."""
    if first_place(where, steps, first, xs, sizes, reach, base):
        for k in range(taps.shape[0]):
            offsets[k] = base[3] + far[k]
            which[k] = k
        return taps.shape[0]
    n = 0
    for k in range(taps.shape[0]):
        if falls_inside(base, taps, k, sizes):
            offsets[n] = base[3] + far[k]
            which[n] = k
            n += 1
    return n


@kernel
def _forward(lo, hi, shape, sizes, steps, first, taps, xs, ys, address, w, like):
    channels = w.shape[1]
    lanes = BYTES // like.itemsize
    whole = channels // lanes * lanes
    offsets = np.empty(taps.shape[0], np.int64)
    which = np.empty(taps.shape[0], np.int64)
    where, base = np.empty(4, np.int64), np.empty(4, np.int64)
    far, reach = distances(taps, xs, 1)
    zero = splat(like.dtype.type(0))
    x, flat = array_at(address[0], 1, like), w.reshape(-1)
    place_of(lo, shape, where)
    for _pixel in range(lo, hi):
        n = _inside(
            where, sizes, steps, first, taps, xs, reach, far, base, offsets, which
        )
        at = 0
        for axis in range(4):
            at += where[axis] * ys[axis]
        y = array_at(address[1] + at * like.itemsize, channels, like)
        for j in range(0, whole, lanes):
            total = zero
            for i in range(n):
                taken = load(x, offsets[i] + j)
                total = fma(taken, load(flat, which[i] * channels + j), total)
            store(y, j, total)
        for j in range(whole, channels):
            sum_ = like.dtype.type(0)
            for i in range(n):
                taken = array_at(address[0] + (offsets[i] + j) * like.itemsize, 1, like)
                sum_ += taken[0] * flat[which[i] * channels + j]
            y[j] = sum_
        go_on(where, shape)


@kernel
def _by_weights(lo, hi, shape, sizes, steps, first, taps, xs, address, dy, part, like):
    channels, pixels = dy.shape[1], dy.shape[0]
    lanes = BYTES // like.itemsize
    whole = channels // lanes * lanes
    offsets = np.empty(taps.shape[0], np.int64)
    which = np.empty(taps.shape[0], np.int64)
    where, base = np.empty(4, np.int64), np.empty(4, np.int64)
    far, reach = distances(taps, xs, 1)
    x, flat, all_parts = array_at(address[0], 1, like), dy.reshape(-1), part.reshape(-1)
    for chunk in range(lo, hi):
        part[chunk] = 0
        home = chunk * taps.shape[0] * channels
        begin, end = pixels * chunk // _CHUNKS, pixels * (chunk + 1) // _CHUNKS
        place_of(begin, shape, where)
        for pixel in range(begin, end):
            n = _inside(
                where, sizes, steps, first, taps, xs, reach, far, base, offsets, which
            )
            go_on(where, shape)
            for j in range(0, whole, lanes):
                g = load(flat, pixel * channels + j)
                for i in range(n):
                    to = home + which[i] * channels + j
                    taken = load(x, offsets[i] + j)
                    store(all_parts, to, fma(taken, g, load(all_parts, to)))
            for j in range(whole, channels):
                for i in range(n):
                    at = address[0] + (offsets[i] + j) * like.itemsize
                    taken = array_at(at, 1, like)
                    part[chunk, which[i], j] += taken[0] * dy[pixel, j]


def depthwise(x: Array, w: Array, out: Array, taps: Taps) -> None:
    """Write the convolution of each channel with its own filter.

    Parameters
    ----------
    x : ndarray, shape (batch, z, y, x, channels), float32 or float64
        Channels one after the other; any other strides.
    w : ndarray, shape (taps, channels)
        C-contiguous; ``taps.weights`` is not read.
    out : ndarray, shape (batch, z, y, x, channels)
        Channels one after the other; any other strides.
    """
    launch(
        *(_forward, prod(out.shape[:4]), ints(out.shape[:4]), ints(x.shape[1:4])),
        *(
            *taps.arrays,
            steps_of(x),
            steps_of(out),
            ints([address_of(x), address_of(out)]),
            w,
        ),
        np.empty(0, x.dtype),
        grain=max(1, (1 << 14) // w.size),
    )


def depthwise_outer(x: Array, dy: Array, taps: Taps) -> Array:
    """The gradient by the weights of `depthwise`, (taps, channels); dy is C-contiguous."""
    channels = dy.shape[-1]
    part = pool.empty((_CHUNKS, len(taps.at), channels), x.dtype)
    launch(
        *(_by_weights, _CHUNKS, ints(dy.shape[:4]), ints(x.shape[1:4])),
        *(
            *taps.arrays,
            steps_of(x),
            ints([address_of(x)]),
            dy.reshape(-1, channels),
            part,
        ),
        np.empty(0, x.dtype),
    )
    return np.asarray(part.sum(0, dtype=x.dtype))
