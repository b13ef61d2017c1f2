"""Elementwise primitives: values against NumPy, gradients, decompositions, promotion."""

import itertools
import math

import helix_core as hx
import ml_dtypes
import numpy as np
import pytest
from gradcheck import check_grads

SPECIAL = [0.0, -0.0, 1.0, -1.5, 2.5, 1e-30, 1e30, np.inf, -np.inf, np.nan, 0.5, -2.5]
POSITIVE = np.array([0.1, 0.5, 1.0, 2.5, 7.0])
ANY = np.array([-2.3, -0.7, 0.2, 0.9, 3.1])
SMALL = np.array([-0.9, -0.4, 0.1, 0.5, 0.8])

UNARY = {
    "abs": (np.abs, ANY),
    "sign": (np.sign, None),
    "floor": (np.floor, None),
    "ceil": (np.ceil, None),
    "round": (np.rint, None),
    "trunc": (np.trunc, None),
    "exp": (np.exp, ANY),
    "log": (np.log, POSITIVE),
    "expm1": (np.expm1, ANY),
    "log1p": (np.log1p, POSITIVE),
    "sqrt": (np.sqrt, POSITIVE),
    "rsqrt": (lambda x: 1 / np.sqrt(x), POSITIVE),
    "sin": (np.sin, ANY),
    "cos": (np.cos, ANY),
    "tanh": (np.tanh, ANY),
    "erf": (np.vectorize(math.erf, otypes=[np.float64]), ANY),
    "negative": (np.negative, ANY),
    "square": (np.square, ANY),
    "reciprocal": (np.reciprocal, POSITIVE),
    "isnan": (np.isnan, None),
    "isinf": (np.isinf, None),
    "isfinite": (np.isfinite, None),
}
BINARY = {
    "add": (np.add, ANY, ANY[::-1]),
    "subtract": (np.subtract, ANY, ANY[::-1]),
    "multiply": (np.multiply, ANY, ANY[::-1]),
    "divide": (np.divide, ANY, POSITIVE),
    "power": (np.power, POSITIVE, ANY),
    "maximum": (np.maximum, ANY, SMALL),
    "minimum": (np.minimum, ANY, SMALL),
    "atan2": (np.arctan2, ANY, POSITIVE),
    "floor_divide": (np.floor_divide, None, None),
    "mod": (np.mod, ANY, POSITIVE + 0.27),
    "logaddexp": (np.logaddexp, ANY, ANY[::-1]),
    "equal": (np.equal, None, None),
    "not_equal": (np.not_equal, None, None),
    "less": (np.less, None, None),
    "less_equal": (np.less_equal, None, None),
    "greater": (np.greater, None, None),
    "greater_equal": (np.greater_equal, None, None),
}


def same(got, want, rtol=0.0):
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=rtol, atol=0)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", UNARY)
def test_unary_values_and_special_values_are_numpys(name, dtype):
    f, _ = UNARY[name]
    x = np.array(SPECIAL, dtype)
    want = np.asarray(f(x))
    got = getattr(hx, name)(hx.tensor(x)).numpy()
    same(got, want.astype(got.dtype), 1e-6 if name == "erf" else 4e-7)
    if got.dtype.kind == "f" and name != "rsqrt":
        zero = got == 0
        assert np.array_equal(np.signbit(got)[zero], np.signbit(want)[zero])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", BINARY)
def test_binary_values_and_special_values_are_numpys(name):
    f = BINARY[name][0]
    pairs = np.array(list(itertools.product(SPECIAL, SPECIAL)), np.float32)
    x, y = pairs[:, 0], pairs[:, 1]
    same(getattr(hx, name)(hx.tensor(x), hx.tensor(y)), f(x, y), 1e-6)


@pytest.mark.parametrize("name", [n for n in UNARY if UNARY[n][1] is not None])
def test_unary_gradients(name):
    check_grads(getattr(hx, name), UNARY[name][1], order=2)


@pytest.mark.parametrize("name", [n for n in BINARY if BINARY[n][1] is not None])
def test_binary_gradients_with_broadcasting(name):
    _, x, y = BINARY[name]
    check_grads(getattr(hx, name), x, y, order=2)
    check_grads(getattr(hx, name), x.reshape(5, 1) + 0.013, y[:3], order=1)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((2, 3), (3,)),
        ((2, 1), (1, 3)),
        ((), (2, 3)),
        ((0, 3), (1, 3)),
        ((4, 1, 2), (3, 1)),
        ((), ()),
    ],
)
def test_broadcasting_is_numpys(a, b):
    x = np.arange(math.prod(a), dtype=np.float32).reshape(a)
    y = np.arange(math.prod(b), dtype=np.float32).reshape(b) + 1
    got = hx.tensor(x) + hx.tensor(y)
    same(got, x + y)
    assert isinstance(got.buffer, np.ndarray)


def test_shapes_that_do_not_broadcast_are_named():
    with pytest.raises(hx.ShapeError, match=r"\[add\].*float32\[2,3\], float32\[2,4\]"):
        hx.ones((2, 3)) + hx.ones((2, 4))


def test_strided_inputs():
    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    t = hx.tensor(x)
    same(hx.exp(t.T), np.exp(x.T), 1e-6)
    same(t.T + t.T, 2 * x.T)
    same(hx.broadcast_to(t[0], (4, 6)) * t, x[0] * x)


@pytest.mark.parametrize(
    ("x", "y"),
    [(7, 3), (-7, 3), (7, -3), (-7, -3), (0, 5)],
)
@pytest.mark.parametrize("dtype", ["int8", "int32", "int64"])
def test_integer_division_is_pythons(x, y, dtype):
    a, b = hx.tensor([x], dtype=dtype), hx.tensor([y], dtype=dtype)
    assert (a // b).tolist() == [x // y]
    assert (a % b).tolist() == [x % y]


def test_integers_divide_as_float32():
    y = hx.tensor([1, 2]) / hx.tensor([4, 4])
    assert y.dtype is hx.float32 and y.tolist() == [0.25, 0.5]


def test_integer_powers_and_shifts():
    x = hx.tensor([2, 3, -2])
    assert (x**3).tolist() == [8, 27, -8]
    assert (hx.tensor([1, 5]) << 3).tolist() == [8, 40]
    assert (hx.tensor([-8, 40]) >> 2).tolist() == [-2, 10]
    assert (hx.tensor([1, -1]) << 32).tolist() == [0, 0]
    assert (hx.tensor([1, -1]) >> 40).tolist() == [0, -1]
    with pytest.raises(hx.DTypeError, match="exponent >= 0"):
        x**-1


def test_scalars_are_weak():
    assert (hx.tensor([1.0], dtype="float16") * 2.5).dtype is hx.float16
    assert (hx.tensor([1], dtype="int8") + 1).dtype is hx.int8
    assert (hx.tensor([1], dtype="int8") + 1.5).dtype is hx.float32
    assert (hx.tensor([True]) + 1).dtype is hx.int32
    assert (hx.tensor([1.0], dtype="bfloat16") + 1j).dtype is hx.complex64
    assert (2 - hx.tensor([1], dtype="uint8")).dtype is hx.uint8
    with pytest.raises(hx.DTypeError, match="fits uint8; got 300"):
        hx.tensor([1], dtype="uint8") + 300


def test_bools_add_as_or_and_multiply_as_and():
    a, b = hx.tensor([True, True, False]), hx.tensor([True, False, False])
    assert (a + b).tolist() == [True, True, False]
    assert (a * b).tolist() == [True, False, False] == (b * True).tolist()
    with pytest.raises(hx.DTypeError, match=r"^\[sub\] expected int"):
        a - b


def test_weak_results_stay_weak():
    y = hx.where(hx.tensor([True, False]), 1.0, 0.0)
    assert y.aval.weak and (y * hx.tensor([1.0], dtype="float16")).dtype is hx.float16


@pytest.mark.parametrize(
    ("a", "b", "want"),
    [
        ("float16", "bfloat16", "float32"),
        ("int64", "float16", "float16"),
        ("uint8", "int8", "int16"),
        ("uint32", "int32", "int64"),
        ("uint64", "int64", "float32"),
        ("float32", "complex64", "complex64"),
        ("float64", "complex64", "complex128"),
        ("bool", "uint8", "uint8"),
    ],
)
def test_promotion(a, b, want):
    x, y = hx.ones((1,), a), hx.ones((1,), b)
    assert (x + y).dtype.name == want == (y + x).dtype.name


def test_float8_does_not_promote():
    with pytest.raises(hx.DTypeError, match="astype"):
        hx.ones((1,), "float8_e4m3fn") + hx.ones((1,), "float8_e5m2")


def test_bfloat16_flows_through_arithmetic():
    x = hx.tensor(np.array([1.0, 2.5], ml_dtypes.bfloat16))
    y = hx.exp(x) * 1.5 + x
    assert y.dtype is hx.bfloat16 and y.buffer.dtype == ml_dtypes.bfloat16
    g = hx.grad(lambda x: (hx.tanh(x) * x).sum())(x)
    assert g.dtype is hx.bfloat16


def test_where_keeps_nan_out_of_the_other_branch():
    x = hx.tensor([0.0, 4.0])
    safe = lambda x: hx.where(x > 0, hx.sqrt(hx.where(x > 0, x, 1.0)), 0.0).sum()
    assert hx.grad(safe)(x).tolist() == [0.0, 0.25]


def test_ties_halve_the_gradient_of_maximum():
    g = hx.grad(lambda x: hx.maximum(x, hx.tensor([1.0, 2.0])).sum())
    assert g(hx.tensor([1.0, 3.0])).tolist() == [0.5, 1.0]


def test_power_gradients_at_zero():
    assert hx.grad(lambda x: hx.power(x, hx.tensor(2.0)))(hx.tensor(0.0)).item() == 0.0
    assert hx.grad(lambda x: hx.power(x, hx.tensor(0.0)))(hx.tensor(0.0)).item() == 0.0
    g = hx.grad(lambda y: hx.power(hx.tensor(0.0), y))(hx.tensor(2.0))
    assert g.item() == 0.0


def test_complex_values_and_parts():
    z = np.array([1 + 2j, -3.5 + 0.5j, 0j], np.complex64)
    t = hx.tensor(z)
    same(hx.abs(t), np.abs(z), 1e-6)
    same(t.real, z.real)
    same(t.imag, z.imag)
    same(hx.conj(t), z.conj())
    same(hx.exp(t), np.exp(z), 1e-6)
    same(hx.complex_(t.real, t.imag), z)
    same(t * t, z * z)


def test_complex_gradients_of_a_real_loss_follow_the_transpose_convention():
    z = hx.tensor(np.array([1 + 2j, -0.5 + 1j], np.complex64))
    g = hx.grad(lambda z: hx.square(hx.abs(z)).sum())(z)
    np.testing.assert_allclose(g.numpy(), 2 * z.numpy().conj(), rtol=1e-6)


def test_bitcast_reads_the_same_bits():
    x = hx.tensor([1.0, -0.0])
    assert hx.bitcast(x, "uint32").tolist() == [0x3F800000, 0x80000000]
    assert hx.bitcast(hx.bitcast(x, "int32"), "float32").tolist() == [1.0, -0.0]
    with pytest.raises(hx.DTypeError, match="one width"):
        hx.bitcast(x, "uint16")


def test_casts():
    assert hx.tensor([1.9, -1.9]).astype("int32").tolist() == [1, -1]
    assert hx.tensor([0.0, 2.0, math.nan]).astype("bool").tolist() == [
        False,
        True,
        True,
    ]
    with pytest.raises(hx.DTypeError, match="complex target"):
        hx.tensor([1j]).astype("float32")


def test_numpy_operands_on_both_sides():
    x, a = hx.tensor([1.0, 2.0]), np.array([3.0, 4.0], np.float32)
    assert (x + a).tolist() == [4.0, 6.0]
    y = a - x
    assert isinstance(y, hx.Tensor) and y.tolist() == [2.0, 2.0]
