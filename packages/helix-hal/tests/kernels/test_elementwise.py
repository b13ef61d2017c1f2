"""Activations beside scipy in float64, and the vector functions they are made of."""

import platform

import numpy as np
import pytest
import scipy.special as sp
from helix_hal.cpu import threads
from helix_hal.cpu.jit import kernel
from helix_hal.cpu.kernels import elementwise
from helix_hal.cpu.kernels.elementwise import OPS, log32, unary_backward, unary_forward

EXACT = {
    "exp": np.exp,
    "sigmoid": sp.expit,
    "tanh": np.tanh,
    "erf": sp.erf,
    "softplus": lambda x: np.logaddexp(0, x),
    "silu": lambda x: x * sp.expit(x),
    "gelu": lambda x: x * sp.ndtr(x),
    "gelu_tanh": lambda x: (
        0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    ),
}
assert set(EXACT) == set(OPS)


@kernel
def logarithm(lo, hi, x, y):
    for i in range(lo, hi):
        y[i] = log32(x[i])


def _ulp(got, exact):
    return np.abs(got - exact) / np.spacing(np.abs(exact).astype(np.float32))


@pytest.mark.parametrize(
    "op,low,high",
    [
        ("exp", -86.9, 88.7),
        ("tanh", -12.0, 12.0),
        ("erf", -6.0, 6.0),
        ("softplus", -80.0, 80.0),
        ("sigmoid", -15.0, 80.0),
    ],
)
def test_float32_is_within_a_few_ulp(op, low, high):
    x = np.linspace(low, high, 400_001).astype(np.float32)
    exact = EXACT[op](x.astype(np.float64))
    assert _ulp(unary_forward(op, x), exact).max() <= (3 if op == "sigmoid" else 2)


@pytest.mark.parametrize("op", ["tanh", "erf"])
def test_small_numbers_keep_their_relative_precision(op):
    x = np.geomspace(1e-30, 0.5, 10_001).astype(np.float32)
    exact = EXACT[op](x.astype(np.float64))
    assert _ulp(unary_forward(op, x), exact).max() <= 2


@pytest.mark.parametrize("low,high", [(1e-37, 1e37), (0.5, 2.0), (0.9999, 1.0001)])
def test_log32_is_within_2_ulp(low, high):
    x = np.geomspace(low, high, 400_001).astype(np.float32)
    y = np.empty_like(x)
    logarithm(0, x.size, x, y)
    exact = np.log(x.astype(np.float64))
    away = exact != 0
    assert _ulp(y[away], exact[away]).max() <= 2
    assert not y[~away].any()


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("dtype,tol", [(np.float32, 4e-7), (np.float64, 1e-14)])
def test_forward(op, dtype, tol):
    x = np.linspace(-10, 10, 29_981).astype(dtype).reshape(7, -1, 1)
    exact = EXACT[op](x.astype(np.float64))
    got = unary_forward(op, x)
    assert got.dtype == dtype and got.shape == x.shape
    largest = (1 + np.abs(x)).max()
    np.testing.assert_allclose(got, exact, rtol=tol, atol=tol * largest)


@pytest.mark.parametrize("op", OPS)
def test_backward_is_the_difference_of_the_forward(op):
    x = np.linspace(-6, 6, 1001)
    dy = np.linspace(1, 2, 1001)
    slope = (EXACT[op](x + 1e-6) - EXACT[op](x - 1e-6)) / 2e-6
    got = unary_backward(op, x, dy)
    np.testing.assert_allclose(got, dy * slope, rtol=1e-7, atol=2e-9)


@pytest.mark.parametrize("op", OPS)
def test_backward_in_float32_agrees_with_float64(op):
    x = np.linspace(-9, 9, 5001).astype(np.float32)
    dy = np.ones_like(x)
    exact = unary_backward(op, x.astype("f8"), dy.astype("f8"))
    got = unary_backward(op, x, dy)
    assert np.abs(got - exact).max() <= 1e-6 * np.abs(exact).max()


SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 200.0, -200.0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("op", ["exp", "sigmoid", "tanh", "erf", "softplus"])
def test_special_values_are_numpys(op, dtype):
    x = np.tile(SPECIAL, 5).astype(dtype)
    with np.errstate(all="ignore"):
        expected = EXACT[op](x.astype(np.float64)).astype(dtype)
    if dtype == np.float32:
        expected[np.abs(expected) < 1.2e-38] *= 0  # below the smallest normal number
    got = unary_forward(op, x)
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(np.signbit(got[3:5]), np.signbit(expected[3:5]))


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_passes_and_stays_alone(op, dtype):
    x = np.linspace(-1, 1, 100).astype(dtype)
    x[37] = np.nan
    only = np.arange(100) == 37
    np.testing.assert_array_equal(np.isnan(unary_forward(op, x)), only)
    np.testing.assert_array_equal(np.isnan(unary_backward(op, x, x)), only)


@pytest.mark.parametrize("op", OPS)
def test_empty_and_zero_dimensional(op):
    assert unary_forward(op, np.empty((0, 3), np.float32)).shape == (0, 3)
    x = np.array(0.5)
    assert unary_forward(op, x) == pytest.approx(EXACT[op](0.5))


def test_the_thread_count_changes_no_bit(monkeypatch):
    x = np.linspace(-9, 9, 100_003).astype(np.float32)
    results = []
    for n in (1, 2, 5):
        monkeypatch.setattr(threads, "_num_threads", n)
        results.append(b"".join(unary_forward(op, x).tobytes() for op in OPS))
    assert results[0] == results[1] == results[2]


@pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"),
    reason="looks for x86 instructions",
)
@pytest.mark.parametrize("op", OPS)
def test_the_loop_is_vector_code_without_calls(op):
    x = np.zeros(8, np.float32)
    run = elementwise._TABLE[x.dtype][op][0]
    text = run.assembly(0, 1, x, x)
    assert "mulps" in text or "fmadd" in text
    for name in ("expf", "tanhf", "erff", "logf"):
        assert name not in text
