"""What follows a product while it is in the cache: bias, activation, residual.

Activations of whole vectors of float32, and their slopes, by their code in
`ACTIVATIONS`. gelu is made from the upper tail of the normal distribution, H(a) =
(1 - erf(a / sqrt 2)) / 2, whose logarithm is a polynomial: gelu(z) = max(z, 0) - |z|
H(|z|), to 3e-8. Coefficients: a weighted minimax fit, done for this file.
"""

from __future__ import annotations

import math
from typing import Any

from helix_hal.cpu.jit import device_function, intrinsic
from helix_hal.cpu.kernels.gemm_pack import load_some, store_some
from helix_hal.cpu.kernels.simd import (
    BYTES,
    _types,
    add,
    call,
    constant,
    llvm_vector,
    mul,
    operation,
    pointer,
    suffix,
)
from helix_hal.cpu.kernels.simd_math import (
    _at_least,
    _at_most,
    _exp2,
    _polynomial,
    _sigmoid,
)
from helix_hal.cpu.kernels.tables import array_at

__all__ = ["ACTIVATIONS", "FROM_RESULT", "activate", "finish", "load_lanes", "slope"]
__all__ += ["store_lanes"]

ACTIVATIONS = ("none", "relu", "gelu", "gelu_tanh", "silu", "sigmoid", "tanh")
FROM_RESULT = ("relu", "sigmoid", "tanh")  # whose slope is made from their result
_RELU, _GELU, _GELU_TANH, _SILU, _SIGMOID, _TANH = range(1, 7)

_LOG2E = 1 / math.log(2)
_TAIL = (
    *(3.7036161870673823e-07, -7.427245236613089e-06, 6.182088691275567e-05),
    *(-0.00024093632237054408, -6.842419679742306e-05, 0.007026220206171274),
    *(-0.052497558295726776, -0.45919910073280334, -1.151107907295227),
    *(-0.9999998211860657,),
)
_LARGEST = 7.0  # 7 H(7) is 1e-11
_DENSITY = 1 / math.sqrt(2 * math.pi)
_LINE, _CUBE = 2 * math.sqrt(2 / math.pi), 2 * math.sqrt(2 / math.pi) * 0.044715
_TANH_SERIES = (
    *(-0.0056669769766190215, 0.020606176494407824, -0.05373000708025007),
    *(0.1333133100104443, -0.33333278058508015),
)


@intrinsic
def load_lanes(typingctx, array, index, count):
    """A vector of the first `count` elements from ``array[index]`` on, then zeros."""
    from numba import types

    def codegen(context, builder, signature, args):
        place = pointer(context, builder, signature.args[0], *args[:2])
        return load_some(builder, place, llvm_vector(array.dtype), args[2])

    return _types().vector(array.dtype)(array, types.intp, types.intp), codegen


@intrinsic
def store_lanes(typingctx, array, index, count, value):
    """Write the first `count` lanes of a vector to ``array[index]`` and on."""
    from numba import types

    def codegen(context, builder, signature, args):
        place = pointer(context, builder, signature.args[0], *args[:2])
        store_some(builder, args[3], place, args[2])
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, value), codegen


# -------------------------------------------------------------------------- functions
def _size(b: Any, x: Any) -> Any:
    return call(b, f"llvm.fabs.{suffix(x.type)}", x)


def _tail(context: Any, b: Any, x: Any) -> tuple[Any, Any]:
    """|x|, at most `_LARGEST`, and H of it."""
    a = _at_most(b, _size(b, x), _LARGEST)
    return a, _exp2(context, b, _polynomial(b, _TAIL, a))


def _gelu(context: Any, b: Any, x: Any) -> Any:
    a, tail = _tail(context, b, x)
    return b.fsub(_at_least(b, x, 0.0), b.fmul(a, tail))


def _gelu_slope(context: Any, b: Any, x: Any) -> Any:
    _, tail = _tail(context, b, x)
    one, zero = constant(x.type, 1.0), constant(x.type, 0.0)
    below = b.select(b.fcmp_ordered("olt", x, zero), tail, b.fsub(one, tail))
    square = b.fmul(x, b.fmul(x, constant(x.type, -0.5 * _LOG2E)))
    density = b.fmul(_exp2(context, b, square), constant(x.type, _DENSITY))
    near = _at_most(b, _at_least(b, x, -1e18), 1e18)  # infinity times 0 is 0
    return b.fadd(below, b.fmul(near, density))


def _twice_inner(b: Any, x: Any) -> Any:
    square = b.fmul(x, x)
    cube = constant(x.type, _CUBE)
    return b.fmul(x, b.fadd(constant(x.type, _LINE), b.fmul(cube, square)))


def _gelu_tanh(context: Any, b: Any, x: Any) -> Any:
    x = _at_least(b, x, -1e10)  # infinity times 0 is 0
    return b.fmul(x, _sigmoid(context, b, _twice_inner(b, x)))


def _gelu_tanh_slope(context: Any, b: Any, x: Any) -> Any:
    x = _at_most(b, _at_least(b, x, -1e10), 1e10)
    s = _sigmoid(context, b, _twice_inner(b, x))
    line, cube = constant(x.type, _LINE), constant(x.type, 3 * _CUBE)
    inner = b.fadd(line, b.fmul(cube, b.fmul(x, x)))
    rest = b.fmul(b.fsub(constant(x.type, 1.0), s), b.fmul(x, inner))
    return b.fmul(s, b.fadd(constant(x.type, 1.0), rest))


def _silu(context: Any, b: Any, x: Any) -> Any:
    x = _at_least(b, x, -1e30)
    return b.fmul(x, _sigmoid(context, b, x))


def _silu_slope(context: Any, b: Any, x: Any) -> Any:
    x, one = _at_most(b, _at_least(b, x, -1e30), 1e30), constant(x.type, 1.0)
    s = _sigmoid(context, b, x)
    return b.fmul(s, b.fadd(one, b.fmul(x, b.fsub(one, s))))


def _tanh(context: Any, b: Any, x: Any) -> Any:
    a, one = _size(b, x), constant(x.type, 1.0)
    s = b.fmul(x, x)
    series = _polynomial(b, _TANH_SERIES, s)
    small = b.fadd(x, b.fmul(b.fmul(x, s), series))
    e = _exp2(context, b, b.fmul(a, constant(x.type, 2 * _LOG2E)))
    part = b.fdiv(constant(x.type, 2.0), b.fadd(e, one))
    large = b.fsub(one, part)
    large = call(b, f"llvm.copysign.{suffix(x.type)}", large, x)
    far = b.fcmp_unordered("ugt", a, constant(x.type, 0.625))
    return b.select(far, large, small)


def _relu_slope(context: Any, b: Any, y: Any) -> Any:
    above = b.fcmp_ordered("ogt", y, constant(y.type, 0.0))
    return b.select(above, constant(y.type, 1.0), constant(y.type, 0.0))


_relu_v = operation("relu", 1, lambda _, b, x: _at_least(b, x, 0.0), "max(x, 0)")
_gelu_v = operation("gelu", 1, _gelu, "x times the normal distribution function of x")
_gelu_tanh_v = operation("gelu_tanh", 1, _gelu_tanh, "its approximation by tanh")
_silu_v = operation("silu", 1, _silu, "x / (1 + e^-x)")
_sigmoid_v = operation("sigmoid", 1, _sigmoid, "1 / (1 + e^-x)")
_tanh_v = operation("tanh", 1, _tanh, "tanh x")
_relu_s = operation("relu_slope", 1, _relu_slope, "1 where the result is above 0")
_gelu_s = operation("gelu_slope", 1, _gelu_slope, "of gelu, from x")
_gelu_tanh_s = operation("gelu_tanh_slope", 1, _gelu_tanh_slope, "of it, from x")
_silu_s = operation("silu_slope", 1, _silu_slope, "of silu, from x")
_sigmoid_s = operation(
    "sigmoid_slope",
    1,
    lambda _, b, y: b.fmul(y, b.fsub(constant(y.type, 1.0), y)),
    "of the sigmoid, from its result",
)
_tanh_s = operation(
    "tanh_slope",
    1,
    lambda _, b, y: b.fsub(constant(y.type, 1.0), b.fmul(y, y)),
    "of tanh, from its result",
)


@device_function
def activate(code, x):
    """The activation of this code of a vector."""
    if code == _RELU:
        return _relu_v(x)
    if code == _GELU:
        return _gelu_v(x)
    if code == _GELU_TANH:
        return _gelu_tanh_v(x)
    if code == _SILU:
        return _silu_v(x)
    if code == _SIGMOID:
        return _sigmoid_v(x)
    if code == _TANH:
        return _tanh_v(x)
    return x


@device_function
def slope(code, kept, dy):
    """``dy`` times the activation's slope, from what the forward pass kept."""
    if code == _RELU:
        return mul(dy, _relu_s(kept))
    if code == _GELU:
        return mul(dy, _gelu_s(kept))
    if code == _GELU_TANH:
        return mul(dy, _gelu_tanh_s(kept))
    if code == _SILU:
        return mul(dy, _silu_s(kept))
    if code == _SIGMOID:
        return mul(dy, _sigmoid_s(kept))
    if code == _TANH:
        return mul(dy, _tanh_s(kept))
    return dy


@device_function
def finish(z, extra, item, top, bottom, z_rows, first, n):
    """Two vectors of columns of the rows [top, bottom) of a product.

    ``extra``: the activation's code, then the addresses, or 0, of bias (n,), residual
    (m, n), kept z (m, n), kept result of the activation (m, n), and of the output.
    """
    code = extra[0]
    lanes = BYTES // z.itemsize
    bias, residual = array_at(extra[1], n, z), array_at(extra[2], 1, z)
    before, after = array_at(extra[3], 1, z), array_at(extra[4], 1, z)
    out = array_at(extra[5], 1, z)
    for column in range(first, min(n, first + 2 * lanes), lanes):
        count = min(lanes, n - column)
        b = load_lanes(bias, column, count if extra[1] != 0 else 0)
        for row in range(top, bottom):
            at = row * n + column
            v = add(load_lanes(z, row * z_rows + column, count), b)
            if extra[3] != 0:
                store_lanes(before, at, count, v)
            v = activate(code, v)
            if extra[4] != 0:
                store_lanes(after, at, count, v)
            if extra[2] != 0:
                v = add(v, load_lanes(residual, at, count))
            store_lanes(out, at, count, v)
