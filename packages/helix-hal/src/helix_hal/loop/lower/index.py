"""``gather`` and ``scatter``, and copies to other devices."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from helix_core._dtypes import DType, accumulate_dtype
from helix_core.loop import Builder, Expr, LoopProgram

from helix_hal.loop.buffer import Buffer
from helix_hal.loop.engine import Engine
from helix_hal.loop.lower.complex_rules import add, mul
from helix_hal.loop.lower.elementwise import lowering
from helix_hal.loop.lower.layout import around, at, given, strides
from helix_hal.loop.lower.rules import larger, smaller
from helix_hal.loop.lower.scalars import Pair, Scalar, load, store, stored

BUSY = 256  # points from which the columns of a scatter are enough to do
PARTS = 8  # else so many points share a column's destinations
_cast = lowering("cast")


@lru_cache(maxsize=256)
def _gather_program(dtype: DType, index: str) -> LoopProgram:
    b = Builder("gather")
    x, k = b.input("x", stored(dtype)), b.input("k", index)
    y = b.output("y", stored(dtype))
    outer, count, inner = b.size("outer"), b.size("count"), b.size("inner")
    n, step = b.size("n"), b.size("k_step")
    sx = strides(b, "x")
    o, j, i = b.axis(outer), b.axis(count), b.axis(inner)
    place = k[j * step].clamp(0, n.cast(index) - 1).cast("index")
    value = load(x, at(sx, o, place, i), dtype)
    store(y, (o * count + j) * inner + i, value, dtype)
    return b.build()


def gather(
    engine: Engine, x: Buffer, idx: Buffer, axis: int, out: Any = None
) -> Buffer:
    shape = (*x.shape[:axis], *idx.shape, *x.shape[axis + 1 :])
    result = engine.empty(shape, x.dtype)
    if result.size == 0:
        return result
    view, flat = around(engine, x, axis), around(engine, idx, 0, idx.ndim)
    outer, n, inner = view.shape
    sizes = {"outer": outer, "count": idx.size, "inner": inner, "n": n}
    sizes |= given(x=view) | {"k_step": flat.strides[1]}
    line = flat.view((idx.size,), (flat.strides[1],))
    program = _gather_program(x.dtype, idx.dtype.name)
    engine.run(program, (view, line, result), sizes)
    return result


def _merge(mode: str, old: Scalar, new: Scalar) -> Scalar:
    if isinstance(old, Pair):
        return add(old, new) if mode == "add" else mul(old, new)
    if mode == "add":
        return old + new
    if mode == "mul":
        return old * new
    if old.dtype == "bool":
        return old | new if mode == "max" else old & new
    return larger(old, new) if mode == "max" else smaller(old, new)


@lru_cache(maxsize=512)
def _scatter_program(dtype: DType, index: str, mode: str) -> LoopProgram:
    """A point owns a column, or a part of its places, and takes all updates in turn."""
    b = Builder(f"scatter_{mode}")
    k, u = b.input("k", index), b.input("u", stored(dtype))
    y = b.inout("y", stored(dtype))
    outer, parts, inner = b.size("outer"), b.size("parts"), b.size("inner")
    n, step, share = b.size("n"), b.size("k_step"), b.size("share")
    su = strides(b, "u")
    o, part, i = b.axis(outer), b.axis(parts), b.axis(inner)
    low = part * share
    b.serial(b.size("count"))
    with b.scan([], []) as s:
        raw = k[s.step * step]
        inside: Expr = (raw >= 0) & (raw < n.cast(index))
        place = raw.clamp(0, n.cast(index) - 1).cast("index")
        mine = inside & (place >= low) & (place < low + share)
        target = (o * n + place) * inner + i
        value = load(u, at(su, o, s.step, i), dtype)
        if mode != "set":
            value = _merge(mode, load(y, target, dtype, mine), value)
        store(y, target, value, dtype, mine)
    return b.build()


def scatter(
    engine: Engine,
    x: Buffer,
    idx: Buffer,
    u: Buffer,
    axis: int,
    mode: str,
    out: Any = None,
) -> Buffer:
    """In the order of the updates: deterministic, and the last ``set`` wins."""
    dtype = x.dtype
    wide = dtype if mode == "set" else accumulate_dtype(dtype)
    if wide is not dtype:
        x, u = _cast(engine, x, dtype=wide), _cast(engine, u, dtype=wide)
    result = engine.empty(x.shape, wide)
    if x.size:
        engine.copy(x, result)
    if x.size and u.size:
        view = around(engine, u, axis, idx.ndim)
        flat = around(engine, idx, 0, idx.ndim)
        outer, count, inner = view.shape
        n = x.shape[axis]
        parts = 1 if outer * inner >= BUSY else min(PARTS, n)
        sizes = {"outer": outer, "inner": inner, "count": count, "n": n}
        sizes |= {"parts": parts, "share": -(-n // parts)}
        sizes |= given(u=view) | {"k_step": flat.strides[1]}
        line = flat.view((idx.size,), (flat.strides[1],))
        program = _scatter_program(wide, idx.dtype.name, mode)
        engine.run(program, (line, view, result), sizes)
    if wide is not dtype:
        result = _cast(engine, result, dtype=dtype)
    return result


def _copy_to(engine: Engine, x: Buffer, target: Any, out: Any = None) -> Any:
    return target.backend.from_host(engine.to_host(x), target)


LOWERINGS: dict[str, Callable[..., Any]] = {
    "gather": gather,
    "scatter": scatter,
    "copy_to": _copy_to,
}
