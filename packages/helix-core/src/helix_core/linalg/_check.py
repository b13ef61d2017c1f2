"""What every function asks of its arguments first."""

from __future__ import annotations

from math import prod
from typing import Any

from .. import _dtypes as dt
from .. import _ops as ops
from .._aval import Aval
from .._errors import DTypeError, ShapeError
from .._primitives._rules import broadcast_shapes, shapes
from .._primitives.linalg import matrices
from .._tensor import Tensor


def tensor_of(x: Any) -> Tensor:
    return ops.as_tensor(ops.operand(x))


def matrix(op: str, x: Any, square: bool = False) -> Tensor:
    """A tensor of matrices of a dtype that LAPACK has."""
    t = tensor_of(x)
    matrices(op, t.aval, square=square)
    return t


def numbers(op: str, x: Any) -> Tensor:
    """A tensor of any dtype but bool."""
    t = tensor_of(x)
    if t.dtype is dt.bool_:
        raise DTypeError(f"[{op}] expected numbers; got {t.aval!r}")
    return t


def floats(op: str, x: Any) -> Tensor:
    """A tensor of float or complex numbers."""
    t = tensor_of(x)
    if not t.dtype.inexact:
        raise DTypeError(
            f"[{op}] expected float or complex; got {t.aval!r}. "
            "Hint: x.astype('float32')"
        )
    return t


def aligned(op: str, a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Two tensors of matrices with one dtype and the same batch axes."""
    a, b = ops.lift(a, b)
    if a.ndim < 2 or b.ndim < 2:
        raise ShapeError(
            f"[{op}] expected matrices, of at least 2 axes; got {shapes(a.aval, b.aval)}"
        )
    lead = broadcast_shapes(
        op, Aval(a.shape[:-2], a.dtype), Aval(b.shape[:-2], b.dtype)
    )
    return (
        ops.broadcast_p(a, (*lead, *a.shape[-2:])),
        ops.broadcast_p(b, (*lead, *b.shape[-2:])),
    )


def whole(op: str, what: str, value: Any) -> int:
    """An int, and not a bool."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise DTypeError(f"[{op}] expected an integer {what}; got {value!r}")
    return int(value.__index__())


def size(sizes: Any) -> int:
    return prod(sizes)
