"""Convolutions as long as the sequence, through transforms of sixteen channels.

A transform's elements are a matrix. `_enter` reads the columns from the sequence,
gates them and does the upper levels of the transform while they are in the first cache;
`_middle` does the lower levels of a row, the products, and the way back; `_leave` goes
back up and writes the sequence. Sixteen channels of a few sequences are in memory as
numbers at a time, never those of all channels, and no product of gates.

A filter much shorter than the sequence is applied to blocks of it. What a block adds
to the next one is, where z^m = i, its imaginary part: with the block before it as the
negative imaginary part of the input, the real part of the output is complete. In
reverse, a block takes the next one times i.

References
----------
Poli et al., "Hyena Hierarchy", 2023 (the gated form). Bailey, "FFTs in external or
hierarchical memory", 1990 (rows and columns).
"""

from __future__ import annotations

from functools import cache
from math import log2
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.jit import Jitted, device_function, kernel
from helix_hal.cpu.kernels import simd
from helix_hal.cpu.kernels.fft import ELEMENT, Plan, fnma, forward, inverse, plan, sizes
from helix_hal.cpu.kernels.simd import (
    add,
    fma,
    load,
    mul,
    past_caches,
    prefetch,
    prefetch_to_write,
    scratch,
    splat,
    store,
    sub,
    write,
)
from helix_hal.cpu.launch import launch

__all__ = ["long_conv_backward", "long_conv_forward"]

Array = NDArray[Any]
F32 = np.float32
W = simd.WIDTH
_BUDGET = 16 << 20  # bytes of numbers at a time, where one unit is not more
_COLUMNS = 1 << 19  # bytes of those that are in a core's cache together
_BESIDE_MOST = 4  # tiles whose columns are read together
_BLOCK = 256  # smallest block of a short filter
_ZERO, _ONE = F32(0), F32(1)
# places in a kernel's `size`
_M1, _M2, _UPPER, _LEVELS, _WIDE, _LENGTH, _BLOCKS = 0, 1, 2, 3, 4, 5, 6
_ROW0, _ROWS, _TILE0, _FIRST, _LAST, _BESIDE = 7, 8, 9, 10, 11, 12


@device_function
def _where(size, unit):
    """First tile, lane, batch row and block of `_BESIDE` tiles of one row and block."""
    inner = size[_ROWS] * size[_BLOCKS]
    tile, rest = unit // inner * size[_BESIDE], unit % inner
    lane = (size[_TILE0] + tile) * W
    return tile, lane, size[_ROW0] + rest // size[_BLOCKS], rest % size[_BLOCKS]


@device_function
def _base(size, unit, tile):
    """Where the numbers of a tile begin."""
    inner = size[_ROWS] * size[_BLOCKS]
    return (tile * inner + unit % inner) * size[_M1] * (size[_M2] + 1) * ELEMENT


@cache
def _enter(gated: bool, blocks: bool) -> Jitted:
    @kernel
    def run(lo, hi, size, levels, tw, x, sx, gate, sg, out):
        m1, m2, upper, length = size[_M1], size[_M2], size[_UPPER], size[_LENGTH]
        wide, beside = size[_WIDE], size[_BESIDE]
        chunks, pitch, apart = m2 // wide, m2 + 1, (m1 + 1) * ELEMENT
        zero = splat(_ZERO)
        columns = scratch(beside * wide * apart)
        for task in range(lo, hi):
            unit, first = task // chunks, task % chunks * wide
            tile, lane, b, block = _where(size, unit)
            xb, gb = b * sx[0] + lane, b * sg[0] + lane
            for q in range(m1):
                start = (block * m1 + q) * m2 + first
                for j in range(wide):
                    t = start + j
                    for i in range(beside):
                        to = (i * wide + j) * apart + q * ELEMENT
                        v, before = zero, zero
                        if t < length:
                            at = xb + t * sx[1] + i * W
                            v = load(x, at)
                            prefetch(x, at + m2 * sx[1])
                            if gated:
                                at = gb + t * sg[1] + i * W
                                v = mul(v, load(gate, at))
                                prefetch(gate, at + m2 * sg[1])
                        if blocks and block > 0:
                            s = t - m1 * m2
                            before = load(x, xb + s * sx[1] + i * W)
                            if gated:
                                g = load(gate, gb + s * sg[1] + i * W)
                                before = mul(before, g)
                            before = sub(zero, before)
                        store(columns, to, v)
                        store(columns, to + W, before)
            for i in range(beside * wide):
                forward(columns, i * apart, m1, levels, 0, upper, 0, tw)
            for i in range(beside):
                base = _base(size, unit, tile + i)
                for q in range(m1):
                    to = base + (q * pitch + first) * ELEMENT
                    for j in range(wide):
                        at = (i * wide + j) * apart + q * ELEMENT
                        store(out, to + j * ELEMENT, load(columns, at))
                        store(out, to + j * ELEMENT + W, load(columns, at + W))

    return run


@kernel
def _middle(lo, hi, size, levels, tw, k, u):
    """Of a row of the filter and of each unit: transform, product, and back."""
    m1, m2, upper, last = size[_M1], size[_M2], size[_UPPER], size[_LEVELS]
    pitch = (m2 + 1) * ELEMENT
    inner = size[_ROWS] * size[_BLOCKS]
    for task in range(lo, hi):
        tile, row = task // m1, task % m1
        kat = task * pitch
        if size[_FIRST]:
            forward(k, kat, m2, levels, upper, last, row, tw)
        for i in range(inner):
            at = ((tile * inner + i) * m1 + row) * pitch
            forward(u, at, m2, levels, upper, last, row, tw)
            for e in range(0, m2 * ELEMENT, ELEMENT):
                kr, ki = load(k, kat + e), load(k, kat + e + W)
                ur, ui = load(u, at + e), load(u, at + e + W)
                store(u, at + e, fnma(ui, ki, mul(ur, kr)))
                store(u, at + e + W, fma(ur, ki, mul(ui, kr)))
            inverse(u, at, m2, levels, upper, last, row, tw)


@cache
def _middle_back(again: bool, blocks: bool, once: bool) -> Jitted:
    """Numbers of the output's cotangent become those of the input's; those of the
    input become those of the output, if it is wanted `again`. Where the filter is used
    `once`, its cotangent may take its place."""

    @kernel
    def run(lo, hi, size, levels, tw, k, u, dy, dk):
        m1, m2, upper, last = size[_M1], size[_M2], size[_UPPER], size[_LEVELS]
        pitch = (m2 + 1) * ELEMENT
        count = size[_BLOCKS]
        inner = size[_ROWS] * count
        zero = splat(_ZERO)
        ahead = scratch(m2 * ELEMENT)
        for task in range(lo, hi):
            tile, row = task // m1, task % m1
            kat = task * pitch
            if size[_FIRST]:
                forward(k, kat, m2, levels, upper, last, row, tw)
                if not once:
                    for e in range(0, m2 * ELEMENT, W):
                        store(dk, kat + e, zero)
            for b in range(size[_ROWS]):
                if blocks:
                    for e in range(0, m2 * ELEMENT, W):
                        store(ahead, e, zero)
                for back in range(count):
                    i = b * count + count - 1 - back
                    at = ((tile * inner + i) * m1 + row) * pitch
                    forward(u, at, m2, levels, upper, last, row, tw)
                    forward(dy, at, m2, levels, upper, last, row, tw)
                    for e in range(0, m2 * ELEMENT, ELEMENT):
                        kr, ki = load(k, kat + e), load(k, kat + e + W)
                        ur, ui = load(u, at + e), load(u, at + e + W)
                        yr, yi = load(dy, at + e), load(dy, at + e + W)
                        gr, gi = zero, zero
                        if not once:
                            gr, gi = load(dk, kat + e), load(dk, kat + e + W)
                        # dk += dy conj(u)
                        gr, gi = fma(yr, ur, gr), fma(yi, ur, gi)
                        store(dk, kat + e, fma(yi, ui, gr))
                        store(dk, kat + e + W, fnma(yr, ui, gi))
                        if again:
                            store(u, at + e, fnma(ui, ki, mul(ur, kr)))
                            store(u, at + e + W, fma(ur, ki, mul(ui, kr)))
                        if blocks:
                            ar, ai = load(ahead, e), load(ahead, e + W)
                            store(ahead, e, yr)
                            store(ahead, e + W, yi)
                            yr, yi = sub(yr, ai), add(yi, ar)
                        # dy conj(k)
                        store(dy, at + e, fma(yi, ki, mul(yr, kr)))
                        store(dy, at + e + W, fnma(yr, ki, mul(yi, kr)))
                    inverse(dy, at, m2, levels, upper, last, row, tw)
                    if again:
                        inverse(u, at, m2, levels, upper, last, row, tw)
            if size[_LAST]:
                inverse(dk, kat, m2, levels, upper, last, row, tw)

    return run


@device_function
def _up(a, unit, tile, first, columns, size, levels, tw):
    """Some columns of the numbers of tiles beside each other, the upper levels undone."""
    m1, m2, wide = size[_M1], size[_M2], size[_WIDE]
    pitch, apart = m2 + 1, (m1 + 1) * ELEMENT
    for i in range(size[_BESIDE]):
        base = _base(size, unit, tile + i)
        for q in range(m1):
            at = base + (q * pitch + first) * ELEMENT
            for j in range(wide):
                to = (i * wide + j) * apart + q * ELEMENT
                store(columns, to, load(a, at + j * ELEMENT))
                store(columns, to + W, load(a, at + j * ELEMENT + W))
                prefetch(a, at + (pitch + j) * ELEMENT)
                prefetch(a, at + (pitch + j) * ELEMENT + W)
    for i in range(size[_BESIDE] * wide):
        inverse(columns, i * apart, m1, levels, 0, size[_UPPER], 0, tw)


@cache
def _leave(post: bool) -> Jitted:
    @kernel
    def run(lo, hi, size, levels, tw, a, gate, sg, out, width, past):
        m1, m2, length, wide = size[_M1], size[_M2], size[_LENGTH], size[_WIDE]
        chunks, apart, beside = m2 // wide, (m1 + 1) * ELEMENT, size[_BESIDE]
        scale = splat(_ONE / F32(m1 * m2))
        columns = scratch(beside * wide * apart)
        for task in range(lo, hi):
            unit, first = task // chunks, task % chunks * wide
            tile, lane, b, block = _where(size, unit)
            _up(a, unit, tile, first, columns, size, levels, tw)
            gb, ob = b * sg[0] + lane, b * length * width + lane
            for q in range(m1):
                start = (block * m1 + q) * m2 + first
                for t in range(start, min(start + wide, length)):
                    for i in range(beside):
                        at = (i * wide + t - start) * apart + q * ELEMENT
                        y = mul(load(columns, at), scale)
                        if post:
                            at = gb + t * sg[1] + i * W
                            y = mul(y, load(gate, at))
                            prefetch(gate, at + m2 * sg[1])
                        to = ob + t * width + i * W
                        if not past:
                            prefetch_to_write(out, to + m2 * width)
                        write(out, to, y, past)

    return run


@cache
def _leave_back(pre: bool, post: bool, out: bool) -> Jitted:
    """Gradients of the input and of both gates, and the output itself."""

    @kernel
    def run(
        lo,
        hi,
        size,
        levels,
        tw,
        a,
        y,
        x,
        sx,
        gate,
        sg,
        ct,
        sc,
        after,
        sa,
        outs,
        width,
        own,
        past,
    ):
        m1, m2, length, wide = size[_M1], size[_M2], size[_LENGTH], size[_WIDE]
        dx, dpre, dpost, y_out = outs
        chunks, apart, beside = m2 // wide, (m1 + 1) * ELEMENT, size[_BESIDE]
        scale = splat(_ONE / F32(m1 * m2))
        columns = scratch(beside * wide * apart)
        again = scratch(beside * wide * apart if post else 0)
        for task in range(lo, hi):
            unit, first = task // chunks, task % chunks * wide
            tile, lane, b, block = _where(size, unit)
            _up(a, unit, tile, first, columns, size, levels, tw)
            if post:
                _up(y, unit, tile, first, again, size, levels, tw)
            xb, gb, cb = b * sx[0] + lane, b * sg[0] + lane, b * sc[0] + lane
            ab = b * sa[0] + lane
            ob = b * length * width + lane
            for q in range(m1):
                start = (block * m1 + q) * m2 + first
                for t in range(start, min(start + wide, length)):
                    for i in range(beside):
                        at = (i * wide + t - start) * apart + q * ELEMENT
                        to = ob + t * width + i * W
                        dv = mul(load(columns, at), scale)
                        if post:
                            c = mul(load(again, at), scale)
                            place = cb + t * sc[1] + i * W
                            dc = mul(c, load(ct, place))
                            prefetch(ct, place + m2 * sc[1])
                            if out:
                                g = load(after, ab + t * sa[1] + i * W)
                                place = (b * length + t) * own + lane + i * W
                                write(y_out, place, mul(c, g), past)
                            write(dpost, to, dc, past)
                        if pre:
                            # both are read first: gradients may lie where they lie
                            place = gb + t * sg[1] + i * W
                            g = load(gate, place)
                            prefetch(gate, place + m2 * sg[1])
                            place = xb + t * sx[1] + i * W
                            v = load(x, place)
                            prefetch(x, place + m2 * sx[1])
                            write(dpre, to, mul(dv, v), past)
                            dv = mul(dv, g)
                        write(dx, to, dv, past)

    return run


# -------------------------------------------------------------------------- drivers
class _View(NamedTuple):
    """A (batch, time, width) array as flat memory and the steps of its first axes."""

    flat: Array
    steps: Array


_NOTHING = _View(np.zeros(W, F32), np.zeros(2, np.int64))


def _view(a: Array | None, width: int) -> _View:
    """Without a copy where channels are beside each other and fill the vectors."""
    if a is None:
        return _NOTHING
    steps = [s // 4 for s in a.strides]
    if a.shape[-1] != width or steps[2] != 1 or min(steps) < 0:
        out = np.zeros((*a.shape[:-1], width), F32)
        out[..., : a.shape[-1]] = a
        a, steps = out, [s // 4 for s in out.strides]
    count = 1 + sum((n - 1) * s for n, s in zip(a.shape, steps, strict=True))
    flat = np.lib.stride_tricks.as_strided(a, (count,), (4,))
    return _View(flat, np.array(steps[:2], np.int64))


def _choose(length: int, taps: int) -> tuple[Plan, int]:
    """The plan of the cheapest transforms, and how many blocks they cut time into."""

    def cost(m: int) -> float:
        return (m + -(-length // m) * m) * (log2(m) + 3)

    top = max(length, taps)
    least = min(max(taps, _BLOCK), top)
    options, m = set(sizes(top)), least
    while m < top:
        options |= set(sizes(m))
        m *= 2
    best = min(options, key=lambda m: (cost(m), m))
    return plan(best), max(1, -(-length // best))


class _Work:
    """One call: shapes, the plan, and how much is done at a time."""

    def __init__(self, batch: int, length: int, taps: int, d: int, back: bool) -> None:
        self.batch, self.length, self.taps = batch, length, taps
        self.width = -(-d // W) * W
        self.plan, self.blocks = _choose(length, taps)
        self.once = batch * self.blocks == 1
        p = self.plan
        self.floats = p.rows * (p.columns + 1) * ELEMENT
        fit = _BUDGET // (4 * self.floats)
        # numbers of a tile: those of the filter, and of every row and block
        fixed, each = (2 - self.once if back else 1), (2 if back else 1) * self.blocks
        self.rows = min(batch, max(1, (fit - fixed) // each))
        most = max(1, fit // (fixed + each * self.rows))
        if most > _BESIDE_MOST:
            most -= most % _BESIDE_MOST
        self.tiles = min(self.width // W, most)

    def numbers(self, rows: bool) -> Array:
        n = self.tiles * (self.rows * self.blocks if rows else 1)
        return pool.empty(max(n * self.floats, pool.MIN_BYTES), F32)

    def groups(self) -> Any:
        """First tile, and their number."""
        count = self.width // W
        return [(i, min(self.tiles, count - i)) for i in range(0, count, self.tiles)]

    def parts(self) -> Any:
        """First batch row, their number, and whether they are the first and the last."""
        b, step = self.batch, self.rows
        return [
            (i, min(step, b - i), (int(i == 0), int(i + step >= b)))
            for i in range(0, b, step)
        ]

    def size(
        self, tiles: tuple[int, int], row: int, rows: int, ends: tuple[int, int]
    ) -> tuple[int, Array]:
        """Tasks of kernels that take columns, and what all kernels are told."""
        p, (tile, count) = self.plan, tiles
        beside = next(n for n in (4, 3, 2, 1) if count % n == 0)
        wide = 1
        while wide < min(16, p.columns) and (
            8 * beside * wide * (p.rows + 1) * ELEMENT <= _COLUMNS
        ):
            wide *= 2
        size = (
            *(p.rows, p.columns, p.upper, len(p.levels), wide, self.length),
            *(self.blocks, row, rows, tile, *ends, beside),
        )
        tasks = count // beside * rows * self.blocks * (p.columns // wide)
        return tasks, np.array(size, np.int64)

    def of_filter(self, tiles: tuple[int, int]) -> tuple[int, Array]:
        tasks, size = self.size(tiles, 0, 1, (0, 0))
        size[_LENGTH], size[_BLOCKS] = min(self.taps, self.length), 1
        return tasks // self.blocks, size


def _cut(a: Array, d: int) -> Array:
    return a if a.shape[-1] == d else np.ascontiguousarray(a[..., :d])


def _filter(k: Array, d: Array | None, width: int) -> _View:
    """With what goes straight through as part of the first tap."""
    if d is not None:
        k = np.array(k)
        k[0] += d
    return _view(k[None], width)


def long_conv_forward(
    u: Array,
    k: Array,
    d: Array | None = None,
    pre: Array | None = None,
    post: Array | None = None,
) -> Array:
    """``y = post (k * v + d v)`` with ``v = u pre``, causal along time.

    Parameters
    ----------
    u, pre, post : ndarray, shape (batch, time, channel), float32
        Time and batch may be strided.
    k : ndarray, shape (taps, channel)
        At most as many taps as there is time.
    d : ndarray, shape (channel,), optional

    Returns
    -------
    ndarray, shape (batch, time, channel)
    """
    (batch, length, channels), taps = u.shape, k.shape[0]
    w = _Work(batch, length, taps, channels, False)
    p, width = w.plan, w.width
    x, gate, after = (_view(a, width) for a in (u, pre, post))
    taps_of = _filter(k, d, width)
    y = pool.empty((batch, length, width), F32)
    kn, un = w.numbers(False), w.numbers(True)
    table = (p.levels, p.twiddles)
    enter, leave = _enter(pre is not None, w.blocks > 1), _leave(post is not None)
    for tiles in w.groups():
        tasks, size = w.of_filter(tiles)
        launch(_enter(False, False), tasks, size, *table, *taps_of, *_NOTHING, kn)
        for part in w.parts():
            tasks, size = w.size(tiles, *part)
            launch(enter, tasks, size, *table, *x, *gate, un)
            launch(_middle, tiles[1] * p.rows, size, *table, kn, un)
            flat = (y.reshape(-1), width, past_caches(y))
            launch(leave, tasks, size, *table, un, *after, *flat)
    return _cut(y, channels)


def long_conv_backward(
    u: Array,
    k: Array,
    d: Array | None,
    pre: Array | None,
    post: Array | None,
    dy: Array,
    *,
    over: Array | None = None,
) -> dict[str, Array]:
    """Gradients by name: u, k, d, pre, post, those that are there.

    With `over`, for both gates and whole vectors of channels: the (batch, time,
    3 channel) that holds post, pre and u beside each other. Their gradients are written
    over them, as "parts"; over dy comes the output, which is there anyhow, as "out"; and
    over k its own gradient.
    """
    (batch, length, channels), taps = u.shape, k.shape[0]
    w = _Work(batch, length, taps, channels, True)
    p, width = w.plan, w.width
    x, gate, after, ct = (_view(a, width) for a in (u, pre, post, dy))
    taps_of = _filter(k, d, width)
    big, none = (batch, length, width), np.zeros(W, F32)
    outs: tuple[Array, ...]
    together = over is not None
    if over is not None:
        flat = over.reshape(-1)
        outs, pitch = (flat[2 * width :], flat[width:], flat, dy.reshape(-1)), 3 * width
        past = past_caches(over)
    else:
        du = pool.empty(big, F32)
        dpre = none if pre is None else pool.empty(big, F32)
        dpost = none if post is None else pool.empty(big, F32)
        outs, pitch = (*(a.reshape(-1) for a in (du, dpre, dpost)), none), width
        past = past_caches(du)
    dk = k if together else pool.empty((taps, width), F32)
    kn, un, yn = w.numbers(False), w.numbers(True), w.numbers(True)
    dkn = kn if w.once else w.numbers(False)
    table = (p.levels, p.twiddles)
    blocks = w.blocks > 1
    flags = (pre is not None, post is not None)
    enter, enter_ct = _enter(flags[0], blocks), _enter(flags[1], False)
    middle, leave = (
        _middle_back(flags[1], blocks, w.once),
        _leave_back(*flags, together),
    )
    for tiles in w.groups():
        of_filter = w.of_filter(tiles)
        launch(_enter(False, False), *of_filter, *table, *taps_of, *_NOTHING, kn)
        for part in w.parts():
            tasks, size = w.size(tiles, *part)
            launch(enter, tasks, size, *table, *x, *gate, un)
            launch(enter_ct, tasks, size, *table, *ct, *after, yn)
            launch(middle, tiles[1] * p.rows, size, *table, kn, un, yn, dkn)
            to = (*ct, *after, outs, pitch, width, past)
            launch(leave, tasks, size, *table, yn, un, *x, *gate, *to)
        last = (dk.reshape(-1), width, past_caches(dk))
        launch(_leave(False), *of_filter, *table, dkn, *_NOTHING, *last)
    out = {"k": _cut(dk, channels)}
    if d is not None:
        out["d"] = np.array(out["k"][0])
    if over is not None:
        return {**out, "parts": over, "out": dy}
    out["u"] = _cut(du, channels)
    if pre is not None:
        out["pre"] = _cut(dpre, channels)
    if post is not None:
        out["post"] = _cut(dpost, channels)
    return out
