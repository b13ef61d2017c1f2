"""The register tiles of convolutions: a few rows, each of one or two vectors.

Operands lie where the arrays are: a row of the forward product is a pixel, whose address
a table holds for every tap, so that nothing is copied and a border is the address of
zeros; its elements meet the packed weights. The product for the weights' gradient sums
over pixels instead: addresses again, and the rows are neighbouring channels.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from helix_hal.cpu.jit import Intrinsic, intrinsic
from helix_hal.cpu.kernels.simd import (
    llvm_vector,
    load_at,
    multiply_add,
    pack,
    pointer,
    row_access,
    splat_at,
    store_at,
    transpose,
    unpack,
)

__all__ = ["Tile", "tile_access", "turn"]


class Tile(NamedTuple):
    """Intrinsics of one tile size.

    ``fill(vector)`` is that vector everywhere. ``windows(like, table, at, taps, run,
    panel, start, tile)`` adds, for every tap, row r's ``run`` elements at the address
    ``table[at + tap rows + r]``, times the vectors of ``panel`` from ``start`` on.
    ``outer(like, table, at, count, offset, panel, step, tile)`` adds, for every i below
    ``count``, the rows' elements at the address ``table[at + i]`` plus ``offset``, times
    the vectors at the address ``panel + i step`` (in elements). ``load(array, start)``
    and ``store(array, start, tile)`` have rows one after the other; ``scatter(like,
    table, at, offset, tile)`` writes row r to the address ``table[at + r]`` plus
    ``offset``.
    """

    rows: int
    vectors: int
    fill: Intrinsic
    windows: Intrinsic
    outer: Intrinsic
    load: Intrinsic
    store: Intrinsic
    scatter: Intrinsic


def _number(builder: Any, table: Any, index: Any, kind: Any) -> Any:
    """A pointer to an element of LLVM's type from a table of addresses."""
    address = builder.load(builder.gep(table, [index]))
    return builder.inttoptr(address, kind.as_pointer())


def _vectors(builder: Any, place: Any, kind: Any, count: int) -> list[Any]:
    whole = _whole()
    return [
        load_at(builder, builder.gep(place, [whole(j * kind.count)]), kind)
        for j in range(count)
    ]


def _whole() -> Any:
    from llvmlite import ir

    return ir.IntType(64)


def _products(
    builder: Any, scalars: list[Any], columns: list[Any], sums: list[Any]
) -> list[Any]:
    kind, n = columns[0].type, len(columns)
    after = []
    for r, x in enumerate(scalars):
        wide = splat_at(builder, x, kind)
        for j, column in enumerate(columns):
            after.append(multiply_add(builder, wide, column, sums[r * n + j]))
    return after


class _Loop:
    """``for i in range(count)`` with values that it carries, in LLVM's language."""

    def __init__(self, builder: Any, name: str, count: Any, carried: list[Any]) -> None:
        self.builder, self.count, self.before = builder, count, carried
        self.entry = builder.block
        self.body = builder.append_basic_block(name)
        self.done = builder.append_basic_block(f"{name}.done")
        zero = _whole()(0)
        builder.cbranch(builder.icmp_signed(">", count, zero), self.body, self.done)
        builder.position_at_end(self.body)
        self.index = builder.phi(_whole())
        self.index.add_incoming(zero, self.entry)
        self.values = [builder.phi(v.type) for v in carried]

    def close(self, after: list[Any]) -> list[Any]:
        """End the body; what the loop leaves."""
        b = self.builder
        following = b.add(self.index, _whole()(1))
        last = b.block
        b.cbranch(b.icmp_signed("<", following, self.count), self.body, self.done)
        self.index.add_incoming(following, last)
        b.position_at_end(self.done)
        out = [b.phi(v.type) for v in self.before]
        for value, result, old, new in zip(
            self.values, out, self.before, after, strict=True
        ):
            value.add_incoming(old, self.entry)
            value.add_incoming(new, last)
            result.add_incoming(old, self.entry)
            result.add_incoming(new, last)
        return out


@intrinsic
def turn(typingctx, source, start, step, target):
    """A square of the width of a vector, its rows `step` apart, written transposed."""
    from numba import types

    def codegen(context, builder, signature, args):
        first = pointer(context, builder, signature.args[0], *args[:2])
        there = pointer(context, builder, signature.args[3], args[3], _whole()(0))
        kind, whole = llvm_vector(source.dtype), _whole()
        rows = [
            load_at(builder, builder.gep(first, [builder.mul(args[2], whole(r))]), kind)
            for r in range(kind.count)
        ]
        for r, vector in enumerate(transpose(builder, rows)):
            store_at(builder, vector, builder.gep(there, [whole(r * kind.count)]))
        return context.get_dummy_value()

    size = types.intp
    return types.void(source, size, size, target), codegen


@cache
def tile_access(rows: int, vectors: int) -> Tile:
    """The intrinsics of tiles of `rows` times `vectors` vectors."""

    @intrinsic
    def windows(typingctx, like, table, at, taps, run, panel, start, tile):
        from numba import types

        def codegen(context, builder, signature, args):
            kind, whole = llvm_vector(like.dtype), _whole()
            places = pointer(context, builder, signature.args[1], *args[1:3])
            weights = pointer(context, builder, signature.args[5], *args[5:7])
            outer = _Loop(builder, "tap", args[3], unpack(builder, args[7]))
            first = builder.mul(outer.index, whole(rows))
            pixels = [
                _number(builder, places, builder.add(first, whole(r)), kind.element)
                for r in range(rows)
            ]
            width = whole(vectors * kind.count)
            here = builder.mul(builder.mul(outer.index, args[4]), width)
            here = builder.gep(weights, [here])
            inner = _Loop(builder, "run", args[4], outer.values)
            place = builder.gep(here, [builder.mul(inner.index, width)])
            columns = _vectors(builder, place, kind, vectors)
            scalars = [builder.load(builder.gep(p, [inner.index])) for p in pixels]
            after = inner.close(_products(builder, scalars, columns, inner.values))
            return pack(builder, outer.close(after))

        n = types.intp
        return tile(like, table, n, n, n, panel, n, tile), codegen

    @intrinsic
    def outer(typingctx, like, table, at, count, offset, panel, step, tile):
        from numba import types

        def codegen(context, builder, signature, args):
            kind, whole = llvm_vector(like.dtype), _whole()
            places = pointer(context, builder, signature.args[1], *args[1:3])
            right = builder.inttoptr(args[5], kind.element.as_pointer())
            loop = _Loop(builder, "pixel", args[3], unpack(builder, args[7]))
            first = _number(builder, places, loop.index, kind.element)
            first = builder.gep(first, [args[4]])
            place = builder.gep(right, [builder.mul(loop.index, args[6])])
            columns = _vectors(builder, place, kind, vectors)
            scalars = [
                builder.load(builder.gep(first, [whole(r)])) for r in range(rows)
            ]
            after = loop.close(_products(builder, scalars, columns, loop.values))
            return pack(builder, after)

        n = types.intp
        return tile(like, table, n, n, n, n, n, tile), codegen

    @intrinsic
    def scatter(typingctx, like, table, at, offset, tile):
        from numba import types

        def codegen(context, builder, signature, args):
            kind, whole = llvm_vector(like.dtype), _whole()
            places = pointer(context, builder, signature.args[1], *args[1:3])
            values = unpack(builder, args[4])
            for r in range(rows):
                to = _number(builder, places, whole(r), kind.element)
                to = builder.gep(to, [args[3]])
                for j in range(vectors):
                    there = builder.gep(to, [whole(j * kind.count)])
                    store_at(builder, values[r * vectors + j], there)
            return context.get_dummy_value()

        n = types.intp
        return types.void(like, table, n, n, tile), codegen

    access = row_access(rows * vectors)

    @intrinsic
    def load(typingctx, array, start, like):
        from numba import types

        def codegen(context, builder, signature, args):
            first = pointer(context, builder, signature.args[0], *args[:2])
            kind = llvm_vector(array.dtype)
            return pack(builder, _vectors(builder, first, kind, rows * vectors))

        return like(array, types.intp, like), codegen

    @intrinsic
    def store(typingctx, array, start, tile):
        from numba import types

        def codegen(context, builder, signature, args):
            first = pointer(context, builder, signature.args[0], *args[:2])
            for i, v in enumerate(unpack(builder, args[2])):
                to = builder.gep(first, [_whole()(i * v.type.count)])
                store_at(builder, v, to)
            return context.get_dummy_value()

        return types.void(array, types.intp, tile), codegen

    return Tile(rows, vectors, access.fill, windows, outer, load, store, scatter)
