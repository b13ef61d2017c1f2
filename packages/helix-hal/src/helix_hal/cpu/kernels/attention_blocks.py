"""Attention's operands in blocks: copies, what each row sees, what is added to scores.

`size` describes a call, see `describe`. A *unit* is a key head of a batch entry; its rows
are the queries of every head that reads it, the heads of one query side by side.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu.jit import device_function
from helix_hal.cpu.kernels.attention_tiles import KEYS, QUERIES, ROWS, turn
from helix_hal.cpu.kernels.rnn_tile import rounded
from helix_hal.cpu.kernels.simd import WIDTH, load, mul, prefetch, splat, store
from helix_hal.cpu.kernels.tables import array_at

__all__ = ["Call", "describe"]

Array = NDArray[Any]

LOG2E = np.float32(1.4426950408889634)
SLAB_Q, SLAB_K = QUERIES * WIDTH, KEYS * WIDTH  # numbers in a slab
NONE = np.empty(0, np.float32)
_EVERYTHING = np.empty(0, np.int32)  # as lengths


class Call(NamedTuple):
    """What is added to scores and what hides them, beside q, k and v.

    Attributes
    ----------
    causal : bool
    window : int or None
    scale : float
    bias : ndarray, shape (b|1, h|1, tq|1, tk|1), or None
    slopes : ndarray, shape (heads,), or None
    lengths : ndarray, shape (batch,), int32, or None
    half : bool
        Operands of every product are rounded to bfloat16.
    """

    causal: bool = False
    window: int | None = None
    scale: float = 1.0
    bias: Array | None = None
    slopes: Array | None = None
    lengths: Array | None = None
    half: bool = False


def describe(q: Array, k: Array, v: Array, call: Call) -> Array:
    """Sizes, then the address and steps of q, k, v and the bias, as int64.

    b, tq, tk, heads, key heads, d, dv, causal, window; of q from 9 on its address and its
    steps along batch, time and heads; of k from 13, of v from 17; of the bias from 21 the
    address and four steps, zero where it broadcasts.
    """
    (b, tq, heads, d), (tk, g, dv) = q.shape, v.shape[1:]
    out = [b, tq, tk, heads, g, d, dv, int(call.causal), call.window or 0]
    for a in (q, k, v):
        out += [_address(a), *(s // 4 for s in a.strides[:3])]
    if call.bias is not None:
        shape = call.bias.shape
        steps = [
            s // 4 * (n > 1) for s, n in zip(call.bias.strides, shape, strict=True)
        ]
        out += [_address(call.bias), *steps]
    return np.array(out, np.int64)


def _address(a: Array) -> int:
    return int(a.__array_interface__["data"][0])


def readable(a: Array) -> Array:
    """The array, or a copy where its features are not neighbours or time runs back."""
    itemsize, last = a.itemsize, a.strides[-1]
    if (last == itemsize or a.shape[-1] == 1) and min(a.strides) >= 0:
        return a
    return np.ascontiguousarray(a)


def options(call: Call) -> tuple[Array, Array]:
    """Lengths and slopes as kernels take them; empty for none."""
    lengths = (
        _EVERYTHING if call.lengths is None else np.ascontiguousarray(call.lengths)
    )
    slopes = NONE if call.slopes is None else np.ascontiguousarray(call.slopes)
    return lengths, slopes


# ------------------------------------------------------------------------------- memory
@device_function
def loose(array):
    """The array without its reference count, which every call of a helper changes.

    Counting is a third of the work where sequences are short. Whoever calls keeps the
    memory alive.
    """
    return array_at(array.ctypes.data, array.size, array)


@device_function
def cut(block, start, count):
    """A part of an array, as `loose`."""
    return array_at(block.ctypes.data + start * block.itemsize, count, block)


@device_function
def ask_for(array, start, width):
    """Have a row fetched."""
    for c in range(0, width, WIDTH):
        prefetch(array, start + c)


# ------------------------------------------------------------------------------- copies
@device_function
def copy_slabs(source, start, step, begin, count, width, rows, target, to):
    """Rows `begin` to `count`, `step` apart, as slabs of `rows` rows, zeros elsewhere."""
    zero = splat(np.float32(0))
    for c in range(0, width, WIDTH):
        there = to + c * rows
        for r in range(begin):
            store(target, there + r * WIDTH, zero)
        if c + WIDTH <= width:
            for r in range(begin, count):
                store(target, there + r * WIDTH, load(source, start + r * step + c))
        else:
            for r in range(begin, count):
                store(target, there + r * WIDTH, zero)
                for j in range(width - c):
                    target[there + r * WIDTH + j] = source[start + r * step + c + j]
        for r in range(count, rows):
            store(target, there + r * WIDTH, zero)


@device_function
def copy_panel(source, start, step, begin, count, width, target, to):
    """Rows `begin` to `count` of 64, transposed: (columns, 64) with zeros elsewhere."""
    zero = splat(np.float32(0))
    columns = -(-width // WIDTH) * WIDTH
    whole = 0
    if begin == 0 and count == KEYS:
        whole = width // WIDTH * WIDTH
        for c in range(0, whole, WIDTH):
            for r in range(0, KEYS, WIDTH):
                turn(source, start + r * step + c, step, target, to + c * KEYS + r)
    for c in range(whole * KEYS, columns * KEYS, WIDTH):
        store(target, to + c, zero)
    for r in range(begin, count):
        for c in range(whole, width):
            target[to + c * KEYS + r] = source[start + r * step + c]


@device_function
def copy_row(source, start, width, factor, half, target, to):
    """A row, perhaps rounded, times a factor, into its place in slabs of 48."""
    for c in range(0, width, WIDTH):
        there = to + c * QUERIES
        if c + WIDTH <= width:
            store(target, there, load(source, start + c))
        else:
            store(target, there, splat(np.float32(0)))
            for j in range(width - c):
                target[there + j] = source[start + c + j]
        x = load(target, there)
        if half:
            x = rounded(x)
        store(target, there, mul(x, splat(factor)))


@device_function
def round_all(target, start, count):
    """`count` numbers, a multiple of sixteen, to bfloat16."""
    for i in range(start, start + count, WIDTH):
        store(target, i, rounded(load(target, i)))


@device_function
def clear_row(width, target, to):
    for c in range(0, width, WIDTH):
        store(target, to + c * QUERIES, splat(np.float32(0)))


@device_function
def give_row(source, start, rows, width, factor, target, to):
    """A row of slabs of `rows` rows times a factor, contiguous."""
    for c in range(0, width, WIDTH):
        at = start + c * rows
        if c + WIDTH <= width:
            store(target, to + c, mul(load(source, at), splat(factor)))
        else:
            for j in range(width - c):
                target[to + c + j] = source[at + j] * factor


@device_function
def clear(target, start, count):
    """`count` numbers, a multiple of sixteen."""
    for i in range(0, count, WIDTH):
        store(target, start + i, splat(np.float32(0)))


# --------------------------------------------------------------------------- visibility
@device_function
def seen_by_any(size, lengths, b, block):
    """The keys of a block that some query of a batch entry sees: from, to."""
    tq, tk, window = size[1], size[2], size[8]
    first, last = 0, tk
    if lengths.size > 0:
        last = max(0, min(tk, lengths[b]))
    if window > 0:
        first = max(0, tk - tq - window + 1)
    begin, end = max(0, first - block * KEYS), min(KEYS, last - block * KEYS)
    return min(begin, max(end, 0)), max(end, 0)


@device_function
def seen_by_row(size, lengths, b, row, begin, count, r):
    """The keys that a row of a unit sees: `count[r]` from `begin[r]` on."""
    tq, tk, share = size[1], size[2], size[3] // size[4]
    causal, window = size[7], size[8]
    begin[r], count[r] = 0, 0
    if row >= tq * share:
        return
    position = tk - tq + row // share
    first, last = 0, tk
    if lengths.size > 0:
        last = min(tk, lengths[b])
    if causal > 0:
        last = min(last, position + 1)
    if window > 0:
        first = max(0, position - window + 1)
        last = min(last, position + window)
    if last > first:
        begin[r], count[r] = first, last - first


@device_function
def sees(begin, count, first, key):
    """Whether some of a tile's rows see some of 64 keys, and whether all see all."""
    some, every = False, True
    for r in range(first, first + ROWS):
        end = begin[r] + count[r]
        some |= count[r] > 0 and begin[r] < key + KEYS and end > key
        every &= begin[r] <= key and end >= key + KEYS
    return some, every


# ------------------------------------------------------------------ what is added to scores
@device_function
def bias_of(size, unit, row, key):
    """Where a row's bias for a key lies."""
    share, g = size[3] // size[4], size[4]
    h = unit % g * share + row % share
    return (
        unit // g * size[22] + h * size[23] + row // share * size[24] + key * size[25]
    )


@device_function
def copy_bias(size, like, unit, row0, key, target, start):
    """The bias of a tile of scores as (rows, 64), zeros outside."""
    n, keys, step = size[1] * (size[3] // size[4]), min(KEYS, size[2] - key), size[25]
    bias = array_at(size[21], 1, like)
    clear(target, start, ROWS * KEYS)
    for r in range(min(ROWS, n - row0)):
        at, to = bias_of(size, unit, row0 + r, key), start + r * KEYS
        if step == 1 and keys == KEYS:
            for j in range(0, KEYS, WIDTH):
                store(target, to + j, load(bias, at + j))
        else:
            for j in range(keys):
                target[to + j] = bias[at + j * step]
