"""Matrix products in our own tiles, for processors whose BLAS leaves half of them idle.

Threads take tasks from a counter until none is left. The first tasks pack the right
operand, once for all, in panels of two vectors of columns. The others, which wait until
it is packed, are parts of the result: up to eight strips of twelve rows. Their rows of
the left operand are packed and multiplied tile by tile: a panel stays in the first cache
while it meets the strips, which stay in the second.

What is multiplied is float32, float64, or pairs of bfloat16 (see `gemm_pack`), to which
operands of float32 are rounded while they are packed.

Every sum runs in order, in blocks of at most `DEPTH` units whose number depends on the
length of the sum alone: the same bits for any number of threads.

References
----------
Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.jit import Jitted, device_function, kernel
from helix_hal.cpu.kernels.gemm_pack import (
    across,
    straight,
    turned,
    whole_across,
    whole_straight,
    whole_turned,
)
from helix_hal.cpu.kernels.gemm_tile import (
    DEPTH,
    ROWS,
    SLOTS,
    STRIP,
    VECTORS,
    add_row,
    fill_tile,
    load_tile,
    look,
    multiply_columns,
    multiply_rows,
    store_tile,
    take,
)
from helix_hal.cpu.kernels.simd import BYTES, scratch_like, splat
from helix_hal.cpu.kernels.tables import array_at
from helix_hal.cpu.launch import launch
from helix_hal.cpu.threads import get_num_threads

__all__ = ["matmul", "multiply", "products"]

Array = NDArray[Any]

_STRIPS = 8  # of a part of the result, at most: their packed rows fill the second cache
_RESIDENT = 1 << 21  # numbers of a packed operand that stay in the shared cache
_EDGE = 256  # parts of it are multiples of
_TOGETHER = 4  # panels that are packed together, so that whole pages are read
_CHUNK = 64  # units of each at a time
_TASKS = 16  # at least, of a large product
_ALONE = 1 << 21  # multiply-adds that are not worth waking a thread


# -------------------------------------------------------------------- packing operands
@device_function
def _pack_right(task, size, addresses, like, packed):
    """A group of panels of one product; ``size``: see `products`."""
    n, depth, units, padded = size[1], size[2], size[3], size[4]
    along, side = size[7], size[8]
    lanes = BYTES // packed.itemsize
    per, columns = size[13], VECTORS * lanes
    panels = -(-n // columns)
    groups = -(-panels // _TOGETHER)
    item, near = task // groups, task % groups * _TOGETHER
    far = min(panels, near + _TOGETHER)
    b = array_at(addresses[item, 1], 1, like)
    for chunk in range(0, units, _CHUNK):
        stop = min(units, chunk + _CHUNK)
        for q in range(near, far):
            to = (item * panels + q) * padded * columns
            for j in range(VECTORS):
                first = q * columns + j * lanes
                count = max(0, min(lanes, n - first))
                here = to + j * lanes
                if side == 1:
                    for u in range(chunk, stop):
                        start = first + u * per * along
                        if count == lanes and u * per + per <= depth:
                            whole_across(
                                b, start, along, 0, 0, packed, here + u * columns
                            )
                        else:
                            second = count if u * per + per <= depth else 0
                            across(
                                *(b, start, along, count, second),
                                *(packed, here + u * columns),
                            )
                else:
                    for u in range(chunk, stop, lanes):
                        start, left = first * side + u * per, depth - u * per
                        if count == lanes and left >= lanes * per:
                            whole_turned(
                                *(b, start, side, 0, 0, packed),
                                *(here + u * columns, columns),
                            )
                        else:
                            turned(
                                *(b, start, side, count, left, packed),
                                *(here + u * columns, columns),
                            )


@device_function
def _pack_left(a, start, rows, step, count, depth, units, per, strips, block):
    """Strips of twelve rows, of which `count` exist, and `depth` numbers of each."""
    lanes = BYTES // block.itemsize
    if step == 1:
        for r in range(min(count, strips * ROWS)):
            first, to = start + r * rows, r * SLOTS
            done = depth // (per * lanes) * lanes
            for u in range(0, done, lanes):
                whole_straight(a, first + u * per, 0, block, to + u)
            if done < units:
                straight(a, first + done * per, depth - done * per, block, to + done)
        return
    parts = -(-ROWS // lanes)  # vectors of twelve lanes
    for u in range(units):
        both = u * per + per <= depth
        for s in range(strips):
            for j in range(parts):
                lane = s * ROWS + j * lanes
                here = min(min(lanes, ROWS - j * lanes), count - lane)
                second, to = here if both else 0, s * STRIP + u * ROWS + j * lanes
                across(a, start + lane + u * per * step, step, here, second, block, to)


# --------------------------------------------------------------------------- products
@device_function
def _nothing(c, extra, item, top, bottom, c_rows, first, n):
    """No epilogue."""


def products(finish: Jitted) -> Jitted:
    """A kernel that calls `finish` on parts of the result that are in the cache."""

    @kernel
    def run(lo, hi, state, size, addresses, like_a, like_b, packed, spare_like, extra):
        """``state``: tasks taken, and groups packed. Every call takes what is left."""
        m, n, depth, units, padded = size[0], size[1], size[2], size[3], size[4]
        a_rows, a_step, c_rows = size[5], size[6], size[9]
        down, right, deep, per = size[10], size[11], size[12], size[13]
        lanes = BYTES // packed.itemsize
        columns = VECTORS * lanes
        tiles, panels = -(-m // ROWS), -(-n // columns)
        block = scratch_like(_STRIPS * STRIP + lanes, packed)
        spare = scratch_like(ROWS * columns, spare_like)
        zero = fill_tile(splat(spare_like.dtype.type(0)))
        groups, products = state[2], state[3]
        while True:
            task = take(state, 0)
            if task >= groups + products:
                break
            if task < groups:
                _pack_right(task, size, addresses, like_b, packed)
                take(state, 1)
                continue
            while look(state, 1) < groups:
                pass
            task -= groups
            item, part = task // (down * right), task % (down * right)
            a = array_at(addresses[item, 0], 1, like_a)
            c = array_at(addresses[item, 2], 1, spare_like)
            above, below = part // right, part // right + 1
            top = tiles * above // down * ROWS
            strips = tiles * below // down - tiles * above // down
            bottom = min(m, top + strips * ROWS)
            near = panels * (part % right) // right
            far = panels * (part % right + 1) // right
            for u in range(0, units, deep):
                here = min(deep, units - u)
                k = u * per
                _pack_left(
                    *(a, top * a_rows + k * a_step, a_rows, a_step, m - top),
                    *(min(depth - k, here * per), here, per, strips, block),
                )
                for q in range(near, far):
                    at = ((item * panels + q) * padded + u) * columns
                    column = q * columns
                    for s in range(strips):
                        row = top + s * ROWS
                        to = row * c_rows + column
                        whole = row + ROWS <= m and column + columns <= n
                        tile = zero
                        if u > 0 and whole:
                            tile = load_tile(c, to, c_rows, zero)
                        if a_step == 1:
                            tile = multiply_rows(
                                block, s * STRIP, packed, at, here, tile
                            )
                        else:
                            tile = multiply_columns(
                                block, s * STRIP, packed, at, here, tile
                            )
                        if whole:
                            store_tile(c, to, c_rows, tile)
                            continue
                        store_tile(spare, 0, columns, tile)
                        for r in range(min(ROWS, m - row)):
                            for j in range(0, min(columns, n - column), lanes):
                                there = to + r * c_rows + j
                                count = min(lanes, n - column - j)
                                add_row(c, there, count, spare, r * columns + j, u > 0)
                    if u + here == units:
                        finish(c, extra, item, top, bottom, c_rows, column, n)

    return run


_run = products(_nothing)


# ------------------------------------------------------------------------------ calls
def matmul(x: Array, y: Array, out: Array) -> None:
    """``out = x @ y``.

    Parameters
    ----------
    x : ndarray, shape (*batch, m, k), float32, float64, or uint16: bits of bfloat16
    y : ndarray, shape (*batch, k, n)
        Of x's dtype. Any strides: broadcast and transposed views are read in place.
    out : ndarray, shape (*batch, m, n)
        float64 for float64, else float32. Rows contiguous; any other strides.
    """
    multiply(x, y, out)


def multiply(
    x: Array,
    y: Array,
    out: Array,
    pairs: bool = False,
    run: Any = _run,
    extra: Any = None,
) -> None:
    """`matmul`; with `pairs` operands of float32 are rounded to bfloat16.

    So they are beside one of uint16. ``run(..., extra)`` finishes parts of the result:
    see `products`.
    """
    m, depth = x.shape[-2:]
    if not depth:
        out[...] = 0
    if not depth or not out.size:
        return
    if run is _run and out.ndim == 2 and y.size > 2 * _RESIDENT:
        _in_turn(x, y, out, pairs)
        return
    pairs = pairs or "H" in (x.dtype.char, y.dtype.char)
    x, y = _readable(x), _readable(y)
    n, batch = out.shape[-1], out.shape[:-2]
    target = np.dtype(np.int32) if pairs else x.dtype
    plan, padded = _plan(m, n, depth, prod(batch), target.itemsize, pairs)
    strides = (*_steps(x), *_steps(y), out.strides[-2] // out.itemsize)
    size = np.array([m, n, depth, *plan[:2], *strides, *plan[2:]], np.int64)
    lanes = BYTES // target.itemsize
    panels = -(-n // (lanes * VECTORS))
    packed = pool.empty(prod(batch) * panels * padded * lanes * VECTORS, target)
    addresses = np.empty((prod(batch), 3), np.int64)
    for column, array in zip(addresses.T, (x, y, out), strict=True):
        column[:] = _addresses(array, batch)
    groups, parts = -(-panels // _TOGETHER), plan[2] * plan[3]
    state = np.array([0, 0, prod(batch) * groups, prod(batch) * parts], np.int64)
    likes = (np.empty(0, a.dtype) for a in (x, y))
    threads = 1 if m * n * depth * prod(batch) < _ALONE else get_num_threads()
    launch(
        *(run, min(threads, int(state[3])), state, size, addresses, *likes, packed),
        *(np.empty(0, out.dtype), _EMPTY if extra is None else extra),
    )


def _in_turn(x: Array, y: Array, out: Array, pairs: bool) -> None:
    """A right operand that no cache holds, in parts that one does."""
    depth, n = y.shape
    if n >= depth:
        step = max(_EDGE, _RESIDENT // depth // _EDGE * _EDGE)
        for j in range(0, n, step):
            multiply(x, y[:, j : j + step], out[:, j : j + step], pairs)
        return
    step = max(_EDGE, _RESIDENT // n // _EDGE * _EDGE)
    part = pool.empty(out.shape, out.dtype)
    multiply(x[:, :step], y[:step], out, pairs)
    for k in range(step, depth, step):
        multiply(x[:, k : k + step], y[k : k + step], part, pairs)
        out += part


_EMPTY = np.empty(0, np.int64)


def _readable(x: Array) -> Array:
    """The array, or a copy where neither rows nor columns lie without gaps."""
    steps = _steps(x)
    return x if 1 in steps else np.ascontiguousarray(x)


def _steps(x: Array) -> tuple[int, int]:
    """Elements from row to row, and from column to column; 1 where that is free."""
    rows, columns = (s // x.itemsize for s in x.strides[-2:])
    if x.shape[-1] == 1 and rows != 1:
        return rows, 1
    if x.shape[-2] == 1 and columns != 1:
        return 1, columns
    return rows, columns


def _addresses(array: Array, batch: tuple[int, ...]) -> Any:
    """Of each product's first element."""
    address = array.__array_interface__["data"][0]
    for length, step in zip(batch, array.strides, strict=False):
        address = np.add.outer(address, np.arange(length) * step)
    return address if not batch else np.ravel(address)


@lru_cache(maxsize=4096)
def _plan(
    m: int, n: int, depth: int, batch: int, width: int, pairs: bool
) -> tuple[tuple[int, ...], int]:
    """Units of the sum, and into how many parts rows and columns of the result are cut.

    ``(units, padded, down, right, deep, per)``, where a block of the sum has `deep`
    units of `per` numbers.
    """
    per = 2 if pairs else 1
    lanes = BYTES // width
    units = -(-depth // per)
    padded = -(-units // lanes) * lanes
    deep = -(-units // -(-units // DEPTH))
    panels, tiles = -(-n // (lanes * VECTORS)), -(-m // ROWS)
    wanted = max(1, min(_TASKS, m * n * depth * batch >> 21))
    down = min(tiles, max(-(-tiles // _STRIPS), -(-wanted // batch)))
    right = max(1, min(panels, -(-wanted // (batch * down))))
    return (units, padded, down, right, deep, per), padded
