"""``sort``: stable merges, in which each element finds its own place.

Blocks of sixteen are ordered by counting; then runs are merged in pairs, and an element
finds by binary search how many of the other run go before it. What moves is the order;
the operands are read through it at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from helix_core._dtypes import DType, as_dtype
from helix_core.loop import Builder, Expr, LoopProgram, Ref

from helix_hal.loop.buffer import Buffer
from helix_hal.loop.engine import Engine
from helix_hal.loop.lower.layout import Strides, around, at, given, strides
from helix_hal.loop.lower.rules import is_nan
from helix_hal.loop.lower.scalars import convert, load, store, stored, working

BLOCK = 16
_INT32 = as_dtype("int32")
Keys = tuple[DType, ...]


class _Rows:
    """What every pass reads: the keys, and where a row of the order is."""

    def __init__(self, b: Builder, dtypes: Keys) -> None:
        self.b, self.dtypes = b, dtypes
        self.keys = [b.input(f"x{i}", stored(d)) for i, d in enumerate(dtypes)]
        self.strides: list[Strides] = [strides(b, f"x{i}") for i in range(len(dtypes))]

    def axes(self) -> None:
        b = self.b
        self.n, inner = b.size("n"), b.size("inner")
        self.o, self.i, self.p = b.axis(b.size("outer")), b.axis(inner), b.axis(self.n)
        self.row = (self.o * inner + self.i) * self.n

    def read(self, place: Expr) -> list[Expr]:
        """The keys of one element of the row."""
        place = place.clamp(0, self.n - 1)
        out = []
        for x, s, d in zip(self.keys, self.strides, self.dtypes, strict=True):
            value = load(x, at(s, self.o, place, self.i), d)
            value = convert(value, d, working(d))
            out.append(value.cast("int32") if value.dtype == "bool" else value)
        return out

    def ordered(self, order: Ref, p: Expr) -> tuple[Expr, list[Expr]]:
        """Which element is at a position of the order, and its keys."""
        element = order[self.row + p.clamp(0, self.n - 1)].cast("index")
        return element, self.read(element)


def before(x: Sequence[Expr], y: Sequence[Expr]) -> tuple[Expr, Expr]:
    """Whether x goes before y, and whether they are equal; NaN is the largest."""
    less: Expr | None = None
    same: Expr | None = None
    for a, c in zip(x, y, strict=True):
        under, equal = a < c, a.eq(c)
        if "float" in a.dtype:
            under = under | (is_nan(c) & ~is_nan(a))
            equal = equal | (is_nan(a) & is_nan(c))
        less = under if less is None or same is None else less | (same & under)
        same = equal if same is None else same & equal
    assert less is not None and same is not None
    return less, same


@lru_cache(maxsize=128)
def _blocks(dtypes: Keys) -> LoopProgram:
    """The order within each block: how many of it go before each element."""
    b = Builder("sort_blocks")
    rows = _Rows(b, dtypes)
    order = b.output("order", "int32")
    width = b.size("width")
    rows.axes()
    own = rows.read(rows.p)
    start = rows.p // width * width
    b.serial(width)
    with b.reduce("add", "index") as r:
        other = start + r.step
        less, same = before(rows.read(other), own)
        first = less | (same & (other < rows.p))
        r.take((first & (other < rows.n)).cast("index"))
    place = (start + r.result).clamp(0, rows.n - 1)
    order[rows.row + place] = rows.p.cast("int32")
    return b.build()


@lru_cache(maxsize=128)
def _merge(dtypes: Keys) -> LoopProgram:
    """Runs of ``width`` in pairs into one."""
    b = Builder("sort_merge")
    rows = _Rows(b, dtypes)
    order, merged = b.input("order", "int32"), b.output("merged", "int32")
    width = b.size("width")
    rows.axes()
    p, n = rows.p, rows.n
    element, own = rows.ordered(order, p)
    start = p // (width * 2) * (width * 2)
    left = (p - start) < width
    other = left.where(start + width, start)
    count = (n - other).clamp(0, width)
    b.serial(b.size("steps"))
    with b.scan([0, count], "index") as s:
        low, high = s.states
        middle = (low + high) // 2
        _, theirs = rows.ordered(order, other + middle)
        less, same = before(theirs, own)
        goes = less | (same & ~left)  # equal ones of the left run go first
        open_ = low < high
        s.next(
            (open_ & goes).where(middle + 1, low),
            (open_ & ~goes).where(middle, high),
        )
    place = left.where(p, p - width) + s.states[0]
    merged[rows.row + place.clamp(0, n - 1)] = element.cast("int32")
    return b.build()


@lru_cache(maxsize=128)
def _take(dtype: DType) -> LoopProgram:
    b = Builder("take_in_order")
    rows = _Rows(b, (dtype,))
    order, y = b.input("order", "int32"), b.output("y", stored(dtype))
    rows.axes()
    place = order[rows.row + rows.p].cast("index").clamp(0, rows.n - 1)
    value = load(rows.keys[0], at(rows.strides[0], rows.o, place, rows.i), dtype)
    inner = b.size("inner")
    store(y, (rows.o * rows.n + rows.p) * inner + rows.i, value, dtype)
    return b.build()


def order_of(engine: Engine, keys: Sequence[Buffer]) -> Buffer:
    """The stable ascending order, (outer, inner, n) int32, of keys (outer, n, inner)."""
    outer, n, inner = keys[0].shape
    dtypes = tuple([k.dtype for k in keys])
    sizes: dict[str, int] = {"outer": outer, "n": n, "inner": inner}
    sizes |= given(**{f"x{i}": k for i, k in enumerate(keys)})
    order = engine.empty((outer, inner, n), _INT32)
    width = BLOCK
    engine.run(_blocks(dtypes), (*keys, order), sizes | {"width": width})
    while width < n:
        merged = engine.empty((outer, inner, n), _INT32)
        steps = width.bit_length()  # ceil(log2(width + 1))
        more = {"width": width, "steps": steps}
        engine.run(_merge(dtypes), (*keys, order, merged), sizes | more)
        order, width = merged, width * 2
    return order


def sort(
    engine: Engine,
    *operands: Buffer,
    axis: int,
    num_keys: int,
    descending: bool,
    stable: bool,
    out: Any = None,
) -> tuple[Buffer, ...]:
    # reversed before and after, a stable ascending sort is a stable descending one
    xs = [x.flip((axis,)) if descending else x for x in operands]
    if xs[0].size == 0:
        return tuple([engine.empty(x.shape, x.dtype) for x in xs])
    views = [around(engine, x, axis) for x in xs]
    order = order_of(engine, views[:num_keys])
    outer, n, inner = views[0].shape
    results = []
    for x, view in zip(xs, views, strict=True):
        y = engine.empty(x.shape, x.dtype)
        sizes = {"outer": outer, "n": n, "inner": inner} | given(x0=view)
        engine.run(_take(x.dtype), (view, order, y), sizes)
        results.append(y.flip((axis,)) if descending else y)
    return tuple(results)


LOWERINGS: dict[str, Callable[..., Any]] = {"sort": sort}
