"""Products of matrices and vectors."""

from __future__ import annotations

from collections.abc import Sequence

from .. import _arrange, _contract
from .._errors import ShapeError
from .._tensor import Tensor
from ._check import NUMERIC, pair_of, tensor_of


def both(name: str, x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor]:
    a, b = pair_of(name, tensor_of(name, x1), tensor_of(name, x2), NUMERIC)
    return a, b


def matmul(x1: Tensor, x2: Tensor, /) -> Tensor:
    """Matrix product over the last two axes; vectors and batches as in NumPy."""
    return _contract.matmul(*both("matmul", x1, x2))


def matrix_transpose(x: Tensor, /) -> Tensor:
    """The last two axes exchanged."""
    return _arrange.matrix_transpose(tensor_of("matrix_transpose", x))


def tensordot(
    x1: Tensor,
    x2: Tensor,
    /,
    *,
    axes: int | tuple[Sequence[int], Sequence[int]] = 2,
) -> Tensor:
    """Sum of products over the last axes of x1 and first of x2, or over axis pairs."""
    return _contract.tensordot(*both("tensordot", x1, x2), axes)


def vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """sum(conj(x1) x2) along an axis, counted from the end."""
    a, b = both("vecdot", x1, x2)
    if axis >= 0:
        raise ShapeError(f"[vecdot] expected an axis below 0; got {axis}")
    return _arrange.vecdot(a, b, axis)
