"""One step of a Mamba language model: every layer in one call, weights read once.

A step of one sequence is nothing but reading the weights, so they are packed for that:
every matrix in groups of sixteen outputs, ``(group, input, 16)``, which a core streams
without a sum across lanes. The packed copy is kept for as long as the same weight
buffers are passed.

Sequences of a batch are independent blocks. One sequence stays on one core: sharing it
needs four meetings of the threads a layer, which cost more than they save.
"""

from __future__ import annotations

import threading
from operator import is_
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu.jit import device_function, kernel
from helix_hal.cpu.kernels import simd
from helix_hal.cpu.kernels.simd import (
    add,
    fma,
    load,
    mul,
    splat,
    spread,
    store,
)
from helix_hal.cpu.kernels.simd_math import exp2, sigmoid, softplus
from helix_hal.cpu.launch import launch

__all__ = ["mamba_lm_step"]

Array = NDArray[Any]
F32 = np.float32
W = simd.WIDTH
_LOG2E = F32(1.4426950408889634)
_ZERO, _ONE = F32(0), F32(1)


@device_function
def _product(weights, at, n, x, start):
    """Sixteen outputs: start + sum over n inputs of weight times x."""
    a, b, c, d = start, splat(_ZERO), splat(_ZERO), splat(_ZERO)
    i = 0
    while i + 4 <= n:
        p = at + i * W
        a = fma(load(weights, p), spread(x, i), a)
        b = fma(load(weights, p + W), spread(x, i + 1), b)
        c = fma(load(weights, p + 2 * W), spread(x, i + 2), c)
        d = fma(load(weights, p + 3 * W), spread(x, i + 3), d)
        i += 4
    while i < n:
        a = fma(load(weights, at + i * W), spread(x, i), a)
        i += 1
    return add(add(a, b), add(c, d))


@device_function
def _norm(x, base, n, weights, at, eps, out):
    """RMS norm of n values; ``out`` belongs to the thread."""
    total = splat(_ZERO)
    whole = n // W * W
    for i in range(0, whole, W):
        v = load(x, base + i)
        total = fma(v, v, total)
    store(out, 0, total)
    s = _ZERO
    for i in range(W):
        s += out[i]
    for i in range(whole, n):
        s += x[base + i] * x[base + i]
    r = _ONE / np.sqrt(s / F32(n) + eps)
    for i in range(n):
        out[i] = x[base + i] * r * weights[at + i]


@kernel
def _run(lo, hi, size, eps, p, x, conv, ssm, new_conv, new_ssm, logits):
    """Sequences lo to hi. ``size``: see `_Packed.size`; everything is flat."""
    batch, layers, dm, d, n = size[0], size[1], size[2], size[3], size[4]
    r, k, stride = size[5], size[6], size[7]
    wd, wm, wx, wv = size[8], size[9], size[10], size[11]
    normed = np.empty(wm + W, np.float32)
    us = np.empty(wd, np.float32)
    gates = np.empty(wd, np.float32)
    ys = np.empty(wd, np.float32)
    mix = np.empty(wx, np.float32)  # dt, B, C
    none = splat(_ZERO)
    for b in range(lo, hi):
        row = b * wm
        for layer in range(layers):
            # where the parts begin, in the order in which `_Packed` lays them
            norm = layer * stride
            in_x = norm + wm
            in_z = in_x + (dm + 1) * wd
            taps = in_z + (dm + 1) * wd
            mixed = taps + (k + 1) * wd
            steps = mixed + d * wx
            rates = steps + (r + 1) * wd
            skips = rates + n * wd
            back = skips + wd
            _norm(x, row, dm, p, norm, eps, normed)
            for g in range(0, wd, W):
                w = in_x + g * (dm + 1)
                v = _product(p, w + W, dm, normed, load(p, w))
                c = taps + g
                old = (layer * batch + b) * (k - 1) * wd + g
                u = fma(v, load(p, c + (k - 1) * wd), load(p, c + k * wd))
                for j in range(k - 1):
                    past = load(conv, old + j * wd)
                    u = fma(past, load(p, c + j * wd), u)
                    if j > 0:
                        store(new_conv, old + (j - 1) * wd, past)
                if k > 1:
                    store(new_conv, old + (k - 2) * wd, v)
                store(us, g, mul(u, sigmoid(u)))
                w = in_z + g * (dm + 1)
                v = _product(p, w + W, dm, normed, load(p, w))
                store(gates, g, mul(v, sigmoid(v)))
            for g in range(0, wx, W):
                store(mix, g, _product(p, mixed + g * d, d, us, none))
            for g in range(0, wd, W):
                w = steps + g * (r + 1)
                dt = softplus(_product(p, w + W, r, mix, load(p, w)))
                u = load(us, g)
                du = mul(dt, u)
                y = mul(u, load(p, skips + g))
                state = (layer * batch + b) * n * wd + g
                for i in range(n):
                    decay = exp2(mul(dt, load(p, rates + i * wd + g)))
                    drive = mul(du, spread(mix, r + i))
                    h = fma(decay, load(ssm, state + i * wd), drive)
                    store(new_ssm, state + i * wd, h)
                    y = fma(h, spread(mix, r + n + i), y)
                store(ys, g, mul(y, load(gates, g)))
            for g in range(0, wm, W):
                w = back + g * (d + 1)
                start = add(load(x, row + g), load(p, w))
                store(x, row + g, _product(p, w + W, d, ys, start))
        last = layers * stride
        _norm(x, row, dm, p, last, eps, normed)
        for g in range(0, wv, W):
            v = _product(p, last + wm + g * dm, dm, normed, none)
            store(logits, b * wv + g, v)


def _up(n: int) -> int:
    return -(-n // W) * W


def _matrix(w: Array, bias: Array | None = None, with_bias: bool = True) -> Array:
    """(out, in) as (groups, 1 + in, 16): the bias first, where there is one."""
    out, n = w.shape
    lead = 1 if with_bias else 0
    packed = np.zeros((_up(out) // W, n + lead, W), F32)
    full = np.zeros((_up(out), n), F32)
    full[:out] = w
    packed[:, lead:] = full.reshape(-1, W, n).transpose(0, 2, 1)
    if bias is not None:
        padded = np.zeros(_up(out), F32)
        padded[:out] = bias
        packed[:, 0] = padded.reshape(-1, W)
    return packed.ravel()


def _rows(a: Array, width: int) -> Array:
    """(rows, n) with rows padded to the width, flat."""
    a = np.atleast_2d(a)
    out = np.zeros((a.shape[0], width), F32)
    out[:, : a.shape[1]] = a
    return out.ravel()


class _Packed:
    """The weights of one model, and the numbers that the kernel needs to find them."""

    def __init__(self, buffers: tuple[Array, ...], attrs: dict[str, Any]) -> None:
        self.buffers = buffers  # held, so that an identity means the same weights
        it = iter(buffers)
        self.table, norm_f = next(it), next(it)
        head = self.table if attrs["tied"] else next(it)
        parts: list[Array] = []
        for _ in range(attrs["n_layers"]):
            norm, in_w = next(it), next(it)
            in_b = next(it) if attrs["bias"] else None
            conv_w = next(it)
            conv_b = next(it) if attrs["conv_bias"] else None
            x_w, dt_w, dt_b, a_log, skip, out_w = (next(it) for _ in range(6))
            out_b = next(it) if attrs["bias"] else None
            d, n = a_log.shape
            wd, wm = _up(d), _up(in_w.shape[1])
            halves = (None, None) if in_b is None else (in_b[:d], in_b[d:])
            taps = np.zeros((conv_w.shape[1] + 1, d), F32)
            taps[:-1] = conv_w.T
            if conv_b is not None:
                taps[-1] = conv_b
            parts += [
                _rows(norm, wm),
                _matrix(in_w[:d], halves[0]),
                _matrix(in_w[d:], halves[1]),
                _rows(taps, wd),
                _matrix(x_w, with_bias=False),
                _matrix(dt_w, dt_b),
                _rows(-np.exp(a_log.T) * _LOG2E, wd),
                _rows(skip, wd),
                _matrix(out_w, out_b),
            ]
        stride = sum(p.size for p in parts) // max(1, attrs["n_layers"])
        parts += [_rows(norm_f, wm), _matrix(head, with_bias=False)]
        self.flat = np.concatenate(parts)
        self.d, self.n, self.k = d, n, conv_w.shape[1]
        self.dm, self.r = in_w.shape[1], dt_w.shape[1]
        self.vocab, self.stride = head.shape[0], stride
        self.wd, self.wm, self.wx = wd, wm, _up(x_w.shape[0])
        self.wv = _up(self.vocab)

    def size(self, batch: int, layers: int) -> Array:
        return np.array(
            [
                *(batch, layers, self.dm, self.d, self.n, self.r, self.k),
                *(self.stride, self.wd, self.wm, self.wx, self.wv),
            ],
            np.int64,
        )


_LOCK = threading.Lock()
_KEPT: list[_Packed] = []
_MODELS = 2  # that a process decodes in turn


def _packed(buffers: tuple[Array, ...], attrs: dict[str, Any]) -> _Packed:
    """The packed weights of these very buffers; the last few models are kept."""
    with _LOCK:
        for i, kept in enumerate(_KEPT):
            if len(kept.buffers) == len(buffers) and all(
                map(is_, kept.buffers, buffers)
            ):
                if i:
                    _KEPT.insert(0, _KEPT.pop(i))
                return kept
        fresh = _Packed(buffers, attrs)
        _KEPT.insert(0, fresh)
        del _KEPT[_MODELS:]
        return fresh


def _wide(a: Array, width: int) -> Array:
    """The last axis padded with zeros to the width, flat."""
    if a.shape[-1] == width:
        return np.ascontiguousarray(a).reshape(-1)
    out = np.zeros((*a.shape[:-1], width), F32)
    out[..., : a.shape[-1]] = a
    return out.reshape(-1)


def mamba_lm_step(
    ids: Array, conv: Array, ssm: Array, *weights: Array, eps: float, **attrs: Any
) -> tuple[Array, Array, Array]:
    """Logits and the next states.

    Parameters
    ----------
    ids : ndarray (batch,) of int
    conv : ndarray (layer, batch, d_conv - 1, d_inner)
    ssm : ndarray (layer, batch, d_state, d_inner)
    *weights
        As the composite ``mamba_lm_step`` documents them.

    Returns
    -------
    logits : ndarray (batch, vocab_size)
    conv, ssm : ndarray
    """
    m = _packed(weights, attrs)
    batch, layers = len(ids), attrs["n_layers"]
    x = np.zeros((batch, m.wm), F32)
    x[:, : m.dm] = m.table[np.clip(ids, 0, m.vocab - 1)]
    new_conv = np.empty((layers, batch, m.k - 1, m.wd), F32)
    new_ssm = np.empty((layers, batch, m.n, m.wd), F32)
    logits = np.empty((batch, m.wv), F32)
    launch(
        *(_run, batch, m.size(batch, layers), F32(eps), m.flat, x.reshape(-1)),
        *(_wide(conv, m.wd), _wide(ssm, m.wd), new_conv.reshape(-1)),
        *(new_ssm.reshape(-1), logits.reshape(-1)),
    )
    return (
        np.ascontiguousarray(logits[:, : m.vocab]),
        np.ascontiguousarray(new_conv[..., : m.d]),
        np.ascontiguousarray(new_ssm[..., : m.d]),
    )
