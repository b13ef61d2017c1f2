"""A Hyena operator of order 2 and its gradients, a few channels at a time.

In the backward pass projections, short convolutions and filters of a group of channels
are computed again; what the group adds to the gradients of the input and of the filter
network's features is added where they lie. Nothing else of the input's size exists.

References
----------
Poli et al., "Hyena Hierarchy", 2023 (arXiv:2302.10866).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.blas import matmul
from helix_hal.cpu.kernels.causal_conv1d import (
    causal_conv1d_backward,
    causal_conv1d_forward,
)
from helix_hal.cpu.kernels.linear import linear_forward
from helix_hal.cpu.kernels.long_conv import long_conv_backward, long_conv_forward

__all__ = ["hyena_backward", "hyena_forward"]

Array = NDArray[Any]
F32 = np.float32
_BYTES = 1 << 21  # of an array of a group's channels
_NARROW = 32  # channels of a group at least
_ROWS = 2048  # of products that are added to what is there


def _group(rows: int, d: int) -> int:
    fit = _BYTES // (4 * rows)
    return min(d, max(_NARROW, fit - fit % _NARROW))


def _add_product(x: Array, y: Array, out: Array, first: bool, compute: str) -> None:
    """``out += x @ y``, by rows."""
    if first:
        matmul(x, y, out, compute)
        return
    part = pool.empty((min(_ROWS, len(out)), out.shape[1]), F32)
    for i in range(0, len(out), _ROWS):
        rows = out[i : i + _ROWS]
        matmul(x[i : i + _ROWS], y, part[: len(rows)], compute)
        rows += part[: len(rows)]


def _correlation(x: Array, y: Array, compute: str) -> Array:
    """``x.T @ y``, by rows: products copy a whole operand."""
    total = np.zeros((x.shape[1], y.shape[1]), F32)
    part, step = np.empty_like(total), 4 * _ROWS
    for i in range(0, len(x), step):
        matmul(x[i : i + step].T, y[i : i + step], part, compute)
        total += part
    return total


def _short(
    rows: Array, w: Array, b: Array, cw: Array, cb: Array, batch: int, compute: str
) -> tuple[Array, Array]:
    """Projected channels, and the short convolution of them, (batch, time, 3 n)."""
    u = linear_forward(rows, w, b, compute=compute)[0].reshape(batch, -1, len(w))
    return u, causal_conv1d_forward(u, cw, cb)[0]


def _taps(
    features: Array,
    weight: Array,
    window: Array,
    skip: Array,
    times: Array,
    shift: float,
    compute: str,
) -> tuple[Array, Array]:
    """A group's filters and their windows e^(-t |delta|) + shift, both (time, n)."""
    shape = len(times), len(window)
    k, fade = pool.empty(shape, F32), pool.empty(shape, F32)
    matmul(features, weight.T, k, compute)
    np.multiply(times, -np.abs(window), out=fade)
    np.exp(fade, out=fade)
    fade += F32(shift)
    k *= fade
    k[0] += skip  # what goes straight through
    return k, fade


def hyena_forward(
    x: Array,
    w: Array,
    b: Array,
    cw: Array,
    cb: Array,
    features: Array,
    weight: Array,
    window: Array,
    skip: Array,
    out_w: Array,
    out_b: Array,
    times: Array,
    *,
    shift: float,
    compute: str,
) -> Array:
    """The operator; see `hyena_backward` for the shapes."""
    batch, length, d = x.shape
    rows, group = x.reshape(-1, d), _group(batch * length, d)
    v = pool.empty((batch, length, d), F32)
    for i in range(0, d, group):
        g = slice(i, min(d, i + group))
        n = g.stop - i
        wg, bg = w[:, g].reshape(3 * n, d), b[:, g].reshape(-1)
        cwg, cbg = cw[:, g].reshape(3 * n, -1), cb[:, g].reshape(-1)
        c = _short(rows, wg, bg, cwg, cbg, batch, compute)[1]
        filters = features, weight[0, g], window[0, g], skip[0, g], times
        k = _taps(*filters, shift, compute)[0]
        v[..., g] = long_conv_forward(
            c[..., 2 * n :], k, None, c[..., n : 2 * n], c[..., :n]
        )
        del c, k
    y = linear_forward(v.reshape(-1, d), out_w, out_b, compute=compute)[0]
    return y.reshape(x.shape)


def hyena_backward(
    x: Array,
    w: Array,
    b: Array,
    cw: Array,
    cb: Array,
    features: Array,
    weight: Array,
    window: Array,
    skip: Array,
    out_w: Array,
    times: Array,
    ct: Array,
    *,
    shift: float,
    compute: str,
) -> tuple[Array, ...]:
    """Gradients of x, w, b, cw, cb, features, weight, window, skip and out_w.

    Parameters
    ----------
    x, ct : ndarray, shape (batch, time, d), float32
        Input, and the output's cotangent.
    w, b, cw, cb : ndarray, shapes (3, d, d), (3, d), (3, d, taps), (3, d)
        Projections and short convolutions of x_0, x_1 and v.
    features : ndarray, shape (time, width)
    weight, window, skip : ndarray, shapes (1, d, width), (1, d), (1, d)
    out_w : ndarray, shape (d, d)
    times : ndarray, shape (time, 1)
    """
    batch, length, d = x.shape
    rows, cts = x.reshape(-1, d), ct.reshape(-1, d)
    dx, df = pool.empty(rows.shape, F32), pool.empty(features.shape, F32)
    grads = [np.empty_like(a) for a in (w, b, cw, cb, weight, window, skip, out_w)]
    dw, db, dcw, dcb, dweight, dwindow, dskip, dout = grads
    group = _group(len(rows), d)
    last = np.zeros((batch, cw.shape[2] - 1, 3 * group), F32)
    for i in range(0, d, group):
        g = slice(i, min(d, i + group))
        n = g.stop - i
        wg, bg = w[:, g].reshape(3 * n, d), b[:, g].reshape(-1)
        cwg, cbg = cw[:, g].reshape(3 * n, -1), cb[:, g].reshape(-1)
        u, c = _short(rows, wg, bg, cwg, cbg, batch, compute)
        filters = features, weight[0, g], window[0, g], skip[0, g], times
        k, fade = _taps(*filters, shift, compute)
        dv = pool.empty((len(rows), n), F32)
        matmul(cts, out_w[:, g], dv, compute)
        r = long_conv_backward(
            *(c[..., 2 * n :], k, None, c[..., n : 2 * n], c[..., :n]),
            dv.reshape(batch, length, n),
            over=c,
        )
        del c, dv, k
        dout[:, g] = _correlation(cts, r.pop("out").reshape(-1, n), compute)
        dskip[0, g] = r["k"][0]
        du, dcwg, dcbg, _ = causal_conv1d_backward(
            u, cwg, None, None, r.pop("parts"), last[..., : 3 * n]
        )
        del u
        dcw[:, g], dcb[:, g] = dcwg.reshape(3, n, -1), dcbg.reshape(3, n)
        flat = du.reshape(-1, 3 * n)
        dw[:, g] = _correlation(flat, rows, compute).reshape(3, n, d)
        db[:, g] = _sums(flat).reshape(3, n)
        _add_product(flat, wg, dx, i == 0, compute)
        del du, flat
        dk = r.pop("k")
        slope = pool.empty((length, n), F32)
        matmul(features, weight[0, g].T, slope, compute)
        slope *= dk
        dk *= fade
        fade -= F32(shift)
        slope *= fade
        late = _correlation(times, slope, "float32")[0]
        dwindow[0, g] = -np.sign(window[0, g]) * late
        dweight[0, g] = _correlation(dk, features, compute)
        _add_product(dk, weight[0, g], df, i == 0, compute)
    return (dx.reshape(x.shape), *grads[:4], df, *grads[4:])


def _sums(a: Array) -> Array:
    """Over rows."""
    out = np.empty((1, a.shape[1]), F32)
    matmul(np.ones((1, len(a)), F32), a, out)
    total: Array = out[0]
    return total
