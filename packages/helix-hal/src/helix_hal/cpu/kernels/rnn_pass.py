"""The two passes of a recurrent layer over whole sequences, for any cell of four gates.

A few sequences are walked together by one thread, the whole way through time. A step is
one product of ``[x_t, h_{t-1}]`` and the weights, packed so that all gates of sixteen
units are in registers together, and the cell is applied to them while they are in the
first cache. Nothing of the size (batch, time, gates) is made but what the backward pass
needs.

The backward pass walks the steps in reverse. A step is one product of the gates'
gradients and the weights, which gives the gradients of x_t and h_{t-1}. Gates'
gradients and inputs of a chunk of steps stay in the second cache, and end in the
gradient of the weights, whose sum is over batch and time.

Sequences do not know of each other, and gradients of weights are summed over groups of
sequences that depend on shapes alone: the same bits for any number of threads.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.blas import _wide_units
from helix_hal.cpu.jit import Jitted, device_function, kernel
from helix_hal.cpu.kernels import simd
from helix_hal.cpu.kernels.rnn_tile import rounded, tile_product
from helix_hal.cpu.kernels.simd import add, load, scratch, splat, store
from helix_hal.cpu.launch import launch

__all__ = ["Cell", "backward_pass", "forward_pass"]

Array = NDArray[Any]
F32 = np.float32
W = simd.WIDTH
GATES = 4
_EVEN = 2 * W  # widths are multiples of this inside kernels
_FORWARD_DEPTH, _BACKWARD_DEPTH = 128, 256  # of a panel that stays in the first cache
_ROWS = 16  # sequences that a thread walks together, at most
_CHUNK = 128  # rows of gates' gradients, of a few steps, that are kept together
_GROUPS = 8  # sums of the gradient of the weights, at most
_LEAST = 1 << 21  # multiply-adds of a task


class Cell(NamedTuple):
    """What happens to the gates of a unit.

    Attributes
    ----------
    forward : Jitted
        ``forward(acc, a, h, state, s, keep, gates, g, hidden, cells, c)`` has the sums
        of sixteen units at ``acc[a]``, a vector a gate, and their last output `h`. It
        gives the next one, updates ``state[s]``, and if `keep` writes what the backward
        pass wants: a vector a gate to ``gates[g]``, `hidden` apart, and ``cells[c]``.
    backward : Jitted
        ``backward(gates, g, hidden, now, before, h, dh, state, s)`` gives the gradients
        of the four sums, and the part of h's gradient that does not pass through them.
        `now` and `before` are the cells.
    of_x, of_h : (first, past)
        The gates that the input and the last output have weights for.
    remembers : bool
        Whether there are cells.
    """

    forward: Jitted
    backward: Jitted
    of_x: tuple[int, int]
    of_h: tuple[int, int]
    remembers: bool


@device_function
def _same(x):
    return x


@device_function
def _round(x):
    return rounded(x)


def _operand(half: bool) -> Jitted:
    """What products take of a vector."""
    return _round if half else _same


@cache
def _forward(cell: Cell, keep: bool, reverse: bool, half: bool) -> Jitted:
    advance, remembers = cell.forward, cell.remembers
    tall = 4 if _wide_units() else 1
    x_slots, h_slots = tuple(range(*cell.of_x)), tuple(range(*cell.of_h))
    nx, nh = len(x_slots) * W, len(h_slots) * W
    by_x = tile_product(tall, x_slots, (0, 1), (nx, W))
    by_h = tile_product(tall, h_slots, (0, 1), (nh, W))
    many = GATES * W
    operand = _operand(half)

    @kernel
    def run(lo, hi, size, w, bias, x, h0, c0, lengths, y, hn, cn, gates, cells):
        time, inner, hidden, batch, rows = size[0], size[1], size[2], size[3], size[4]
        deep = inner + hidden
        padded = -(-rows // tall) * tall
        left, out = scratch(padded * deep), scratch(rows * hidden)
        state, acc = scratch(rows * hidden), scratch(padded * many)
        zero = splat(F32(0))
        for task in range(lo, hi):
            first = task * rows
            count = min(rows, batch - first)
            left[:] = F32(0)
            for r in range(count):
                for j in range(0, hidden, W):
                    at = (first + r) * hidden + j
                    h = load(h0, at)
                    store(out, r * hidden + j, h)
                    store(left, r * deep + inner + j, operand(h))
                    if remembers:
                        store(state, r * hidden + j, load(c0, at))
            for s in range(time):
                t = time - 1 - s if reverse else s
                for r in range(count):
                    at = ((first + r) * time + t) * inner
                    for j in range(0, inner, W):
                        store(left, r * deep + j, operand(load(x, at + j)))
                for u in range(0, hidden, W):
                    for j in range(0, many, W):
                        b = load(bias, u * GATES + j)
                        for r in range(count):
                            store(acc, r * many + j, b)
                    panel = u // W * (inner * nx + hidden * nh)
                    for k in range(0, inner, _FORWARD_DEPTH):
                        depth = min(_FORWARD_DEPTH, inner - k)
                        for r in range(0, count, tall):
                            by_x(
                                left, r * deep + k, deep, w, panel + k * nx, depth,
                                acc, r * many, many,
                            )  # fmt: skip
                    panel += inner * nx
                    for k in range(0, hidden, _FORWARD_DEPTH):
                        depth = min(_FORWARD_DEPTH, hidden - k)
                        for r in range(0, count, tall):
                            by_h(
                                left, r * deep + inner + k, deep, w, panel + k * nh,
                                depth, acc, r * many, many,
                            )  # fmt: skip
                    for r in range(count):
                        at = ((first + r) * time + t) * hidden + u
                        own, g = r * hidden + u, (at - u) * GATES + u
                        if t < lengths[first + r]:
                            h = advance(
                                acc, r * many, load(out, own), state, own, keep, gates,
                                g, hidden, cells, at,
                            )  # fmt: skip
                            store(y, at, h)
                            store(out, own, h)
                            continue
                        store(y, at, zero)
                        if keep:
                            for j in range(GATES):
                                store(gates, g + j * hidden, zero)
                            if remembers:
                                store(cells, at, zero)
                for r in range(count):
                    for j in range(0, hidden, W):
                        h = operand(load(out, r * hidden + j))
                        store(left, r * deep + inner + j, h)
            for r in range(count):
                for j in range(0, hidden, W):
                    at = (first + r) * hidden + j
                    store(hn, at, load(out, r * hidden + j))
                    if remembers:
                        store(cn, at, load(state, r * hidden + j))

    return run


@cache
def _backward(cell: Cell, reverse: bool, half: bool) -> Jitted:
    retreat, remembers = cell.backward, cell.remembers
    tall = 8 if _wide_units() else 2
    x0, x1 = cell.of_x
    h0_, h1 = cell.of_h
    back = tile_product(tall, (0, 1), (0, 1), (_EVEN, W))
    summed = tile_product(tall, (0, 1), (1, W), (W, _CHUNK * W))
    block = _CHUNK * W
    operand = _operand(half)

    @kernel
    def run(
        lo, hi, size, wx, wh, x, h0, c0, lengths, y, gates, cells, dy, dhn, dcn,
        dx, dh0, dc0, dwx, dwh, db,
    ):  # fmt: skip
        time, inner, hidden, batch, rows = size[0], size[1], size[2], size[3], size[4]
        blocks, groups = size[5], size[6]
        wide = GATES * hidden
        padded = -(-rows // tall) * tall
        steps = _CHUNK // padded
        zero = splat(F32(0))
        da, turned = scratch(padded * wide), scratch(wide * _CHUNK)
        xs, hs = scratch(inner * _CHUNK), scratch(hidden * _CHUNK)
        gx, gh = scratch(padded * inner), scratch(padded * hidden)
        state = scratch(padded * hidden)
        kx, kh = (x1 - x0) * hidden, (h1 - h0_) * hidden
        for task in range(lo, hi):
            to_x, to_h = task * kx * inner, task * kh * hidden
            dwx[to_x : to_x + kx * inner] = F32(0)
            dwh[to_h : to_h + kh * hidden] = F32(0)
            db[task * wide : task * wide + wide] = F32(0)
            for which in range(blocks * task // groups, blocks * (task + 1) // groups):
                first = which * rows
                count = min(rows, batch - first)
                da[:] = F32(0)
                turned[:] = F32(0)
                xs[:] = F32(0)
                hs[:] = F32(0)
                gh[:] = F32(0)
                for r in range(count):
                    for j in range(0, hidden, W):
                        at = (first + r) * hidden + j
                        store(gh, r * hidden + j, load(dhn, at))
                        if remembers:
                            store(state, r * hidden + j, load(dcn, at))
                for s in range(0, time, steps):
                    n_steps = min(steps, time - s)
                    for e in range(n_steps):
                        t = s + e if reverse else time - 1 - s - e
                        for r in range(count):
                            here = (first + r) * time + t
                            n = (e * padded + r) * W
                            size_r = lengths[first + r]
                            own = r * hidden
                            if t >= size_r:
                                for j in range(0, wide, W):
                                    store(da, r * wide + j, zero)
                                    store(turned, j * _CHUNK + n, zero)
                                for j in range(0, hidden, W):
                                    store(hs, j * _CHUNK + n, zero)
                                for j in range(0, inner, W):
                                    store(xs, j * _CHUNK + n, zero)
                                continue
                            begins = t == size_r - 1 if reverse else t == 0
                            last = here + 1 if reverse else here - 1
                            last_h, last_c = y, cells
                            if begins:
                                last_h, last_c, last = h0, c0, first + r
                            for j in range(0, inner, W):
                                xj = operand(load(x, here * inner + j))
                                store(xs, j * _CHUNK + n, xj)
                            for u in range(0, hidden, W):
                                h = load(last_h, last * hidden + u)
                                store(hs, u * _CHUNK + n, operand(h))
                                now, before = h, h
                                if remembers:
                                    now = load(cells, here * hidden + u)
                                    before = load(last_c, last * hidden + u)
                                dh = add(load(gh, own + u), load(dy, here * hidden + u))
                                d0, d1, d2, d3, rest = retreat(
                                    gates, here * wide + u, hidden, now, before, h, dh,
                                    state, own + u,
                                )  # fmt: skip
                                if half:  # the sum of what is not rounded yet
                                    b = task * wide + u
                                    for d in (d0, d1, d2, d3):
                                        store(db, b, add(load(db, b), d))
                                        b += hidden
                                    d0, d1 = operand(d0), operand(d1)
                                    d2, d3 = operand(d2), operand(d3)
                                to, k = r * wide + u, u * _CHUNK + n
                                store(da, to, d0)
                                store(da, to + hidden, d1)
                                store(da, to + 2 * hidden, d2)
                                store(da, to + 3 * hidden, d3)
                                step = hidden * _CHUNK
                                store(turned, k, d0)
                                store(turned, k + step, d1)
                                store(turned, k + 2 * step, d2)
                                store(turned, k + 3 * step, d3)
                                store(gh, own + u, rest)
                        gx[:] = F32(0)
                        for j in range(0, inner, _EVEN):
                            for k in range(0, kx, _BACKWARD_DEPTH):
                                depth = min(_BACKWARD_DEPTH, kx - k)
                                for r in range(0, count, tall):
                                    back(
                                        da, r * wide + x0 * hidden + k, wide, wx,
                                        j * kx + k * _EVEN, depth,
                                        gx, r * inner + j, inner,
                                    )  # fmt: skip
                        for r in range(count):
                            at = ((first + r) * time + t) * inner
                            for j in range(0, inner, W):
                                store(dx, at + j, load(gx, r * inner + j))
                        for j in range(0, hidden, _EVEN):
                            for k in range(0, kh, _BACKWARD_DEPTH):
                                depth = min(_BACKWARD_DEPTH, kh - k)
                                for r in range(0, count, tall):
                                    back(
                                        da, r * wide + h0_ * hidden + k, wide, wh,
                                        j * kh + k * _EVEN, depth,
                                        gh, r * hidden + j, hidden,
                                    )  # fmt: skip
                    n = n_steps * padded
                    for j in range(0, inner, _EVEN):
                        for g in range(0, kx, tall):
                            k = g + x0 * hidden
                            summed(
                                turned, k // W * block + k % W, 0, xs, j * _CHUNK, n,
                                dwx, to_x + g * inner + j, inner,
                            )  # fmt: skip
                    for j in range(0, hidden, _EVEN):
                        for g in range(0, kh, tall):
                            k = g + h0_ * hidden
                            summed(
                                turned, k // W * block + k % W, 0, hs, j * _CHUNK, n,
                                dwh, to_h + g * hidden + j, hidden,
                            )  # fmt: skip
                    for k in range(0, 0 if half else wide, W):
                        total = load(db, task * wide + k)
                        for i in range(n):
                            total = add(total, load(turned, k * _CHUNK + i * W))
                        store(db, task * wide + k, total)
                for r in range(count):
                    for j in range(0, hidden, W):
                        at = (first + r) * hidden + j
                        store(dh0, at, load(gh, r * hidden + j))
                        if remembers:
                            store(dc0, at, load(state, r * hidden + j))

    return run


# ------------------------------------------------------------------------------ calls
def _even(n: int) -> int:
    return -(-n // _EVEN) * _EVEN


def _wider(a: Array, parts: int, width: int) -> Array:
    """Flat, each of the last axis' equal parts padded with zeros to the width."""
    old = a.shape[-1] // parts
    if old == width:
        return np.ascontiguousarray(a).reshape(-1)
    out = np.zeros((*a.shape[:-1], parts, width), F32)
    out[..., :old] = a.reshape(*a.shape[:-1], parts, old)
    return out.reshape(-1)


def _narrower(flat: Array, shape: tuple[int, ...], parts: int, width: int) -> Array:
    """Undo `_wider`: an array of this shape."""
    old = shape[-1] // parts
    if old == width:
        return flat.reshape(shape)
    return np.ascontiguousarray(
        flat.reshape(*shape[:-1], parts, width)[..., :old]
    ).reshape(shape)


def _square(w: Array, parts: int, rows: int, columns: int) -> Array:
    """Weights (parts of rows, columns), every part and row padded with zeros."""
    old = w.shape[0] // parts
    if old == rows and w.shape[1] == columns:
        return w
    out = np.zeros((parts, rows, columns), F32)
    out[:, :old, : w.shape[1]] = w.reshape(parts, old, -1)
    return out.reshape(parts * rows, columns)


def _weights(w: Array, half: bool) -> Array:
    """Rounded to bfloat16 where products compute in it."""
    if not half:
        return w
    from ml_dtypes import bfloat16

    return w.astype(bfloat16).astype(F32)


def _by_units(w: Array, parts: int) -> Array:
    """(unit block, column, gate, 16) of (gate, unit; column)."""
    hidden = w.shape[0] // parts
    blocks = w.reshape(parts, hidden // W, W, -1)
    return blocks.transpose(1, 3, 0, 2).reshape(hidden // W, -1)


def _by_columns(w: Array) -> Array:
    """(column block, row, 32): panels of the backward product."""
    return np.ascontiguousarray(
        w.reshape(len(w), -1, _EVEN).transpose(1, 0, 2)
    ).reshape(-1)


def _rows_together(batch: int, multiple: int) -> int:
    """Sequences of a task: two tasks at least where the tiles allow."""
    half = -(-batch // 2)
    return min(_ROWS, -(-half // multiple) * multiple)


def forward_pass(
    cell: Cell,
    x: Array,
    h0: Array,
    c0: Array | None,
    w_ih: Array,
    w_hh: Array,
    bias: Array,
    lengths: Array,
    *,
    reverse: bool,
    compute: str,
    keep: bool,
) -> tuple[Array, ...]:
    """Outputs, last output, last cells, and with `keep` gates and cells.

    There are no cells where the cell has none.

    Parameters
    ----------
    x : ndarray, shape (batch, time, input), float32
    h0, c0 : ndarray, shape (batch, hidden)
    w_ih : ndarray, shape (gates of x * hidden, input)
    w_hh : ndarray, shape (gates of h * hidden, hidden)
    bias : ndarray, shape (4 * hidden,)
    lengths : ndarray, shape (batch,), int32
        At and after it, states stay and outputs are zero.
    reverse : bool
        From the last step to the first.
    compute : {"float32", "bfloat16"}
        What products round their operands to.
    """
    half = compute == "bfloat16"
    (batch, time, inner), hidden = x.shape, h0.shape[1]
    wide, deep = _even(hidden), _even(inner)
    px, ph = (b - a for a, b in (cell.of_x, cell.of_h))
    w = np.concatenate(
        [
            _by_units(_square(_weights(w_ih, half), px, wide, deep), px),
            _by_units(_square(_weights(w_hh, half), ph, wide, wide), ph),
        ],
        axis=1,
    ).reshape(-1)
    units = _wider(bias, GATES, wide).reshape(GATES, wide // W, W).transpose(1, 0, 2)
    empty = np.empty(0, F32)
    none = pool.empty(0)
    states = [_wider(h0, 1, wide), empty if c0 is None else _wider(c0, 1, wide)]
    y, gates = pool.empty(batch * time * wide), none
    hn, cn, cells = pool.empty(batch * wide), none, none
    if keep:
        gates = pool.empty(batch * time * wide * GATES)
    if cell.remembers:
        cn = pool.empty(batch * wide)
        cells = pool.empty(batch * time * wide) if keep else none
    rows = _rows_together(batch, 4)
    size = np.array([time, deep, wide, batch, rows], np.int64)
    launch(
        _forward(cell, keep, reverse, half), -(-batch // rows), size, w,
        units.reshape(-1), _wider(x, 1, deep), *states, np.minimum(lengths, time),
        y, hn, cn, gates, cells,
        grain=_grain(rows * time * wide * GATES * (deep + wide)),
    )  # fmt: skip
    shape = (batch, time, hidden)
    results = [_narrower(y, shape, 1, wide), _narrower(hn, h0.shape, 1, wide)]
    if cell.remembers:
        results.append(_narrower(cn, h0.shape, 1, wide))
    if keep:
        every = (batch, time, GATES * hidden)
        results.append(_narrower(gates, every, GATES, wide))
        if cell.remembers:
            results.append(_narrower(cells, shape, 1, wide))
    return tuple(results)


def _grain(work: int) -> int:
    return max(1, _LEAST // max(work, 1))


def backward_pass(
    cell: Cell,
    x: Array,
    h0: Array,
    c0: Array | None,
    w_ih: Array,
    w_hh: Array,
    lengths: Array,
    y: Array,
    gates: Array,
    cells: Array | None,
    dy: Array,
    dhn: Array,
    dcn: Array | None,
    *,
    reverse: bool,
    compute: str,
) -> tuple[Array, ...]:
    """Gradients of x, h0, of c0 where there are cells, of w_ih, w_hh and bias."""
    half = compute == "bfloat16"
    (batch, time, inner), hidden = x.shape, h0.shape[1]
    wide, deep = _even(hidden), _even(inner)
    px, ph = (b - a for a, b in (cell.of_x, cell.of_h))
    none = np.empty(0, F32)

    def flat(a: Array | None, parts: int = 1, width: int = wide) -> Array:
        return none if a is None else _wider(a, parts, width)

    rows = _rows_together(batch, 8)
    blocks = -(-batch // rows)
    groups = min(blocks, _GROUPS)
    size = np.array([time, deep, wide, batch, rows, blocks, groups], np.int64)
    dx, dh0 = pool.empty(batch * time * deep), pool.empty(batch * wide)
    dc0 = pool.empty(batch * wide) if cell.remembers else none
    dwx = pool.empty((groups, px * wide * deep))
    dwh = pool.empty((groups, ph * wide * wide))
    db = pool.empty((groups, GATES * wide))
    launch(
        _backward(cell, reverse, half), groups, size,
        _by_columns(_square(_weights(w_ih, half), px, wide, deep)),
        _by_columns(_square(_weights(w_hh, half), ph, wide, wide)),
        flat(x, width=deep), flat(h0), flat(c0), np.minimum(lengths, time),
        flat(y), flat(gates, GATES), flat(cells), flat(dy), flat(dhn), flat(dcn),
        dx, dh0, dc0, dwx.reshape(-1), dwh.reshape(-1), db.reshape(-1),
        grain=_grain(2 * rows * time * wide * GATES * (deep + wide)),
    )  # fmt: skip
    of_cells = (_narrower(dc0, h0.shape, 1, wide),) if cell.remembers else ()
    return (
        _narrower(dx, x.shape, 1, deep),
        _narrower(dh0, h0.shape, 1, wide),
        *of_cells,
        _smaller(_total(dwx), px, (hidden, inner), (wide, deep)),
        _smaller(_total(dwh), ph, (hidden, hidden), (wide, wide)),
        _narrower(_total(db), (GATES * hidden,), GATES, wide),
    )


def _total(parts: Array) -> Array:
    """The sum over groups, in order."""
    total: Array = parts[0] if len(parts) == 1 else np.add.reduce(parts, 0)
    return total


def _smaller(
    flat: Array, parts: int, shape: tuple[int, int], padded: tuple[int, int]
) -> Array:
    """Undo `_square`."""
    whole = flat.reshape(parts, *padded)
    if shape != padded:
        whole = np.ascontiguousarray(whole[:, : shape[0], : shape[1]])
    return whole.reshape(parts * shape[0], shape[1])
