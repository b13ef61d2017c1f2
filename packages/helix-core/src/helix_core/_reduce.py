"""Reductions and cumulative functions along axes."""

from __future__ import annotations

import math
from typing import Any

from . import _dtypes as dt
from . import _ops as ops
from ._create import as_tensor
from ._errors import ShapeError
from ._primitive import bind
from ._primitives import reduce as R
from ._primitives._rules import normal_axes
from ._primitives.cumulative import cumulative_p
from ._primitives.scan import linear_scan_p
from ._shape import _in, broadcast_p, reshape_p
from ._tensor import Tensor


def reduce_sum_p(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return bind(R.reduce_sum_p, x, axes=axes)


def reduce_max_p(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return bind(R.reduce_max_p, x, axes=axes)


def reduce_min_p(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return bind(R.reduce_min_p, x, axes=axes)


def _axes(name: str, x: Tensor, axis: Any) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(len(x.aval.shape)))
    return normal_axes(name, (axis,) if isinstance(axis, int) else tuple(axis), x.ndim)


def _reduce(prim: Any, x: Tensor, axis: Any, keepdims: bool) -> Tensor:
    axes = _axes(prim.name, x, axis)
    y: Tensor = bind(prim, x, axes=axes) if axes or x.ndim == 0 else x
    if keepdims and axes:
        y = reshape_p(y, tuple(1 if i in axes else n for i, n in enumerate(x.shape)))
    return y


def _wide(x: Tensor) -> Tensor:
    """Small integers and bools are summed in 32 bits."""
    d = x.dtype
    if d.category in ("bool", "int", "uint") and d.itemsize < 4:
        return ops.cast(x, dt.uint32 if d.category == "uint" else dt.int32)
    return x


def sum(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """Sum along axes. Small integers sum in 32 bits; float16 and bfloat16 in float32.

    Parameters
    ----------
    axis : int or tuple of int, optional
        All axes by default.
    keepdims : bool
        Reduced axes stay, with size 1.
    dtype : optional
        Cast to it first.
    """
    x = _in(x)
    x = _wide(x) if dtype is None else ops.cast(x, dtype)
    return _reduce(R.reduce_sum_p, x, axis, keepdims)


def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Product along axes; dtypes as in `sum`."""
    return _reduce(R.reduce_prod_p, _wide(_in(x)), axis, keepdims)


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Largest element along axes; NaN wins; ties share the gradient evenly."""
    return _reduce(R.reduce_max_p, _in(x), axis, keepdims)


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Smallest element along axes; NaN wins; ties share the gradient evenly."""
    return _reduce(R.reduce_min_p, _in(x), axis, keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether one element along the axes is true; False where there are none."""
    return _logical(x, axis, keepdims, R.reduce_max_p, False)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether every element along the axes is true; True where there are none."""
    return _logical(x, axis, keepdims, R.reduce_min_p, True)


def _logical(x: Any, axis: Any, keepdims: bool, prim: Any, empty: bool) -> Tensor:
    x = ops._as_bool(_in(x))
    axes = _axes("any", x, axis)
    if 0 in [x.shape[i] for i in axes]:
        shape = [
            1 if i in axes else n
            for i, n in enumerate(x.shape)
            if keepdims or i not in axes
        ]
        return ops.full(shape, empty, dt.bool_, x.device)
    return _reduce(prim, x, axis, keepdims)


def _count(x: Tensor, axes: tuple[int, ...]) -> int:
    return math.prod(x.shape[i] for i in axes)


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Arithmetic mean; integers as float32, 16-bit floats computed in float32."""
    x = _in(x)
    out = dt.to_inexact(x.dtype)
    wide = ops.cast(x, dt.accumulate_dtype(out))
    n = _count(x, _axes("mean", x, axis))
    total = _reduce(R.reduce_sum_p, wide, axis, keepdims)
    return ops.cast(ops.divide(total, float(n) if n else float("nan")), out)


def var(
    x: Any, axis: Any = None, keepdims: bool = False, correction: float = 0
) -> Tensor:
    """Variance: mean squared distance from the mean, over ``n - correction``."""
    x = _in(x)
    out = dt.to_inexact(x.dtype)
    wide = ops.cast(x, dt.accumulate_dtype(out))
    d = ops.sub_p(wide, mean(wide, axis, True))
    sq = (
        ops.mul_p(d, d)
        if out.category == "float"
        else ops.mul_p(ops.abs(d), ops.abs(d))
    )
    n = _count(x, _axes("var", x, axis)) - correction
    total = _reduce(R.reduce_sum_p, sq, axis, keepdims)
    return ops.cast(
        ops.divide(total, float(n) if n > 0 else float("nan")), dt.real_dtype(out)
    )


def std(
    x: Any, axis: Any = None, keepdims: bool = False, correction: float = 0
) -> Tensor:
    """Square root of the variance."""
    return ops.sqrt(var(x, axis, keepdims, correction))


def _arg(prim: Any, x: Any, axis: int | None, keepdims: bool) -> Tensor:
    x = _in(x)
    ndim = x.ndim
    if axis is None:
        y: Tensor = bind(prim, reshape_p(x, (x.aval.size,)), axis=0)
        return reshape_p(y, (1,) * ndim) if keepdims else y
    axis = _axes(prim.name, x, axis)[0]
    y = bind(prim, x, axis=axis)
    return reshape_p(y, (*x.shape[:axis], 1, *x.shape[axis + 1 :])) if keepdims else y


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Index (int32) of the first largest element; a NaN counts as largest."""
    return _arg(R.argmax_p, x, axis, keepdims)


def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Index (int32) of the first smallest element; a NaN counts as smallest."""
    return _arg(R.argmin_p, x, axis, keepdims)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))), without overflow."""
    x = _in(x)
    if not x.dtype.inexact:
        x = as_tensor(x, dt.float32)
    axes = _axes("logsumexp", x, axis)
    if 0 in [x.shape[i] for i in axes]:  # the sum of nothing
        return ops.log(_reduce(R.reduce_sum_p, x, axes, keepdims))
    top = _reduce(R.reduce_max_p, x, axes, True).detach()
    top = ops.where(ops.isfinite(top), top, ops.zeros_like(top))
    e = ops.exp(ops.sub_p(x, broadcast_p(top, x.shape)))
    y = ops.log(_reduce(R.reduce_sum_p, e, axes, True))
    y = ops.add_p(y, top)
    if keepdims:
        return y
    return reshape_p(y, tuple(n for i, n in enumerate(x.shape) if i not in axes))


def cumulative(x: Any, kind: str, axis: int, reverse: bool = False) -> Tensor:
    """Running ``kind`` (sum, prod, max, min, logsumexp) along an axis."""
    x = _in(x)
    if x.ndim == 0:
        raise ShapeError(f"[cumulative] expected at least one axis; got {x.aval!r}")
    axis = _axes("cumulative", x, axis)[0]
    return bind(cumulative_p, x, kind=kind, axis=axis, reverse=reverse)


def cumsum(x: Any, axis: int = -1, reverse: bool = False) -> Tensor:
    """Running sum along an axis; dtypes as in `sum`."""
    return cumulative(_wide(_in(x)), "sum", axis, reverse)


def cumprod(x: Any, axis: int = -1, reverse: bool = False) -> Tensor:
    """Running product along an axis; dtypes as in `sum`."""
    return cumulative(_wide(_in(x)), "prod", axis, reverse)


def cummax(x: Any, axis: int = -1, reverse: bool = False) -> Tensor:
    """Running maximum along an axis."""
    return cumulative(x, "max", axis, reverse)


def cummin(x: Any, axis: int = -1, reverse: bool = False) -> Tensor:
    """Running minimum along an axis."""
    return cumulative(x, "min", axis, reverse)


def cumlogsumexp(x: Any, axis: int = -1, reverse: bool = False) -> Tensor:
    """Running logsumexp along an axis."""
    return cumulative(x, "logsumexp", axis, reverse)


def linear_scan(
    a: Any, b: Any, h0: Any = None, axis: int = -2, reverse: bool = False
) -> Tensor:
    """h_t = a_t h_{t-1} + b_t along an axis.

    Parameters
    ----------
    a, b : Tensor of one shape (they broadcast)
        Coefficients and inputs; float or complex.
    h0 : Tensor, optional
        The state before the first step, without the axis; zeros by default.
    axis : int
        Time.
    reverse : bool
        h_t = a_t h_{t+1} + b_t instead.

    Returns
    -------
    Tensor
        Every state, shaped like ``b``.
    """
    a, b = ops.broadcast_arrays(*ops.lift(a, b))
    axis = _axes("linear_scan", b, axis)[0]
    state = (*b.shape[:axis], *b.shape[axis + 1 :])
    h0 = ops.zeros(state, b.dtype, b.device) if h0 is None else as_tensor(h0, b.dtype)
    h0 = broadcast_p(h0, state)
    return bind(linear_scan_p, a, b, h0, axis=axis, reverse=reverse)
