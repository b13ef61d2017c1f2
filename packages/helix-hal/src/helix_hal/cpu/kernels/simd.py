"""Vectors of sixteen float32 inside kernels, on any processor.

numba leaves vectorisation to LLVM's loop optimiser, which gives up on loops that carry
a state over time. Here a vector is a value of LLVM's own vector type: one operation
becomes one AVX-512 instruction, two of AVX2 or four of NEON, and nothing is left to
chance. *Rows* are a few vectors that live in registers together: an operation on rows
does each of them, and a vector among its operands serves them all.

Indices count elements of flat arrays and are not checked.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from helix_hal.cpu.jit import Intrinsic, device_function, intrinsic

__all__ = ["WIDTH", "RowAccess", "add", "exp2", "fma", "load", "mul", "row_access"]
__all__ += ["scratch", "sigmoid", "softplus", "splat", "spread", "store", "sub"]

WIDTH = 16

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


class _Types(NamedTuple):
    """numba's types of vectors and rows, and LLVM's."""

    vector: Any
    rows: Any  # a class: rows(count)
    llvm_vector: Any
    llvm_whole: Any  # sixteen 32-bit integers


@cache
def _types() -> _Types:
    from llvmlite import ir
    from numba import types
    from numba.extending import models, register_model

    vector = ir.VectorType(ir.FloatType(), WIDTH)

    class Vector(types.Type):
        def __init__(self) -> None:
            super().__init__(name=f"float32x{WIDTH}")

    class Rows(types.Type):
        def __init__(self, count: int) -> None:
            self.count = count
            super().__init__(name=f"float32x{WIDTH}x{count}")

    @register_model(Vector)
    class VectorModel(models.PrimitiveModel):
        def __init__(self, manager, fe_type):
            super().__init__(manager, fe_type, vector)  # type: ignore[no-untyped-call]

    @register_model(Rows)
    class RowsModel(models.PrimitiveModel):
        def __init__(self, manager, fe_type):
            kind = ir.ArrayType(vector, fe_type.count)
            super().__init__(manager, fe_type, kind)  # type: ignore[no-untyped-call]

    return _Types(Vector(), Rows, vector, ir.VectorType(ir.IntType(32), WIDTH))


# --------------------------------------------------------- pieces of LLVM's language
def _constant(value: float) -> Any:
    import numpy as np
    from llvmlite import ir

    one = ir.Constant(ir.FloatType(), float(np.float32(value)))
    return ir.Constant(_types().llvm_vector, [one] * WIDTH)


def _whole(value: int) -> Any:
    from llvmlite import ir

    return ir.Constant(
        _types().llvm_whole, [ir.Constant(ir.IntType(32), value)] * WIDTH
    )


def _undefined() -> Any:
    from llvmlite import ir

    return ir.Constant(_types().llvm_vector, ir.Undefined)


def _shuffle(builder: Any, a: Any, b: Any, lanes: list[int]) -> Any:
    from llvmlite import ir

    kind = ir.VectorType(ir.IntType(32), len(lanes))
    return builder.shuffle_vector(a, b, ir.Constant(kind, lanes))


def _splat(builder: Any, scalar: Any) -> Any:
    from llvmlite import ir

    empty = _undefined()
    one = builder.insert_element(empty, scalar, ir.Constant(ir.IntType(32), 0))
    return _shuffle(builder, one, empty, [0] * WIDTH)


def _call(builder: Any, name: str, *args: Any) -> Any:
    """An LLVM intrinsic that gives a vector."""
    from llvmlite import ir

    fn = builder.module.globals.get(name)
    if fn is None:
        kind = ir.FunctionType(_types().llvm_vector, [a.type for a in args])
        fn = ir.Function(builder.module, kind, name)
    return builder.call(fn, args)


def _fma(builder: Any, x: Any, y: Any, z: Any) -> Any:
    return _call(builder, f"llvm.fma.v{WIDTH}f32", x, y, z)


def _polynomial(builder: Any, coefficients: tuple[float, ...], x: Any) -> Any:
    p = _constant(coefficients[0])
    for c in coefficients[1:]:
        p = _fma(builder, p, x, _constant(c))
    return p


def _has_avx512(context: Any) -> bool:
    return "+avx512dq" in context.codegen().magic_tuple()[2].split(",")


def _positive(builder: Any, x: Any) -> Any:
    below = builder.fcmp_ordered("olt", x, _constant(0))  # NaN compares false: it stays
    return builder.select(below, _constant(0), x)


# ------------------------------------------------------------------ values to values
Emit = Callable[..., Any]


def _operation(name: str, count: int, emit: Emit, doc: str) -> Intrinsic:
    """``emit(context, builder, *llvm vectors)`` as an intrinsic of vectors and rows."""

    def define(*kinds: Any) -> Any:
        types = _types()
        sizes = {k.count for k in kinds if isinstance(k, types.rows)}
        result = types.rows(*sizes) if sizes else types.vector

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            if not sizes:
                return emit(context, builder, *args)

            def part(i: int, kind: Any, arg: Any) -> Any:
                rows = isinstance(kind, types.rows)
                return builder.extract_value(arg, i) if rows else arg

            return _pack(
                builder,
                [
                    emit(
                        context,
                        builder,
                        *[part(i, k, a) for k, a in zip(kinds, args, strict=True)],
                    )
                    for i in range(result.count)
                ],
            )

        return result(*kinds), codegen

    scope: dict[str, Any] = {"define": define, "emit": emit}
    names = ", ".join("xyz"[:count])  # numba looks at the signature
    exec(f"def {name}(typingctx, {names}):\n    return define({names})\n", scope)
    fn = scope[name]
    fn.__module__, fn.__doc__ = __name__, doc
    return intrinsic(fn)


def _pack(builder: Any, vectors: list[Any]) -> Any:
    from llvmlite import ir

    out = ir.Constant(ir.ArrayType(_types().llvm_vector, len(vectors)), ir.Undefined)
    for i, v in enumerate(vectors):
        out = builder.insert_value(out, v, i)
    return out


def _exp2(context: Any, b: Any, x: Any) -> Any:
    if _has_avx512(context):
        return _exp2_avx512(b, x)
    x = b.select(b.fcmp_ordered("olt", x, _constant(-152)), _constant(-152), x)
    x = b.select(b.fcmp_ordered("ogt", x, _constant(129)), _constant(129), x)
    magic = _constant(_ROUND)
    shifted = b.fadd(x, magic)
    whole, bits = b.fsub(shifted, magic), _types().llvm_whole
    p = _polynomial(b, _EXP2_NEAREST, b.fsub(x, whole))
    # in two steps, each a normal number: the result may be subnormal or infinite
    n = b.sub(b.bitcast(shifted, bits), b.bitcast(magic, bits))
    half = b.ashr(n, _whole(1))
    for part in (half, b.sub(n, half)):
        power = b.shl(b.add(part, _whole(127)), _whole(23))
        p = b.fmul(p, b.bitcast(power, _types().llvm_vector))
    return p


def _exp2_avx512(b: Any, x: Any) -> Any:
    """Two of its instructions do the rest exactly, at infinity and below 2^-126 too."""
    from llvmlite import ir

    every, current = ir.Constant(ir.IntType(16), -1), ir.Constant(ir.IntType(32), 4)
    floor = ir.Constant(ir.IntType(32), 1)
    same = (_undefined(), every, current)
    fraction = _call(b, "llvm.x86.avx512.mask.reduce.ps.512", x, floor, *same)
    p = _polynomial(b, _EXP2_FLOOR, fraction)
    return _call(b, "llvm.x86.avx512.mask.scalef.ps.512", p, x, *same)


def _sigmoid(context: Any, b: Any, x: Any) -> Any:
    e = _exp2(context, b, b.fmul(x, _constant(-_LOG2E)))
    return b.fdiv(_constant(1.0), b.fadd(e, _constant(1.0)))


def _softplus(context: Any, b: Any, x: Any) -> Any:
    """max(x, 0) + log(1 + e^-|x|), the logarithm by the series of atanh."""
    size = _call(b, f"llvm.fabs.v{WIDTH}f32", x)
    e = _exp2(context, b, b.fmul(size, _constant(-_LOG2E)))
    s = b.fdiv(e, b.fadd(e, _constant(2.0)))
    series = tuple(2.0 / k for k in (15, 13, 11, 9, 7, 5, 3, 1))
    log = b.fmul(_polynomial(b, series, b.fmul(s, s)), s)
    return b.fadd(_positive(b, x), log)


add = _operation("add", 2, lambda _, b, x, y: b.fadd(x, y), "x + y")
sub = _operation("sub", 2, lambda _, b, x, y: b.fsub(x, y), "x - y")
mul = _operation("mul", 2, lambda _, b, x, y: b.fmul(x, y), "x * y")
fma = _operation("fma", 3, lambda _, b, x, y, z: _fma(b, x, y, z), "x * y + z")
exp2 = _operation("exp2", 1, _exp2, "2^x within 2 ulp, for every float32.")
sigmoid = _operation("sigmoid", 1, _sigmoid, "1 / (1 + e^-x)")
softplus = _operation("softplus", 1, _softplus, "log(1 + e^x)")


# ------------------------------------------------------------------------- memory
def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [index])


def _load(builder: Any, pointer: Any) -> Any:
    vector = _types().llvm_vector
    return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=4)


def _store(builder: Any, value: Any, pointer: Any) -> None:
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=4)


@intrinsic
def load(typingctx, array, index):
    """Sixteen elements from ``array[index]`` on."""
    from numba import types

    def codegen(context, builder, signature, args):
        return _load(builder, _pointer(context, builder, signature.args[0], *args))

    return _types().vector(array, types.intp), codegen


@intrinsic
def store(typingctx, array, index, value):
    """Write sixteen elements from ``array[index]`` on."""
    from numba import types

    def codegen(context, builder, signature, args):
        to = _pointer(context, builder, signature.args[0], *args[:2])
        _store(builder, args[2], to)
        return context.get_dummy_value()

    return types.void(array, types.intp, _types().vector), codegen


@intrinsic
def spread(typingctx, array, index):
    """``array[index]`` in all lanes."""
    from numba import types

    def codegen(context, builder, signature, args):
        p = _pointer(context, builder, signature.args[0], *args)
        return _splat(builder, builder.load(p))

    return _types().vector(array, types.intp), codegen


@intrinsic
def splat(typingctx, value):
    """One float32 in all lanes."""
    from numba import types

    def codegen(context, builder, signature, args):
        return _splat(builder, args[0])

    return _types().vector(types.float32), codegen


@device_function
def scratch(count):
    """Memory for `count` floats that starts on a cache line."""
    block = np.empty(count + WIDTH, np.float32)
    first = (-block.ctypes.data % (4 * WIDTH)) // 4
    return block[first : first + count]


class RowAccess(NamedTuple):
    """How rows get into registers and out of them."""

    load: Intrinsic
    spread: Intrinsic
    store: Intrinsic
    dot: Intrinsic
    store_sums: Intrinsic
    push: Intrinsic
    flip: Intrinsic
    fill: Intrinsic


@cache
def row_access(count: int) -> RowAccess:
    """Intrinsics for rows of `count` vectors.

    ``load(array, index, step)`` and ``store(array, index, step, rows)`` have row r at
    ``index + r step``; ``spread(array, index)`` has ``array[index + r]`` in all lanes of
    row r; ``fill(vector)`` is that vector in every row, ``flip(rows)`` the rows in
    reverse order, and ``push(rows, vector)`` the rows without the first and with the
    vector as the last. ``dot(x, y, start)`` is start + sum_r x_r y_r, a vector; and
    ``store_sums(array, index, rows)`` writes the sum over the lanes of row r to
    ``array[index + r]``.
    """

    def at(
        context: Any, builder: Any, kind: Any, array: Any, index: Any, step: Any
    ) -> list[Any]:
        first = _pointer(context, builder, kind, array, index)
        one = index.type
        return [builder.gep(first, [builder.mul(step, one(r))]) for r in range(count)]

    @intrinsic
    def load(typingctx, array, index, step):
        from numba import types

        def codegen(context, builder, signature, args):
            where = at(context, builder, signature.args[0], *args)
            return _pack(builder, [_load(builder, p) for p in where])

        return _types().rows(count)(array, types.intp, types.intp), codegen

    @intrinsic
    def spread(typingctx, array, index):
        from numba import types

        def codegen(context, builder, signature, args):
            array, index = args
            kind, step = signature.args[0], index.type(1)
            where = at(context, builder, kind, array, index, step)
            return _pack(builder, [_splat(builder, builder.load(p)) for p in where])

        return _types().rows(count)(array, types.intp), codegen

    @intrinsic
    def store(typingctx, array, index, step, rows):
        from numba import types

        def codegen(context, builder, signature, args):
            kind, (array, index, step, value) = signature.args[0], args
            where = at(context, builder, kind, array, index, step)
            for r, p in enumerate(where):
                _store(builder, builder.extract_value(value, r), p)
            return context.get_dummy_value()

        kind = _types().rows(count)
        return types.void(array, types.intp, types.intp, kind), codegen

    @intrinsic
    def dot(typingctx, x, y, start):
        def codegen(context, builder, signature, args):
            total = args[2]
            for r in range(count):
                a, b = (builder.extract_value(arg, r) for arg in args[:2])
                total = _fma(builder, a, b, total)
            return total

        kind, vector = _types().rows(count), _types().vector
        return vector(kind, kind, vector), codegen

    @intrinsic
    def store_sums(typingctx, array, index, rows):
        from numba import types

        def codegen(context, builder, signature, args):
            vectors = [builder.extract_value(args[2], r) for r in range(count)]
            sums = _lane_sums(builder, vectors)
            to = _pointer(context, builder, signature.args[0], *args[:2])
            _store(builder, sums, to)
            return context.get_dummy_value()

        kind = _types().rows(count)
        return types.void(array, types.intp, kind), codegen

    @intrinsic
    def push(typingctx, rows, vector):
        def codegen(context, builder, signature, args):
            kept = [builder.extract_value(args[0], r) for r in range(1, count)]
            return _pack(builder, [*kept, args[1]])

        kind = _types().rows(count)
        return kind(kind, _types().vector), codegen

    @intrinsic
    def flip(typingctx, rows):
        def codegen(context, builder, signature, args):
            order = reversed(range(count))
            return _pack(builder, [builder.extract_value(args[0], r) for r in order])

        kind = _types().rows(count)
        return kind(kind), codegen

    @intrinsic
    def fill(typingctx, vector):
        def codegen(context, builder, signature, args):
            return _pack(builder, [args[0]] * count)

        return _types().rows(count)(_types().vector), codegen

    return RowAccess(load, spread, store, dot, store_sums, push, flip, fill)


def _lane_sums(builder: Any, vectors: list[Any]) -> Any:
    """The sum of each vector's lanes, as one short vector.

    Two vectors are folded into one, the first in the lanes without a certain bit, the
    second in those with it, until one vector holds a share of each sum.
    """
    lanes = range(WIDTH)
    bit = WIDTH // 2
    place = [0]  # lane where the sum of each vector ends
    while len(vectors) > 1:
        keep = [j if not j & bit else j - bit + WIDTH for j in lanes]
        move = [j + bit if not j & bit else j + WIDTH for j in lanes]
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [
            builder.fadd(_shuffle(builder, a, b, keep), _shuffle(builder, a, b, move))
            for a, b in pairs
        ]
        place = place + [p + bit for p in place]
        bit //= 2
    (total,) = vectors
    while bit:
        turned = _shuffle(builder, total, total, [j ^ bit for j in lanes])
        total = builder.fadd(total, turned)
        bit //= 2
    return _shuffle(builder, total, total, place)
