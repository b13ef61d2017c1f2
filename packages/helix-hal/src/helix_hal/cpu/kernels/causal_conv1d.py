"""The causal depthwise convolution of a few taps, with SiLU, forward and backward.

Sixteen channels are one vector; time is walked in pieces, so that short batches still
fill every core. Nothing but the inputs is kept for the backward pass.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.jit import Jitted, kernel
from helix_hal.cpu.kernels import simd
from helix_hal.cpu.kernels.simd import add, fma, load, mul, sigmoid, splat, store, sub
from helix_hal.cpu.launch import launch

__all__ = ["causal_conv1d_backward", "causal_conv1d_forward"]

Array = NDArray[Any]
F32 = np.float32
W = simd.WIDTH
_PIECE = 256  # steps of time in a task
_ONE, _ZERO = F32(1), F32(0)


@cache
def _forward(silu: bool) -> Jitted:
    @kernel
    def run(lo, hi, size, x, w, bias, state, y):
        length, blocks, k, pieces = size[0], size[1], size[2], size[3]
        width = blocks * W
        for task in range(lo, hi):
            b, piece = task // pieces, task % pieces
            first = piece * _PIECE
            final = min(length, first + _PIECE)
            for t in range(first, final):
                row = (b * length + t) * width
                for c in range(blocks):
                    out = load(bias, c * W)
                    for j in range(k):
                        s = t - (k - 1) + j
                        tap = load(w, j * width + c * W)
                        if s >= 0:
                            at = (b * length + s) * width + c * W
                            out = fma(tap, load(x, at), out)
                        else:
                            at = (b * (k - 1) + k - 1 + s) * width + c * W
                            out = fma(tap, load(state, at), out)
                    if silu:
                        out = mul(out, sigmoid(out))
                    store(y, row + c * W, out)

    return run


@cache
def _backward(silu: bool) -> Jitted:
    """``g``: the cotangent of the sum before SiLU; dw and dbias per piece of time."""

    @kernel
    def run(lo, hi, size, x, w, bias, state, dy, g, dw, dbias):
        length, blocks, k, pieces = size[0], size[1], size[2], size[3]
        width = blocks * W
        one, zero = splat(_ONE), splat(_ZERO)
        for task in range(lo, hi):
            b, piece = task // pieces, task % pieces
            first = piece * _PIECE
            final = min(length, first + _PIECE)
            for c in range(blocks):
                store(dbias, task * width + c * W, zero)
                for j in range(k):
                    store(dw, (task * k + j) * width + c * W, zero)
            for t in range(first, final):
                row = (b * length + t) * width
                for c in range(blocks):
                    ct = load(dy, row + c * W)
                    if silu:
                        z = load(bias, c * W)
                        for j in range(k):
                            s = t - (k - 1) + j
                            tap = load(w, j * width + c * W)
                            if s >= 0:
                                at = (b * length + s) * width + c * W
                                z = fma(tap, load(x, at), z)
                            else:
                                at = (b * (k - 1) + k - 1 + s) * width + c * W
                                z = fma(tap, load(state, at), z)
                        s1 = sigmoid(z)
                        ct = mul(ct, mul(s1, fma(z, sub(one, s1), one)))
                    store(g, row + c * W, ct)
                    for j in range(k):
                        s = t - (k - 1) + j
                        to = (task * k + j) * width + c * W
                        if s >= 0:
                            at = (b * length + s) * width + c * W
                            store(dw, to, fma(ct, load(x, at), load(dw, to)))
                        else:
                            at = (b * (k - 1) + k - 1 + s) * width + c * W
                            store(dw, to, fma(ct, load(state, at), load(dw, to)))
                    to = task * width + c * W
                    store(dbias, to, add(ct, load(dbias, to)))

    return run


@kernel
def _spread_back(lo, hi, size, w, g, dx):
    """dx_t = sum_j w_j g_{t+k-1-j}."""
    length, blocks, k, pieces = size[0], size[1], size[2], size[3]
    width = blocks * W
    for task in range(lo, hi):
        b, piece = task // pieces, task % pieces
        first = piece * _PIECE
        final = min(length, first + _PIECE)
        for t in range(first, final):
            for c in range(blocks):
                out = splat(_ZERO)
                for j in range(k):
                    s = t + k - 1 - j
                    if s < length:
                        at = (b * length + s) * width + c * W
                        out = fma(load(w, j * width + c * W), load(g, at), out)
                store(dx, (b * length + t) * width + c * W, out)


def _pad(a: Array, width: int) -> Array:
    if a.shape[-1] == width:
        return np.ascontiguousarray(a).reshape(-1)
    out = np.zeros((*a.shape[:-1], width), F32)
    out[..., : a.shape[-1]] = a
    return out.reshape(-1)


def _prepare(x: Array, w: Array, bias: Array | None, state: Array | None) -> Any:
    (b, length, d), k = x.shape, w.shape[1]
    width = -(-d // W) * W
    pieces = -(-length // _PIECE)
    before = np.zeros((b, k - 1, d), F32) if state is None else state
    flat = (
        _pad(x, width),
        _pad(np.ascontiguousarray(w.T), width),
        _pad(np.zeros(d, F32) if bias is None else bias, width),
        _pad(before, width),
    )
    size = np.array([length, width // W, k, pieces], np.int64)
    return (b, length, d, k, width, pieces), size, before, flat


def causal_conv1d_forward(
    x: Array,
    w: Array,
    bias: Array | None = None,
    state: Array | None = None,
    *,
    silu: bool = False,
) -> tuple[Array, Array]:
    """``y_t = act(bias + sum_j w_j x_{t-k+1+j})``, and the last k-1 inputs.

    Parameters
    ----------
    x : ndarray, shape (batch, time, channel), float32
    w : ndarray, shape (channel, k)
    bias : ndarray, shape (channel,), optional
    state : ndarray, shape (batch, k-1, channel), optional
        The inputs before `x`; zeros by default.
    silu : bool

    Returns
    -------
    y : ndarray, shape (batch, time, channel)
    last : ndarray, shape (batch, k-1, channel)
    """
    (b, length, d, k, width, pieces), size, before, flat = _prepare(x, w, bias, state)
    y = pool.empty((b, length, width), F32)
    launch(_forward(silu), b * pieces, size, *flat, y.reshape(-1))
    if length >= k - 1:
        last = np.array(x[:, length - (k - 1) :])
    else:
        last = np.concatenate([before, x], 1)[:, length:]
    return (y if width == d else np.ascontiguousarray(y[..., :d])), last


def causal_conv1d_backward(
    x: Array,
    w: Array,
    bias: Array | None,
    state: Array | None,
    dy: Array,
    dlast: Array,
    *,
    silu: bool = False,
) -> tuple[Array, Array, Array, Array]:
    """Gradients of x, w, bias and state; `dlast` is the cotangent of the last inputs."""
    (b, length, d, k, width, pieces), size, _, flat = _prepare(x, w, bias, state)
    tasks = b * pieces
    g = pool.empty((b, length, width), F32)
    dx = pool.empty((b, length, width), F32)
    dw = pool.empty((tasks, k, width), F32)
    dbias = pool.empty((tasks, width), F32)
    launch(
        *(_backward(silu), tasks, size, *flat, _pad(dy, width)),
        *(g.reshape(-1), dw.reshape(-1), dbias.reshape(-1)),
    )
    launch(_spread_back, tasks, size, flat[1], g.reshape(-1), dx.reshape(-1))
    dx = dx[..., :d]
    dstate = np.zeros((b, k - 1, d), F32)
    for m in range(k - 1):
        for j in range(max(0, m - length + 1), m + 1):
            dstate[:, m] += w[:, j] * g[:, m - j, :d]
    head = max(0, k - 1 - length)  # last inputs that are still the state's
    if k > 1:
        dstate[:, k - 1 - head :] += dlast[:, :head]
        dx[:, length - (k - 1 - head) :] += dlast[:, head:]
    return (
        np.ascontiguousarray(dx),
        np.ascontiguousarray(dw.sum(0)[:, :d].T),
        dbias.sum(0)[:d],
        dstate,
    )
