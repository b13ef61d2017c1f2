"""A recurrent layer over whole sequences, for any cell of four gates.

A few sequences are walked together by one thread, the whole way through time. A step is
one product of ``[x_t, h_{t-1}]`` and the weights, packed so that all gates of sixteen
units are in registers together, and the cell is applied to them while they are in the
first cache. Nothing of the size (batch, time, gates) is made but what the backward pass
wants.

Sequences do not know of each other: the same bits for any number of threads.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from helix_hal.cpu import pool
from helix_hal.cpu.blas import _wide_units
from helix_hal.cpu.jit import Jitted, device_function, kernel
from helix_hal.cpu.kernels import simd
from helix_hal.cpu.kernels.rnn_cell import (
    GATES,
    Array,
    Cell,
    even,
    grain,
    narrower,
    operand,
    sequences,
    weights,
    wider,
)
from helix_hal.cpu.kernels.rnn_tile import tile_product
from helix_hal.cpu.kernels.simd import load, scratch, splat, store
from helix_hal.cpu.launch import launch

__all__ = ["forward_pass"]

F32 = np.float32
W = simd.WIDTH
_DEPTH = 128  # of a panel of weights that stays in the first cache
_SUMS = GATES * W  # of sixteen units of a sequence


@cache
def _forward(cell: Cell, tall: int, keep: bool, reverse: bool, half: bool) -> Jitted:
    advance, remembers = cell.forward, cell.remembers
    x_slots, h_slots = tuple(range(*cell.of_x)), tuple(range(*cell.of_h))
    nx, nh = len(x_slots) * W, len(h_slots) * W
    multiply_x = tile_product(tall, x_slots, (0, 1), (nx, W))
    multiply_h = tile_product(tall, h_slots, (0, 1), (nh, W))
    rounding = operand(half)

    @device_function
    def sums(size, count, u, left, w, bias, acc):
        """Of sixteen units of `count` sequences, from the bias on."""
        inner, hidden = size[1], size[2]
        deep = inner + hidden
        for j in range(0, _SUMS, W):
            b = load(bias, u * GATES + j)
            for r in range(count):
                store(acc, r * _SUMS + j, b)
        panel = u // W * (inner * nx + hidden * nh)
        for k in range(0, inner, _DEPTH):
            depth = min(_DEPTH, inner - k)
            for r in range(0, count, tall):
                multiply_x(
                    left, r * deep + k, deep, w, panel + k * nx, depth,
                    acc, r * _SUMS, _SUMS,
                )  # fmt: skip
        panel += inner * nx
        for k in range(0, hidden, _DEPTH):
            depth = min(_DEPTH, hidden - k)
            for r in range(0, count, tall):
                multiply_h(
                    left, r * deep + inner + k, deep, w, panel + k * nh, depth,
                    acc, r * _SUMS, _SUMS,
                )  # fmt: skip

    @device_function
    def pause(at, g, hidden, y, gates, cells):
        """A step past a sequence's end."""
        zero = splat(F32(0))
        store(y, at, zero)
        if keep:
            for j in range(GATES):
                store(gates, g + j * hidden, zero)
            if remembers:
                store(cells, at, zero)

    @kernel
    def run(lo, hi, size, w, bias, x, h0, c0, lengths, y, hn, cn, gates, cells):
        time, inner, hidden, batch, rows = size[0], size[1], size[2], size[3], size[4]
        deep = inner + hidden
        padded = -(-rows // tall) * tall
        left, out = scratch(padded * deep), scratch(rows * hidden)
        state, acc = scratch(rows * hidden), scratch(padded * _SUMS)
        for task in range(lo, hi):
            first = task * rows
            count = min(rows, batch - first)
            left[:] = F32(0)
            acc[:] = F32(0)
            for i in range(0, count * hidden, W):
                store(out, i, load(h0, first * hidden + i))
                if remembers:
                    store(state, i, load(c0, first * hidden + i))
            for s in range(time):
                t = time - 1 - s if reverse else s
                for r in range(count):
                    at = ((first + r) * time + t) * inner
                    for j in range(0, inner, W):
                        store(left, r * deep + j, rounding(load(x, at + j)))
                    for j in range(0, hidden, W):
                        h = rounding(load(out, r * hidden + j))
                        store(left, r * deep + inner + j, h)
                for u in range(0, hidden, W):
                    sums(size, count, u, left, w, bias, acc)
                    for r in range(count):
                        at = ((first + r) * time + t) * hidden + u
                        own, g = r * hidden + u, (at - u) * GATES + u
                        if t >= lengths[first + r]:
                            pause(at, g, hidden, y, gates, cells)
                            continue
                        h = advance(
                            acc, r * _SUMS, load(out, own), state, own, keep, gates, g,
                            hidden, cells, at,
                        )  # fmt: skip
                        store(y, at, h)
                        store(out, own, h)
            for i in range(0, count * hidden, W):
                store(hn, first * hidden + i, load(out, i))
                if remembers:
                    store(cn, first * hidden + i, load(state, i))

    return run


def _by_units(w: Array, parts: int) -> Array:
    """(block of units, column, gate, 16) of (gate, unit; column)."""
    hidden = w.shape[0] // parts
    blocks = w.reshape(parts, hidden // W, W, -1)
    return blocks.transpose(1, 3, 0, 2).reshape(hidden // W, -1)


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

    There are no cells where the cell has none. All arrays are C-contiguous.

    Parameters
    ----------
    cell : Cell
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
    keep : bool
        Whether a backward pass follows.
    """
    half = compute == "bfloat16"
    (batch, time, inner), hidden = x.shape, h0.shape[1]
    deep, wide = even(inner), even(hidden)
    px, ph = (b - a for a, b in (cell.of_x, cell.of_h))
    packed = np.concatenate(
        [
            _by_units(weights(w_ih, px, wide, deep, half), px),
            _by_units(weights(w_hh, ph, wide, wide, half), ph),
        ],
        axis=1,
    )
    units = wider(bias, GATES, wide).reshape(GATES, -1, W).transpose(1, 0, 2)
    none = np.empty(0, F32)
    y, hn = pool.empty(batch * time * wide), pool.empty(batch * wide)
    cn = pool.empty(batch * wide) if cell.remembers else none
    gates = pool.empty(batch * time * wide * GATES) if keep else none
    cells = pool.empty(batch * time * wide) if keep and cell.remembers else none
    rows, tall = sequences(batch, (4, 1) if _wide_units() else (1,))
    launch(
        _forward(cell, tall, keep, reverse, half),
        -(-batch // rows),
        np.array([time, deep, wide, batch, rows], np.int64),
        packed.reshape(-1),
        units.reshape(-1),
        wider(x, 1, deep),
        wider(h0, 1, wide),
        none if c0 is None else wider(c0, 1, wide),
        lengths,
        *(y, hn, cn, gates, cells),
        grain=grain(rows * time * wide * GATES * (deep + wide)),
    )
    every = (batch, time, hidden)
    results = [narrower(y, every, 1, wide), narrower(hn, h0.shape, 1, wide)]
    if cell.remembers:
        results.append(narrower(cn, h0.shape, 1, wide))
    if keep:
        results.append(narrower(gates, (batch, time, GATES * hidden), GATES, wide))
        if cell.remembers:
            results.append(narrower(cells, every, 1, wide))
    return tuple(results)
