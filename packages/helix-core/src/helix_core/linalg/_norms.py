"""Norms, condition numbers and ranks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _dtypes as dt
from .. import _ops as ops
from .._errors import ShapeError
from .._primitive import bind
from .._primitives._rules import normal_axes
from .._primitives.linalg import eye, solve_p
from .._primitives.linalg_spectral import eigh_p, svd_p
from .._tensor import Tensor
from ._check import floats, matrix, size, tensor_of

Ord = int | float | str | None


def default_rtol(x: Tensor) -> float:
    """max(m, n) times the machine epsilon of the dtype."""
    return max(x.shape[-2:]) * float(np.finfo(x.dtype.dtype).eps)


def counted(s: Tensor, rtol: Any) -> Tensor:
    """How many of the values are above ``rtol`` times the largest, as int32."""
    if s.shape[-1] == 0:
        return ops.zeros(s.shape[:-1], dt.int32, s.device)
    limit = ops.mul(ops.max(s, -1), rtol)
    return ops.sum(ops.cast(ops.gt(s, ops.expand_dims(limit, -1)), dt.int32), -1)


def vector_norm(
    x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: int | float = 2
) -> Tensor:
    """``(sum |x|^ord)^(1/ord)`` along axes; over all elements by default.

    Parameters
    ----------
    x : Tensor, float or complex
    axis : int or tuple of int, optional
    keepdims : bool
        Reduced axes stay, with size 1.
    ord : float
        inf and -inf: the largest and smallest modulus; 0: how many are not 0.

    Returns
    -------
    Tensor
        Real. The gradient at a zero vector is zero, as torch's.
    """
    x = floats("vector_norm", x)
    if isinstance(ord, str) or ord is None:
        raise ShapeError(f"[vector_norm] expected a number as ord; got {ord!r}")
    a = ops.abs(x)
    if ord == math.inf:
        return ops.max(a, axis, keepdims)
    if ord == -math.inf:
        return ops.min(a, axis, keepdims)
    if ord == 0:
        return ops.sum(ops.cast(ops.ne(a, 0), a.dtype), axis, keepdims)
    if ord == 1:
        return ops.sum(a, axis, keepdims)
    if ord == 2:
        total = ops.sum(ops.real(ops.mul(x, ops.conj(x))), axis, keepdims)
        return _root(total, 0.5)
    zero = ops.eq(a, 0)
    powers = ops.power(ops.where(zero, 1.0, a), float(ord))
    powers = ops.where(zero, math.inf if ord < 0 else 0.0, powers)
    return _root(ops.sum(powers, axis, keepdims), 1.0 / ord)


def _root(total: Tensor, power: float) -> Tensor:
    """total ** power; 0 and without a gradient where it is 0, or infinite to 0."""
    nothing = ops.eq(total, 0 if power > 0 else math.inf)
    y = ops.power(ops.where(nothing, 1.0, total), power)
    return ops.where(nothing, 0.0, y)


def matrix_norm(
    x: Any,
    /,
    *,
    keepdims: bool = False,
    ord: Ord = "fro",
    axis: tuple[int, int] = (-2, -1),
) -> Tensor:
    """A norm of each matrix, (...), real.

    Parameters
    ----------
    x : Tensor, (..., m, n), float or complex
    keepdims : bool
    ord : {"fro", "nuc", 1, -1, 2, -2, inf, -inf}
        Frobenius; the sum of singular values; the largest and smallest sum of moduli
        of a column (1), singular value (2) and sum of a row (inf).
    axis : tuple of int
        Rows and columns.
    """
    x = floats("matrix_norm", x)
    if x.ndim < 2 or len(axis) != 2:
        raise ShapeError(f"[matrix_norm] expected matrices; got {x.aval!r}, {axis=}")
    i, j = normal_axes("matrix_norm", axis, x.ndim)
    x = ops.moveaxis(x, (i, j), (-2, -1))
    y = _of_last(x, ord)
    if not keepdims:
        return y
    shape = list(y.shape)
    for k in sorted((i, j)):
        shape.insert(k, 1)
    return ops.reshape_p(y, tuple(shape))


def _of_last(x: Tensor, ord: Ord) -> Tensor:
    if ord == "fro":
        return vector_norm(x, axis=(-2, -1))
    if ord in ("nuc", 2, -2):
        s = bind(svd_p, matrix("matrix_norm", x), full_matrices=False, vectors=False)[0]
        if ord == "nuc":
            return ops.sum(s, -1)
        return ops.max(s, -1) if ord == 2 else ops.min(s, -1)
    if ord in (1, -1, math.inf, -math.inf):
        assert isinstance(ord, (int, float))
        sums = ops.sum(ops.abs(x), -2 if abs(ord) == 1 else -1)
        return ops.max(sums, -1) if ord > 0 else ops.min(sums, -1)
    raise ShapeError(
        "[matrix_norm] expected ord of 'fro', 'nuc', 1, -1, 2, -2, inf, -inf; "
        f"got {ord!r}"
    )


def norm(
    x: Any, /, ord: Ord = None, axis: Any = None, keepdims: bool = False
) -> Tensor:
    """`vector_norm` over one axis, `matrix_norm` over two, as NumPy's and torch's.

    Without ``axis`` a vector or a matrix is expected where ``ord`` is given; without
    both it is the 2-norm of all elements.
    """
    x = floats("norm", x)
    if axis is None:
        if ord is None:
            return vector_norm(x, keepdims=keepdims)
        if x.ndim not in (1, 2):
            raise ShapeError(
                f"[norm] expected a vector or a matrix; got {x.aval!r}. Hint: axis="
            )
        axis = tuple(range(x.ndim))
    axis = (axis,) if isinstance(axis, int) else tuple(axis)
    if len(axis) == 1:
        if isinstance(ord, str):
            raise ShapeError(f"[norm] expected a number for vectors; got ord={ord!r}")
        return vector_norm(
            x, axis=axis[0], keepdims=keepdims, ord=2 if ord is None else ord
        )
    if len(axis) != 2:
        raise ShapeError(f"[norm] expected one axis or two; got {axis}")
    return matrix_norm(
        x, axis=axis, keepdims=keepdims, ord="fro" if ord is None else ord
    )


def cond(x: Any, /, p: Ord = None) -> Tensor:
    """Condition numbers, (...): ``|x| |inv(x)|`` in the norm p.

    Parameters
    ----------
    x : Tensor, (..., m, n)
        Square unless p is None, 2 or -2.
    p : optional
        As ``ord`` of `matrix_norm`. None and 2: the largest singular value over the
        smallest; -2: its inverse. inf for singular matrices there; a LinAlgError with
        the others.
    """
    if p in (None, 2, -2):
        x = matrix("cond", x)
        if not size(x.shape[-2:]):
            raise ShapeError(f"[cond] expected matrices with elements; got {x.aval!r}")
        s = bind(svd_p, x, full_matrices=False, vectors=False)[0]
        k = s.ndim - 1
        top = ops.squeeze(ops.narrow(s, k, 0, 1), -1)
        low = ops.squeeze(ops.narrow(s, k, s.shape[-1] - 1, s.shape[-1]), -1)
        return top / low if p != -2 else low / top
    x = matrix("cond", x, square=True)
    one = ops.broadcast_p(eye(x.shape[-1], x), x.shape)
    return _of_last(x, p) * _of_last(bind(solve_p, x, one, name="cond"), p)


def matrix_rank(
    x: Any, /, *, rtol: Any = None, atol: Any = None, hermitian: bool = False
) -> Tensor:
    """How many singular values count as not zero, (...), int32.

    Parameters
    ----------
    x : Tensor, (..., m, n)
    rtol : float or Tensor (...), optional
        Relative to the largest singular value; default max(m, n) times the machine
        epsilon, or 0 where ``atol`` is given.
    atol : float or Tensor (...), optional
    hermitian : bool
        x is Hermitian: by its eigenvalues, faster.
    """
    x = matrix("matrix_rank", x, square=hermitian)
    if hermitian:
        s = ops.abs(bind(eigh_p, x, uplo="L", vectors=False)[0])
    else:
        s = bind(svd_p, x, full_matrices=False, vectors=False)[0]
    s = ops.detach(s)
    rtol = (default_rtol(x) if atol is None else 0.0) if rtol is None else rtol
    if atol is None:
        return counted(s, rtol)
    if s.shape[-1] == 0:
        return counted(s, 0.0)
    limit = ops.maximum(ops.mul(ops.max(s, -1), rtol), tensor_of(atol))
    return ops.sum(ops.cast(ops.gt(s, ops.expand_dims(limit, -1)), dt.int32), -1)
