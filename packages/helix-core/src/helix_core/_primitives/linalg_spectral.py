"""Orthogonal factors, singular values and eigenvalues, on the host.

Rules are written for the cotangent that pairs as Re tr(G^H dY), the conjugate of the
tape's, and conjugate at their ends. Where vectors are defined up to a sign or a phase,
they are right for functions that do not depend on it. Equal singular values or
eigenvalues leave the vectors undefined: a gradient that reads them is not finite there,
one of the values alone is.
"""

from __future__ import annotations

from typing import Any

from .. import _dtypes as dt
from .. import _ops as ops
from .._aval import Aval
from .._errors import GradError, ShapeError
from .._primitive import bind
from .linalg import (
    column,
    diagonal_of,
    eye,
    host,
    matrices,
    mh,
    mm,
    real_if,
    row,
    solve_p,
    triangular,
)


def _conj(g: Any) -> Any:
    return None if g is None else ops.conj(g)


def _plus(total: Any, g: Any) -> Any:
    return g if total is None else total + g


# -------------------------------------------------------------------------------- qr
def _qr_infer(a: Aval, complete: bool) -> tuple[Aval, ...]:
    batch = matrices("qr", a)
    m, n = a.shape[-2:]
    k = m if complete else min(m, n)
    return Aval((*batch, m, k), a.dtype), Aval((*batch, k, n), a.dtype)


def _qr_vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any, complete: bool) -> Any:
    """Ā = (Q̄ + Q copyltu(M)) R^-H with M = R R̄^H - Q̄^H Q, for m >= n.

    Wide: R2 = Q^H A2 beside the square part. Source: H.-J. Liao et al.,
    "Differentiable programming tensor networks", 2019, appendix A; M. Seeger et al.,
    "Auto-differentiating linear algebra", 2017.
    """
    (a,), (q, r) = inputs, outputs
    gq, gr = map(_conj, cts)
    m, n = a.shape[-2:]
    if complete and m > n:
        raise GradError(
            "[qr] expected mode='reduced' for a gradient of tall matrices: the other "
            f"columns of Q are not determined; got mode='complete' for {a.aval!r}"
        )
    cols, beside = a.ndim - 1, None
    if m < n:
        if gr is not None:
            a2 = mm(q, ops.narrow(r, cols, m, n))
            g2 = ops.narrow(gr, cols, m, n)
            beside = mm(q, g2)
            gq = _plus(gq, mm(a2, mh(g2)))
            gr = ops.narrow(gr, cols, 0, m)
        else:
            beside = ops.zeros((*a.shape[:-1], n - m), a.dtype, a.device)
        r = ops.narrow(r, cols, 0, m)
    mid = None
    if gr is not None:
        mid = mm(r, mh(ops.triu(gr)))
    if gq is not None:
        mid = _plus(mid, ops.neg_p(mm(mh(gq), q)))
    low = ops.tril(mid, -1)
    diagonal = ops.real(diagonal_of(mid))
    both = low + mh(low) + ops.mul(eye(r.shape[-1], r), column(diagonal))
    g = mm(q, both)
    g = g if gq is None else g + gq
    g = mh(triangular(r, mh(g), False))  # g R^-H
    if beside is not None:
        g = ops.concat([g, beside], -1)
    return (ops.conj(g),)


qr_p = host("qr", _qr_infer, _qr_vjp, multi=True)


# ------------------------------------------------------------------------------- svd
def _svd_infer(a: Aval, full_matrices: bool, vectors: bool) -> tuple[Aval, ...]:
    batch = matrices("svd", a)
    m, n = a.shape[-2:]
    k = min(m, n)
    s = Aval((*batch, k), dt.real_dtype(a.dtype))
    if not vectors:
        return (s,)
    ku, kv = (m, n) if full_matrices else (k, k)
    return Aval((*batch, m, ku), a.dtype), s, Aval((*batch, kv, n), a.dtype)


def _skew_over(x: Any, gaps: Any) -> Any:
    return (x - mh(x)) / gaps


def _svd_vjp(
    inputs: Any,
    outputs: Any,
    cts: Any,
    wanted: Any,
    full_matrices: bool,
    vectors: bool,
) -> Any:
    """Source: J. Townsend, "Differentiating the singular value decomposition", 2016;
    the phase of complex vectors: Z.-Q. Wan and S.-X. Zhang, "Automatic differentiation
    for complex valued SVD", 2019.
    """
    a = inputs[0]
    if not vectors:
        u, _, vh = bind(svd_p, a, full_matrices=False, vectors=True)
        gu, gs, gvh = None, cts[0], None
        return (ops.conj(mm(u, ops.mul(column(gs), vh))),)
    (u, s, vh), (gu, gs, gvh) = outputs, cts
    m, n = a.shape[-2:]
    k, rows, cols = min(m, n), a.ndim - 2, a.ndim - 1
    u, vh = ops.narrow(u, cols, 0, k), ops.narrow(vh, rows, 0, k)
    gu = None if gu is None else ops.conj(ops.narrow(gu, cols, 0, k))
    gvh = None if gvh is None else ops.conj(ops.narrow(gvh, rows, 0, k))
    mid = None if gs is None else ops.mul(eye(k, a), column(gs))
    if gu is None and gvh is None:
        return (None if mid is None else ops.conj(mm(u, mid, vh)),)
    gaps = _gaps(s, squared=True)
    phase: Any = 0.0
    if gu is not None:
        x = mm(mh(u), gu)
        mid = _plus(mid, ops.mul(_skew_over(x, gaps), row(s)))
        phase = x
    if gvh is not None:
        x = mm(vh, mh(gvh))
        mid = _plus(mid, ops.mul(column(s), _skew_over(x, gaps)))
        phase = phase - x
    if a.dtype.category == "complex":
        turn = ops.mul(ops.imag(diagonal_of(phase)) / s, 0.5)
        mid = mid + ops.mul(eye(k, a), column(ops.complex_(ops.zeros_like(turn), turn)))
    g = mm(u, mid, vh)
    if gu is not None and m > k:  # what leaves the columns of U
        away = gu - mm(u, mm(mh(u), gu))
        g = g + mm(away / row(s), vh)
    if gvh is not None and n > k:
        away = gvh - mm(mm(gvh, mh(vh)), vh)
        g = g + mm(u, away / column(s))
    return (ops.conj(g),)


def _gaps(s: Any, squared: bool = False) -> Any:
    """s_j - s_i (or of squares, as a product that does not cancel); 1 for i = j."""
    gap = row(s) - column(s)
    gap = gap * (row(s) + column(s)) if squared else gap
    return gap + eye(s.shape[-1], s)


svd_p = host("svd", _svd_infer, _svd_vjp, multi=True)


# ----------------------------------------------------------------------- eigenvalues
def _eigh_infer(a: Aval, uplo: str, vectors: bool) -> tuple[Aval, ...]:
    op = "eigh" if vectors else "eigvalsh"
    batch = matrices(op, a, square=True)
    if uplo not in ("L", "U"):
        raise ShapeError(f"[{op}] expected UPLO='L' or 'U'; got {uplo!r}")
    w = Aval((*batch, a.shape[-1]), dt.real_dtype(a.dtype))
    return (w, Aval(a.shape, a.dtype)) if vectors else (w,)


def _eigh_vjp(
    inputs: Any, outputs: Any, cts: Any, wanted: Any, uplo: str, vectors: bool
) -> Any:
    """Ā = V (diag(w̄) + (V^H V̄) / gaps) V^H, its Hermitian part.

    Source: M. Giles, "An extended collection of matrix derivative results", 2008, 3.1.
    """
    a = inputs[0]
    if not vectors:
        _, v = bind(eigh_p, a, uplo=uplo, vectors=True)
        return (ops.conj(mm(ops.mul(v, row(cts[0])), mh(v))),)
    (w, v), (gw, gv) = outputs, cts
    mid = None if gw is None else ops.mul(eye(a.shape[-1], a), column(gw))
    if gv is not None:
        # of a Hermitian function of A the half that is not Hermitian cancels
        x = _skew_over(mm(mh(v), ops.conj(gv)), _gaps(w))
        off = ops.mul(ops.tril(x, -1) + ops.triu(x, 1), 0.5)
        mid = _plus(mid, off)
    return (None if mid is None else ops.conj(mm(v, mid, mh(v))),)


eigh_p = host("eigh", _eigh_infer, _eigh_vjp, multi=True)


def _eig_infer(a: Aval, vectors: bool) -> tuple[Aval, ...]:
    batch = matrices("eig" if vectors else "eigvals", a, square=True)
    single = a.dtype in (dt.float32, dt.complex64)
    dtype = dt.complex64 if single else dt.complex128
    w = Aval((*batch, a.shape[-1]), dtype)
    return (w, Aval(a.shape, dtype)) if vectors else (w,)


def _eig_vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any, vectors: bool) -> Any:
    """Ā = V^-H (diag(w̄) + (V^H V̄ - V^H V Re diag(V^H V̄)) / conj(gaps)) V^H.

    For eigenvectors of norm 1 and any phase. Source: C. Boeddeker et al., "On the
    computation of complex-valued gradients with application to statistically optimum
    beamforming", 2017, eq. 4.77.
    """
    a = inputs[0]
    if vectors:
        (w, v), (gw, gv) = outputs, cts
    else:
        w, v = bind(eig_p, a, vectors=True)
        gw, gv = cts[0], None
    mid = None if gw is None else ops.mul(eye(a.shape[-1], v), column(ops.conj(gw)))
    if gv is not None:
        x = mm(mh(v), ops.conj(gv))
        x = x - ops.mul(mm(mh(v), v), row(ops.real(diagonal_of(x))))
        off = x / ops.conj(_gaps(w))
        mid = _plus(mid, ops.tril(off, -1) + ops.triu(off, 1))
    if mid is None:
        return (None,)
    g = bind(solve_p, mh(v), mm(mid, mh(v)), name="eig")
    return (real_if(ops.conj(g), a),)


eig_p = host("eig", _eig_infer, _eig_vjp, multi=True)
