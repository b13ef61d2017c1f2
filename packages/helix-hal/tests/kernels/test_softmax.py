"""Softmax and log-softmax beside scipy in float64."""

import numpy as np
import pytest
import scipy.special
from helix_hal.cpu import threads
from helix_hal.cpu.kernels import softmax

SHAPES = [(1, 1), (2, 3), (7, 16), (5, 33), (130, 100), (2, 5000)]


def _draw(shape, dtype=np.float64, scale=4.0):
    rng = np.random.default_rng(sum(shape))
    return (scale * rng.standard_normal(shape)).astype(dtype)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype,tol", [(np.float32, 2e-6), (np.float64, 1e-13)])
def test_softmax_forward(shape, dtype, tol):
    x = _draw(shape, dtype)
    y = softmax.softmax_forward(x)
    expected = scipy.special.softmax(x.astype(np.float64), axis=-1)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, expected, rtol=tol)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype,tol", [(np.float32, 1e-6), (np.float64, 1e-13)])
def test_log_softmax_forward(shape, dtype, tol):
    x = _draw(shape, dtype)
    expected = scipy.special.log_softmax(x.astype(np.float64), axis=-1)
    y = softmax.log_softmax_forward(x)
    np.testing.assert_allclose(y, expected, rtol=tol, atol=tol)


@pytest.mark.parametrize(
    "forward,backward,oracle",
    [
        (softmax.softmax_forward, softmax.softmax_backward, scipy.special.softmax),
        (
            softmax.log_softmax_forward,
            softmax.log_softmax_backward,
            scipy.special.log_softmax,
        ),
    ],
    ids=["softmax", "log_softmax"],
)
def test_gradients_are_the_differences_of_the_loss(forward, backward, oracle):
    x, dy = _draw((3, 7), scale=1.0), _draw((7, 3)).T.copy()
    dx = backward(forward(x), dy)
    for index in [(0, 0), (1, 3), (2, 6)]:
        above, below = x.copy(), x.copy()
        above[index] += 1e-6
        below[index] -= 1e-6
        change = ((oracle(above, axis=-1) - oracle(below, axis=-1)) * dy).sum()
        assert dx[index] == pytest.approx(change / 2e-6, rel=1e-6, abs=1e-8)


def test_float32_gradients_agree_with_float64():
    x, dy = _draw((40, 70), np.float32), _draw((70, 40), np.float32).T.copy()
    for forward, backward in (
        (softmax.softmax_forward, softmax.softmax_backward),
        (softmax.log_softmax_forward, softmax.log_softmax_backward),
    ):
        exact = backward(forward(x.astype("f8")), dy.astype("f8"))
        got = backward(forward(x), dy)
        assert np.abs(got - exact).max() <= 2e-6 * np.abs(exact).max()


def test_a_large_shift_changes_nothing():
    x = np.array([[1e4, 1e4 + 1.0], [-1e4, -1e4 + 1.0]], np.float32)
    expected = scipy.special.softmax([0.0, 1.0])
    np.testing.assert_allclose(softmax.softmax_forward(x), [expected] * 2, rtol=1e-6)


def test_masked_classes_get_exactly_zero():
    x = np.zeros((1, 20), np.float32)
    x[0, 4:] = -np.inf
    y = softmax.softmax_forward(x)
    np.testing.assert_array_equal(y[0], [0.25] * 4 + [0.0] * 16)


@pytest.mark.parametrize("place", [0, 13, 32])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_fills_its_row_and_no_other(place, dtype):
    x = _draw((3, 33), dtype)
    x[1, place] = np.nan
    for y in (softmax.softmax_forward(x), softmax.log_softmax_forward(x)):
        assert np.isnan(y[1]).all()
        assert np.isfinite(y[[0, 2]]).all()


def test_a_row_of_minus_infinity_or_with_infinity_is_nan():
    x = np.zeros((2, 9), np.float32)
    x[0] = -np.inf
    x[1, 4] = np.inf
    y = softmax.softmax_forward(x)
    assert np.isnan(y[0]).all() and np.isnan(y[1, 4])


@pytest.mark.parametrize("shape", [(0, 5), (5, 0)])
def test_empty(shape):
    x = np.empty(shape, np.float32)
    assert softmax.softmax_forward(x).shape == shape
    assert softmax.softmax_backward(x, x).shape == shape


def test_the_thread_count_changes_no_bit(monkeypatch):
    x, dy = _draw((500, 130), np.float32), _draw((500, 130), np.float32)
    results = []
    for n in (1, 2, 5):
        monkeypatch.setattr(threads, "_num_threads", n)
        y = softmax.log_softmax_forward(x)
        results.append(y.tobytes() + softmax.log_softmax_backward(y, dy).tobytes())
    assert results[0] == results[1] == results[2]
