"""Group norm (Wu and He, arXiv:1803.08494); one channel a group is instance norm."""

from __future__ import annotations

from typing import Any

from .. import _ops as ops
from .._composite import composite
from .._errors import ShapeError
from .._shape import _in
from .._tensor import Tensor
from .batch_norm import _axes, _check, _wide

# inputs: x (batch, channel, *spatial), weight, bias (channel,).
# residuals: mean and rstd (batch, group)


def _split(x: Tensor, groups: int) -> Tensor:
    """(batch, group, elements)."""
    return ops.reshape_p(x, (x.shape[0], groups, x.size // (x.shape[0] * groups)))


def _fwd(
    x: Tensor, w: Tensor, b: Tensor, groups: int, eps: float
) -> tuple[Tensor, ...]:
    if not x.size:
        none = ops.zeros((x.shape[0], groups), x.dtype, x.device)
        return x, none, none
    s = _split(x, groups)
    mean = ops.mean(s, -1)
    d = s - ops.expand_dims(mean, -1)
    rstd = ops.rsqrt(ops.mean(d * d, -1) + eps)
    xhat = ops.reshape_p(d * ops.expand_dims(rstd, -1), x.shape)
    return xhat * _wide(w, x) + _wide(b, x), mean, rstd


def _bwd(
    inputs: Any, outputs: Any, residuals: Any, cts: Any, groups: int, eps: float
) -> tuple[Tensor, ...]:
    (x, w, _), (mean, rstd), ct = inputs, residuals, cts[0]
    if not x.size:
        none = ops.zeros(w.shape, w.dtype, w.device)
        return ct, none, none
    r = ops.expand_dims(rstd, -1)
    xhat = (_split(x, groups) - ops.expand_dims(mean, -1)) * r
    g = _split(ct * _wide(w, x), groups)
    dx = r * (g - ops.mean(g, -1, True) - xhat * ops.mean(g * xhat, -1, True))
    xhat = ops.reshape_p(xhat, x.shape)
    return (
        ops.reshape_p(dx, x.shape),
        ops.sum(ct * xhat, _axes(x)),
        ops.sum(ct, _axes(x)),
    )


group_norm_c = composite("group_norm", fwd=_fwd, bwd=_bwd, reads_outputs=False)(
    lambda x, w, b, groups, eps: _fwd(x, w, b, groups, eps)[0]
)


def group_norm(
    x: Any, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, over each group of channels.

    Parameters
    ----------
    x : Tensor (batch, channel, *spatial)
    groups : int
        Neighbouring channels that share a mean and a variance; divides the channels.
    weight, bias : Tensor (channel,), optional
        Ones and zeros by default.

    Returns
    -------
    Tensor of x's shape

    Raises
    ------
    ShapeError
        Where groups do not divide, or shapes do not fit.
    """
    x = _in(x)
    c = x.shape[1:2]
    weight = ops.ones(c, x.dtype, x.device) if weight is None else _in(weight)
    bias = ops.zeros(c, x.dtype, x.device) if bias is None else _in(bias)
    _check("group_norm", x, weight=weight, bias=bias)
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1:
        raise ShapeError(f"[group_norm] expected groups of at least 1; got {groups!r}")
    if x.shape[1] % groups or not x.shape[1]:
        raise ShapeError(
            f"[group_norm] expected groups that divide the channels; got {groups} groups "
            f"and x.shape={x.shape}"
        )
    out = group_norm_c(
        *ops.lift(x, weight, bias, inexact=True), groups=groups, eps=float(eps)
    )
    return out


def instance_norm(
    x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """`group_norm` of every channel by itself (arXiv:1607.08022).

    Raises
    ------
    ShapeError
        For one value per channel and example: its variance is 0.
    """
    x = _in(x)
    if x.ndim < 2 or x.size == x.shape[0] * x.shape[1] > 0:
        raise ShapeError(
            "[instance_norm] expected x (batch, channel, *spatial) with more than one "
            f"spatial element; got x.shape={x.shape}"
        )
    return group_norm(x, x.shape[1], weight, bias, eps)
