"""Gradients of attention, from the log-sum-exp of its rows.

A task is a part of the keys of a key head. Block after block of 64 keys, it makes the
weights of every row that sees them again, 48 rows at a time, and from them all that the
two blocks share: the gradients of the keys and values stay with the task, those of the
queries are added up in a buffer of the part, and the parts' buffers in order at the end.
Parts are chosen by shape: the same bits for any number of threads.

References
----------
Dao, "FlashAttention-2", arXiv:2307.08691, algorithm 2.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from helix_hal.cpu import pool
from helix_hal.cpu.jit import Jitted, device_function, kernel
from helix_hal.cpu.kernels.attention import (
    TILES,
    _load1,
    _load2,
    _load4,
    _mix1,
    _mix2,
    _mix4,
    _store1,
    _store2,
    _store4,
    distance,
    each,
    fill,
    flat,
    flat_load,
    hide,
    score,
)
from helix_hal.cpu.kernels.attention_blocks import (
    LOG2E,
    NONE,
    SLAB_K,
    SLAB_Q,
    Array,
    Call,
    ask_for,
    bias_of,
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
    scratch,
    splat,
    store,
    sub,
)
from helix_hal.cpu.kernels.simd_math import exp2
from helix_hal.cpu.kernels.tables import array_at
from helix_hal.cpu.launch import launch

__all__ = ["Gradients", "attention_backward"]

_TASKS = 8  # at least, where there are as many blocks of keys
_SOME = 4  # keys of a tile of their gradients
# transposed weights times queries, six of them each time
_turned = (KEYS, 1, WIDTH, SLAB_Q, ROWS * KEYS, ROWS * WIDTH)
_fold4, _fold2, _fold1 = (products(_SOME, n, _turned, ROWS) for n in (4, 2, 1))
_keys4, _keys2, _keys1 = (tile(_SOME, n, SLAB_K) for n in (4, 2, 1))
_get4, _get2, _get1 = _keys4.load, _keys2.load, _keys1.load
_put4, _put2, _put1 = _keys4.store, _keys2.store, _keys1.store


class Gradients(NamedTuple):
    """Of the inputs of `attention_forward`; None for those that a call lacks."""

    q: Array
    k: Array
    v: Array
    bias: Array | None
    slopes: Array | None


@kernel
def _prepare(
    lo, hi, size, factor, half, lengths, y, dy, lse, queries, grads, rows, spans
):
    """Blocks of 48 rows of q and dy, their lse and -sum(y dy), and which keys they see."""
    tq, heads, g, d, dv = size[1], size[3], size[4], size[5], size[6]
    share = heads // g
    tasks = -(-tq * share // QUERIES)
    block_q, block_v = -(-d // WIDTH) * SLAB_Q, -(-dv // WIDTH) * SLAB_Q
    q, one = array_at(size[9], 1, y), np.float32(1)
    size, lengths, y, dy = loose(size), loose(lengths), loose(y), loose(dy)
    queries, grads, rows = loose(queries), loose(grads), loose(rows)
    begin, count = cut(spans, 0, 1), cut(spans, spans.size // 2, 1)
    for task in range(lo, hi):
        unit, part = task // tasks, task % tasks
        b, head = unit // g, unit % g
        at = task * QUERIES
        for row in range(part * QUERIES, min(tq * share, (part + 1) * QUERIES)):
            i, h = row // share, head * share + row % share
            ask_for(q, b * size[10] + i * size[11] + h * size[12], d)
            start = ((b * tq + i) * heads + h) * dv
            ask_for(y, start, dv)
            ask_for(dy, start, dv)
        for r in range(QUERIES):
            row = part * QUERIES + r
            i, h = row // share, head * share + row % share
            seen_by_row(size, lengths, b, row, begin, count, at + r)
            if count[at + r] == 0:
                clear_row(d, queries, task * block_q + r * WIDTH)
                clear_row(dv, grads, task * block_v + r * WIDTH)
                rows[2 * at + r] = np.inf
                rows[2 * at + QUERIES + r] = 0
                continue
            start = b * size[10] + i * size[11] + h * size[12]
            copy_row(q, start, d, factor, half, queries, task * block_q + r * WIDTH)
            start = ((b * tq + i) * heads + h) * dv
            copy_row(dy, start, dv, one, half, grads, task * block_v + r * WIDTH)
            total = np.float32(0)
            whole, sums = dv // WIDTH * WIDTH, splat(np.float32(0))
            for c in range(0, whole, WIDTH):
                sums = fma(load(y, start + c), load(dy, start + c), sums)
            for c in range(whole, dv):
                total += y[start + c] * dy[start + c]
            rows[2 * at + r] = lse[(b * heads + h) * tq + i]
            rows[2 * at + QUERIES + r] = -(total + lane_sum(sums))


@device_function
def _fold(weights, start, right, at, count, wide, target):
    """Add the transposed weights of `count` tiles times their rows to 64 keys' sums."""
    for key in range(0, KEYS, _SOME):
        c = 0
        while c + 4 <= wide:
            to, there = key * WIDTH + c * SLAB_K, at + c * SLAB_Q
            x = _get4(target, to)
            x = _fold4(weights, start + key, right, there, count, x)
            _put4(target, to, x)
            c += 4
        if c + 2 <= wide:
            to, there = key * WIDTH + c * SLAB_K, at + c * SLAB_Q
            y = _get2(target, to)
            y = _fold2(weights, start + key, right, there, count, y)
            _put2(target, to, y)
            c += 2
        if c < wide:
            to, there = key * WIDTH + c * SLAB_K, at + c * SLAB_Q
            z = _get1(target, to)
            z = _fold1(weights, start + key, right, there, count, z)
            _put1(target, to, z)


@device_function
def _mix(weights, start, values, at, wide, out, to):
    """Add a tile of weights times 64 rows to its rows of `out`."""
    c = 0
    while c + 4 <= wide:
        here, there = to + c * SLAB_Q, at + c * SLAB_K
        x = _load4(out, here)
        _store4(out, here, _mix4(weights, start, values, there, KEYS // 4, x))
        c += 4
    if c + 2 <= wide:
        here, there = to + c * SLAB_Q, at + c * SLAB_K
        y = _load2(out, here)
        _store2(out, here, _mix2(weights, start, values, there, KEYS // 4, y))
        c += 2
    if c < wide:
        here, there = to + c * SLAB_Q, at + c * SLAB_K
        z = _load1(out, here)
        _store1(out, here, _mix1(weights, start, values, there, KEYS // 4, z))


@device_function
def _add_bias(size, unit, row0, key, ds, start, target):
    """Add a tile of the scores' gradients to the bias's."""
    n, keys, step = size[1] * (size[3] // size[4]), min(KEYS, size[2] - key), size[25]
    for r in range(min(ROWS, n - row0)):
        to, at = bias_of(size, unit, row0 + r, key), start + r * KEYS
        if step == 1 and keys == KEYS:
            for j in range(0, KEYS, WIDTH):
                x = add(load(target, to + j), load(ds, at + j))
                store(target, to + j, x)
        else:
            for j in range(keys):
                target[to + j * step] += ds[at + j]


@cache
def _backward(biased: bool, sloped: bool, half: bool) -> Jitted:
    # deal: parts of the keys; 1 where one task does every batch entry in turn, and every
    # key head, because they share a bias
    @kernel
    def backward(
        lo,
        hi,
        size,
        deal,
        lengths,
        slopes,
        queries,
        grads,
        rows,
        spans,
        dq,
        dk,
        dv,
        dbias,
        dslopes,
    ):
        nb, tq, tk, heads, g = size[0], size[1], size[2], size[3], size[4]
        width, width_v = size[5], size[6]
        share = heads // g
        tasks, blocks = -(-tq * share // QUERIES), -(-tk // KEYS)
        wide, wide_v = -(-width // WIDTH), -(-width_v // WIDTH)
        block_q, block_v = wide * SLAB_Q, wide_v * SLAB_Q
        parts, across_batch, across_heads = deal[0], deal[1], deal[2]
        k, v = array_at(size[13], 1, dq), array_at(size[17], 1, dq)
        slab, slab_v, block = wide * SLAB_K, wide_v * SLAB_K, QUERIES * KEYS
        memory = scratch(3 * slab + 2 * slab_v + 2 * block + 2 * QUERIES)
        panel_k, slab_k = cut(memory, 0, 1), cut(memory, slab, 1)
        sum_k, at = cut(memory, 2 * slab, 1), 3 * slab
        panel_v, sum_v = cut(memory, at, 1), cut(memory, at + slab_v, 1)
        at += 2 * slab_v
        p, ds = cut(memory, at, 1), cut(memory, at + block, 1)
        at += 2 * block
        place, slope = cut(memory, at, 1), cut(memory, at + QUERIES, 1)
        begin, count = cut(spans, 0, 1), cut(spans, spans.size // 2, 1)
        size, lengths, slopes = loose(size), loose(lengths), loose(slopes)
        queries, grads, rows = loose(queries), loose(grads), loose(rows)
        dq, dk, dv = loose(dq), loose(dk), loose(dv)
        dbias, dslopes = loose(dbias), loose(dslopes)
        hidden, none = np.float32(-np.inf), splat(np.float32(0))
        zeros, log2e = fill(none), splat(LOG2E)
        groups = 1 if across_heads else g
        units = nb * g // (groups * (1 if across_batch else nb))
        for task in range(lo, hi):
            part, group = task % parts, task // parts
            for member in range(units):
                b, head = group // groups, group % groups
                if across_heads:
                    head = member % g
                if across_batch:
                    b = member // g if across_heads else member
                unit = b * g + head
                mine = (part * nb * g + unit) * tasks
                clear(dq, mine * block_q, tasks * block_q)
                if sloped:
                    for r in range(tasks * QUERIES):
                        dslopes[mine * QUERIES + r] = 0
                for block in range(
                    blocks * part // parts, blocks * (part + 1) // parts
                ):
                    key = block * KEYS
                    keys = min(KEYS, tk - key)
                    clear(sum_k, 0, wide * SLAB_K)
                    clear(sum_v, 0, wide_v * SLAB_K)
                    a, e = seen_by_any(size, lengths, b, block)
                    if a < e:
                        at = b * size[14] + key * size[15] + head * size[16]
                        copy_panel(k, at, size[15], a, e, width, panel_k, 0)
                        copy_slabs(k, at, size[15], a, e, width, KEYS, slab_k, 0)
                        at = b * size[18] + key * size[19] + head * size[20]
                        copy_panel(v, at, size[19], a, e, width_v, panel_v, 0)
                        if half:
                            round_all(panel_k, 0, wide * SLAB_K)
                            round_all(slab_k, 0, wide * SLAB_K)
                            round_all(panel_v, 0, wide_v * SLAB_K)
                    for o in range(tasks if a < e else 0):
                        at = unit * tasks + o
                        if sloped:
                            for r in range(QUERIES):
                                row = min(o * QUERIES + r, tq * share - 1)
                                place[r] = np.float32(tk - tq + row // share)
                                h = head * share + row % share
                                slope[r] = -slopes[h]
                        first, last = TILES, 0
                        for t in range(TILES):
                            seen = at * QUERIES + t * ROWS
                            some, every = sees(begin, count, seen, key)
                            here = t * ROWS * KEYS
                            if not some:
                                if last > 0:
                                    break  # later rows see later keys
                                continue
                            first, last = min(first, t), t + 1
                            start = at * block_q + t * ROWS * WIDTH
                            norm = 2 * at * QUERIES + t * ROWS
                            s = score(queries, start, panel_k, 0, wide, zeros)
                            if biased:
                                row0 = o * QUERIES + t * ROWS
                                copy_bias(size, dq, unit, row0, key, p, here)
                                s = add(s, flat_load(p, here))
                            if sloped:
                                away = distance(key, place, t * ROWS)
                                s = fma(away, each(slope, t * ROWS), s)
                            if not every:
                                s = hide(s, key, begin, count, seen, hidden)
                            s = exp2(mul(sub(s, each(rows, norm)), log2e))
                            flat(p, here, s)
                            start = at * block_v + t * ROWS * WIDTH
                            x = each(rows, norm + QUERIES)
                            x = score(grads, start, panel_v, 0, wide_v, x)
                            x = mul(flat_load(p, here), x)
                            flat(ds, here, x)
                            if biased:
                                _add_bias(size, unit, row0, key, ds, here, dbias)
                            if sloped:
                                flat(p, here, away)
                                for r in range(ROWS):
                                    total = none
                                    for j in range(0, KEYS, WIDTH):
                                        i = here + r * KEYS + j
                                        total = fma(load(p, i), load(ds, i), total)
                                    i = (mine + o) * QUERIES + t * ROWS + r
                                    dslopes[i] -= lane_sum(total)
                                flat(p, here, s)
                            if half:
                                flat(p, here, rounded(s))
                                flat(ds, here, rounded(x))
                        if last == 0:
                            continue
                        here, n = first * ROWS * KEYS, last - first
                        right = at * block_v + first * ROWS * WIDTH
                        _fold(p, here, grads, right, n, wide_v, sum_v)
                        right = at * block_q + first * ROWS * WIDTH
                        _fold(ds, here, queries, right, n, wide, sum_k)
                        for t in range(first, last):
                            to = (mine + o) * block_q + t * ROWS * WIDTH
                            _mix(ds, t * ROWS * KEYS, slab_k, 0, wide, dq, to)
                    for r in range(keys):
                        row = (b * tk + key + r) * g + head
                        one, at = np.float32(1), r * WIDTH
                        give_row(sum_k, at, KEYS, width, one, dk, row * width)
                        give_row(sum_v, at, KEYS, width_v, one, dv, row * width_v)
        memory[0] = 0  # it lives until here

    return backward


@kernel
def _collect(lo, hi, size, parts, scale, sums, dq):
    """The parts' gradients of 48 rows of queries, added up and in their places."""
    b, tq, heads, g, d = size[0], size[1], size[3], size[4], size[5]
    share = heads // g
    n = tq * share
    tasks = -(-n // QUERIES)
    block = -(-d // WIDTH) * SLAB_Q
    memory = scratch(block)
    total = cut(memory, 0, 1)
    size, sums, dq = loose(size), loose(sums), loose(dq)
    for task in range(lo, hi):
        unit, row0 = task // tasks, task % tasks * QUERIES
        for i in range(0, block, WIDTH):
            x = load(sums, task * block + i)
            for part in range(1, parts):
                at = (part * b * g * tasks + task) * block + i
                x = add(x, load(sums, at))
            store(total, i, x)
        for r in range(min(QUERIES, n - row0)):
            i, h = (row0 + r) // share, unit % g * share + (row0 + r) % share
            to = ((unit // g * tq + i) * heads + h) * d
            give_row(total, r * WIDTH, QUERIES, d, scale, dq, to)
    memory[0] = 0  # it lives until here


def attention_backward(
    q: Array, k: Array, v: Array, y: Array, lse: Array, dy: Array, call: Call
) -> Gradients:
    """Gradients of `attention_forward`'s first result.

    Parameters
    ----------
    q, k, v, call
        As they were given to it.
    y, lse
        As it returned.
    dy : ndarray, shape of y

    Notes
    -----
    Memory beside the results: copies of q and dy, and of q's gradient as many as the
    keys have parts.
    """
    q, k, v = (readable(a) for a in (q, k, v))
    y, lse, dy = (np.ascontiguousarray(a).reshape(-1) for a in (y, lse, dy))
    (b, tq, heads, d), (tk, g, dv) = q.shape, v.shape[1:]
    bias = None if call.bias is None else np.ascontiguousarray(call.bias)
    call = call._replace(bias=bias)
    size, blocks = describe(q, k, v, call), -(-tk // KEYS)
    lengths, slopes = options(call)
    across_batch = bias is not None and bias.shape[0] == 1
    across_heads = bias is not None and bias.shape[1] == 1
    groups = (1 if across_batch else b) * (1 if across_heads else g)
    parts = min(blocks, -(-_TASKS // groups))
    if bias is not None and bias.shape[3] == 1:
        parts = 1
    n = -(-tq * (heads // g) // QUERIES) * b * g  # blocks of rows
    wide, wide_v = -(-d // WIDTH), -(-dv // WIDTH)
    queries, grads = pool.empty(n * wide * SLAB_Q), pool.empty(n * wide_v * SLAB_Q)
    rows, spans = pool.empty(2 * n * QUERIES), np.empty(2 * n * QUERIES, np.int32)
    launch(
        *(_prepare, n, size, np.float32(call.scale), call.half, lengths),
        *(y, dy, lse, queries, grads, rows, spans),
    )
    dk, dvs = pool.empty(k.shape), pool.empty(v.shape)
    sums = pool.empty(parts * n * wide * SLAB_Q)
    dbias = None if bias is None else np.zeros(bias.shape, np.float32)
    dslopes = NONE if call.slopes is None else pool.empty(parts * n * QUERIES)
    launch(
        _backward(bias is not None, call.slopes is not None, call.half),
        *(groups * parts, size),
        *(np.array([parts, across_batch, across_heads], np.int64), lengths, slopes),
        *(queries, grads, rows, spans, sums, dk.reshape(-1), dvs.reshape(-1)),
        *(NONE if dbias is None else dbias.reshape(-1), dslopes),
    )
    dq = pool.empty(q.shape)
    scale = np.float32(call.scale)
    launch(_collect, n, size, parts, scale, sums, dq.reshape(-1))
    by_head = None
    if call.slopes is not None:
        every = dslopes.reshape(parts, b, g, -1)[..., : tq * (heads // g)]
        by_head = every.reshape(parts, b, g, tq, -1).sum((0, 1, 3)).reshape(-1)
    return Gradients(dq, dk, dvs, dbias, by_head)
