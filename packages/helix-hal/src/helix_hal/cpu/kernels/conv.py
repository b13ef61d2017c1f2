"""Convolutions over channels-last arrays, straight from where they lie.

Every product is a sum over *taps*: the pixel of the result, moved by the tap, is a pixel
of the input, whose channels meet the tap's weights. A convolution, its gradient by the
input (one such problem per remainder of the stride) and a transposed convolution are all
`windows`; the gradient by the weights is `outer`, a sum over pixels.

Weights are packed in panels of a few vectors of output channels. Twelve pixels and two
vectors of channels of the result stay in registers while the sum runs over all taps and
channels: inputs are read in place, through a table of addresses, and a pixel outside
reads zeros. Tasks are cut by shapes alone and every sum has one order: the same bits for
any number of threads.

References
----------
Georganas et al., "Anatomy of High-Performance Deep Learning Convolutions on SIMD
Architectures", 2018.
"""

from __future__ import annotations

from functools import cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.blas import _wide_units
from helix_hal.cpu.jit import Jitted, device_function, kernel
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
from helix_hal.cpu.kernels.conv_tile import tile_access, turn
from helix_hal.cpu.kernels.simd import BYTES, load, scratch_like, splat, store
from helix_hal.cpu.kernels.tables import array_at
from helix_hal.cpu.launch import launch

__all__ = ["outer", "tile_shape", "windows"]

Array = NDArray[Any]

_PANEL_BYTES = 1 << 19  # of packed weights that a task walks over for each row of tiles
_WORK = 1 << 21  # multiply-adds that are worth a task
_TASKS = 32
_FEW_LANES = 4  # neighbours from which a square is worth turning
_FEW_PANELS = 5  # up to which half an idle panel costs more than narrow tiles
_PIXELS = 256  # of a block of the sum over pixels
_OUTER_TILES = (6, 2)  # of rows and panels in a task of that sum


def tile_shape(outs: int, width: int) -> tuple[int, int]:
    """Rows and vectors of a tile: as many as the processor's registers hold.

    One vector where two would leave most of the last panel of `outs` outputs idle.
    """
    if not _wide_units():
        return 6, 1
    panels = -(-outs // (BYTES // width))
    return 12, 1 if panels % 2 and panels <= _FEW_PANELS else 2


# ---------------------------------------------------------------------- packed weights
@device_function
def _run(offsets, first, most):
    """How many offsets from `first` on are neighbours."""
    n = 1
    while n < most and offsets[first + n] == offsets[first] + n:
        n += 1
    return n


@kernel
def _pack(lo, hi, base, rows, step, offsets, places, columns, like, panels):
    """Panel q has, for each element of the sum, the weights of `columns` outputs.

    ``rows``: outputs in a group, panels in a group, and the number of weights;
    ``step``: between outputs, in elements. Elements are taken in the order of memory,
    squares of them at once, and go to their ``places``.
    """
    count, in_group, limit = rows[0], rows[1], rows[2]
    depth = offsets.shape[0]
    lanes = BYTES // like.itemsize
    square = scratch_like(lanes * lanes, like)
    for q in range(lo, hi):
        group, part = q // in_group, q % in_group
        first = part * columns
        some = min(columns, count - first)
        before = (group * count + first) * step
        w = array_at(base + before * like.itemsize, 1, like)
        out = panels[q * depth * columns : (q + 1) * depth * columns]
        if some < columns:
            out[:] = 0
        d = 0
        while d < depth:
            deep = _run(offsets, d, min(lanes, depth - d))
            here = offsets[d]
            for j in range(0, some, lanes):
                wide = min(lanes, some - j)
                last = before + (j + lanes - 1) * step + here + lanes
                if deep >= _FEW_LANES and wide == lanes and last <= limit:
                    turn(w, j * step + here, step, square)
                    for k in range(deep):
                        to = places[d + k] * columns + j
                        store(out, to, load(square, k * lanes))
                    continue
                for k in range(deep):
                    to = places[d + k] * columns + j
                    for i in range(wide):
                        out[to + i] = w[(j + i) * step + here + k]
            d += deep


# ------------------------------------------------------------------------ the windows
@cache
def _windows(rows: int, vectors: int) -> Jitted:
    tile = tile_access(rows, vectors)
    fill, multiply, scatter = tile.fill, tile.windows, tile.scatter

    @kernel
    def run(
        lo,
        hi,
        size,
        shape,
        sizes,
        steps,
        first,
        taps,
        xs,
        ys,
        address,
        panels,
        zeros,
        like,
    ):
        channels, outs, in_group = size[0], size[1], size[2]
        length, blocks, per_block, cuts = size[3], size[4], size[5], size[6]
        pixels, width = size[7], size[8]
        count = taps.shape[0]
        lanes = BYTES // like.itemsize
        columns = vectors * lanes
        table = np.empty(count * rows, np.int64)
        to = np.empty(rows, np.int64)
        spare_at = np.empty(rows, np.int64)
        spare = scratch_like(rows * columns, like)
        for r in range(rows):
            spare_at[r] = spare.ctypes.data + r * columns * width
        zero = fill(splat(like.dtype.type(0)))
        nothing = zeros.ctypes.data
        where = np.empty(4, np.int64)
        base = np.empty((rows, 4), np.int64)
        plain = np.empty(count * rows, np.int64)
        away, reach = distances(taps, xs, width)
        tiles = -(-pixels // rows)
        for task in range(lo, hi):
            block, cut = task // cuts, task % cuts
            place_of(tiles * cut // cuts * rows, shape, where)
            for t in range(tiles * cut // cuts, tiles * (cut + 1) // cuts):
                real = min(rows, pixels - t * rows)
                for r in range(rows):
                    if r < real:
                        whole = first_place(
                            where, steps, first, xs, sizes, reach, base[r]
                        )
                        at = address[1]
                        for axis in range(4):
                            at += where[axis] * ys[axis] * width
                        go_on(where, shape)
                    to[r] = at  # what is left over does the last pixel again
                    begin = address[0] + base[real - 1 if r >= real else r, 3] * width
                    if whole:
                        for k in range(count):
                            plain[k * rows + r] = begin + away[k]
                        continue
                    for k in range(count):
                        inside = falls_inside(base[min(r, real - 1)], taps, k, sizes)
                        plain[k * rows + r] = begin + away[k] if inside else nothing
                before = -1
                for q in range(block * per_block, min(blocks, (block + 1) * per_block)):
                    group, column = q // in_group, q % in_group * columns
                    if group != before:
                        before = group
                        shift = group * channels * width
                        for k in range(count * rows):
                            at = plain[k]
                            table[k] = at + shift if at != nothing else at
                    start = q * count * length * columns
                    sums = multiply(like, table, 0, count, length, panels, start, zero)
                    offset = group * outs + column
                    if real == rows and column + columns <= outs:
                        scatter(like, to, 0, offset, sums)
                        continue
                    scatter(like, spare_at, 0, 0, sums)
                    some = min(columns, outs - column)
                    for r in range(real):
                        out = array_at(to[r] + offset * width, some, like)
                        whole = some // lanes * lanes
                        for j in range(0, whole, lanes):
                            store(out, j, load(spare, r * columns + j))
                        for j in range(whole, some):
                            out[j] = spare[r * columns + j]

    return run


def windows(
    x: Array,
    w: Array,
    out: Array,
    taps: Taps,
    groups: int = 1,
    tile: tuple[int, int] | None = None,
) -> None:
    """Write the convolution of `x` by the taps.

    Parameters
    ----------
    x : ndarray, shape (batch, z, y, x, channels), float32 or float64
        Channels one after the other; any other strides.
    w : ndarray, shape (outputs, channels / groups, ...)
        Outputs in rising order of memory. Read at ``w[o, 0, ...]`` plus the offsets of
        the taps.
    out : ndarray, shape (batch, z, y, x, outputs)
        Channels one after the other; any other strides.
    """
    width = x.itemsize
    rows, vectors = tile or tile_shape(out.shape[-1] // groups, width)
    columns = vectors * (BYTES // width)
    outs, channels = out.shape[-1] // groups, x.shape[-1] // groups
    in_group = -(-outs // columns)
    blocks = groups * in_group
    like = np.empty(0, x.dtype)
    least, offsets, order = taps.sorted
    panels = pool.empty(blocks * offsets.size * columns, x.dtype)
    address, step = address_of(w) + least * width, w.strides[0] // width
    limit = int(offsets[-1]) + (groups * outs - 1) * step + 1
    group_rows = ints([outs, in_group, limit])
    grain = max(1, (1 << 14) // max(1, offsets.size * columns))
    launch(
        *(_pack, blocks, address, group_rows, step, offsets, order, columns, like),
        panels,
        grain=grain,
    )
    pixels = prod(out.shape[:-1])
    tiles = -(-pixels // rows)
    each = offsets.size * columns * width
    per_block = max(1, min(blocks, _PANEL_BYTES // each))
    wide = -(-blocks // per_block)
    work = pixels * offsets.size * outs * groups
    wanted = max(1, min(_TASKS, work // _WORK))
    cuts = max(1, min(tiles, -(-wanted // wide)))
    size = [channels, outs, in_group, taps.run, blocks, per_block, cuts, pixels, width]
    zeros = np.zeros(taps.run, x.dtype)
    places = [address_of(x), address_of(out)]
    launch(
        *(_windows(rows, vectors), wide * cuts, ints(size), ints(out.shape[:4])),
        *(ints(x.shape[1:4]), *taps.arrays, steps_of(x), steps_of(out), ints(places)),
        *(panels, zeros, like),
    )


# ----------------------------------------------------------- the weights' gradient
@cache
def _outer(rows: int, vectors: int) -> Jitted:
    tile = tile_access(rows, vectors)
    fill, multiply, fetch, keep = tile.fill, tile.outer, tile.load, tile.store

    @kernel
    def run(
        lo,
        hi,
        size,
        shape,
        sizes,
        steps,
        first,
        taps,
        xs,
        address,
        part,
        zeros,
        like,
    ):
        channels, outs, all_rows, all_columns = size[0], size[1], size[3], size[4]
        row_tiles, panels, row_cuts, panel_cuts, chunks = (
            size[5],
            size[6],
            size[7],
            size[8],
            size[9],
        )
        pixels, width, pixel_step = size[10], size[11], size[12]
        count = taps.shape[0]
        columns = vectors * (BYTES // like.itemsize)
        area = rows * columns
        table = np.empty(_PIXELS, np.int64)
        base = np.empty((_PIXELS, 4), np.int64)
        all_in = np.empty(_PIXELS, np.bool_)
        away, reach = distances(taps, xs, width)
        where = np.empty(4, np.int64)
        zero = fill(splat(like.dtype.type(0)))
        nothing = zeros.ctypes.data
        parts = row_cuts * panel_cuts * chunks
        for task in range(lo, hi):
            group, rest = task // parts, task % parts
            chunk, rest = (
                rest // (row_cuts * panel_cuts),
                rest % (row_cuts * panel_cuts),
            )
            row_cut, panel_cut = rest // panel_cuts, rest % panel_cuts
            top = row_tiles * row_cut // row_cuts
            bottom = row_tiles * (row_cut + 1) // row_cuts
            near = panels * panel_cut // panel_cuts
            far = panels * (panel_cut + 1) // panel_cuts
            begin, end = pixels * chunk // chunks, pixels * (chunk + 1) // chunks
            home = (chunk * (size[13]) + group) * count * row_tiles * panels * area
            for p in range(begin, end, _PIXELS):
                deep = min(_PIXELS, end - p)
                place_of(p, shape, where)
                for k in range(deep):
                    all_in[k] = first_place(
                        where, steps, first, xs, sizes, reach, base[k]
                    )
                    go_on(where, shape)
                for t in range(count):
                    for k in range(deep):
                        inside = all_in[k] or falls_inside(base[k], taps, t, sizes)
                        at = address[0] + base[k, 3] * width + away[t]
                        table[k] = at if inside else nothing
                    for i in range(top, bottom):
                        row = min(group * channels + i * rows, all_rows - rows)
                        for q in range(near, far):
                            column = min(
                                group * outs + q * columns, all_columns - columns
                            )
                            right = address[1] + (p * pixel_step + column) * width
                            to = home + ((t * row_tiles + i) * panels + q) * area
                            sums = zero
                            if p > begin:
                                sums = fetch(part, to, zero)
                            sums = multiply(
                                like, table, 0, deep, row, right, pixel_step, sums
                            )
                            keep(part, to, sums)

    return run


@kernel
def _finish(lo, hi, size, rows, columns, offsets, places, count, step, part, out):
    """Add the chunks up, and write them where the weights have them.

    ``offsets[i]``: of the elements of row tile i, in the order of memory, and
    ``places[i]``: where each element stands in that order, -1 for none.
    """
    channels, outs, run, all_rows, all_columns = (
        size[0],
        size[1],
        size[2],
        size[3],
        size[4],
    )
    row_tiles, panels, chunks, groups = size[5], size[6], size[9], size[13]
    area = rows * columns
    whole = groups * count * row_tiles * panels * area
    lanes = BYTES // part.itemsize
    sums = np.zeros((count * rows + lanes) * columns + lanes, part.dtype)
    square = scratch_like(lanes * lanes, part)
    for task in range(lo, hi):
        i, rest = task % row_tiles, task // row_tiles
        q, group = rest % panels, rest // panels
        row = group * channels + i * rows
        shift = row - min(row, all_rows - rows)
        column = group * outs + q * columns
        move = column - min(column, all_columns - columns)
        some, real = min(rows, run - i * rows), min(columns, outs - q * columns)
        for t in range(count):
            first = ((group * count + t) * row_tiles + i) * panels + q
            for r in range(some):
                at = first * area + (r + shift) * columns + move
                to = places[i, t * rows + r] * columns
                here, there = part[at : at + real], sums[to : to + real]
                for j in range(real):
                    there[j] = here[j]
                for chunk in range(1, chunks):
                    here = part[at + chunk * whole : at + chunk * whole + real]
                    for j in range(real):
                        there[j] += here[j]
        n, d = some * count, 0
        while d < n:
            deep = _run(offsets[i], d, min(lanes, n - d))
            for j in range(0, real, lanes):
                turn(sums, d * columns + j, columns, square)
                for k in range(min(lanes, real - j)):
                    to = (column + j + k) * step + offsets[i, d]
                    if deep == lanes:
                        store(out, to, load(square, k * lanes))
                        continue
                    for e in range(deep):
                        out[to + e] = square[k * lanes + e]
            d += deep


def outer(
    x: Array,
    dy: Array,
    out: Array,
    taps: Taps,
    groups: int = 1,
    tile: tuple[int, int] | None = None,
) -> None:
    """Write the gradient by the weights of `windows`.

    Parameters
    ----------
    x : ndarray, shape (batch, z, y, x, channels), float32 or float64
        Channels one after the other; any other strides. Where a tap reads more than
        the channels, sixteen elements after the last may be read.
    dy : ndarray, shape (batch, z, y, x, outputs)
        C-contiguous.
    out : ndarray, shape (outputs, channels / groups, ...)
        C-contiguous; written at the offsets of the taps.
    """
    width = x.itemsize
    rows, vectors = tile or tile_shape(dy.shape[-1] // groups, width)
    columns = vectors * (BYTES // width)
    all_outs, all_channels = dy.shape[-1], x.shape[-1]
    outs, channels = all_outs // groups, all_channels // groups
    if taps.run > all_channels:
        all_channels = max(taps.run, rows)
    elif all_channels < rows:
        x, all_channels = _widened(x, rows), rows
    if all_outs < columns:
        dy, all_outs = _widened(dy, columns), columns
    row_tiles, panels = -(-taps.run // rows), -(-outs // columns)
    row_cuts = -(-row_tiles // _OUTER_TILES[0])
    panel_cuts = -(-panels // _OUTER_TILES[1])
    pixels, count = prod(dy.shape[:-1]), len(taps.at)
    work = pixels * count * taps.run * outs * groups
    wanted = max(1, min(_TASKS, work // _WORK))
    others = row_cuts * panel_cuts * groups
    chunks = max(1, min(-(-pixels // _PIXELS), -(-wanted // others)))
    part = pool.empty(
        chunks * groups * count * row_tiles * panels * rows * columns, x.dtype
    )
    like = np.empty(0, x.dtype)
    zeros = np.zeros(all_channels + rows, x.dtype)
    size = [channels, outs, taps.run, all_channels, all_outs, row_tiles, panels]
    size += [row_cuts, panel_cuts, chunks, pixels, width, dy.shape[-1], groups]
    places = ints([address_of(x), address_of(dy)])
    sizes = ints(size)
    launch(
        *(_outer(rows, vectors), others * chunks, sizes, ints(dy.shape[:4])),
        *(ints(x.shape[1:4]), *taps.arrays, steps_of(x), places, part, zeros, like),
    )
    step = out.strides[0] // width
    launch(
        *(_finish, groups * panels * row_tiles, sizes, rows, columns),
        *(*taps.orders(rows), count, step, part, out.reshape(-1)),
        grain=max(1, (1 << 14) // (count * rows * columns)),
    )


def _widened(a: Array, channels: int) -> Array:
    """With zeros after the last channel."""
    out = pool.zeros((*a.shape[:-1], channels), a.dtype)
    out[..., : a.shape[-1]] = a
    return out
