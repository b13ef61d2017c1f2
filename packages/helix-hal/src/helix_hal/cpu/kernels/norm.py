"""RMSNorm and LayerNorm over the last axis, forward and backward, residual add fused.

Arrays are (rows, features); callers flatten leading axes. The forward pass keeps one
number a row for the backward pass (two for LayerNorm), never the normalised input.
Rows are cut into a fixed number of blocks, each with its own partial weight gradient,
which are added in block order: results do not depend on the thread count.

A gradient that is larger than the caches is written past them: to fetch its old content
first would be a quarter of all traffic.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.jit import device_function, kernel
from helix_hal.cpu.kernels.simd import (
    BYTES,
    add,
    fma,
    lane_sum,
    load,
    mul,
    past_caches,
    splat,
    store,
    sub,
    write,
)
from helix_hal.cpu.launch import launch

__all__ = [
    "layer_norm_backward",
    "layer_norm_forward",
    "rms_norm_backward",
    "rms_norm_forward",
]

Array = NDArray[Any]

_BLOCKS, _BLOCK_SIZE = 128, 1 << 13


def _rows_per_block(rows: int, features: int) -> int:
    """At most 128 blocks, and none too small to be worth a launch."""
    return max(-(-rows // _BLOCKS), _BLOCK_SIZE // max(1, features), 1)


@device_function
def _joined(row, whole, lanes, x, residual, h):
    """``h = x + residual`` of a row, which the next loops find in cache."""
    features = x.shape[1]
    at = row * features
    for j in range(at, at + whole, lanes):
        store(h, j, add(load(x, j), load(residual, j)))
    for j in range(whole, features):
        h[row, j] = x[row, j] + residual[row, j]


@kernel
def _rms_forward(lo, hi, step, eps, x, residual, weight, h, y, rstd):
    features, real = x.shape[1], x.dtype.type
    lanes = BYTES // x.itemsize
    whole = features // lanes * lanes
    for row in range(lo * step, min(hi * step, x.shape[0])):
        if residual is not None:
            _joined(row, whole, lanes, x, residual, h)
        at = row * features
        squares = splat(real(0))
        for j in range(at, at + whole, lanes):
            v = load(h, j)
            squares = fma(v, v, squares)
        total = lane_sum(squares)
        for j in range(whole, features):
            total += h[row, j] * h[row, j]
        inverse = real(1) / np.sqrt(total / real(features) + eps)
        rstd[row] = inverse
        r = splat(inverse)
        for j in range(0, whole, lanes):
            store(y, at + j, mul(mul(load(h, at + j), r), load(weight, j)))
        for j in range(whole, features):
            y[row, j] = h[row, j] * inverse * weight[j]


@kernel
def _rms_backward(lo, hi, step, x, weight, rstd, dy, dh, dx, dw, past):
    features, real = x.shape[1], x.dtype.type
    lanes = BYTES // x.itemsize
    whole = features // lanes * lanes
    for block in range(lo, hi):
        dw[block] = 0
        to = block * features
        for row in range(block * step, min(block * step + step, x.shape[0])):
            at = row * features
            dots = splat(real(0))
            for j in range(0, whole, lanes):
                g = mul(load(dy, at + j), load(weight, j))
                dots = fma(g, load(x, at + j), dots)
            dot = lane_sum(dots)
            for j in range(whole, features):
                dot += dy[row, j] * weight[j] * x[row, j]
            inverse = rstd[row]
            shrink = dot * inverse * inverse / real(features)
            r, s = splat(inverse), splat(shrink)
            for j in range(0, whole, lanes):
                g, v = load(dy, at + j), load(x, at + j)
                store(dw, to + j, fma(g, mul(v, r), load(dw, to + j)))
                out = mul(r, sub(mul(g, load(weight, j)), mul(v, s)))
                if dh is not None:
                    out = add(out, load(dh, at + j))
                write(dx, at + j, out, past)
            for j in range(whole, features):
                g, v = dy[row, j], x[row, j]
                dw[block, j] += g * v * inverse
                out = inverse * (g * weight[j] - v * shrink)
                if dh is not None:
                    out += dh[row, j]
                dx[row, j] = out


@kernel
def _layer_forward(lo, hi, step, eps, x, residual, weight, bias, h, y, mean, rstd):
    features, real = x.shape[1], x.dtype.type
    lanes = BYTES // x.itemsize
    whole = features // lanes * lanes
    for row in range(lo * step, min(hi * step, x.shape[0])):
        if residual is not None:
            _joined(row, whole, lanes, x, residual, h)
        at = row * features
        sums, squares = splat(real(0)), splat(real(0))
        for j in range(at, at + whole, lanes):
            sums = add(load(h, j), sums)
        total = lane_sum(sums)
        for j in range(whole, features):
            total += h[row, j]
        centre = total / real(features)
        c = splat(centre)
        for j in range(at, at + whole, lanes):
            v = sub(load(h, j), c)
            squares = fma(v, v, squares)
        total = lane_sum(squares)
        for j in range(whole, features):
            total += (h[row, j] - centre) * (h[row, j] - centre)
        inverse = real(1) / np.sqrt(total / real(features) + eps)
        mean[row], rstd[row] = centre, inverse
        r = splat(inverse)
        for j in range(0, whole, lanes):
            v = mul(sub(load(h, at + j), c), r)
            store(y, at + j, fma(v, load(weight, j), load(bias, j)))
        for j in range(whole, features):
            y[row, j] = (h[row, j] - centre) * inverse * weight[j] + bias[j]


@kernel
def _layer_backward(lo, hi, step, x, weight, mean, rstd, dy, dh, dx, dw, db, past):
    features, real = x.shape[1], x.dtype.type
    lanes = BYTES // x.itemsize
    whole = features // lanes * lanes
    for block in range(lo, hi):
        dw[block] = 0
        db[block] = 0
        to = block * features
        for row in range(block * step, min(block * step + step, x.shape[0])):
            at = row * features
            centre, inverse = mean[row], rstd[row]
            c, r = splat(centre), splat(inverse)
            sums, dots = splat(real(0)), splat(real(0))
            for j in range(0, whole, lanes):
                g = mul(load(dy, at + j), load(weight, j))
                sums = add(g, sums)
                dots = fma(g, mul(sub(load(x, at + j), c), r), dots)
            total, dot = lane_sum(sums), lane_sum(dots)
            for j in range(whole, features):
                g = dy[row, j] * weight[j]
                total += g
                dot += g * ((x[row, j] - centre) * inverse)
            total /= real(features)
            dot /= real(features)
            t, d = splat(total), splat(dot)
            for j in range(0, whole, lanes):
                g, v = load(dy, at + j), mul(sub(load(x, at + j), c), r)
                store(dw, to + j, fma(g, v, load(dw, to + j)))
                store(db, to + j, add(g, load(db, to + j)))
                g = sub(mul(g, load(weight, j)), t)
                out = mul(r, sub(g, mul(v, d)))
                if dh is not None:
                    out = add(out, load(dh, at + j))
                write(dx, at + j, out, past)
            for j in range(whole, features):
                g, v = dy[row, j], (x[row, j] - centre) * inverse
                dw[block, j] += g * v
                db[block, j] += g
                out = inverse * (g * weight[j] - total - v * dot)
                if dh is not None:
                    out += dh[row, j]
                dx[row, j] = out


def rms_norm_forward(
    x: Array, weight: Array, residual: Array | None = None, *, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """``y = h / sqrt(mean(h^2) + eps) * weight`` with ``h = x + residual``.

    Parameters
    ----------
    x : ndarray, shape (rows, features), float32 or float64, C-contiguous
    weight : ndarray, shape (features,), dtype of `x`
    residual : ndarray, shape (rows, features), optional
    eps : float

    Returns
    -------
    y : ndarray, shape (rows, features)
    rstd : ndarray, shape (rows,)
        ``1 / sqrt(mean(h^2) + eps)``, kept for the backward pass.
    h : ndarray, shape (rows, features)
        The new residual stream; `x` itself without `residual`.

    References
    ----------
    Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019.
    """
    rows, features = x.shape
    step = _rows_per_block(rows, features)
    y = pool.empty(x.shape, x.dtype)
    rstd = pool.empty(rows, x.dtype)
    h = x if residual is None else pool.empty(x.shape, x.dtype)
    launch(
        *(_rms_forward, -(-rows // step), step, x.dtype.type(eps)),
        *(x, residual, weight, h, y, rstd),
    )
    return y, rstd, h


def rms_norm_backward(
    h: Array, weight: Array, rstd: Array, dy: Array, dh: Array | None = None
) -> tuple[Array, Array]:
    """Gradients of `rms_norm_forward`.

    Parameters
    ----------
    h : ndarray, shape (rows, features)
        What was normalised: `x`, or ``x + residual``.
    weight, rstd : ndarray, shapes (features,) and (rows,)
    dy : ndarray, shape (rows, features)
    dh : ndarray, shape (rows, features), optional
        Gradient that reaches `h` by its other use, the residual stream.

    Returns
    -------
    dx : ndarray, shape (rows, features)
        For `x` and for `residual` alike.
    dweight : ndarray, shape (features,)
    """
    rows, features = h.shape
    step = _rows_per_block(rows, features)
    blocks = -(-rows // step)
    dx = pool.empty(h.shape, h.dtype)
    partial = pool.empty((blocks, features), h.dtype)
    launch(
        *(_rms_backward, blocks, step, h, weight, rstd, dy, dh, dx, partial),
        past_caches(dx),
    )
    return dx, partial.sum(axis=0, dtype=h.dtype)


def layer_norm_forward(
    x: Array,
    weight: Array,
    bias: Array,
    residual: Array | None = None,
    *,
    eps: float = 1e-5,
) -> tuple[Array, Array, Array, Array]:
    """``y = (h - mean(h)) / sqrt(var(h) + eps) * weight + bias``.

    Parameters
    ----------
    x : ndarray, shape (rows, features), float32 or float64, C-contiguous
    weight, bias : ndarray, shape (features,), dtype of `x`
    residual : ndarray, shape (rows, features), optional
        ``h = x + residual``.
    eps : float

    Returns
    -------
    y : ndarray, shape (rows, features)
    mean, rstd : ndarray, shape (rows,)
    h : ndarray, shape (rows, features)
        The new residual stream; `x` itself without `residual`.

    References
    ----------
    Ba, Kiros and Hinton, "Layer Normalization", 2016.
    """
    rows, features = x.shape
    step = _rows_per_block(rows, features)
    y = pool.empty(x.shape, x.dtype)
    mean = pool.empty(rows, x.dtype)
    rstd = pool.empty(rows, x.dtype)
    h = x if residual is None else pool.empty(x.shape, x.dtype)
    launch(
        *(_layer_forward, -(-rows // step), step, x.dtype.type(eps)),
        *(x, residual, weight, bias, h, y, mean, rstd),
    )
    return y, mean, rstd, h


def layer_norm_backward(
    h: Array,
    weight: Array,
    mean: Array,
    rstd: Array,
    dy: Array,
    dh: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Gradients of `layer_norm_forward`.

    Parameters
    ----------
    h : ndarray, shape (rows, features)
        What was normalised: `x`, or ``x + residual``.
    weight : ndarray, shape (features,)
    mean, rstd : ndarray, shape (rows,)
    dy : ndarray, shape (rows, features)
    dh : ndarray, shape (rows, features), optional
        Gradient that reaches `h` by its other use, the residual stream.

    Returns
    -------
    dx : ndarray, shape (rows, features)
        For `x` and for `residual` alike.
    dweight, dbias : ndarray, shape (features,)
    """
    rows, features = h.shape
    step = _rows_per_block(rows, features)
    blocks = -(-rows // step)
    dx = pool.empty(h.shape, h.dtype)
    dw = pool.empty((blocks, features), h.dtype)
    db = pool.empty((blocks, features), h.dtype)
    launch(
        *(_layer_backward, blocks, step, h, weight, mean, rstd, dy, dh, dx, dw, db),
        past_caches(dx),
    )
    return dx, dw.sum(axis=0, dtype=h.dtype), db.sum(axis=0, dtype=h.dtype)
