"""Diagonals: read, summed, and made into matrices."""

from __future__ import annotations

from typing import Any

from .. import _ops as ops
from .._errors import ShapeError
from .._primitives._rules import normal_axes
from .._tensor import Tensor
from ._check import tensor_of, whole


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """A diagonal of two axes, as the last axis of the result; NumPy's meaning.

    Parameters
    ----------
    x : Tensor, at least two axes
    offset : int
        Above the main diagonal if positive, below if negative. One beyond the matrix
        has no elements.
    axis1, axis2 : int
        Rows and columns.

    Examples
    --------
    >>> import helix_core as hx
    >>> diagonal(hx.tensor([[1, 2], [3, 4]]), 1).tolist()
    [2]
    """
    x = tensor_of(x)
    offset = whole("diagonal", "offset", offset)
    if x.ndim < 2:
        raise ShapeError(f"[diagonal] expected at least 2 axes; got {x.aval!r}")
    i, j = normal_axes("diagonal", (axis1, axis2), x.ndim)
    rest = tuple([k for k in range(x.ndim) if k not in (i, j)])
    if (*rest, i, j) != tuple(range(x.ndim)):
        x = ops.permute_p(x, (*rest, i, j))
    lead, (n, m) = x.shape[:-2], x.shape[-2:]
    count = max(min(n - max(-offset, 0), m - max(offset, 0)), 0)
    flat = ops.reshape_p(x, (*lead, n * m))
    if count == 0:
        return ops.narrow(flat, len(lead), 0, 0)
    start = offset if offset >= 0 else -offset * m
    stop = start + (count - 1) * (m + 1) + 1
    zero, one = (0,) * len(lead), (1,) * len(lead)
    return ops.slice_p(flat, (*zero, start), (*lead, stop), (*one, m + 1))


def diag(x: Any, offset: int = 0) -> Tensor:
    """The matrix with this vector on a diagonal, or a diagonal of a matrix.

    Parameters
    ----------
    x : Tensor, (n,) or (n, m)
    offset : int
        As in `diagonal`.

    Examples
    --------
    >>> import helix_core as hx
    >>> diag(hx.tensor([1, 2])).tolist()
    [[1, 0], [0, 2]]
    """
    x = tensor_of(x)
    if x.ndim == 2:
        return diagonal(x, offset)
    if x.ndim != 1:
        raise ShapeError(f"[diag] expected a vector or a matrix; got {x.aval!r}")
    offset = whole("diag", "offset", offset)
    n, zero = x.shape[0], ops.zeros((), x.dtype, x.device)
    if n == 0:
        side = abs(offset)
        return ops.zeros((side, side), x.dtype, x.device)
    # n zeros between two elements put them on the diagonal of n columns
    square = ops.reshape_p(ops.pad_p(x, zero, ((0, 0, n),)), (n, n))
    up, down = max(offset, 0), max(-offset, 0)
    return ops.pad_p(square, zero, ((down, up, 0), (up, down, 0)))


def trace_of(
    x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None
) -> Tensor:
    """The sum of a `diagonal`; small integers sum in 32 bits."""
    return ops.sum(diagonal(x, offset, axis1, axis2), -1, dtype=dtype)


def last_diagonal(x: Any, /, *, offset: int = 0) -> Tensor:
    """A diagonal of the matrices in the last two axes, (..., min(m, n)).

    ``offset`` counts from the main diagonal, up and to the right.
    """
    return diagonal(x, offset, -2, -1)


def last_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Tensor:
    """The sum of `diagonal`, (...). Small integers sum in 32 bits.

    Parameters
    ----------
    offset : int
    dtype : optional
        Cast to it before summing.
    """
    return trace_of(x, offset, -2, -1, dtype)
