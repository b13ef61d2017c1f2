"""``dot_general``: operands as (batch, m, k) and (batch, k, n), sixteen columns a point.

A device that has a faster product offers ``gemm(engine, a, b, out, compute) -> bool``: it
takes these views, and rounds as ``compute`` says, or declines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any

from helix_core._dtypes import DType, accumulate_dtype
from helix_core._primitives.contract import rest
from helix_core.loop import Builder, LoopProgram

from helix_hal.loop.buffer import Buffer
from helix_hal.loop.engine import Engine
from helix_hal.loop.lower.complex_rules import add, mul
from helix_hal.loop.lower.layout import at, given, strides
from helix_hal.loop.lower.scalars import Pair, convert, load, store, stored

COLUMNS = 16  # lanes


@lru_cache(maxsize=64)
def _program(dtype: DType) -> LoopProgram:
    """A row of sixteen columns: each element of a is read once for all of them."""
    b = Builder("product")
    wide = accumulate_dtype(dtype)
    x, w = b.input("x", stored(dtype)), b.input("w", stored(dtype))
    y = b.output("y", stored(dtype))
    batch, m, n = b.size("batch"), b.size("m"), b.size("n")
    sx, sw = strides(b, "x"), strides(b, "w")
    o, i, tile = b.axis(batch), b.axis(m), b.axis(b.size("tiles"))
    b.serial(b.size("k"))
    column = tile * COLUMNS + b.lane(COLUMNS)
    inside = column < n
    safe = column.min(n - 1)
    with b.reduce("add", stored(wide), width=COLUMNS) as r:
        left = convert(load(x, at(sx, o, i, r.step), dtype), dtype, wide)
        right = convert(load(w, at(sw, o, r.step, safe), dtype), dtype, wide)
        r.take(left * right)
    result = convert(r.result, wide, dtype)
    store(y, (o * m + i) * n + safe, result, dtype, inside)
    return b.build()


@lru_cache(maxsize=4)
def _complex_program(dtype: DType) -> LoopProgram:
    b = Builder("complex_product")
    real = stored(dtype)
    x, w, y = b.input("x", real), b.input("w", real), b.output("y", real)
    batch, m, n = b.size("batch"), b.size("m"), b.size("n")
    sx, sw = strides(b, "x"), strides(b, "w")
    o, i, j = b.axis(batch), b.axis(m), b.axis(n)
    b.serial(b.size("k"))
    with b.reduce(
        lambda p, q: list(add(Pair(*p), Pair(*q))), (real, real), (0.0, 0.0)
    ) as r:
        left = load(x, at(sx, o, i, r.step), dtype)
        r.take(*mul(left, load(w, at(sw, o, r.step, j), dtype)))
    store(y, (o * m + i) * n + j, Pair(*r.results), dtype)
    return b.build()


def matrices(
    engine: Engine, x: Buffer, first: Sequence[int], second: Sequence[int], ba: Any
) -> Buffer:
    """(batch, these axes as one, those axes as one): a view, or of a copy."""
    turned = x.permute((*ba, *first, *second))
    shape = tuple([prod([x.shape[i] for i in axes]) for axes in (ba, first, second)])
    view = turned.reshape(shape)
    if view is None:  # a copy in the order of x, whose neighbours lie side by side
        view = engine.contiguous(x).permute((*ba, *first, *second)).reshape(shape)
    if view is None:
        view = engine.contiguous(turned).reshape(shape)
    assert view is not None
    return view


def dot_general(
    engine: Engine,
    a: Buffer,
    b: Buffer,
    dims: Any,
    compute: str = "float32",
    out: Any = None,
) -> Buffer:
    (ca, cb), (ba, bb) = dims
    ra, rb = rest(a.ndim, ca, ba), rest(b.ndim, cb, bb)
    shape = [a.shape[i] for i in (*ba, *ra)] + [b.shape[i] for i in rb]
    result = engine.empty(tuple(shape), a.dtype)
    if result.size == 0:
        return result
    x, w = matrices(engine, a, ra, ca, ba), matrices(engine, b, cb, rb, bb)
    batch, m, k = x.shape
    n = w.shape[2]
    y = result.view((batch, m, n), (m * n, n, 1))
    gemm = getattr(engine.device, "gemm", None)
    if gemm is not None and gemm(engine, x, w, y, compute):
        return result
    if compute == "bfloat16" and a.dtype.name == "float32":
        x, w = rounded(engine, x), rounded(engine, w)
    sizes = {"batch": batch, "m": m, "n": n, "k": k, "tiles": -(-n // COLUMNS)}
    sizes |= given(x=x, w=w)
    pair = a.dtype.category == "complex"
    program = _complex_program(a.dtype) if pair else _program(a.dtype)
    engine.run(program, (x, w, y), sizes)
    return result


def rounded(engine: Engine, x: Buffer) -> Buffer:
    """float32 with values that bfloat16 holds, in one pass."""
    key = ("rounded", x.shape, x.strides)
    out = engine.empty(x.shape, x.dtype)
    flat = engine.contiguous(x)
    engine.remembered(
        key, lambda: engine.prepare(_rounding(), (flat, out), {"n": x.size})
    )(flat, out)
    return out


@lru_cache(maxsize=1)
def _rounding() -> LoopProgram:
    from helix_hal.loop.lower.scalars import rounded_bfloat16

    b = Builder("round_to_bfloat16")
    x, y = b.input("x", "float32"), b.output("y", "float32")
    i = b.axis(b.size("n"))
    y[i] = rounded_bfloat16(x[i])
    return b.build()


LOWERINGS: dict[str, Callable[..., Any]] = {"dot_general": dot_general}
