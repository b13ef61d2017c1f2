"""Linear algebra on the host: solving, determinants, factors by elimination.

HOST primitives: a backend may supply them; where it does not, they run on host arrays
through NumPy's LAPACK. Matrices are the last two axes; the axes before are batches, the
same for all operands. Their products never round to bfloat16.

Cotangents are transposed without conjugation, as everywhere here. The rule of
`cholesky`, which is not holomorphic, conjugates them at its ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _dtypes as dt
from .. import _ops as ops
from .._aval import Aval
from .._errors import DTypeError, ShapeError
from .._primitive import bind, primitive
from .._state import STATE
from .._tensor import Tensor
from ._rules import same_dtype, shapes

DTYPES = (dt.float32, dt.float64, dt.complex64, dt.complex128)


# -------------------------------------------------------------------- what rules share
def matrices(op: str, *avals: Aval, square: bool = False) -> tuple[int, ...]:
    """Check dtypes, axes and that batches are equal; returns the batch shape."""
    if same_dtype(op, *avals) not in DTYPES:
        raise DTypeError(
            f"[{op}] expected {', '.join(d.name for d in DTYPES)}; got "
            f"{shapes(*avals)}. Hint: x.astype('float32')"
        )
    if any(a.ndim < 2 for a in avals):
        raise ShapeError(
            f"[{op}] expected matrices, of at least 2 axes; got {shapes(*avals)}"
        )
    a = avals[0]
    if square and a.shape[-1] != a.shape[-2]:
        raise ShapeError(f"[{op}] expected square matrices; got {a!r}")
    if any(b.shape[:-2] != a.shape[:-2] for b in avals):
        raise ShapeError(f"[{op}] expected equal batch axes; got {shapes(*avals)}")
    return a.shape[:-2]


def mt(x: Any) -> Any:
    """Transposed."""
    return ops.swapaxes(x, -1, -2)


def mh(x: Any) -> Any:
    """Transposed and conjugated."""
    return ops.conj(mt(x))


def mm(a: Any, b: Any, *more: Any) -> Any:
    """Product of matrices of equal batch axes, in full precision."""
    k = a.ndim - 2
    batch = tuple(range(k))
    dims = (((k + 1,), (k,)), (batch, batch))
    y = ops.dot_general(a, b, dims, compute="float32")
    return mm(y, *more) if more else y


def real_if(x: Any, like: Any) -> Any:
    """The real part where ``like`` is real."""
    return x if like.dtype.category == "complex" else ops.real(x)


def column(x: Any) -> Any:
    """A batch of vectors as columns, to scale the rows of a matrix."""
    return ops.expand_dims(x, -1)


def row(x: Any) -> Any:
    """A batch of vectors as rows, to scale the columns of a matrix."""
    return ops.expand_dims(x, -2)


def eye(n: int, like: Any) -> Any:
    """The identity in the dtype of ``like``, without its batch axes."""
    return ops.tensor(np.eye(n, dtype=like.dtype.dtype), device=like.device)


def diagonal_of(x: Any) -> Any:
    """Main diagonals of square matrices."""
    n = x.shape[-1]
    flat = ops.reshape_p(x, (*x.shape[:-2], n * n))
    lead = flat.ndim - 1
    start, stop, step = (0,) * (lead + 1), (*flat.shape[:-1], n * n), (1,) * lead
    return ops.slice_p(flat, start, stop, (*step, n + 1))


def on_host(name: str) -> Callable[..., Any]:
    """The decomposition of a HOST primitive: NumPy's lowering on host arrays."""

    def decompose(*tensors: Tensor, **attrs: Any) -> Any:
        from ..reference.linalg import LOWERINGS

        dev = tensors[0].device
        there = [dev.backend.to_host(t.buffer) for t in tensors]
        out = LOWERINGS[name](dev, *there, **attrs)
        many = isinstance(out, tuple)
        moved = STATE.get().moved
        if moved is not None:
            size = sum(a.nbytes for a in (*there, *(out if many else (out,))))
            moved.add(name, size)
        made = tuple(
            [
                Tensor(dev.backend.from_host(o, dev), Aval(o.shape, d), dev)
                for o in (out if many else (out,))
                for d in (dt.as_dtype(o.dtype),)
            ]
        )
        return made if many else made[0]

    return decompose


def host(name: str, infer: Any, vjp: Any = None, **kw: Any) -> Any:
    return primitive(name, "HOST", infer, vjp, decompose=on_host(name), **kw)


# --------------------------------------------------------------------------- solving
def _systems(op: str, a: Aval, b: Aval) -> tuple[Aval, ...]:
    matrices(op, a, b, square=True)
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError(
            f"[{op}] expected as many rows on the right as the matrix has; got "
            f"{shapes(a, b)}"
        )
    return (Aval(b.shape, b.dtype),)


def _solve_infer(a: Aval, b: Aval, name: str) -> tuple[Aval, ...]:
    return _systems(name, a, b)


def _solve_vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any, name: str) -> Any:
    (a, _), (x,) = inputs, outputs
    gb = bind(solve_p, mt(a), cts[0], name=name)
    return (ops.neg_p(mm(gb, mt(x))) if wanted[0] else None, gb)


# ``name``: what errors call it, solve or inv
solve_p = host("solve", _solve_infer, _solve_vjp, reads=((0, ~0), (0,)))


def _triangular_infer(a: Aval, b: Aval, lower: bool, unit: bool) -> tuple[Aval, ...]:
    return _systems("triangular_solve", a, b)


def triangular(a: Any, b: Any, lower: bool, unit: bool = False) -> Any:
    return bind(triangular_solve_p, a, b, lower=lower, unit=unit)


def _triangular_vjp(
    inputs: Any, outputs: Any, cts: Any, wanted: Any, lower: bool, unit: bool
) -> Any:
    (a, _), (x,) = inputs, outputs
    gb = triangular(mt(a), cts[0], not lower, unit)
    if not wanted[0]:
        return None, gb
    ga = ops.neg_p(mm(gb, mt(x)))
    return (ops.tril(ga, -int(unit)) if lower else ops.triu(ga, int(unit))), gb


# the other triangle, and with ``unit`` the diagonal, are not read
triangular_solve_p = host(
    "triangular_solve", _triangular_infer, _triangular_vjp, reads=((0, ~0), (0,))
)


# ----------------------------------------------------------------------- factorising
def _square(op: str) -> Any:
    def infer(a: Aval) -> tuple[Aval, ...]:
        matrices(op, a, square=True)
        return (Aval(a.shape, a.dtype),)

    return infer


def _cholesky_vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any) -> Any:
    """Ā = L^-H sym(L^H L̄) L^-1, where sym mirrors the lower triangle.

    Source: I. Murray, "Differentiation of the Cholesky decomposition", 2016, eq. 9.
    """
    low, ct = outputs[0], cts[0]
    phi = ops.tril(mm(mh(low), ops.conj(ct)))
    strict = ops.tril(phi, -1)
    # half of phi + phi^H with its diagonal counted once
    both = ops.mul(strict + mh(strict) + _real_diagonal(phi - strict), 0.5)
    left = triangular(mh(low), both, False)
    return (ops.conj(triangular(mh(low), mh(left), False)),)


def _real_diagonal(x: Any) -> Any:
    return ops.mul(x + ops.conj(x), 0.5)


cholesky_p = host("cholesky", _square("cholesky"), _cholesky_vjp, reads=((~0,),))


def _lu_infer(a: Aval) -> tuple[Aval, ...]:
    batch = matrices("lu", a)
    return Aval(a.shape, a.dtype), Aval((*batch, a.shape[-2]), dt.int32)


def _lu_vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any) -> Any:
    """Of the square part: Ā = P L^-H (tril(L^H L̄, -1) + triu(Ū U^H)) U^-H."""
    (a,), (lu, perm), ct = inputs, outputs, cts[0]
    if ct is None:
        return (None,)
    m, n = a.shape[-2:]
    k, rows, cols = min(m, n), lu.ndim - 2, lu.ndim - 1
    core = ops.narrow(ops.narrow(lu, rows, 0, k), cols, 0, k)
    core_ct = ops.narrow(ops.narrow(ct, rows, 0, k), cols, 0, k)
    turned = mt(core)  # read by its upper triangle, L^T
    inner_low = ops.tril(core_ct, -1)
    inner_up = ops.triu(core_ct)
    parts = []
    if m > n:  # the rows below are L2 = A2 U^-1
        l2, l2_ct = ops.narrow(lu, rows, k, m), ops.narrow(ct, rows, k, m)
        a2_ct = mt(triangular(core, mt(l2_ct), False))
        inner_up = inner_up - mm(mt(l2), a2_ct)
        parts = [a2_ct]
    if n > m:  # the columns beside are U2 = L^-1 A2
        u2, u2_ct = ops.narrow(lu, cols, k, n), ops.narrow(ct, cols, k, n)
        a2_ct = triangular(turned, u2_ct, False, True)
        inner_low = inner_low - mm(a2_ct, mt(u2))
        parts = [a2_ct]
    one = ops.broadcast_p(eye(k, lu), core.shape)
    low, up = ops.tril(core, -1) + one, ops.triu(core)
    inner = ops.tril(mm(mt(low), inner_low), -1) + ops.triu(mm(inner_up, mt(up)))
    left = triangular(turned, inner, False, True)
    g = mt(triangular(core, mt(left), False))  # left U^-T
    if parts:
        g = ops.concat([g, *parts], rows if m > n else cols)
    onehot = ops.eq(row(ops.arange(m, device=lu.device)), column(perm))
    return (mm(mt(ops.cast(onehot, lu.dtype)), g),)


# packed factors (strict lower triangle of L, all of U), and rows: a[perm] = L U
lu_p = host("lu", _lu_infer, _lu_vjp, multi=True)


# ---------------------------------------------------------------------- determinants
def _det_infer(op: str) -> Any:
    def infer(a: Aval) -> tuple[Aval, ...]:
        return (Aval(matrices(op, a, square=True), a.dtype),)

    return infer


def _det_vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any) -> Any:
    return (ops.mul_p(column(column(cts[0])), bind(cofactor_p, inputs[0])),)


det_p = host("det", _det_infer("det"), _det_vjp, reads=((0,),))


def without_one(s: Any) -> Any:
    """Products of all entries but one, along the last axis, also where some are 0."""
    return ops.mul_p(_before(s), _after(s))


def _before(s: Any) -> Any:
    """Product of the entries before each one."""
    lead = s.ndim - 1
    one = ops.ones((*s.shape[:-1], 1), s.dtype, s.device)
    kept = ops.narrow(s, lead, 0, max(s.shape[-1] - 1, 0))
    x = ops.narrow(ops.concat([one, kept], -1), lead, 0, s.shape[-1])
    return ops.cumulative(x, "prod", lead)


def _after(s: Any) -> Any:
    axes = (s.ndim - 1,)
    return ops.flip_p(_before(ops.flip_p(s, axes)), axes)


def _without_two(s: Any) -> Any:
    """Products of all entries but those at i and j, as a symmetric matrix; 0 for i = j."""
    n = s.shape[-1]
    place = ops.arange(n, device=s.device)
    later = ops.lt(column(place), row(place))
    between = _before(ops.where(later, row(s), 1.0))
    up = ops.mul_p(ops.mul_p(column(_before(s)), between), row(_after(s)))
    up = ops.triu(up, 1)
    return up + mt(up)


def _cofactor_vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any) -> Any:
    """The second derivative of det, for any rank, in the axes of the SVD.

    There det''[E, F] = sum over i != j of p_ij (E_ii F_jj - E_ij F_ji), where p_ij is
    the product of the other singular values.
    """
    from .linalg_spectral import svd_p

    u, s, vh = bind(svd_p, inputs[0], full_matrices=False, vectors=True)
    e = mm(mh(u), cts[0], mh(vh))
    p = ops.cast(_without_two(s), e.dtype)
    on = mm(p, column(diagonal_of(e)))  # of the diagonal, as a column
    q = ops.mul_p(eye(e.shape[-1], e), on) - ops.mul_p(p, mt(e))
    turn = ops.mul_p(bind(det_p, u), bind(det_p, vh))
    g = mm(ops.conj(u), q, ops.conj(vh))
    return (ops.mul_p(column(column(turn)), g),)


# the gradient of det, of any rank: det(a) inv(a)^T where that exists
cofactor_p = host("cofactor", _square("det"), _cofactor_vjp, reads=((0,),))


def _slogdet_infer(a: Aval) -> tuple[Aval, ...]:
    batch = matrices("slogdet", a, square=True)
    return Aval(batch, a.dtype), Aval(batch, dt.real_dtype(a.dtype))


def _slogdet_vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any) -> Any:
    (a,), (sign, _), (sign_ct, log_ct) = inputs, outputs, cts
    total = None if log_ct is None else ops.cast(log_ct, a.dtype)
    if sign_ct is not None and a.dtype.category == "complex":
        turn = ops.imag(ops.mul_p(sign_ct, sign))
        phase = ops.complex_(ops.zeros_like(turn), turn)
        total = phase if total is None else total + phase
    if total is None:
        return (None,)
    one = ops.broadcast_p(eye(a.shape[-1], a), a.shape)
    inverse = bind(solve_p, mt(a), one, name="slogdet")
    return (ops.mul_p(column(column(total)), inverse),)


slogdet_p = host("slogdet", _slogdet_infer, _slogdet_vjp, multi=True, reads=((0, ~0),))


# ------------------------------------------------------------------------- functions
def _pinv_infer(a: Aval, rtol: Aval, hermitian: bool) -> tuple[Aval, ...]:
    batch = matrices("pinv", a, square=hermitian)
    if rtol.shape != batch or rtol.dtype is not dt.real_dtype(a.dtype):
        raise ShapeError(
            f"[pinv] expected a real rtol for each matrix of {a!r}; got {rtol!r}"
        )
    return (Aval((*batch, a.shape[-1], a.shape[-2]), a.dtype),)


def _pinv_vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any, hermitian: bool) -> Any:
    """For a constant rank.

    Source: G. Golub and V. Pereyra, "The differentiation of pseudo-inverses and
    nonlinear least squares problems whose variables separate", 1973, eq. 4.12.
    """
    (a, _), (p,), ct = inputs, outputs, cts[0]
    ph, gh = mh(p), mt(ct)  # ct is the conjugate of the cotangent in that formula
    g = ops.neg_p(mm(ph, ops.conj(ct), ph))
    outer = mm(gh, p, ph)
    g = g + outer - mm(a, mm(p, outer))
    inner = mm(ph, p, gh)
    g = g + inner - mm(mm(inner, p), a)
    return ops.conj(g), None


# singular values up to rtol times the largest count as zero
pinv_p = host("pinv", _pinv_infer, _pinv_vjp, reads=((0, ~0), ()))


def _exp_vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any) -> Any:
    """The upper right block of exp([[A^T, ct], [0, A^T]]).

    Source: A. Al-Mohy and N. Higham, "Computing the Frechet derivative of the matrix
    exponential", 2009, eq. 1.2.
    """
    at, ct = mt(inputs[0]), cts[0]
    n, rows, cols = at.shape[-1], at.ndim - 2, at.ndim - 1
    top = ops.concat([at, ct], cols)
    bottom = ops.concat([ops.zeros_like(at), at], cols)
    y = bind(matrix_exp_p, ops.concat([top, bottom], rows))
    return (ops.narrow(ops.narrow(y, rows, 0, n), cols, n, 2 * n),)


matrix_exp_p = host("matrix_exp", _square("matrix_exp"), _exp_vjp, reads=((0,),))
