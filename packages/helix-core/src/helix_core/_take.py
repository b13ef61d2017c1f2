"""``hx.take`` and ``hx.take_along_axis``: elements by position."""

from __future__ import annotations

import operator
from math import prod
from typing import Any

from . import _dtypes as dt
from ._aval import Aval
from ._create import as_tensor, tensor
from ._errors import DTypeError, ShapeError
from ._index_key import index_array, is_bool, wrap
from ._primitive import bind
from ._primitives._rules import broadcast_shapes, normal_axes
from ._primitives.index import gather_p
from ._shape import broadcast_p, reshape_p
from ._tensor import Tensor


def _positions(name: str, idx: Any, n: int, device: Any) -> Any:
    a = index_array(idx)
    if is_bool(a):
        raise DTypeError(f"[{name}] expected integer indices; got bools")
    a = wrap(a, n, device)
    return a if isinstance(a, Tensor) else tensor(a, device=device)


def _axis(name: str, x: Tensor, axis: int) -> int:
    return normal_axes(name, (operator.index(axis),), x.ndim)[0]


def _in(x: Any) -> Tensor:
    from ._ops import operand

    return as_tensor(operand(x))


def take(x: Any, indices: Any, axis: int | None = None) -> Tensor:
    """Elements of an axis (of the flattened tensor by default) by position.

    Parameters
    ----------
    x : Tensor
    indices : Tensor, array or int
        Negative ones count from the end; those outside take the nearest element.
    axis : int, optional

    Returns
    -------
    Tensor
        Shape of x with the axis replaced by the shape of the indices.
    """
    x = _in(x)
    if axis is None:
        x, axis = reshape_p(x, (x.aval.size,)), 0
    axis = _axis("take", x, axis)
    idx = _positions("take", indices, x.shape[axis], x.device)
    return bind(gather_p, x, idx, axis=axis)


def take_along_axis(x: Any, indices: Any, axis: int = -1) -> Tensor:
    """One element per index and per position on the other axes.

    ``indices`` has as many axes as x, and broadcasts with x except along the axis.
    """
    from . import _ops as ops

    x = _in(x)
    axis = _axis("take_along_axis", x, axis)
    idx = _positions("take_along_axis", indices, x.shape[axis], x.device)
    if idx.ndim != x.ndim:
        raise ShapeError(
            f"[take_along_axis] expected indices with {x.ndim} axes; got {idx.aval!r} "
            f"for {x.aval!r}"
        )
    n = x.shape[axis]
    one = [Aval((*t.shape[:axis], 1, *t.shape[axis + 1 :]), dt.int32) for t in (x, idx)]
    rest = broadcast_shapes("take_along_axis", *one)
    wide = (*rest[:axis], n, *rest[axis + 1 :])
    idx = broadcast_p(idx, (*rest[:axis], idx.shape[axis], *rest[axis + 1 :]))
    x = broadcast_p(x, wide)
    last = x.ndim - 1
    rows = ops.swapaxes(x, axis, last)
    idx = ops.swapaxes(idx, axis, last)
    count = prod(rows.shape[:-1])
    width = dt.int32 if count * max(n, 1) < 2**31 else dt.int64
    offset = ops.arange(count, dtype=width, device=x.device) * n
    offset = ops.reshape_p(offset, (*rows.shape[:-1], 1))
    idx = ops.add_p(ops.cast(ops.clip(idx, 0, max(n - 1, 0)), width), offset)
    y = bind(gather_p, reshape_p(rows, (count * n,)), idx, axis=0)
    return ops.swapaxes(y, axis, last)
