"""Sums, products, moments, extrema, and whether all or any are true."""

from __future__ import annotations

from typing import Any

from .. import _arrange, _reduce, _shape
from .._create import full
from .._dtypes import DType
from .._ops import cast
from .._primitives._rules import normal_axes
from .._tensor import Tensor
from ._check import FLOAT, NUMERIC, REAL, REAL_FLOAT, one_axis, tensor_of

Axis = int | tuple[int, ...] | None


def sum(
    x: Tensor,
    /,
    *,
    axis: Axis = None,
    dtype: DType | None = None,
    keepdims: bool = False,
) -> Tensor:
    """Sum along axes. 8- and 16-bit integers sum in 32 bits unless a dtype is given."""
    return _reduce.sum(tensor_of("sum", x, NUMERIC), axis, keepdims, dtype)


def prod(
    x: Tensor,
    /,
    *,
    axis: Axis = None,
    dtype: DType | None = None,
    keepdims: bool = False,
) -> Tensor:
    """Product along axes; dtypes as in `sum`."""
    x = tensor_of("prod", x, NUMERIC)
    if dtype is None:
        return _reduce.prod(x, axis, keepdims)
    return cast(_reduce.prod(cast(x, dtype), axis, keepdims), dtype)


def max(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Largest element along axes; NaN wins."""
    return _reduce.max(tensor_of("max", x, REAL), axis, keepdims)


def min(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Smallest element along axes; NaN wins."""
    return _reduce.min(tensor_of("min", x, REAL), axis, keepdims)


def mean(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Arithmetic mean along axes."""
    return _reduce.mean(tensor_of("mean", x, FLOAT), axis, keepdims)


def var(
    x: Tensor, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False
) -> Tensor:
    """Variance over ``n - correction``; NaN where that is not positive."""
    return _reduce.var(tensor_of("var", x, REAL_FLOAT), axis, keepdims, correction)


def std(
    x: Tensor, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False
) -> Tensor:
    """Square root of the variance."""
    return _reduce.std(tensor_of("std", x, REAL_FLOAT), axis, keepdims, correction)


def cumulative_sum(
    x: Tensor,
    /,
    *,
    axis: int | None = None,
    dtype: DType | None = None,
    include_initial: bool = False,
) -> Tensor:
    """Running sum along an axis, after a leading 0 with ``include_initial``."""
    x = tensor_of("cumulative_sum", x, NUMERIC)
    return _cumulative("cumulative_sum", x, axis, dtype, include_initial)


def cumulative_prod(
    x: Tensor,
    /,
    *,
    axis: int | None = None,
    dtype: DType | None = None,
    include_initial: bool = False,
) -> Tensor:
    """Running product along an axis, after a leading 1 with ``include_initial``."""
    x = tensor_of("cumulative_prod", x, NUMERIC)
    return _cumulative("cumulative_prod", x, axis, dtype, include_initial)


def _cumulative(name: str, x: Tensor, axis: Any, dtype: Any, initial: bool) -> Tensor:
    axis = normal_axes(name, (one_axis(name, x, axis),), x.ndim)[0]
    x = _reduce._wide(x) if dtype is None else cast(x, dtype)
    kind = name.removeprefix("cumulative_")
    y = _reduce.cumulative(x, kind, axis)
    if not initial:
        return y
    shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    start = full(shape, 0 if kind == "sum" else 1, y.dtype, y.device)
    return _shape.concat([start, y], axis)


def all(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether every element along the axes is true; True where there are none."""
    return _reduce.all(tensor_of("all", x), axis, keepdims)


def any(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether one element along the axes is true; False where there are none."""
    return _reduce.any(tensor_of("any", x), axis, keepdims)


def diff(
    x: Tensor,
    /,
    *,
    axis: int = -1,
    n: int = 1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """The n-th difference along an axis."""
    return _arrange.diff(tensor_of("diff", x, NUMERIC), n, axis, prepend, append)
