"""Norms by rows, by groups of channels, and by channels."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch.nn import functional

from .specs import Tensor, rows, serves

aten = torch.ops.aten
_ALL = [True, True, True]


# ---------------------------------------------------------------------------- layer norm
@serves("layer_norm.fwd", widen=True)
def _layer(dev: Any, x: Tensor, w: Tensor, b: Tensor, eps: float) -> Any:
    y, mean, rstd = torch.native_layer_norm(x, x.shape[-1:], w, b, eps)
    return y, mean.view(x.shape[:-1]), rstd.view(x.shape[:-1])


@serves("layer_norm", widen=True)
def _layer_plain(dev: Any, x: Tensor, w: Tensor, b: Tensor, eps: float) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], w, b, eps)


def _layer_back(
    x: Tensor, w: Tensor, b: Tensor, mean: Tensor, rstd: Tensor, dy: Tensor
) -> Any:
    wide = (*x.shape[:-1], 1)
    return aten.native_layer_norm_backward(
        dy, x, x.shape[-1:], mean.reshape(wide), rstd.reshape(wide), w, b, _ALL
    )


@serves("layer_norm.bwd", widen=True)
def _layer_bwd(dev: Any, *flat: Tensor, eps: float) -> Any:
    return _layer_back(*flat)


@serves("layer_norm_add.fwd", widen=True)
def _layer_add(
    dev: Any, x: Tensor, w: Tensor, b: Tensor, res: Tensor, eps: float
) -> Any:
    s = x + res
    y, mean, rstd = _layer(dev, s, w, b, eps)
    return y, s, mean, rstd


@serves("layer_norm_add", widen=True)
def _layer_add_plain(
    dev: Any, x: Tensor, w: Tensor, b: Tensor, res: Tensor, eps: float
) -> Any:
    s = x + res
    return _layer_plain(dev, s, w, b, eps), s


@serves("layer_norm_add.bwd", widen=True)
def _layer_add_bwd(
    dev: Any,
    w: Tensor,
    y: Tensor,
    s: Tensor,
    mean: Tensor,
    rstd: Tensor,
    dy: Tensor,
    ds: Tensor,
    eps: float,
) -> Any:
    dx, dw, db = _layer_back(s, w, w, mean, rstd, dy)
    dx = dx.add_(ds)
    return dx, dw, db, dx


# ------------------------------------------------------------------------------ rms norm
def _rstd(x: Tensor, eps: float) -> Tensor:
    norm = torch.linalg.vector_norm(x, dim=-1)
    return norm.square_().div_(x.shape[-1]).add_(eps).rsqrt_()


@serves("rms_norm.fwd", widen=True)
def _rms(dev: Any, x: Tensor, w: Tensor, eps: float) -> Any:
    rstd = _rstd(x, eps)
    return (x * rstd.unsqueeze(-1)).mul_(w), rstd


@serves("rms_norm", widen=True)
def _rms_plain(dev: Any, x: Tensor, w: Tensor, eps: float) -> Tensor:
    return _rms(dev, x, w, eps)[0]


def _rms_back(x: Tensor, w: Tensor, rstd: Tensor, dy: Tensor) -> tuple[Tensor, Tensor]:
    """With g = w dy: dx = r (g - x r^2 mean(g x)); dw sums dy x r."""
    r = rstd.unsqueeze(-1)
    p = dy * x
    shift = torch.mv(rows(p), w).view(r.shape) * (r**3 / -x.shape[-1])
    dw = torch.mv(rows(p).t(), rstd.reshape(-1))
    dx = (dy * w).mul_(r)
    return dx.addcmul_(x, shift), dw


@serves("rms_norm.bwd", widen=True)
def _rms_bwd(
    dev: Any, x: Tensor, w: Tensor, rstd: Tensor, dy: Tensor, eps: float
) -> Any:
    return _rms_back(x, w, rstd, dy)


@serves("rms_norm_add.fwd", widen=True)
def _rms_add(dev: Any, x: Tensor, w: Tensor, res: Tensor, eps: float) -> Any:
    s = x + res
    y, rstd = _rms(dev, s, w, eps)
    return y, s, rstd


@serves("rms_norm_add", widen=True)
def _rms_add_plain(dev: Any, x: Tensor, w: Tensor, res: Tensor, eps: float) -> Any:
    return _rms_add(dev, x, w, res, eps)[:2]


@serves("rms_norm_add.bwd", widen=True)
def _rms_add_bwd(
    dev: Any,
    w: Tensor,
    y: Tensor,
    s: Tensor,
    rstd: Tensor,
    dy: Tensor,
    ds: Tensor,
    eps: float,
) -> Any:
    dx, dw = _rms_back(s, w, rstd, dy)
    dx = dx.add_(ds)
    return dx, dw, dx


# ---------------------------------------------------------------------------- group norm
def _sizes(x: Tensor) -> tuple[int, int, int]:
    return x.shape[0], x.shape[1], prod(x.shape[2:])


@serves("group_norm.fwd", widen=True)
def _group(dev: Any, x: Tensor, w: Tensor, b: Tensor, groups: int, eps: float) -> Any:
    x = x.contiguous()
    return torch.native_group_norm(x, w, b, *_sizes(x), groups, eps)


@serves("group_norm", widen=True)
def _group_plain(
    dev: Any, x: Tensor, w: Tensor, b: Tensor, groups: int, eps: float
) -> Tensor:
    return functional.group_norm(x, groups, w, b, eps)


@serves("group_norm.bwd", widen=True)
def _group_bwd(
    dev: Any,
    x: Tensor,
    w: Tensor,
    b: Tensor,
    mean: Tensor,
    rstd: Tensor,
    dy: Tensor,
    groups: int,
    eps: float,
) -> Any:
    x, dy = x.contiguous(), dy.contiguous()
    return aten.native_group_norm_backward(
        dy, x, mean, rstd, w, *_sizes(x), groups, _ALL
    )


# ---------------------------------------------------------------------------- batch norm
@serves("batch_norm", "batch_norm.fwd", widen=True)
def _batch(
    dev: Any,
    x: Tensor,
    w: Tensor,
    b: Tensor,
    *res: Tensor,
    eps: float,
    relu: bool,
    residual: bool,
) -> Any:
    over = (0, *range(2, x.ndim))
    var, mean = torch.var_mean(x, over, correction=0)
    y = functional.batch_norm(x, mean, var, w, b, False, 0.0, eps)
    y = y.add_(res[0]) if residual else y
    return (y.relu_() if relu else y), mean, var


@serves("batch_norm.bwd", widen=True)
def _batch_bwd(
    dev: Any,
    x: Tensor,
    w: Tensor,
    y: Tensor,
    mean: Tensor,
    var: Tensor,
    dy: Tensor,
    dmean: Tensor,
    dvar: Tensor,
    eps: float,
    relu: bool,
    residual: bool,
) -> Any:
    g = aten.threshold_backward(dy, y, 0) if relu else dy
    rstd = torch.rsqrt(var + eps)
    dx, dw, db = aten.native_batch_norm_backward(
        g, x, w, None, None, mean, rstd, True, eps, _ALL
    )
    if x.device.type != "cpu" or bool(dmean.any()) or bool(dvar.any()):
        wide = (-1, *(1,) * (x.ndim - 2))
        n = x.numel() // x.shape[1]
        slope = dvar * (2.0 / n)
        shift = dmean / n - mean * slope
        dx = dx + x * slope.view(wide) + shift.view(wide)
    return (dx, dw, db, g) if residual else (dx, dw, db)
