"""Sorting and searching: ``sort``, ``argsort``, ``topk``, ``searchsorted``."""

from __future__ import annotations

from typing import Any

from . import _dtypes as dt
from . import _ops as ops
from ._create import as_tensor
from ._errors import ShapeError
from ._primitive import bind
from ._primitives._rules import normal_axes
from ._primitives.index import gather_p
from ._primitives.sort import sort_p
from ._tensor import Tensor


def _in(x: Any, axis: int, name: str) -> tuple[Tensor, int]:
    x = as_tensor(ops.operand(x))
    return x, normal_axes(name, (axis,), x.ndim)[0]


def _place(x: Tensor, axis: int) -> Tensor:
    """0, 1, ... along the axis, in the shape of x."""
    n = x.shape[axis]
    shape = tuple(n if i == axis else 1 for i in range(x.ndim))
    place = ops.arange(n, dtype=dt.int32, device=x.device)
    return ops.broadcast_p(ops.reshape_p(place, shape), x.shape)


def _sorted(*xs: Tensor, axis: int, descending: bool) -> tuple[Tensor, ...]:
    return bind(
        sort_p, *xs, axis=axis, num_keys=1, descending=bool(descending), stable=True
    )


def sort(x: Any, axis: int = -1, descending: bool = False) -> Tensor:
    """In order along an axis; equal elements keep theirs. NaN counts as the largest."""
    x, axis = _in(x, axis, "sort")
    return _sorted(x, axis=axis, descending=descending)[0]


def argsort(x: Any, axis: int = -1, descending: bool = False) -> Tensor:
    """The positions (int32) that would sort an axis, as `sort` does."""
    x, axis = _in(x, axis, "argsort")
    return _sorted(ops.detach(x), _place(x, axis), axis=axis, descending=descending)[1]


def topk(x: Any, k: int, axis: int = -1, largest: bool = True) -> tuple[Tensor, Tensor]:
    """The k largest (or smallest) elements along an axis, best first, and their places.

    Parameters
    ----------
    x : Tensor
    k : int
        0 <= k <= size of the axis.
    axis : int
    largest : bool
        NaN counts as the largest value.

    Returns
    -------
    values, indices : Tensor
        Shape of x with k elements along the axis; indices are int32. Of equal elements
        the first come first.

    Examples
    --------
    >>> import helix_core as hx
    >>> values, indices = topk(hx.tensor([1.0, 3.0, 2.0]), 2)
    >>> values.tolist(), indices.tolist()
    ([3.0, 2.0], [1, 2])
    """
    x, axis = _in(x, axis, "topk")
    if not 0 <= k <= x.shape[axis]:
        raise ShapeError(
            f"[topk] expected 0 <= k <= {x.shape[axis]}; got k={k} for {x.aval!r}"
        )
    both = _sorted(x, _place(x, axis), axis=axis, descending=largest)
    return ops.narrow(both[0], axis, 0, k), ops.narrow(both[1], axis, 0, k)


def searchsorted(a: Any, values: Any, side: str = "left") -> Tensor:
    """Where to insert values into a sorted vector so that it stays sorted; int32.

    ``left``: before equal elements, ``right``: after them. log2(n) gathers.
    """
    if side not in ("left", "right"):
        raise ValueError(
            f"[searchsorted] expected side='left' or 'right'; got {side!r}"
        )
    a, v = ops.lift(a, values)
    if a.ndim != 1:
        raise ShapeError(f"[searchsorted] expected a sorted vector; got {a.aval!r}")
    n = a.shape[0]
    low = ops.zeros(v.shape, dt.int32, v.device)
    if n == 0:
        return low
    high = ops.full_like(low, n)
    for _ in range(n.bit_length()):
        open_ = ops.lt(low, high)
        mid = ops.right_shift(ops.add_p(low, high), 1)
        below = _before(bind(gather_p, a, mid, axis=0), v, side)
        low = ops.where(ops.logical_and(open_, below), ops.add(mid, 1), low)
        high = ops.where(ops.logical_and(open_, ops.logical_not(below)), mid, high)
    return low


def _before(a: Tensor, v: Tensor, side: str) -> Tensor:
    """a < v (left) or a <= v (right), where NaN is the largest value."""
    less: Tensor = ops.lt(a, v) if side == "left" else ops.le(a, v)
    if not a.dtype.inexact:
        return less
    last = ops.isnan(v)
    if side == "left":
        last = ops.logical_and(last, ops.logical_not(ops.isnan(a)))
    return ops.logical_or(less, last)
