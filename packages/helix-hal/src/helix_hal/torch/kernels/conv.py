"""The short causal convolution, pools, and the long convolution."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from .specs import Tensor, floats, serves

aten = torch.ops.aten


# ------------------------------------------------------------------- causal convolution
def _shifted(x: Tensor, before: Tensor | None, by: int) -> Any:
    """Pairs (where in time, what lies ``by`` steps earlier)."""
    n = x.shape[1]
    if by < n:
        yield slice(by, n), x[:, : n - by]
    if before is not None and by:
        k = min(by, n)
        m = before.shape[1]
        yield slice(0, k), before[:, m - by : m - by + k]


def _filtered(x: Tensor, w: Tensor, b: Tensor | None, before: Tensor | None) -> Tensor:
    k = w.shape[1]
    y = x * w[:, k - 1] if b is None else torch.addcmul(b, x, w[:, k - 1])
    for j in range(k - 1):
        for at, part in _shifted(x, before, k - 1 - j):
            y[:, at].addcmul_(part, w[:, j])
    return y


def _window(x: Tensor, w: Tensor, before: Tensor | None) -> Tensor:
    """The last k - 1 inputs."""
    n, keep = x.shape[1], w.shape[1] - 1
    if n >= keep:
        return x[:, n - keep :].clone()
    old = x.new_zeros((x.shape[0], keep, x.shape[2])) if before is None else before
    return torch.cat([old[:, n:], x], 1)


@serves("causal_conv1d", "causal_conv1d.fwd", widen=True)
def _causal(
    dev: Any, x: Tensor, w: Tensor, *rest: Tensor, bias: bool, state: bool, silu: bool
) -> Any:
    before = rest[-1] if state else None
    y = _filtered(x, w, rest[0] if bias else None, before)
    return (functional.silu(y) if silu else y), _window(x, w, before)


@serves("causal_conv1d.bwd", widen=True)
def _causal_bwd(
    dev: Any, x: Tensor, w: Tensor, *rest: Tensor, bias: bool, state: bool, silu: bool
) -> Any:
    *given, dy, dlast = rest
    before = given[-1] if state else None
    if silu:
        dy = aten.silu_backward(dy, _filtered(x, w, given[0] if bias else None, before))
    n, k = x.shape[1], w.shape[1]
    dx = dy * w[:, k - 1]
    dw = [(dy * x).sum((0, 1))]
    dbefore = x.new_zeros((x.shape[0], k - 1, x.shape[2]))
    for j in reversed(range(k - 1)):
        by = k - 1 - j
        if by < n:
            dx[:, : n - by].addcmul_(dy[:, by:], w[:, j])
        m = min(by, n)
        dbefore[:, j : j + m].addcmul_(dy[:, :m], w[:, j])
        parts = [(dy[:, at] * part).sum((0, 1)) for at, part in _shifted(x, before, by)]
        dw.append(sum(parts) if parts else torch.zeros_like(dw[0]))
    fresh = min(n, k - 1)
    dx[:, n - fresh :].add_(dlast[:, k - 1 - fresh :])
    if fresh < k - 1:
        dbefore[:, fresh:].add_(dlast[:, : k - 1 - fresh])
    grads = [dx, torch.stack(dw[::-1], 1)]
    grads += [dy.sum((0, 1))] if bias else []
    return (*grads, dbefore) if state else tuple(grads)


# --------------------------------------------------------------------------------- pools
def _even(device: Any, *avals: Any, at: Any, **attrs: Any) -> Any:
    """One to three axes, with as much border on either end."""
    window, _, padding, dilation = at
    if not 1 <= len(window) <= 3 or any(lo != hi for lo, hi in padding):
        return None
    if "real" in attrs and any(d != 1 for d in dilation):
        return None
    if "real" in attrs and attrs["real"] not in (padding, ((0, 0),) * len(window)):
        return None
    return floats(device, *avals)


_MAX = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}


@serves("max_pool.fwd", supports=_even)
def _max_fwd(dev: Any, x: Tensor, shape: Any, at: Any) -> Any:
    window, strides, padding, dilation = at
    pads = [lo for lo, _ in padding]
    y, where = _MAX[len(window)](
        x, window, strides, pads, dilation, return_indices=True
    )
    return y, where.to(torch.int32)


@serves("max_pool", supports=_even)
def _max(dev: Any, x: Tensor, shape: Any, at: Any) -> Tensor:
    window, strides, padding, dilation = at
    return _MAX[len(window)](x, window, strides, [lo for lo, _ in padding], dilation)


@serves("max_pool.bwd", widen=True)
def _max_bwd(dev: Any, where: Tensor, dy: Tensor, shape: Any, at: Any) -> Tensor:
    none = where < 0  # a window of border only
    place = where.clamp(min=0).long().flatten(2)
    dy = dy.masked_fill(none, 0.0).flatten(2)
    dx = dy.new_zeros(shape)
    dx.flatten(2).scatter_add_(2, place, dy)
    return dx


_MEAN = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}


@serves("avg_pool", "avg_pool.fwd", supports=_even, widen=True)
def _mean(dev: Any, x: Tensor, shape: Any, at: Any, real: Any, divisor: Any) -> Tensor:
    window, strides, padding, _ = at
    pads = [lo for lo, _ in padding]
    n, counted = len(window), real == padding
    if n == 1:  # which has no divisor of its own
        y = functional.avg_pool2d(
            *(x.unsqueeze(2), (1, *window), (1, *strides), (0, *pads)),
            count_include_pad=counted,
            divisor_override=divisor,
        )
        return y.squeeze(2)
    return _MEAN[n](
        *(x, window, strides, pads),
        count_include_pad=counted,
        divisor_override=divisor,
    )


@serves("avg_pool.bwd", supports=_even, widen=True)
def _mean_bwd(
    dev: Any, dy: Tensor, shape: Any, at: Any, real: Any, divisor: Any
) -> Tensor:
    window, strides, padding, _ = at
    pads = [lo for lo, _ in padding]
    counted = real == padding
    lead: tuple[int, ...] = (1,) * (len(window) == 1)
    run = aten.avg_pool3d_backward if len(window) == 3 else aten.avg_pool2d_backward
    like = dy.new_empty((*shape[:2], *lead, *shape[2:]))  # only its sizes are read
    dx = run(
        *(dy.reshape(*dy.shape[:2], *lead, *dy.shape[2:]), like),
        *([*lead, *window], [*lead, *strides], [*(0 for _ in lead), *pads]),
        *(False, counted, divisor),
    )
    return dx.reshape(shape)


# ---------------------------------------------------------------------- long convolution
_OPTIONAL = ("d", "pre", "post")


def _named(rest: Any, flags: dict[str, bool]) -> dict[str, Any]:
    it = iter(rest)
    return {name: next(it) if flags[name] else None for name in _OPTIONAL}


def _points(u: Tensor, k: Tensor) -> int:
    n = int(u.shape[1]) + int(k.shape[0])
    return max(2, 1 << (n - 2).bit_length())


def _turned(x: Tensor) -> Tensor:
    """Time last: transforms of rows."""
    return x.transpose(-1, -2).contiguous()


def _spectra(u: Tensor, k: Tensor, o: Any) -> tuple[Tensor, Tensor, Tensor, int]:
    v = u if o["pre"] is None else u * o["pre"]
    n = _points(u, k)
    return v, torch.fft.rfft(_turned(v), n), torch.fft.rfft(_turned(k), n), n


def _back(f: Tensor, n: int, t: int) -> Tensor:
    return torch.fft.irfft(f, n)[..., :t].transpose(-1, -2)


@serves("long_conv", "long_conv.fwd", widen=True)
def _long(dev: Any, u: Tensor, k: Tensor, *rest: Tensor, **flags: bool) -> Tensor:
    o = _named(rest, flags)
    v, vf, kf, n = _spectra(u, k, o)
    y = _back(vf.mul_(kf), n, u.shape[1])
    y = y.contiguous() if o["d"] is None else torch.addcmul(y, v, o["d"])
    return y if o["post"] is None else y * o["post"]


@serves("long_conv.bwd", widen=True)
def _long_bwd(dev: Any, u: Tensor, k: Tensor, *rest: Tensor, **flags: bool) -> Any:
    *given, ct = rest
    o = _named(given, flags)
    v, vf, kf, n = _spectra(u, k, o)
    t, d = u.shape[1], o["d"]
    dy = ct if o["post"] is None else ct * o["post"]
    yf = torch.fft.rfft(_turned(dy), n)
    dv = _back(yf * kf.conj(), n, t)
    dv = dv if d is None else torch.addcmul(dv, dy, d)
    dk = _back((yf * vf.conj()).sum(0), n, k.shape[0])
    grads = [dv.contiguous() if o["pre"] is None else dv * o["pre"], dk.contiguous()]
    if d is not None:
        grads.append((dy * v).sum((0, 1)))
    if o["pre"] is not None:
        grads.append(dv * u)
    if o["post"] is not None:
        y = _back(vf * kf, n, t)
        grads.append(ct * (y if d is None else torch.addcmul(y, v, d)))
    return tuple(grads)
