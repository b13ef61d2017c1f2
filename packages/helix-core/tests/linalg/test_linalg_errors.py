"""Bad input: singular, indefinite, not finite, misshapen, of a wrong dtype."""

import re

import helix_core as hx
import numpy as np
import pytest
from helix_core import linalg as la

NAN = np.array([[1.0, np.nan], [0.0, 1.0]], np.float32)
SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]], np.float32)
GOOD = np.eye(2, dtype=np.float32)
BATCH = np.stack([GOOD, GOOD, SINGULAR * 0])[None]  # the third of one

ONE = (
    "inv det slogdet cholesky qr svd svdvals eigh eigvalsh eig eigvals pinv lu lu_factor "
    "matrix_rank matrix_exp cond"
).split()
SQUARE = (
    "inv det slogdet cholesky eigh eigvalsh eig eigvals matrix_exp matrix_power"
).split()


def call(name, x):
    f = getattr(la, name)
    return f(x, 2) if name == "matrix_power" else f(x)


@pytest.mark.parametrize("dtype", ["int32", "bool", "float16", "bfloat16"])
@pytest.mark.parametrize("name", ONE)
def test_other_dtypes(name, dtype):
    with pytest.raises(hx.DTypeError, match=rf"\[{name}\] expected float32, .*Hint"):
        call(name, hx.ones((2, 2), dtype))


@pytest.mark.parametrize("name", [*ONE, "matrix_power"])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_scalars_and_vectors(name, shape):
    with pytest.raises(hx.ShapeError, match=rf"\[{name}\] expected .*matrices"):
        call(name, hx.ones(shape))


@pytest.mark.parametrize("name", SQUARE)
def test_not_square(name):
    with pytest.raises(hx.ShapeError, match=rf"\[{name}\] expected square matrices"):
        call(name, hx.ones((3, 2)))


SINGULAR_CALLS = {
    "solve": lambda x: la.solve(x, hx.ones((2, 1))),
    "inv": la.inv,
    "triangular_solve": lambda x: la.triangular_solve(x, hx.ones((2, 1))),
    "cond": lambda x: la.cond(x, 1),
}


@pytest.mark.parametrize("name", SINGULAR_CALLS)
def test_a_singular_matrix_is_named(name, device):
    want = (
        rf"\[{name}\] expected non-singular matrices; got a singular one at batch index "
        rf"\(0, 2\) of float32\[1, 3, 2, 2\] on '{device.name}'. Hint: "
    )
    with pytest.raises(la.LinAlgError, match=want):
        SINGULAR_CALLS[name](hx.tensor(BATCH))
    with pytest.raises(
        ValueError, match=rf"\[{name}\].*singular one of float32\[2, 2\]"
    ):
        SINGULAR_CALLS[name](hx.tensor(SINGULAR * 0))


def test_a_singular_matrix_is_named_in_a_graph_too():
    with pytest.raises(hx.LinAlgError, match=r"\[inv\].*index \(0, 2\)"):
        hx.compile(la.inv)(hx.tensor(BATCH))


@pytest.mark.parametrize("x", [-GOOD, NAN.T, SINGULAR * 0], ids=["-1", "nan", "0"])
def test_not_positive_definite(x):
    batch = np.stack([GOOD, x])
    with pytest.raises(hx.LinAlgError, match=r"\[cholesky\] .*definite.*index \(1,\)"):
        la.cholesky(hx.tensor(batch))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", "svd svdvals eigh eigvalsh eig eigvals pinv".split())
def test_iterations_need_finite_matrices(name, bad):
    batch = np.stack([GOOD, GOOD, GOOD])
    batch[1, 0, 0] = bad
    with pytest.raises(hx.LinAlgError, match=rf"\[{name}\] .*finite.*index \(1,\)"):
        call(name, hx.tensor(batch))


@pytest.mark.parametrize("name", "inv det lu_factor matrix_exp qr slogdet".split())
def test_elimination_passes_nan_on(name):
    y = call(name, hx.tensor(NAN))
    ys = y if isinstance(y, tuple) else (y,)
    assert any(np.isnan(np.asarray(t)).any() for t in ys)


MISFITS = {
    "solve-rows": (lambda: la.solve(hx.ones((2, 2)), hx.ones((3, 1))), "solve"),
    "solve-vector": (lambda: la.solve(hx.ones((2, 2)), hx.ones((3,))), "solve"),
    "solve-scalar": (lambda: la.solve(hx.ones((2, 2)), hx.tensor(1.0)), "solve"),
    "solve-batch": (lambda: la.solve(hx.ones((2, 2, 2)), hx.ones((3, 2, 1))), "solve"),
    "solve-square": (lambda: la.solve(hx.ones((2, 3)), hx.ones((2, 1))), "solve"),
    "lstsq": (lambda: la.lstsq(hx.ones((3, 2)), hx.ones((2, 1))), "lstsq"),
    "triangular": (
        lambda: la.triangular_solve(hx.ones((2, 2)), hx.ones((2,))),
        "triangular_solve",
    ),
    "lu_solve": (
        lambda: la.lu_solve(hx.ones((2, 2)), hx.tensor([0]), hx.ones((2, 1))),
        "lu_solve",
    ),
    "cross": (lambda: la.cross(hx.ones((2,)), hx.ones((2,))), "cross"),
    "outer": (lambda: la.outer(hx.ones((2, 2)), hx.ones((2,))), "outer"),
    "vecdot": (lambda: la.vecdot(hx.ones((2,)), hx.ones((3,))), "vecdot"),
    "multi_dot": (
        lambda: la.multi_dot([hx.ones((2, 2)), hx.ones((3, 2))]),
        "multi_dot",
    ),
    "multi_dot-one": (lambda: la.multi_dot([hx.ones((2, 2))]), "multi_dot"),
    "householder": (
        lambda: la.householder_product(hx.ones((2, 3)), hx.ones((2,))),
        "householder_product",
    ),
    "tensorinv": (lambda: la.tensorinv(hx.ones((2, 3, 5))), "tensorinv"),
    "tensorsolve": (
        lambda: la.tensorsolve(hx.ones((2, 3)), hx.ones((2,))),
        "tensorsolve",
    ),
    "pinv-rtol": (lambda: la.pinv(hx.ones((2, 2)), rtol=hx.ones((3,))), "pinv"),
    "qr-mode": (lambda: la.qr(hx.ones((2, 2)), mode="full"), "qr"),
    "eigh-uplo": (lambda: la.eigh(hx.ones((2, 2)), UPLO="M"), "eigh"),
    "matrix_norm": (lambda: la.matrix_norm(hx.ones((2, 2)), ord=3), "matrix_norm"),
    "vector_norm": (lambda: la.vector_norm(hx.ones((2,)), ord="fro"), "vector_norm"),
    "norm": (lambda: la.norm(hx.ones((2, 2, 2)), 2), "norm"),
    "norm-axes": (lambda: la.norm(hx.ones((2, 2, 2)), axis=(0, 1, 2)), "norm"),
    "cond-empty": (lambda: la.cond(hx.ones((0, 0))), "cond"),
    "diagonal": (lambda: la.diagonal(hx.ones((2,))), "diagonal"),
    "diag": (lambda: hx.diag(hx.ones((2, 2, 2))), "diag"),
    "matrix_transpose": (
        lambda: la.matrix_transpose(hx.ones((2,))),
        "matrix_transpose",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_misfits(name):
    run, op = MISFITS[name]
    with pytest.raises(hx.ShapeError, match=rf"\[{re.escape(op)}\] expected"):
        run()


def test_powers_are_whole_and_products_are_of_numbers():
    with pytest.raises(hx.DTypeError, match=r"\[matrix_power\] expected an integer"):
        la.matrix_power(hx.ones((2, 2)), 0.5)
    with pytest.raises(hx.DTypeError, match=r"\[cross\] expected numbers"):
        la.cross(hx.ones((3,), "bool"), hx.ones((3,)))
    with pytest.raises(hx.DTypeError, match=r"\[vector_norm\] expected float"):
        la.vector_norm(hx.ones((3,), "int32"))


# ------------------------------------------------------- gradients where it gets narrow
def test_the_gradient_of_det_is_the_cofactors_for_any_rank():
    a = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [5.0, 7.0, 9.0]])  # rank 2
    minors = np.array(
        [
            [
                (-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, 0), j, 1))
                for j in range(3)
            ]
            for i in range(3)
        ]
    )
    got = hx.grad(la.det)(hx.tensor(a))
    np.testing.assert_allclose(np.asarray(got), minors, atol=1e-12)
    lower = np.outer([1.0, 2.0, 3.0], [1.0, 1.0, 2.0])  # rank 1: no minor is left
    np.testing.assert_allclose(
        np.asarray(hx.grad(la.det)(hx.tensor(lower))), 0, atol=1e-12
    )
    # det(t I) = t^3, so at 0 its second derivative is 0 and its third is 6
    f = lambda t: la.det(t * hx.eye(3, dtype="float64"))
    assert hx.grad(f)(hx.tensor(np.float64(0))).item() == 0
    assert hx.grad(hx.grad(f))(hx.tensor(np.float64(0))).item() == 0
    assert hx.grad(hx.grad(f))(hx.tensor(np.float64(2))).item() == pytest.approx(12)


def test_the_second_gradient_of_det_at_rank_1_is_made_of_its_minors():
    a = np.outer([1.0, 2.0, 3.0], [1.0, 1.0, 2.0])
    first = lambda x: (hx.grad(la.det)(x) * hx.tensor(np.eye(3))).sum()
    # of the sum of principal minors: trace(x) I - x^T
    want = np.trace(a) * np.eye(3) - a.T
    got = hx.grad(first)(hx.tensor(a))
    np.testing.assert_allclose(np.asarray(got), want, atol=1e-12)


def test_slogdet_of_a_singular_matrix_is_minus_infinity_and_has_no_gradient():
    sign, log = la.slogdet(hx.tensor(SINGULAR * 0))
    assert sign.item() == 0 and log.item() == -np.inf
    with pytest.raises(hx.LinAlgError, match=r"\[slogdet\] expected non-singular"):
        hx.grad(lambda x: la.slogdet(x).logabsdet)(hx.tensor(SINGULAR * 0))


@pytest.mark.parametrize("ord", [2, 1, 3, 2.5, 1.5, 0.5, np.inf, 0])
def test_the_gradient_of_a_norm_at_zero_is_zero(ord):
    f = lambda x: la.vector_norm(x, ord=ord)
    g = hx.grad(f)(hx.zeros((3,)))
    assert g.tolist() == [0.0, 0.0, 0.0]
    g = hx.grad(lambda x: f(x * hx.tensor([1.0, 0.0, 2.0])))(hx.ones((3,)))
    assert np.isfinite(np.asarray(g)).all()


def test_values_have_gradients_where_vectors_have_none():
    one = hx.eye(3)
    assert hx.grad(lambda x: la.eigvalsh(x).sum())(one).tolist() == np.eye(3).tolist()
    got = hx.grad(lambda x: la.svdvals(x).sum())(one)
    np.testing.assert_allclose(np.asarray(got), np.eye(3), atol=1e-6)
    got = hx.grad(lambda x: la.eigh(x).eigenvalues.sum())(one)
    np.testing.assert_allclose(np.asarray(got), np.eye(3), atol=1e-6)
    got = hx.grad(lambda x: (la.eigh(x).eigenvectors[0] ** 2).sum())(one)
    assert not np.isfinite(np.asarray(got)).all()


def test_the_columns_of_a_complete_q_have_no_gradient():
    with pytest.raises(hx.GradError, match=r"\[qr\] expected mode='reduced'"):
        hx.grad(lambda x: la.qr(x, mode="complete").Q.sum())(hx.ones((3, 2)))


def test_gradients_of_a_pseudo_inverse_are_finite_at_any_rank():
    x = hx.tensor(SINGULAR.astype(np.float64))
    assert np.isfinite(np.asarray(hx.grad(lambda x: la.pinv(x).sum())(x))).all()


def test_products_inside_do_not_round_where_bfloat16_is_asked():
    x = hx.tensor(np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32))
    g = hx.grad(lambda x: (la.inv(x) ** 2).sum())
    with hx.precision("bfloat16"):
        inside = g(x)
    np.testing.assert_array_equal(np.asarray(inside), np.asarray(g(x)))
