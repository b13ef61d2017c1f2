"""Grids, differences, counts and other small compositions that NumPy users expect."""

from __future__ import annotations

from typing import Any

from . import _dtypes as dt
from . import _ops as ops
from ._errors import ShapeError
from ._primitives._rules import normal_axes
from ._shape import _in, broadcast_p, concat, narrow, reshape_p, swapaxes
from ._tensor import Tensor


def meshgrid(*xs: Any, indexing: str = "xy") -> list[Tensor]:
    """Coordinate tensors from coordinate vectors.

    Parameters
    ----------
    *xs : Tensor, each (n_i,) or 0-d
    indexing : {"xy", "ij"}
        "ij": axis i of every result belongs to vector i. "xy": the first two axes are
        exchanged, as plots have them.

    Returns
    -------
    list of Tensor
        One per vector, all (n_1, n_2, ...).
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"[meshgrid] expected indexing='xy' or 'ij'; got {indexing!r}")
    ts = [_in(x) for x in xs]
    for t in ts:
        if t.ndim > 1:
            raise ShapeError(f"[meshgrid] expected vectors; got {t.aval!r}")
    shape = tuple(t.aval.size for t in ts)
    out = []
    for i, t in enumerate(ts):
        own = tuple(n if j == i else 1 for j, n in enumerate(shape))
        y = broadcast_p(reshape_p(t, own), shape)
        out.append(swapaxes(y, 0, 1) if indexing == "xy" and len(ts) > 1 else y)
    return out


def unstack(x: Any, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices along an axis, each without it."""
    x = _in(x)
    axis = normal_axes("unstack", (axis,), x.ndim)[0]
    rest = (*x.shape[:axis], *x.shape[axis + 1 :])
    return tuple(
        [reshape_p(narrow(x, axis, i, i + 1), rest) for i in range(x.shape[axis])]
    )


def diff(
    x: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None
) -> Tensor:
    """The n-th difference along an axis: x[i + 1] - x[i]; of bools, whether they differ.

    ``prepend`` and ``append`` are joined to the axis first; a 0-d one is one element.
    """
    x = _in(x)
    axis = normal_axes("diff", (axis,), x.ndim)[0]
    if n < 0:
        raise ShapeError(f"[diff] expected n >= 0; got {n}")
    if n == 0:
        return x
    one = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    parts = [None if e is None else _in(e) for e in (prepend, x, append)]
    x = concat(
        [p if p.ndim else broadcast_p(p, one) for p in parts if p is not None], axis
    )
    minus = ops.bitwise_xor if x.dtype is dt.bool_ else ops.subtract
    for _ in range(n):
        size = x.shape[axis]
        if size == 0:
            break
        x = minus(narrow(x, axis, 1, size), narrow(x, axis, 0, size - 1))
    return x


def count_nonzero(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """How many elements are not zero (NaN is not zero), as int32."""
    return ops.sum(ops.cast(ops._as_bool(_in(x)), dt.int32), axis, keepdims)


def isin(x: Any, values: Any) -> Tensor:
    """Whether each element equals one of the values. Size of x times size of values."""
    x, v = ops.lift(x, values)
    flat = reshape_p(v, (v.aval.size,))
    return ops.any(ops.eq(reshape_p(x, (*x.shape, 1)), flat), -1)


def vecdot(x: Any, y: Any, axis: int = -1) -> Tensor:
    """sum(conj(x) y) along an axis; the other axes broadcast.

    Raises
    ------
    ShapeError
        If the sizes of the axis differ.
    """
    x, y = ops.lift(x, y)
    a = normal_axes("vecdot", (axis,), x.ndim)[0]
    b = normal_axes("vecdot", (axis,), y.ndim)[0]
    if x.shape[a] != y.shape[b]:
        raise ShapeError(
            f"[vecdot] expected one size along axis {axis}; got {x.aval!r}, {y.aval!r}"
        )
    x, y = ops.moveaxis(ops.conj(x), a, -1), ops.moveaxis(y, b, -1)
    row, column = ops.expand_dims(x, -2), ops.expand_dims(y, -1)
    return ops.squeeze(ops.matmul(row, column), (-2, -1))


def matrix_transpose(x: Any) -> Tensor:
    """The last two axes exchanged."""
    x = _in(x)
    if x.ndim < 2:
        raise ShapeError(f"[matrix_transpose] expected at least 2 axes; got {x.aval!r}")
    return swapaxes(x, -1, -2)
