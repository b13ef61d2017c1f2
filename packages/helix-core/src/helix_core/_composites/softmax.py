"""Softmax and its logarithm."""

from __future__ import annotations

from typing import Any

from .. import _ops as ops
from .._composite import composite
from .._dtypes import float32
from .._primitives._rules import normal_axes
from .._shape import _in
from .._tensor import Tensor


def _exps(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    top = ops.max(x, -1, True)
    # a row of -inf keeps NaN: its softmax is undefined, as in NumPy and torch
    d = ops.subtract(x, top)
    e = ops.exp(d)
    return d, e, ops.sum(e, -1, True)


def _softmax(x: Tensor) -> Tensor:
    _, e, total = _exps(x)
    return ops.divide(e, total)


def _softmax_bwd(inputs: Any, outputs: Any, residuals: Any, cts: Any) -> Any:
    y, ct = outputs[0], cts[0]
    return (y * (ct - ops.sum(ct * y, -1, True)),)


def _log_softmax(x: Tensor) -> Tensor:
    d, _, total = _exps(x)
    return d - ops.log(total)


def _log_softmax_bwd(inputs: Any, outputs: Any, residuals: Any, cts: Any) -> Any:
    y, ct = outputs[0], cts[0]
    return (ct - ops.exp(y) * ops.sum(ct, -1, True),)


softmax_c = composite(
    "softmax", fwd=lambda x: (_softmax(x),), bwd=_softmax_bwd, reads_inputs=()
)(_softmax)
log_softmax_c = composite(
    "log_softmax",
    fwd=lambda x: (_log_softmax(x),),
    bwd=_log_softmax_bwd,
    reads_inputs=(),
)(_log_softmax)


def _along(op: Any, x: Any, axis: int) -> Tensor:
    x = _in(x)
    if x.ndim and x.shape[normal_axes(op.name, (axis,), x.ndim)[0]] == 0:
        return x  # nothing to share out
    if not x.dtype.inexact:
        x = ops.cast(x, float32)
    if x.ndim == 0:
        return ops.reshape(op(ops.reshape(x, 1)), ())
    if axis in (-1, x.ndim - 1):
        return op(x)
    return ops.swapaxes(op(ops.swapaxes(x, axis, -1)), axis, -1)


def softmax(x: Any, axis: int = -1) -> Tensor:
    """exp(x) over its sum along an axis; without overflow.

    >>> import helix_core as hx
    >>> softmax(hx.tensor([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """
    return _along(softmax_c, x, axis)


def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """log(softmax(x)), exact where softmax underflows."""
    return _along(log_softmax_c, x, axis)
