"""reduce_window against a loop over windows; gradients; the decomposition."""

import helix_core as hx
import numpy as np
import pytest
from gradcheck import check_grads
from helix_core._primitives.window import _decompose

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 6, 7))
INF, NAN = float("inf"), float("nan")

CASES = [
    ((1, 2, 3), (1, 1, 1), ((0, 0), (0, 0), (0, 0)), (1, 1, 1)),
    ((1, 2, 2), (1, 2, 2), ((0, 0), (0, 0), (1, 0)), (1, 1, 1)),
    ((2, 3, 1), (1, 2, 3), ((0, 0), (2, 1), (0, 0)), (1, 2, 1)),
    ((1, 3, 2), (1, 3, 2), ((0, 0), (-1, 2), (3, -1)), (1, 1, 3)),
    ((1, 1, 1), (1, 1, 1), ((0, 0), (0, 0), (0, 0)), (1, 1, 1)),
    ((1, 9, 2), (1, 1, 1), ((0, 0), (0, 0), (0, 0)), (1, 1, 1)),
]


def loop(x, kind, window, strides, padding, dilation):
    fill = {"sum": 0, "max": -INF, "min": INF}[kind]
    for axis, (lo, hi) in enumerate(padding):
        grow = [(0, 0)] * x.ndim
        grow[axis] = (max(lo, 0), max(hi, 0))
        x = np.pad(x, grow, constant_values=fill)
        cut = [slice(None)] * x.ndim
        cut[axis] = slice(max(-lo, 0), x.shape[axis] - max(-hi, 0))
        x = x[tuple(cut)]
    sizes = [
        max(0, (n - (k - 1) * d - 1) // s + 1)
        for n, k, s, d in zip(x.shape, window, strides, dilation, strict=True)
    ]
    out = np.zeros(sizes)
    for i in np.ndindex(*sizes):
        at = tuple(
            slice(j * s, j * s + (k - 1) * d + 1, d)
            for j, s, k, d in zip(i, strides, window, dilation, strict=True)
        )
        out[i] = getattr(x[at], kind)()
    return out


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["sum", "max", "min"])
def test_values_and_decomposition(kind, case):
    want = loop(X, kind, *case)
    window, strides, padding, dilation = case
    got = hx.reduce_window(hx.tensor(X), kind, window, strides, padding, dilation)
    assert got.shape == want.shape
    np.testing.assert_allclose(np.asarray(got), want, rtol=1e-12, atol=1e-12)
    got = _decompose(hx.tensor(X), kind, *case)
    assert got.shape == want.shape
    np.testing.assert_allclose(np.asarray(got), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["sum", "max", "min"])
def test_gradients(kind, case):
    if kind != "sum" and case is CASES[3]:
        case = ((1, 3, 2), (1, 3, 2), ((0, 0), (-1, 2), (1, -1)), (1, 1, 3))
    f = lambda x: hx.reduce_window(x, kind, *case)
    check_grads(lambda x: hx.where(hx.isfinite(f(x)), f(x), 0.0) ** 2, X, order=2)


def test_the_first_maximum_has_the_gradient():
    f = lambda x: hx.reduce_window(x, "max", 2, 1).sum()
    assert hx.grad(f)(hx.tensor([1.0, 3.0, 3.0, 2.0])).tolist() == [0.0, 2.0, 1.0, 0.0]


def test_a_border_never_has_the_gradient():
    f = lambda x: hx.reduce_window(x, "max", 3, 3, [(2, 0)]).sum()
    assert hx.grad(f)(hx.tensor([-INF])).tolist() == [1.0]
    f = lambda x: hx.reduce_window(x, "max", 1, 1, [(2, 0)])[0]
    assert hx.grad(f)(hx.tensor([1.0])).tolist() == [0.0]


def test_nan_wins_and_has_the_gradient():
    f = lambda x: hx.reduce_window(x, "max", 3)
    x = hx.tensor([1.0, NAN, 5.0])
    assert np.isnan(f(x).item())
    assert hx.grad(lambda x: f(x).sum())(x).tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float16", "bfloat16"])
def test_dtypes(dtype):
    x = hx.tensor([3, 1, 2, 5]).astype(dtype)
    for kind, want in (("sum", [6, 8]), ("max", [3, 5]), ("min", [1, 1])):
        got = hx.reduce_window(x, kind, 3)
        assert got.dtype == dtype and got.astype("int32").tolist() == want
        got = _decompose(x, kind, (3,), (1,), ((0, 0),), (1,))
        assert got.dtype == dtype and got.astype("int32").tolist() == want


def test_same_padding_keeps_the_size():
    assert hx.reduce_window(hx.ones((5,)), "sum", 3, 2, "same").tolist() == [
        2.0,
        3.0,
        2.0,
    ]
    assert hx.reduce_window(hx.ones((2, 5)), "sum", (1, 2), padding="same").shape == (
        2,
        5,
    )


def test_wrong_arguments():
    x = hx.zeros((3, 3))
    with pytest.raises(hx.ShapeError, match="a kind of sum, max, min"):
        hx.reduce_window(x, "mean", 2)
    with pytest.raises(hx.ShapeError, match="2 values, one per axis"):
        hx.reduce_window(x, "sum", (2,))
    with pytest.raises(hx.ShapeError, match="sizes at least 1"):
        hx.reduce_window(x, "sum", (0, 1))
    with pytest.raises(hx.ShapeError, match="'valid', 'same', or widths"):
        hx.reduce_window(x, "sum", 2, padding="full")
