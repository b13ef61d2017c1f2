"""The composite ``lstm``: one layer and direction over whole sequences."""

from __future__ import annotations

from typing import Any

import helix_core as hx

from ._walk import before, live, product, steps, time_major, weight_grad

# inputs: x (b, t, i), h0 and c0 (b, h), w_ih (4h, i), w_hh (4h, h), bias (4h,), and
# lengths (b,) int32; gates in the order i, f, g, o.
# outputs: y (b, t, h), and the last h and c (b, h).
# residuals: the gates (b, t, 4h) and every c (b, t, h); zeros past a sequence's end


def lstm_cell(a: Any, c: Any) -> tuple[Any, Any, Any]:
    """Output, cells and gates of the sums (b, 4h)."""
    i, f, g, o = hx.split(a, 4, -1)
    gates = hx.sigmoid(i), hx.sigmoid(f), hx.tanh(g), hx.sigmoid(o)
    c = gates[1] * c + gates[0] * gates[2]
    return gates[3] * hx.tanh(c), c, hx.concat(gates, -1)


def _walk(
    x: Any,
    h0: Any,
    c0: Any,
    w_ih: Any,
    w_hh: Any,
    bias: Any,
    lengths: Any,
    w_hr: Any = None,
    *,
    reverse: bool,
    compute: str,
    keep: bool,
) -> tuple[Any, ...]:
    sums = product(x, w_ih, compute) + bias

    def step(carry: Any, now: Any) -> Any:
        (h, c), (a, t) = carry, now
        new_h, new_c, gates = lstm_cell(a + product(h, w_hh, compute), c)
        if w_hr is not None:
            new_h = product(new_h, w_hr, compute)
        on = live(t, lengths)
        rows = [hx.where(on, new_h, 0.0)]
        if keep:
            rows += [hx.where(on, gates, 0.0), hx.where(on, new_c, 0.0)]
        return (hx.where(on, new_h, h), hx.where(on, new_c, c)), tuple(rows)

    each = (time_major(sums), steps(x))
    (h, c), rows = hx.scan(step, (h0, c0), each, reverse=reverse)
    y, *kept = [time_major(r) for r in rows]
    return y, h, c, *kept


def _lstm(*inputs: Any, reverse: bool, compute: str) -> tuple[Any, ...]:
    return _walk(*inputs, reverse=reverse, compute=compute, keep=False)


def _lstm_fwd(*inputs: Any, reverse: bool, compute: str) -> tuple[Any, ...]:
    return _walk(*inputs, reverse=reverse, compute=compute, keep=True)


def _lstm_bwd(
    inputs: Any, outputs: Any, residuals: Any, cts: Any, *, reverse: bool, compute: str
) -> tuple[Any, ...]:
    x, h0, c0, w_ih, w_hh, _, lengths = inputs
    gates, cells = residuals
    h_before = before(h0, outputs[0], lengths, reverse)
    c_before = before(c0, cells, lengths, reverse)
    back = hx.swapaxes(w_hh, 0, 1)

    def step(carry: Any, now: Any) -> Any:
        (dh, dc), (gate, c, c_old, dy, t) = carry, now
        on = live(t, lengths)
        i, f, g, o = hx.split(gate, 4, -1)
        th, full = hx.tanh(c), dh + dy
        d = dc + full * o * (1.0 - th * th)
        di, df = d * g * i * (1.0 - i), d * c_old * f * (1.0 - f)
        dg, do = d * i * (1.0 - g * g), full * th * o * (1.0 - o)
        da = hx.where(on, hx.concat([di, df, dg, do], -1), 0.0)
        dh = hx.where(on, product(da, back, compute), dh)
        return (dh, hx.where(on, d * f, dc)), da

    dy, dh, dc = cts
    each = tuple([time_major(a) for a in (gates, cells, c_before, dy)])
    (dh0, dc0), da = hx.scan(step, (dh, dc), (*each, steps(x)), reverse=not reverse)
    da = time_major(da)
    dx = product(da, hx.swapaxes(w_ih, 0, 1), compute)
    dw_ih = weight_grad(da, x, compute)
    return dx, dh0, dc0, dw_ih, weight_grad(da, h_before, compute), da.sum((0, 1)), None


lstm = hx.composite("lstm", fwd=_lstm_fwd, bwd=_lstm_bwd)(_lstm)
# with w_hr (p, h) as the last input: outputs are projected, and h0 and y have p features
lstm_projected = hx.composite("lstm_projected")(_lstm)
