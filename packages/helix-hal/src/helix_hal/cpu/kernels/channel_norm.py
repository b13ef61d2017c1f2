"""Norms of channels over channels-last arrays: batch, group and instance norm.

All of them are ``scale x + shift`` by channel, of the whole batch or of each example,
and so are their gradients: ``a g + b x + c``. What differs is how the few numbers come
from sums over pixels. ReLU and a residual that is added before it are part of the pass.

Pixels are cut into blocks by the shape alone; a block sums in float32 around a pivot of
its channel, and blocks are added in float64: the same bits for any number of threads.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.jit import Jitted, kernel
from helix_hal.cpu.kernels.simd import (
    BYTES,
    add,
    fma,
    load,
    mul,
    operation,
    row_access,
    splat,
    store,
    sub,
)
from helix_hal.cpu.launch import launch

__all__ = ["apply", "back", "dots", "moments"]

Array = NDArray[Any]

_BLOCKS, _BLOCK_SIZE = 128, 1 << 13
_GROUP = 4  # vectors of channels whose sums stay in registers


def _kept(_: Any, builder: Any, g: Any, y: Any) -> Any:
    from llvmlite import ir

    zero = ir.Constant(y.type, None)
    return builder.select(builder.fcmp_ordered(">", y, zero), g, zero)


def _rectified(_: Any, builder: Any, y: Any) -> Any:
    from llvmlite import ir

    zero = ir.Constant(y.type, None)
    return builder.select(builder.fcmp_ordered("<=", y, zero), zero, y)


kept = operation("kept", 2, _kept, "g where y is positive, else 0.")
rectified = operation("rectified", 1, _rectified, "0 where y is at most 0, else y.")


@cache
def _summing(count: int, dots: bool, relu: bool) -> Jitted:
    """Sums over the rows of a block, of `count` vectors of channels a time."""
    access = row_access(count)
    rows_at, keep, fill = access.load, access.store, access.fill

    @kernel
    def run(lo, hi, size, x, g, y, pivot, sums, products):
        pixels, channels, step, blocks = size[0], size[1], size[2], size[3]
        first, last = size[4], size[5]  # of the channels
        lanes = BYTES // x.itemsize
        zero = fill(splat(x.dtype.type(0)))
        for task in range(lo, hi):
            item, block = task // blocks, task % blocks
            begin = item * pixels + block * step
            end = min((item + 1) * pixels, begin + step)
            for j in range(first, last, count * lanes):
                centre = rows_at(pivot, item * channels + j, lanes)
                total, product = zero, zero
                for row in range(begin, end):
                    at = row * channels + j
                    d = sub(rows_at(x, at, lanes), centre)
                    if dots:
                        ct = rows_at(g, at, lanes)
                        if relu:
                            ct = kept(ct, rows_at(y, at, lanes))
                        total, product = add(total, ct), fma(ct, d, product)
                    else:
                        total, product = add(total, d), fma(d, d, product)
                keep(sums, task * channels + j, lanes, total)
                keep(products, task * channels + j, lanes, product)
            if last < channels // lanes * lanes:
                continue  # another launch has the rest
            for j in range(last, channels):
                sum_, square = x.dtype.type(0), x.dtype.type(0)
                for row in range(begin, end):
                    at = row * channels + j
                    d = x[at] - pivot[item * channels + j]
                    ct = d
                    if dots:
                        ct = g[at]
                        if relu and not y[at] > 0:
                            ct = x.dtype.type(0)
                    sum_ += ct
                    square += ct * d
                sums[task * channels + j] = sum_
                products[task * channels + j] = square

    return run


@cache
def _applying(relu: bool, residual: bool) -> Jitted:
    @kernel
    def run(lo, hi, size, x, scale, shift, res, y):
        pixels, channels, step, blocks = size[0], size[1], size[2], size[3]
        lanes = BYTES // x.itemsize
        whole = channels // lanes * lanes
        for task in range(lo, hi):
            item, block = task // blocks, task % blocks
            home = item * channels
            begin = item * pixels + block * step
            for row in range(begin, min((item + 1) * pixels, begin + step)):
                at = row * channels
                for j in range(0, whole, lanes):
                    a, b = load(scale, home + j), load(shift, home + j)
                    v = fma(load(x, at + j), a, b)
                    if residual:
                        v = add(v, load(res, at + j))
                    if relu:
                        v = rectified(v)
                    store(y, at + j, v)
                for j in range(whole, channels):
                    w = x[at + j] * scale[home + j] + shift[home + j]
                    if residual:
                        w += res[at + j]
                    if relu and w <= 0:
                        w = x.dtype.type(0)
                    y[at + j] = w

    return run


@cache
def _returning(relu: bool, residual: bool) -> Jitted:
    @kernel
    def run(lo, hi, size, x, g, y, a, b, c, dx, dres):
        pixels, channels, step, blocks = size[0], size[1], size[2], size[3]
        lanes = BYTES // x.itemsize
        whole = channels // lanes * lanes
        for task in range(lo, hi):
            item, block = task // blocks, task % blocks
            home = item * channels
            begin = item * pixels + block * step
            for row in range(begin, min((item + 1) * pixels, begin + step)):
                at = row * channels
                for j in range(0, whole, lanes):
                    ct = load(g, at + j)
                    if relu:
                        ct = kept(ct, load(y, at + j))
                    if residual:
                        store(dres, at + j, ct)
                    v = fma(load(x, at + j), load(b, home + j), load(c, home + j))
                    store(dx, at + j, add(mul(ct, load(a, home + j)), v))
                for j in range(whole, channels):
                    w = g[at + j]
                    if relu and not y[at + j] > 0:
                        w = x.dtype.type(0)
                    if residual:
                        dres[at + j] = w
                    v_ = x[at + j] * b[home + j] + c[home + j]
                    dx[at + j] = w * a[home + j] + v_

    return run


def _cut(items: int, pixels: int, channels: int) -> tuple[int, int]:
    """Rows of a block, and blocks of an item."""
    most = max(1, _BLOCKS // items)
    step = max(-(-pixels // most), _BLOCK_SIZE // channels, 1)
    return step, -(-pixels // step)


def _sums(
    x: Array, g: Array | None, y: Array | None, pivot: Array
) -> tuple[Array, Array]:
    items, pixels, channels = x.shape
    step, blocks = _cut(items, pixels, channels)
    lanes = BYTES // x.itemsize
    sums = np.empty((items * blocks, channels), x.dtype)
    products = np.empty((items * blocks, channels), x.dtype)
    dots, relu = g is not None, y is not None
    flat = [t.reshape(-1) for t in (x, x if g is None else g, x if y is None else y)]
    many = channels // (_GROUP * lanes) * _GROUP * lanes
    whole = channels // lanes * lanes
    for count, first, last in ((_GROUP, 0, many), (1, many, whole)):
        if last > first or (count == 1 and whole < channels):
            size = np.array([pixels, channels, step, blocks, first, last], np.int64)
            launch(
                *(_summing(count, dots, relu), items * blocks, size, *flat),
                *(pivot.reshape(-1), sums.reshape(-1), products.reshape(-1)),
            )
    shape = (items, blocks, channels)
    return (
        sums.reshape(shape).sum(1, dtype=np.float64),
        products.reshape(shape).sum(1, dtype=np.float64),
    )


def moments(x: Array) -> tuple[Array, Array]:
    """Mean and variance of each channel, over the pixels of each item.

    Parameters
    ----------
    x : ndarray, shape (items, pixels, channels), float32 or float64, C-contiguous

    Returns
    -------
    mean, var : ndarray, shape (items, channels), float64
    """
    pivot = np.ascontiguousarray(x[:, 0])
    total, square = _sums(x, None, None, pivot)
    mean = total / x.shape[1]
    var = np.maximum(square / x.shape[1] - mean * mean, 0.0)
    return pivot + mean, var


def dots(x: Array, g: Array, y: Array | None, pivot: Array) -> tuple[Array, Array]:
    """Sums over pixels of the cotangent, and of its product with ``x - pivot``.

    Parameters
    ----------
    x, g : ndarray, shape (items, pixels, channels), C-contiguous
    y : ndarray of that shape, optional
        Where it is not positive the cotangent is 0.
    pivot : ndarray, shape (items, channels), dtype of `x`

    Returns
    -------
    sums, products : ndarray, shape (items, channels), float64
    """
    return _sums(x, g, y, pivot)


def apply(
    x: Array, scale: Array, shift: Array, residual: Array | None, relu: bool, y: Array
) -> None:
    """``y = relu(scale x + shift + residual)``.

    Parameters
    ----------
    x, residual, y : ndarray, shape (items, pixels, channels), C-contiguous
    scale, shift : ndarray, shape (items, channels), dtype of `x`
    """
    items, pixels, channels = x.shape
    step, blocks = _cut(items, pixels, channels)
    size = np.array([pixels, channels, step, blocks], np.int64)
    res = x if residual is None else residual
    launch(
        *(_applying(relu, residual is not None), items * blocks, size, x.reshape(-1)),
        *(scale.reshape(-1), shift.reshape(-1), res.reshape(-1), y.reshape(-1)),
    )


def back(
    x: Array,
    g: Array,
    y: Array | None,
    a: Array,
    b: Array,
    c: Array,
    dx: Array,
    residual: bool,
) -> Array | None:
    """``dx = a g + b x + c``, with g 0 where y is not positive; and that g for a residual.

    Parameters
    ----------
    x, g, y, dx : ndarray, shape (items, pixels, channels), C-contiguous
    a, b, c : ndarray, shape (items, channels), dtype of `x`
    """
    items, pixels, channels = x.shape
    step, blocks = _cut(items, pixels, channels)
    size = np.array([pixels, channels, step, blocks], np.int64)
    relu = y is not None
    dres = pool.empty(x.shape, x.dtype) if residual and relu else dx
    launch(
        *(_returning(relu, residual and relu), items * blocks, size, x.reshape(-1)),
        *(g.reshape(-1), (x if y is None else y).reshape(-1)),
        *(a.reshape(-1), b.reshape(-1), c.reshape(-1)),
        *(dx.reshape(-1), dres.reshape(-1)),
    )
    if not residual:
        return None
    return dres if relu else g
