"""Exact products of int8 matrices, for quantized layers.

``vpdpbusd`` multiplies four pairs in each lane, of unsigned by signed bytes, and adds
them up in int32. So 128 is added to the left operand, and what that makes too much is
taken off the sums' start: ``sum (x + 128) w - 128 sum w``. Sums wrap like int32's, which
takes more than 130,000 terms. Without the instruction NumPy multiplies in float64, which
is exact too and much slower; `tiles` says which it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.blas import compiles_for
from helix_hal.cpu.jit import intrinsic, kernel
from helix_hal.cpu.kernels.gemm_pack import load_some, store_some, vector_of
from helix_hal.cpu.kernels.simd import call, pointer, splat_at
from helix_hal.cpu.launch import launch

__all__ = ["Int8Weights", "matmul_int8", "pack_int8", "tiles"]

Array = NDArray[Any]

_ROWS, _VECTORS, _LANES = 6, 4, 16
_COLUMNS = _VECTORS * _LANES
_LEAST = 1 << 22  # multiply-adds of a task


@dataclass(frozen=True, slots=True)
class Int8Weights:
    """A right operand, packed once for many products: see `pack_int8`.

    Attributes
    ----------
    panels : ndarray, shape (panels, k / 4, 64), int32, or None
        Four bytes that follow each other in the sum to a number.
    starts : ndarray, shape (64 panels,), int32
        What sums begin with.
    plain : ndarray, shape (k, n), float64, or None
        The operand itself, where `tiles` are NumPy's.
    depth, columns : int
        k and n.
    """

    panels: Array | None
    starts: Array
    plain: Array | None
    depth: int
    columns: int


def tiles() -> str:
    """What multiplies: ``"AVX512-VNNI"``, or ``"float64"``."""
    return "AVX512-VNNI" if compiles_for("avx512vnni") else "float64"


def pack_int8(w: Array) -> Int8Weights:
    """Prepare the right operand of `matmul_int8`.

    Parameters
    ----------
    w : ndarray, shape (k, n), int8
        Any strides: ``weight.T`` for weights (out, in).

    Raises
    ------
    TypeError
        If it is not a matrix of int8.
    """
    _check("w", w)
    k, n = w.shape
    panels, units = -(-n // _COLUMNS), -(-k // 4)
    if tiles() == "float64":
        return Int8Weights(None, np.empty(0, np.int32), w.astype(np.float64), k, n)
    padded = np.zeros((4 * units, panels * _COLUMNS), np.int8)
    padded[:k, :n] = w
    parts = padded.reshape(units, 4, panels, _COLUMNS).transpose(2, 0, 3, 1)
    packed = pool.empty((panels, units, _COLUMNS), np.int32)
    packed.view(np.int8).reshape(parts.shape)[...] = parts
    starts = -128 * padded.sum(axis=0, dtype=np.int32)
    return Int8Weights(packed, starts, None, k, n)


def _check(name: str, a: Array) -> None:
    if a.dtype != np.int8 or a.ndim != 2:
        raise TypeError(
            f"[matmul_int8] expected {name} to be a matrix of int8; got {a.dtype} of "
            f"shape {a.shape}"
        )


@intrinsic
def _tile(typingctx, x, at, step, w, panel, units, starts, out, to, row, rows, count):
    """Six rows and four vectors of the result: sums, begun with `starts`, written.

    ``x[at]``: rows of units, `step` apart; ``w[panel]``: units of 64 lanes; of the
    result, `row` numbers to a row, `rows` and `count` columns are written.
    """
    from llvmlite import ir
    from numba import types

    def codegen(context, builder, signature, args):
        kinds, size = signature.args, args[1].type
        kind = vector_of(types.int32, _LANES)
        left = pointer(context, builder, kinds[0], *args[:2])
        right = pointer(context, builder, kinds[3], *args[3:5])
        begin = pointer(context, builder, kinds[6], args[6], size(0))
        target = pointer(context, builder, kinds[7], *args[7:9])
        first = [
            load_some(builder, builder.gep(begin, [size(j * _LANES)]), kind)
            for j in range(_VECTORS)
        ]
        before = first * _ROWS
        entry = builder.block
        body, done = (builder.append_basic_block(name) for name in ("sum", "summed"))
        builder.cbranch(builder.icmp_signed(">", args[5], size(0)), body, done)
        builder.position_at_end(body)
        k = builder.phi(size)
        sums = [builder.phi(kind) for _ in before]
        here = builder.gep(right, [builder.mul(k, size(_COLUMNS))])
        columns = [
            load_some(builder, builder.gep(here, [size(j * _LANES)]), kind)
            for j in range(_VECTORS)
        ]
        after = []
        for r in range(_ROWS):
            place = builder.add(k, builder.mul(args[2], size(r)))
            four = splat_at(builder, builder.load(builder.gep(left, [place])), kind)
            for j, column in enumerate(columns):
                total = sums[r * _VECTORS + j]
                after.append(_multiply_add(builder, total, four, column))
        following = builder.add(k, size(1))
        builder.cbranch(builder.icmp_signed("<", following, args[5]), body, done)
        builder.position_at_end(done)
        results = [builder.phi(kind) for _ in before]
        for phi, old, new in zip(sums + results, before * 2, after * 2, strict=True):
            phi.add_incoming(old, entry)
            phi.add_incoming(new, body)
        k.add_incoming(size(0), entry)
        k.add_incoming(following, body)
        for r in range(_ROWS):
            valid = builder.icmp_signed("<", size(r), args[10])
            for j in range(_VECTORS):
                left_over = builder.sub(args[11], size(j * _LANES))
                lanes = builder.select(valid, left_over, size(0))
                offset = builder.add(builder.mul(args[9], size(r)), size(j * _LANES))
                place = builder.gep(target, [offset])
                store_some(builder, results[r * _VECTORS + j], place, lanes)
        return context.get_dummy_value()

    def _multiply_add(builder: Any, total: Any, x: Any, w: Any) -> Any:
        from llvmlite import binding

        if binding.llvm_version_info >= (22,):  # bytes by name
            kind = ir.VectorType(ir.IntType(8), 4 * _LANES)
            x, w = builder.bitcast(x, kind), builder.bitcast(w, kind)
        return call(builder, "llvm.x86.avx512.vpdpbusd.512", total, x, w)

    n = types.intp
    kinds = (x, n, n, w, n, n, starts, out, n, n, n, n)
    return types.void(*kinds), codegen


@kernel
def _run(lo, hi, strips, x, units, w, starts, out, m, n):
    """Tasks of `strips` times six rows; ``x``: rows of units, six times a whole number."""
    for task in range(lo, hi):
        bottom = min(m, (task + 1) * strips * _ROWS)
        for column in range(0, n, _COLUMNS):
            panel = column * units
            count = min(_COLUMNS, n - column)
            for row in range(task * strips * _ROWS, bottom, _ROWS):
                _tile(
                    *(x, row * units, units, w, panel, units, starts[column:], out),
                    *(row * n + column, n, bottom - row, count),
                )


def matmul_int8(x: Array, w: Array | Int8Weights) -> Array:
    """``x @ w`` in int32, exactly.

    Parameters
    ----------
    x : ndarray, shape (m, k), int8
    w : ndarray, shape (k, n), int8, or Int8Weights

    Returns
    -------
    ndarray, shape (m, n), int32

    Raises
    ------
    TypeError, ValueError
        If an operand is not a matrix of int8; if sizes do not fit.
    """
    _check("x", x)
    packed = w if isinstance(w, Int8Weights) else pack_int8(w)
    m, k = x.shape
    n = packed.columns
    if k != packed.depth:
        raise ValueError(
            f"[matmul_int8] expected w with {k} rows, x.shape={x.shape}; got "
            f"{packed.depth}"
        )
    if packed.plain is not None:
        exact = x.astype(np.float64) @ packed.plain
        return exact.astype(np.int64).astype(np.int32)
    out = pool.empty((m, n), np.int32)
    units = -(-k // 4)
    left = pool.empty((-(-m // _ROWS) * _ROWS, 4 * units), np.uint8)
    left[m:], left[:, k:] = 128, 128
    np.bitwise_xor(x.view(np.uint8), np.uint8(128), out=left[:m, :k])
    strips = max(1, -(-_LEAST // max(1, _ROWS * n * k)))
    launch(
        *(_run, -(-m // (strips * _ROWS)), strips, left.view(np.int32).reshape(-1)),
        *(units, _flat(packed.panels), packed.starts, out.reshape(-1), m, n),
    )
    return out


def _flat(panels: Array | None) -> Array:
    assert panels is not None
    return panels.reshape(-1)
