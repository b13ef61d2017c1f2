"""Softmax and log-softmax over the last axis, forward and backward.

Arrays are (rows, classes); callers flatten leading axes. A row is read from memory once
and its later passes find it in cache. A row of -inf only gives NaN, as in NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.jit import Jitted, device_function, intrinsic, kernel
from helix_hal.cpu.kernels.elementwise import exp32, exp64
from helix_hal.cpu.kernels.simd import (
    BYTES,
    fma,
    lane_sum,
    load,
    mul,
    past_caches,
    splat,
    sub,
    write,
)
from helix_hal.cpu.launch import launch

__all__ = [
    "log_softmax_backward",
    "log_softmax_forward",
    "row_max",
    "softmax_backward",
    "softmax_forward",
]

Array = NDArray[Any]

# Sums may be reordered into vector lanes; NaN and infinity keep their meaning.
SUM = {"reassoc", "contract", "nsz", "arcp"}
_BLOCK_BYTES = 1 << 16


@intrinsic
def _max(typingctx, a, b):
    """The larger of two floats; either one if one is NaN."""
    from llvmlite import ir

    def codegen(context, builder, signature, args):
        real = args[0].type
        name = f"llvm.maxnum.{'f32' if isinstance(real, ir.FloatType) else 'f64'}"
        function_type = ir.FunctionType(real, (real, real))
        function = builder.module.declare_intrinsic(name, fnty=function_type)
        return builder.call(function, args, fastmath=("nnan", "nsz"))

    return a(a, a), codegen


@device_function
def row_max(xs):
    """The largest element of a row; any number if the row holds NaN.

    Giving up on NaN is what lets LLVM keep eight maxima at once. It does no harm here:
    the exponential of that NaN still makes the row's sum NaN.
    """
    largest = xs[0]
    for j in range(1, xs.size):
        largest = _max(largest, xs[j])
    return largest


def _softmax(exp: Jitted) -> Jitted:
    @kernel(fastmath=SUM)
    def forward(lo, hi, step, x, y):
        for row in range(lo * step, min(hi * step, x.shape[0])):
            xs = x[row]
            ys = y[row]
            largest = row_max(xs)
            total = x.dtype.type(0)
            for j in range(xs.size):
                value = exp(xs[j] - largest)
                ys[j] = value
                total += value
            scale = x.dtype.type(1) / total
            for j in range(xs.size):
                ys[j] *= scale

    return forward


@kernel
def _softmax_gradient(lo, hi, step, y, dy, dx, past):
    classes = y.shape[1]
    lanes = BYTES // y.itemsize
    whole = classes // lanes * lanes
    for row in range(lo * step, min(hi * step, y.shape[0])):
        at = row * classes
        dots = splat(y.dtype.type(0))
        for j in range(at, at + whole, lanes):
            dots = fma(load(y, j), load(dy, j), dots)
        dot = lane_sum(dots)
        for j in range(whole, classes):
            dot += y[row, j] * dy[row, j]
        d = splat(dot)
        for j in range(at, at + whole, lanes):
            write(dx, j, mul(load(y, j), sub(load(dy, j), d)), past)
        for j in range(whole, classes):
            dx[row, j] = y[row, j] * (dy[row, j] - dot)


def _log_softmax(exp: Jitted) -> Jitted:
    @kernel(fastmath=SUM)
    def forward(lo, hi, step, x, y):
        for row in range(lo * step, min(hi * step, x.shape[0])):
            xs = x[row]
            ys = y[row]
            largest = row_max(xs)
            total = x.dtype.type(0)
            for j in range(xs.size):
                total += exp(xs[j] - largest)
            shift = np.log(total)
            for j in range(xs.size):
                ys[j] = (xs[j] - largest) - shift

    return forward


def _log_softmax_gradient(exp: Jitted) -> Jitted:
    @kernel(fastmath=SUM)
    def backward(lo, hi, step, y, dy, dx):
        for row in range(lo * step, min(hi * step, y.shape[0])):
            ys = y[row]
            gs = dy[row]
            out = dx[row]
            total = y.dtype.type(0)
            for j in range(ys.size):
                total += gs[j]
            for j in range(ys.size):
                out[j] = gs[j] - exp(ys[j]) * total

    return backward


_F32, _F64 = np.dtype(np.float32), np.dtype(np.float64)
_FORWARD = {_F32: _softmax(exp32), _F64: _softmax(exp64)}
_LOG_FORWARD = {_F32: _log_softmax(exp32), _F64: _log_softmax(exp64)}
_LOG_BACKWARD = {_F32: _log_softmax_gradient(exp32), _F64: _log_softmax_gradient(exp64)}


def _by_rows(run: Jitted, *arrays: Array, past: bool = False) -> Array:
    """Run over row blocks of about 64 KiB; the last array is made here and returned."""
    first = arrays[0]
    out = pool.empty(first.shape, first.dtype)
    if first.size:
        rows, classes = first.shape
        step = max(1, _BLOCK_BYTES // (classes * first.itemsize))
        extra = (past_caches(out),) if past else ()
        launch(run, -(-rows // step), step, *arrays, out, *extra)
    return out


def softmax_forward(x: Array) -> Array:
    """``exp(x) / sum(exp(x))`` along the last axis, shifted by the maximum.

    Parameters
    ----------
    x : ndarray, shape (rows, classes), float32 or float64, C-contiguous

    Returns
    -------
    ndarray, shape (rows, classes)
    """
    return _by_rows(_FORWARD[x.dtype], x)


def softmax_backward(y: Array, dy: Array) -> Array:
    """Gradient of `softmax_forward` from its output `y`: ``y (dy - sum(y dy))``."""
    return _by_rows(_softmax_gradient, y, dy, past=True)


def log_softmax_forward(x: Array) -> Array:
    """``x - max - log(sum(exp(x - max)))`` along the last axis.

    Parameters
    ----------
    x : ndarray, shape (rows, classes), float32 or float64, C-contiguous

    Returns
    -------
    ndarray, shape (rows, classes)
    """
    return _by_rows(_LOG_FORWARD[x.dtype], x)


def log_softmax_backward(y: Array, dy: Array) -> Array:
    """Gradient of `log_softmax_forward` from `y`: ``dy - exp(y) sum(dy)``."""
    return _by_rows(_LOG_BACKWARD[y.dtype], y, dy)
