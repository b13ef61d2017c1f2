"""The composite ``gru``: one layer and direction over whole sequences."""

from __future__ import annotations

from typing import Any

import helix_core as hx

from ._walk import before, live, product, steps, time_major, weight_grad

# inputs: x (b, t, i), h0 (b, h), w_ih (3h, i) and w_hh (3h, h) with gates in the order
# r, z, n, bias (4h,) of n's sum over x, r, z, and n's sum over h, and lengths (b,) int32.
# outputs: y (b, t, h), and the last h (b, h).
# residual: n, r, z, and n's sum over h, (b, t, 4h); zeros past a sequence's end


def gru_cell(n: Any, r: Any, z: Any, inner: Any, h: Any) -> tuple[Any, Any]:
    """Output and gates, of the four sums (b, h)."""
    r, z = hx.sigmoid(r), hx.sigmoid(z)
    n = hx.tanh(n + r * inner)
    return n + z * (h - n), hx.concat([n, r, z, inner], -1)


def _walk(
    x: Any,
    h0: Any,
    w_ih: Any,
    w_hh: Any,
    bias: Any,
    lengths: Any,
    *,
    reverse: bool,
    compute: str,
    keep: bool,
) -> tuple[Any, ...]:
    size = h0.shape[1]
    of_n, r_z = bias[:size], bias[size : 3 * size]
    sums = product(x, w_ih, compute) + hx.concat([r_z, of_n])
    of_h = hx.concat([hx.zeros_like(r_z), bias[3 * size :]])

    def step(h: Any, now: Any) -> Any:
        a, t = now
        r, z, n = hx.split(a, 3, -1)
        hr, hz, inner = hx.split(product(h, w_hh, compute) + of_h, 3, -1)
        new, gates = gru_cell(n, r + hr, z + hz, inner, h)
        on = live(t, lengths)
        rows = [hx.where(on, new, 0.0)]
        if keep:
            rows.append(hx.where(on, gates, 0.0))
        return hx.where(on, new, h), tuple(rows)

    h, rows = hx.scan(step, h0, (time_major(sums), steps(x)), reverse=reverse)
    y, *kept = [time_major(r) for r in rows]
    return y, h, *kept


def _gru(*inputs: Any, reverse: bool, compute: str) -> tuple[Any, ...]:
    return _walk(*inputs, reverse=reverse, compute=compute, keep=False)


def _gru_fwd(*inputs: Any, reverse: bool, compute: str) -> tuple[Any, ...]:
    return _walk(*inputs, reverse=reverse, compute=compute, keep=True)


def _gru_bwd(
    inputs: Any, outputs: Any, residuals: Any, cts: Any, *, reverse: bool, compute: str
) -> tuple[Any, ...]:
    x, h0, w_ih, w_hh, _, lengths = inputs
    size = h0.shape[1]
    h_before = before(h0, outputs[0], lengths, reverse)
    back = hx.swapaxes(w_hh, 0, 1)

    def step(dh: Any, now: Any) -> Any:
        gates, h, dy, t = now
        on = live(t, lengths)
        n, r, z, inner = hx.split(gates, 4, -1)
        full = dh + dy
        dn = full * (1.0 - z) * (1.0 - n * n)
        dr, dz = dn * inner * r * (1.0 - r), full * (h - n) * z * (1.0 - z)
        da = hx.where(on, hx.concat([dn, dr, dz, dn * r], -1), 0.0)
        through = product(da[:, size:], back, compute) + full * z
        return hx.where(on, through, dh), da

    dy, dh = cts
    each = tuple([time_major(a) for a in (residuals[0], h_before, dy)])
    dh0, da = hx.scan(step, dh, (*each, steps(x)), reverse=not reverse)
    da = time_major(da)
    of_x = hx.concat([da[..., size : 3 * size], da[..., :size]], -1)
    dx = product(of_x, hx.swapaxes(w_ih, 0, 1), compute)
    dw_ih = weight_grad(of_x, x, compute)
    dw_hh = weight_grad(da[..., size:], h_before, compute)
    return dx, dh0, dw_ih, dw_hh, da.sum((0, 1)), None


gru = hx.composite("gru", fwd=_gru_fwd, bwd=_gru_bwd)(_gru)
