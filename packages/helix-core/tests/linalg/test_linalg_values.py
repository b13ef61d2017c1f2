"""Values against NumPy's: every dtype, batches, empty matrices, residuals, graphs."""

import helix_core as hx
import numpy as np
import pytest
from helix_core import linalg as la
from hypothesis import given, settings
from hypothesis import strategies as st
from linalg_cases import CASES
from minimal import MINIMAL

DTYPES = ("float32", "float64", "complex64", "complex128")
EPS = {"float32": 1e-5, "complex64": 1e-5, "float64": 1e-12, "complex128": 1e-12}


def draw(dtype, *shape, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=shape)
    if "complex" in dtype:
        z = z + 1j * rng.normal(size=shape)
    return z.astype(dtype)


def same(got, want, dtype, loose=1.0):
    want = np.asarray(want)
    assert got.shape == want.shape
    assert got.buffer.dtype == got.dtype.dtype == want.dtype
    scale = float(np.max(np.abs(want), initial=1.0))
    tol = EPS[dtype] * loose
    np.testing.assert_allclose(np.asarray(got), want, rtol=tol, atol=tol * scale)


def positive(x):
    return x @ np.swapaxes(x.conj(), -1, -2) + np.eye(x.shape[-1], dtype=x.dtype)


SQUARE = {
    "inv": np.linalg.inv,
    "det": np.linalg.det,
    "pinv": lambda x: np.linalg.pinv(x, rtol=None),
    "svdvals": lambda x: np.linalg.svd(x, compute_uv=False),
    "eigvalsh": np.linalg.eigvalsh,
    "matrix_norm": lambda x: np.linalg.norm(x, axis=(-2, -1)),
    "cond": np.linalg.cond,
    "trace": lambda x: np.trace(x, axis1=-2, axis2=-1),
    "diagonal": lambda x: np.diagonal(x, axis1=-2, axis2=-1),
}


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SQUARE)
def test_functions_of_square_matrices(name, dtype, batch):
    x = draw(dtype, *batch, 4, 4)
    same(getattr(la, name)(hx.tensor(x)), SQUARE[name](x), dtype, 100)


# the same LAPACK calls: the same bits, whatever the number of threads is
EXACT = {
    "svd": lambda x: np.linalg.svd(x),
    "qr": lambda x: np.linalg.qr(x),
    "eigh": lambda x: np.linalg.eigh(x),
    "slogdet": lambda x: np.linalg.slogdet(x),
    "cholesky": lambda x: (np.linalg.cholesky(positive(x)),),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", EXACT)
def test_factors_are_numpys_to_the_bit(name, dtype):
    x = draw(dtype, 2, 5, 5)
    t = hx.tensor(positive(x) if name == "cholesky" else x)
    got = getattr(la, name)(t)
    got = got if isinstance(got, tuple) else (got,)
    for g, w in zip(got, EXACT[name](x), strict=True):
        np.testing.assert_array_equal(np.asarray(g), w)
        assert g.buffer.dtype == w.dtype


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m, n", [(5, 3), (3, 5), (4, 4), (130, 70), (70, 130)])
def test_lu_gives_the_matrix_back_with_pivots_below_one(m, n, dtype):
    x = draw(dtype, 2, m, n)
    p, low, up = map(np.asarray, la.lu(hx.tensor(x)))
    k = min(m, n)
    assert p.shape == (2, m, m) and low.shape == (2, m, k) and up.shape == (2, k, n)
    np.testing.assert_array_equal(low, np.tril(low))
    np.testing.assert_array_equal(up, np.triu(up))
    np.testing.assert_array_equal(np.diagonal(low, axis1=1, axis2=2), 1)
    assert np.abs(low).max() <= np.sqrt(2) + 1e-6
    np.testing.assert_allclose(p @ low @ up, x, atol=EPS[dtype] * 50)


@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("n", [1, 5, 64, 65, 150])
@pytest.mark.parametrize("dtype", ["float64", "complex64"])
def test_triangular_solve_reads_one_triangle(n, upper, unit, dtype):
    a = draw(dtype, 2, n, n) / n + 2 * np.eye(n, dtype=dtype)
    b = draw(dtype, 1, n, 3, seed=1)
    t = np.triu(a) if upper else np.tril(a)
    if unit:
        t[:, range(n), range(n)] = 1
    below = np.tri(n, k=-1, dtype=bool)
    kept = np.where(below if upper else below.T, np.nan, a).astype(dtype)
    if unit:
        kept[:, range(n), range(n)] = np.nan
    x = la.triangular_solve(
        hx.tensor(kept), hx.tensor(b), upper=upper, unit_diagonal=unit
    )
    assert x.shape == (2, n, 3)
    np.testing.assert_allclose(
        t @ np.asarray(x), np.broadcast_to(b, x.shape), atol=EPS[dtype] * 20
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_solvers_agree(dtype):
    x, b = draw(dtype, 3, 4, 4), draw(dtype, 4, 2, seed=1)
    a = positive(x)
    want = np.linalg.solve(a, b)
    ta, tb = hx.tensor(a), hx.tensor(b)
    same(la.solve(ta, tb), want, dtype, 1000)
    same(la.solve(ta[0], tb[:, 0]), want[0, :, 0], dtype, 1000)
    same(la.solve(ta, tb[:, 0]), want[..., 0], dtype, 1000)
    for upper in (False, True):
        factor = la.cholesky(ta, upper=upper)
        same(la.cholesky_solve(tb, factor, upper=upper), want, dtype, 1000)
    same(la.lu_solve(*la.lu_factor(ta), tb), want, dtype, 1000)
    same(la.lstsq(ta, tb).solution, want, dtype, 1000)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_lstsq_of_any_rank(shape, dtype):
    a, b = draw(dtype, *shape), draw(dtype, shape[0], 2, seed=1)
    a[:, 0] = a[:, 1]
    rcond = 10 * EPS[dtype]
    want, _, rank, s = np.linalg.lstsq(a, b, rcond=rcond)
    got = la.lstsq(hx.tensor(a), hx.tensor(b), rtol=rcond)
    same(got.solution, want, dtype, 100)
    assert got.rank.item() == rank and got.rank.dtype == "int32"
    np.testing.assert_allclose(np.asarray(got.singular_values), s, atol=EPS[dtype] * 10)
    away = np.sum(np.abs(a @ want - b) ** 2, 0)
    np.testing.assert_allclose(np.asarray(got.residuals), away, atol=EPS[dtype] * 100)
    one = la.lstsq(hx.tensor(a), hx.tensor(b[:, 0]), rtol=rcond)
    assert one.solution.shape == (shape[1],) and one.residuals.shape == ()


@pytest.mark.parametrize("dtype", DTYPES)
def test_eig_is_complex_and_an_eigensystem(dtype):
    x = draw(dtype, 2, 4, 4)
    w, v = la.eig(hx.tensor(x))
    to = "complex64" if EPS[dtype] > 1e-6 else "complex128"
    assert w.dtype == v.dtype == la.eigvals(hx.tensor(x)).dtype == to
    w, v = np.asarray(w), np.asarray(v)
    np.testing.assert_allclose(x @ v, v * w[:, None], atol=EPS[dtype] * 50)
    real = la.eigvals(hx.tensor(np.diag([1.0, 2.0])))  # NumPy's are real here
    assert real.dtype == "complex128" and real.buffer.dtype == np.complex128


@pytest.mark.parametrize("ord", [2, 1, 0, 3, -1, 0.5, -2.5, np.inf, -np.inf])
def test_vector_norms(ord):
    x = draw("complex128", 3, 4)
    x[0, 1] = 0
    with np.errstate(divide="ignore"):
        want = np.linalg.norm(x, ord, axis=1, keepdims=True)
    same(la.vector_norm(hx.tensor(x), axis=1, keepdims=True, ord=ord), want, "float64")
    same(la.norm(hx.tensor(x), ord, 1, True), want, "float64")


@pytest.mark.parametrize("ord", ["fro", "nuc", 2, -2, 1, -1, np.inf, -np.inf])
def test_matrix_norms_and_condition_numbers(ord):
    x = draw("complex128", 3, 4, 2)
    t = hx.tensor(x)
    want = np.linalg.norm(x, ord, axis=(2, 0), keepdims=True)
    got = la.matrix_norm(t, axis=(2, 0), keepdims=True, ord=ord)
    same(got, want, "float64")
    same(la.norm(t[0], ord), np.linalg.norm(x[0], ord), "float64")
    a = draw("float64", 2, 3, 3)
    same(la.cond(hx.tensor(a), ord), np.linalg.cond(a, ord), "float64", 100)
    same(la.norm(t), np.asarray(np.linalg.norm(x)), "float64")


def test_ranks():
    a = draw("float64", 3, 5, 4)
    a[1, :, 0] = a[1, :, 1]
    a[2] = 0
    assert la.matrix_rank(hx.tensor(a)).tolist() == [4, 3, 0]
    tol = hx.tensor(np.array([0.0, 0.0, 0.0]))
    assert la.matrix_rank(hx.tensor(a[:1]), rtol=2.0).tolist() == [0]
    assert la.matrix_rank(hx.tensor(a), rtol=tol + 1e-9).tolist() == [4, 3, 0]
    assert la.matrix_rank(hx.tensor(np.diag([3.0, 1.0, 0.1])), atol=0.5).item() == 2
    assert la.matrix_rank(hx.tensor(np.diag([3.0, -1, 0])), hermitian=True).item() == 2


@pytest.mark.parametrize("n", [-3, -1, 0, 1, 2, 5, 8])
def test_powers(n):
    x = draw("float64", 2, 3, 3)
    same(la.matrix_power(hx.tensor(x), n), np.linalg.matrix_power(x, n), "float64", 1e3)
    whole = np.array([[2, 1], [1, 1]], np.int32)
    if n >= 0:
        got = la.matrix_power(hx.tensor(whole), n)
        assert np.array_equal(np.asarray(got), np.linalg.matrix_power(whole, n))


@pytest.mark.parametrize("size", [1e-3, 1.0, 30.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_exponential_of_a_normal_matrix_is_that_of_its_eigenvalues(dtype, size):
    x = draw(dtype, 3, 4, 4)
    x = (x + np.swapaxes(x.conj(), -1, -2)) * np.array(size / 10, dtype)
    w, v = np.linalg.eigh(x.astype(np.complex128))
    want = (v * np.exp(w)[:, None]) @ np.swapaxes(v.conj(), -1, -2)
    want = want.astype(dtype) if "complex" in dtype else want.real.astype(dtype)
    same(la.matrix_exp(hx.tensor(x)), want, dtype, 100)


def test_products():
    a, b, c = draw("float64", 2, 3), draw("float64", 3, 2), draw("float64", 2, 4)
    t = [hx.tensor(x) for x in (a, b, c)]
    same(la.kron(t[0], t[1]), np.kron(a, b), "float64")
    same(la.kron(t[0], t[1][0]), np.kron(a, b[0]), "float64")
    same(la.multi_dot(t), a @ b @ c, "float64")
    same(la.multi_dot([t[0][0], t[1], t[2][:, 0]]), a[0] @ b @ c[:, 0], "float64")
    same(la.outer(t[0][0], t[1][0]), np.outer(a[0], b[0]), "float64")
    same(la.cross(t[0], t[0][:1] + 1), np.cross(a, a[:1] + 1), "float64")
    same(
        la.cross(t[0].T, t[0].T + 1, axis=0), np.cross(a.T, a.T + 1, axis=0), "float64"
    )
    same(la.vecdot(t[0], t[0]), np.sum(a * a, -1), "float64")
    whole = np.array([1, 2, 3], np.int32)
    assert la.cross(hx.tensor(whole), hx.tensor(whole[::-1].copy())).tolist() == [
        -4,
        8,
        -4,
    ]


def test_householder_product_of_geqrf():
    x = draw("complex128", 2, 5, 3)
    for i in range(2):
        h, tau = np.linalg.qr(x[i], "raw")
        got = la.householder_product(
            hx.tensor(np.ascontiguousarray(h.T)), hx.tensor(tau)
        )
        same(got, np.linalg.qr(x[i])[0], "complex128")


def test_tensor_equations():
    a = draw("float64", 2, 3, 6)
    same(la.tensorinv(hx.tensor(a)), np.linalg.tensorinv(a), "float64", 100)
    b = draw("float64", 2, 3, seed=1)
    got = la.tensorsolve(hx.tensor(a), hx.tensor(b))
    same(got, np.linalg.tensorsolve(a, b), "float64", 100)
    moved = np.moveaxis(a, 2, 0).copy()
    got = la.tensorsolve(hx.tensor(moved), hx.tensor(b), axes=(0,))
    same(got, np.linalg.tensorsolve(moved, b, axes=(0,)), "float64", 100)


@given(
    m=st.integers(0, 5),
    n=st.integers(0, 5),
    offset=st.integers(-6, 6),
    batch=st.sampled_from([(), (2,), (0,)]),
)
@settings(deadline=None, max_examples=60, derandomize=True)
def test_diagonals(m, n, offset, batch):
    x = np.arange(np.prod(batch, dtype=int) * m * n).reshape(*batch, m, n)
    t = hx.tensor(x.astype(np.float32))
    want = np.diagonal(x, offset, -2, -1)
    got = la.diagonal(t, offset=offset)
    assert np.array_equal(np.asarray(got), want)
    assert np.array_equal(np.asarray(la.trace(t, offset=offset)), want.sum(-1))
    if batch == (2,):
        assert np.array_equal(
            np.asarray(hx.diagonal(t, offset)), np.diagonal(x, offset)
        )
    if batch == ():
        vector = np.arange(1.0, n + 1)
        assert np.array_equal(
            np.asarray(hx.diag(hx.tensor(vector), offset)), np.diag(vector, offset)
        )


@given(
    m=st.integers(0, 4),
    n=st.integers(0, 4),
    batch=st.sampled_from([(), (0,), (2,), (2, 0)]),
    dtype=st.sampled_from(["float32", "complex128"]),
)
@settings(deadline=None, max_examples=60, derandomize=True)
def test_shapes_and_values_down_to_nothing(m, n, batch, dtype):
    x = draw(dtype, *batch, m, n)
    t = hx.tensor(x)
    eye = lambda k: np.eye(k)
    for full in (False, True):
        u, s, vh = map(np.asarray, la.svd(t, full_matrices=full))
        want = [w.shape for w in np.linalg.svd(x, full_matrices=full)]
        assert [u.shape, s.shape, vh.shape] == want
        k = min(m, n)
        back = (u[..., :k] * s[..., None, :]) @ vh[..., :k, :]
        np.testing.assert_allclose(back, x, atol=1e-5)
    for mode in ("reduced", "complete"):
        q, r = map(np.asarray, la.qr(t, mode=mode))
        np.testing.assert_allclose(q @ r, x, atol=1e-5)
        assert q.shape[-1] == (m if mode == "complete" else min(m, n))
        inner = np.swapaxes(q.conj(), -1, -2) @ q
        np.testing.assert_allclose(
            inner, np.broadcast_to(eye(q.shape[-1]), inner.shape), atol=1e-5
        )
    p, low, up = map(np.asarray, la.lu(t))
    np.testing.assert_allclose(p @ low @ up, x, atol=1e-5)
    assert la.pinv(t).shape == (*batch, n, m)
    assert la.matrix_rank(t).shape == batch
    assert la.matrix_norm(t).shape == batch
    if m == n:
        w, v = map(np.asarray, la.eigh(t))
        assert w.shape == (*batch, n) and v.shape == x.shape
        assert la.eig(t).eigenvectors.shape == x.shape
        assert la.det(t).shape == batch and la.slogdet(t).sign.shape == batch
        assert la.inv(t).shape == la.matrix_exp(t).shape == x.shape
        assert la.solve(t, hx.ones((n, 2), dtype)).shape == (*batch, n, 2)
        assert la.cholesky(hx.tensor(positive(x))).shape == x.shape
        if n == 0:
            assert np.all(np.asarray(la.det(t)) == 1)


GRADIENTS = ("solve", "det", "qr-tall", "svd-tall", "eigh", "pinv-tall", "matrix_exp")


@pytest.mark.parametrize("batch", [(0,), (2,)])
@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_of_a_batch_are_those_of_its_matrices(name, batch):
    fn, arrays = CASES[name].fn, CASES[name].arrays("complex", batch)

    def pulled(*arrays):
        y, pull = hx.vjp(fn, *map(hx.tensor, arrays))
        grads = pull(y)
        return grads if isinstance(grads, tuple) else (grads,)

    got = pulled(*arrays)
    for i in range(batch[0]):
        for g, w in zip(got, pulled(*[a[i] for a in arrays]), strict=True):
            np.testing.assert_allclose(np.asarray(g)[i], np.asarray(w), atol=1e-10)
    assert [g.shape for g in got] == [a.shape for a in arrays]


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.prims])
def test_graphs_and_their_gradients_replay_to_the_same_bits(name):
    case = CASES[name]
    ts = [hx.tensor(a) for a in case.arrays("complex")]

    def loss(xs):
        ys = case.fn(*xs)
        ys = ys if isinstance(ys, tuple) else (ys,)
        return sum((hx.abs(y) ** 2).sum() for y in ys)

    step = hx.grad(loss)
    graph = hx.trace(step).graph(ts)
    assert {e.op.category for e in graph.equations} >= {"HOST"}
    for got, want in zip(hx.compile(step)(ts), step(ts), strict=True):
        np.testing.assert_array_equal(np.asarray(got), np.asarray(want))


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.prims])
def test_a_backend_without_linear_algebra_runs_it_on_the_host(name):
    case = CASES[name]
    arrays = [a.astype(np.float32) for a in case.arrays("real")]
    want = case.fn(*map(hx.tensor, arrays))
    with hx.device(MINIMAL()):
        got = case.fn(*map(hx.tensor, arrays))
    many = isinstance(want, tuple)
    for g, w in zip(got if many else (got,), want if many else (want,), strict=True):
        assert g.device is MINIMAL() and g.dtype is w.dtype
        np.testing.assert_allclose(np.asarray(g), np.asarray(w), rtol=1e-3, atol=1e-3)
