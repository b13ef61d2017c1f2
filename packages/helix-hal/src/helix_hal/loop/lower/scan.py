"""``linear_scan`` and ``cumulative``: a point per row, its state in a register."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from helix_core._dtypes import DType, accumulate_dtype
from helix_core.loop import Builder, Expr, LoopProgram

from helix_hal.loop.buffer import Buffer
from helix_hal.loop.engine import Engine
from helix_hal.loop.lower.complex_rules import add, mul
from helix_hal.loop.lower.layout import around, at, given, strides
from helix_hal.loop.lower.reduce import combine, neutral
from helix_hal.loop.lower.rules import larger
from helix_hal.loop.lower.scalars import (
    Pair,
    Scalar,
    convert,
    load,
    number,
    select,
    store,
    stored,
    working,
)


def parts(x: Scalar) -> list[Expr]:
    """The reals that a number is made of."""
    return [*x] if isinstance(x, Pair) else [x]


def whole(reals: Any, dtype: DType) -> Scalar:
    return Pair(*reals) if dtype.category == "complex" else reals[0]


def _affine(a: Scalar, h: Scalar, x: Scalar) -> Scalar:
    return add(mul(a, h), x) if isinstance(a, Pair) else a * h + x


@lru_cache(maxsize=64)
def _linear_program(dtype: DType, reverse: bool) -> LoopProgram:
    b = Builder("linear_scan")
    real, wide = stored(dtype), working(dtype)
    a, x, h0 = b.input("a", real), b.input("x", real), b.input("h0", real)
    y = b.output("y", real)
    outer, n, inner = b.size("outer"), b.size("n"), b.size("inner")
    sa, sx = strides(b, "a"), strides(b, "x")
    o, i = b.axis(outer), b.axis(inner)
    b.serial(n)
    first = convert(load(h0, o * inner + i, dtype), dtype, wide)
    inits = parts(first)
    with b.scan(inits, [e.dtype for e in inits], reverse=reverse) as s:
        t = s.step
        decay = convert(load(a, at(sa, o, t, i), dtype), dtype, wide)
        more = convert(load(x, at(sx, o, t, i), dtype), dtype, wide)
        h = _affine(decay, whole(s.states, dtype), more)
        store(y, (o * n + t) * inner + i, convert(h, wide, dtype), dtype)
        s.next(*parts(h))
    return b.build()


def linear_scan(
    engine: Engine,
    a: Buffer,
    x: Buffer,
    h0: Buffer,
    axis: int,
    reverse: bool,
    out: Any = None,
) -> Buffer:
    result = engine.empty(x.shape, x.dtype)
    if x.size == 0:
        return result
    a3, x3 = around(engine, a, axis), around(engine, x, axis)
    outer, n, inner = x3.shape
    sizes = {"outer": outer, "n": n, "inner": inner} | given(a=a3, x=x3)
    program = _linear_program(x.dtype, reverse)
    engine.run(program, (a3, x3, engine.contiguous(h0), result), sizes)
    return result


def _merge(kind: str, x: Scalar, y: Scalar) -> Scalar:
    if kind != "logsumexp":
        return combine(kind, x, y)
    top = larger(x, y)
    infinite = top.eq(float("-inf")) | top.eq(float("inf"))
    total = top + ((x - top).exp() + (y - top).exp()).log()
    return select(infinite, top, total)


def _first(kind: str, dtype: DType) -> Any:
    return float("-inf") if kind == "logsumexp" else neutral(kind, dtype)


@lru_cache(maxsize=256)
def _cumulative_program(dtype: DType, kind: str, reverse: bool) -> LoopProgram:
    b = Builder(f"cumulative_{kind}")
    x, y = b.input("x", stored(dtype)), b.output("y", stored(dtype))
    wide = accumulate_dtype(dtype) if kind in ("sum", "prod") else working(dtype)
    outer, n, inner = b.size("outer"), b.size("n"), b.size("inner")
    sx = strides(b, "x")
    o, i = b.axis(outer), b.axis(inner)
    b.serial(n)
    inits = parts(number(b, _first(kind, wide), wide))
    with b.scan(inits, [e.dtype for e in inits], reverse=reverse) as s:
        element = convert(load(x, at(sx, o, s.step, i), dtype), dtype, wide)
        h = _merge(kind, whole(s.states, wide), element)
        store(y, (o * n + s.step) * inner + i, convert(h, wide, dtype), dtype)
        s.next(*parts(h))
    return b.build()


def cumulative(
    engine: Engine, x: Buffer, kind: str, axis: int, reverse: bool, out: Any = None
) -> Buffer:
    result = engine.empty(x.shape, x.dtype)
    if x.size == 0:
        return result
    view = around(engine, x, axis)
    outer, n, inner = view.shape
    sizes = {"outer": outer, "n": n, "inner": inner} | given(x=view)
    program = _cumulative_program(x.dtype, kind, reverse)
    engine.run(program, (view, result), sizes)
    return result


LOWERINGS: dict[str, Callable[..., Any]] = {
    "linear_scan": linear_scan,
    "cumulative": cumulative,
}
