"""The tile of a matrix product that stays in registers while the sum runs.

Twelve rows and two vectors of columns: 24 multiply-adds for 14 loads, which keeps both
units of an AVX-512 core busy. Packed operands hold *units*, see `gemm_pack`; those of
float32 and float64 are multiplied and added in one rounding, pairs of bfloat16 by
``vdpbf16ps``, which accumulates in float32.
"""

from __future__ import annotations

from typing import Any

from helix_hal.cpu.jit import Intrinsic, intrinsic
from helix_hal.cpu.kernels.gemm_pack import (
    dot_pairs,
    load_some,
    store_some,
    vector_of,
)
from helix_hal.cpu.kernels.simd import (
    llvm_vector,
    load_at,
    multiply_add,
    pack,
    pointer,
    row_access,
    splat_at,
    store_at,
    unpack,
)

__all__ = ["DEPTH", "ROWS", "SLOTS", "STRIP", "VECTORS", "add_row", "fill_tile"]
__all__ += ["load_tile", "look", "multiply_columns", "multiply_rows", "store_tile"]
__all__ += ["take"]

ROWS, VECTORS = 12, 2
DEPTH = 256  # units of a block of the sum: a panel of it fills most of the first cache
SLOTS = DEPTH + 16  # of a packed row of the left operand
STRIP = ROWS * SLOTS  # of twelve of them
fill_tile = row_access(ROWS * VECTORS).fill


def _places(builder: Any, first: Any, step: Any, width: int) -> list[Any]:
    """Where the vectors of a tile lie whose rows are `step` apart."""
    whole = step.type
    return [
        builder.gep(first, [builder.add(builder.mul(step, whole(r)), whole(j * width))])
        for r in range(ROWS)
        for j in range(VECTORS)
    ]


@intrinsic
def take(typingctx, counters, index):
    """``counters[index]``, which is one more at once, for all threads."""
    from numba import types

    def codegen(context, builder, signature, args):
        place = pointer(context, builder, signature.args[0], *args)
        return builder.atomic_rmw("add", place, args[1].type(1), "seq_cst")

    return types.intp(counters, types.intp), codegen


@intrinsic
def look(typingctx, counters, index):
    """``counters[index]`` as it is now, and all that was written before it was taken."""
    from llvmlite import ir
    from numba import types

    def codegen(context, builder, signature, args):
        place = pointer(context, builder, signature.args[0], *args)
        if "x86" in context.codegen().magic_tuple()[0]:  # others in a core may go ahead
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(
                builder.module.globals.get("llvm.x86.sse2.pause")
                or ir.Function(builder.module, kind, "llvm.x86.sse2.pause"),
                [],
            )
        return builder.load_atomic(place, "acquire", 8)

    return types.intp(counters, types.intp), codegen


@intrinsic
def load_tile(typingctx, c, start, step, like):
    """The tile at ``c[start]``, whose rows are `step` apart."""
    from numba import types

    def codegen(context, builder, signature, args):
        first = pointer(context, builder, signature.args[0], *args[:2])
        kind = llvm_vector(c.dtype)
        places = _places(builder, first, args[2], kind.count)
        return pack(builder, [load_at(builder, p, kind) for p in places])

    return like(c, types.intp, types.intp, like), codegen


@intrinsic
def store_tile(typingctx, c, start, step, tile):
    """Write a tile to ``c[start]``."""
    from numba import types

    def codegen(context, builder, signature, args):
        first = pointer(context, builder, signature.args[0], *args[:2])
        vectors = unpack(builder, args[3])
        places = _places(builder, first, args[2], vectors[0].type.count)
        for place, vector in zip(places, vectors, strict=True):
            store_at(builder, vector, place)
        return context.get_dummy_value()

    return types.void(c, types.intp, types.intp, tile), codegen


@intrinsic
def add_row(typingctx, c, start, count, spare, at, more):
    """Write, or with `more` add, the first `count` numbers of a vector of a tile."""
    from numba import types

    def codegen(context, builder, signature, args):
        to = pointer(context, builder, signature.args[0], *args[:2])
        row = pointer(context, builder, signature.args[3], *args[3:5])
        kind = llvm_vector(c.dtype)
        x = load_at(builder, row, kind)
        zero = args[2].type(0)
        old = load_some(builder, to, kind, builder.select(args[5], args[2], zero))
        store_some(builder, builder.fadd(x, old), to, args[2])
        return context.get_dummy_value()

    size = types.intp
    return types.void(c, size, size, spare, size, types.boolean), codegen


def _multiplying(row_step: int, unit_step: int, doc: str) -> Intrinsic:
    def multiply(typingctx, left, at, right, first, units, tile):
        from numba import types

        paired = isinstance(left.dtype, types.Integer)

        def codegen(context, builder, signature, args):
            whole, units = args[1].type, args[4]
            before = unpack(builder, args[5])
            kind = before[0].type
            width, zero = kind.count, whole(0)
            rows = pointer(context, builder, signature.args[0], *args[:2])
            panel = pointer(context, builder, signature.args[2], *args[2:4])
            packed = vector_of(left.dtype, width)
            entry = builder.block
            body, done = (
                builder.append_basic_block(name) for name in ("sum", "summed")
            )
            builder.cbranch(builder.icmp_signed(">", units, zero), body, done)
            builder.position_at_end(body)
            k = builder.phi(whole)
            sums = [builder.phi(kind) for _ in before]
            here = builder.gep(panel, [builder.mul(k, whole(VECTORS * width))])
            columns = [
                load_at(builder, builder.gep(here, [whole(j * width)]), packed)
                for j in range(VECTORS)
            ]
            there = builder.gep(rows, [builder.mul(k, whole(unit_step))])
            after = []
            for r in range(ROWS):
                x = builder.load(builder.gep(there, [whole(r * row_step)]))
                x = splat_at(builder, x, packed)
                for j, column in enumerate(columns):
                    total = sums[r * VECTORS + j]
                    step = dot_pairs if paired else multiply_add
                    after.append(step(builder, x, column, total))
            following = builder.add(k, whole(1))
            builder.cbranch(builder.icmp_signed("<", following, units), body, done)
            builder.position_at_end(done)
            out = [builder.phi(kind) for _ in before]
            for phi, old, new in zip(sums + out, before * 2, after * 2, strict=True):
                phi.add_incoming(old, entry)
                phi.add_incoming(new, body)
            k.add_incoming(zero, entry)
            k.add_incoming(following, body)
            return pack(builder, out)

        size = types.intp
        return tile(left, size, right, size, size, tile), codegen

    multiply.__doc__ = doc
    return intrinsic(multiply)


_DOC = "`tile` and the product of a packed strip at ``left[at]``, {}, and a panel"
multiply_rows = _multiplying(SLOTS, 1, _DOC.format("row after row"))
multiply_columns = _multiplying(1, ROWS, _DOC.format("unit after unit"))
