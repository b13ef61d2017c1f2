"""Pools against loops over windows, and what they refuse."""

import helix_core as hx
import numpy as np
import pytest
from gradcheck import check_grads

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 7, 6))


def windows(n, k, stride, padding, ceil_mode):
    """First and last element of each window, border included."""
    places, at = [], -padding
    while at + k <= n + padding or (ceil_mode and at < n):
        places.append((at, min(at + k, n + padding)))
        at += stride
    return places


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("k, stride, padding", [(3, 2, 1), (2, 2, 0), (4, 3, 2)])
def test_values_are_those_of_the_windows(k, stride, padding, ceil_mode):
    rows, cols = (windows(n, k, stride, padding, ceil_mode) for n in (7, 6))
    cut = lambda r, c: X[:, :, max(r[0], 0) : r[1], max(c[0], 0) : c[1]]
    area = lambda r, c: (r[1] - r[0]) * (c[1] - c[0])
    grid = lambda f: np.stack([np.stack([f(r, c) for c in cols], -1) for r in rows], -2)
    args = (hx.tensor(X), k, stride, padding)
    want = grid(lambda r, c: cut(r, c).max((2, 3)))
    np.testing.assert_array_equal(np.asarray(hx.max_pool2d(*args, 1, ceil_mode)), want)
    want = grid(lambda r, c: cut(r, c).sum((2, 3)) / area(r, c))
    got = hx.avg_pool2d(*args, ceil_mode)
    np.testing.assert_allclose(np.asarray(got), want, rtol=1e-12)
    want = grid(lambda r, c: cut(r, c).mean((2, 3)))
    got = hx.avg_pool2d(*args, ceil_mode, False)
    np.testing.assert_allclose(np.asarray(got), want, rtol=1e-12)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (3, 4), (7, 6), (9, 2)])
def test_adaptive_values_are_those_of_the_regions(size):
    def regions(n, m):
        return [(i * n // m, -(-(i + 1) * n // m)) for i in range(m)]

    rows, cols = regions(7, size[0]), regions(6, size[1])
    for name, f in (("avg", np.mean), ("max", np.max)):
        want = [[f(X[:, :, a:b, c:d], (2, 3)) for c, d in cols] for a, b in rows]
        got = getattr(hx, f"adaptive_{name}_pool2d")(hx.tensor(X), size)
        want = np.moveaxis(np.array(want), (0, 1), (2, 3))
        np.testing.assert_allclose(np.asarray(got), want, rtol=1e-12)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: hx.max_pool2d(x, 3, 2, 1, 1, True),
        lambda x: hx.max_pool2d(x, 2, 1, 0, 2),
        lambda x: hx.avg_pool2d(x, 3, 2, 1, True, False),
        lambda x: hx.avg_pool2d(x, (2, 3), 1, divisor=4),
        lambda x: hx.adaptive_avg_pool2d(x, (3, 4)),
        lambda x: hx.adaptive_max_pool2d(x, (3, 4)),
        lambda x: hx.max_pool1d(hx.reshape(x, (2, 3, 42)), 3),
        lambda x: hx.avg_pool1d(hx.reshape(x, (2, 3, 42)), 3),
        lambda x: hx.max_pool3d(hx.reshape(x, (2, 3, 7, 3, 2)), 2),
        lambda x: hx.avg_pool3d(hx.reshape(x, (2, 3, 7, 3, 2)), 2),
    ],
)
def test_gradients(fn):
    check_grads(lambda x: fn(x) ** 2, X, order=2)


def test_the_first_maximum_has_the_gradient():
    x = hx.tensor([[[1.0, 3.0, 3.0, 2.0]]])
    g = hx.grad(lambda x: hx.sum(hx.max_pool1d(x, 2, 1)))(x)
    assert g.tolist() == [[[0.0, 2.0, 1.0, 0.0]]]
    g = hx.grad(lambda x: hx.sum(hx.adaptive_max_pool1d(x, 3)))(x)
    assert g.tolist() == [[[0.0, 2.0, 1.0, 0.0]]]


def test_integers_and_empty_batches():
    x = hx.tensor([[[1, 5, 2, 3]]])
    assert hx.max_pool1d(x, 2).tolist() == [[[5, 3]]]
    assert hx.avg_pool1d(x, 2).tolist() == [[[3.0, 2.5]]]
    for pool in (hx.max_pool2d, hx.avg_pool2d, hx.adaptive_avg_pool2d):
        y, pull = hx.vjp(lambda x, f=pool: f(x, 2), hx.zeros((0, 3, 4, 4)))
        assert y.shape == (0, 3, 2, 2) and pull(y).shape == (0, 3, 4, 4)


@pytest.mark.parametrize(
    "fn, words",
    [
        (lambda x: hx.max_pool2d(x, 9), "a window no larger than the padded input"),
        (lambda x: hx.max_pool2d(x, 3, 1, 2), "padding of at most half the window"),
        (lambda x: hx.max_pool2d(x, 3, 1, -1), "padding of at most half the window"),
        (lambda x: hx.max_pool2d(x, 2, 0), "stride and dilation of at least 1"),
        (lambda x: hx.avg_pool2d(x, 0), "stride and dilation of at least 1"),
        (lambda x: hx.avg_pool2d(x, 2, divisor=0), "a divisor that is not 0"),
        (lambda x: hx.avg_pool1d(x, 2), "1 spatial axes"),
        (lambda x: hx.max_pool2d(x[:, :, :0], 2), "none of them empty"),
        (lambda x: hx.adaptive_avg_pool2d(x, 0), "2 output sizes of at least 1"),
        (
            lambda x: hx.adaptive_max_pool2d(x, (1, 2, 3)),
            "2 output sizes of at least 1",
        ),
    ],
)
def test_wrong_arguments(fn, words):
    with pytest.raises(hx.ShapeError, match=words):
        fn(hx.tensor(X))
