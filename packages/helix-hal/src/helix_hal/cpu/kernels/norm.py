"""RMSNorm and LayerNorm over the last axis, forward and backward, residual add fused.

Arrays are (rows, features); callers flatten leading axes. The forward pass keeps one
number a row for the backward pass (two for LayerNorm), never the normalised input.
Rows are cut into a fixed number of blocks, each with its own partial weight gradient,
which are added in block order: results do not depend on the thread count.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.jit import kernel
from helix_hal.cpu.launch import launch

__all__ = [
    "layer_norm_backward",
    "layer_norm_forward",
    "rms_norm_backward",
    "rms_norm_forward",
]

Array = NDArray[Any]

# Sums may be reordered into vector lanes; NaN and infinity keep their meaning.
_SUM = {"reassoc", "contract", "nsz", "arcp"}
_BLOCKS, _BLOCK_SIZE = 128, 1 << 13


def _rows_per_block(rows: int, features: int) -> int:
    """At most 128 blocks, and none too small to be worth a launch."""
    return max(-(-rows // _BLOCKS), _BLOCK_SIZE // max(1, features), 1)


@kernel(fastmath=_SUM)
def _rms_forward(lo, hi, step, eps, x, residual, weight, h, y, rstd):
    features = x.shape[1]
    scale = x.dtype.type(1.0 / features)
    for row in range(lo * step, min(hi * step, x.shape[0])):
        xs = x[row]
        ys = y[row]
        total = x.dtype.type(0)
        if residual is not None:
            hs = h[row]
            rs = residual[row]
            for j in range(features):
                value = xs[j] + rs[j]
                hs[j] = value
                total += value * value
            xs = hs
        else:
            for j in range(features):
                total += xs[j] * xs[j]
        inverse = x.dtype.type(1) / np.sqrt(total * scale + eps)
        rstd[row] = inverse
        for j in range(features):
            ys[j] = xs[j] * inverse * weight[j]


@kernel(fastmath=_SUM)
def _rms_backward(lo, hi, step, x, weight, rstd, dy, dh, dx, partial):
    features = x.shape[1]
    scale = x.dtype.type(1.0 / features)
    for block in range(lo, hi):
        dw = partial[block]
        dw[:] = 0
        for row in range(block * step, min(block * step + step, x.shape[0])):
            xs = x[row]
            gs = dy[row]
            out = dx[row]
            inverse = rstd[row]
            dot = x.dtype.type(0)
            for j in range(features):
                product = gs[j] * xs[j]
                dot += product * weight[j]
                dw[j] += product * inverse
            shrink = dot * inverse * inverse * scale
            if dh is not None:
                hs = dh[row]
                for j in range(features):
                    out[j] = hs[j] + inverse * (gs[j] * weight[j] - xs[j] * shrink)
            else:
                for j in range(features):
                    out[j] = inverse * (gs[j] * weight[j] - xs[j] * shrink)


@kernel(fastmath=_SUM)
def _layer_forward(lo, hi, step, eps, x, residual, weight, bias, h, y, mean, rstd):
    features = x.shape[1]
    scale = x.dtype.type(1.0 / features)
    for row in range(lo * step, min(hi * step, x.shape[0])):
        xs = x[row]
        ys = y[row]
        total = x.dtype.type(0)
        if residual is not None:
            hs = h[row]
            rs = residual[row]
            for j in range(features):
                value = xs[j] + rs[j]
                hs[j] = value
                total += value
            xs = hs
        else:
            for j in range(features):
                total += xs[j]
        centre = total * scale
        total = x.dtype.type(0)
        for j in range(features):
            value = xs[j] - centre
            total += value * value
        inverse = x.dtype.type(1) / np.sqrt(total * scale + eps)
        mean[row] = centre
        rstd[row] = inverse
        if bias is not None:
            for j in range(features):
                ys[j] = (xs[j] - centre) * inverse * weight[j] + bias[j]
        else:
            for j in range(features):
                ys[j] = (xs[j] - centre) * inverse * weight[j]


@kernel(fastmath=_SUM)
def _layer_backward(
    lo, hi, step, x, weight, mean, rstd, dy, dh, dx, partial, partial_bias
):
    features = x.shape[1]
    scale = x.dtype.type(1.0 / features)
    for block in range(lo, hi):
        dw = partial[block]
        dw[:] = 0
        if partial_bias is not None:
            db = partial_bias[block]
            db[:] = 0
        for row in range(block * step, min(block * step + step, x.shape[0])):
            xs = x[row]
            gs = dy[row]
            out = dx[row]
            inverse = rstd[row]
            centre = mean[row]
            dot = x.dtype.type(0)
            total = x.dtype.type(0)
            for j in range(features):
                g = gs[j] * weight[j]
                normal = (xs[j] - centre) * inverse
                total += g
                dot += g * normal
                dw[j] += gs[j] * normal
            if partial_bias is not None:
                for j in range(features):
                    db[j] += gs[j]
            total *= scale
            dot *= scale
            if dh is not None:
                hs = dh[row]
                for j in range(features):
                    normal = (xs[j] - centre) * inverse
                    g = gs[j] * weight[j]
                    out[j] = hs[j] + inverse * (g - total - normal * dot)
            else:
                for j in range(features):
                    normal = (xs[j] - centre) * inverse
                    g = gs[j] * weight[j]
                    out[j] = inverse * (g - total - normal * dot)


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
    target = None if residual is None else h
    launch(
        *(_rms_forward, -(-rows // step), step, x.dtype.type(eps)),
        *(x, residual, weight, target, y, rstd),
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
    launch(_rms_backward, blocks, step, h, weight, rstd, dy, dh, dx, partial)
    return dx, partial.sum(axis=0, dtype=h.dtype)


def layer_norm_forward(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    residual: Array | None = None,
    *,
    eps: float = 1e-5,
) -> tuple[Array, Array, Array, Array]:
    """``y = (h - mean(h)) / sqrt(var(h) + eps) * weight + bias``.

    Parameters
    ----------
    x : ndarray, shape (rows, features), float32 or float64, C-contiguous
    weight : ndarray, shape (features,), dtype of `x`
    bias : ndarray, shape (features,), optional
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
    target = None if residual is None else h
    launch(
        *(_layer_forward, -(-rows // step), step, x.dtype.type(eps)),
        *(x, residual, weight, bias, target, y, mean, rstd),
    )
    return y, mean, rstd, h


def layer_norm_backward(
    h: Array,
    weight: Array,
    mean: Array,
    rstd: Array,
    dy: Array,
    dh: Array | None = None,
    *,
    bias: bool = True,
) -> tuple[Array, Array, Array | None]:
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
    bias : bool
        Whether the gradient of the bias is wanted.

    Returns
    -------
    dx : ndarray, shape (rows, features)
        For `x` and for `residual` alike.
    dweight : ndarray, shape (features,)
    dbias : ndarray, shape (features,), or None
    """
    rows, features = h.shape
    step = _rows_per_block(rows, features)
    blocks = -(-rows // step)
    dx = pool.empty(h.shape, h.dtype)
    partial = pool.empty((blocks, features), h.dtype)
    partial_bias = pool.empty((blocks, features), h.dtype) if bias else None
    launch(
        *(_layer_backward, blocks, step, h, weight, mean, rstd, dy, dh, dx),
        *(partial, partial_bias),
    )
    dbias = None if partial_bias is None else partial_bias.sum(axis=0, dtype=h.dtype)
    return dx, partial.sum(axis=0, dtype=h.dtype), dbias
