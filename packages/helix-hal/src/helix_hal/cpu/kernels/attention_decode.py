"""Attention of a few queries: one step of generation with a long cache.

Reading the cache is all that it costs, so that nothing is copied: keys are read where
they lie, sixteen at a time, for every row that shares them. A task is a part of the keys
of a key head; the parts are weighed against each other at the end, in order.

References
----------
Dao et al., "Flash-Decoding for long-context inference", 2023.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from helix_hal.cpu import pool
from helix_hal.cpu.jit import Intrinsic, Jitted, device_function, intrinsic, kernel
from helix_hal.cpu.kernels.attention_blocks import (
    LOG2E,
    Array,
    Call,
    bias_of,
    describe,
    options,
    readable,
    seen_by_row,
)
from helix_hal.cpu.kernels.simd import (
    WIDTH,
    _lane_sums,
    _types,
    lane_sum,
    llvm_vector,
    load,
    load_at,
    mul,
    multiply_add,
    pack,
    pointer,
    row_access,
    scratch,
    splat,
    splat_at,
    store,
    sub,
    unpack,
)
from helix_hal.cpu.kernels.simd_math import exp2
from helix_hal.cpu.kernels.tables import array_at
from helix_hal.cpu.launch import launch

__all__ = ["MOST", "attention_decode"]

MOST = 8  # rows of a unit; from there on copying pays
_PART = 512  # keys of a task
_LEAST = 1 << 21  # bytes of a cache, read by a row, that are worth waking a thread for
_NEAR = 64  # keys whose values are used for one row after the other
_four, _one = row_access(4), row_access(1)
_load4, _store4, _load1, _store1 = _four.load, _four.store, _one.load, _one.store


@intrinsic
def _dots(typingctx, keys, start, step, query, at, count):
    """Of sixteen rows, `step` apart, with one row of `count` vectors: a vector."""
    from numba import types

    def codegen(context, builder, signature, args):
        kind, whole = llvm_vector(query.dtype), args[1].type
        first = pointer(context, builder, signature.args[0], *args[:2])
        other = pointer(context, builder, signature.args[3], *args[3:5])
        rows = [first]
        for _ in range(WIDTH - 1):
            rows.append(builder.gep(rows[-1], [args[2]]))
        entry = builder.block
        body, done = (builder.append_basic_block(n) for n in ("dot", "dotted"))
        builder.branch(body)
        builder.position_at_end(body)
        c = builder.phi(whole)
        sums = [builder.phi(kind) for _ in rows]
        here = [builder.mul(c, whole(WIDTH))]
        x = load_at(builder, builder.gep(other, here), kind)
        after = [
            multiply_add(
                builder, load_at(builder, builder.gep(p, here), kind), x, total
            )
            for p, total in zip(rows, sums, strict=True)
        ]
        following = builder.add(c, whole(1))
        builder.cbranch(builder.icmp_signed("<", following, args[5]), body, done)
        zero = kind(None)
        for phi, new in zip(sums, after, strict=True):
            phi.add_incoming(zero, entry)
            phi.add_incoming(new, body)
        c.add_incoming(whole(0), entry)
        c.add_incoming(following, body)
        builder.position_at_end(done)
        return _lane_sums(builder, after)

    size = types.intp
    vector = _types().vector(query.dtype)
    return vector(keys, size, size, query, size, size), codegen


@cache
def _weigh(vectors: int) -> Intrinsic:
    @intrinsic
    def weigh(typingctx, weights, at, values, start, step, count, rows):
        """rows + sum of weights times `count` rows of values, `step` apart."""
        from numba import types

        def codegen(context, builder, signature, args):
            kind, whole = llvm_vector(weights.dtype), args[1].type
            scalars = pointer(context, builder, signature.args[0], *args[:2])
            first = pointer(context, builder, signature.args[2], *args[2:4])
            before, zero = unpack(builder, args[6]), whole(0)
            entry = builder.block
            body, done = (builder.append_basic_block(n) for n in ("sum", "summed"))
            builder.cbranch(builder.icmp_signed(">", args[5], zero), body, done)
            builder.position_at_end(body)
            j = builder.phi(whole)
            sums = [builder.phi(kind) for _ in before]
            x = splat_at(builder, builder.load(builder.gep(scalars, [j])), kind)
            row = builder.gep(first, [builder.mul(j, args[4])])
            after = []
            for v, total in enumerate(sums):
                y = load_at(builder, builder.gep(row, [whole(v * WIDTH)]), kind)
                after.append(multiply_add(builder, x, y, total))
            following = builder.add(j, whole(1))
            builder.cbranch(builder.icmp_signed("<", following, args[5]), body, done)
            builder.position_at_end(done)
            out = [builder.phi(kind) for _ in before]
            for phi, old, new in zip(sums + out, before * 2, after * 2, strict=True):
                phi.add_incoming(old, entry)
                phi.add_incoming(new, body)
            j.add_incoming(zero, entry)
            j.add_incoming(following, body)
            return pack(builder, out)

        size = types.intp
        signature = rows(weights, size, values, size, size, size, rows)
        return signature, codegen

    return weigh


_weigh4, _weigh1 = _weigh(4), _weigh(1)


@device_function
def _mix(weights, at, values, start, step, count, width, out, to):
    """Add `count` weighted rows of values, `step` apart, to a row of `out`."""
    c = 0
    while c + 4 * WIDTH <= width:
        x = _load4(out, to + c, WIDTH)
        x = _weigh4(weights, at, values, start + c, step, count, x)
        _store4(out, to + c, WIDTH, x)
        c += 4 * WIDTH
    while c + WIDTH <= width:
        y = _load1(out, to + c, WIDTH)
        y = _weigh1(weights, at, values, start + c, step, count, y)
        _store1(out, to + c, WIDTH, y)
        c += WIDTH
    for k in range(c, width):
        total = out[to + k]
        for j in range(count):
            total += weights[at + j] * values[start + j * step + k]
        out[to + k] = total


@cache
def _partial(biased: bool, sloped: bool) -> Jitted:
    @kernel
    def partial(lo, hi, size, factor, lengths, slopes, tops, totals, sums):
        tq, tk, heads, g, d, dv = size[1], size[2], size[3], size[4], size[5], size[6]
        share = heads // g
        n = tq * share
        parts, row_d = -(-tk // _PART), -(-d // WIDTH) * WIDTH
        row_v = -(-dv // WIDTH) * WIDTH
        q, k, v = (
            array_at(size[9], 1, sums),
            array_at(size[13], 1, sums),
            array_at(size[17], 1, sums),
        )
        queries, few = scratch(n * row_d), scratch(WIDTH * row_d)
        s = scratch(n * _PART)
        begin, count = np.empty(n, np.int32), np.empty(n, np.int32)
        queries[:] = np.float32(0)
        few[:] = np.float32(0)
        for task in range(lo, hi):
            unit, part = task // parts, task % parts
            b, head, key0 = unit // g, unit % g, part * _PART
            near, far = min(tk, key0 + _PART), key0
            for r in range(n):
                seen_by_row(size, lengths, b, r, begin, count, r)
                first = max(begin[r], key0)
                last = min(begin[r] + count[r], key0 + _PART)
                begin[r], count[r] = first, max(0, last - first)
                if first < last:
                    near, far = min(near, first), max(far, last)
                i, h = r // share, head * share + r % share
                at = b * size[10] + i * size[11] + h * size[12]
                for c in range(d):
                    queries[r * row_d + c] = q[at + c] * factor
            base, step = b * size[14] + head * size[16], size[15]
            for key in range(near, far, WIDTH):
                keys = min(WIDTH, far - key)
                if keys == WIDTH and d == row_d:
                    for r in range(n):
                        x = _dots(
                            *(k, base + key * step, step, queries, r * row_d),
                            row_d // WIDTH,
                        )
                        store(s, r * _PART + key - near, x)
                    continue
                for j in range(keys):
                    for c in range(d):
                        few[j * row_d + c] = k[base + (key + j) * step + c]
                for r in range(n):
                    x = _dots(few, 0, row_d, queries, r * row_d, row_d // WIDTH)
                    store(s, r * _PART + key - near, x)
            for r in range(n):
                at, to = r * _PART + begin[r] - near, task * n + r
                scores = s[at : at + count[r]]
                if biased:
                    bias = array_at(size[21], 1, sums)
                    start, apart = bias_of(size, unit, r, begin[r]), size[25]
                    for j in range(count[r]):
                        scores[j] += bias[start + j * apart]
                if sloped:
                    slope = slopes[head * share + r % share]
                    place = tk - tq + r // share - begin[r]
                    for j in range(count[r]):
                        scores[j] -= slope * np.float32(abs(place - j))
                top, total = np.float32(-3e38), np.float32(0)
                for j in range(count[r]):
                    top = scores[j] if scores[j] > top else top
                whole = count[r] // WIDTH * WIDTH
                for j in range(0, whole, WIDTH):
                    p = exp2(mul(sub(load(scores, j), splat(top)), splat(LOG2E)))
                    store(scores, j, p)
                    total += lane_sum(p)
                for j in range(whole, count[r]):
                    scores[j] = np.exp(scores[j] - top)
                    total += scores[j]
                tops[to], totals[to] = top, total
                sums[to * row_v : (to + 1) * row_v] = np.float32(0)
            base, step = b * size[18] + head * size[20], size[19]
            for key in range(near, far, _NEAR):
                for r in range(n):
                    first = max(key, begin[r])
                    keys = min(key + _NEAR, begin[r] + count[r]) - first
                    at, to = r * _PART + first - near, (task * n + r) * row_v
                    if keys > 0:
                        _mix(s, at, v, base + first * step, step, keys, dv, sums, to)

    return partial


@kernel
def _combine(lo, hi, size, tops, totals, sums, y, lse):
    """The parts of a unit's rows, each in proportion to its share of the whole."""
    tq, tk, heads, g, dv = size[1], size[2], size[3], size[4], size[6]
    share = heads // g
    n, parts, row_v = tq * share, -(-tk // _PART), -(-dv // WIDTH) * WIDTH
    for unit in range(lo, hi):
        b, head = unit // g, unit % g
        for r in range(n):
            i, h = r // share, head * share + r % share
            top, total = np.float32(-3e38), np.float32(0)
            for part in range(parts):
                top = max(top, tops[(unit * parts + part) * n + r])
            to = ((b * tq + i) * heads + h) * dv
            y[to : to + dv] = np.float32(0)
            for part in range(parts):
                at = (unit * parts + part) * n + r
                by = np.exp(tops[at] - top)
                total += totals[at] * by
                for c in range(dv):
                    y[to + c] += sums[at * row_v + c] * by
            norm = np.float32(np.inf)
            if total != 0:
                norm = top + np.log(total)
                for c in range(dv):
                    y[to + c] /= total
            lse[(b * heads + h) * tq + i] = norm


def attention_decode(q: Array, k: Array, v: Array, call: Call) -> tuple[Array, Array]:
    """`attention_forward` for at most `MOST` rows a key head.

    Memory beside the results: for each 512 keys of a head a row of values for each query.
    """
    q, k, v = (readable(a) for a in (q, k, v))
    (b, tq, heads, d), (tk, g, dv) = q.shape, v.shape[1:]
    if call.bias is not None:
        call = call._replace(bias=readable(call.bias))
    size, (lengths, slopes) = describe(q, k, v, call), options(call)
    tasks = b * g * -(-tk // _PART)
    n = tq * (heads // g)
    rows = tasks * n
    tops, totals = pool.empty(rows), pool.empty(rows)
    sums = pool.empty(rows * -(-dv // WIDTH) * WIDTH)
    y, lse = pool.empty((b, tq, heads, dv)), pool.empty((b, heads, tq))
    launch(
        _partial(call.bias is not None, call.slopes is not None),
        *(tasks, size, np.float32(call.scale), lengths, slopes),
        *(tops, totals, sums),
        grain=max(1, _LEAST // (min(_PART, tk) * n * (d + dv) * 4)),
    )
    flat = y.reshape(-1), lse.reshape(-1)
    launch(_combine, b * g, size, tops, totals, sums, *flat, grain=16)
    return y, lse
