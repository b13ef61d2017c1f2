"""RMSNorm and LayerNorm beside float64 NumPy and finite differences."""

import numpy as np
import pytest
from helix_hal.cpu import pool, threads
from helix_hal.cpu.kernels import norm, simd

EPS = 1e-5
SHAPES = [(1, 1), (3, 7), (5, 64), (130, 33), (257, 100), (9, 16), (9, 8)]


def _rms(x, w):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS) * w


def _layer(x, w, b):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + EPS) * w + b


def _draw(shape, *more):
    rng = np.random.default_rng(sum(shape))
    features = shape[1]
    sizes = {"x": shape, "r": shape, "dy": shape, "dh": shape}
    return [rng.standard_normal(sizes.get(name, features)) for name in more]


def _difference(loss, array, index, step=1e-6):
    """Central difference of a float64 loss in one element of `array`."""
    kept = array[index]
    array[index] = kept + step
    above = loss()
    array[index] = kept - step
    below = loss()
    array[index] = kept
    return (above - below) / (2 * step)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype,tol", [(np.float32, 2e-6), (np.float64, 1e-13)])
def test_rms_norm_forward(shape, dtype, tol):
    x, w = _draw(shape, "x", "w")
    y, _, h = norm.rms_norm_forward(x.astype(dtype), w.astype(dtype), eps=EPS)
    expected = _rms(x, w)
    assert y.dtype == dtype and h.shape == shape
    assert np.abs(y - expected).max() <= tol * np.abs(expected).max()


def test_rms_norm_adds_the_residual_and_returns_the_sum():
    x, r, w = _draw((6, 40), "x", "r", "w")
    y, _, h = norm.rms_norm_forward(x, w, r, eps=EPS)
    np.testing.assert_array_equal(h, x + r)
    np.testing.assert_allclose(y, _rms(x + r, w), rtol=1e-12)


@pytest.mark.parametrize("with_residual", [False, True])
def test_rms_norm_gradients_are_the_differences_of_the_loss(with_residual):
    x, w, dy, dh = _draw((5, 19), "x", "w", "dy", "dh")
    extra = dh if with_residual else None

    def loss():
        total = (_rms(x, w) * dy).sum()
        return total + (x * dh).sum() if with_residual else total

    _, rstd, h = norm.rms_norm_forward(x, w, eps=EPS)
    dx, dw = norm.rms_norm_backward(h, w, rstd, dy, extra)
    for index in [(0, 0), (2, 4), (4, 18)]:
        assert dx[index] == pytest.approx(_difference(loss, x, index), rel=1e-6)
    for j in range(19):
        assert dw[j] == pytest.approx(_difference(loss, w, j), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype,tol", [(np.float32, 2e-6), (np.float64, 1e-13)])
def test_layer_norm_forward(shape, dtype, tol):
    x, w, b = (a.astype(dtype) for a in _draw(shape, "x", "w", "b"))
    y, *_ = norm.layer_norm_forward(x, w, b, eps=EPS)
    expected = _layer(*(a.astype(np.float64) for a in (x, w, b)))
    assert np.abs(y - expected).max() <= tol * max(1.0, np.abs(expected).max())


def test_layer_norm_adds_the_residual_and_returns_the_sum():
    x, r, w, b = _draw((6, 40), "x", "r", "w", "b")
    y, _, _, h = norm.layer_norm_forward(x, w, b, r, eps=EPS)
    np.testing.assert_array_equal(h, x + r)
    np.testing.assert_allclose(y, _layer(x + r, w, b), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("with_residual", [False, True])
def test_layer_norm_gradients_are_the_differences_of_the_loss(with_residual):
    x, w, b, dy, dh = _draw((5, 19), "x", "w", "b", "dy", "dh")
    extra = dh if with_residual else None

    def loss():
        total = (_layer(x, w, b) * dy).sum()
        return total + (x * dh).sum() if with_residual else total

    _, mean, rstd, h = norm.layer_norm_forward(x, w, b, eps=EPS)
    dx, dw, db = norm.layer_norm_backward(h, w, mean, rstd, dy, extra)
    for index in [(0, 0), (2, 4), (4, 18)]:
        expected = _difference(loss, x, index)
        assert dx[index] == pytest.approx(expected, rel=1e-5, abs=1e-8)
    for j in range(19):
        assert dw[j] == pytest.approx(_difference(loss, w, j), rel=1e-6, abs=1e-8)
        assert db[j] == pytest.approx(_difference(loss, b, j), rel=1e-6, abs=1e-8)


def test_a_large_offset_does_not_spoil_the_variance():
    x = (1000 + np.random.default_rng(0).standard_normal((4, 256))).astype(np.float32)
    w = np.ones(256, np.float32)
    y, *_ = norm.layer_norm_forward(x, w, np.zeros(256, np.float32), eps=EPS)
    expected = _layer(x.astype(np.float64), 1.0, 0.0)
    assert np.abs(y - expected).max() < 1e-3


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_stays_in_its_row(bad):
    x, w = (a.astype(np.float32) for a in _draw((4, 50), "x", "w"))
    x[1, 7] = bad
    for y in (norm.rms_norm_forward(x, w)[0], norm.layer_norm_forward(x, w, w)[0]):
        assert np.isnan(y[1, 7])
        assert np.isfinite(y[[0, 2, 3]]).all()


def test_nan_reaches_the_weight_gradient():
    x, w, dy = _draw((4, 8), "x", "w", "dy")
    _, rstd, h = norm.rms_norm_forward(x, w)
    dy[2, 3] = np.nan
    dx, dw = norm.rms_norm_backward(h, w, rstd, dy)
    assert np.isnan(dx[2]).all() and np.isfinite(dx[[0, 1, 3]]).all()
    assert np.isnan(dw).tolist() == [j == 3 for j in range(8)]


def test_no_rows():
    x, w = np.empty((0, 8), np.float32), np.ones(8, np.float32)
    y, rstd, h = norm.rms_norm_forward(x, w)
    dx, dw = norm.rms_norm_backward(h, w, rstd, x)
    assert y.shape == dx.shape == (0, 8)
    assert dw.tolist() == [0.0] * 8


def test_the_thread_count_changes_no_bit(monkeypatch):
    x, w, b, dy = (a.astype(np.float32) for a in _draw((300, 70), "x", "w", "b", "dy"))
    results = []
    for n in (1, 2, 5):
        monkeypatch.setattr(threads, "_num_threads", n)
        y, rstd, h = norm.rms_norm_forward(x, w)
        rms = (y, *norm.rms_norm_backward(h, w, rstd, dy))
        y, mean, rstd, h = norm.layer_norm_forward(x, w, b)
        layer = (y, *norm.layer_norm_backward(h, w, mean, rstd, dy))
        results.append(b"".join(a.tobytes() for a in (*rms, *layer)))
    assert results[0] == results[1] == results[2]


def test_results_larger_than_the_caches_are_the_same(monkeypatch):
    x, w, b, dy = (a.astype(np.float32) for a in _draw((300, 128), "x", "w", "b", "dy"))
    results = []
    for large in (1 << 40, 1 << 16):
        monkeypatch.setattr(simd, "LARGE", large)
        y, rstd, h = norm.rms_norm_forward(x, w)
        rms = (y, *norm.rms_norm_backward(h, w, rstd, dy))
        y, mean, rstd, h = norm.layer_norm_forward(x, w, b)
        layer = (y, *norm.layer_norm_backward(h, w, mean, rstd, dy))
        assert simd.past_caches(y) == (large == 1 << 16)
        results.append(b"".join(a.tobytes() for a in (*rms, *layer)))
    assert results[0] == results[1]


def test_only_large_arrays_on_whole_cache_lines_go_past_the_caches(monkeypatch):
    monkeypatch.setattr(simd, "LARGE", 1 << 16)
    assert simd.past_caches(pool.empty((1 << 10, 16)))
    assert not simd.past_caches(pool.empty((1 << 9, 16)))
    assert not simd.past_caches(pool.empty((1 << 12, 17)))
    assert not simd.past_caches(pool.empty(1 << 20)[4:])
