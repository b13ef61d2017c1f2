"""Batch normalisation (Ioffe and Szegedy, arXiv:1502.03167), with what follows it."""

from __future__ import annotations

from math import prod
from typing import Any

from .. import _ops as ops
from .._composite import composite
from .._errors import ShapeError
from .._shape import _in
from .._tensor import Tensor

# batch_norm: inputs x (batch, channel, *spatial), weight, bias, and the residual where
# there is one; outputs y, and mean and var of the batch, (channel,).
# channel_affine: inputs x, scale, shift, and the residual; output y


def _axes(x: Tensor) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _wide(t: Tensor, x: Tensor) -> Tensor:
    """(channel,), to broadcast with x."""
    return ops.reshape_p(t, (*t.shape, *(1,) * (x.ndim - 2)))


def _finished(y: Tensor, res: tuple[Tensor, ...], relu: bool) -> Tensor:
    y = y + res[0] if res else y
    return ops.where(ops.le(y, 0), ops.zeros((), y.dtype, y.device), y) if relu else y


def _affine(
    x: Tensor,
    scale: Tensor,
    shift: Tensor,
    *res: Tensor,
    relu: bool,
    residual: bool,
) -> Tensor:
    return _finished(x * _wide(scale, x) + _wide(shift, x), res, relu)


def _affine_bwd(
    inputs: Any, outputs: Any, residuals: Any, cts: Any, relu: bool, residual: bool
) -> tuple[Tensor, ...]:
    x, scale = inputs
    g = cts[0] * ops.cast(ops.gt(outputs[0], 0), cts[0].dtype) if relu else cts[0]
    return (
        g * _wide(scale, x),
        ops.sum(g * x, _axes(x)),
        ops.sum(g, _axes(x)),
        *([g] if residual else []),
    )


channel_affine_c = composite(
    "channel_affine",
    fwd=lambda *xs, **attrs: (_affine(*xs, **attrs),),
    bwd=_affine_bwd,
    reads_inputs=(0, 1),
)(_affine)


def _norm(
    x: Tensor,
    w: Tensor,
    b: Tensor,
    *res: Tensor,
    eps: float,
    relu: bool,
    residual: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    mean = ops.mean(x, _axes(x))
    d = x - _wide(mean, x)
    var = ops.mean(d * d, _axes(x))
    y = d * _wide(ops.rsqrt(var + eps) * w, x) + _wide(b, x)
    return _finished(y, res, relu), mean, var


def _bwd(
    inputs: Any,
    outputs: Any,
    residuals: Any,
    cts: Any,
    eps: float,
    relu: bool,
    residual: bool,
) -> tuple[Tensor, ...]:
    x, w = inputs
    y, mean, var = outputs
    g = cts[0] * ops.cast(ops.gt(y, 0), cts[0].dtype) if relu else cts[0]
    share = 1.0 / max(1, x.size // max(1, x.shape[1]))
    d = x - _wide(mean, x)
    rstd = ops.rsqrt(var + eps)
    xhat = d * _wide(rstd, x)
    db, dw = ops.sum(g, _axes(x)), ops.sum(g * xhat, _axes(x))
    inner = g - _wide(db * share, x) - xhat * _wide(dw * share, x)
    dx = _wide(w * rstd, x) * inner
    dx = dx + _wide(cts[1] * share, x) + d * _wide(cts[2] * (2.0 * share), x)
    return dx, dw, db, *([g] if residual else [])


batch_norm_c = composite("batch_norm", fwd=_norm, bwd=_bwd, reads_inputs=(0, 1))(_norm)


def _check(name: str, x: Tensor, **vectors: Any) -> None:
    if x.ndim < 2:
        raise ShapeError(
            f"[{name}] expected x (batch, channel, *spatial); got x.shape={x.shape}"
        )
    for what, v in vectors.items():
        if v.shape != x.shape[1:2]:
            raise ShapeError(
                f"[{name}] expected {what} ({x.shape[1]},), one per channel; got "
                f"x.shape={x.shape}, {what}.shape={v.shape} on {x.device.name!r}"
            )


def _extras(
    name: str, x: Tensor, activation: str | None, residual: Any
) -> tuple[bool, list[Tensor]]:
    if activation not in (None, "relu"):
        raise ShapeError(
            f"[{name}] expected activation None or 'relu'; got {activation!r}"
        )
    if residual is None:
        return activation == "relu", []
    residual = _in(residual)
    if residual.shape != x.shape:
        raise ShapeError(
            f"[{name}] expected a residual of x's shape; got x.shape={x.shape}, "
            f"residual.shape={residual.shape}"
        )
    return activation == "relu", [residual]


def batch_norm(
    x: Any,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    activation: str | None = None,
    residual: Any = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """act((x - mean) / sqrt(var + eps) * weight + bias + residual), for training.

    Mean and variance are those of each channel over the batch and the spatial axes.

    Parameters
    ----------
    x : Tensor (batch, channel, *spatial)
    weight, bias : Tensor (channel,), optional
        Ones and zeros by default.
    activation : {None, "relu"}
    residual : Tensor of x's shape, optional
        Added before the activation.

    Returns
    -------
    y : Tensor of x's shape
    mean, var : Tensor (channel,)
        Of this batch; the variance divides by the number of elements.

    Raises
    ------
    ShapeError
        Where shapes do not fit, and for one value per channel: its variance is 0.

    Examples
    --------
    >>> import helix_core as hx
    >>> y, mean, var = batch_norm(hx.tensor([[1.0], [3.0]]))
    >>> mean.tolist(), var.tolist()
    ([2.0], [1.0])
    """
    x = _in(x)
    c = x.shape[1:2]
    weight = ops.ones(c, x.dtype, x.device) if weight is None else _in(weight)
    bias = ops.zeros(c, x.dtype, x.device) if bias is None else _in(bias)
    _check("batch_norm", x, weight=weight, bias=bias)
    if x.shape[0] * prod(x.shape[2:]) == 1:
        raise ShapeError(
            "[batch_norm] expected more than one value per channel in training; got "
            f"x.shape={x.shape}. Hint: a larger batch, or evaluation mode"
        )
    relu, rest = _extras("batch_norm", x, activation, residual)
    out = batch_norm_c(
        *ops.lift(x, weight, bias, *rest, inexact=True),
        eps=float(eps),
        relu=relu,
        residual=bool(rest),
    )
    return out


def batch_norm_inference(
    x: Any,
    mean: Any,
    var: Any,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    activation: str | None = None,
    residual: Any = None,
) -> Tensor:
    """`batch_norm` with a given mean and variance, for evaluation.

    Parameters
    ----------
    x : Tensor (batch, channel, *spatial)
    mean, var : Tensor (channel,)
    weight, bias : Tensor (channel,), optional
    activation, residual : see `batch_norm`
    """
    x, mean, var = ops.lift(x, mean, var, inexact=True)
    _check("batch_norm_inference", x, mean=mean, var=var)
    scale = ops.rsqrt(var + float(eps))
    if weight is not None:
        _check("batch_norm_inference", x, weight=_in(weight))
        scale = scale * weight
    shift = -mean * scale
    if bias is not None:
        _check("batch_norm_inference", x, bias=_in(bias))
        shift = shift + bias
    relu, rest = _extras("batch_norm_inference", x, activation, residual)
    return channel_affine_c(
        *ops.lift(x, scale, shift, *rest), relu=relu, residual=bool(rest)
    )
