"""Vectors of sixteen float32 inside kernels, on any processor.

numba leaves vectorisation to LLVM's loop optimiser, which gives up on loops that carry
a state over time. Here a vector is a value of LLVM's own vector type: one operation
becomes one AVX-512 instruction, two of AVX2 or four of NEON, and nothing is left to
chance. Two interleaved halves also hide the latency of the polynomial on AVX2.

Indices count elements of flat arrays and are not checked.
"""

from __future__ import annotations

from typing import Any

from helix_hal.cpu.jit import intrinsic

WIDTH = 16

_LOG2E = 1.4426950408889634
_ROUND = 12582912.0  # 1.5 * 2^23: adding it rounds to a whole number
# 2^r on [-1/2, 1/2], minimax in relative error: 1.2e-7 with the final rounding
_EXP2 = (
    1.535336188319500e-4,
    1.339887440266574e-3,
    9.618437357674640e-3,
    5.550332471162809e-2,
    2.402264791363012e-1,
    6.931472028550421e-1,
    1.0,
)


def _types() -> tuple[Any, Any, Any, Any]:
    """The numba type and the LLVM types; registered once."""
    if hasattr(_types, "made"):
        return _types.made  # type: ignore[no-any-return]
    from llvmlite import ir
    from numba import types
    from numba.extending import models, register_model

    class Vector(types.Type):
        def __init__(self) -> None:
            super().__init__(name=f"float32x{WIDTH}")

    real, whole = ir.FloatType(), ir.IntType(32)
    vector = ir.VectorType(real, WIDTH)

    @register_model(Vector)
    class VectorModel(models.PrimitiveModel):
        def __init__(self, manager: Any, fe_type: Any) -> None:
            super().__init__(manager, fe_type, vector)  # type: ignore[no-untyped-call]

    _types.made = (  # type: ignore[attr-defined]
        *(Vector(), vector),
        *(ir.VectorType(whole, WIDTH), real),
    )
    return _types.made  # type: ignore[attr-defined, no-any-return]


def _constant(value: float) -> Any:
    import numpy as np
    from llvmlite import ir

    _, vector, _, real = _types()
    return ir.Constant(vector, [ir.Constant(real, float(np.float32(value)))] * WIDTH)


def _splat(builder: Any, scalar: Any) -> Any:
    from llvmlite import ir

    _, vector, whole, _ = _types()
    empty = ir.Constant(vector, ir.Undefined)
    zero = ir.Constant(ir.IntType(32), 0)
    one = builder.insert_element(empty, scalar, zero)
    return builder.shuffle_vector(one, empty, ir.Constant(whole, [0] * WIDTH))


def _call(builder: Any, name: str, *args: Any) -> Any:
    """An LLVM intrinsic on vectors."""
    from llvmlite import ir

    vector = _types()[1]
    full = f"llvm.{name}.v{WIDTH}f32"
    fn = builder.module.globals.get(full)
    if fn is None:
        kind = ir.FunctionType(vector, [vector] * len(args))
        fn = ir.Function(builder.module, kind, full)
    return builder.call(fn, args)


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [index])


def _operation(name: str, count: int, emit: Any) -> Any:
    """An intrinsic of vectors that gives a vector."""
    names = ", ".join("abcd"[:count])
    scope: dict[str, Any] = {"_types": _types, "emit": emit}
    exec(
        f"def {name}(typingctx, {names}):\n"
        f"    v = _types()[0]\n"
        f"    return v({', '.join(['v'] * count)}), "
        f"lambda context, builder, signature, args: emit(builder, *args)\n",
        scope,
    )
    fn = scope[name]
    fn.__module__ = __name__
    return intrinsic(fn)


def _exp2(b: Any, x: Any) -> Any:
    from llvmlite import ir

    _, vector, whole, _ = _types()
    low, high, magic = _constant(-126.0), _constant(127.99999), _constant(_ROUND)
    x = b.select(b.fcmp_ordered("olt", x, low), low, x)  # NaN compares false: it stays
    x = b.select(b.fcmp_ordered("ogt", x, high), high, x)
    shifted = b.fadd(x, magic)
    r = b.fsub(x, b.fsub(shifted, magic))
    p = _constant(_EXP2[0])
    for c in _EXP2[1:]:
        p = _call(b, "fma", p, r, _constant(c))
    step = ir.Constant(whole, [ir.Constant(ir.IntType(32), 23)] * WIDTH)
    power = b.shl(b.bitcast(shifted, whole), step)
    return b.bitcast(b.add(b.bitcast(p, whole), power), vector)


add = _operation("add", 2, lambda b, x, y: b.fadd(x, y))
sub = _operation("sub", 2, lambda b, x, y: b.fsub(x, y))
mul = _operation("mul", 2, lambda b, x, y: b.fmul(x, y))
div = _operation("div", 2, lambda b, x, y: b.fdiv(x, y))
fma = _operation("fma", 3, lambda b, x, y, z: _call(b, "fma", x, y, z))
exp2 = _operation("exp2", 1, _exp2)
exp2.__doc__ = (
    "2^x to 1.5 ulp; 0 below -126 rounds to 2^-126, above 128 to the largest."
)
absolute = _operation("absolute", 1, lambda b, x: _call(b, "fabs", x))
positive = _operation(
    "positive",
    1,
    lambda b, x: b.select(b.fcmp_ordered("olt", x, _constant(0)), _constant(0), x),
)


@intrinsic
def load(typingctx, array, index):
    """Sixteen elements from ``array[index]`` on."""
    from numba import types

    v, vector, _, _ = _types()

    def codegen(context, builder, signature, args):
        p = _pointer(context, builder, signature.args[0], *args)
        out = builder.load(builder.bitcast(p, vector.as_pointer()))
        out.align = 4
        return out

    return v(array, types.intp), codegen


@intrinsic
def store(typingctx, array, index, value):
    """Write sixteen elements from ``array[index]`` on."""
    from numba import types

    v, vector, _, _ = _types()

    def codegen(context, builder, signature, args):
        p = _pointer(context, builder, signature.args[0], *args[:2])
        out = builder.store(args[2], builder.bitcast(p, vector.as_pointer()))
        out.align = 4
        return context.get_dummy_value()

    return types.void(array, types.intp, v), codegen


@intrinsic
def spread(typingctx, array, index):
    """``array[index]`` in all lanes."""
    from numba import types

    v, _, _, _ = _types()

    def codegen(context, builder, signature, args):
        p = _pointer(context, builder, signature.args[0], *args)
        return _splat(builder, builder.load(p))

    return v(array, types.intp), codegen


@intrinsic
def splat(typingctx, value):
    """One float32 in all lanes."""
    from numba import types

    v, _, _, _ = _types()

    def codegen(context, builder, signature, args):
        return _splat(builder, args[0])

    return v(types.float32), codegen


def _sigmoid(b: Any, x: Any) -> Any:
    e = _exp2(b, b.fmul(x, _constant(-_LOG2E)))
    return b.fdiv(_constant(1.0), b.fadd(e, _constant(1.0)))


def _log1p_unit(b: Any, e: Any) -> Any:
    """log(1 + e) for e in [0, 1]: the atanh series of e / (2 + e)."""
    s = b.fdiv(e, b.fadd(e, _constant(2.0)))
    s2 = b.fmul(s, s)
    p = _constant(2.0 / 15)
    for k in (13, 11, 9, 7, 5, 3, 1):
        p = _call(b, "fma", p, s2, _constant(2.0 / k))
    return b.fmul(p, s)


def _softplus(b: Any, x: Any) -> Any:
    e = _exp2(b, b.fmul(_call(b, "fabs", x), _constant(-_LOG2E)))
    top = b.select(b.fcmp_ordered("olt", x, _constant(0)), _constant(0), x)
    return b.fadd(top, _log1p_unit(b, e))


sigmoid = _operation("sigmoid", 1, _sigmoid)
softplus = _operation("softplus", 1, _softplus)
