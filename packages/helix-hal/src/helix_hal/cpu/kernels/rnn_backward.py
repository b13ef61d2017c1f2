"""The gradients of a recurrent layer over whole sequences, for any cell of four gates.

A few sequences are walked together, their steps in reverse. A step is one product of the
gates' gradients and the weights, which gives the gradients of x_t and h_{t-1}. Gates'
gradients and inputs of a chunk of steps stay in the second cache, and end in the
gradients of the weights, which are sums over batch and time.

Those sums are taken over groups of sequences that depend on shapes alone, and the groups
added in order: the same bits for any number of threads.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from helix_hal.cpu import pool
from helix_hal.cpu.blas import _wide_units
from helix_hal.cpu.jit import Jitted, device_function, kernel
from helix_hal.cpu.kernels import simd
from helix_hal.cpu.kernels.rnn_cell import (
    EVEN,
    GATES,
    Array,
    Cell,
    even,
    grain,
    narrower,
    operand,
    sequences,
    square,
    weights,
    wider,
)
from helix_hal.cpu.kernels.rnn_tile import tile_product
from helix_hal.cpu.kernels.simd import add, load, scratch, splat, store
from helix_hal.cpu.launch import launch

__all__ = ["backward_pass"]

F32 = np.float32
W = simd.WIDTH
_DEPTH = 256  # of a panel of weights that stays in the first cache
_CHUNK = 128  # rows, of a few steps of a few sequences, that are kept together
_BLOCK = _CHUNK * W  # of sixteen columns of them, one row after the other
_GROUPS = 8  # of sequences, at most


@cache
def _backward(cell: Cell, tall: int, reverse: bool, half: bool) -> Jitted:
    retreat, remembers = cell.backward, cell.remembers
    many = 8 if _wide_units() else 2
    multiply = tile_product(tall, (0, 1), (0, 1), (EVEN, W))
    multiply_rows = tile_product(many, (0, 1), (1, W), (W, _BLOCK))
    rounding = operand(half)
    (x_first, x_past), (h_first, h_past) = cell.of_x, cell.of_h

    @device_function
    def skip(r, n, size, da, kept):
        """A step past a sequence's end."""
        inner, hidden = size[1], size[2]
        turned, xs, hs = kept
        zero, wide = splat(F32(0)), GATES * hidden
        for j in range(0, wide, W):
            store(da, r * (wide + W) + j, zero)
            store(turned, j * _CHUNK + n, zero)
        for j in range(0, hidden, W):
            store(hs, j * _CHUNK + n, zero)
        for j in range(0, inner, W):
            store(xs, j * _CHUNK + n, zero)

    @device_function
    def gate_grads(
        r, n, here, last, size, x, last_h, last_c, gates, cells, dy, gh, state, da,
        kept, db, of_bias,
    ):  # fmt: skip
        """Of step `here` of a sequence, whose state before it is at row `last`."""
        inner, hidden = size[1], size[2]
        turned, xs, hs = kept
        wide, apart = GATES * hidden, hidden * _CHUNK
        for j in range(0, inner, W):
            store(xs, j * _CHUNK + n, rounding(load(x, here * inner + j)))
        for u in range(0, hidden, W):
            own, at = r * hidden + u, here * hidden + u
            h = load(last_h, last * hidden + u)
            store(hs, u * _CHUNK + n, rounding(h))
            now, before = h, h
            if remembers:
                now, before = load(cells, at), load(last_c, last * hidden + u)
            dh = add(load(gh, own), load(dy, at))
            d0, d1, d2, d3, rest = retreat(
                gates, here * wide + u, hidden, now, before, h, dh, state, own
            )
            store(gh, own, rest)
            if half:  # the bias sums what is not rounded yet
                b = of_bias + u
                for d in (d0, d1, d2, d3):
                    store(db, b, add(load(db, b), d))
                    b += hidden
            to, k = r * (wide + W) + u, u * _CHUNK + n
            for d in (d0, d1, d2, d3):
                store(da, to, rounding(d))
                store(turned, k, rounding(d))
                to += hidden
                k += apart

    @device_function
    def through(count, da, line, start, deep, w, out, width):
        """Add the products of gates' gradients and weights to rows of `width`."""
        for j in range(0, width, EVEN):
            for k in range(0, deep, _DEPTH):
                depth = min(_DEPTH, deep - k)
                for r in range(0, count, tall):
                    multiply(
                        da, r * line + start + k, line, w, j * deep + k * EVEN, depth,
                        out, r * width + j, width,
                    )  # fmt: skip

    @device_function
    def sum_rows(n, turned, first, past, inputs, out, at, width):
        """Add what a chunk gives to the gradients of weights (past - first, width)."""
        for j in range(0, width, EVEN):
            for g in range(first, past, many):
                multiply_rows(
                    turned, g // W * _BLOCK + g % W, 0, inputs, j * _CHUNK, n,
                    out, at + (g - first) * width + j, width,
                )  # fmt: skip

    @kernel
    def run(
        lo, hi, size, wx, wh, x, h0, c0, lengths, y, gates, cells, dy, dhn, dcn,
        dx, dh0, dc0, dwx, dwh, db,
    ):  # fmt: skip
        time, inner, hidden, batch, rows = size[0], size[1], size[2], size[3], size[4]
        blocks, groups = size[5], size[6]
        wide = GATES * hidden
        line = wide + W  # not a power of two apart: those share few sets of a cache
        padded = -(-rows // tall) * tall
        steps = _CHUNK // padded
        kx, kh = (x_past - x_first) * hidden, (h_past - h_first) * hidden
        of_x, of_h = x_first * hidden, h_first * hidden
        kept = scratch(wide * _CHUNK), scratch(inner * _CHUNK), scratch(hidden * _CHUNK)
        turned, xs, hs = kept
        da, gx = scratch(padded * line), scratch(padded * inner)
        gh, state = scratch(padded * hidden), scratch(padded * hidden)
        for task in range(lo, hi):
            to_x, to_h, to_b = task * kx * inner, task * kh * hidden, task * wide
            dwx[to_x : to_x + kx * inner] = F32(0)
            dwh[to_h : to_h + kh * hidden] = F32(0)
            db[to_b : to_b + wide] = F32(0)
            for block in range(blocks * task // groups, blocks * (task + 1) // groups):
                first = block * rows
                count = min(rows, batch - first)
                for part in (da, turned, xs, hs, gh):
                    part[:] = F32(0)
                for i in range(0, count * hidden, W):
                    store(gh, i, load(dhn, first * hidden + i))
                    if remembers:
                        store(state, i, load(dcn, first * hidden + i))
                for s in range(0, time, steps):
                    n_steps = min(steps, time - s)
                    for e in range(n_steps):
                        t = s + e if reverse else time - 1 - s - e
                        for r in range(count):
                            n, length = (e * padded + r) * W, lengths[first + r]
                            if t >= length:
                                skip(r, n, size, da, kept)
                                continue
                            here = (first + r) * time + t
                            last = here + 1 if reverse else here - 1
                            last_h, last_c = y, cells
                            if t == (length - 1 if reverse else 0):
                                last_h, last_c, last = h0, c0, first + r
                            gate_grads(
                                r, n, here, last, size, x, last_h, last_c, gates, cells,
                                dy, gh, state, da, kept, db, to_b,
                            )  # fmt: skip
                        gx[:] = F32(0)
                        through(count, da, line, of_x, kx, wx, gx, inner)
                        through(count, da, line, of_h, kh, wh, gh, hidden)
                        for r in range(count):
                            at = ((first + r) * time + t) * inner
                            for j in range(0, inner, W):
                                store(dx, at + j, load(gx, r * inner + j))
                    n = n_steps * padded
                    sum_rows(n, turned, of_x, of_x + kx, xs, dwx, to_x, inner)
                    sum_rows(n, turned, of_h, of_h + kh, hs, dwh, to_h, hidden)
                    for k in range(0, 0 if half else wide, W):
                        total = load(db, to_b + k)
                        for i in range(n):
                            total = add(total, load(turned, k * _CHUNK + i * W))
                        store(db, to_b + k, total)
                for i in range(0, count * hidden, W):
                    store(dh0, first * hidden + i, load(gh, i))
                    if remembers:
                        store(dc0, first * hidden + i, load(state, i))

    return run


def _by_columns(w: Array) -> Array:
    """(block of columns, row, 32): panels of `multiply`."""
    return w.reshape(len(w), -1, EVEN).transpose(1, 0, 2).reshape(-1)


def _total(parts: Array) -> Array:
    """The sum over groups, in order."""
    total: Array = parts[0] if len(parts) == 1 else np.add.reduce(parts, 0)
    return total


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
    """Gradients of x, h0, of c0 where there are cells, of w_ih, w_hh and bias.

    Parameters
    ----------
    cell, x, h0, c0, w_ih, w_hh, lengths, reverse, compute
        What `forward_pass` was given.
    y, gates, cells : ndarray
        What it returned.
    dy, dhn, dcn : ndarray
        Gradients of the outputs, the last output, and the last cells.
    """
    half = compute == "bfloat16"
    (batch, time, inner), hidden = x.shape, h0.shape[1]
    deep, wide = even(inner), even(hidden)
    px, ph = (b - a for a, b in (cell.of_x, cell.of_h))
    none = np.empty(0, F32)

    def flat(a: Array | None) -> Array:
        return none if a is None else wider(a, 1, wide)

    rows, tall = sequences(batch, (8, 4, 1) if _wide_units() else (2, 1))
    blocks = -(-batch // rows)
    groups = min(blocks, _GROUPS)
    dx, dh0 = pool.empty(batch * time * deep), pool.empty(batch * wide)
    dc0 = pool.empty(batch * wide) if cell.remembers else none
    dwx = pool.empty((groups, px * wide * deep))
    dwh = pool.empty((groups, ph * wide * wide))
    db = pool.empty((groups, GATES * wide))
    launch(
        _backward(cell, tall, reverse, half),
        groups,
        np.array([time, deep, wide, batch, rows, blocks, groups], np.int64),
        _by_columns(weights(w_ih, px, wide, deep, half)),
        _by_columns(weights(w_hh, ph, wide, wide, half)),
        wider(x, 1, deep),
        *(flat(h0), flat(c0), np.minimum(lengths, time), flat(y)),
        wider(gates, GATES, wide),
        *(flat(cells), flat(dy), flat(dhn), flat(dcn)),
        *(dx, dh0, dc0, dwx.reshape(-1), dwh.reshape(-1), db.reshape(-1)),
        grain=grain(2 * rows * time * wide * GATES * (deep + wide)),
    )
    of_cells = (narrower(dc0, h0.shape, 1, wide),) if cell.remembers else ()
    return (
        narrower(dx, x.shape, 1, deep),
        narrower(dh0, h0.shape, 1, wide),
        *of_cells,
        square(_total(dwx), px, (hidden, inner), (wide, deep)),
        square(_total(dwh), ph, (hidden, hidden), (wide, wide)),
        narrower(_total(db), (GATES * hidden,), GATES, wide),
    )
