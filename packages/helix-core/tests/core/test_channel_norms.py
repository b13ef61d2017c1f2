"""Batch, group and instance norm against their equations in NumPy."""

import helix_core as hx
import numpy as np
import pytest
from gradcheck import check_grads

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4, 3, 2)) * 2 + 1
W, B = RNG.normal(size=4), RNG.normal(size=4)
EPS = 1e-5


def wide(v):
    return v[:, None, None]


def test_batch_norm_is_its_equation():
    mean, var = X.mean((0, 2, 3)), X.var((0, 2, 3))
    want = (X - wide(mean)) / np.sqrt(wide(var) + EPS) * wide(W) + wide(B)
    y, m, v = hx.batch_norm(*map(hx.tensor, (X, W, B)))
    for got, right in ((y, want), (m, mean), (v, var)):
        np.testing.assert_allclose(np.asarray(got), right, rtol=1e-12)
    res = RNG.normal(size=X.shape)
    y, *_ = hx.batch_norm(
        *map(hx.tensor, (X, W, B)), activation="relu", residual=hx.tensor(res)
    )
    np.testing.assert_allclose(np.asarray(y), np.maximum(want + res, 0), atol=1e-12)
    y = hx.batch_norm_inference(*map(hx.tensor, (X, mean, var, W, B)))
    np.testing.assert_allclose(np.asarray(y), want, rtol=1e-12)


@pytest.mark.parametrize("relu", [None, "relu"])
def test_gradients_of_batch_norm(relu):
    res = RNG.normal(size=X.shape)
    check_grads(
        lambda x, w, b, r: hx.batch_norm(x, w, b, activation=relu, residual=r),
        *(X, W, B, res),
        order=2,
    )
    mean, var = RNG.normal(size=4), RNG.uniform(1, 2, size=4)
    check_grads(
        lambda x, m, v, w, b: hx.batch_norm_inference(x, m, v, w, b, activation=relu),
        *(X, mean, var, W, B),
        order=2,
    )


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_group_norm_is_its_equation(groups):
    s = X.reshape(3, groups, -1)
    s = (s - s.mean(-1, keepdims=True)) / np.sqrt(s.var(-1, keepdims=True) + EPS)
    want = s.reshape(X.shape) * wide(W) + wide(B)
    got = hx.group_norm(hx.tensor(X), groups, hx.tensor(W), hx.tensor(B))
    np.testing.assert_allclose(np.asarray(got), want, rtol=1e-10)
    if groups == 4:
        got = hx.instance_norm(hx.tensor(X), hx.tensor(W), hx.tensor(B))
        np.testing.assert_allclose(np.asarray(got), want, rtol=1e-10)
    check_grads(lambda x, w, b: hx.group_norm(x, groups, w, b), X, W, B, order=2)


def test_empty_batches():
    x = hx.zeros((0, 4, 2, 2))
    y, pull = hx.vjp(
        lambda x, w, b: hx.group_norm(x, 2, w, b), x, hx.ones(4), hx.ones(4)
    )
    assert y.shape == x.shape and [g.shape for g in pull(y)] == [x.shape, (4,), (4,)]
    assert hx.batch_norm_inference(x, hx.ones(4), hx.ones(4)).shape == x.shape


@pytest.mark.parametrize(
    "fn, words",
    [
        (lambda x: hx.batch_norm(x[:1, :, :1, :1]), "more than one value per channel"),
        (lambda x: hx.batch_norm(x, hx.ones(3)), r"weight \(4,\), one per channel"),
        (lambda x: hx.batch_norm(x[0, 0, 0]), r"x \(batch, channel, \*spatial\)"),
        (lambda x: hx.batch_norm(x, activation="gelu"), "None or 'relu'"),
        (lambda x: hx.batch_norm(x, residual=x[0]), "a residual of x's shape"),
        (lambda x: hx.batch_norm_inference(x, hx.ones(4), hx.ones(3)), r"var \(4,\)"),
        (lambda x: hx.group_norm(x, 3), "groups that divide the channels"),
        (lambda x: hx.group_norm(x, 0), "groups of at least 1"),
        (lambda x: hx.instance_norm(x[:, :, :1, :1]), "more than one spatial element"),
    ],
)
def test_wrong_arguments(fn, words):
    with pytest.raises(hx.ShapeError, match=words):
        fn(hx.tensor(X))
