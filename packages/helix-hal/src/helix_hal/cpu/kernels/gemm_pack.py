"""How operands of matrix products are packed: strips of lanes, for `gemm`.

A *unit* is what one lane takes in one step of the sum: a number, or for bfloat16 a pair
of numbers that follow each other in the sum, in the 32 bits that ``vdpbf16ps`` reads.
Operands of float32 are rounded to such pairs on the way, two vectors in one instruction
(to nearest, ties to even; subnormal numbers count as zero). Where a vector reaches past
the operand's edge, its other lanes are not read and hold zeros.
"""

from __future__ import annotations

from typing import Any

from helix_hal.cpu.jit import Intrinsic, intrinsic
from helix_hal.cpu.kernels.simd import BYTES, _shuffle, pointer, store_at, transpose

__all__ = ["across", "dot_pairs", "halved", "load_some", "store_some", "straight"]
__all__ += ["turned", "vector_of", "whole_across", "whole_straight", "whole_turned"]


# ------------------------------------------------------------ vectors of part of a row
def vector_of(dtype: Any, count: int) -> Any:
    """LLVM's vector of so many of numba's numbers."""
    from llvmlite import ir
    from numba import types

    if isinstance(dtype, types.Integer):
        return ir.VectorType(ir.IntType(int(dtype.bitwidth)), count)  # type: ignore[attr-defined]
    real = ir.FloatType() if dtype.bitwidth == 32 else ir.DoubleType()
    return ir.VectorType(real, count)


def _suffix(kind: Any) -> str:
    from llvmlite import ir

    letter = "i" if isinstance(kind.element, ir.IntType) else "f"
    return f"v{kind.count}{letter}{_bits(kind.element)}"


def _bits(element: Any) -> int:
    from llvmlite import ir

    if isinstance(element, ir.IntType):
        return int(element.width)
    return 32 if isinstance(element, ir.FloatType) else 64


def _first_lanes(builder: Any, count: Any, width: int) -> Any:
    """Which lanes come before `count`."""
    from llvmlite import ir

    whole = ir.IntType(32)
    count = builder.trunc(count, whole) if count.type.width > 32 else count
    kind = ir.VectorType(whole, width)
    empty = ir.Constant(kind, ir.Undefined)
    one = builder.insert_element(empty, count, whole(0))
    counts = _shuffle(builder, one, empty, [0] * width)
    return builder.icmp_signed("<", ir.Constant(kind, list(range(width))), counts)


def load_some(builder: Any, place: Any, kind: Any, count: Any = None) -> Any:
    """A vector whose first `count` lanes are read, all of them by default."""
    from llvmlite import ir

    size = _bits(kind.element) // 8
    place = builder.bitcast(place, kind.as_pointer())
    if count is None:
        return builder.load(place, align=size)
    mask = _first_lanes(builder, count, kind.count)
    zeros = ir.Constant(kind, None)
    name, whole = f"llvm.masked.load.{_suffix(kind)}.p0", ir.IntType(32)
    fn = builder.module.globals.get(name)
    if fn is None:
        kinds = [place.type, whole, mask.type, kind]
        fn = ir.Function(builder.module, ir.FunctionType(kind, kinds), name)
    return builder.call(fn, [place, whole(size), mask, zeros])


def store_some(builder: Any, value: Any, place: Any, count: Any) -> None:
    """Write the first `count` lanes of a vector."""
    from llvmlite import ir

    kind = value.type
    place = builder.bitcast(place, kind.as_pointer())
    mask = _first_lanes(builder, count, kind.count)
    name, whole = f"llvm.masked.store.{_suffix(kind)}.p0", ir.IntType(32)
    fn = builder.module.globals.get(name)
    if fn is None:
        kinds = [kind, place.type, whole, mask.type]
        fn = ir.Function(builder.module, ir.FunctionType(ir.VoidType(), kinds), name)
    builder.call(fn, [value, place, whole(_bits(kind.element) // 8), mask])


# -------------------------------------------------------------------- pairs of bfloat16
def _half_kinds(count: int) -> tuple[Any, Any]:
    """LLVM's type of a vector of bfloat16, and what the instructions' names took before
    there was one."""
    from llvmlite import binding, ir

    if binding.llvm_version_info < (16,):
        return ir.VectorType(ir.IntType(16), count), ir.VectorType(
            ir.IntType(32), count // 2
        )
    kind = ir.VectorType(_Bfloat(), count)
    return kind, kind


def _Bfloat() -> Any:
    from llvmlite import ir

    class Bfloat(ir.Type):  # type: ignore[misc]
        def _to_string(self) -> str:
            return "bfloat"

        def __eq__(self, other: object) -> bool:
            return type(other).__name__ == "Bfloat"

        def __hash__(self) -> int:
            return hash("bfloat")

    return Bfloat()


def _declared(builder: Any, name: str, result: Any, args: list[Any]) -> Any:
    from llvmlite import ir

    fn = builder.module.globals.get(name)
    if fn is None:
        kind = ir.FunctionType(result, [a.type for a in args])
        fn = ir.Function(builder.module, kind, name)
    return builder.call(fn, args)


def _rounded(builder: Any, low: Any, high: Any) -> Any:
    """Two vectors of float32 as one of 32 bfloat16, seen as 16-bit integers."""
    from llvmlite import ir

    result, _ = _half_kinds(32)
    name = "llvm.x86.avx512bf16.cvtne2ps2bf16.512"
    half = _declared(builder, name, result, [high, low])
    return builder.bitcast(half, ir.VectorType(ir.IntType(16), 32))


def halved(builder: Any, x: Any) -> Any:
    """Sixteen float32 as bfloat16, seen as 16-bit integers."""
    from llvmlite import ir

    kinds = _half_kinds(16)
    name = "llvm.x86.avx512bf16.cvtneps2bf16.512"
    half = _declared(builder, name, kinds[0], [x])
    return builder.bitcast(half, ir.VectorType(ir.IntType(16), 16))


def dot_pairs(builder: Any, x: Any, y: Any, total: Any) -> Any:
    """``total`` plus the products of sixteen pairs of bfloat16, two in each lane."""
    _, kind = _half_kinds(32)
    args = [total, builder.bitcast(x, kind), builder.bitcast(y, kind)]
    name = "llvm.x86.avx512bf16.dpbf16ps.512"
    return _declared(builder, name, total.type, args)


# ------------------------------------------------------------------------------ strips
def _paired(target: Any) -> bool:
    from numba import types

    return isinstance(target.dtype, types.Integer)


def _less(builder: Any, count: Any, by: int) -> Any:
    return None if count is None else builder.sub(count, count.type(by))


def _along(builder: Any, place: Any, source: Any, target: Any, count: Any) -> Any:
    """A vector of units of one lane; `count` numbers are left (None: enough)."""
    from llvmlite import ir

    width = BYTES * 8 // target.dtype.bitwidth
    if not _paired(target):
        return load_some(builder, place, vector_of(source.dtype, width), count)
    pairs = ir.VectorType(ir.IntType(32), width)
    if source.dtype.bitwidth == 16:
        both = load_some(builder, place, vector_of(source.dtype, 2 * width), count)
        return builder.bitcast(both, pairs)
    kind = vector_of(source.dtype, width)
    low = load_some(builder, place, kind, count)
    there = builder.gep(place, [ir.IntType(64)(width)])
    high = load_some(builder, there, kind, _less(builder, count, width))
    return builder.bitcast(_rounded(builder, low, high), pairs)


def _straight(masked: bool) -> Intrinsic:
    def straight(typingctx, source, start, count, target, to):
        """Units of one lane, one vector of them, written one after the other."""
        from numba import types

        def codegen(context, builder, signature, args):
            place = pointer(context, builder, signature.args[0], *args[:2])
            there = pointer(context, builder, signature.args[3], *args[3:5])
            count = args[2] if masked else None
            store_at(builder, _along(builder, place, source, target, count), there)
            return context.get_dummy_value()

        size = types.intp
        return types.void(source, size, size, target, size), codegen

    return intrinsic(straight)


def _across(masked: bool) -> Intrinsic:
    def across(typingctx, source, start, step, lanes, second, target, to):
        """One unit of a vector of lanes that lie side by side.

        `lanes` of them are read; of the pairs' second numbers, which are `step` further,
        `second`.
        """
        from llvmlite import ir
        from numba import types

        def codegen(context, builder, signature, args):
            place = pointer(context, builder, signature.args[0], *args[:2])
            there = pointer(context, builder, signature.args[5], *args[5:7])
            lanes, second = (args[3], args[4]) if masked else (None, None)
            width = BYTES * 8 // target.dtype.bitwidth
            kind = vector_of(source.dtype, width)
            x = load_some(builder, place, kind, lanes)
            if _paired(target):
                y = load_some(builder, builder.gep(place, [args[2]]), kind, second)
                order = [i + j * width for i in range(width) for j in range(2)]
                if source.dtype.bitwidth == 16:
                    both = _shuffle(builder, x, y, order)
                else:
                    both = _rounded(builder, x, y)
                    both = _shuffle(builder, both, both, order)
                x = builder.bitcast(both, ir.VectorType(ir.IntType(32), width))
            store_at(builder, x, there)
            return context.get_dummy_value()

        size = types.intp
        kinds = (source, size, size, size, size, target, size)
        return types.void(*kinds), codegen

    return intrinsic(across)


def _turned(masked: bool) -> Intrinsic:
    def turned(typingctx, source, start, step, lanes, count, target, to, stride):
        """A square of units whose lanes are `step` apart, written lanes side by side.

        `lanes` of them are read, and `count` numbers of each.
        """
        from numba import types

        def codegen(context, builder, signature, args):
            first = pointer(context, builder, signature.args[0], *args[:2])
            there = pointer(context, builder, signature.args[5], *args[5:7])
            size, width = args[1].type, BYTES * 8 // target.dtype.bitwidth
            rows = []
            for r in range(width):
                place = builder.gep(first, [builder.mul(args[2], size(r))])
                count = None
                if masked:
                    here = builder.icmp_signed("<", size(r), args[3])
                    count = builder.select(here, args[4], size(0))
                rows.append(_along(builder, place, source, target, count))
            for r, row in enumerate(transpose(builder, rows)):
                to = builder.gep(there, [builder.mul(args[7], size(r))])
                store_at(builder, row, to)
            return context.get_dummy_value()

        size = types.intp
        kinds = (source, size, size, size, size, target, size, size)
        return types.void(*kinds), codegen

    return intrinsic(turned)


straight, whole_straight = _straight(True), _straight(False)
across, whole_across = _across(True), _across(False)
turned, whole_turned = _turned(True), _turned(False)
