"""Running sum, product, maximum, minimum, logsumexp: values and gradients."""

import helix_core as hx
import ml_dtypes
import numpy as np
import pytest
from gradcheck import check_grads
from helix_core._primitives.cumulative import _decompose

RNG = np.random.default_rng(0)
A = RNG.normal(size=(3, 5, 2))
UFUNC = {
    "sum": np.add,
    "prod": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "logsumexp": np.logaddexp,
}
HX = {
    "sum": hx.cumsum,
    "prod": hx.cumprod,
    "max": hx.cummax,
    "min": hx.cummin,
    "logsumexp": hx.cumlogsumexp,
}
NAN, INF = float("nan"), float("inf")


def want(kind, x, axis, reverse=False):
    x = np.flip(x, axis) if reverse else x
    with np.errstate(all="ignore"):
        y = UFUNC[kind].accumulate(x, axis)
    return np.flip(y, axis) if reverse else y


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("kind", UFUNC)
def test_values(kind, axis, reverse):
    got = HX[kind](hx.tensor(A), axis, reverse)
    np.testing.assert_allclose(
        np.asarray(got), want(kind, A, axis, reverse), rtol=1e-12
    )


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", UFUNC)
def test_decomposition_is_the_same(kind, reverse):
    got = _decompose(hx.tensor(A), kind, 1, reverse)
    np.testing.assert_allclose(np.asarray(got), want(kind, A, 1, reverse), rtol=1e-9)


@pytest.mark.parametrize("kind", ["sum", "prod", "max", "min"])
@pytest.mark.parametrize("dtype", ["int32", "uint64", "int64"])
def test_integers(kind, dtype):
    x = np.array([3, 1, 4, 1, 5], dtype)
    assert HX[kind](hx.tensor(x)).tolist() == want(kind, x, 0).tolist()
    assert (
        _decompose(hx.tensor(x), kind, 0, False).tolist() == want(kind, x, 0).tolist()
    )


@pytest.mark.parametrize(
    "run", [lambda x, k: HX[k](x), lambda x, k: _decompose(x, k, 0, False)]
)
@pytest.mark.parametrize("kind", UFUNC)
def test_nan_and_infinity_as_in_numpy(kind, run):
    for x in ([1.0, -INF, NAN, 2.0], [-INF, -INF, 1.0, INF], [INF, 0.0, 3.0, -INF]):
        x = np.array(x, np.float32)
        np.testing.assert_array_equal(
            np.asarray(run(hx.tensor(x), kind)), want(kind, x, 0)
        )


def test_sixteen_bits_accumulate_in_float32():
    x = hx.ones((600,), "bfloat16")
    wide = np.cumsum(np.ones(600, np.float32)).astype(ml_dtypes.bfloat16)
    for y in (hx.cumsum(x), _decompose(x, "sum", 0, False)):
        assert y.dtype is hx.bfloat16
        np.testing.assert_array_equal(np.asarray(y), wide)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", UFUNC)
def test_gradients(kind, reverse):
    check_grads(lambda x: HX[kind](x, 1, reverse) ** 2, A, order=2)


def test_product_gradient_is_exact_at_zeros():
    x = np.array([2.0, 0.0, 3.0, 0.0, 5.0])
    check_grads(lambda x: hx.cumprod(x), x, order=2)
    g = hx.grad(lambda x: hx.cumprod(x).sum())(hx.tensor(x))
    assert g.tolist() == [1.0, 8.0, 0.0, 0.0, 0.0]


def test_of_equal_maxima_the_last_has_the_gradient():
    g = hx.grad(lambda x: hx.cummax(x)[2])(hx.tensor([1.0, 1.0, 0.0]))
    assert g.tolist() == [0.0, 1.0, 0.0]


def test_logsumexp_gradient_is_finite_far_from_zero():
    x = hx.tensor([-INF, 1000.0, -1000.0])
    g = hx.grad(lambda x: hx.cumlogsumexp(x)[2])(x)
    assert g.tolist() == [0.0, 1.0, 0.0]


def test_complex_sum_and_product():
    z = A[:, :, 0] + 1j * A[:, :, 1]
    check_grads(lambda z: hx.cumsum(z, 1) * z, z, order=2)
    check_grads(lambda z: hx.cumprod(z, 1), z, order=2)


def test_empty_and_wrong():
    assert hx.cumsum(hx.zeros((0, 2)), 0).shape == (0, 2)
    assert hx.grad(lambda x: hx.cumprod(x, 0).sum())(hx.zeros((0, 2))).shape == (0, 2)
    with pytest.raises(hx.DTypeError, match=r"\[cumulative\] expected"):
        hx.cummax(hx.zeros((2,), "complex64"))
    with pytest.raises(hx.ShapeError, match="at least one axis"):
        hx.cumsum(hx.tensor(1.0))
