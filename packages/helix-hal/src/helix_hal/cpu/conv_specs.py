"""Kernels for the composites of convolution networks: norms of channels, and pools.

Their arguments have channels second; kernels want them last, and give results that have
them last in memory, so that a network turns its input once.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from helix_hal.cpu.specs import floats, serves


def _dense(*arrays: Any) -> list[Any]:
    """(batch, pixels, channels) of each, C-contiguous."""
    from helix_hal.cpu.kernels.channels_last import dense

    return [dense(a).reshape(a.shape[0], -1, a.shape[1]) for a in arrays]


def _fresh(shape: tuple[int, ...], dtype: Any) -> tuple[Any, Any]:
    """A result, and it as (batch, pixels, channels)."""
    from helix_hal.cpu.kernels.channels_last import fresh

    out, memory = fresh(shape, dtype)
    return out, memory.reshape(shape[0], -1, shape[1])


def _whole(t: Any) -> Any:
    """The batch as one item."""
    return t.reshape(1, -1, t.shape[-1])


def _first(t: Any, shape: tuple[int, ...]) -> Any:
    """(batch, pixels, channels) with channels second again."""
    return np.moveaxis(t.reshape(shape[0], *shape[2:], shape[1]), -1, 1)


def _rows(*vectors: Any, dtype: Any) -> list[Any]:
    return [np.ascontiguousarray(np.atleast_2d(v), dtype) for v in vectors]


# -------------------------------------------------------------------------- batch norm
@serves("batch_norm")
@serves("batch_norm.fwd")
def _batch_norm(
    dev: Any, x: Any, w: Any, b: Any, *res: Any, eps: float, relu: bool, residual: bool
) -> Any:
    from helix_hal.cpu.kernels.channel_norm import apply, moments

    xs, *rest = _dense(x, *res)
    mean, var = moments(_whole(xs))
    scale = w / np.sqrt(var[0] + eps)
    scale, shift = _rows(scale, b - mean[0] * scale, dtype=x.dtype)
    y, into = _fresh(x.shape, x.dtype)
    added = _whole(rest[0]) if residual else None
    apply(_whole(xs), scale, shift, added, relu, _whole(into))
    return y, mean[0].astype(x.dtype), var[0].astype(x.dtype)


@serves("batch_norm.bwd")
def _batch_norm_bwd(
    dev: Any,
    x: Any,
    w: Any,
    y: Any,
    mean: Any,
    var: Any,
    dy: Any,
    dmean: Any,
    dvar: Any,
    eps: float,
    relu: bool,
    residual: bool,
) -> Any:
    from helix_hal.cpu.kernels.channel_norm import back, dots

    xs, gs = (_whole(t) for t in _dense(x, dy))
    ys = _whole(_dense(y)[0]) if relu else None
    n = xs.shape[1]
    rstd = 1.0 / np.sqrt(var.astype(np.float64) + eps)
    sums, products = (s[0] for s in dots(xs, gs, ys, mean.reshape(1, -1)))
    dw = products * rstd
    a = w * rstd
    b = (2.0 * dvar - a * rstd * dw) / n
    c = (dmean - a * sums) / n - mean * b
    dx, into = _fresh(x.shape, x.dtype)
    a, b, c = _rows(a, b, c, dtype=x.dtype)
    dres = back(xs, gs, ys, a, b, c, _whole(into), residual)
    grads = dx, dw.astype(x.dtype), sums.astype(x.dtype)
    return (*grads, _first(dres, x.shape)) if residual else grads


@serves("channel_affine")
@serves("channel_affine.fwd")
def _affine(
    dev: Any, x: Any, scale: Any, shift: Any, *res: Any, relu: bool, residual: bool
) -> Any:
    from helix_hal.cpu.kernels.channel_norm import apply

    xs, *rest = (_whole(t) for t in _dense(x, *res))
    y, into = _fresh(x.shape, x.dtype)
    added = rest[0] if residual else None
    scale, shift = _rows(scale, shift, dtype=x.dtype)
    apply(xs, scale, shift, added, relu, _whole(into))
    return y


@serves("channel_affine.bwd")
def _affine_bwd(
    dev: Any, x: Any, scale: Any, *rest: Any, relu: bool, residual: bool
) -> Any:
    from helix_hal.cpu.kernels.channel_norm import back, dots

    y, dy = rest
    xs, gs = (_whole(t) for t in _dense(x, dy))
    ys = _whole(_dense(y)[0]) if relu else None
    none = np.zeros((1, x.shape[1]), x.dtype)
    sums, products = (s[0].astype(x.dtype) for s in dots(xs, gs, ys, none))
    dx, into = _fresh(x.shape, x.dtype)
    (a,) = _rows(scale, dtype=x.dtype)
    dres = back(xs, gs, ys, a, none, none, _whole(into), residual)
    grads = dx, products, sums
    return (*grads, _first(dres, x.shape)) if residual else grads


# -------------------------------------------------------------------------- group norm
@serves("group_norm.fwd")
def _group_norm(dev: Any, x: Any, w: Any, b: Any, groups: int, eps: float) -> Any:
    from helix_hal.cpu.kernels.channel_norm import apply, moments

    (xs,) = _dense(x)
    shape = (x.shape[0], groups, x.shape[1] // groups)
    means, variances = (t.reshape(shape) for t in moments(xs))
    mean = means.mean(-1)
    var = variances.mean(-1) + ((means - mean[..., None]) ** 2).mean(-1)
    rstd = 1.0 / np.sqrt(var + eps)
    scale = np.repeat(rstd, shape[2], -1) * w
    shift = b - np.repeat(mean, shape[2], -1) * scale
    y, into = _fresh(x.shape, x.dtype)
    scale, shift = _rows(scale, shift, dtype=x.dtype)
    apply(xs, scale, shift, None, False, into)
    return y, mean.astype(x.dtype), rstd.astype(x.dtype)


@serves("group_norm")
def _group_norm_plain(dev: Any, x: Any, w: Any, b: Any, groups: int, eps: float) -> Any:
    return _group_norm(dev, x, w, b, groups, eps)[0]


@serves("group_norm.bwd")
def _group_norm_bwd(
    dev: Any,
    x: Any,
    w: Any,
    b: Any,
    mean: Any,
    rstd: Any,
    dy: Any,
    groups: int,
    eps: float,
) -> Any:
    from helix_hal.cpu.kernels.channel_norm import back, dots

    xs, gs = _dense(x, dy)
    each = x.shape[1] // groups
    shape = (x.shape[0], groups, each)
    n = each * xs.shape[1]
    pivot = np.repeat(mean, each, -1)
    sums, products = dots(xs, gs, None, pivot)
    r = rstd.astype(np.float64)
    wide = np.repeat(r, each, -1)
    dw, db = (products * wide).sum(0), sums.sum(0)
    # dx = r (g w - mean(g w) - xhat mean(g w xhat)), means over a group
    first = (sums * w).reshape(shape).sum(-1) / n
    second = (products * w).reshape(shape).sum(-1) * r / n
    slope = -r * r * second
    shift = -r * first - mean * slope
    a, b_, c = wide * w, np.repeat(slope, each, -1), np.repeat(shift, each, -1)
    dx, into = _fresh(x.shape, x.dtype)
    a, b_, c = _rows(a, b_, c, dtype=x.dtype)
    back(xs, gs, None, a, b_, c, into, False)
    return dx, dw.astype(x.dtype), db.astype(x.dtype)


# ------------------------------------------------------------------------------- pools
def _images(device: Any, *avals: Any, **attrs: Any) -> Any:
    """At most three spatial axes of floats."""
    if not any(a.dtype.inexact for a in avals):
        return None  # whole numbers are rare here
    ok = floats(device, *avals)
    if ok is True and len(attrs["at"][0]) > 3:
        return f"expected at most 3 spatial axes; got {len(attrs['at'][0])}"
    if ok is True and prod(attrs["shape"][2:]) >= 2**31:
        return "expected an image of fewer than 2^31 elements"
    return ok


def _max(x: Any, at: Any) -> Any:
    from helix_core._primitives.window import out_size

    from helix_hal.cpu.kernels.channels_last import fresh
    from helix_hal.cpu.kernels.pool2d import max_forward

    window, strides, padding, dilation = at
    places = tuple(map(out_size, x.shape[2:], window, strides, padding, dilation))
    y, into = fresh((*x.shape[:2], *places), x.dtype)
    where, index = fresh(y.shape, np.int32)
    max_forward(_dense(x)[0], into, index, x.shape[2:], at)
    return y, where


@serves("max_pool.fwd", _images)
def _max_fwd(dev: Any, x: Any, shape: Any, at: Any) -> Any:
    return _max(x, at)


@serves("max_pool", _images)
def _max_plain(dev: Any, x: Any, shape: Any, at: Any) -> Any:
    return _max(x, at)[0]


@serves("max_pool.bwd", _images)
def _max_bwd(dev: Any, where: Any, dy: Any, shape: Any, at: Any) -> Any:
    from helix_hal.cpu.kernels.pool2d import max_backward

    dx, into = _fresh(shape, dy.dtype)
    at_, gs = _dense(where, dy)
    max_backward(at_, gs, into)
    return dx


@serves("avg_pool", _images)
@serves("avg_pool.fwd", _images)
def _mean(dev: Any, x: Any, shape: Any, at: Any, real: Any, divisor: Any) -> Any:
    from helix_core._composites.pooling import _shares
    from helix_core._primitives.window import out_size

    from helix_hal.cpu.kernels.channels_last import fresh
    from helix_hal.cpu.kernels.pool2d import mean_forward

    window, strides, padding, dilation = at
    places = tuple(map(out_size, x.shape[2:], window, strides, padding, dilation))
    y, into = fresh((*x.shape[:2], *places), x.dtype)
    shares = _shares(shape[2:], at, real, divisor)
    mean_forward(_dense(x)[0], into, x.shape[2:], at, shares)
    return y


@serves("avg_pool.bwd", _images)
def _mean_bwd(dev: Any, dy: Any, shape: Any, at: Any, real: Any, divisor: Any) -> Any:
    from helix_core._composites.pooling import _shares

    from helix_hal.cpu.kernels.channels_last import dense
    from helix_hal.cpu.kernels.pool2d import mean_backward

    dx, into = _fresh(shape, dy.dtype)
    shares = _shares(shape[2:], at, real, divisor)
    mean_backward(dense(dy), into, shape[2:], at, shares)
    return dx
