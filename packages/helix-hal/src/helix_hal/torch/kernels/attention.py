"""Attention through torch's fused kernels, and rotary embedding."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from ..forms.contract import rounded
from .specs import Tensor, floats, serves

aten = torch.ops.aten


def _fits(device: Any, *avals: Any, **attrs: Any) -> Any:
    """Every key, or those up to the query's own position; nothing added to scores."""
    ok = floats(device, *avals)
    q, k, v = avals[:3]
    other = any(attrs[f] for f in ("bias", "slopes", "lengths", "window"))
    square = q.shape[1] == k.shape[1] or (q.shape[1] == 1 and not attrs["causal"])
    uneven = q.shape[3] != v.shape[3] or (attrs["causal"] and not square)
    return None if other or uneven else ok


def _on_cpu(device: Any, *avals: Any, **attrs: Any) -> Any:
    """What gives the log-sum-exp is private to each kind of device."""
    return _fits(device, *avals, **attrs) if device.index == "cpu" else None


def _heads_first(*xs: Tensor, compute: str) -> list[Tensor]:
    return [rounded(x, compute).transpose(1, 2) for x in xs]


def _spread(x: Tensor, times: int) -> Tensor:
    """A key head for every query head that reads it."""
    return x if times == 1 else x.repeat_interleave(times, 1)


@serves("attention", supports=_fits, widen=True)
def _attention(
    dev: Any,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    causal: bool,
    scale: float,
    compute: str,
    **flags: Any,
) -> Tensor:
    times = q.shape[2] // k.shape[2]
    q, k, v = _heads_first(q, k, v, compute=compute)
    y = functional.scaled_dot_product_attention(
        q, _spread(k, times), _spread(v, times), is_causal=causal, scale=scale
    )
    return y.transpose(1, 2)


@serves("attention.fwd", supports=_on_cpu, widen=True)
def _forward(
    dev: Any,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    causal: bool,
    scale: float,
    compute: str,
    **flags: Any,
) -> Any:
    times = q.shape[2] // k.shape[2]
    q, k, v = _heads_first(q, k, v, compute=compute)
    y, lse = aten._scaled_dot_product_flash_attention_for_cpu(
        q, _spread(k, times), _spread(v, times), 0.0, causal, scale=scale
    )
    return y.transpose(1, 2), lse.to(q.dtype)


@serves("attention.bwd", supports=_on_cpu, widen=True)
def _backward(
    dev: Any,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    y: Tensor,
    lse: Tensor,
    dy: Tensor,
    causal: bool,
    scale: float,
    compute: str,
    **flags: Any,
) -> Any:
    g, times = k.shape[2], q.shape[2] // k.shape[2]
    q, k, v = _heads_first(q, k, v, compute=compute)
    k, v = _spread(k, times), _spread(v, times)
    dy, y = dy.transpose(1, 2), y.transpose(1, 2)
    grads = aten._scaled_dot_product_flash_attention_for_cpu_backward(
        dy, q, k, v, y, lse, 0.0, causal, scale=scale
    )
    dq, dk, dv = grads
    if times > 1:
        dk, dv = (d.unflatten(1, (g, times)).sum(2) for d in (dk, dv))
    return tuple([d.transpose(1, 2) for d in (dq, dk, dv)])


# -------------------------------------------------------------------------------- rotary
def _pairs(x: Tensor, r: int, interleaved: bool) -> tuple[Tensor, Tensor]:
    """First and second members, (b, t, h, r/2): views."""
    if interleaved:
        return x[..., 0:r:2], x[..., 1:r:2]
    return x[..., : r // 2], x[..., r // 2 : r]


def _turned(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool) -> Tensor:
    r = 2 * cos.shape[2]
    c, s = cos.unsqueeze(2), sin.unsqueeze(2)
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    (a, b), (ya, yb) = _pairs(x, r, interleaved), _pairs(y, r, interleaved)
    torch.mul(a, c, out=ya)
    ya.addcmul_(b, s, value=-1)
    torch.mul(b, c, out=yb)
    yb.addcmul_(a, s)
    if r < x.shape[3]:
        y[..., r:] = x[..., r:]
    return y


@serves("rotary", "rotary.fwd", widen=True)
def _rotary(dev: Any, x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool) -> Tensor:
    return _turned(x, cos, sin, interleaved)


@serves("rotary.bwd", widen=True)
def _rotary_bwd(
    dev: Any, cos: Tensor, sin: Tensor, y: Tensor, dy: Tensor, interleaved: bool
) -> Any:
    r = 2 * cos.shape[2]
    a, b = _pairs(y, r, interleaved)
    da, db = _pairs(dy, r, interleaved)
    shared = cos.shape[0] != y.shape[0]
    over = (0, 2) if shared else (2,)
    along = (da * a).addcmul_(db, b).sum(over)
    turned = (db * a).addcmul_(da, b, value=-1).sum(over)
    if shared:
        along, turned = along.unsqueeze(0), turned.unsqueeze(0)
    size = cos * cos + sin * sin
    size = torch.where(size == 0, torch.ones_like(size), size)
    dcos = (cos * along - sin * turned) / size
    dsin = (cos * turned + sin * along) / size
    return _turned(dy, cos, -sin, interleaved), dcos, dsin
