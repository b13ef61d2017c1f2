"""The selective scan of Mamba: h_t = exp(dt_t A) h_{t-1} + dt_t u_t B_t, y_t = C_t h_t.

Sixteen channels are one vector, so that nothing is summed across lanes while time runs.
The forward pass keeps only the state before every chunk. The backward pass takes a few
states of a block of channels at a time, as many as fit the first cache: it computes a
chunk again, and walks it in reverse with their gradients in registers, while what comes
before is fetched. What all states share is computed for a group of blocks together, in
the order of memory. Memory is O(L D).

Blocks of channels are independent. Gradients that sum over channels (of B and C) are
summed per group of blocks first, and the groups in order: the same bits for any number
of threads.

References
----------
Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", 2023.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.jit import Jitted, device_function, kernel
from helix_hal.cpu.kernels import simd
from helix_hal.cpu.kernels.simd import (
    add,
    fma,
    load,
    mul,
    prefetch,
    prefetch_to_write,
    row_access,
    scratch,
    splat,
    store,
    sub,
)
from helix_hal.cpu.kernels.simd_math import exp2, sigmoid, softplus
from helix_hal.cpu.launch import launch

__all__ = ["CHUNK", "selective_scan_backward", "selective_scan_forward"]

Array = NDArray[Any]
F32 = np.float32
W = simd.WIDTH
CHUNK = 32
_ROWS = (4, 2, 1)  # states taken together: the first that divides their number
_GROUP = 8  # blocks of channels in a task, which share one sum of dB and dC
_TASKS = 16  # groups are smaller rather than fewer than this
_LOG2E = F32(1.4426950408889634)
_LN2 = F32(0.6931471805599453)
_ONE, _ZERO = F32(1), F32(0)


@cache
def _forward(rows: int, soft: bool, gated: bool) -> Jitted:
    access = row_access(rows)
    load_rows, spread_rows, store_rows = access.load, access.spread, access.store
    dot_rows = access.dot

    @kernel
    def run(lo, hi, size, u, dt, A, B, C, D, z, bias, h0, y, last, ends):
        length, blocks, n, chunks = size[0], size[1], size[2], size[3]
        width = blocks * W
        h, rates = scratch(n * W), scratch(n * W)
        for task in range(lo, hi):
            b, lane = task // blocks, (task % blocks) * W
            state = b * n * width + lane
            for i in range(n):
                store(h, i * W, load(h0, state + i * width))
                store(rates, i * W, load(A, lane + i * width))
            skip, shift = load(D, lane), load(bias, lane)
            for chunk in range(chunks):
                end = (b * chunks + chunk) * n * width + lane
                for i in range(n):
                    store(ends, end + i * width, load(h, i * W))
                first = b * length + chunk * CHUNK
                for t in range(first, min(first + CHUNK, b * length + length)):
                    at = t * width + lane
                    d, x = add(load(dt, at), shift), load(u, at)
                    if soft:
                        d = softplus(d)
                    dx, out = mul(d, x), mul(skip, x)
                    for i in range(0, n, rows):
                        decay = exp2(mul(d, load_rows(rates, i * W, W)))
                        drive = mul(dx, spread_rows(B, t * n + i))
                        s = fma(decay, load_rows(h, i * W, W), drive)
                        store_rows(h, i * W, W, s)
                        out = dot_rows(s, spread_rows(C, t * n + i), out)
                    if gated:
                        g = load(z, at)
                        out = mul(out, mul(g, sigmoid(g)))
                    store(y, at, out)
            for i in range(n):
                store(last, state + i * width, load(h, i * W))

    return run


@cache
def _backward(rows: int, soft: bool, gated: bool) -> Jitted:
    access = row_access(rows)
    load_rows, spread_rows, store_rows = access.load, access.spread, access.store
    dot_rows, store_sums = access.dot, access.store_sums

    @device_function
    def replay(size, i, at, rates, s, B, C, steps, inputs, outs, work, u, dt, dy):
        """Decays and states of a chunk again, and with a gate what it multiplied."""
        n_steps, n, first, width, lane = size
        decays, states, _, _ = work
        before = (first - CHUNK) * width + lane
        store_rows(states, 0, W, s)
        for t in range(n_steps):
            if i == 0:  # the chunk that comes next
                prefetch(u, before + t * width)
                prefetch(dt, before + t * width)
                prefetch(dy, before + t * width)
            d, by, here = load(steps, at + t * W), (first + t) * n + i, t * rows * W
            decay = exp2(mul(d, rates))
            drive = mul(mul(d, load(inputs, at + t * W)), spread_rows(B, by))
            s = fma(decay, s, drive)
            store_rows(decays, here, W, decay)
            store_rows(states, here + rows * W, W, s)
            if gated:
                out = dot_rows(s, spread_rows(C, by), load(outs, at + t * W))
                store(outs, at + t * W, out)

    @device_function
    def reverse(
        size, i, at, rates, grad, total, fresh, B, C, steps, inputs, cts, by_a, by_b,
        work, du, ddt,
    ):  # fmt: skip
        """The chunk backwards: gradients of the state before it and of the rates."""
        n_steps, n, first, width, lane = size
        decays, states, sum_b, sum_c = work
        for t in range(n_steps - 1, -1, -1):
            if i == 0:
                prefetch_to_write(du, (first + t) * width + lane)
                prefetch_to_write(ddt, (first + t) * width + lane)
            d, gy = load(steps, at + t * W), load(cts, at + t * W)
            dx = mul(d, load(inputs, at + t * W))
            by, here = (first + t) * n + i, t * rows * W
            grad = fma(gy, spread_rows(C, by), grad)
            s = load_rows(states, here + rows * W, W)
            if fresh:
                store_rows(sum_c, here, W, mul(gy, s))
                store_rows(sum_b, here, W, mul(dx, grad))
            else:
                store_rows(sum_c, here, W, fma(gy, s, load_rows(sum_c, here, W)))
                store_rows(sum_b, here, W, fma(dx, grad, load_rows(sum_b, here, W)))
            part = dot_rows(grad, spread_rows(B, by), load(by_b, at + t * W))
            store(by_b, at + t * W, part)
            grad = mul(grad, load_rows(decays, here, W))
            through = mul(grad, load_rows(states, here, W))
            store(by_a, at + t * W, dot_rows(through, rates, load(by_a, at + t * W)))
            total = fma(through, d, total)
        return grad, total

    @kernel
    def run(
        lo, hi, size, u, dt, A, B, C, D, z, bias, ends, dy, dlast,
        du, ddt, dA, dB, dC, dD, dz, dbias, dh0,
    ):  # fmt: skip
        length, blocks, n, chunks = size[0], size[1], size[2], size[3]
        group, groups = size[4], size[5]
        width = blocks * W
        zero, one, ln2 = splat(_ZERO), splat(_ONE), splat(_LN2)
        # of a few states of one block of channels, over a chunk
        decays, states = scratch(CHUNK * rows * W), scratch((CHUNK + 1) * rows * W)
        sum_b, sum_c = scratch(CHUNK * rows * W), scratch(CHUNK * rows * W)
        work = (decays, states, sum_b, sum_c)
        # of every block of the group, over a chunk
        many = group * CHUNK * W
        steps, inputs, cts = scratch(many), scratch(many), scratch(many)
        outs, by_a, by_b = scratch(many), scratch(many), scratch(many)
        # of every block of the group and every state
        every = group * n * W
        rates, starts = scratch(every), scratch(every)
        grads, totals = scratch(every), scratch(every)
        for task in range(lo, hi):
            b, which = task // groups, task % groups
            low = which * group * W
            high = min(low + group * W, width)
            for i in range(n):
                for lane in range(low, high, W):
                    own, state = (lane - low) * n + i * W, (b * n + i) * width + lane
                    store(rates, own, load(A, i * width + lane))
                    store(grads, own, load(dlast, state))
                    store(totals, own, zero)
            for lane in range(low, high, W):
                store(dD, b * width + lane, zero)
                store(dbias, b * width + lane, zero)
            for chunk in range(chunks - 1, -1, -1):
                first = b * length + chunk * CHUNK
                n_steps = min(CHUNK, length - chunk * CHUNK)
                for t in range(n_steps):
                    for lane in range(low, high, W):
                        at, to = (
                            (first + t) * width + lane,
                            (lane - low) * CHUNK + t * W,
                        )
                        x, gy = load(u, at), load(dy, at)
                        d = add(load(dt, at), load(bias, lane))
                        if soft:
                            d = softplus(d)
                        if gated:
                            g = load(z, at)
                            gy = mul(gy, mul(g, sigmoid(g)))
                            store(outs, to, mul(load(D, lane), x))
                        store(steps, to, d)
                        store(inputs, to, x)
                        store(cts, to, gy)
                        store(by_a, to, zero)
                        store(by_b, to, zero)
                for i in range(n):
                    end = ((b * chunks + chunk) * n + i) * width
                    for lane in range(low, high, W):
                        store(starts, (lane - low) * n + i * W, load(ends, end + lane))
                for i in range(0, n, rows):
                    for lane in range(low, high, W):
                        part = (n_steps, n, first, width, lane)
                        at, own = (lane - low) * CHUNK, (lane - low) * n + i * W
                        a, s = load_rows(rates, own, W), load_rows(starts, own, W)
                        replay(
                            part,
                            i,
                            at,
                            a,
                            s,
                            B,
                            C,
                            steps,
                            inputs,
                            outs,
                            work,
                            u,
                            dt,
                            dy,
                        )
                        grad, total = reverse(
                            part, i, at, a, load_rows(grads, own, W),
                            load_rows(totals, own, W), lane == low, B, C, steps, inputs,
                            cts, by_a, by_b, work, du, ddt,
                        )  # fmt: skip
                        store_rows(grads, own, W, grad)
                        store_rows(totals, own, W, total)
                    for t in range(n_steps):
                        to = (b * groups + which) * length + chunk * CHUNK + t
                        sums = t * rows * W
                        store_sums(dB, to * n + i, load_rows(sum_b, sums, W))
                        store_sums(dC, to * n + i, load_rows(sum_c, sums, W))
                for t in range(n_steps):
                    for lane in range(low, high, W):
                        at, to = (
                            (first + t) * width + lane,
                            (lane - low) * CHUNK + t * W,
                        )
                        x, gy, gb = load(inputs, to), load(cts, to), load(by_b, to)
                        d = load(steps, to)
                        store(du, at, fma(gb, d, mul(gy, load(D, lane))))
                        gd = fma(load(by_a, to), ln2, mul(gb, x))
                        if soft:
                            gd = mul(gd, sigmoid(add(load(dt, at), load(bias, lane))))
                        store(ddt, at, gd)
                        if gated:
                            g = load(z, at)
                            s1 = sigmoid(g)
                            # d silu = s (1 + g (1 - s))
                            slope = mul(s1, fma(g, sub(one, s1), one))
                            gz = mul(load(dy, at), load(outs, to))
                            store(dz, at, mul(gz, slope))
                        sums = b * width + lane
                        store(dD, sums, fma(gy, x, load(dD, sums)))
                        store(dbias, sums, add(gd, load(dbias, sums)))
            for i in range(n):
                for lane in range(low, high, W):
                    own, state = (lane - low) * n + i * W, (b * n + i) * width + lane
                    store(dh0, state, load(grads, own))
                    store(dA, state, load(totals, own))

    return run


def _padded(a: Array | None, width: int, shape: tuple[int, ...]) -> Array:
    """Flat, with the last axis padded to the width; zeros where there is no array."""
    if a is None:
        return np.zeros(int(np.prod(shape[:-1])) * width, F32)
    if a.shape[-1] == width:
        return np.ascontiguousarray(a).reshape(-1)
    out = np.zeros((*a.shape[:-1], width), F32)
    out[..., : a.shape[-1]] = a
    return out.reshape(-1)


def _rows_of(n: int) -> int:
    return next(r for r in _ROWS if n % r == 0)


def _group(blocks: int) -> int:
    """Blocks in a task: never by the number of threads, so that sums are the same."""
    return max(1, min(_GROUP, blocks // _TASKS))


def _inputs(
    u: Array,
    dt: Array,
    A: Array,
    B: Array,
    C: Array,
    D: Array | None,
    z: Array | None,
    dt_bias: Array | None,
) -> tuple[tuple[int, int, int, int, int], tuple[Array, ...]]:
    (b, length, d), n = u.shape, A.shape[1]
    width = -(-d // W) * W
    flat = (
        _padded(u, width, u.shape),
        _padded(dt, width, u.shape),
        _padded((A * _LOG2E).T, width, (n, d)),
        np.ascontiguousarray(B).reshape(-1),
        np.ascontiguousarray(C).reshape(-1),
        _padded(D, width, (d,)),
        np.zeros(W, F32) if z is None else _padded(z, width, u.shape),
        _padded(dt_bias, width, (d,)),
    )
    return (b, length, d, n, width), flat


def _by_state(a: Array | None, b: int, d: int, n: int, width: int) -> Array:
    """(b, d, n) as (b, n, width), flat."""
    return _padded(None if a is None else a.swapaxes(1, 2), width, (b, n, d))


def selective_scan_forward(
    u: Array,
    dt: Array,
    A: Array,
    B: Array,
    C: Array,
    D: Array | None = None,
    z: Array | None = None,
    dt_bias: Array | None = None,
    h0: Array | None = None,
    *,
    soft: bool = True,
) -> tuple[Array, Array, Array]:
    """Outputs, last state, and the states that the backward pass starts chunks from.

    Parameters
    ----------
    u, dt, z : ndarray, shape (batch, time, d), float32
        ``z`` gates by SiLU.
    A : ndarray, shape (d, n)
    B, C : ndarray, shape (batch, time, n)
    D, dt_bias : ndarray, shape (d,)
    h0 : ndarray, shape (batch, d, n)
    soft : bool
        Whether softplus is applied to ``dt + dt_bias``.

    Returns
    -------
    y : ndarray, shape (batch, time, d)
    last : ndarray, shape (batch, d, n)
    ends : ndarray, shape (batch, chunks, n, d)
        The state before every chunk of `CHUNK` steps.
    """
    (b, length, d, n, width), flat = _inputs(u, dt, A, B, C, D, z, dt_bias)
    blocks, chunks = width // W, max(1, -(-length // CHUNK))
    y = pool.empty((b, length, width), F32)
    last = pool.empty((b, n, width), F32)
    ends = pool.empty((b, chunks, n, width), F32)
    start = _by_state(h0, b, d, n, width)
    size = np.array([length, blocks, n, chunks], np.int64)
    launch(
        _forward(_rows_of(n), soft, z is not None),
        b * blocks,
        *(size, *flat, start),
        *(y.reshape(-1), last.reshape(-1), ends.reshape(-1)),
    )
    out = y if width == d else np.ascontiguousarray(y[..., :d])
    return out, np.ascontiguousarray(last[..., :d].swapaxes(1, 2)), ends[..., :d]


def selective_scan_backward(
    u: Array,
    dt: Array,
    A: Array,
    B: Array,
    C: Array,
    D: Array | None,
    z: Array | None,
    dt_bias: Array | None,
    ends: Array,
    dy: Array,
    dlast: Array | None = None,
    *,
    soft: bool = True,
) -> dict[str, Array]:
    """Gradients by name: u, dt, A, B, C, D, z, dt_bias, h0, shaped like their inputs."""
    (b, length, d, n, width), flat = _inputs(u, dt, A, B, C, D, z, dt_bias)
    blocks, chunks = width // W, max(1, -(-length // CHUNK))
    group = _group(b * blocks)
    groups = -(-blocks // group)
    big = (b, length, width)
    du, ddt = pool.empty(big, F32), pool.empty(big, F32)
    dz = pool.empty(big, F32) if z is not None else np.zeros(W, F32)
    dA, dh0 = pool.empty((b, n, width), F32), pool.empty((b, n, width), F32)
    dB = pool.empty((b, groups, length, n), F32)
    dC = pool.empty((b, groups, length, n), F32)
    dD, dbias = pool.empty((b, width), F32), pool.empty((b, width), F32)
    size = np.array([length, blocks, n, chunks, group, groups], np.int64)
    launch(
        _backward(_rows_of(n), soft, z is not None),
        b * groups,
        *(size, *flat),
        *(_padded(ends, width, ends.shape), _padded(dy, width, u.shape)),
        _by_state(dlast, b, d, n, width),
        *(x.reshape(-1) for x in (du, ddt, dA, dB, dC, dD, dz, dbias, dh0)),
    )

    def cut(x: Array) -> Array:
        return x if width == d else np.ascontiguousarray(x[..., :d])

    out = {
        "u": cut(du),
        "dt": cut(ddt),
        "A": np.ascontiguousarray(dA.sum(0)[:, :d].T),
        "B": dB[:, 0] if groups == 1 else dB.sum(1),
        "C": dC[:, 0] if groups == 1 else dC.sum(1),
        "D": dD.sum(0)[:d],
        "dt_bias": dbias.sum(0)[:d],
        "h0": np.ascontiguousarray(dh0[..., :d].swapaxes(1, 2)),
    }
    if z is not None:
        out["z"] = cut(dz)
    return out
