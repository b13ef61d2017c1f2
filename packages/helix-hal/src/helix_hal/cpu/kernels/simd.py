"""Vectors of 64 bytes inside kernels, on any processor.

numba leaves vectorisation to LLVM's loop optimiser, which gives up on loops that carry
a state over time. Here a vector is a value of LLVM's own vector type, sixteen float32 or
eight float64: one operation becomes one AVX-512 instruction, two of AVX2 or four of
NEON, and nothing is left to chance. *Rows* are a few vectors that live in registers
together: an operation on rows does each of them, and a vector among its operands serves
them all. Arithmetic takes plain floats too, for what a vector leaves over at the end.

Indices count elements of flat arrays and are not checked.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from helix_hal.cpu.jit import Intrinsic, device_function, intrinsic

__all__ = ["BYTES", "WIDTH", "RowAccess", "add", "fma", "lane_sum", "load", "mul"]
__all__ += ["operation", "row_access", "scratch", "splat", "spread", "store", "stream"]
__all__ += ["past_caches", "prefetch", "prefetch_to_write", "sub", "write"]

BYTES = 64
WIDTH = 16  # of float32


class _Types(NamedTuple):
    """numba's type classes: ``vector(dtype)`` and ``rows(vector, count)``."""

    vector: Any
    rows: Any


@cache
def _types() -> _Types:
    from llvmlite import ir
    from numba import types
    from numba.extending import models, register_model

    class Vector(types.Type):
        def __init__(self, dtype: Any) -> None:
            self.dtype = dtype
            super().__init__(name=f"{dtype}x{8 * BYTES // dtype.bitwidth}")

    class Rows(types.Type):
        def __init__(self, vector: Any, count: int) -> None:
            self.vector, self.count = vector, count
            super().__init__(name=f"{vector.name}x{count}")

    @register_model(Vector)
    class VectorModel(models.PrimitiveModel):
        def __init__(self, manager, fe_type):
            kind = llvm_vector(fe_type.dtype)
            super().__init__(manager, fe_type, kind)  # type: ignore[no-untyped-call]

    @register_model(Rows)
    class RowsModel(models.PrimitiveModel):
        def __init__(self, manager, fe_type):
            kind = ir.ArrayType(llvm_vector(fe_type.vector.dtype), fe_type.count)
            super().__init__(manager, fe_type, kind)  # type: ignore[no-untyped-call]

    return _Types(Vector, Rows)


def llvm_vector(dtype: Any) -> Any:
    """LLVM's vector of a numba float type."""
    from llvmlite import ir

    real = {32: ir.FloatType, 64: ir.DoubleType}[dtype.bitwidth]
    return ir.VectorType(real(), 8 * BYTES // dtype.bitwidth)


# --------------------------------------------------------- pieces of LLVM's language
def constant(kind: Any, value: float) -> Any:
    """A number of an LLVM type, in all lanes."""
    from llvmlite import ir

    if not isinstance(kind, ir.VectorType):
        narrow = np.float32 if isinstance(kind, ir.FloatType) else float
        return ir.Constant(kind, float(narrow(value)))
    return ir.Constant(kind, [constant(kind.element, value)] * kind.count)


def undefined(kind: Any) -> Any:
    from llvmlite import ir

    return ir.Constant(kind, ir.Undefined)


def call(builder: Any, name: str, *args: Any) -> Any:
    """An LLVM intrinsic whose result has the type of its first argument."""
    from llvmlite import ir

    fn = builder.module.globals.get(name)
    if fn is None:
        kind = ir.FunctionType(args[0].type, [a.type for a in args])
        fn = ir.Function(builder.module, kind, name)
    return builder.call(fn, args)


def suffix(kind: Any) -> str:
    """How intrinsics name a type: "f32", "v16f32"."""
    from llvmlite import ir

    if isinstance(kind, ir.VectorType):
        return f"v{kind.count}{suffix(kind.element)}"
    return "f32" if isinstance(kind, ir.FloatType) else "f64"


def multiply_add(builder: Any, x: Any, y: Any, z: Any) -> Any:
    return call(builder, f"llvm.fma.{suffix(x.type)}", x, y, z)


def _shuffle(builder: Any, a: Any, b: Any, lanes: list[int]) -> Any:
    from llvmlite import ir

    kind = ir.VectorType(ir.IntType(32), len(lanes))
    return builder.shuffle_vector(a, b, ir.Constant(kind, lanes))


def splat_at(builder: Any, scalar: Any, kind: Any) -> Any:
    from llvmlite import ir

    empty = undefined(kind)
    one = builder.insert_element(empty, scalar, ir.Constant(ir.IntType(32), 0))
    return _shuffle(builder, one, empty, [0] * kind.count)


def pack(builder: Any, vectors: list[Any]) -> Any:
    from llvmlite import ir

    out = undefined(ir.ArrayType(vectors[0].type, len(vectors)))
    for i, v in enumerate(vectors):
        out = builder.insert_value(out, v, i)
    return out


def unpack(builder: Any, rows: Any) -> list[Any]:
    return [builder.extract_value(rows, i) for i in range(rows.type.count)]


# ------------------------------------------------------------------ values to values
Emit = Callable[..., Any]


def operation(name: str, count: int, emit: Emit, doc: str) -> Intrinsic:
    """``emit(context, builder, *llvm values)`` as an intrinsic of vectors and rows."""

    def define(*kinds: Any) -> Any:
        rows = [k for k in kinds if isinstance(k, _types().rows)]
        result = rows[0] if rows else kinds[0]

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            if not rows:
                return emit(context, builder, *args)
            columns = [
                unpack(builder, a) if k in rows else [a] * result.count
                for k, a in zip(kinds, args, strict=True)
            ]
            parts = zip(*columns, strict=True)
            return pack(builder, [emit(context, builder, *p) for p in parts])

        return result(*kinds), codegen

    scope: dict[str, Any] = {"define": define, "emit": emit}
    names = ", ".join("xyz"[:count])  # numba looks at the signature
    exec(f"def {name}(typingctx, {names}):\n    return define({names})\n", scope)
    fn = scope[name]
    fn.__module__, fn.__doc__ = __name__, doc
    return intrinsic(fn)


add = operation("add", 2, lambda _, b, x, y: b.fadd(x, y), "x + y")
sub = operation("sub", 2, lambda _, b, x, y: b.fsub(x, y), "x - y")
mul = operation("mul", 2, lambda _, b, x, y: b.fmul(x, y), "x * y")
fma = operation("fma", 3, lambda _, b, *xyz: multiply_add(b, *xyz), "x * y + z")


@intrinsic
def splat(typingctx, value):
    """One float in all lanes."""

    def codegen(context, builder, signature, args):
        return splat_at(builder, args[0], llvm_vector(value))

    return _types().vector(value)(value), codegen


@intrinsic
def lane_sum(typingctx, vector):
    """The sum of a vector's lanes."""
    from llvmlite import ir

    def codegen(context, builder, signature, args):
        sums = _lane_sums(builder, [args[0]])
        return builder.extract_element(sums, ir.Constant(ir.IntType(32), 0))

    return vector.dtype(vector), codegen


def transpose(builder: Any, vectors: list[Any]) -> list[Any]:
    """As many vectors as each has lanes, turned into columns."""
    width = len(vectors)
    out, bit = list(vectors), width // 2
    while bit:
        keep = [j if not j & bit else j - bit + width for j in range(width)]
        move = [j + bit if not j & bit else j + width for j in range(width)]
        for i in range(width):
            if not i & bit:
                a, b = out[i], out[i + bit]
                out[i] = _shuffle(builder, a, b, keep)
                out[i + bit] = _shuffle(builder, a, b, move)
        bit //= 2
    return out


# ------------------------------------------------------------------------- memory
def pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [index])


def load_at(builder: Any, pointer: Any, kind: Any) -> Any:
    return builder.load(builder.bitcast(pointer, kind.as_pointer()), align=4)


def store_at(builder: Any, value: Any, pointer: Any, align: int = 4) -> Any:
    to = builder.bitcast(pointer, value.type.as_pointer())
    return builder.store(value, to, align=align)


@intrinsic
def load(typingctx, array, index):
    """A vector of the elements from ``array[index]`` on."""
    from numba import types

    def codegen(context, builder, signature, args):
        p = pointer(context, builder, signature.args[0], *args)
        return load_at(builder, p, llvm_vector(array.dtype))

    return _types().vector(array.dtype)(array, types.intp), codegen


@intrinsic
def store(typingctx, array, index, value):
    """Write a vector to ``array[index]`` and on."""
    from numba import types

    def codegen(context, builder, signature, args):
        p = pointer(context, builder, signature.args[0], *args[:2])
        store_at(builder, args[2], p)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


LARGE = 1 << 24  # bytes: about the last-level cache's share of an array


def past_caches(array: Any) -> bool:
    """Whether an array is better written by `stream`: large, each row on whole lines.

    Its old content is then never fetched. Smaller ones are likely to be read soon.
    """
    if array.nbytes < LARGE or array.shape[-1] * array.itemsize % BYTES:
        return False
    return bool(array.ctypes.data % BYTES == 0)


@device_function
def write(array, index, value, past):
    """`stream` or `store`."""
    if past:
        stream(array, index, value)
    else:
        store(array, index, value)


@intrinsic
def stream(typingctx, array, index, value):
    """`store` past the caches, to an address that 64 divides."""
    from llvmlite import ir
    from numba import types

    def codegen(context, builder, signature, args):
        p = pointer(context, builder, signature.args[0], *args[:2])
        note = builder.module.add_metadata([ir.IntType(32)(1)])
        store_at(builder, args[2], p, BYTES).set_metadata("nontemporal", note)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


@intrinsic
def spread(typingctx, array, index):
    """``array[index]`` in all lanes."""
    from numba import types

    def codegen(context, builder, signature, args):
        p = pointer(context, builder, signature.args[0], *args)
        return splat_at(builder, builder.load(p), llvm_vector(array.dtype))

    return _types().vector(array.dtype)(array, types.intp), codegen


def _prefetching(write: int, doc: str) -> Intrinsic:
    def prefetch(typingctx, array, index):
        from llvmlite import ir
        from numba import types

        def codegen(context, builder, signature, args):
            p = pointer(context, builder, signature.args[0], *args)
            byte, whole = ir.IntType(8).as_pointer(), ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [byte, whole, whole, whole])
            fn = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
            nearest, data = whole(3), whole(1)
            to = builder.bitcast(p, byte)
            builder.call(fn, [to, whole(write), nearest, data])
            return context.get_dummy_value()

        return types.void(array, types.intp), codegen

    prefetch.__doc__ = doc
    return intrinsic(prefetch)


_DOC = "Ask for the cache line of ``array[index]``, which may be outside"
prefetch = _prefetching(0, f"{_DOC}.")
prefetch_to_write = _prefetching(1, f"{_DOC}, in order to write.")


@device_function
def scratch_like(count, like):
    """Memory for `count` numbers of an array's dtype that starts on a cache line."""
    block = np.empty(count + BYTES // like.itemsize, like.dtype)
    first = (-block.ctypes.data % BYTES) // like.itemsize
    return block[first : first + count]


@device_function
def scratch(count):
    """Memory for `count` float32 that starts on a cache line."""
    block = np.empty(count + WIDTH, np.float32)
    first = (-block.ctypes.data % BYTES) // 4
    return block[first : first + count]


# --------------------------------------------------------------------------- rows
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
    ``store_sums(array, index, rows)``, for a power of two up to sixteen, writes the
    sum over the lanes of row r to ``array[index + r]``.
    """

    def rows_of(dtype: Any) -> Any:
        return _types().rows(_types().vector(dtype), count)

    def at(
        context: Any, builder: Any, kind: Any, array: Any, index: Any, step: Any
    ) -> list[Any]:
        first = pointer(context, builder, kind, array, index)
        one = index.type
        return [builder.gep(first, [builder.mul(step, one(r))]) for r in range(count)]

    @intrinsic
    def load(typingctx, array, index, step):
        from numba import types

        def codegen(context, builder, signature, args):
            where = at(context, builder, signature.args[0], *args)
            kind = llvm_vector(array.dtype)
            return pack(builder, [load_at(builder, p, kind) for p in where])

        return rows_of(array.dtype)(array, types.intp, types.intp), codegen

    @intrinsic
    def spread(typingctx, array, index):
        from numba import types

        def codegen(context, builder, signature, args):
            data, index = args
            step, kind = index.type(1), llvm_vector(array.dtype)
            where = at(context, builder, signature.args[0], data, index, step)
            scalars = [builder.load(p) for p in where]
            return pack(builder, [splat_at(builder, s, kind) for s in scalars])

        return rows_of(array.dtype)(array, types.intp), codegen

    @intrinsic
    def store(typingctx, array, index, step, rows):
        from numba import types

        def codegen(context, builder, signature, args):
            data, index, step, value = args
            where = at(context, builder, signature.args[0], data, index, step)
            for p, v in zip(where, unpack(builder, value), strict=True):
                store_at(builder, v, p)
            return context.get_dummy_value()

        return types.void(array, types.intp, types.intp, rows), codegen

    @intrinsic
    def dot(typingctx, x, y, start):
        def codegen(context, builder, signature, args):
            xs, ys, total = (
                unpack(builder, args[0]),
                unpack(builder, args[1]),
                args[2],
            )
            for a, b in zip(xs, ys, strict=True):
                total = multiply_add(builder, a, b, total)
            return total

        return start(x, y, start), codegen

    @intrinsic
    def store_sums(typingctx, array, index, rows):
        from numba import types

        def codegen(context, builder, signature, args):
            sums = _lane_sums(builder, unpack(builder, args[2]))
            to = pointer(context, builder, signature.args[0], *args[:2])
            store_at(builder, sums, to)
            return context.get_dummy_value()

        return types.void(array, types.intp, rows), codegen

    @intrinsic
    def push(typingctx, rows, vector):
        def codegen(context, builder, signature, args):
            return pack(builder, [*unpack(builder, args[0])[1:], args[1]])

        return rows(rows, vector), codegen

    @intrinsic
    def flip(typingctx, rows):
        def codegen(context, builder, signature, args):
            return pack(builder, unpack(builder, args[0])[::-1])

        return rows(rows), codegen

    @intrinsic
    def fill(typingctx, vector):
        def codegen(context, builder, signature, args):
            return pack(builder, [args[0]] * count)

        return rows_of(vector.dtype)(vector), codegen

    return RowAccess(load, spread, store, dot, store_sums, push, flip, fill)


def _lane_sums(builder: Any, vectors: list[Any], combine: Any = None) -> Any:
    """The sum of each vector's lanes, as one short vector; or another fold of two.

    Two vectors are folded into one, the first in the lanes without a certain bit, the
    second in those with it, until one vector holds a share of each sum.
    """
    combine = combine or builder.fadd
    width = vectors[0].type.count
    lanes, bit = range(width), width // 2
    place = [0]  # lane where the sum of each vector ends
    while len(vectors) > 1:
        keep = [j if not j & bit else j - bit + width for j in lanes]
        move = [j + bit if not j & bit else j + width for j in lanes]
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [
            combine(_shuffle(builder, a, b, keep), _shuffle(builder, a, b, move))
            for a, b in pairs
        ]
        place = place + [p + bit for p in place]
        bit //= 2
    (total,) = vectors
    while bit:
        turned = _shuffle(builder, total, total, [j ^ bit for j in lanes])
        total = combine(total, turned)
        bit //= 2
    return _shuffle(builder, total, total, place)
