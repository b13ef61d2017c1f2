"""The selective scan of Mamba: h_t = exp(dt_t A) h_{t-1} + dt_t u_t B_t, y_t = C_t h_t.

Sixteen channels go through time together, one vector per state, so that nothing is
summed across lanes; the states of a block (16 x 16 floats) stay in the first-level
cache. The forward pass keeps only the state before every chunk of 64 steps; the
backward pass computes a chunk again, and then walks it in reverse. Memory is O(L D).

Blocks of channels are independent. Gradients that sum over channels (of B and C) are
summed per group of blocks first, and the groups in order: the same bits for any number
of threads. Values beyond float32's range: decay factors below 2^-126 are 2^-126.

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
from helix_hal.cpu.jit import Jitted, kernel
from helix_hal.cpu.kernels import simd
from helix_hal.cpu.kernels.simd import (
    add,
    exp2,
    fma,
    load,
    mul,
    sigmoid,
    softplus,
    splat,
    spread,
    store,
    sub,
)
from helix_hal.cpu.launch import launch

__all__ = ["CHUNK", "selective_scan_backward", "selective_scan_forward"]

Array = NDArray[Any]
F32 = np.float32
W = simd.WIDTH
CHUNK = 64
_GROUP = 4  # blocks of channels that share one sum of dB and dC
_LOG2E = F32(1.4426950408889634)
_LN2 = F32(0.6931471805599453)
_ONE, _ZERO = F32(1), F32(0)


@cache
def _forward(soft: bool, gated: bool) -> Jitted:
    @kernel
    def run(lo, hi, size, u, dt, A, B, C, D, z, bias, h0, y, last, ends):
        length, blocks, n, chunks = size[0], size[1], size[2], size[3]
        width = blocks * W
        h = np.empty(n * W, np.float32)
        for task in range(lo, hi):
            b, k = task // blocks, task % blocks
            state = task * n * W
            for i in range(n):
                store(h, i * W, load(h0, state + i * W))
            skip, shift = load(D, k * W), load(bias, k * W)
            rates = k * n * W
            for t in range(length):
                row = b * length + t
                at = row * width + k * W
                if t % CHUNK == 0:
                    end = ((b * chunks + t // CHUNK) * blocks + k) * n * W
                    for i in range(n):
                        store(ends, end + i * W, load(h, i * W))
                d = add(load(dt, at), shift)
                if soft:
                    d = softplus(d)
                x = load(u, at)
                dx = mul(d, x)
                out = mul(skip, x)
                for i in range(n):
                    decay = exp2(mul(d, load(A, rates + i * W)))
                    drive = mul(dx, spread(B, row * n + i))
                    s = fma(decay, load(h, i * W), drive)
                    store(h, i * W, s)
                    out = fma(s, spread(C, row * n + i), out)
                if gated:
                    g = load(z, at)
                    out = mul(out, mul(g, sigmoid(g)))
                store(y, at, out)
            for i in range(n):
                store(last, state + i * W, load(h, i * W))

    return run


@cache
def _backward(soft: bool, gated: bool) -> Jitted:
    @kernel
    def run(
        lo, hi, size, u, dt, A, B, C, D, z, bias, ends, dy, dlast,
        du, ddt, dA, dB, dC, dD, dz, dbias, dh0,
    ):  # fmt: skip
        length, blocks, n, chunks, groups = size[0], size[1], size[2], size[3], size[4]
        width = blocks * W
        nw = n * W
        decays = np.empty(CHUNK * nw, np.float32)
        states = np.empty((CHUNK + 1) * nw, np.float32)
        outs = np.empty(CHUNK * W, np.float32)
        steps = np.empty(CHUNK * W, np.float32)
        sum_b = np.empty(CHUNK * nw, np.float32)
        sum_c = np.empty(CHUNK * nw, np.float32)
        grads = np.empty(_GROUP * nw, np.float32)
        zero, one, ln2 = splat(_ZERO), splat(_ONE), splat(_LN2)
        for task in range(lo, hi):
            b, group = task // groups, task % groups
            first = group * _GROUP
            final = min(first + _GROUP, blocks)
            for k in range(first, final):
                state = (b * blocks + k) * nw
                for i in range(n):
                    store(grads, (k - first) * nw + i * W, load(dlast, state + i * W))
                    store(dA, state + i * W, zero)
                store(dD, (b * blocks + k) * W, zero)
                store(dbias, (b * blocks + k) * W, zero)
            for chunk in range(chunks - 1, -1, -1):
                start = chunk * CHUNK
                count = min(CHUNK, length - start)
                for i in range(count * nw):
                    sum_b[i] = _ZERO
                    sum_c[i] = _ZERO
                for k in range(first, final):
                    block = b * blocks + k
                    state = block * nw
                    G = (k - first) * nw
                    end = ((b * chunks + chunk) * blocks + k) * nw
                    for i in range(n):
                        store(states, i * W, load(ends, end + i * W))
                    skip, shift = load(D, k * W), load(bias, k * W)
                    rates = k * nw
                    for t in range(count):  # again: decays and states of the chunk
                        row = b * length + start + t
                        at = row * width + k * W
                        d = add(load(dt, at), shift)
                        if soft:
                            d = softplus(d)
                        store(steps, t * W, d)
                        x = load(u, at)
                        dx = mul(d, x)
                        out = mul(skip, x)
                        here = t * nw
                        for i in range(n):
                            decay = exp2(mul(d, load(A, rates + i * W)))
                            store(decays, here + i * W, decay)
                            drive = mul(dx, spread(B, row * n + i))
                            s = fma(decay, load(states, here + i * W), drive)
                            store(states, here + nw + i * W, s)
                            if gated:
                                out = fma(s, spread(C, row * n + i), out)
                        if gated:
                            store(outs, t * W, out)
                    total_d, total_bias = load(dD, block * W), load(dbias, block * W)
                    for t in range(count - 1, -1, -1):
                        row = b * length + start + t
                        at = row * width + k * W
                        gy = load(dy, at)
                        if gated:
                            g = load(z, at)
                            s = sigmoid(g)
                            # d silu = s (1 + g (1 - s))
                            slope = mul(s, fma(g, sub(one, s), one))
                            store(dz, at, mul(mul(gy, load(outs, t * W)), slope))
                            gy = mul(gy, mul(g, s))
                        d, x = load(steps, t * W), load(u, at)
                        dx = mul(d, x)
                        by_b, by_a = zero, zero
                        here = t * nw
                        for i in range(n):
                            j = here + i * W
                            grad = fma(
                                gy, spread(C, row * n + i), load(grads, G + i * W)
                            )
                            store(
                                sum_c, j, fma(gy, load(states, j + nw), load(sum_c, j))
                            )
                            store(sum_b, j, fma(grad, dx, load(sum_b, j)))
                            by_b = fma(grad, spread(B, row * n + i), by_b)
                            back = mul(grad, load(decays, j))
                            store(grads, G + i * W, back)
                            through = mul(back, load(states, j))
                            by_a = fma(through, load(A, rates + i * W), by_a)
                            store(
                                dA,
                                state + i * W,
                                fma(through, d, load(dA, state + i * W)),
                            )
                        store(du, at, fma(by_b, d, mul(gy, skip)))
                        gd = fma(by_a, ln2, mul(by_b, x))
                        if soft:
                            gd = mul(gd, sigmoid(add(load(dt, at), shift)))
                        store(ddt, at, gd)
                        total_d = fma(gy, x, total_d)
                        total_bias = add(total_bias, gd)
                    store(dD, block * W, total_d)
                    store(dbias, block * W, total_bias)
                for t in range(count):
                    to = ((b * groups + group) * length + start + t) * n
                    for i in range(n):
                        j = (t * n + i) * W
                        total_b, total_c = _ZERO, _ZERO
                        for lane in range(W):
                            total_b += sum_b[j + lane]
                            total_c += sum_c[j + lane]
                        dB[to + i] = total_b
                        dC[to + i] = total_c
            for k in range(first, final):
                state = (b * blocks + k) * nw
                for i in range(n):
                    store(dh0, state + i * W, load(grads, (k - first) * nw + i * W))

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


def _blocked(a: Array | None, lead: int, d: int, n: int, width: int) -> Array:
    """(lead, d, n) as (lead, blocks, n, lanes), flat."""
    out: Array = np.zeros((lead, width, n), F32)
    if a is not None:
        out[:, :d] = a
    out = out.reshape(lead, width // W, W, n).transpose(0, 1, 3, 2)
    return np.ascontiguousarray(out).reshape(-1)


def _unblocked(a: Array, lead: int, d: int, n: int, width: int) -> Array:
    out = a.reshape(lead, width // W, n, W).transpose(0, 1, 3, 2)
    return np.ascontiguousarray(out.reshape(lead, width, n)[:, :d])


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
        _blocked((A * _LOG2E)[None], 1, d, n, width),
        np.ascontiguousarray(B).reshape(-1),
        np.ascontiguousarray(C).reshape(-1),
        _padded(D, width, (d,)),
        np.zeros(W, F32) if z is None else _padded(z, width, u.shape),
        _padded(dt_bias, width, (d,)),
    )
    return (b, length, d, n, width), flat


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
    ends : ndarray, shape (batch, chunks, d, n)
        A view; ``selective_scan_backward`` reads its blocked memory without copying.
    """
    (b, length, d, n, width), flat = _inputs(u, dt, A, B, C, D, z, dt_bias)
    blocks, chunks = width // W, max(1, -(-length // CHUNK))
    y = pool.empty((b, length, width), F32)
    last = pool.empty(b * n * width, F32)
    ends = pool.empty((b, chunks, blocks, n, W), F32)
    start = _blocked(h0, b, d, n, width)
    if length == 0:
        ends[:, 0] = start.reshape(b, blocks, n, W)
    size = np.array([length, blocks, n, chunks], np.int64)
    run = _forward(soft, z is not None)
    launch(run, b * blocks, size, *flat, start, y.reshape(-1), last, ends.reshape(-1))
    out = y if width == d else np.ascontiguousarray(y[:, :, :d])
    seen = ends.transpose(0, 1, 2, 4, 3).reshape(b, chunks, width, n)[:, :, :d]
    return out, _unblocked(last, b, d, n, width), seen


def _ends_flat(ends: Array, b: int, d: int, n: int, width: int) -> Array:
    chunks = ends.shape[1]
    return _blocked(ends.reshape(b * chunks, d, n), b * chunks, d, n, width)


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
    groups = -(-blocks // _GROUP)
    big = (b, length, width)
    du, ddt = pool.empty(big, F32), pool.empty(big, F32)
    dz = pool.empty(big, F32) if z is not None else np.zeros(W, F32)
    dA = pool.empty(b * width * n, F32)
    dB = pool.empty((b, groups, length, n), F32)
    dC = pool.empty((b, groups, length, n), F32)
    dD, dbias = pool.empty(b * width, F32), pool.empty(b * width, F32)
    dh0 = pool.empty(b * width * n, F32)
    size = np.array([length, blocks, n, chunks, groups], np.int64)
    launch(
        _backward(soft, z is not None),
        b * groups,
        *(size, *flat),
        *(_ends_flat(ends, b, d, n, width), _padded(dy, width, u.shape)),
        _blocked(dlast, b, d, n, width),
        *(du.reshape(-1), ddt.reshape(-1), dA, dB.reshape(-1), dC.reshape(-1)),
        *(dD, dz.reshape(-1), dbias, dh0),
    )

    def cut(x: Array) -> Array:
        return x if width == d else np.ascontiguousarray(x[:, :, :d])

    out = {
        "u": cut(du),
        "dt": cut(ddt),
        "A": _unblocked(dA, b, d, n, width).sum(0),
        "B": dB[:, 0] if groups == 1 else dB.sum(1),
        "C": dC[:, 0] if groups == 1 else dC.sum(1),
        "D": dD.reshape(b, width)[:, :d].sum(0),
        "dt_bias": dbias.reshape(b, width)[:, :d].sum(0),
        "h0": _unblocked(dh0, b, d, n, width),
    }
    if z is not None:
        out["z"] = cut(dz)
    return out
