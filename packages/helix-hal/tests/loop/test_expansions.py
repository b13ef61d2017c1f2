"""Expansions of scalar ops, interpreted, against NumPy and scipy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from helix_core.loop import SCALAR_OPS, Builder, LoopError, interpret
from helix_hal.loop.device import Features
from helix_hal.loop.expansions import EXPANSIONS
from helix_hal.loop.legal import legal
from scipy import special

BASIC = frozenset(SCALAR_OPS) - frozenset(EXPANSIONS)
ALL = frozenset(
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64".split()
)
PLAIN = Features(dtypes=ALL, arithmetic=ALL, scalar_ops=BASIC)
ORACLE = {
    "exp": np.exp,
    "log": np.log,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "erf": special.erf,
    "pow": np.power,
    "abs": np.abs,
    "floor": np.floor,
    "round": np.rint,
}
ULPS = {"exp": 1, "log": 1, "sin": 3, "cos": 3, "tanh": 2, "erf": 2, "pow": 3}
DOUBLE = ("exp", "log", "tanh", "erf", "abs", "floor", "round")
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, np.inf, -np.inf, np.nan]


def run(op: str, *operands: np.ndarray) -> np.ndarray:
    """The op on a device that has none of the ops that can be expanded."""
    b = Builder(op)
    i = b.axis(b.size("n"))
    dtype = operands[0].dtype.name
    xs = [b.input(f"x{k}", dtype)[i] for k in range(len(operands))]
    b.output("y", dtype)[i] = xs[0]._with(op, *xs[1:])
    program = legal(b.build(), PLAIN)
    assert {v.op for v in program.values} & set(EXPANSIONS) == set()
    y = np.empty_like(operands[0])
    memory = {f"x{k}": x for k, x in enumerate(operands)} | {"y": y}
    interpret(program, memory, {"n": y.size})
    return y


def ulps(y: np.ndarray, exact: np.ndarray) -> float:
    """The largest distance in units of the last place; the exact may be wider."""
    with np.errstate(over="ignore"):
        near = exact.astype(y.dtype)
    plain = np.isfinite(near) & np.isfinite(y)
    np.testing.assert_array_equal(y[~plain], near[~plain])
    unit = np.spacing(np.abs(near[plain])).astype(exact.dtype)
    unit = np.maximum(unit, np.spacing(y.dtype.type(0)))
    return float(np.max(np.abs(y[plain] - exact[plain]) / unit, initial=0))


def numbers(dtype: str, low: float, high: float, n: int = 60_000) -> np.ndarray:
    """Both signs, magnitudes spread over their exponents."""
    rng = np.random.default_rng(7)
    x = 10 ** rng.uniform(low, high, n) * rng.choice([-1, 1], n)
    return np.concatenate([x, SPECIAL]).astype(dtype)


@pytest.mark.parametrize("op", ["exp", "log", "sin", "cos", "tanh", "erf"])
@pytest.mark.parametrize(("low", "high"), [(-44, 38.5), (-3, 2.2)])
def test_float32_is_right_to_a_few_units_of_the_last_place(op, low, high):
    x = numbers("float32", low, high)
    with np.errstate(all="ignore"):
        exact = ORACLE[op](x.astype(np.float64))
    assert ulps(run(op, x), exact) < ULPS[op]


@pytest.mark.parametrize("op", ["exp", "log", "tanh", "erf"])
def test_float64_is_right_to_a_few_units_of_the_last_place(op):
    x = numbers("float64", -4, 3)
    with np.errstate(all="ignore"):
        exact = ORACLE[op](x)
    assert ulps(run(op, x), exact) <= ULPS[op] + 1


@pytest.mark.parametrize("near", [np.pi / 2, np.pi, 710 * np.pi, 1e5, 3e30])
@pytest.mark.parametrize("op", ["sin", "cos"])
def test_turns_where_they_nearly_vanish(op, near):
    x = np.float32(near)
    x = x + np.arange(-500, 500, dtype=np.float32) * np.spacing(x)
    assert ulps(run(op, x), ORACLE[op](x.astype(np.float64))) < ULPS[op]


def test_powers_are_right_over_the_whole_range():
    rng = np.random.default_rng(3)
    x = np.exp(rng.uniform(-80, 80, 60_000)).astype(np.float32)
    y = (rng.uniform(-105, 105, x.size) / np.log(x.astype(float))).astype(np.float32)
    near = np.linspace(0.9, 1.1, 20_000, dtype=np.float32)
    x = np.concatenate([x, near])
    y = np.concatenate([y, rng.uniform(-900, 900, near.size).astype(np.float32)])
    with np.errstate(all="ignore"):
        exact = np.power(x.astype(np.float64), y.astype(np.float64))
    assert ulps(run("pow", x, y), exact) < ULPS["pow"]


def test_powers_of_special_values_are_those_of_c99():
    edge = [*SPECIAL, 2.0, -2.0, 3.0, -3.0, 1e30, -1e30, 0.1, 16777217.0, 1e-40]
    x, y = (a.ravel() for a in np.meshgrid(*[np.array(edge, np.float32)] * 2))
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    with np.errstate(all="ignore"):
        exact = np.power(x.astype(np.float64), y.astype(np.float64))
    got = run("pow", x, y)
    assert ulps(got, exact) < ULPS["pow"]
    np.testing.assert_array_equal(
        np.signbit(got[got == 0]), np.signbit(exact[got == 0])
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("op", ["abs", "floor", "round"])
def test_whole_numbers_are_exact(op, dtype):
    halves = np.arange(-20, 20) / 4
    x = np.concatenate([numbers(dtype, -3, 18, 20_000), halves.astype(dtype)])
    got = run(op, x)
    np.testing.assert_array_equal(got, ORACLE[op](x))
    np.testing.assert_array_equal(np.signbit(got), np.signbit(ORACLE[op](x)))


@pytest.mark.parametrize("op", ["sin", "tanh", "erf"])
def test_the_sign_of_zero_is_kept(op):
    got = run(op, np.array([0.0, -0.0], np.float32))
    assert list(np.signbit(got)) == [False, True]
    assert not got.any()


def test_upper_half_of_a_product():
    edge = [0, 1, 2**16 - 1, 2**16, 2**31, 2**32 - 1]
    rng = np.random.default_rng(0)
    x = np.append(rng.integers(0, 2**32, 5000), edge * 6).astype(np.uint32)
    y = np.append(rng.integers(0, 2**32, 5000), np.repeat(edge, 6)).astype(np.uint32)
    wide = (x.astype(np.uint64) * y.astype(np.uint64)) >> np.uint64(32)
    np.testing.assert_array_equal(run("mulhi", x, y), wide.astype(np.uint32))


def test_magnitude_of_integers_wraps():
    x = np.array([0, 5, -5, -(2**31)], np.int32)
    np.testing.assert_array_equal(run("abs", x), np.abs(x))


@pytest.mark.parametrize("op", ["sin", "cos", "pow"])
def test_what_is_not_there_in_float64_says_so(op):
    x = np.ones(2)
    with pytest.raises(LoopError, match=rf"\[{op}\] expected float32; got float64"):
        run(op, *[x] * SCALAR_OPS[op])
