"""Matrix products in our own tiles, for processors whose BLAS leaves half of them idle.

Twelve rows and two vectors of columns of the result stay in registers while the sum
runs: 24 multiply-adds for 14 loads, which keeps both units of an AVX-512 core busy. The
right operand is packed in panels of two vectors, a block of panels at a time, which
stays in the second cache; of the left one twelve rows at a time.

Tasks are parts of the result, cut by its shape alone, and every sum runs in order, in
blocks of `_DEPTH`: the same bits for any number of threads.

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

from helix_hal.cpu.jit import device_function, intrinsic, kernel
from helix_hal.cpu.kernels.simd import (
    BYTES,
    llvm_vector,
    load,
    load_at,
    multiply_add,
    pack,
    pointer,
    row_access,
    scratch_like,
    splat,
    splat_at,
    store,
    store_at,
    transpose,
    unpack,
)
from helix_hal.cpu.kernels.tables import array_at
from helix_hal.cpu.launch import launch

__all__ = ["matmul"]

Array = NDArray[Any]

_ROWS, _VECTORS = 12, 2
_DEPTH = 256  # of a block of the sum: a panel of it fills most of the first cache
_PANELS = 8  # in a block of the right operand
_SLOTS = 16  # of a copied column of the left operand
_LEAST = 1 << 21  # multiply-adds of a task
_fill_tile = row_access(_ROWS * _VECTORS).fill


# ----------------------------------------------------------------- a tile in registers
def _places(builder: Any, first: Any, step: Any, width: int) -> list[Any]:
    """Where the vectors of a tile lie whose rows are `step` apart."""
    whole = step.type
    return [
        builder.gep(first, [builder.add(builder.mul(step, whole(r)), whole(j * width))])
        for r in range(_ROWS)
        for j in range(_VECTORS)
    ]


@intrinsic
def _load_tile(typingctx, c, start, step, like):
    from numba import types

    def codegen(context, builder, signature, args):
        first = pointer(context, builder, signature.args[0], *args[:2])
        kind = llvm_vector(c.dtype)
        places = _places(builder, first, args[2], kind.count)
        return pack(builder, [load_at(builder, p, kind) for p in places])

    return like(c, types.intp, types.intp, like), codegen


@intrinsic
def _store_tile(typingctx, c, start, step, tile):
    from numba import types

    def codegen(context, builder, signature, args):
        first = pointer(context, builder, signature.args[0], *args[:2])
        vectors = unpack(builder, args[3])
        places = _places(builder, first, args[2], vectors[0].type.count)
        for place, vector in zip(places, vectors, strict=True):
            store_at(builder, vector, place)
        return context.get_dummy_value()

    return types.void(c, types.intp, types.intp, tile), codegen


@intrinsic
def _multiply(typingctx, left, right, first, depth, tile):
    """`tile` and the product of packed rows and the packed panel at ``right[first]``."""
    from numba import types

    def codegen(context, builder, signature, args):
        kind, whole = llvm_vector(left.dtype), args[2].type
        width, depth = kind.count, args[3]
        zero = whole(0)
        rows = pointer(context, builder, signature.args[0], args[0], zero)
        panel = pointer(context, builder, signature.args[1], args[1], args[2])
        before = unpack(builder, args[4])
        entry = builder.block
        body, done = (builder.append_basic_block(name) for name in ("sum", "summed"))
        builder.cbranch(builder.icmp_signed(">", depth, zero), body, done)
        builder.position_at_end(body)
        k = builder.phi(whole)
        sums = [builder.phi(kind) for _ in before]
        here = builder.gep(panel, [builder.mul(k, whole(_VECTORS * width))])
        columns = [
            load_at(builder, builder.gep(here, [whole(j * width)]), kind)
            for j in range(_VECTORS)
        ]
        there = builder.gep(rows, [builder.mul(k, whole(_SLOTS))])
        after = []
        for r in range(_ROWS):
            x = builder.load(builder.gep(there, [whole(r)]))
            x = splat_at(builder, x, kind)
            for j, column in enumerate(columns):
                total = sums[r * _VECTORS + j]
                after.append(multiply_add(builder, x, column, total))
        following = builder.add(k, whole(1))
        builder.cbranch(builder.icmp_signed("<", following, depth), body, done)
        builder.position_at_end(done)
        out = [builder.phi(kind) for _ in before]
        for phi, old, new in zip(sums + out, before * 2, after * 2, strict=True):
            phi.add_incoming(old, entry)
            phi.add_incoming(new, body)
        k.add_incoming(zero, entry)
        k.add_incoming(following, body)
        return pack(builder, out)

    size = types.intp
    return tile(left, right, size, size, tile), codegen


# -------------------------------------------------------------------- packing operands
@intrinsic
def _turn(typingctx, source, start, step, target, to, stride):
    """A square of the width of a vector, its rows `step` apart, written transposed."""
    from numba import types

    def codegen(context, builder, signature, args):
        first = pointer(context, builder, signature.args[0], *args[:2])
        there = pointer(context, builder, signature.args[3], *args[3:5])
        kind, whole = llvm_vector(source.dtype), args[1].type
        rows = range(kind.count)

        def row(base: Any, distance: Any, r: int) -> Any:
            return builder.gep(base, [builder.mul(distance, whole(r))])

        vectors = [load_at(builder, row(first, args[2], r), kind) for r in rows]
        for r, vector in enumerate(transpose(builder, vectors)):
            store_at(builder, vector, row(there, args[5], r))
        return context.get_dummy_value()

    size = types.intp
    return types.void(source, size, size, target, size, size), codegen


@intrinsic
def _element(typingctx, array, index):
    """``array[index]``, also where a negative index means before the first."""
    from numba import types

    def codegen(context, builder, signature, args):
        return builder.load(pointer(context, builder, signature.args[0], *args))

    return array.dtype(array, types.intp), codegen


@device_function
def _pack_right(b, start, along, across, count, depth, panel, to):
    """A panel of `count` columns as (depth, two vectors), zeros after the last."""
    lanes = BYTES // b.itemsize
    columns = _VECTORS * lanes
    if count == columns and across == 1:
        for k in range(depth):
            for j in range(0, columns, lanes):
                store(panel, to + k * columns + j, load(b, start + k * along + j))
        return
    done = 0
    if count == columns and along == 1:
        done = depth // lanes * lanes
        for k in range(0, done, lanes):
            for j in range(0, columns, lanes):
                at, there = start + j * across + k, to + k * columns + j
                _turn(b, at, across, panel, there, columns)
    for k in range(done, depth):
        for j in range(columns):
            x = b.dtype.type(0)
            if j < count:
                x = _element(b, start + j * across + k * along)
            panel[to + k * columns + j] = x


@device_function
def _pack_left(a, start, rows, step, count, depth, copy):
    """Twelve rows as (depth, slots), zeros after the last; `count` of them may be read."""
    lanes = BYTES // a.itemsize
    done = 0
    if count >= _SLOTS and rows == 1:
        for k in range(depth):
            for j in range(0, _SLOTS, lanes):
                store(copy, k * _SLOTS + j, load(a, start + k * step + j))
        return
    if count >= _SLOTS and step == 1:
        done = depth // lanes * lanes
        for k in range(0, done, lanes):
            for j in range(0, _SLOTS, lanes):
                at, to = start + j * rows + k, k * _SLOTS + j
                _turn(a, at, rows, copy, to, _SLOTS)
    for k in range(done, depth):
        for r in range(_ROWS):
            x = a.dtype.type(0)
            if r < count:
                x = _element(a, start + r * rows + k * step)
            copy[k * _SLOTS + r] = x


@kernel
def _run(lo, hi, size, offsets, like):
    """``size``: see `_sizes`; ``offsets``: where each product's operands lie."""
    m, n, depth = size[0], size[1], size[2]
    a_rows, a_step, b_along, b_across, c_rows = (
        size[3],
        size[4],
        size[5],
        size[6],
        size[7],
    )
    down, right = size[8], size[9]
    lanes = BYTES // like.itemsize
    columns = _VECTORS * lanes
    row_tiles, panels = -(-m // _ROWS), -(-n // columns)
    block = scratch_like(_PANELS * _DEPTH * columns, like)
    copy = scratch_like(_DEPTH * _SLOTS, like)
    spare = scratch_like(_ROWS * columns, like)
    zero = _fill_tile(splat(like.dtype.type(0)))
    for task in range(lo, hi):
        item, part = task // (down * right), task % (down * right)
        a, b, c = (
            array_at(offsets[item, 0], 1, like),
            array_at(offsets[item, 1], 1, like),
            array_at(offsets[item, 2], 1, like),
        )
        top = row_tiles * (part // right) // down * _ROWS
        bottom = min(m, row_tiles * (part // right + 1) // down * _ROWS)
        near = panels * (part % right) // right
        far = panels * (part % right + 1) // right
        for k in range(0, depth, _DEPTH):
            deep = min(_DEPTH, depth - k)
            for p in range(near, far, _PANELS):
                past = min(far, p + _PANELS)
                for q in range(p, past):
                    start = k * b_along + q * columns * b_across
                    count, to = (
                        min(columns, n - q * columns),
                        (q - p) * _DEPTH * columns,
                    )
                    _pack_right(b, start, b_along, b_across, count, deep, block, to)
                for row in range(top, bottom, _ROWS):
                    start = row * a_rows + k * a_step
                    _pack_left(a, start, a_rows, a_step, m - row, deep, copy)
                    for q in range(p, past):
                        at, column = (q - p) * _DEPTH * columns, q * columns
                        to = row * c_rows + column
                        whole = row + _ROWS <= m and column + columns <= n
                        tile = zero
                        if k > 0 and whole:
                            tile = _load_tile(c, to, c_rows, zero)
                        tile = _multiply(copy, block, at, deep, tile)
                        if whole:
                            _store_tile(c, to, c_rows, tile)
                            continue
                        _store_tile(spare, 0, columns, tile)
                        for r in range(min(_ROWS, m - row)):
                            for j in range(min(columns, n - column)):
                                x = spare[r * columns + j]
                                if k > 0:
                                    x += c[to + r * c_rows + j]
                                c[to + r * c_rows + j] = x


# ------------------------------------------------------------------------------ calls
def matmul(x: Array, y: Array, out: Array) -> None:
    """``out = x @ y``.

    Parameters
    ----------
    x : ndarray, shape (*batch, m, k), float32 or float64
    y : ndarray, shape (*batch, k, n)
        Any strides: broadcast and transposed views are read in place.
    out : ndarray, shape (*batch, m, n)
        Rows contiguous; any other strides.
    """
    m, depth = x.shape[-2:]
    if not depth:
        out[...] = 0
        return
    n, width = out.shape[-1], x.itemsize
    batch = out.shape[:-2]
    steps = (*x.strides[-2:], *y.strides[-2:], out.strides[-2])
    down, right = _grid(m, n, depth, prod(batch), BYTES // width * _VECTORS)
    size = np.array([m, n, depth, *(s // width for s in steps), down, right], np.int64)
    offsets = np.empty((prod(batch), 3), np.int64)
    for column, array in zip(offsets.T, (x, y, out), strict=True):
        column[:] = _addresses(array, batch)
    tasks = len(offsets) * down * right
    launch(_run, tasks, size, offsets, np.empty(0, x.dtype))


def _addresses(array: Array, batch: tuple[int, ...]) -> Any:
    """Of each product's first element."""
    address = array.__array_interface__["data"][0]
    for length, step in zip(batch, array.strides, strict=False):
        address = np.add.outer(address, np.arange(length) * step)
    return address if not batch else np.ravel(address)


@lru_cache(maxsize=4096)
def _grid(m: int, n: int, depth: int, batch: int, columns: int) -> tuple[int, int]:
    """Into how many parts rows and columns of the result are cut.

    Every part packs its columns of the right operand, so that few rows in a part are
    dear; a part as wide as a block packs nothing twice.
    """
    panels, tiles = -(-n // columns), -(-m // _ROWS)
    work = m * n * depth * batch
    wanted = max(1, min(16, work // _LEAST))
    right = -(-panels // _PANELS)
    down = max(1, min(-(-wanted // (right * batch)), tiles // 8))
    if down * right * batch < wanted:
        right = min(panels, -(-wanted // (down * batch)))
    return down, right
