"""NumPy lowering of linear algebra: LAPACK where NumPy has it, blocks where not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._errors import LinAlgError
from .quiet import quiet

Array = np.ndarray
lapack: Any = np.linalg  # its overloads know no Array of any dtype
_BLOCK = 64  # columns that are eliminated, or rows that are solved, at a time

_SINGULAR = (
    "non-singular matrices",
    "a singular one",
    "hx.linalg.lstsq or hx.linalg.pinv take any matrix",
)
_INDEFINITE = (
    "positive definite matrices",
    "one that is not",
    "only the lower triangle is read; a multiple of the identity shifts eigenvalues up",
)
_STUCK = (
    "finite matrices whose iteration converges",
    "one that is not finite, or does not converge",
    "hx.isfinite(x).all()",
)


def _run(op: str, why: tuple[str, str, str], dev: Any, f: Any, *arrays: Array) -> Any:
    """``f(*arrays)``; where LAPACK gives up, an error that names the matrix."""
    try:
        return f(*arrays)
    except np.linalg.LinAlgError:
        batch = arrays[0].shape[:-2]
        where = next((i for i in np.ndindex(*batch) if _fails(f, arrays, i)), ())
        place = f" at batch index {where}" if batch else ""
        raise LinAlgError(
            f"[{op}] expected {why[0]}; got {why[1]}{place} of {arrays[0].dtype}"
            f"{list(arrays[0].shape)} on {dev.name!r}. Hint: {why[2]}"
        ) from None


def _fails(f: Any, arrays: Any, index: tuple[int, ...]) -> bool:
    try:
        f(*[a[index] for a in arrays])
    except np.linalg.LinAlgError:
        return True
    return False


def _solve(dev: Any, a: Array, b: Array, name: str, out: Any = None) -> Array:
    x: Array = _run(name, _SINGULAR, dev, np.linalg.solve, a, b)
    return x


def _triangular_solve(
    dev: Any, a: Array, b: Array, lower: bool, unit: bool, out: Any = None
) -> Array:
    def run(a: Array, b: Array) -> Array:
        return _substitute(a, b, lower, unit)

    x: Array = _run("triangular_solve", _SINGULAR, dev, run, a, b)
    return x


def _substitute(a: Array, b: Array, lower: bool, unit: bool) -> Array:
    """By blocks from the last row; a lower triangle is an upper one read backwards.

    Elimination leaves an upper triangle as it is, so that LAPACK's general solver is
    substitution alone there.
    """
    if lower:
        a, b = a[..., ::-1, ::-1], b[..., ::-1, :]
    a = np.triu(a, int(unit))
    n = a.shape[-1]
    if unit:
        a[..., range(n), range(n)] = 1
    x = np.empty_like(b)
    for stop in range(n, 0, -_BLOCK):
        rows = slice(max(stop - _BLOCK, 0), stop)
        rest = b[..., rows, :] - a[..., rows, stop:] @ x[..., stop:, :]
        x[..., rows, :] = np.linalg.solve(a[..., rows, rows], rest)
    return np.ascontiguousarray(x[..., ::-1, :]) if lower else x


def _cholesky(dev: Any, a: Array, out: Any = None) -> Array:
    low: Array = _run("cholesky", _INDEFINITE, dev, _definite, a)
    return low


def _definite(a: Array) -> Array:
    low: Array = np.linalg.cholesky(a)
    _need_finite(np.einsum("...ii->...i", low))
    return low


def _need_finite(a: Array) -> None:
    """LAPACK's own checks miss many."""
    if not np.isfinite(a).all():
        raise np.linalg.LinAlgError


def _lu(dev: Any, a: Array, out: Any = None) -> tuple[Array, Array]:
    """Right-looking, with partial pivoting, all matrices of a batch at once."""
    m, n = a.shape[-2:]
    lu = a.reshape(-1, m, n) if a.size else np.empty((0, m, n), a.dtype)
    lu = np.array(lu)
    each = np.arange(len(lu))
    perm = np.empty((len(lu), m), np.int32)
    perm[:] = np.arange(m)
    for start in range(0, min(m, n), _BLOCK):
        stop = min(start + _BLOCK, m, n)
        for j in range(start, stop):
            below = lu[:, j:, j]
            p = j + np.argmax(np.abs(below.real) + np.abs(below.imag), 1)
            lu[each, j], lu[each, p] = lu[each, p], lu[each, j]
            perm[each, j], perm[each, p] = perm[each, p], perm[each, j]
            pivot = lu[:, j, j, None]
            lu[:, j + 1 :, j] /= np.where(pivot == 0, 1, pivot)  # all zero where it is
            lu[:, j + 1 :, j + 1 : stop] -= (
                lu[:, j + 1 :, j, None] * lu[:, None, j, j + 1 : stop]
            )
        top = lu[:, start:stop, stop:]
        top[:] = _substitute(lu[:, start:stop, start:stop], top, True, True)
        lu[:, stop:, stop:] -= lu[:, stop:, start:stop] @ top
    batch = a.shape[:-2]
    if not a.size:
        ready = np.broadcast_to(np.arange(m, dtype=np.int32), (*batch, m))
        return np.empty(a.shape, a.dtype), ready.copy()
    return lu.reshape(a.shape), perm.reshape(*batch, m)


def _det(dev: Any, a: Array, out: Any = None) -> Array:
    return np.asarray(np.linalg.det(a))


def _cofactor(dev: Any, a: Array, out: Any = None) -> Array:
    """In the axes of the SVD, where it is diagonal: exact for any rank."""
    if not a.size:
        return np.empty(a.shape, a.dtype)
    u, s, vh = _run("det", _STUCK, dev, _thin, a)
    one = np.ones((*s.shape[:-1], 1), s.dtype)
    before = np.cumprod(np.concatenate([one, s[..., :-1]], -1), -1)
    after = np.cumprod(np.concatenate([one, s[..., :0:-1]], -1), -1)[..., ::-1]
    turn = np.linalg.det(u) * np.linalg.det(vh)
    scaled = u.conj() * (before * after)[..., None, :]
    return np.asarray(turn)[..., None, None] * (scaled @ vh.conj())


def _thin(a: Array) -> Any:
    _need_finite(a)
    return lapack.svd(a, full_matrices=False)


def _slogdet(dev: Any, a: Array, out: Any = None) -> tuple[Array, Array]:
    sign, log = np.linalg.slogdet(a)
    return np.asarray(sign), np.asarray(log)


def _pinv(dev: Any, a: Array, rtol: Array, hermitian: bool, out: Any = None) -> Array:
    m, n = a.shape[-2:]
    if not a.size:
        return np.empty((*a.shape[:-2], n, m), a.dtype)
    if hermitian:
        w, u = _run("pinv", _STUCK, dev, _lower_eigh, a)
        s, vh = np.abs(w), np.sign(w)[..., None] * np.swapaxes(u.conj(), -1, -2)
    else:
        u, s, vh = _run("pinv", _STUCK, dev, _thin, a)
    keep = s > rtol[..., None] * s.max(-1, keepdims=True)
    inverse = np.where(keep, 1 / np.where(keep, s, 1), 0)
    right = np.swapaxes(vh.conj(), -1, -2) * inverse[..., None, :]
    return np.asarray(right @ np.swapaxes(u.conj(), -1, -2))


# Higham, "The scaling and squaring method for the matrix exponential revisited", 2005
_PADE = (
    *(64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800),
    *(129060195264000, 10559470521600, 670442572800, 33522128640, 1323241920),
    *(40840800, 960960, 16380, 182, 1),
)
_RADIUS = 5.371920351148152  # of the 1-norm, where 13 terms are exact to 53 bits


def _matrix_exp(dev: Any, a: Array, out: Any = None) -> Array:
    wide = a.astype(np.result_type(a.dtype, np.float64))
    norm = np.abs(wide).sum(-2).max(-1, initial=0)
    big = np.isfinite(norm) & (norm > _RADIUS)
    halvings = np.ceil(np.log2(np.where(big, norm / _RADIUS, 1)))
    x = wide * np.exp2(-halvings)[..., None, None]
    one = np.eye(a.shape[-1])
    b = _PADE
    x2 = x @ x
    x4 = x2 @ x2
    x6 = x4 @ x2
    odd = x6 @ (b[13] * x6 + b[11] * x4 + b[9] * x2)
    odd = x @ (odd + b[7] * x6 + b[5] * x4 + b[3] * x2 + b[1] * one)
    even = x6 @ (b[12] * x6 + b[10] * x4 + b[8] * x2)
    even = even + b[6] * x6 + b[4] * x4 + b[2] * x2 + b[0] * one
    y = np.linalg.solve(even - odd, even + odd)
    for k in range(int(halvings.max(initial=0))):
        y = np.where((k < halvings)[..., None, None], y @ y, y)
    return y.astype(a.dtype)


def _qr(dev: Any, a: Array, complete: bool, out: Any = None) -> tuple[Array, Array]:
    q, r = np.linalg.qr(a, "complete" if complete else "reduced")
    return q, r


def _svd(
    dev: Any, a: Array, full_matrices: bool, vectors: bool, out: Any = None
) -> tuple[Array, ...]:
    def run(a: Array) -> Any:
        _need_finite(a)
        return lapack.svd(a, full_matrices=full_matrices, compute_uv=vectors)

    got = _run("svd" if vectors else "svdvals", _STUCK, dev, run, a)
    return tuple(got) if vectors else (got,)


def _eigh(
    dev: Any, a: Array, uplo: str, vectors: bool, out: Any = None
) -> tuple[Array, ...]:
    def run(a: Array) -> Any:
        _need_finite(np.tril(a) if uplo == "L" else np.triu(a))
        return lapack.eigh(a, uplo) if vectors else (lapack.eigvalsh(a, uplo),)

    return tuple(_run("eigh" if vectors else "eigvalsh", _STUCK, dev, run, a))


def _lower_eigh(a: Array) -> Any:
    _need_finite(np.tril(a))
    return lapack.eigh(a)


def _eig(dev: Any, a: Array, vectors: bool, out: Any = None) -> tuple[Array, ...]:
    """Complex always: NumPy's are real where all imaginary parts vanish."""
    to = np.result_type(a.dtype, np.complex64)
    if not vectors:
        return (_run("eigvals", _STUCK, dev, np.linalg.eigvals, a).astype(to),)
    w, v = _run("eig", _STUCK, dev, np.linalg.eig, a)
    return w.astype(to), v.astype(to)


_PLAIN: dict[str, Callable[..., Any]] = {
    "solve": _solve,
    "triangular_solve": _triangular_solve,
    "cholesky": _cholesky,
    "lu": _lu,
    "det": _det,
    "cofactor": _cofactor,
    "slogdet": _slogdet,
    "pinv": _pinv,
    "matrix_exp": _matrix_exp,
    "qr": _qr,
    "svd": _svd,
    "eigh": _eigh,
    "eig": _eig,
}
LOWERINGS = {name: quiet(f) for name, f in _PLAIN.items()}
