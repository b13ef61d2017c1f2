"""The causal depthwise convolution of a few taps, with SiLU, forward and backward.

Sixteen channels are one vector, and its taps, its last k inputs and, in reverse, its
last k cotangents stay in registers while time runs. Time is walked in pieces, so that
short batches still fill every core; a piece of the backward pass reads k - 1 steps of
the next one, which computes them too. Nothing but the inputs is kept for it.
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
    row_access,
    splat,
    store,
    sub,
)
from helix_hal.cpu.kernels.simd_math import sigmoid
from helix_hal.cpu.launch import launch

__all__ = ["causal_conv1d_backward", "causal_conv1d_forward"]

Array = NDArray[Any]
F32 = np.float32
W = simd.WIDTH
_PIECE = 64  # steps of time in a task
_ONE, _ZERO = F32(1), F32(0)


@cache
def _window(k: int) -> Jitted:
    push = row_access(k).push

    @device_function
    def window(w, first, row, lane, width, x, state, state_row):
        """`w` after the k - 1 inputs before a time are pushed."""
        for s in range(first - (k - 1), first):
            if s < 0:
                w = push(w, load(state, (state_row + k - 1 + s) * width + lane))
            else:
                w = push(w, load(x, (row + s) * width + lane))
        return w

    return window


@cache
def _forward(k: int, silu: bool) -> Jitted:
    access, window = row_access(k), _window(k)
    load_rows, dot, push = access.load, access.dot, access.push

    @kernel
    def run(lo, hi, size, x, w, bias, state, y):
        length, blocks, pieces = size[0], size[1], size[2]
        width = blocks * W
        for task in range(lo, hi):
            b, first = task // pieces, task % pieces * _PIECE
            final, row = min(length, first + _PIECE), b * length
            for lane in range(0, width, W):
                taps, shift = load_rows(w, lane, width), load(bias, lane)
                xs = window(taps, first, row, lane, width, x, state, b * (k - 1))
                for t in range(first, final):
                    at = (row + t) * width + lane
                    xs = push(xs, load(x, at))
                    out = dot(taps, xs, shift)
                    if silu:
                        out = mul(out, sigmoid(out))
                    store(y, at, out)

    return run


@cache
def _backward(k: int, silu: bool) -> Jitted:
    access, window = row_access(k), _window(k)
    load_rows, store_rows, dot = access.load, access.store, access.dot
    push, flip, fill = access.push, access.flip, access.fill

    @kernel
    def run(lo, hi, size, x, w, bias, state, dy, dx, dw, dbias, dstate):
        length, blocks, pieces = size[0], size[1], size[2]
        width = blocks * W
        one, zero = splat(_ONE), splat(_ZERO)
        for task in range(lo, hi):
            b, first = task // pieces, task % pieces * _PIECE
            final, row = min(length, first + _PIECE), b * length
            for lane in range(0, width, W):
                taps, shift = load_rows(w, lane, width), load(bias, lane)
                xs = window(taps, first, row, lane, width, x, state, b * (k - 1))
                cts, total, total_bias = fill(zero), fill(zero), zero
                for t in range(first, final + k - 1):
                    ct = zero
                    if t < length:
                        at = (row + t) * width + lane
                        xs, ct = push(xs, load(x, at)), load(dy, at)
                        if silu:
                            z = dot(taps, xs, shift)
                            s = sigmoid(z)
                            ct = mul(ct, mul(s, fma(z, sub(one, s), one)))
                    cts = push(cts, ct)
                    if t < final:
                        total, total_bias = fma(ct, xs, total), add(ct, total_bias)
                    back = t - (k - 1)
                    if back >= first:
                        store(
                            dx, (row + back) * width + lane, dot(flip(taps), cts, zero)
                        )
                    elif back < 0:
                        to = (b * (k - 1) + t) * width + lane
                        store(dstate, to, dot(flip(taps), cts, zero))
                store_rows(dw, task * k * width + lane, width, total)
                store(dbias, task * width + lane, total_bias)

    return run


def _pad(a: Array, width: int) -> Array:
    """Flat, with the last axis padded to the width."""
    if a.shape[-1] == width:
        return np.ascontiguousarray(a).reshape(-1)
    out = np.zeros((*a.shape[:-1], width), F32)
    out[..., : a.shape[-1]] = a
    return out.reshape(-1)


def _prepare(x: Array, w: Array, bias: Array | None, state: Array | None) -> Any:
    (b, length, d), k = x.shape, w.shape[1]
    width = -(-d // W) * W
    before = np.zeros((b, k - 1, d), F32) if state is None else state
    flat = (
        _pad(x, width),
        _pad(w.T, width),
        _pad(np.zeros(d, F32) if bias is None else bias, width),
        _pad(before, width),
    )
    pieces = -(-length // _PIECE)
    size = np.array([length, width // W, pieces], np.int64)
    return width, b * pieces, (size, *flat), before


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
    (b, length, d), k = x.shape, w.shape[1]
    width, tasks, inputs, before = _prepare(x, w, bias, state)
    y = pool.empty((b, length, width), F32)
    launch(_forward(k, silu), tasks, *inputs, y.reshape(-1))
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
    (b, length, d), k = x.shape, w.shape[1]
    width, tasks, inputs, _ = _prepare(x, w, bias, state)
    dx = pool.empty((b, length, width), F32)
    dw, dbias = pool.empty((tasks, k, width), F32), pool.empty((tasks, width), F32)
    dstate = np.zeros((b, k - 1, width), F32)
    launch(
        _backward(k, silu),
        tasks,
        *(*inputs, _pad(dy, width)),
        *(out.reshape(-1) for out in (dx, dw, dbias, dstate)),
    )
    if width > d:
        dx, dstate = (np.ascontiguousarray(out[..., :d]) for out in (dx, dstate))
    if k > 1:
        kept = max(0, k - 1 - length)  # last inputs that are still the state's
        dstate[:, k - 1 - kept :] += dlast[:, :kept]
        dx[:, length - (k - 1 - kept) :] += dlast[:, kept:]
    return (
        dx,
        np.ascontiguousarray(dw.sum(0)[:, :d].T),
        dbias.sum(0)[:d],
        dstate,
    )
