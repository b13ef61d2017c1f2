"""Linear algebra. Factors that are only unique up to signs or phases are compared as
torch's own tests do: by their absolute values."""

import math

import helix_core as hx

L = hx.linalg


def _norm(x, ord=None, dim=None, keepdim=False, dtype=None):
    x = x if dtype is None else hx.cast(x, dtype)
    return L.norm(x, ord, _axis(dim, x), keepdim)


def _axis(dim, x):
    """torch lets a number have an axis."""
    if x.ndim == 0 and dim is not None:
        return None
    return tuple(dim) if isinstance(dim, list) else dim


def _vector_norm(x, ord=2, dim=None, keepdim=False, dtype=None):
    x = x if dtype is None else hx.cast(x, dtype)
    return L.vector_norm(x, axis=_axis(dim, x), keepdims=keepdim, ord=ord)


def _matrix_norm(x, ord="fro", dim=(-2, -1), keepdim=False, dtype=None):
    x = x if dtype is None else hx.cast(x, dtype)
    return L.matrix_norm(x, keepdims=keepdim, ord=ord, axis=tuple(dim))


def _vector_right(a, b):
    """torch lets b be a batch of vectors where its shape says so."""
    return b.ndim == 1 or (a.ndim - 1 == b.ndim and b.shape == a.shape[:-1])


def _solve(a, b, left=True):
    if not left:
        return hx.swapaxes(_solve(_t(a), _t(b)), -1, -2)
    if _vector_right(a, b):
        return L.solve(a, b[..., None])[..., 0]
    return L.solve(a, b)


def _t(x):
    return hx.swapaxes(x, -1, -2)


def _solve_triangular(a, b, upper, left=True, unitriangular=False):
    if left:
        return L.triangular_solve(a, b, upper=upper, unit_diagonal=unitriangular)
    y = L.triangular_solve(_t(a), _t(b), upper=not upper, unit_diagonal=unitriangular)
    return _t(y)


def _lstsq(a, b, driver=None):
    if _vector_right(a, b):
        return L.lstsq(a, b[..., None]).solution[..., 0]
    return L.lstsq(a, b).solution


def _eigh(x, UPLO="L"):
    values, vectors = L.eigh(x, UPLO=UPLO)
    return values, hx.abs(vectors)


def _svd(x, full_matrices=False):
    u, s, vh = L.svd(x, full_matrices=full_matrices)
    k = s.shape[-1]  # what lies beyond is any basis
    return hx.abs(u[..., :k]), s, hx.abs(vh[..., :k, :])


def svd_process(usv):
    """torch's result in the same form."""
    u, s, vh = usv
    k = s.shape[-1]
    return u[..., :k].abs(), s, vh[..., :k, :].abs()


def _pinv(x, rcond=None, atol=None, rtol=None, hermitian=False):
    return L.pinv(x, rtol=rtol if rtol is not None else rcond, hermitian=hermitian)


def _rank(x, tol=None, hermitian=False, atol=None, rtol=None):
    rank = L.matrix_rank(
        x, rtol=rtol, atol=tol if tol is not None else atol, hermitian=hermitian
    )
    return hx.cast(rank, hx.int64)


def _logdet(x):
    sign, log = L.slogdet(x)
    return hx.where(sign < 0, math.nan, log)


def _lu(x, pivot=True):
    return tuple(L.lu(x))[1:]  # torch's tests leave the permutation out


PROCESS = {"linalg.svd": svd_process}
MAP = {
    "cholesky": lambda x, upper=False: L.cholesky(x, upper=upper),
    "linalg.cholesky": lambda x, upper=False: L.cholesky(x, upper=upper),
    "linalg.det": L.det,
    "linalg.slogdet": lambda x: tuple(L.slogdet(x)),
    "logdet": _logdet,
    "linalg.inv": L.inv,
    "linalg.solve": _solve,
    "linalg.solve_triangular": _solve_triangular,
    "linalg.lstsq/grad_oriented": _lstsq,
    "linalg.lu": _lu,
    "linalg.eigh": _eigh,
    "linalg.eigvalsh": lambda x, UPLO="L": L.eigvalsh(x, UPLO=UPLO),
    "linalg.qr": lambda x, mode="reduced": L.qr(x, mode=mode),
    "linalg.svd": _svd,
    "linalg.svdvals": L.svdvals,
    "linalg.pinv": _pinv,
    "linalg.pinv/hermitian": _pinv,
    "linalg.matrix_rank": _rank,
    "linalg.matrix_rank/hermitian": _rank,
    "linalg.matrix_power": lambda x, n: L.matrix_power(x, n),
    "matrix_exp": L.matrix_exp,
    "linalg.multi_dot": lambda xs: L.multi_dot(xs),
    "linalg.norm": _norm,
    "linalg.norm/subgradients_at_zero": _norm,
    "linalg.vector_norm": _vector_norm,
    "linalg.matrix_norm": _matrix_norm,
    "linalg.cond": lambda x, p=None: L.cond(x, p),
    "linalg.cross": lambda a, b, dim=-1: L.cross(a, b, axis=dim),
    "linalg.vecdot": lambda a, b, dim=-1: L.vecdot(a, b, axis=dim),
    "linalg.householder_product": L.householder_product,
    "linalg.tensorinv": lambda x, ind=2: L.tensorinv(x, ind),
    "linalg.tensorsolve": lambda a, b, dims=None: L.tensorsolve(a, b, dims),
}
