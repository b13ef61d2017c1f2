"""Elementwise functions and operators over dtypes, shapes, broadcasting and scalars."""

import helix_core as hx
import numpy as np
import pytest
from helix_core import array_api as xp
from hypothesis import given
from hypothesis import strategies as st
from standard_draws import arrays, pairs, quick, wild
from standard_functions import BINARY, OPERATORS, UNARY
from standard_oracle import ALL, FLOAT, REAL, REAL_FLOAT, check, strict, to


@pytest.mark.parametrize("name", UNARY)
def test_unary_functions_agree(name):
    # what the listed gaps are about stays with test_special_values
    draw = arrays if name in ("sign", "reciprocal") else wild
    dtypes = UNARY[name]
    if name in ("sign", "reciprocal"):
        dtypes = [d for d in dtypes if "complex" not in d]

    @quick
    @given(draw(dtypes))
    def run(x):
        check(name, x)
        if name in OPERATORS:
            method = OPERATORS[name]
            got = getattr(to(xp, x), method)()
            np.testing.assert_array_equal(
                np.asarray(got), getattr(to(strict, x), method)()._array
            )

    run()


@pytest.mark.parametrize("name", BINARY)
def test_binary_functions_agree(name):
    @quick
    @given(pairs(BINARY[name]))
    def run(xs):
        x, y = xs
        if name == "pow" and x.dtype.kind in "iu":
            y = np.asarray(abs(y) % np.asarray(5, y.dtype), y.dtype)
        if "shift" in name:
            y = np.asarray(abs(y) % np.asarray(8, y.dtype), y.dtype)
        atol = 1e-6 if name in ("logaddexp",) else 0.0
        ulps = 64 if name == "pow" else 8
        check(name, x, y, ulps=ulps, atol=atol)

    run()


@pytest.mark.parametrize("name", BINARY)
def test_one_operand_may_be_a_python_scalar_which_keeps_the_dtype(name):
    for dtype in BINARY[name]:
        x = np.array([1, 2, 3], dtype) if dtype != "bool" else np.array([True, False])
        kind = x.dtype.kind
        scalar = {"b": True, "i": 2, "u": 2, "f": 2.5, "c": 1 + 2j}[kind]
        check(name, x, scalar)
        if name not in ("pow", "bitwise_left_shift", "bitwise_right_shift"):
            check(name, scalar, x)
        if kind in "fc":
            check(name, x, 2)


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_agree_and_reflect(name):
    method = OPERATORS[name]
    if name in UNARY:
        return
    for dtype in BINARY[name]:
        a = np.array([5, 3, 1], dtype)
        b = np.array([1, 2, 1], dtype)
        for lib in (xp, strict):
            x, y = to(lib, a), to(lib, b)
            one = getattr(x, method)(y)
            if lib is xp:
                got = np.asarray(one)
            else:
                np.testing.assert_allclose(got, one._array, rtol=1e-6)
                assert got.dtype == one._array.dtype
        reflected = "__r" + method[2:]
        if hasattr(strict.asarray(0), reflected):
            scalar = {"b": True, "i": 5, "u": 5, "f": 5.0, "c": 5.0}[a.dtype.kind]
            mine = getattr(to(xp, b), reflected)(scalar)
            theirs = getattr(to(strict, b), reflected)(scalar)
            np.testing.assert_allclose(np.asarray(mine), theirs._array, rtol=1e-6)
            assert mine.dtype == theirs._array.dtype


def test_in_place_operators_bind_a_new_tensor_and_leave_others_alone():
    x = xp.asarray([1.0, 2.0])
    before = x
    x += 1
    x *= 2
    x -= 1
    x /= 2
    x **= 2
    assert before.tolist() == [1.0, 2.0]
    assert x.tolist() == [2.25, 6.25] and x.dtype == xp.float32
    n = xp.asarray([6, 7], dtype=xp.int8)
    n //= 2
    n %= 3
    n <<= 2
    n |= 1
    n &= 5
    n ^= 4
    n >>= 1
    assert n.tolist() == [(((((v // 2) % 3) << 2 | 1) & 5) ^ 4) >> 1 for v in (6, 7)]
    assert n.dtype == xp.int8
    m = xp.asarray([[1.0, 2.0], [3.0, 4.0]])
    m @= m
    assert m.tolist() == [[7.0, 10.0], [15.0, 22.0]]


@quick
@given(pairs(REAL), st.data())
def test_clip_agrees(xs, data):
    x, low = xs
    if x.ndim < low.ndim or np.broadcast_shapes(x.shape, low.shape) != x.shape:
        low = np.zeros((), x.dtype)
    high = np.asarray(low + np.ones((), x.dtype))
    which = data.draw(st.sampled_from(["both", "low", "high", "none", "scalars"]))
    limits = {
        "both": (low, high),
        "low": (low, None),
        "high": (None, high),
        "none": (None, None),
        "scalars": (1, 3),
    }[which]
    check("clip", x, *limits)


def test_clip_by_numbers_outside_the_dtype_changes_nothing():
    x = xp.asarray([0, 127, -128], dtype=xp.int8)
    y = xp.clip(x, -1000, 1000)
    assert y.tolist() == x.tolist() and y.dtype == xp.int8
    assert xp.clip(xp.asarray([3], dtype=xp.uint8), 300, None).tolist() == [255]


# ------------------------------------------------------------------------------ errors
def wrong():
    for name, dtypes in [*UNARY.items(), *BINARY.items()]:
        for dtype in ("bool", "int32", "float32", "complex64"):
            if dtype not in dtypes and not (name == "imag" and dtype != "bool"):
                yield name, dtype


@pytest.mark.parametrize(("name", "dtype"), list(wrong()))
def test_an_unsupported_dtype_is_named_with_the_function(name, dtype):
    x = xp.ones((2,), dtype=getattr(xp, dtype))
    args = (x,) if name in UNARY else (x, x)
    with pytest.raises(hx.DTypeError, match=rf"\[{name}\] expected .*{dtype}\[2\]"):
        getattr(xp, name)(*args)


def test_functions_take_tensors():
    with pytest.raises(TypeError, match=r"\[sin\] expected a Tensor; got float"):
        xp.sin(1.0)
    with pytest.raises(TypeError, match=r"\[add\] expected at least one Tensor"):
        xp.add(1.0, 2.0)
    with pytest.raises(TypeError, match=r"\[add\] expected a Tensor; got list"):
        xp.add(xp.asarray(1.0), [1.0])
    with pytest.raises(hx.DTypeError, match="fits int8; got 300"):
        xp.add(xp.asarray(1, dtype=xp.int8), 300)
    with pytest.raises(hx.ShapeError, match="broadcast"):
        xp.add(xp.ones(2), xp.ones(3))


def test_parameters_are_operands():
    p = hx.Parameter(hx.tensor([4.0]))
    assert xp.sqrt(p).tolist() == [2.0] and xp.add(p, 1).tolist() == [5.0]
    assert p.__array_namespace__() is xp


def test_promotion_inside_a_kind_is_the_standards():
    kinds = (("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"),)
    for group in (*kinds, ("uint8", "uint64"), FLOAT):
        for a in group:
            for b in group:
                check("result_type", np.dtype(a), np.dtype(b), like=_name_of(a, b))


def _name_of(a, b):
    """The oracle's dtype as ours, by name."""

    def like(*_):
        d = strict.result_type(getattr(strict, a), getattr(strict, b))
        return getattr(xp, str(d).rpartition(".")[2])

    return like


def test_every_function_is_listed_with_its_dtypes():
    listed = {*UNARY, *BINARY, "clip"}
    from helix_core.array_api import _elementwise

    own = {n for n, f in vars(_elementwise).items() if callable(f) and n[0] != "_"}
    own -= {"Any", "Callable", "Tensor", "pair_of", "tensor_of"}
    assert own == listed
    assert set(ALL) >= set().union(*UNARY.values(), *BINARY.values())
    assert REAL_FLOAT == BINARY["atan2"]
