"""Norms of channels and pools, kernel by kernel, beside float64 NumPy."""

import numpy as np
import pytest
from helix_hal.cpu.kernels import channel_norm, channels_last, pool2d

DTYPES = [(np.float32, 3e-6), (np.float64, 1e-13)]
SHAPES = [(1, 2, 1), (1, 300, 64), (2, 37, 83), (3, 9, 16), (1, 5000, 9)]


def draw(shape, dtype, *names):
    rng = np.random.default_rng(sum(shape))
    return [rng.standard_normal(shape).astype(dtype) for _ in names]


def close(got, want, tol):
    assert np.abs(got - want).max() <= tol * max(np.abs(want).max(), 1e-3)


@pytest.mark.parametrize("dtype, tol", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_moments(shape, dtype, tol):
    x = (3 * draw(shape, dtype, "x")[0] + 5).astype(dtype)
    mean, var = channel_norm.moments(x)
    close(mean, x.mean(1, dtype=np.float64), tol)
    close(var, x.astype(np.float64).var(1), 10 * tol)


def test_a_large_mean_costs_the_variance_no_digits():
    x = draw((1, 4000, 16), np.float32, "x")[0] + np.float32(1000)
    _, var = channel_norm.moments(x)
    close(var, x.astype(np.float64).var(1), 1e-5)
    assert not channel_norm.moments(np.full_like(x, 7.1))[1].any()


@pytest.mark.parametrize("dtype, tol", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("relu", [False, True])
def test_sums_of_the_backward_pass(shape, relu, dtype, tol):
    x, g, y = draw(shape, dtype, "x", "g", "y")
    pivot = np.ascontiguousarray(x[:, -1])
    sums, products = channel_norm.dots(x, g, y if relu else None, pivot)
    kept = np.where(y > 0, g, 0).astype(np.float64) if relu else g.astype(np.float64)
    scale = np.abs(g).sum(1).max()
    assert np.abs(sums - kept.sum(1)).max() <= tol * scale
    want = (kept * (x - pivot[:, None])).sum(1)
    assert np.abs(products - want).max() <= 10 * tol * scale


@pytest.mark.parametrize("dtype, tol", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("relu", [False, True])
def test_affine_passes(shape, relu, residual, dtype, tol):
    x, g, r = draw(shape, dtype, "x", "g", "r")
    a, b, c = draw((shape[0], shape[2]), dtype, "a", "b", "c")
    y = np.empty_like(x)
    channel_norm.apply(x, a, b, r if residual else None, relu, y)
    want = x * a[:, None] + b[:, None] + (r if residual else 0)
    want = np.maximum(want, 0) if relu else want
    close(y, want, tol)
    dx = np.empty_like(x)
    dres = channel_norm.back(x, g, y if relu else None, a, b, c, dx, residual)
    kept = np.where(y > 0, g, 0) if relu else g
    close(dx, kept * a[:, None] + x * b[:, None] + c[:, None], 4 * tol)
    assert (dres is None) == (not residual)
    if residual:
        np.testing.assert_array_equal(dres, kept)


def test_relu_keeps_nan():
    x = np.full((1, 2, 17), np.nan, np.float32)
    one = np.ones((1, 17), np.float32)
    y = np.zeros_like(x)
    channel_norm.apply(x, one, one, None, True, y)
    assert np.isnan(y).all()


@pytest.mark.parametrize("shape", [(2, 5, 7), (1, 40, 33), (3, 16, 4, 6), (2, 1, 9)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_channels_move_to_the_end_and_back(shape, dtype):
    a = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    want = np.ascontiguousarray(np.moveaxis(a, 1, -1))
    for given in (a, a[..., ::-1][..., ::-1], np.moveaxis(want, -1, 1)):
        got = channels_last.dense(given)
        np.testing.assert_array_equal(got, want)
        assert got.flags.c_contiguous
    assert channels_last.dense(np.moveaxis(want, -1, 1)).base is not None
    out, memory = channels_last.fresh(shape, dtype)
    memory[...] = want
    np.testing.assert_array_equal(out, a)


def windows_of(x, at):
    """(batch, place, channel) -> list of the pixels of each window of a 2d image."""
    (kh, kw), (sh, sw), ((lh, hh), (lw, hw)), (dh, dw) = at
    height, width = x.shape[1:3]
    rows = (height + lh + hh - (kh - 1) * dh - 1) // sh + 1
    cols = (width + lw + hw - (kw - 1) * dw - 1) // sw + 1
    places = []
    for i in range(rows):
        for j in range(cols):
            places.append(
                [
                    (i * sh - lh + a * dh, j * sw - lw + b * dw)
                    for a in range(kh)
                    for b in range(kw)
                    if 0 <= i * sh - lh + a * dh < height
                    and 0 <= j * sw - lw + b * dw < width
                ]
            )
    return rows, cols, places


AT = [
    ((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)),
    ((3, 3), (2, 2), ((1, 1), (1, 2)), (1, 1)),
    ((3, 2), (1, 3), ((1, 0), (0, 1)), (2, 3)),
    ((1, 1), (1, 1), ((2, 0), (0, 0)), (1, 1)),
]


@pytest.mark.parametrize("dtype, tol", DTYPES)
@pytest.mark.parametrize("channels", [3, 16, 70])
@pytest.mark.parametrize("at", AT)
def test_pools(at, channels, dtype, tol):
    rng = np.random.default_rng(0)
    x = rng.integers(-4, 4, (2, 6, 7, channels)).astype(dtype)  # with ties
    rows, cols, places = windows_of(x, at)
    flat = x.reshape(2, 42, channels)
    y = np.empty((2, rows, cols, channels), dtype)
    where = np.empty(y.shape, np.int32)
    pool2d.max_forward(flat, y, where, (6, 7), at)
    g = rng.standard_normal(y.shape).astype(dtype)
    dx, total = np.empty_like(flat), np.zeros_like(flat)
    pool2d.max_backward(where.reshape(2, -1, channels), g.reshape(2, -1, channels), dx)
    for p, pixels in enumerate(places):
        index = [i * 7 + j for i, j in pixels]
        got, at_p = (a.reshape(2, -1, channels)[:, p] for a in (y, where))
        if not index:
            assert (got == -np.inf).all() and (at_p == -1).all()
            continue
        seen = flat[:, index]
        np.testing.assert_array_equal(got, seen.max(1))
        first = np.array(index)[seen.argmax(1)]
        np.testing.assert_array_equal(at_p, first)
        for n, c in np.ndindex(2, channels):
            total[n, first[n, c], c] += g.reshape(2, -1, channels)[n, p, c]
    close(dx, total, tol)

    shares = [np.full(rows, 0.5), np.arange(1.0, cols + 1)]
    pool2d.mean_forward(flat, y, (6, 7), at, shares)
    pool2d.mean_backward(g, dx, (6, 7), at, shares)
    total[:] = 0
    factor = np.outer(*shares).reshape(-1)
    for p, pixels in enumerate(places):
        index = [i * 7 + j for i, j in pixels]
        got = y.reshape(2, -1, channels)[:, p]
        assert np.abs(got - flat[:, index].sum(1) * factor[p]).max() <= 100 * tol
        total[:, index] += g.reshape(2, -1, channels)[:, p : p + 1] * factor[p]
    close(dx, total, 4 * tol)
