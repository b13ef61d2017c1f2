"""What the kernels of recurrent layers are made of: tiles of products, and tanh."""

from __future__ import annotations

from functools import cache
from typing import Any

from helix_hal.cpu.jit import Intrinsic, intrinsic
from helix_hal.cpu.kernels.simd import (
    WIDTH,
    call,
    constant,
    llvm_vector,
    load_at,
    multiply_add,
    operation,
    pointer,
    splat_at,
    store_at,
    suffix,
)
from helix_hal.cpu.kernels.simd_math import _LOG2E, _exp2, _polynomial, _whole

__all__ = ["rounded", "tanh", "tile_product"]

# (tanh(x) / x - 1) / x^2 as a polynomial in x^2 below 0.625, highest power first
_TANH = (
    *(-0.0056669769766190215, 0.020606176494407824, -0.05373000708025007),
    *(0.1333133100104443, -0.33333278058508015),
)


def _tanh(context: Any, b: Any, x: Any) -> Any:
    """(1 - e^-2|x|) / (1 + e^-2|x|), and a polynomial where that cancels."""
    kind = x.type
    size = call(b, f"llvm.fabs.{suffix(kind)}", x)
    e = _exp2(context, b, b.fmul(size, constant(kind, -2.0 * _LOG2E)))
    one = constant(kind, 1.0)
    large = b.fdiv(b.fsub(one, e), b.fadd(one, e))
    large = call(b, f"llvm.copysign.{suffix(kind)}", large, x)
    s = b.fmul(x, x)
    ratio = multiply_add(b, s, _polynomial(b, _TANH, s), one)
    small = b.fmul(x, ratio)  # keeps the sign of zero
    # NaN compares false: it stays
    return b.select(b.fcmp_ordered("ogt", size, constant(kind, 0.625)), large, small)


def _rounded(context: Any, b: Any, x: Any) -> Any:
    """To the nearest, ties to even, by the bits; NaN stays."""

    def whole(value: int) -> Any:
        return _whole(value, x.type.count)

    bits = b.bitcast(x, whole(0).type)
    odd = b.and_(b.lshr(bits, whole(16)), whole(1))
    up = b.add(bits, b.add(odd, whole(0x7FFF)))
    near = b.bitcast(b.and_(up, whole(-0x10000)), x.type)
    return b.select(b.fcmp_unordered("uno", x, x), x, near)


tanh = operation("tanh", 1, _tanh, "tanh(x) within 3 ulp")
rounded = operation("rounded", 1, _rounded, "x as a bfloat16")


@cache
def tile_product(
    rows: int,
    slots: tuple[int, ...],
    steps: tuple[int, int],
    right: tuple[int, int],
) -> Intrinsic:
    """An intrinsic that adds a product to a tile of `rows` by ``len(slots)`` vectors.

    The tile is held in registers while the sum runs over k. ``multiply(left, l, l_row,
    right, r, depth, acc, a, a_row)`` is, for each row i and the j-th slot s,
    ``acc[a + i a_row + 16 s] += sum_k left[l + i row + k step] right[r + k along +
    j across]``.

    Parameters
    ----------
    rows : int
    slots : tuple of int
        Where the vectors lie in a row of `acc`, and with `right` in its panel.
    steps : (row, step)
        Strides of `left`; a row of 0 means the argument ``l_row``.
    right : (along, across)
        Strides of `right` in k, and from one vector to the next.
    """
    (row, step), (along, across) = steps, right
    count = len(slots)

    @intrinsic
    def multiply(typingctx, left, l, l_row, right, r, depth, acc, a, a_row):  # noqa: E741
        from numba import types

        def codegen(context, builder, signature, args):
            kinds = signature.args
            kind, whole = llvm_vector(left.dtype), args[1].type
            one, depth = whole(1), args[5]
            line = whole(row) if row else args[2]
            first = pointer(context, builder, kinds[0], args[0], args[1])
            panel = pointer(context, builder, kinds[3], args[3], args[4])
            tile = pointer(context, builder, kinds[6], args[6], args[7])
            starts = [
                builder.gep(first, [builder.mul(line, whole(i))]) for i in range(rows)
            ]
            places = [
                builder.gep(
                    tile,
                    [builder.add(builder.mul(args[8], whole(i)), whole(WIDTH * s))],
                )
                for i in range(rows)
                for s in slots
            ]
            before = [load_at(builder, p, kind) for p in places]
            entry = builder.block
            body, done = (builder.append_basic_block(n) for n in ("sum", "summed"))
            builder.cbranch(builder.icmp_signed(">", depth, whole(0)), body, done)
            builder.position_at_end(body)
            k = builder.phi(whole)
            sums = [builder.phi(kind) for _ in before]
            here = builder.gep(panel, [builder.mul(k, whole(along))])
            columns = [
                load_at(builder, builder.gep(here, [whole(across * j)]), kind)
                for j in range(count)
            ]
            there = builder.mul(k, whole(step))
            after = []
            for i, start in enumerate(starts):
                x = builder.load(builder.gep(start, [there]))
                x = splat_at(builder, x, kind)
                for j, column in enumerate(columns):
                    total = sums[i * count + j]
                    after.append(multiply_add(builder, x, column, total))
            following = builder.add(k, one)
            builder.cbranch(builder.icmp_signed("<", following, depth), body, done)
            builder.position_at_end(done)
            out = [builder.phi(kind) for _ in before]
            for phi, old, new in zip(sums + out, before * 2, after * 2, strict=True):
                phi.add_incoming(old, entry)
                phi.add_incoming(new, body)
            k.add_incoming(whole(0), entry)
            k.add_incoming(following, body)
            for place, vector in zip(places, out, strict=True):
                store_at(builder, vector, place)
            return context.get_dummy_value()

        n = types.intp
        signature = types.void(left, n, n, right, n, n, acc, n, n)
        return signature, codegen

    return multiply
