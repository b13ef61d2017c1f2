"""Maximum and mean of windows, over channels-last arrays.

The channels of a pixel are one run, which the loops walk; windows are looked at place by
place, so that any stride, dilation and border costs the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu.jit import device_function, kernel
from helix_hal.cpu.launch import launch

__all__ = ["max_backward", "max_forward", "mean_backward", "mean_forward"]

Array = NDArray[Any]

_CHANNELS = 64  # of a task of the backward passes


@device_function
def _real(place, axis, geometry, sizes):
    """First and one past the last tap of an axis that fall inside."""
    window, stride, low, step = (
        geometry[0, axis],
        geometry[1, axis],
        geometry[2, axis],
        geometry[3, axis],
    )
    begin = place * stride - low
    first = max(0, -(begin // step)) if begin < 0 else 0
    past = min(window, (sizes[axis] - 1 - begin) // step + 1)
    return begin, first, past


@kernel
def _max_forward(lo, hi, geometry, sizes, places, x, y, where):
    channels = x.shape[2]
    for task in range(lo, hi):
        rest = task
        px, rest = rest % places[2], rest // places[2]
        py, rest = rest % places[1], rest // places[1]
        pz, n = rest % places[0], rest // places[0]
        z0, z1, z2 = _real(pz, 0, geometry, sizes)
        y0, y1, y2 = _real(py, 1, geometry, sizes)
        x0, x1, x2 = _real(px, 2, geometry, sizes)
        best, at = y[task], where[task]
        found = False
        for i in range(z1, z2):
            for j in range(y1, y2):
                for k in range(x1, x2):
                    row = (z0 + i * geometry[3, 0]) * sizes[1] + y0 + j * geometry[3, 1]
                    pixel = row * sizes[2] + x0 + k * geometry[3, 2]
                    here, index = x[n, pixel], np.int32(pixel)
                    if not found:
                        found = True
                        for c in range(channels):
                            best[c] = here[c]
                            at[c] = index
                        continue
                    for c in range(channels):
                        v, b = here[c], best[c]
                        take = (v > b) | ((v != v) & (b == b))
                        best[c] = v if take else b
                        at[c] = index if take else at[c]
        if not found:
            best[:] = -np.inf
            at[:] = -1


@kernel
def _max_backward(lo, hi, parts, where, dy, dx):
    channels, count = dx.shape[2], dy.shape[1]
    for task in range(lo, hi):
        n, part = task // parts, task % parts
        first = part * _CHANNELS
        last = min(channels, first + _CHANNELS)
        out = dx[n]
        for pixel in range(out.shape[0]):
            out[pixel, first:last] = 0
        for p in range(count):
            g, at = dy[n, p], where[n, p]
            for c in range(first, last):
                if at[c] >= 0:
                    out[at[c], c] += g[c]


@kernel
def _mean_forward(lo, hi, geometry, sizes, places, sz, sy, sx, x, y):
    channels = x.shape[2]
    for task in range(lo, hi):
        rest = task
        px, rest = rest % places[2], rest // places[2]
        py, rest = rest % places[1], rest // places[1]
        pz, n = rest % places[0], rest // places[0]
        z0, z1, z2 = _real(pz, 0, geometry, sizes)
        y0, y1, y2 = _real(py, 1, geometry, sizes)
        x0, x1, x2 = _real(px, 2, geometry, sizes)
        total = y[task]
        total[:] = 0
        for i in range(z1, z2):
            for j in range(y1, y2):
                for k in range(x1, x2):
                    row = (z0 + i * geometry[3, 0]) * sizes[1] + y0 + j * geometry[3, 1]
                    here = x[n, row * sizes[2] + x0 + k * geometry[3, 2]]
                    for c in range(channels):
                        total[c] += here[c]
        share = sz[pz % len(sz)] * sy[py % len(sy)] * sx[px % len(sx)]
        for c in range(channels):
            total[c] *= share


@kernel
def _mean_backward(lo, hi, parts, geometry, sizes, places, sz, sy, sx, dy, dx):
    channels = dx.shape[2]
    for task in range(lo, hi):
        n, part = task // parts, task % parts
        first = part * _CHANNELS
        last = min(channels, first + _CHANNELS)
        out = dx[n]
        for pixel in range(out.shape[0]):
            out[pixel, first:last] = 0
        p = 0
        for pz in range(places[0]):
            z0, z1, z2 = _real(pz, 0, geometry, sizes)
            for py in range(places[1]):
                y0, y1, y2 = _real(py, 1, geometry, sizes)
                for px in range(places[2]):
                    x0, x1, x2 = _real(px, 2, geometry, sizes)
                    share = sz[pz % len(sz)] * sy[py % len(sy)] * sx[px % len(sx)]
                    g = dy[n, p, first:last]
                    p += 1
                    for i in range(z1, z2):
                        for j in range(y1, y2):
                            for k in range(x1, x2):
                                row = (z0 + i * geometry[3, 0]) * sizes[1]
                                row += y0 + j * geometry[3, 1]
                                pixel = row * sizes[2] + x0 + k * geometry[3, 2]
                                to = out[pixel, first:last]
                                for c in range(last - first):
                                    to[c] += g[c] * share


def _geometry(at: Any) -> Array:
    """Window, stride, low padding and dilation of three axes."""
    window, strides, padding, dilation = at
    some = 3 - len(window)
    rows = [window, strides, [lo for lo, _ in padding], dilation]
    fill = (1, 1, 0, 1)
    return np.array([[f] * some + list(r) for f, r in zip(fill, rows, strict=True)])


def _three(sizes: Any) -> Array:
    return np.array([1] * (3 - len(sizes)) + list(sizes), np.int64)


def max_forward(x: Array, y: Array, where: Array, sizes: Any, at: Any) -> None:
    """Maxima of windows, and where in the image each lies (-1: only border).

    Parameters
    ----------
    x : ndarray, shape (batch, pixels, channels), C-contiguous
    y, where : ndarray, shape (batch, *places, channels), C-contiguous
        `where` int32.
    sizes : of the image
    at : window, strides, padding (low, high) and dilation, by axis
    """
    channels, places = y.shape[-1], y.shape[1:-1]
    launch(
        *(_max_forward, y.size // channels, _geometry(at), _three(sizes)),
        *(_three(places), x, y.reshape(-1, channels), where.reshape(-1, channels)),
        grain=max(1, (1 << 12) // channels),
    )


def max_backward(where: Array, dy: Array, dx: Array) -> None:
    """Write the cotangents to where the maxima were, adding.

    Parameters
    ----------
    where, dy : ndarray, shape (batch, places, channels), C-contiguous
    dx : ndarray, shape (batch, pixels, channels), C-contiguous
    """
    parts = -(-dx.shape[2] // _CHANNELS)
    launch(_max_backward, dx.shape[0] * parts, parts, where, dy, dx)


def mean_forward(x: Array, y: Array, sizes: Any, at: Any, shares: Any) -> None:
    """Sums of windows times their shares, which are products of one factor an axis."""
    channels, places = y.shape[-1], y.shape[1:-1]
    launch(
        *(_mean_forward, y.size // channels, _geometry(at), _three(sizes)),
        *(_three(places), *_factors(shares, x.dtype), x, y.reshape(-1, channels)),
        grain=max(1, (1 << 12) // channels),
    )


def mean_backward(dy: Array, dx: Array, sizes: Any, at: Any, shares: Any) -> None:
    """The gradient of `mean_forward`; dy is (batch, *places, channels)."""
    channels, places = dy.shape[-1], dy.shape[1:-1]
    parts = -(-channels // _CHANNELS)
    launch(
        *(_mean_backward, dx.shape[0] * parts, parts, _geometry(at), _three(sizes)),
        *(_three(places), *_factors(shares, dx.dtype)),
        *(dy.reshape(dy.shape[0], -1, channels), dx),
    )


def _factors(shares: Any, dtype: Any) -> list[Array]:
    ones = [np.ones(1)] * (3 - len(shares))
    return [np.asarray(s, dtype) for s in (*ones, *shares)]
