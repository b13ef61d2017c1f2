"""Sums of exponentials along time, and their transposes, of sixteen channels at a time.

With steps l = j + 32 b, e^(a l) is e^(a j) e^(32 a b): a filter is a small matrix product
of the first factors, a table, and the second ones times coefficients, and the sums that
its gradients need are the same product the other way. Nothing of size
(time, channel, state) exists, and an exponential costs two multiplications. Powers are
made by float64 products, from the exponential of one step.

References
----------
Gu et al., "On the Parameterization and Initialization of Diagonal State Space Models",
2022 (the Vandermonde product).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.jit import Jitted, device_function, kernel
from helix_hal.cpu.kernels import simd
from helix_hal.cpu.kernels.fft import ELEMENT, fnma
from helix_hal.cpu.kernels.simd import (
    add,
    fma,
    load,
    mul,
    row_access,
    scratch,
    splat,
    store,
)
from helix_hal.cpu.launch import launch

__all__ = ["exponential_moments", "exponential_sums"]

Array = NDArray[Any]
F32 = np.float32
W = simd.WIDTH
_B = 32  # steps of the table
_FOUR = 4  # blocks of steps at a time
_QUAD = _B * _FOUR
_TASKS = 8  # at least, where there is time to cut
_SUMS = 4 * _FOUR * W  # floats of a state's sums
_ZERO = F32(0)
_load4, _store4, _fill4 = (
    getattr(row_access(_FOUR), name) for name in ("load", "store", "fill")
)
# places in a kernel's `size`
_LENGTH, _STATES, _TILES, _SEGMENTS, _INNER = range(5)


@device_function
def _times(pr, pi, at, zr, zi, z):
    """Sixteen complex float64 at ``p[at]`` times those at ``z``."""
    for i in range(W):
        a, b, c, d = pr[at + i], pi[at + i], zr[z + i], zi[z + i]
        pr[at + i] = a * c - b * d
        pi[at + i] = a * d + b * c


@device_function
def _table(zr, zi, lane, width, states, count, out, pr, pi):
    """Powers 0 to count - 1 of z, by state, float32; p becomes power `count`."""
    for n in range(states):
        at = n * W
        for i in range(W):
            pr[at + i], pi[at + i] = 1.0, 0.0
        for j in range(count):
            to = (n * count + j) * ELEMENT
            for i in range(W):
                out[to + i] = pr[at + i]
                out[to + W + i] = pi[at + i]
            _times(pr, pi, at, zr, zi, n * width + lane)


@device_function
def _again(zr, zi, states, count, out, pr, pi):
    """The same of numbers beside each other."""
    _table(zr, zi, 0, W, states, count, out, pr, pi)


@device_function
def _power(zr, zi, states, times, pr, pi):
    """p = z^times."""
    for n in range(states):
        at = n * W
        for i in range(W):
            pr[at + i], pi[at + i] = 1.0, 0.0
        for _ in range(times):
            _times(pr, pi, at, zr, zi, at)


@kernel
def _sums(lo, hi, size, zr, zi, cr, ci, out, base, step):
    """out_l = sum_n Re(c_n z_n^l)."""
    states, inner, segments = size[_STATES], size[_INNER], size[_SEGMENTS]
    width = size[_TILES] * W
    quads = (size[_LENGTH] + _QUAD - 1) // _QUAD
    table, second = scratch(states * _B * ELEMENT), scratch(states * inner * ELEMENT)
    left = scratch(states * _FOUR * ELEMENT)
    six = np.empty((6, states * W))
    br, bi, pr, pi, sr, si = six[0], six[1], six[2], six[3], six[4], six[5]
    zero = _fill4(splat(_ZERO))
    groups = inner // _FOUR
    for task in range(lo, hi):
        segment, rest = task % segments, task // segments
        tile, row = rest % size[_TILES], rest // size[_TILES]
        lane = tile * W
        first = quads * segment // segments
        _table(zr, zi, lane, width, states, _B, table, br, bi)
        _again(br, bi, states, inner, second, sr, si)
        _power(sr, si, states, first // groups, pr, pi)
        for quad in range(first, quads * (segment + 1) // segments):
            group = quad % groups
            if group == 0 and quad > first:
                for n in range(states):
                    _times(pr, pi, n * W, sr, si, n * W)
            for n in range(states):
                for b in range(_FOUR):
                    at = (n * inner + group * _FOUR + b) * ELEMENT
                    to = (n * _FOUR + b) * ELEMENT
                    c = (row * states + n) * width + lane
                    for i in range(W):
                        p, q = pr[n * W + i], pi[n * W + i]
                        x = F32(p * cr[c + i] - q * ci[c + i])
                        y = F32(p * ci[c + i] + q * cr[c + i])
                        u, v = second[at + i], second[at + W + i]
                        left[to + i] = x * u - y * v
                        left[to + W + i] = -(x * v + y * u)
            for j in range(0, _B, _FOUR):
                a0, a1, a2, a3 = zero, zero, zero, zero
                for n in range(states):
                    at, p = (n * _B + j) * ELEMENT, n * _FOUR * ELEMENT
                    qr = _load4(table, at, ELEMENT)
                    qi = _load4(table, at + W, ELEMENT)
                    a0 = fma(qr, load(left, p), a0)
                    a1 = fma(qr, load(left, p + ELEMENT), a1)
                    a2 = fma(qr, load(left, p + 2 * ELEMENT), a2)
                    a3 = fma(qr, load(left, p + 3 * ELEMENT), a3)
                    a0 = fma(qi, load(left, p + W), a0)
                    a1 = fma(qi, load(left, p + ELEMENT + W), a1)
                    a2 = fma(qi, load(left, p + 2 * ELEMENT + W), a2)
                    a3 = fma(qi, load(left, p + 3 * ELEMENT + W), a3)
                to = base[row] + (quad * _QUAD + j) * step + lane
                _store4(out, to, step, a0)
                _store4(out, to + _B * step, step, a1)
                _store4(out, to + 2 * _B * step, step, a2)
                _store4(out, to + 3 * _B * step, step, a3)


@device_function
def _add_product(total, at, wr, wi, gr, gi):
    """Rows of w g to those of ``total[at]``."""
    re, im = _load4(total, at, W), _load4(total, at + _FOUR * W, W)
    re, im = fma(wr, gr, re), fma(wr, gi, im)
    _store4(total, at, W, fnma(wi, gi, re))
    _store4(total, at + _FOUR * W, W, fma(wi, gr, im))


@cache
def _moments(lags: bool) -> Jitted:
    """Sums over l of x_l z_n^l, and where `lags` says so of l x_l z_n^l."""

    @kernel
    def run(lo, hi, size, zr, zi, x, base, step, out):
        states, inner, segments = size[_STATES], size[_INNER], size[_SEGMENTS]
        length, tiles = size[_LENGTH], size[_TILES]
        width, groups = tiles * W, inner // _FOUR
        quads = (length + _QUAD - 1) // _QUAD
        table = scratch(states * _B * ELEMENT)
        second = scratch(states * inner * ELEMENT)
        here, late = scratch(_QUAD * W), scratch(_QUAD * W)
        total, starts = scratch(states * _SUMS), scratch(_FOUR * W)
        six = np.empty((6, states * W))
        br, bi, pr, pi, sr, si = six[0], six[1], six[2], six[3], six[4], six[5]
        p32 = scratch(states * ELEMENT)
        none = splat(_ZERO)
        zero = _fill4(none)
        for task in range(lo, hi):
            segment, rest = task % segments, task // segments
            tile, row = rest % tiles, rest // tiles
            lane = tile * W
            first = quads * segment // segments
            _table(zr, zi, lane, width, states, _B, table, br, bi)
            _again(br, bi, states, inner, second, sr, si)
            _power(sr, si, states, first // groups, pr, pi)
            for e in range(0, states * _SUMS, W):
                store(total, e, none)
            for quad in range(first, quads * (segment + 1) // segments):
                group = quad % groups
                if group == 0 and quad > first:
                    for n in range(states):
                        _times(pr, pi, n * W, sr, si, n * W)
                for i in range(states * W):
                    to = i // W * ELEMENT + i % W
                    p32[to], p32[to + W] = pr[i], pi[i]
                for b in range(_FOUR):
                    store(starts, b * W, splat(F32(quad * _QUAD + b * _B)))
                for t in range(_QUAD):
                    v = none
                    if quad * _QUAD + t < length:
                        v = load(x, base[row] + (quad * _QUAD + t) * step + lane)
                    store(here, t * W, v)
                    if lags:
                        store(late, t * W, mul(v, splat(F32(t % _B))))
                for n in range(states):
                    ar, ai, cr, ci = zero, zero, zero, zero
                    for j in range(_B):
                        q = (n * _B + j) * ELEMENT
                        qr, qi = load(table, q), load(table, q + W)
                        v = _load4(here, j * W, _B * W)
                        ar, ai = fma(v, qr, ar), fma(v, qi, ai)
                        if lags:
                            v = _load4(late, j * W, _B * W)
                            cr, ci = fma(v, qr, cr), fma(v, qi, ci)
                    at = (n * inner + group * _FOUR) * ELEMENT
                    ur = _load4(second, at, ELEMENT)
                    ui = _load4(second, at + W, ELEMENT)
                    vr, vi = load(p32, n * ELEMENT), load(p32, n * ELEMENT + W)
                    wr = fnma(ui, vi, mul(ur, vr))
                    wi = fma(ur, vi, mul(ui, vr))
                    to = n * _SUMS
                    _add_product(total, to, wr, wi, ar, ai)
                    if lags:
                        start = _load4(starts, 0, W)
                        cr, ci = fma(start, ar, cr), fma(start, ai, ci)
                        _add_product(total, to + _SUMS // 2, wr, wi, cr, ci)
            for n in range(states):
                for part in range(4 if lags else 2):
                    at = n * _SUMS + part * _FOUR * W
                    v = load(total, at)
                    for b in range(1, _FOUR):
                        v = add(v, load(total, at + b * W))
                    to = ((row * segments + segment) * 4 + part) * states + n
                    store(out, to * width + lane, v)

    return run


# -------------------------------------------------------------------------- drivers
def _padded(a: Array, width: int) -> Array:
    """(rows, h, n) as (rows, n, width), flat."""
    out = np.zeros((a.shape[0], a.shape[2], width), a.dtype)
    out[..., : a.shape[1]] = a.swapaxes(1, 2)
    return out.reshape(-1)


def _prepare(a_re: Array, a_im: Array, rows: int, length: int) -> Any:
    """Width, segments of time, sizes, and parts of the exponential of one step."""
    h, n = a_re.shape
    tiles = -(-h // W)
    quads = -(-length // _QUAD)
    segments = min(quads, max(1, -(-_TASKS // (tiles * rows))))
    inner = _FOUR
    while inner * inner < quads * _FOUR:
        inner *= 2
    z = np.exp(a_re.astype(np.float64) + 1j * a_im.astype(np.float64))[None]
    size = np.array([length, n, tiles, segments, inner], np.int64)
    width = tiles * W
    return width, segments, size, _padded(z.real, width), _padded(z.imag, width)


def exponential_sums(
    a_re: Array,
    a_im: Array,
    c_re: Array,
    c_im: Array,
    length: int,
    *,
    backwards: bool = False,
) -> Array:
    """``sum_n Re(c_n e^(a_n l))`` for l < length, the last first if `backwards`.

    Parameters
    ----------
    a_re, a_im : ndarray, shape (channel, state), float32
    c_re, c_im : ndarray, shape (batch, channel, state), float32

    Returns
    -------
    ndarray, shape (batch, length, channel)
    """
    rows, h, _ = c_re.shape
    width, segments, size, zr, zi = _prepare(a_re, a_im, rows, length)
    padded = -(-length // _QUAD) * _QUAD
    out = pool.empty((rows, padded, width), F32)
    first = padded - 1 if backwards else 0
    base = (np.arange(rows) * padded + first) * width
    launch(
        _sums,
        rows * size[_TILES] * segments,
        *(size, zr, zi, _padded(c_re, width), _padded(c_im, width)),
        *(out.reshape(-1), base, -width if backwards else width),
    )
    out = out[:, padded - length :] if backwards else out[:, :length]
    return out if h == width else np.ascontiguousarray(out[..., :h])


def exponential_moments(
    x: Array, a_re: Array, a_im: Array, *, backwards: bool = False, lags: bool = False
) -> Array:
    """``sum_l x_l e^(a_n l)``, and with `lags` also ``sum_l l x_l e^(a_n l)``.

    Parameters
    ----------
    x : ndarray, shape (batch, time, channel), float32
    a_re, a_im : ndarray, shape (channel, state)
    backwards : bool
        l counts from the last time.

    Returns
    -------
    ndarray, shape (2 or 4, batch, channel, state)
        Real and imaginary parts of the one, then of the other.
    """
    rows, length, h = x.shape
    width, segments, size, zr, zi = _prepare(a_re, a_im, rows, length)
    if h != width or not x.flags.c_contiguous:
        wide = np.zeros((rows, length, width), F32)
        wide[..., :h] = x
        x = wide
    n = a_re.shape[1]
    out = np.empty((rows, segments, 4, n, width), F32)
    base = (np.arange(rows) * length + (length - 1 if backwards else 0)) * width
    launch(
        _moments(lags),
        rows * size[_TILES] * segments,
        *(size, zr, zi, x.reshape(-1), base, -width if backwards else width),
        out.reshape(-1),
    )
    sums = out[:, :, : 4 if lags else 2].sum(1)[..., :h]
    return np.ascontiguousarray(sums.transpose(1, 0, 3, 2))
