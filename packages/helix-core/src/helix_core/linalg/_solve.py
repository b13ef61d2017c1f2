"""Linear equations, inverses and determinants."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

from .. import _dtypes as dt
from .. import _ops as ops
from .._errors import ShapeError
from .._primitive import bind
from .._primitives import linalg as P
from .._primitives._rules import normal_axes
from .._primitives.linalg_spectral import svd_p
from .._take import take_along_axis
from .._tensor import Tensor
from ._check import aligned, matrix, tensor_of
from ._norms import counted, default_rtol


class SlogdetResult(NamedTuple):
    sign: Tensor
    logabsdet: Tensor


class LstsqResult(NamedTuple):
    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


def solve(x1: Any, x2: Any, /) -> Tensor:
    """The X of x1 X = x2.

    Parameters
    ----------
    x1 : Tensor, (..., n, n)
    x2 : Tensor, (n,) or (..., n, k)
        One vector, or matrices; batch axes broadcast.

    Returns
    -------
    Tensor, (..., n) or (..., n, k)

    Raises
    ------
    LinAlgError
        If a matrix is singular; the message says which of a batch.

    Examples
    --------
    >>> import helix_core as hx
    >>> solve(hx.tensor([[2.0, 0.0], [0.0, 4.0]]), hx.tensor([2.0, 2.0])).tolist()
    [1.0, 0.5]
    """
    b = tensor_of(x2)
    a, wide = aligned("solve", x1, ops.expand_dims(b, -1) if b.ndim == 1 else b)
    x = bind(P.solve_p, a, wide, name="solve")
    return ops.squeeze(x, -1) if b.ndim == 1 else x


def inv(x: Any, /) -> Tensor:
    """Inverses of square matrices, (..., n, n).

    Raises
    ------
    LinAlgError
        If a matrix is singular; the message says which of a batch.
    """
    a = matrix("inv", x, square=True)
    one = ops.broadcast_p(P.eye(a.shape[-1], a), a.shape)
    y: Tensor = bind(P.solve_p, a, one, name="inv")
    return y


def triangular_solve(
    a: Any, b: Any, /, *, upper: bool = False, unit_diagonal: bool = False
) -> Tensor:
    """The X of T X = b, by substitution, where T is a triangle of a.

    Parameters
    ----------
    a : Tensor, (..., n, n)
        The other triangle is not read, and gets no gradient.
    b : Tensor, (..., n, k)
        Batch axes broadcast.
    upper : bool
        The upper triangle.
    unit_diagonal : bool
        The diagonal counts as ones, and is not read either.

    Raises
    ------
    LinAlgError
        If the diagonal has a zero.
    """
    a, b = aligned("triangular_solve", a, b)
    return _triangular(a, b, upper, unit_diagonal)


def _triangular(a: Tensor, b: Tensor, upper: bool, unit: bool = False) -> Tensor:
    y: Tensor = P.triangular(a, b, not upper, bool(unit))
    return y


def cholesky_solve(b: Any, factor: Any, /, *, upper: bool = False) -> Tensor:
    """The X of A X = b from ``factor = cholesky(A, upper=upper)``; batches broadcast.

    Parameters
    ----------
    b : Tensor, (..., n, k)
    factor : Tensor, (..., n, n)
    upper : bool
    """
    factor, b = aligned("cholesky_solve", factor, b)
    low = P.mh(factor) if upper else factor
    return _triangular(P.mh(low), _triangular(low, b, False), True)


def lu_solve(lu: Any, perm: Any, b: Any, /) -> Tensor:
    """The X of A X = b from ``lu, perm = lu_factor(A)``; batches broadcast.

    Parameters
    ----------
    lu : Tensor, (..., n, n)
    perm : Tensor, (..., n), int32
    b : Tensor, (..., n, k)
    """
    lu, b = aligned("lu_solve", lu, b)
    perm = tensor_of(perm)
    if perm.dtype.category != "int" or perm.shape[-1:] != lu.shape[-1:]:
        raise ShapeError(
            f"[lu_solve] expected the permutation of lu_factor, of {lu.shape[-1]} "
            f"integers; got {perm.aval!r}"
        )
    places = ops.broadcast_to(ops.expand_dims(perm, -1), b.shape)
    rows = take_along_axis(b, places, -2)
    return _triangular(lu, _triangular(lu, rows, False, True), True)


def pinv(x: Any, /, *, rtol: Any = None, hermitian: bool = False) -> Tensor:
    """Moore-Penrose pseudo-inverses, (..., n, m) of (..., m, n).

    Parameters
    ----------
    x : Tensor, (..., m, n)
    rtol : float or Tensor (...), optional
        Singular values up to ``rtol`` times the largest count as zero; default
        max(m, n) times the machine epsilon. Gets no gradient.
    hermitian : bool
        x is Hermitian: through its eigenvalues, and the lower triangle is read.

    Notes
    -----
    The gradient is that at a constant rank, and finite for any.
    """
    x = matrix("pinv", x, square=hermitian)
    limit = _limits("pinv", x, rtol)
    y: Tensor = bind(P.pinv_p, x, limit, hermitian=bool(hermitian))
    return y


def _limits(op: str, x: Tensor, rtol: Any) -> Tensor:
    """A relative tolerance for each matrix."""
    real = dt.real_dtype(x.dtype)
    t = tensor_of(default_rtol(x) if rtol is None else rtol)
    t = ops.detach(ops.tensor(t, real, x.device))
    batch = x.shape[:-2]
    if t.ndim > len(batch):
        raise ShapeError(f"[{op}] expected rtol for a batch of {batch}; got {t.aval!r}")
    return ops.broadcast_to(t, batch)


def lstsq(a: Any, b: Any, /, *, rtol: Any = None) -> LstsqResult:
    """The shortest X that makes the columns of a X - b shortest.

    Parameters
    ----------
    a : Tensor, (..., m, n)
        Of any rank.
    b : Tensor, (m,) or (..., m, k)
        One vector, or matrices; batch axes broadcast.
    rtol : float or Tensor (...), optional
        As in `pinv`, through which this goes.

    Returns
    -------
    LstsqResult
        solution (..., n, k); residuals (..., k): the squared lengths of the columns of
        a X - b, for any rank; rank (...), int32; singular_values (..., min(m, n)).
        Without the axis k for one vector.
    """
    b = tensor_of(b)
    one = b.ndim == 1
    a, b = aligned("lstsq", a, ops.expand_dims(b, -1) if one else b)
    P.matrices("lstsq", a.aval, b.aval)
    if a.shape[-2] != b.shape[-2]:
        raise ShapeError(
            f"[lstsq] expected as many rows in a and b; got {a.aval!r}, {b.aval!r}"
        )
    rtol = default_rtol(a) if rtol is None else rtol
    x = P.mm(pinv(a, rtol=rtol), b)
    away = P.mm(a, x) - b
    lengths = ops.sum(ops.real(ops.mul(away, ops.conj(away))), -2)
    s = bind(svd_p, a, full_matrices=False, vectors=False)[0]
    if one:
        x, lengths = ops.squeeze(x, -1), ops.squeeze(lengths, -1)
    return LstsqResult(x, lengths, counted(s, _limits("lstsq", a, rtol)), s)


def det(x: Any, /) -> Tensor:
    """Determinants, (...), of (..., n, n).

    Notes
    -----
    The gradient is the matrix of cofactors, right for singular matrices too; so is the
    second one. Where a determinant overflows, use `slogdet`.
    """
    y: Tensor = bind(P.det_p, matrix("det", x, square=True))
    return y


def slogdet(x: Any, /) -> SlogdetResult:
    """Sign (or phase) and logarithm of the absolute value of determinants.

    Parameters
    ----------
    x : Tensor, (..., n, n)

    Returns
    -------
    SlogdetResult
        sign (...), of x's dtype; logabsdet (...), real. Of a singular matrix 0 and
        -inf; the gradient raises LinAlgError there.
    """
    return SlogdetResult(*bind(P.slogdet_p, matrix("slogdet", x, square=True)))


def tensorsolve(a: Any, b: Any, /, axes: Sequence[int] | None = None) -> Tensor:
    """The X of tensordot(a, X, X.ndim) = b.

    Parameters
    ----------
    a : Tensor, b.shape + X.shape
        As many elements in the first b.ndim axes as in b, and in the others.
    b : Tensor
    axes : sequence of int, optional
        Axes of a that are moved to its end first.
    """
    a, b = tensor_of(a), tensor_of(b)
    if axes is not None:
        last = normal_axes("tensorsolve", tuple(axes), a.ndim)
        a = ops.permute_dims(a, [i for i in range(a.ndim) if i not in last] + [*last])
    shape, n = a.shape[b.ndim :], b.aval.size
    if prod(a.shape[: b.ndim]) != n or prod(shape) != n:
        raise ShapeError(
            f"[tensorsolve] expected {n} elements, as many as b has, in the first "
            f"{b.ndim} axes of a and in the others; got {a.aval!r}, {b.aval!r}"
        )
    x = solve(ops.reshape_p(a, (n, n)), ops.reshape_p(b, (n,)))
    return ops.reshape_p(x, shape)


def tensorinv(a: Any, /, ind: int = 2) -> Tensor:
    """The inverse of ``tensordot(a, ., ind)``: its first ``ind`` axes come last."""
    a = tensor_of(a)
    lead, rest = a.shape[:ind], a.shape[ind:]
    if ind < 1 or prod(lead) != prod(rest):
        raise ShapeError(
            "[tensorinv] expected as many elements in the first ind axes as in the "
            f"others; got {a.aval!r}, ind={ind}"
        )
    n = prod(lead)
    return ops.reshape_p(inv(ops.reshape_p(a, (n, n))), (*rest, *lead))
