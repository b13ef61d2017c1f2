"""What attention does in registers: tiles of scores and of results.

A *block* of rows lies in memory as slabs: sixteen columns of every row, then the next
sixteen. Its row r and column c are at ``(c // 16) rows 16 + 16 r + c % 16``, so that the
distances between neighbours are known to the compiler whatever the width of a head.

A tile is a few rows of a few vectors each, row by row. Six rows of four vectors leave
room for what they are multiplied with: 24 multiply-adds for ten loads.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from helix_hal.cpu.jit import Intrinsic, intrinsic
from helix_hal.cpu.kernels.simd import (
    WIDTH,
    _lane_sums,
    _shuffle,
    _types,
    call,
    constant,
    llvm_vector,
    load_at,
    multiply_add,
    operation,
    pack,
    pointer,
    splat_at,
    store_at,
    suffix,
    transpose,
    unpack,
)

__all__ = ["KEYS", "QUERIES", "ROWS", "Tile", "larger", "products", "tile", "turn"]

ROWS = 6  # of a tile of scores
QUERIES = 48  # in a block: eight tiles
KEYS = 64  # in a block: four vectors


def _larger(context: Any, b: Any, x: Any, y: Any) -> Any:
    """One instruction; where one is NaN, y."""
    return b.select(b.fcmp_ordered("ogt", x, y), x, y)


larger = operation("larger", 2, _larger, "The larger of x and y.")


class Tile(NamedTuple):
    """Intrinsics of a tile's shape.

    ``load(array, index)`` and ``store(array, index, tile)`` have vector v of row r at
    ``index + 16 r + v step``; ``flat_load`` and ``flat`` at ``index + 64 r + 16 v``.
    ``each(array, index)`` is ``array[index + r]`` in all of row r. ``maxima(tile)`` has
    the maximum of row r in lane r of a vector, and ``sums(array, index, factors, start,
    tile)`` puts row r, added lane by lane, beside what is at ``index + 16 r`` times
    ``factors[start + r]``. ``hide(tile, key, first, count, index, other)`` puts `other`
    where key + column is not among the ``count[index + r]`` from ``first[index + r]`` on,
    and ``distance(key, position, index)`` is |position[index + r] - key - column|.
    """

    load: Intrinsic
    store: Intrinsic
    flat: Intrinsic
    flat_load: Intrinsic
    each: Intrinsic
    maxima: Intrinsic
    sums: Intrinsic
    hide: Intrinsic
    distance: Intrinsic


def _gep(builder: Any, first: Any, steps: int) -> Any:
    from llvmlite import ir

    return builder.gep(first, [ir.Constant(ir.IntType(64), steps)])


@intrinsic
def turn(typingctx, source, start, step, target, to):
    """Sixteen rows of a vector, `step` apart, written transposed, `KEYS` apart."""
    from numba import types

    def codegen(context, builder, signature, args):
        first = pointer(context, builder, signature.args[0], *args[:2])
        there = pointer(context, builder, signature.args[3], *args[3:])
        kind, vectors = llvm_vector(source.dtype), []
        for _ in range(WIDTH):
            vectors.append(load_at(builder, first, kind))
            first = builder.gep(first, [args[2]])
        for r, vector in enumerate(transpose(builder, vectors)):
            store_at(builder, vector, _gep(builder, there, r * KEYS))
        return context.get_dummy_value()

    size = types.intp
    return types.void(source, size, size, target, size), codegen


@cache
def products(
    rows: int, vectors: int, strides: tuple[int, ...], steps: int
) -> Intrinsic:
    """``f(left, start, right, first, count, tile)``: tile + left right, `count` times.

    Each time adds `steps` products of a number of the left operand with a vector of the
    right one. `strides` are those of the left operand along the sum and along rows, of
    the right one along the sum and along vectors, and how far both move each time.
    """
    a_sum, a_row, b_sum, b_vector, a_next, b_next = strides

    @intrinsic
    def multiply(typingctx, left, start, right, first, count, tile):
        from numba import types

        def codegen(context, builder, signature, args):
            kind, whole = llvm_vector(left.dtype), args[1].type
            a = pointer(context, builder, signature.args[0], *args[:2])
            b = pointer(context, builder, signature.args[2], *args[2:4])
            before, zero, times = unpack(builder, args[5]), whole(0), args[4]
            entry = builder.block
            body, done = (builder.append_basic_block(n) for n in ("sum", "summed"))
            builder.cbranch(builder.icmp_signed(">", times, zero), body, done)
            builder.position_at_end(body)
            n = builder.phi(whole)
            sums = [builder.phi(kind) for _ in before]
            here = builder.gep(a, [builder.mul(n, whole(a_next))])
            there = builder.gep(b, [builder.mul(n, whole(b_next))])
            after = list(sums)
            for k in range(steps):
                columns = [
                    load_at(
                        builder, _gep(builder, there, k * b_sum + j * b_vector), kind
                    )
                    for j in range(vectors)
                ]
                for r in range(rows):
                    x = builder.load(_gep(builder, here, k * a_sum + r * a_row))
                    x = splat_at(builder, x, kind)
                    for j, column in enumerate(columns):
                        at = r * vectors + j
                        after[at] = multiply_add(builder, x, column, after[at])
            following = builder.add(n, whole(1))
            builder.cbranch(builder.icmp_signed("<", following, times), body, done)
            builder.position_at_end(done)
            out = [builder.phi(kind) for _ in before]
            for phi, old, new in zip(sums + out, before * 2, after * 2, strict=True):
                phi.add_incoming(old, entry)
                phi.add_incoming(new, body)
            n.add_incoming(zero, entry)
            n.add_incoming(following, body)
            return pack(builder, out)

        size = types.intp
        return tile(left, size, right, size, size, tile), codegen

    return multiply


@cache
def tile(rows: int, vectors: int, step: int) -> Tile:
    """For `rows` rows of `vectors` vectors, which lie `step` apart in a block."""

    def kind_of(dtype: Any) -> Any:
        return _types().rows(_types().vector(dtype), rows * vectors)

    def places(builder: Any, first: Any, row: int, vector: int) -> list[Any]:
        return [
            _gep(builder, first, r * row + v * vector)
            for r in range(rows)
            for v in range(vectors)
        ]

    def reading(row: int, vector: int) -> Intrinsic:
        @intrinsic
        def load(typingctx, array, index):
            from numba import types

            def codegen(context, builder, signature, args):
                first = pointer(context, builder, signature.args[0], *args)
                kind = llvm_vector(array.dtype)
                where = places(builder, first, row, vector)
                return pack(builder, [load_at(builder, p, kind) for p in where])

            return kind_of(array.dtype)(array, types.intp), codegen

        return load

    def writing(row: int, vector: int) -> Intrinsic:
        @intrinsic
        def store(typingctx, array, index, value):
            from numba import types

            def codegen(context, builder, signature, args):
                first = pointer(context, builder, signature.args[0], *args[:2])
                where = places(builder, first, row, vector)
                for p, v in zip(where, unpack(builder, args[2]), strict=True):
                    store_at(builder, v, p)
                return context.get_dummy_value()

            return types.void(array, types.intp, value), codegen

        return store

    @intrinsic
    def each(typingctx, array, index):
        from numba import types

        def codegen(context, builder, signature, args):
            first = pointer(context, builder, signature.args[0], *args)
            kind, out = llvm_vector(array.dtype), []
            for r in range(rows):
                x = builder.load(_gep(builder, first, r))
                out += [splat_at(builder, x, kind)] * vectors
            return pack(builder, out)

        return kind_of(array.dtype)(array, types.intp), codegen

    @intrinsic
    def maxima(typingctx, value):
        def codegen(context, builder, signature, args):
            def fold(x: Any, y: Any) -> Any:
                return _larger(context, builder, x, y)

            every, out = unpack(builder, args[0]), []
            for r in range(rows):
                top = every[r * vectors]
                for v in range(1, vectors):
                    top = fold(every[r * vectors + v], top)
                out.append(top)
            out += out[:1] * (8 - rows)
            short = _lane_sums(builder, out, fold)
            return _shuffle(builder, short, short, [i % 8 for i in range(WIDTH)])

        return value.vector(value), codegen

    @intrinsic
    def sums(typingctx, array, index, factors, start, value):
        from numba import types

        def codegen(context, builder, signature, args):
            first = pointer(context, builder, signature.args[0], *args[:2])
            scale = pointer(context, builder, signature.args[2], *args[2:4])
            every, kind = unpack(builder, args[4]), llvm_vector(array.dtype)
            for r in range(rows):
                total = every[r * vectors]
                for v in range(1, vectors):
                    total = builder.fadd(total, every[r * vectors + v])
                x = splat_at(builder, builder.load(_gep(builder, scale, r)), kind)
                p = _gep(builder, first, r * WIDTH)
                old = load_at(builder, p, kind)
                store_at(builder, multiply_add(builder, x, old, total), p)
            return context.get_dummy_value()

        size = types.intp
        return types.void(array, size, factors, size, value), codegen

    @intrinsic
    def hide(typingctx, value, key, first, count, index, other):
        from numba import types

        def codegen(context, builder, signature, args):
            from llvmlite import ir

            every, lane = unpack(builder, args[0]), ir.IntType(32)
            wide = ir.VectorType(lane, WIDTH)
            begin = pointer(context, builder, signature.args[2], args[2], args[4])
            length = pointer(context, builder, signature.args[3], args[3], args[4])
            key0 = splat_at(builder, builder.trunc(args[1], lane), wide)
            fill = splat_at(builder, args[5], every[0].type)
            out = []
            for r in range(rows):
                start = builder.load(_gep(builder, begin, r))
                n = builder.load(_gep(builder, length, r))
                away = builder.sub(key0, splat_at(builder, start, wide))
                n = splat_at(builder, n, wide)
                for v in range(vectors):
                    lanes = ir.Constant(wide, [v * WIDTH + i for i in range(WIDTH)])
                    place = builder.add(away, lanes)
                    seen = builder.icmp_unsigned("<", place, n)
                    out.append(builder.select(seen, every[r * vectors + v], fill))
            return pack(builder, out)

        size = types.intp
        signature = value(value, size, first, count, size, value.vector.dtype)
        return signature, codegen

    @intrinsic
    def distance(typingctx, key, position, index):
        from numba import types

        def codegen(context, builder, signature, args):
            from llvmlite import ir

            kind = llvm_vector(position.dtype)
            p = pointer(context, builder, signature.args[1], *args[1:])
            key0 = splat_at(builder, builder.sitofp(args[0], kind.element), kind)
            absolute = f"llvm.fabs.{suffix(kind)}"
            out = []
            for r in range(rows):
                x = splat_at(builder, builder.load(_gep(builder, p, r)), kind)
                x = builder.fsub(x, key0)
                for v in range(vectors):
                    lanes = [
                        constant(kind.element, v * WIDTH + i) for i in range(WIDTH)
                    ]
                    away = builder.fsub(x, ir.Constant(kind, lanes))
                    out.append(call(builder, absolute, away))
            return pack(builder, out)

        return kind_of(position.dtype)(types.intp, position, types.intp), codegen

    inside, in_rows = (WIDTH, step), (KEYS, WIDTH)
    return Tile(
        *(reading(*inside), writing(*inside), writing(*in_rows), reading(*in_rows)),
        *(each, maxima, sums, hide, distance),
    )
