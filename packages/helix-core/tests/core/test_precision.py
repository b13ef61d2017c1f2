"""``hx.precision`` and the precision of products, against NumPy on rounded operands."""

import helix_core as hx
import ml_dtypes
import numpy as np
import pytest

X = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
W = np.random.default_rng(1).standard_normal((4, 5)).astype(np.float32)


def rounded(a):
    return a.astype(ml_dtypes.bfloat16).astype(np.float64)


def same(got, want):
    np.testing.assert_allclose(np.asarray(got), want, rtol=1e-5, atol=2e-5)


MIXED = rounded(X) @ rounded(W).T
PRODUCTS = {
    "matmul": lambda x, w: x @ w.T,
    "dot_general": lambda x, w: hx.dot_general(x, w, (((1,), (1,)), ((), ()))),
    "einsum": lambda x, w: hx.einsum("ij,kj->ik", x, w),
    "tensordot": lambda x, w: hx.tensordot(x, w, ((1,), (1,))),
    "batched": lambda x, w: (x[None] @ w.T[None])[0],
    "vector": lambda x, w: hx.stack([x[0] @ w.T, x[1] @ w.T, x[2] @ w.T]),
    "linear": lambda x, w: hx.linear(x, w),
    "linear with activation": lambda x, w: (
        hx.linear(x, w, hx.full((4,), 99.0), activation="relu") - 99.0
    ),
    "linear with bias": lambda x, w: hx.linear(x, w, hx.zeros((4,))),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_obey_the_precision_in_force(name):
    fn = PRODUCTS[name]
    x, w = hx.tensor(X), hx.tensor(W)
    with hx.precision("bfloat16"):
        mixed = fn(x, w)
    assert mixed.dtype is hx.float32
    same(mixed, MIXED)
    assert np.abs(MIXED - X.astype(np.float64) @ W.T).max() > 1e-3
    same(fn(x, w), X.astype(np.float64) @ W.T)


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_gradient_has_the_precision_of_its_product_wherever_it_is_computed(name):
    fn = PRODUCTS[name]
    ct = np.random.default_rng(2).standard_normal((3, 4)).astype(np.float32)
    p = hx.Parameter(hx.tensor(W))
    with hx.precision("bfloat16"):
        loss = (fn(hx.tensor(X), p) * hx.tensor(ct)).sum()
    loss.backward()
    same(p.grad, rounded(ct).T @ rounded(X))
    p.grad = None
    loss = (fn(hx.tensor(X), p) * hx.tensor(ct)).sum()
    with hx.precision("bfloat16"):
        loss.backward()
    same(p.grad, ct.astype(np.float64).T @ X)


def test_the_innermost_precision_counts_and_ends_with_its_block():
    x, w = hx.tensor(X), hx.tensor(W)
    with hx.precision(hx.bfloat16):
        with hx.precision("float32"):
            same(x @ w.T, X.astype(np.float64) @ W.T)
        same(x @ w.T, MIXED)
        same(hx.dot_general(x, w, (((1,), (1,)), ((), ())), "float32"), X @ W.T)


def test_a_compiled_function_has_a_plan_for_each_precision():
    f = hx.compile(lambda x, w: x @ w.T)
    x, w = hx.tensor(X), hx.tensor(W)
    full = f(x, w)
    with hx.precision("bfloat16"):
        same(f(x, w), MIXED)
    same(f(x, w), np.asarray(full))


@hx.composite("test_precision_body")
def body(x, w):
    return x @ w.T


def test_the_body_of_a_composite_obeys_its_attributes_alone():
    x, w = hx.tensor(X), hx.tensor(W)
    with hx.precision("bfloat16"):
        same(body(x, w), X.astype(np.float64) @ W.T)
        same(hx.compile(lambda x, w: body(x, w))(x, w), X.astype(np.float64) @ W.T)


def test_a_checkpoint_computes_again_in_the_precision_of_the_first_time():
    p = hx.Parameter(hx.tensor(W))
    with hx.precision("bfloat16"):
        y = hx.checkpoint(lambda x: hx.square(x @ p.T))(hx.tensor(X))
    y.sum().backward()
    same(p.grad, rounded((2 * MIXED).astype(np.float32)).T @ rounded(X))


@pytest.mark.parametrize("dtype", ["float64", "int32", "complex64"])
def test_other_dtypes_are_not_rounded(dtype):
    x, w = (1000 * X).astype(dtype), (1000 * W).astype(dtype)
    with hx.precision("bfloat16"):
        y = hx.tensor(x) @ hx.tensor(w).T
    np.testing.assert_allclose(np.asarray(y), x @ w.T, rtol=1e-4)


def test_an_unknown_precision_is_an_error():
    with pytest.raises(hx.DTypeError, match=r"\[precision\] expected compute=.*'half'"):
        hx.precision("half")


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_linear_cross_entropy_obeys_the_precision_in_force(reduction):
    labels = np.array([0, 3, 1])
    p = hx.Parameter(hx.tensor(W))
    with hx.precision("bfloat16"):
        loss = hx.linear_cross_entropy(
            hx.tensor(X), p, hx.tensor(labels), reduction=reduction
        )
    e = np.exp(MIXED)
    prob = e / e.sum(1, keepdims=True)
    rows = -np.log(prob[np.arange(3), labels])
    same(loss, rows.mean() if reduction == "mean" else rows)
    loss.sum().backward()
    dz = prob - np.eye(4)[labels]
    # scaling comes after the product, or before it and its rounding
    scale = 3.0 if reduction == "mean" else 1.0
    want = rounded((dz / scale).astype(np.float32)).T @ rounded(X)
    same(p.grad, want)
