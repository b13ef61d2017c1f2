"""Movement: views wherever strides can say it, else copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any

from helix_core._dtypes import DType
from helix_core.loop import Builder, Expr, LoopProgram

from helix_hal.loop.buffer import Buffer
from helix_hal.loop.engine import Engine, Prepared
from helix_hal.loop.lower.scalars import load, store, stored


def reshape(
    engine: Engine, x: Buffer, shape: tuple[int, ...], out: Any = None
) -> Buffer:
    view = x.reshape(shape)
    if view is None:
        view = engine.contiguous(x).reshape(shape)
        assert view is not None
    return view


def concat(engine: Engine, *xs: Buffer, axis: int, out: Any = None) -> Buffer:
    """Each operand is copied into its part of the result."""
    n = sum(x.shape[axis] for x in xs)
    shape = (*xs[0].shape[:axis], n, *xs[0].shape[axis + 1 :])
    result = engine.empty(shape, xs[0].dtype)
    at = 0
    for x in xs:
        if x.size:
            move = at * result.strides[axis]
            engine.copy(x, result.view(x.shape, result.strides, move))
        at += x.shape[axis]
    return result


# --------------------------------------------------------------------------------- pad
@lru_cache(maxsize=1024)
def _pad_program(dtype: DType, padded: tuple[bool, ...], inner: bool) -> LoopProgram:
    """A place of the result reads its element, or the value."""
    b = Builder("pad")
    x, value = b.input("x", stored(dtype)), b.input("value", stored(dtype))
    y = b.output("y", stored(dtype))
    extents = [b.size(f"n{i}") for i in range(len(padded))]
    axes = [b.axis(n) for n in extents]
    at, flat = b.const(0, "index"), b.const(0, "index")
    gate: Expr | None = None
    for i, (n, a, moved) in enumerate(zip(extents, axes, padded, strict=True)):
        flat = flat * n + a
        place = a
        if moved:
            place = a - b.size(f"low{i}")
            ok = (place >= 0) & (place < b.size(f"wide{i}"))
            if inner:
                apart = b.size(f"apart{i}")
                ok = ok & (place % apart).eq(0)
                place = place // apart
            gate = ok if gate is None else gate & ok
        at = at + place * b.size(f"s{i}")
    fill = load(value, b.const(0, "index"), dtype)
    store(y, flat, load(x, at, dtype, gate, fill), dtype)
    return b.build()


def pad(engine: Engine, x: Buffer, value: Buffer, pads: Any, out: Any = None) -> Buffer:
    shape = tuple(
        [
            lo + n + max(n - 1, 0) * k + hi
            for n, (lo, hi, k) in zip(x.shape, pads, strict=True)
        ]
    )
    if not any(map(any, pads)):
        return x
    result = engine.empty(shape, x.dtype)
    if x.size == 0:
        engine.copy(value.broadcast(shape), result)
        return result
    key = ("pad", x.shape, x.strides, x.dtype, pads)

    def make() -> Prepared:
        # axes that are not padded merge with their neighbours
        rows: list[list[int]] = []  # of (result, source, stride, low, high, inner)
        for n, m, s, (lo, hi, k) in zip(x.shape, shape, x.strides, pads, strict=True):
            plain = not (lo or hi or k)
            if plain and n == 1:
                continue
            last = rows[-1] if rows else None
            if plain and last and not any(last[3:]) and last[2] == s * n:
                last[0], last[1], last[2] = last[0] * m, last[1] * n, s
            else:
                rows.append([m, n, s, lo, hi, k])
        moved = tuple([any(r[3:]) for r in rows])
        inner = any(r[5] for r in rows)
        sizes: dict[str, int] = {}
        for i, (m, n, s, lo, _, k) in enumerate(rows):
            sizes |= {f"n{i}": m, f"s{i}": s}
            if moved[i]:
                sizes |= {f"low{i}": lo, f"wide{i}": (n - 1) * (k + 1) + 1}
                sizes[f"apart{i}"] = k + 1
        made = _pad_program(x.dtype, moved, inner)
        return engine.prepare(made, (x, value, result), sizes)

    engine.remembered(key, make)(x, value, result)
    return result


# ---------------------------------------------------------------------------- creation
@lru_cache(maxsize=64)
def _iota_program(dtype: DType) -> LoopProgram:
    from helix_core._dtypes import as_dtype

    from helix_hal.loop.lower.scalars import convert

    b = Builder("iota")
    y = b.output("y", stored(dtype))
    i = b.axis(b.size("n"))
    store(y, i, convert(i.cast("int32"), as_dtype("int32"), dtype), dtype)
    return b.build()


def iota(engine: Engine, n: int, dtype: DType, out: Any = None) -> Buffer:
    result = engine.empty((n,), dtype)
    engine.run(_iota_program(dtype), (result,), {"n": n})
    return result


def full(
    engine: Engine,
    shape: tuple[int, ...],
    value: Any,
    dtype: DType,
    weak: bool = False,
    out: Any = None,
) -> Buffer:
    """One number on the device, seen from everywhere: no memory, no program."""
    if dtype not in engine.dtypes:
        engine.refuse(dtype, "full")
    nbytes = prod(shape) * dtype.itemsize
    if engine.info.memory and nbytes > engine.info.memory:
        engine.pool.take(nbytes)  # says that there is no room
    return engine.scalar(value, dtype).broadcast(shape)


def _flip(engine: Engine, x: Buffer, axes: Sequence[int], out: Any = None) -> Buffer:
    return x.flip(tuple(axes))


LOWERINGS: dict[str, Callable[..., Any]] = {
    "identity": lambda engine, x, out=None: x,
    "stop_gradient": lambda engine, x, out=None: x,
    "reshape": reshape,
    "permute": lambda engine, x, axes, out=None: x.permute(axes),
    "broadcast": lambda engine, x, shape, out=None: x.broadcast(shape),
    "slice": lambda engine, x, start, stop, step, out=None: x.slice(start, stop, step),
    "flip": _flip,
    "concat": concat,
    "pad": pad,
    "full": full,
    "iota": iota,
}
