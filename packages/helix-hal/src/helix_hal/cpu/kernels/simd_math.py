"""Exponentials of whole vectors of float32, written out so that nothing is called."""

from __future__ import annotations

from typing import Any

from helix_hal.cpu.kernels.simd import (
    call,
    constant,
    multiply_add,
    operation,
    suffix,
    undefined,
)

__all__ = ["exp2", "sigmoid", "softplus"]

_LOG2E = 1.4426950408889634
_ROUND = 12582912.0  # 1.5 * 2^23: adding it rounds to a whole number
# 2^r as polynomials, highest power first: on [0, 1) to 0.9 ulp, on [-1/2, 1/2] to 0.8
_EXP2_FLOOR = (
    *(2.1612917771562934e-4, 1.246784464456141e-3, 9.675451554358006e-3),
    *(0.055485256016254425, 0.2402293086051941, 0.6931470632553101, 1.0),
)
_EXP2_NEAREST = (
    *(1.5353361959569156e-4, 1.3398879673331976e-3, 9.618433192372322e-3),
    *(0.05550335347652435, 0.24022644758224487, 0.6931471824645996, 1.0),
)


def _whole(value: int, count: int) -> Any:
    """A 32-bit integer in all lanes."""
    from llvmlite import ir

    one = ir.Constant(ir.IntType(32), value)
    return ir.Constant(ir.VectorType(ir.IntType(32), count), [one] * count)


def _polynomial(builder: Any, coefficients: tuple[float, ...], x: Any) -> Any:
    p = constant(x.type, coefficients[0])
    for c in coefficients[1:]:
        p = multiply_add(builder, p, x, constant(x.type, c))
    return p


def _at_least(b: Any, x: Any, value: float) -> Any:
    """NaN compares false: it stays."""
    low = constant(x.type, value)
    return b.select(b.fcmp_ordered("olt", x, low), low, x)


def _at_most(b: Any, x: Any, value: float) -> Any:
    high = constant(x.type, value)
    return b.select(b.fcmp_ordered("ogt", x, high), high, x)


def _exp2(context: Any, b: Any, x: Any) -> Any:
    if "+avx512dq" in context.codegen().magic_tuple()[2].split(","):
        return _exp2_avx512(b, x)
    x = _at_most(b, _at_least(b, x, -152.0), 129.0)
    magic, count = constant(x.type, _ROUND), x.type.count
    shifted = b.fadd(x, magic)
    p = _polynomial(b, _EXP2_NEAREST, b.fsub(x, b.fsub(shifted, magic)))
    # in two steps, each a normal number: the result may be subnormal or infinite
    bits = _whole(0, count).type
    n = b.sub(b.bitcast(shifted, bits), b.bitcast(magic, bits))
    half = b.ashr(n, _whole(1, count))
    for part in (half, b.sub(n, half)):
        power = b.shl(b.add(part, _whole(127, count)), _whole(23, count))
        p = b.fmul(p, b.bitcast(power, x.type))
    return p


def _exp2_avx512(b: Any, x: Any) -> Any:
    """Two of its instructions do the rest exactly, at infinity and below 2^-126 too."""
    from llvmlite import ir

    whole = ir.IntType(32)
    same = (undefined(x.type), ir.IntType(16)(-1), whole(4))  # every lane, no exception
    fraction = call(b, "llvm.x86.avx512.mask.reduce.ps.512", x, whole(1), *same)
    p = _polynomial(b, _EXP2_FLOOR, fraction)
    return call(b, "llvm.x86.avx512.mask.scalef.ps.512", p, x, *same)


def _sigmoid(context: Any, b: Any, x: Any) -> Any:
    one = constant(x.type, 1.0)
    e = _exp2(context, b, b.fmul(x, constant(x.type, -_LOG2E)))
    return b.fdiv(one, b.fadd(e, one))


def _softplus(context: Any, b: Any, x: Any) -> Any:
    """max(x, 0) + log(1 + e^-|x|), the logarithm by the series of atanh."""
    size = call(b, f"llvm.fabs.{suffix(x.type)}", x)
    e = _exp2(context, b, b.fmul(size, constant(x.type, -_LOG2E)))
    s = b.fdiv(e, b.fadd(e, constant(x.type, 2.0)))
    series = tuple(2.0 / k for k in (15, 13, 11, 9, 7, 5, 3, 1))
    log = b.fmul(_polynomial(b, series, b.fmul(s, s)), s)
    return b.fadd(_at_least(b, x, 0.0), log)


exp2 = operation("exp2", 1, _exp2, "2^x within 2 ulp, for every float32.")
sigmoid = operation("sigmoid", 1, _sigmoid, "1 / (1 + e^-x)")
softplus = operation("softplus", 1, _softplus, "log(1 + e^x)")
