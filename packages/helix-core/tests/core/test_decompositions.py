"""A backend with the required primitives alone gives the same results.

Every optional primitive decomposes, or is named here with the reason.
"""

import helix_core as hx
import numpy as np
import pytest
from minimal import MINIMAL, NO_DECOMPOSITION

FLOATS = np.array([-2.5, -1.0, -0.0, 0.0, 0.3, 0.5, 1.5, 2.5, 40.0, -40.0], np.float32)
PAIRS = np.array([1.5, -3.0, 2.0, 0.5, -0.25, 7.0, 1.0, -1.0, 3.0, 0.1], np.float32)
INTS = np.array([-7, -1, 0, 1, 5, 100, -128, 127, 3, 2], np.int32)
DIVISORS = np.array([2, 3, 5, -1, -3, 7, 10, 13, 1, 2], np.int32)


@pytest.fixture(scope="module")
def minimal():
    return MINIMAL()


def test_the_budget_of_primitives():
    required = [p for p in hx.PRIMITIVES.values() if p.required]
    assert len(required) <= 40
    assert len([p for p in hx.PRIMITIVES.values() if p.category != "HOST"]) <= 76


def test_every_optional_primitive_decomposes():
    missing = {
        p.name
        for p in hx.PRIMITIVES.values()
        if not p.required and p.decompose is None and p.category not in ("HOST",)
    }
    assert missing <= NO_DECOMPOSITION | {"scan", "while_loop", "cond"}


def test_every_required_primitive_has_a_reference_lowering():
    from helix_core.reference.backend import LOWERINGS

    assert {p.name for p in hx.PRIMITIVES.values() if p.required} <= set(LOWERINGS)


UNARY = "sign ceil round expm1 log1p rsqrt cos tanh erf abs floor".split()


@pytest.mark.parametrize("name", UNARY)
def test_unary(minimal, name):
    x = np.abs(FLOATS) + 0.1 if name in ("rsqrt", "log1p") else FLOATS
    if name in ("expm1", "cos"):
        x = x / 10
    want = getattr(hx, name)(hx.tensor(x, device="numpy")).numpy()
    got = getattr(hx, name)(hx.tensor(x, device=minimal)).numpy()
    np.testing.assert_allclose(got, want, rtol=2e-6, atol=2e-7)
    assert np.array_equal(np.signbit(got), np.signbit(want))


@pytest.mark.parametrize(
    "name", ["subtract", "minimum", "mod", "floor_divide", "atan2"]
)
def test_binary(minimal, name):
    run = lambda d: getattr(hx, name)(
        hx.tensor(FLOATS, device=d), hx.tensor(PAIRS, device=d)
    ).numpy()
    np.testing.assert_allclose(run(minimal), run("numpy"), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["floor_divide", "mod", "minimum", "bitwise_xor"])
def test_integers(minimal, name):
    run = lambda d: getattr(hx, name)(
        hx.tensor(INTS, device=d), hx.tensor(DIVISORS, device=d)
    ).numpy()
    np.testing.assert_array_equal(run(minimal), run("numpy"))


@pytest.mark.parametrize(
    ("x", "y"), [(2.0, 3.0), (-2.0, 3.0), (-2.0, 2.0), (0.0, 0.0), (4.0, -0.5)]
)
def test_power(minimal, x, y):
    run = lambda d: hx.power(hx.tensor(x, device=d), hx.tensor(y, device=d)).item()
    assert run(minimal) == pytest.approx(run("numpy"), rel=2e-6)


def test_power_of_a_negative_base_and_a_broken_exponent_is_nan(minimal):
    y = hx.power(hx.tensor(-2.0, device=minimal), hx.tensor(0.5, device=minimal))
    assert np.isnan(y.item())


@pytest.mark.parametrize("name", ["prod", "min", "argmax", "argmin"])
@pytest.mark.parametrize("axis", [0, 1])
def test_reductions(minimal, name, axis):
    x = np.array([[1.0, 3.0, 2.0], [4.0, -1.0, 3.0], [0.5, 3.0, 3.0]], np.float32)
    run = lambda d: getattr(hx, name)(hx.tensor(x, device=d), axis=axis).numpy()
    np.testing.assert_allclose(run(minimal), run("numpy"), rtol=1e-6)


def test_argmax_finds_nan_first(minimal):
    x = np.array([1.0, np.nan, 5.0, np.nan], np.float32)
    assert hx.argmax(hx.tensor(x, device=minimal)).item() == 1
