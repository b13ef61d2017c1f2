"""The ``linalg`` extension: ``hx.linalg`` with the standard's signatures and dtypes."""

from __future__ import annotations

from typing import Any

from .. import linalg as _linalg
from .._dtypes import DType
from .._errors import ShapeError
from .._tensor import Tensor
from ..linalg import EigenResult, QRResult, SlogdetResult, SVDResult
from ..linalg._diagonal import last_diagonal, last_trace
from ._check import ALL, FLOAT, NUMERIC, tensor_of
from ._products import both
from ._products import matmul as matmul
from ._products import matrix_transpose as matrix_transpose
from ._products import tensordot as tensordot
from ._products import vecdot as vecdot

__all__ = (
    "cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power "
    "matrix_rank matrix_transpose outer pinv qr slogdet solve svd svdvals tensordot trace "
    "vecdot vector_norm"
).split()


def _matrix(name: str, x: Any, kinds: tuple[str, ...] = FLOAT) -> Tensor:
    t = tensor_of(name, x, kinds)
    if t.ndim < 2:
        raise ShapeError(f"[{name}] expected at least 2 axes; got {t.aval!r}")
    return t


def cholesky(x: Tensor, /, *, upper: bool = False) -> Tensor:
    """The triangular factor of a positive definite matrix: x = L L^H, or U^H U."""
    return _linalg.cholesky(_matrix("cholesky", x), upper=upper)


def cross(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """The cross product of vectors of 3 elements along an axis, counted from the end."""
    a, b = both("cross", x1, x2)
    if axis >= 0:
        raise ShapeError(f"[cross] expected an axis below 0; got {axis}")
    return _linalg.cross(a, b, axis=axis)


def det(x: Tensor, /) -> Tensor:
    """The determinant."""
    return _linalg.det(_matrix("det", x))


def diagonal(x: Tensor, /, *, offset: int = 0) -> Tensor:
    """A diagonal of the last two axes."""
    return last_diagonal(_matrix("diagonal", x, ALL), offset=offset)


def eigh(x: Tensor, /) -> EigenResult:
    """Eigenvalues, ascending, and eigenvectors of a Hermitian matrix."""
    return _linalg.eigh(_matrix("eigh", x))


def eigvalsh(x: Tensor, /) -> Tensor:
    """Eigenvalues of a Hermitian matrix, ascending."""
    return _linalg.eigvalsh(_matrix("eigvalsh", x))


def inv(x: Tensor, /) -> Tensor:
    """The inverse.

    Raises
    ------
    LinAlgError
        If the matrix is singular.
    """
    return _linalg.inv(_matrix("inv", x))


def matrix_norm(
    x: Tensor, /, *, keepdims: bool = False, ord: float | str | None = "fro"
) -> Tensor:
    """The norm of the matrices in the last two axes: "fro", "nuc", 1, 2, inf, -..."""
    kind: Any = "fro" if ord is None else ord
    x = _matrix("matrix_norm", x)
    return _linalg.matrix_norm(x, keepdims=keepdims, ord=kind)


def matrix_power(x: Tensor, n: int, /) -> Tensor:
    """The n-th power of a square matrix; of its inverse where n < 0."""
    return _linalg.matrix_power(_matrix("matrix_power", x), n)


def matrix_rank(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """How many singular values exceed ``rtol`` times the largest; int32."""
    return _linalg.matrix_rank(_matrix("matrix_rank", x), rtol=rtol)


def outer(x1: Tensor, x2: Tensor, /) -> Tensor:
    """Every product of two vectors."""
    a, b = both("outer", x1, x2)
    return _linalg.outer(a, b)


def pinv(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """The Moore-Penrose inverse; singular values up to ``rtol`` times the largest are 0."""
    return _linalg.pinv(_matrix("pinv", x), rtol=rtol)


def qr(x: Tensor, /, *, mode: str = "reduced") -> QRResult:
    """x = Q R with orthonormal columns Q and upper triangular R."""
    if mode not in ("reduced", "complete"):
        raise ValueError(f"[qr] expected mode 'reduced' or 'complete'; got {mode!r}")
    form: Any = mode
    out = _linalg.qr(_matrix("qr", x), mode=form)
    assert isinstance(out, QRResult)
    return out


def slogdet(x: Tensor, /) -> SlogdetResult:
    """The sign of the determinant, and the logarithm of its modulus."""
    return _linalg.slogdet(_matrix("slogdet", x))


def solve(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The solution of x1 y = x2; x2 is one vector, or matrices.

    Raises
    ------
    LinAlgError
        If x1 is singular.
    """
    a, b = both("solve", x1, x2)
    return _linalg.solve(_matrix("solve", a), tensor_of("solve", b, FLOAT))


def svd(x: Tensor, /, *, full_matrices: bool = True) -> SVDResult:
    """x = U diag(S) Vh, with S descending."""
    return _linalg.svd(_matrix("svd", x), full_matrices=full_matrices)


def svdvals(x: Tensor, /) -> Tensor:
    """Singular values, descending."""
    return _linalg.svdvals(_matrix("svdvals", x))


def trace(x: Tensor, /, *, offset: int = 0, dtype: DType | None = None) -> Tensor:
    """The sum along a diagonal of the last two axes; dtypes as in `sum`."""
    return last_trace(_matrix("trace", x, NUMERIC), offset=offset, dtype=dtype)


def vector_norm(
    x: Tensor,
    /,
    *,
    axis: int | tuple[int, ...] | None = None,
    keepdims: bool = False,
    ord: float = 2,
) -> Tensor:
    """(sum |x|^ord)^(1/ord) along axes; inf, -inf: the extrema; 0: how many are not 0."""
    x = tensor_of("vector_norm", x, FLOAT)
    return _linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord)
