"""The Hyena operator as one composite, which keeps next to nothing for its gradient.

The backward pass computes projections, short convolutions and filters again, for a group
of channels at a time, and adds the group's share to the gradient of the input.
"""

from __future__ import annotations

from typing import Any

import helix_core as hx

# inputs: x (b, t, d), in_weight (order + 1, d, d), in_bias (order + 1, d),
# conv_weight (order + 1, d, taps), conv_bias (order + 1, d), features (t, width),
# filter_weight (order - 1, d, width), window (order - 1, d), skip (order - 1, d),
# out_weight (d, d), out_bias (d,), times (t, 1). nothing else is kept

_GROUP_BYTES = 1 << 22  # of an array of a group's channels
_NARROW = 32  # channels of a group at least


def _group(x: Any) -> int:
    """Channels of a group."""
    per_channel = 4 * x.shape[0] * x.shape[1]
    fit = _GROUP_BYTES // max(1, per_channel)
    return int(min(x.shape[2], max(_NARROW, fit - fit % _NARROW)))


def _part(a: Any, start: int, stop: int) -> hx.Tensor:
    """Some channels of (parts, d, ...) as (parts * channels, ...)."""
    a = a[:, start:stop]
    return hx.reshape(a, (-1, *a.shape[2:]))


def _filters(
    features: Any, weight: Any, window: Any, times: Any, shift: float
) -> tuple[hx.Tensor, ...]:
    """(time, channels) for each long convolution."""
    out = []
    for o in range(weight.shape[0]):
        w = hx.exp(-times * hx.abs(window[o]))
        out.append(hx.linear(features, weight[o]) * (w + shift if shift else w))
    return tuple(out)


def _last(parts: Any, filters: Any, skip: Any, post: Any = None) -> hx.Tensor:
    """The last long convolution, with a gate behind it; parts are x_1, ..., v."""
    *gates, v = parts
    for o, gate in enumerate(reversed(gates)):
        last = o == len(gates) - 1
        v = hx.long_conv(v, filters[o], skip[o], pre=gate, post=post if last else None)
    out: hx.Tensor = v
    return out


def _short(x: Any, a: Any, start: int, stop: int) -> tuple[Any, Any]:
    """Projected channels, all parts beside each other, and the short convolution of
    them."""
    _, w, b, cw, cb = a[:5]
    u = hx.linear(x, _part(w, start, stop), _part(b, start, stop))
    return hx.vjp(
        lambda *xs: hx.causal_conv1d(*xs),
        *(u, _part(cw, start, stop), _part(cb, start, stop)),
    )


def _forward(*a: Any, order: int, shift: float, compute: str) -> hx.Tensor:
    x, *_, features, weight, window, skip, out_w, out_b, times = a
    d, group, gated = x.shape[2], _group(x), []
    with hx.precision(compute):
        for i in range(0, d, group):
            j = min(d, i + group)
            parts = hx.split(_short(x, a, i, j)[0], order + 1, -1)
            ks = _filters(features, weight[:, i:j], window[:, i:j], times, shift)
            gated.append(_last(parts[1:], ks, skip[:, i:j], parts[0]))
            del parts, ks
        v = gated[0] if len(gated) == 1 else hx.concat(gated, -1)
        gated.clear()
        return hx.linear(v, out_w, out_b)


def _backward(
    inputs: Any, outputs: Any, residuals: Any, cts: Any, compute: str, **attrs: Any
) -> tuple[Any, ...]:
    with hx.precision(compute):
        return _gradients(inputs, cts[0], **attrs)


def _gradients(inputs: Any, ct: Any, order: int, shift: float) -> tuple[Any, ...]:
    x, w, *_, features, weight, window, skip, out_w, _, times = inputs
    n, d, group = order + 1, x.shape[2], _group(x)
    dx, dfeatures = None, None
    shares: list[Any] = [[] for _ in range(8)]
    for i in range(0, d, group):
        j = min(d, i + group)
        c, pull_short = _short(x, inputs, i, j)
        gate, *parts = hx.split(c, n, -1)
        ks, pull_filters = hx.vjp(
            lambda f, fw, win: _filters(f, fw, win, times, shift),
            *(features, weight[:, i:j], window[:, i:j]),
        )
        y, pull = hx.vjp(
            lambda *xs: _last(xs[:order], xs[order:-1], xs[-1]),
            *(*parts, *ks, skip[:, i:j]),
        )
        del ks, parts
        dv = hx.linear(ct, hx.swapaxes(out_w[:, i:j], 0, 1))
        dgate, dy = dv * y, dv * gate
        del dv
        y = y * gate
        dout_w = hx.dot_general(ct, y, (((0, 1), (0, 1)), ((), ())))
        del y
        *dparts, dskip = pull(dy)
        del pull, dy, c, gate
        dc, dks = hx.concat([dgate, *dparts[:order]], -1), tuple(dparts[order:])
        del dparts, dgate
        df, dweight, dwindow = pull_filters(dks)
        dfeatures = df if dfeatures is None else dfeatures + df
        del pull_filters, dks, df
        du, dcw, dcb = pull_short(dc)
        del pull_short, dc
        dw = hx.dot_general(du, x, (((0, 1), (0, 1)), ((), ())))
        db = hx.sum(du, (0, 1))
        dx = hx.linear(du, hx.swapaxes(_part(w, i, j), 0, 1), residual=dx)
        del du
        grads = (
            *(hx.reshape(g, (n, j - i, *g.shape[1:])) for g in (dw, db, dcw, dcb)),
            *(dweight, dwindow, dskip, dout_w),
        )
        for share, g in zip(shares, grads, strict=True):
            share.append(g)
    joined = [hx.concat(s, 1) for s in shares]
    dout_b = hx.sum(ct, (0, 1))
    *first, dweight, dwindow, dskip, dout_w = joined
    return (
        *(dx, *first, dfeatures, dweight, dwindow, dskip, dout_w, dout_b),
        hx.zeros_like(times),
    )


hyena_c = hx.composite(
    "hyena",
    fwd=lambda *xs, **attrs: (_forward(*xs, **attrs),),
    bwd=_backward,
    reads_outputs=False,
)(_forward)


def hyena(*inputs: Any, order: int, shift: float) -> hx.Tensor:
    """The operator on whole sequences; see the top of this file for its inputs."""
    out: hx.Tensor = hyena_c(
        *inputs, order=order, shift=shift, compute=hx.get_precision()
    )
    return out
