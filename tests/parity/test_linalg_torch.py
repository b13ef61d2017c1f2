"""Linear algebra against torch.linalg and JAX: values, first and second gradients.

Complex gradients of ours are JAX's: torch's, conjugated.
"""

import functools

import helix_core as hx
import jax
import jax.numpy as jnp
import jax.scipy.linalg
import numpy as np
import pytest
import torch
from helix_core import linalg as la


def even(v, xp):
    return (v * xp.conj(v)).real


def mh(x):
    return x.mH if isinstance(x, torch.Tensor) else x.conj().swapaxes(-1, -2)


def ours_mh(x):
    return hx.conj(hx.matrix_transpose(x))


def positive(x, mh=mh, eye=1.0):
    return x @ mh(x) + eye


tl, jl = torch.linalg, jnp.linalg


def T(x):
    return 3 * torch.eye(x.shape[-1], dtype=x.dtype)


def J(x):
    return 3 * jnp.eye(x.shape[-1], dtype=x.dtype)


def H(x):
    return 3 * hx.eye(x.shape[-1], dtype=x.dtype)


def hermitian(x, mh=mh):
    return (x + mh(x)) / 2


def svd_of(svd, xp, abs2):
    def run(x):
        u, s, vh = svd(x, full_matrices=False)
        return abs2(u), s, abs2(vh), (u * s[..., None, :] ** 2) @ vh

    return run


def eigh_of(eigh, mh, xp, abs2):
    def run(x):
        w, v = eigh(hermitian(x, mh))
        return w, abs2(v), (v * xp.exp(w)[..., None, :]) @ mh(v)

    return run


abs2_ours = functools.partial(even, xp=hx)
abs2_torch = functools.partial(even, xp=torch)
abs2_jax = functools.partial(even, xp=jnp)

# ours, torch's, JAX's (None: it has none, or no gradient), shapes
CASES = {
    "solve": (la.solve, tl.solve, jl.solve, ((3, 3), (3, 2))),
    "inv": (la.inv, tl.inv, jl.inv, ((3, 3),)),
    "det": (la.det, tl.det, jl.det, ((4, 4),)),
    "slogdet": (
        lambda x: la.slogdet(x).logabsdet,
        lambda x: tl.slogdet(x).logabsdet,
        lambda x: jl.slogdet(x)[1],
        ((3, 3),),
    ),
    "slogdet-sign": (
        lambda x: tuple(la.slogdet(x)),
        lambda x: tuple(tl.slogdet(x)),
        lambda x: tuple(jl.slogdet(x)),
        ((3, 3),),
    ),
    "cholesky": (
        lambda x: la.cholesky(positive(x, ours_mh, H(x))),
        lambda x: tl.cholesky(positive(x, eye=T(x))),
        lambda x: jl.cholesky(positive(x, eye=J(x))),
        ((3, 3),),
    ),
    "cholesky-upper": (
        lambda x: la.cholesky(positive(x, ours_mh, H(x)), upper=True),
        lambda x: tl.cholesky(positive(x, eye=T(x)), upper=True),
        lambda x: jl.cholesky(positive(x, eye=J(x)), upper=True),
        ((3, 3),),
    ),
    **{
        f"qr-{m}x{n}": (
            lambda x: tuple(la.qr(x)),
            lambda x: tuple(tl.qr(x)),
            (lambda x: tuple(jl.qr(x))) if m >= n else None,
            ((m, n),),
        )
        for m, n in ((4, 3), (3, 3), (3, 5))
    },
    **{
        f"svd-{m}x{n}": (
            svd_of(la.svd, hx, abs2_ours),
            svd_of(tl.svd, torch, abs2_torch),
            svd_of(jl.svd, jnp, abs2_jax),
            ((m, n),),
        )
        for m, n in ((4, 3), (3, 3), (2, 4))
    },
    "svdvals": (la.svdvals, tl.svdvals, jl.svdvals, ((3, 4),)),
    "eigh": (
        eigh_of(la.eigh, ours_mh, hx, abs2_ours),
        eigh_of(tl.eigh, mh, torch, abs2_torch),
        eigh_of(jl.eigh, mh, jnp, abs2_jax),
        ((3, 3),),
    ),
    "eigvalsh": (
        lambda x: la.eigvalsh(hermitian(x, ours_mh)),
        lambda x: tl.eigvalsh(hermitian(x)),
        lambda x: jl.eigvalsh(hermitian(x)),
        ((3, 3),),
    ),
    "eig": (
        lambda x: even(la.eig(x).eigenvectors, hx),
        lambda x: even(tl.eig(x).eigenvectors, torch),
        None,
        ((3, 3),),
    ),
    "eigvals": (
        lambda x: hx.exp(la.eigvals(x)).sum(-1),
        lambda x: torch.exp(tl.eigvals(x)).sum(-1),
        lambda x: jnp.exp(jl.eigvals(x)).sum(-1),
        ((3, 3),),
    ),
    "pinv": (la.pinv, tl.pinv, jl.pinv, ((4, 3),)),
    "lstsq": (
        lambda a, b: la.lstsq(a, b).solution,
        lambda a, b: tl.lstsq(a, b).solution,
        None,
        ((5, 3), (5, 2)),
    ),
    "matrix_exp": (
        la.matrix_exp,
        tl.matrix_exp,
        jax.scipy.linalg.expm,
        ((3, 3),),
    ),
    "matrix_power": (
        lambda x: la.matrix_power(x, -3),
        lambda x: tl.matrix_power(x, -3),
        None,
        ((3, 3),),
    ),
    "triangular_solve": (
        lambda a, b: la.triangular_solve(a, b, upper=True),
        lambda a, b: tl.solve_triangular(a, b, upper=True),
        lambda a, b: jax.scipy.linalg.solve_triangular(a, b),
        ((3, 3), (3, 2)),
    ),
    "triangular_solve-unit": (
        lambda a, b: la.triangular_solve(a, b, unit_diagonal=True),
        lambda a, b: tl.solve_triangular(a, b, upper=False, unitriangular=True),
        lambda a, b: jax.scipy.linalg.solve_triangular(
            a, b, lower=True, unit_diagonal=True
        ),
        ((3, 3), (3, 2)),
    ),
    "cholesky_solve": (
        lambda b, a: la.cholesky_solve(b, a),
        lambda b, a: torch.cholesky_solve(b, torch.tril(a)),
        None,
        ((3, 2), (3, 3)),
    ),
    **{
        f"lu-{m}x{n}": (
            lambda x: tuple(la.lu(x))[1:],
            lambda x: tuple(tl.lu(x))[1:],
            None,
            ((m, n),),
        )
        for m, n in ((4, 4), (5, 3), (3, 5))
    },
    "lu_factor": (
        lambda x: la.lu_factor(x)[0],
        lambda x: tl.lu_factor(x)[0],
        lambda x: jax.lax.linalg.lu(x)[0],
        ((4, 4),),
    ),
    "householder_product": (
        la.householder_product,
        tl.householder_product,
        None,
        ((4, 3), (3,)),
    ),
    **{
        f"vector_norm-{p}": (
            lambda x, p=p: la.vector_norm(x, ord=p),
            lambda x, p=p: tl.vector_norm(x, ord=p),
            lambda x, p=p: jnp.linalg.vector_norm(x, ord=p),
            ((5,),),
        )
        for p in (2, 1, 3, 2.5, 0.5, -1, float("inf"), float("-inf"))
    },
    **{
        f"matrix_norm-{p}": (
            lambda x, p=p: la.matrix_norm(x, ord=p),
            lambda x, p=p: tl.matrix_norm(x, ord=p),
            lambda x, p=p: jnp.linalg.matrix_norm(x, ord=p),
            ((3, 4),),
        )
        for p in ("fro", "nuc", 1, -1, 2, -2, float("inf"), float("-inf"))
    },
    "cond": (la.cond, tl.cond, jl.cond, ((3, 3),)),
    "cross": (la.cross, tl.cross, jl.cross, ((2, 3), (2, 3))),
    "vecdot": (la.vecdot, tl.vecdot, jl.vecdot, ((2, 3), (2, 3))),
    "kron": (la.kron, torch.kron, jnp.kron, ((2, 3), (3, 2))),
    "diagonal": (
        lambda x: la.diagonal(x, offset=1),
        lambda x: tl.diagonal(x, offset=1),
        lambda x: jl.diagonal(x, offset=1),
        ((3, 4),),
    ),
}
UNBATCHED = {"kron", "cond"} | {n for n in CASES if n.startswith("vector_norm")}
NAMES = [
    pytest.param(n, k, b, id=f"{n}-{k}{'-batch' if b else ''}")
    for n in CASES
    for k in ("real", "complex")
    for b in ((), (2,))
    if not (b and n in UNBATCHED)
]


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def draw(shape, kind, seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=shape)
    return z + 1j * rng.normal(size=shape) if kind == "complex" else z


def as_tuple(y):
    return tuple(y) if isinstance(y, (tuple, list)) else (y,)


def close(got, want, tol=1e-8):
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    scale = float(np.max(np.abs(want), initial=1.0))
    np.testing.assert_allclose(got, want, rtol=tol, atol=tol * scale)


@pytest.mark.parametrize("name, kind, batch", NAMES)
def test_values_and_gradients(name, kind, batch):
    ours, theirs, jaxs, shapes = CASES[name]
    xs = [draw((*batch, *s), kind, i) for i, s in enumerate(shapes)]
    y, pull = hx.vjp(ours, *map(hx.tensor, xs))
    ys = as_tuple(y)
    cts = [
        draw(t.shape, "complex" if "complex" in t.dtype.name else "real", 9) for t in ys
    ]
    ours_cts = tuple(map(hx.tensor, cts))
    grads = as_tuple(pull(ours_cts if isinstance(y, tuple) else ours_cts[0]))

    ts = [torch.tensor(x, requires_grad=True) for x in xs]
    out = as_tuple(theirs(*ts))
    for t, w in zip(ys, out, strict=True):
        close(t, w.detach())
    pairs = [
        (o, torch.tensor(c).conj().resolve_conj())
        for o, c in zip(out, cts, strict=True)
        if o.requires_grad
    ]
    want = torch.autograd.grad(
        [o for o, _ in pairs], ts, [c for _, c in pairs], allow_unused=True
    )
    for g, w in zip(grads, want, strict=True):
        close(g, w.conj().resolve_conj())

    if jaxs is not None and not batch:  # JAX compiles for seconds
        value, pull_jax = jax.vjp(lambda *a: as_tuple(jaxs(*a)), *map(jnp.asarray, xs))
        for t, w in zip(ys, value, strict=True):
            close(t, w)
        back = pull_jax(tuple(map(jnp.asarray, cts)))
        for g, w in zip(grads, back, strict=True):
            close(g, w)


SECOND = [
    "solve", "inv", "det", "cholesky", "qr-4x3", "qr-3x5", "svd-4x3", "svdvals", "eigh",
    "eig", "pinv", "matrix_exp", "triangular_solve", "lu-4x4",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("name", SECOND)
def test_second_gradients(name, kind):
    """The gradient of a squared gradient."""
    ours, theirs, _, shapes = CASES[name]
    xs = [draw(s, kind, i) for i, s in enumerate(shapes)]

    def loss(first, *rest):
        return sum((hx.abs(y) ** 2).sum() for y in as_tuple(ours(first, *rest)))

    def again(first, *rest):
        return (hx.abs(hx.grad(loss)(first, *rest)) ** 2).sum()

    got = hx.grad(again)(*map(hx.tensor, xs))
    ts = [torch.tensor(x, requires_grad=True) for x in xs]
    total = sum((y.abs() ** 2).sum() for y in as_tuple(theirs(*ts)))
    (g,) = torch.autograd.grad(total, ts[:1], create_graph=True)
    (want,) = torch.autograd.grad((g.abs() ** 2).sum(), ts[:1])
    close(got, want.conj().resolve_conj(), 1e-6)


class Ours(torch.autograd.Function):
    """A function of ours inside torch's tape, so that its own checkers run on it."""

    @staticmethod
    def forward(ctx, name, *ts):
        ctx.name = name
        ctx.save_for_backward(*ts)
        y = CASES[name][0](*[hx.tensor(t.detach().numpy()) for t in ts])
        return torch.tensor(np.array(y))

    @staticmethod
    def backward(ctx, ct):
        xs = [hx.tensor(t.detach().numpy()) for t in ctx.saved_tensors]
        _, pull = hx.vjp(CASES[ctx.name][0], *xs)
        grads = as_tuple(pull(hx.tensor(ct.conj().resolve_conj().numpy())))
        return None, *[torch.tensor(np.conj(np.asarray(g))) for g in grads]


CHECKED = ["solve", "inv", "det", "cholesky", "pinv", "svdvals", "eigvalsh", "eigvals"]


@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("name", [*CHECKED, "lstsq", "matrix_exp", "matrix_norm-nuc"])
def test_torchs_gradcheck(name, kind):
    xs = [draw(s, kind, i) for i, s in enumerate(CASES[name][3])]
    ts = [torch.tensor(x, requires_grad=True) for x in xs]
    assert torch.autograd.gradcheck(lambda *a: Ours.apply(name, *a), ts)
