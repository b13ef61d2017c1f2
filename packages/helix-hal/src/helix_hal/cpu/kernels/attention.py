"""Softmax attention that never holds its scores: the forward pass.

Keys and values are first copied into blocks of 64, the keys transposed. A task is 48
rows, each a query of one head; the query heads that share a key head are rows side by
side. It walks over the blocks of keys that any of its rows sees: six rows of scores are
a tile in registers, where they are masked, compared with the maximum so far and raised;
their weights go through the first cache into the second product. Every row sees keys
from a first to a last one, whatever hides the others (causality, a window, lengths), so
that one comparison masks a score.

References
----------
Dao, "FlashAttention-2", arXiv:2307.08691; Milakov and Gimelshein, "Online normalizer
calculation for softmax", arXiv:1805.02867.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from helix_hal.cpu import pool
from helix_hal.cpu.jit import Jitted, device_function, kernel
from helix_hal.cpu.kernels.attention_blocks import (
    LOG2E,
    NONE,
    SLAB_K,
    SLAB_Q,
    Array,
    Call,
    ask_for,
    clear,
    clear_row,
    copy_bias,
    copy_panel,
    copy_row,
    copy_slabs,
    cut,
    describe,
    give_row,
    loose,
    options,
    readable,
    round_all,
    seen_by_any,
    seen_by_row,
    sees,
)
from helix_hal.cpu.kernels.attention_tiles import (
    KEYS,
    QUERIES,
    ROWS,
    larger,
    products,
    tile,
)
from helix_hal.cpu.kernels.rnn_tile import rounded
from helix_hal.cpu.kernels.simd import (
    WIDTH,
    add,
    fma,
    lane_sum,
    load,
    mul,
    row_access,
    scratch,
    splat,
    store,
    sub,
)
from helix_hal.cpu.kernels.simd_math import exp2
from helix_hal.cpu.kernels.tables import array_at
from helix_hal.cpu.launch import launch

__all__ = ["attention_forward"]

TILES = QUERIES // ROWS
LOW = -3.0e38  # the maximum of nothing: finite, so that its differences are numbers

_tile = tile(ROWS, KEYS // WIDTH, WIDTH)
hide, each, flat, distance = _tile.hide, _tile.each, _tile.flat, _tile.distance
_maxima, _add_sums, flat_load = _tile.maxima, _tile.sums, _tile.flat_load
fill = row_access(ROWS * KEYS // WIDTH).fill
# queries times transposed keys: a slab of queries, sixteen rows of a panel, each time
score = products(
    ROWS, KEYS // WIDTH, (1, WIDTH, KEYS, WIDTH, SLAB_Q, WIDTH * KEYS), WIDTH
)
# weights times values, four keys each time
_out4, _out2, _out1 = (tile(ROWS, n, SLAB_Q) for n in (4, 2, 1))
_load4, _load2, _load1 = _out4.load, _out2.load, _out1.load
_store4, _store2, _store1 = _out4.store, _out2.store, _out1.store
_each4, _each2, _each1 = _out4.each, _out2.each, _out1.each
_mix4, _mix2, _mix1 = (
    products(ROWS, n, (1, KEYS, WIDTH, SLAB_K, 4, 4 * WIDTH), 4) for n in (4, 2, 1)
)


@kernel
def _pack(lo, hi, size, half, lengths, like, panels, slabs):
    """A block of keys as a panel, and of values as slabs."""
    tk, g, d, dv = size[2], size[4], size[5], size[6]
    blocks = -(-tk // KEYS)
    panel, slab = -(-d // WIDTH) * SLAB_K, -(-dv // WIDTH) * SLAB_K
    k, v = array_at(size[13], 1, like), array_at(size[17], 1, like)
    size, lengths = loose(size), loose(lengths)
    panels, slabs = loose(panels), loose(slabs)
    for task in range(lo, hi):
        b, head, block = task // (blocks * g), task // blocks % g, task % blocks
        begin, end = seen_by_any(size, lengths, b, block)
        if begin < end:
            at = b * size[14] + block * KEYS * size[15] + head * size[16]
            copy_panel(k, at, size[15], begin, end, d, panels, task * panel)
            at = b * size[18] + block * KEYS * size[19] + head * size[20]
            copy_slabs(v, at, size[19], begin, end, dv, KEYS, slabs, task * slab)
            if half:
                round_all(panels, task * panel, panel)
                round_all(slabs, task * slab, slab)


@device_function
def mix(weights, start, values, at, wide, scale, out, to):
    """Rows of `out` times their `scale`, plus a tile of weights times 64 values."""
    c = 0
    while c + 4 <= wide:
        here, there = to + c * SLAB_Q, at + c * SLAB_K
        x = mul(_load4(out, here), _each4(scale, 0))
        _store4(out, here, _mix4(weights, start, values, there, KEYS // 4, x))
        c += 4
    if c + 2 <= wide:
        here, there = to + c * SLAB_Q, at + c * SLAB_K
        y = mul(_load2(out, here), _each2(scale, 0))
        _store2(out, here, _mix2(weights, start, values, there, KEYS // 4, y))
        c += 2
    if c < wide:
        here, there = to + c * SLAB_Q, at + c * SLAB_K
        z = mul(_load1(out, here), _each1(scale, 0))
        _store1(out, here, _mix1(weights, start, values, there, KEYS // 4, z))


@cache
def _forward(biased: bool, sloped: bool, half: bool) -> Jitted:
    @kernel
    def forward(lo, hi, size, factor, lengths, slopes, panels, slabs, y, lse):
        tq, tk, heads, g, d, dv = size[1], size[2], size[3], size[4], size[5], size[6]
        share = heads // g
        n = tq * share
        tasks, blocks = -(-n // QUERIES), -(-tk // KEYS)
        wide, wide_v = -(-d // WIDTH), -(-dv // WIDTH)
        q = array_at(size[9], 1, y)
        y, lse, panels, slabs = loose(y), loose(lse), loose(panels), loose(slabs)
        size, lengths, slopes = loose(size), loose(lengths), loose(slopes)
        at = (wide + wide_v) * SLAB_Q
        memory = scratch(at + SLAB_Q + ROWS * KEYS + (TILES + 1) * WIDTH + 2 * QUERIES)
        spans = np.empty(2 * QUERIES, np.int32)
        queries, out = cut(memory, 0, at), cut(memory, wide * SLAB_Q, at)
        sums, weights = cut(memory, at, 1), cut(memory, at + SLAB_Q, 1)
        at += SLAB_Q + ROWS * KEYS
        top, rescale = cut(memory, at, 1), cut(memory, at + TILES * WIDTH, 1)
        at += (TILES + 1) * WIDTH
        place, slope = cut(memory, at, 1), cut(memory, at + QUERIES, 1)
        begin, count = cut(spans, 0, 1), cut(spans, QUERIES, 1)
        none = fill(splat(np.float32(0)))
        hidden, log2e = np.float32(-np.inf), splat(LOG2E)
        for task in range(lo, hi):
            unit, part = task // tasks, tasks - 1 - task % tasks  # the longest first
            b, head, row0 = unit // g, unit % g, part * QUERIES
            near, far = tk, 0
            for row in range(row0, min(n, row0 + QUERIES)):
                h = head * share + row % share
                at = b * size[10] + row // share * size[11] + h * size[12]
                ask_for(q, at, d)
            for r in range(QUERIES):
                row = row0 + r
                i, h = row // share, head * share + row % share
                seen_by_row(size, lengths, b, row, begin, count, r)
                if count[r] == 0:
                    clear_row(d, queries, r * WIDTH)
                    continue
                at = b * size[10] + i * size[11] + h * size[12]
                copy_row(q, at, d, factor, half, queries, r * WIDTH)
                near = min(near, begin[r])
                far = max(far, begin[r] + count[r])
                if sloped:
                    place[r] = np.float32(tk - tq + i)
                    slope[r] = -slopes[h]
            clear(out, 0, wide_v * SLAB_Q)
            clear(sums, 0, SLAB_Q)
            for t in range(TILES):
                store(top, t * WIDTH, splat(np.float32(LOW)))
            for block in range(near // KEYS, -(-far // KEYS)):
                key = block * KEYS
                panel = (unit * blocks + block) * wide * SLAB_K
                slab = (unit * blocks + block) * wide_v * SLAB_K
                for t in range(TILES):
                    some, every = sees(begin, count, t * ROWS, key)
                    if not some:
                        continue
                    first = t * ROWS * WIDTH
                    s = score(queries, first, panels, panel, wide, none)
                    if biased:
                        copy_bias(size, y, unit, row0 + t * ROWS, key, weights, 0)
                        s = add(s, flat_load(weights, 0))
                    if sloped:
                        away = distance(key, place, t * ROWS)
                        s = fma(away, each(slope, t * ROWS), s)
                    if not every:
                        s = hide(s, key, begin, count, t * ROWS, hidden)
                    old = load(top, t * WIDTH)
                    new = larger(_maxima(s), old)
                    store(top, t * WIDTH, new)
                    store(rescale, 0, exp2(mul(sub(old, new), log2e)))
                    p = exp2(mul(sub(s, each(top, t * WIDTH)), log2e))
                    if half:
                        flat(weights, 0, rounded(p))
                    else:
                        flat(weights, 0, p)
                    _add_sums(sums, first, rescale, 0, p)
                    mix(weights, 0, slabs, slab, wide_v, rescale, out, first)
            for r in range(min(QUERIES, n - row0)):
                i, h = (row0 + r) // share, head * share + (row0 + r) % share
                total = lane_sum(load(sums, r * WIDTH))
                inverse, norm = np.float32(0), np.float32(np.inf)
                if total != 0:
                    inverse = np.float32(1) / total
                    norm = top[r // ROWS * WIDTH + r % ROWS] + np.log(total)
                lse[(b * heads + h) * tq + i] = norm
                to = ((b * tq + i) * heads + h) * dv
                give_row(out, r * WIDTH, QUERIES, dv, inverse, y, to)
        memory[0], spans[0] = 0, 0  # both live until here

    return forward


def attention_forward(q: Array, k: Array, v: Array, call: Call) -> tuple[Array, Array]:
    """Attention and the log-sum-exp of every row of scores.

    Parameters
    ----------
    q : ndarray, shape (batch, time_q, heads, d), float32
    k : ndarray, shape (batch, time_k, kv_heads, d)
    v : ndarray, shape (batch, time_k, kv_heads, dv)
        Rows contiguous, in whatever place: slices of one projection are read as they lie.
    call : Call

    Returns
    -------
    y : ndarray, shape (batch, time_q, heads, dv)
    lse : ndarray, shape (batch, heads, time_q)
        +inf where a row sees no key.

    Notes
    -----
    Memory beside the results: a copy of k and v.
    """
    q, k, v = (readable(a) for a in (q, k, v))
    (b, tq, heads, d), (tk, g, dv) = q.shape, v.shape[1:]
    if call.bias is not None:
        call = call._replace(bias=readable(call.bias))
    size, blocks = describe(q, k, v, call), -(-tk // KEYS)
    lengths, slopes = options(call)
    panels = pool.empty(b * g * blocks * -(-d // WIDTH) * SLAB_K, np.float32)
    slabs = pool.empty(b * g * blocks * -(-dv // WIDTH) * SLAB_K, np.float32)
    y, lse = pool.empty((b, tq, heads, dv), np.float32), pool.empty((b, heads, tq))
    launch(
        _pack, b * g * blocks, size, call.half, lengths, NONE, panels, slabs, grain=4
    )
    launch(
        _forward(call.bias is not None, call.slopes is not None, call.half),
        *(b * g * -(-tq * (heads // g) // QUERIES), size),
        *(np.float32(call.scale), lengths, slopes, panels, slabs),
        *(y.reshape(-1), lse.reshape(-1)),
    )
    return y, lse
