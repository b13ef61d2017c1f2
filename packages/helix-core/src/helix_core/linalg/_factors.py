"""Factorisations: Cholesky, LU, QR, singular values, eigenvalues."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from .. import _ops as ops
from .._create import eye
from .._errors import ShapeError
from .._primitive import bind
from .._primitives.linalg import cholesky_p, lu_p, mh
from .._primitives.linalg_spectral import eig_p, eigh_p, qr_p, svd_p
from .._tensor import Tensor
from ._check import matrix


class QRResult(NamedTuple):
    Q: Tensor
    R: Tensor


class SVDResult(NamedTuple):
    U: Tensor
    S: Tensor
    Vh: Tensor


class EigenResult(NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor


class LUResult(NamedTuple):
    P: Tensor
    L: Tensor
    U: Tensor


def cholesky(x: Any, /, *, upper: bool = False) -> Tensor:
    """L with x = L L^H, or U with x = U^H U; its diagonal is positive.

    Parameters
    ----------
    x : Tensor, (..., n, n)
        Hermitian and positive definite: the lower triangle is read. The gradient is
        the Hermitian one, (g + g^H) / 2, as torch's and JAX's.
    upper : bool

    Raises
    ------
    LinAlgError
        If a matrix is not positive definite, or not finite; it is named.

    Examples
    --------
    >>> import helix_core as hx
    >>> cholesky(hx.tensor([[4.0, 0.0], [0.0, 9.0]])).tolist()
    [[2.0, 0.0], [0.0, 3.0]]
    """
    low = bind(cholesky_p, matrix("cholesky", x, square=True))
    return mh(low) if upper else low


def lu_factor(x: Any, /) -> tuple[Tensor, Tensor]:
    """Packed factors of x with its rows exchanged: ``x[perm] = L U``.

    Parameters
    ----------
    x : Tensor, (..., m, n)

    Returns
    -------
    lu : Tensor, (..., m, n)
        U on and above the diagonal; L below it, whose diagonal is 1.
    perm : Tensor, (..., m), int32
        Row i of the product is row ``perm[i]`` of x. For `lu_solve`.

    Notes
    -----
    The gradient needs the leading square part of U to be invertible.
    """
    packed: tuple[Tensor, Tensor] = bind(lu_p, matrix("lu_factor", x))
    return packed


def lu(x: Any, /) -> LUResult:
    """x = P L U by elimination with partial pivoting.

    Parameters
    ----------
    x : Tensor, (..., m, n)

    Returns
    -------
    LUResult
        P (..., m, m), a permutation; L (..., m, k), with ones on its diagonal; and U
        (..., k, n); k = min(m, n).
    """
    packed, perm = lu_factor(matrix("lu", x))
    m, n = packed.shape[-2:]
    k, rows, cols = min(m, n), packed.ndim - 2, packed.ndim - 1
    low = ops.tril(ops.narrow(packed, cols, 0, k), -1)
    one = eye(m, k, packed.dtype, packed.device)
    columns = ops.reshape_p(ops.arange(m, device=packed.device), (m, 1))
    onehot = ops.eq(columns, ops.expand_dims(perm, -2))
    return LUResult(
        ops.cast(onehot, packed.dtype),
        low + one,
        ops.triu(ops.narrow(packed, rows, 0, k)),
    )


def qr(
    x: Any, /, *, mode: Literal["reduced", "complete", "r"] = "reduced"
) -> QRResult | Tensor:
    """x = Q R with orthonormal columns of Q and an upper triangle R.

    Parameters
    ----------
    x : Tensor, (..., m, n)
    mode : {"reduced", "complete", "r"}
        Q is (..., m, k) and R (..., k, n) with k = min(m, n); or k = m; or R of the
        first alone is returned.

    Returns
    -------
    QRResult, or Tensor
        Signs are LAPACK's: the diagonal of R is real, of either sign.

    Notes
    -----
    The gradient needs the leading square part of R to be invertible; it raises for
    ``mode="complete"`` and m > n, where columns of Q are arbitrary.
    """
    if mode not in ("reduced", "complete", "r"):
        raise ShapeError(
            f"[qr] expected mode='reduced', 'complete' or 'r'; got {mode!r}"
        )
    q, r = bind(qr_p, matrix("qr", x), complete=mode == "complete")
    return r if mode == "r" else QRResult(q, r)


def svd(x: Any, /, *, full_matrices: bool = True) -> SVDResult:
    """x = U diag(S) Vh, singular values descending.

    Parameters
    ----------
    x : Tensor, (..., m, n)
    full_matrices : bool
        U is (..., m, m) and Vh (..., n, n); else (..., m, k) and (..., k, n) with
        k = min(m, n). The columns beyond k are arbitrary: gradients of them are not
        followed.

    Returns
    -------
    SVDResult

    Raises
    ------
    LinAlgError
        If a matrix is not finite.

    Notes
    -----
    Vectors are defined up to a sign, or a phase; the gradient is right for what does
    not depend on it. Through U and Vh it is not finite where singular values are equal,
    or are 0 in a matrix that is not square; through S alone it always is (`svdvals`).
    """
    u, s, vh = bind(
        svd_p, matrix("svd", x), full_matrices=bool(full_matrices), vectors=True
    )
    return SVDResult(u, s, vh)


def svdvals(x: Any, /) -> Tensor:
    """Singular values, descending, (..., min(m, n)); faster than `svd`."""
    s: Tensor = bind(svd_p, matrix("svdvals", x), full_matrices=False, vectors=False)[0]
    return s


def eigh(x: Any, /, *, UPLO: str = "L") -> EigenResult:
    """Eigenvalues, ascending and real, and eigenvectors of Hermitian matrices.

    Parameters
    ----------
    x : Tensor, (..., n, n)
    UPLO : {"L", "U"}
        The triangle that is read. The gradient is the Hermitian one, of both.

    Returns
    -------
    EigenResult
        ``x @ v = v * w``: column i of the vectors belongs to value i.

    Raises
    ------
    LinAlgError
        If a matrix is not finite.

    Notes
    -----
    Vectors are defined up to a sign, or a phase; the gradient is right for what does
    not depend on it. Through vectors it is not finite where eigenvalues are equal.
    """
    w, v = bind(eigh_p, matrix("eigh", x, square=True), uplo=UPLO, vectors=True)
    return EigenResult(w, v)


def eigvalsh(x: Any, /, *, UPLO: str = "L") -> Tensor:
    """Eigenvalues of Hermitian matrices, ascending, (..., n); faster than `eigh`."""
    x = matrix("eigvalsh", x, square=True)
    w: Tensor = bind(eigh_p, x, uplo=UPLO, vectors=False)[0]
    return w


def eig(x: Any, /) -> EigenResult:
    """Eigenvalues and eigenvectors of any square matrices, complex, in LAPACK's order.

    Parameters
    ----------
    x : Tensor, (..., n, n)

    Returns
    -------
    EigenResult
        complex64 or complex128, also of real matrices; the vectors have norm 1.

    Raises
    ------
    LinAlgError
        If a matrix is not finite.

    Notes
    -----
    The gradient needs different eigenvalues, and is right for what does not depend on
    the phase of the vectors.
    """
    w, v = bind(eig_p, matrix("eig", x, square=True), vectors=True)
    return EigenResult(w, v)


def eigvals(x: Any, /) -> Tensor:
    """Eigenvalues of any square matrices, complex, (..., n)."""
    w: Tensor = bind(eig_p, matrix("eigvals", x, square=True), vectors=False)[0]
    return w
