"""The linalg extension against the oracle's; factors by what they multiply to."""

import helix_core as hx
import numpy as np
import pytest
from helix_core import array_api as xp
from hypothesis import assume, given
from hypothesis import strategies as st
from standard_draws import arrays, quick, xps
from standard_oracle import ALL, FLOAT, NUMERIC, check, compare, strict, to

RNG = np.random.default_rng(0)


def matrices(shape, dtype):
    """Well conditioned random matrices."""
    x = RNG.normal(size=shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * RNG.normal(size=shape)
    n = min(shape[-2:])
    x[..., range(n), range(n)] += 3
    return x.astype(dtype)


def hermitian(shape, dtype):
    x = matrices(shape, dtype)
    return x + np.swapaxes(x.conj(), -1, -2)


def positive(shape, dtype):
    x = matrices(shape, dtype)
    return x @ np.swapaxes(x.conj(), -1, -2)


SQUARE = ((3, 3), (2, 4, 4), (1, 1), (0, 3, 3), (2, 0, 0))
ANY = ((3, 3), (2, 4, 3), (2, 3, 5), (1, 1), (0, 3, 2))


def near(x, y, dtype, factor=200):
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(
        np.asarray(x), np.asarray(y), rtol=factor * eps, atol=factor * eps * 10
    )


def H(x):
    return np.swapaxes(np.asarray(x).conj(), -1, -2)


@pytest.mark.parametrize("dtype", FLOAT)
@pytest.mark.parametrize("shape", SQUARE)
def test_square_matrices(dtype, shape):
    x, p, h = (f(shape, dtype) for f in (matrices, positive, hermitian))
    loose = {"ulps": 500, "atol": 500 * np.finfo(dtype).eps}
    for name in ("linalg.det", "linalg.inv", "linalg.slogdet"):
        check(name, x, **loose)
    for upper in (False, True):
        check("linalg.cholesky", p, upper=upper, **loose)
    check("linalg.eigvalsh", h, **loose)
    for n in (0, 1, 3, -2):
        check("linalg.matrix_power", x / 4, n, ulps=5000, atol=5000 * loose["atol"])
    vals, vecs = xp.linalg.eigh(to(xp, h))
    want = strict.linalg.eigh(to(strict, h))
    compare(vals, want.eigenvalues, {dtype}, **loose)
    assert vecs.dtype == dtype and vecs.shape == want.eigenvectors.shape
    got = np.asarray(vecs) * np.asarray(vals)[..., None, :] @ H(vecs)
    near(got, h, dtype)
    check("linalg.solve", x, matrices((*shape[:-1], 2), dtype), **loose)
    if x.ndim == 2:
        check("linalg.solve", x, np.ones(shape[-1], dtype), **loose)


@pytest.mark.parametrize("dtype", FLOAT)
@pytest.mark.parametrize("shape", ANY)
def test_matrices_of_any_shape(dtype, shape):
    x = matrices(shape, dtype)
    loose = {"ulps": 500, "atol": 500 * np.finfo(dtype).eps}
    check("linalg.svdvals", x, **loose)
    for full in (False, True):
        got = xp.linalg.svd(to(xp, x), full_matrices=full)
        want = strict.linalg.svd(to(strict, x), full_matrices=full)
        assert [t.shape for t in got] == [t.shape for t in want]
        assert got._fields == want._fields and got.U.dtype == got.Vh.dtype == dtype
        compare(got.S, want.S, {dtype}, **loose)
        k = got.S.shape[-1]
        u, vh = np.asarray(got.U), np.asarray(got.Vh)
        near(u[..., :k] * np.asarray(got.S)[..., None, :] @ vh[..., :k, :], x, dtype)
        near(H(u) @ u, np.broadcast_to(np.eye(u.shape[-1]), (H(u) @ u).shape), dtype)
    for mode in ("reduced", "complete"):
        got = xp.linalg.qr(to(xp, x), mode=mode)
        want = strict.linalg.qr(to(strict, x), mode=mode)
        assert [t.shape for t in got] == [t.shape for t in want]
        assert got._fields == want._fields
        q, r = np.asarray(got.Q), np.asarray(got.R)
        near(q @ r, x, dtype)
        near(H(q) @ q, np.broadcast_to(np.eye(q.shape[-1]), (H(q) @ q).shape), dtype)
        np.testing.assert_array_equal(r, np.triu(r))
    check("linalg.pinv", x, **loose)
    check("linalg.matrix_rank", x, places=True)
    check("linalg.matrix_rank", x, rtol=0.5, places=True)
    if x.size:
        for ord in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
            for keepdims in (False, True):
                check("linalg.matrix_norm", x, ord=ord, keepdims=keepdims, **loose)


def test_ranks_of_singular_matrices():
    x = np.ones((2, 3, 3)) * [[[1.0]], [[0.0]]]
    x[1, 0, 0] = x[1, 1, 1] = 2.0
    check("linalg.matrix_rank", x, places=True)
    check("linalg.matrix_rank", x, rtol=np.array([0.1, 1.5]), places=True)
    check("linalg.pinv", x, atol=1e-12)


@quick
@given(
    arrays(FLOAT, shape=xps.array_shapes(min_dims=1, max_dims=3, max_side=4)),
    st.sampled_from([0, 1, 2, 3, 0.5, -1, -2, np.inf, -np.inf]),
    st.data(),
)
def test_vector_norms_agree(x, ord, data):
    axes = st.permutations(range(x.ndim)).map(lambda p: tuple(p[: x.ndim - 1] or (0,)))
    axis = data.draw(st.one_of(st.none(), st.integers(-x.ndim, x.ndim - 1), axes))
    assume(ord not in (-1, -2) or (abs(x) > 1e-2).all())
    eps = np.finfo(x.dtype).eps
    kw = {"axis": axis, "ord": ord, "keepdims": data.draw(st.booleans())}
    check("linalg.vector_norm", x, **kw, ulps=200, atol=1000 * eps)


@pytest.mark.parametrize("dtype", ALL)
def test_diagonals_and_traces_agree(dtype):
    x = np.arange(24).reshape(2, 3, 4).astype(dtype)
    for offset in (-3, -1, 0, 2, 5):
        check("linalg.diagonal", x, offset=offset)
        if dtype != "bool":
            check("linalg.trace", x, offset=offset)
            check("linalg.trace", x, offset=offset, dtype=np.dtype("complex128"))


@pytest.mark.parametrize("dtype", NUMERIC)
def test_products_agree(dtype):
    x = np.arange(12).reshape(4, 3).astype(dtype)
    y = np.array([2, 0, 1], dtype)
    check("linalg.cross", x, x[::-1])
    check("linalg.cross", x, y[None] * np.ones_like(x))
    check("linalg.cross", x.T, x.T[:, ::-1], axis=-2)
    check("linalg.outer", y, x[0])
    for name in ("matmul", "vecdot", "tensordot", "matrix_transpose"):
        assert getattr(xp.linalg, name) is getattr(xp, name)


@pytest.mark.parametrize(
    "name",
    "cholesky det eigh eigvalsh inv matrix_norm pinv qr slogdet svd svdvals".split(),
)
def test_unsupported_dtypes_and_shapes_are_named(name):
    f = getattr(xp.linalg, name)
    with pytest.raises(hx.DTypeError, match=rf"\[{name}\] expected .*int32\[2,2\]"):
        f(xp.ones((2, 2), dtype=xp.int32))
    with pytest.raises(hx.ShapeError, match=rf"\[{name}\] expected at least 2 axes"):
        f(xp.ones(2))


@pytest.mark.parametrize("name", ["cholesky", "det", "inv", "eigh", "slogdet"])
def test_matrices_that_are_not_square_raise(name):
    with pytest.raises(ValueError, match="square"):
        getattr(xp.linalg, name)(xp.ones((2, 3)))


def test_bad_arguments_are_named():
    x = xp.ones((2, 2))
    for call, said in (
        (lambda: xp.linalg.cross(x, x), "size 3"),
        (lambda: xp.linalg.cross(xp.ones(3), xp.ones(3), axis=0), "axis below 0"),
        (lambda: xp.linalg.outer(x, x), "vectors"),
        (lambda: xp.linalg.qr(x, mode="raw"), "mode"),
        (lambda: xp.linalg.matrix_norm(x, ord=3), "ord of"),
        (lambda: xp.linalg.inv(xp.zeros((2, 2))), "singular"),
        (lambda: xp.linalg.solve(xp.zeros((2, 2)), xp.ones(2)), "singular"),
        (lambda: xp.linalg.cholesky(-xp.eye(2)), "positive definite"),
    ):
        with pytest.raises(ValueError, match=said):
            call()
