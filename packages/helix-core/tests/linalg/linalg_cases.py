"""One case for every function and form with a gradient: example matrices and bodies.

``value``: NumPy's answer, where it has one. ``smooth``: the function as differences can
follow it, where vectors have an arbitrary sign or phase, or one triangle is read.
"""

from typing import Any, NamedTuple

import helix_core as hx
import numpy as np
from helix_core import linalg as la

RNG = np.random.default_rng(3)


def draw(*shape, complex=False):
    z = RNG.normal(size=shape)
    return z + 1j * RNG.normal(size=shape) if complex else z


def mh(x):
    return hx.conj(hx.matrix_transpose(x))


def hermitian(x):
    return (x + mh(x)) / 2


def positive(x):
    return x @ mh(x) + hx.eye(x.shape[-1], dtype=x.dtype)


def even(v):
    """|v|^2: what no sign or phase of a vector changes."""
    return hx.real(v * hx.conj(v))


class Case(NamedTuple):
    fn: Any
    shapes: tuple[tuple[int, ...], ...]
    prims: tuple[str, ...] = ()
    order: int = 2
    kinds: tuple[str, ...] = ("real", "complex")

    def arrays(self, kind, batch=()):
        rng = np.random.default_rng(11)
        out = []
        for s in self.shapes:
            z = rng.normal(size=(*batch, *s))
            if kind == "complex":
                z = z + 1j * rng.normal(size=z.shape)
            out.append(z)
        return out


def svd_smooth(x):
    u, s, vh = la.svd(x, full_matrices=False)
    return even(u), s, even(vh), hx.matmul(u * hx.expand_dims(s, -2) ** 2, vh)


def eigh_smooth(x):
    w, v = la.eigh(hermitian(x))
    return w, even(v), hx.matmul(v * hx.expand_dims(hx.exp(w), -2), mh(v))


def eig_smooth(x):
    w, v = la.eig(x)
    return hx.sum(hx.exp(w / 3), -1), hx.sum(even(v) * hx.expand_dims(even(w), -2), -1)


def lstsq_smooth(a, b):
    x, residuals, _, s = la.lstsq(a, b)
    return x, residuals, s


CASES = {
    "solve": Case(la.solve, ((3, 3), (3, 2)), ("solve",)),
    "inv": Case(la.inv, ((3, 3),)),
    "triangular_solve": Case(
        la.triangular_solve, ((3, 3), (3, 2)), ("triangular_solve",)
    ),
    "triangular_solve-upper": Case(
        lambda a, b: la.triangular_solve(a, b, upper=True), ((3, 3), (3, 2))
    ),
    "triangular_solve-unit": Case(
        lambda a, b: la.triangular_solve(a, b, unit_diagonal=True), ((3, 3), (3, 2))
    ),
    "triangular_solve-upper-unit": Case(
        lambda a, b: la.triangular_solve(a, b, upper=True, unit_diagonal=True),
        ((3, 3), (3, 2)),
    ),
    "cholesky": Case(lambda x: la.cholesky(positive(x)), ((3, 3),), ("cholesky",)),
    "cholesky-upper": Case(
        lambda x: la.cholesky(positive(x), upper=True), ((3, 3),), order=1
    ),
    "cholesky_solve": Case(
        lambda x, b: la.cholesky_solve(b, la.cholesky(positive(x))), ((3, 3), (3, 2))
    ),
    "lu-square": Case(lambda x: la.lu_factor(x)[0], ((4, 4),), ("lu",)),
    "lu-tall": Case(lambda x: la.lu_factor(x)[0], ((5, 3),)),
    "lu-wide": Case(lambda x: la.lu_factor(x)[0], ((3, 5),)),
    "lu_solve": Case(lambda a, b: la.lu_solve(*la.lu_factor(a), b), ((3, 3), (3, 2))),
    "det": Case(la.det, ((4, 4),), ("det", "cofactor"), order=3),
    "slogdet": Case(lambda x: tuple(la.slogdet(x)), ((3, 3),), ("slogdet",)),
    "pinv-tall": Case(la.pinv, ((4, 2),), ("pinv",)),
    "pinv-wide": Case(la.pinv, ((2, 4),)),
    "pinv-hermitian": Case(
        lambda x: la.pinv(hermitian(x), hermitian=True), ((3, 3),), order=1
    ),
    "lstsq": Case(lstsq_smooth, ((4, 2), (4, 2))),
    "lstsq-wide": Case(lstsq_smooth, ((2, 4), (2, 3)), order=1),
    "matrix_exp": Case(la.matrix_exp, ((3, 3),), ("matrix_exp",)),
    "qr-tall": Case(lambda x: tuple(la.qr(x)), ((4, 3),), ("qr",)),
    "qr-square": Case(lambda x: tuple(la.qr(x)), ((3, 3),)),
    "qr-wide": Case(lambda x: tuple(la.qr(x, mode="complete")), ((3, 5),)),
    "qr-r": Case(lambda x: la.qr(x, mode="r"), ((3, 4),), order=1),
    "qr-q": Case(lambda x: la.qr(x).Q, ((3, 4),), order=1),
    "svd-tall": Case(svd_smooth, ((4, 3),), ("svd",)),
    "svd-square": Case(svd_smooth, ((3, 3),)),
    "svd-wide": Case(svd_smooth, ((2, 4),)),
    "svd-u": Case(lambda x: even(la.svd(x, full_matrices=True).U[:, :2]), ((4, 2),)),
    "svdvals": Case(la.svdvals, ((3, 4),)),
    "eigh": Case(eigh_smooth, ((3, 3),), ("eigh",)),
    "eigvalsh": Case(lambda x: la.eigvalsh(hermitian(x), UPLO="U"), ((3, 3),)),
    "eig": Case(eig_smooth, ((3, 3),), ("eig",)),
    "eigvals": Case(lambda x: hx.sum(hx.exp(la.eigvals(x) / 3), -1), ((3, 3),)),
    "matrix_power": Case(lambda x: la.matrix_power(x, 3), ((3, 3),), order=1),
    "matrix_power-inverse": Case(lambda x: la.matrix_power(x, -2), ((3, 3),), order=1),
    "cond": Case(la.cond, ((3, 3),), order=1),
    "cond-fro": Case(lambda x: la.cond(x, "fro"), ((3, 3),), order=1),
    **{
        f"vector_norm-{p}": Case(lambda x, p=p: la.vector_norm(x, ord=p), ((5,),))
        for p in (2, 1, 3, 2.5, 0.5, -1, float("inf"), float("-inf"))
    },
    **{
        f"matrix_norm-{p}": Case(
            lambda x, p=p: la.matrix_norm(x, ord=p), ((3, 4),), order=1
        )
        for p in ("fro", "nuc", 1, -1, 2, -2, float("inf"), float("-inf"))
    },
    "kron": Case(la.kron, ((2, 3), (3, 2)), order=1),
    "cross": Case(la.cross, ((2, 3), (2, 3)), order=1),
    "outer": Case(la.outer, ((3,), (2,)), order=1),
    "vecdot": Case(la.vecdot, ((2, 3), (2, 3)), order=1),
    "multi_dot": Case(
        lambda a, b, c: la.multi_dot([a, b, c]), ((2, 3), (3, 5), (5, 2)), order=1
    ),
    "householder_product": Case(la.householder_product, ((4, 3), (3,)), order=1),
    "trace": Case(lambda x: la.trace(x, offset=1), ((3, 4),), order=1),
    "diagonal": Case(lambda x: la.diagonal(x, offset=-1), ((4, 3),), order=1),
    "tensorinv": Case(
        lambda x: la.tensorinv(hx.reshape(x, 2, 3, 6)), ((6, 6),), order=1
    ),
    "tensorsolve": Case(
        lambda a, b: la.tensorsolve(hx.reshape(a, 2, 3, 6), hx.reshape(b, 2, 3)),
        ((6, 6), (6,)),
        order=1,
    ),
}
