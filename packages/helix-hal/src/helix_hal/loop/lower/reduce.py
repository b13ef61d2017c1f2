"""Reductions: one program for any axes, in two levels where few rows are long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

from helix_core._dtypes import DType, accumulate_dtype, as_dtype
from helix_core._primitives.cumulative import highest, lowest
from helix_core.loop import Builder, Expr, LoopProgram

from helix_hal.loop.buffer import Buffer, c_strides
from helix_hal.loop.engine import Engine
from helix_hal.loop.lower.body import Body, single
from helix_hal.loop.lower.complex_rules import mul
from helix_hal.loop.lower.elementwise import kinds_of
from helix_hal.loop.lower.rules import is_nan, larger, smaller
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
from helix_hal.loop.nest import collapse, index, sizes_of, unravel

KINDS = {"reduce_sum": "sum", "reduce_prod": "prod", "reduce_max": "max"}
KINDS |= {"reduce_min": "min", "argmax": "argmax", "argmin": "argmin"}
POINTS = 4096  # a grid of so many points keeps a device busy
STEPS = 512  # a point has at least so many steps before it is split


class Form(NamedTuple):
    """What a reduction's program depends on.

    Attributes
    ----------
    body : Body
        Makes what is reduced from the inputs' elements.
    kind : str
        sum, prod, max, min, argmax, argmin.
    kept, reduced : int
        Merged axes of either sort.
    inputs : tuple of (str, str)
        Kinds of each input's strides on both.
    out : str
        Kinds of the result on the kept axes.
    parts : str
        ``""``: all steps in one point. ``"last"`` and ``"first"``: in interleaved
        parts, an axis of the grid behind or before the kept ones.
    dtype : DType
        Of the result.
    """

    body: Body
    kind: str
    kept: int
    reduced: int
    inputs: tuple[tuple[str, str], ...]
    out: str
    parts: str
    dtype: DType


def neutral(kind: str, dtype: DType) -> Any:
    if kind in ("max", "argmax"):
        return lowest(dtype)
    if kind in ("min", "argmin"):
        return highest(dtype)
    return 1 if kind == "prod" else 0


def combine(kind: str, x: Scalar, y: Scalar) -> Scalar:
    if isinstance(x, Pair):
        return Pair(x.re + y.re, x.im + y.im) if kind == "sum" else mul(x, y)
    if kind == "sum":
        return x + y
    if kind == "prod":
        return x * y
    return larger(x, y) if kind == "max" else smaller(x, y)


def better(kind: str, left: Sequence[Expr], right: Sequence[Expr]) -> list[Expr]:
    """The larger value with its place; NaN is the largest, the first place wins."""
    (x, i), (y, j) = left, right
    beyond = y > x if kind == "argmax" else y < x
    tie = y.eq(x)
    if "float" in x.dtype:
        beyond = beyond | (is_nan(y) & ~is_nan(x))
        tie = tie | (is_nan(y) & is_nan(x))
        beyond = beyond & ~(is_nan(x) & ~is_nan(y))
    take = beyond | (tie & (j < i))
    return [take.where(y, x), take.where(j, i)]


@lru_cache(maxsize=4096)
def program(form: Form) -> LoopProgram:
    """The reduction of a body over the serial axis, for each kept place."""
    body, kind, dtype = form.body, form.kind, form.dtype
    source = body.dtype(body.outputs[0])
    wide = _accumulator(kind, source)
    b = Builder(f"{kind}_{body.name}" if body.steps else kind)
    xs = [b.input(f"x{i}", stored(d)) for i, d in enumerate(body.inputs)]
    y = b.output("y", stored(dtype))
    places = (
        b.output("places", "int32") if kind.startswith("arg") and form.parts else None
    )
    extents = [b.size(f"n{i}") for i in range(max(form.kept, 1))]
    parts = b.size("parts") if form.parts else None
    part = b.axis(parts) if parts is not None and form.parts == "first" else None
    axes = [b.axis(n) for n in extents]
    if parts is not None and form.parts == "last":
        part = b.axis(parts)
    length = b.size("steps")
    b.serial(length)
    counts = [b.size(f"m{i}") for i in range(form.reduced)]
    total = b.size("total") if parts is not None else length
    bases = [
        index(b, f"x{i}", kinds, axes[: len(kinds)])
        for i, (kinds, _) in enumerate(form.inputs)
    ]

    def elements(step: Expr) -> tuple[Scalar, Expr]:
        at = step if part is None or parts is None else step * parts + part
        gate = None if part is None else at < total
        where = unravel(b, at, counts) if form.reduced > 1 else [at][: form.reduced]
        loaded = [
            load(x, base + index(b, f"x{i}r", kinds, where), d, gate)
            for i, (x, base, (_, kinds), d) in enumerate(
                zip(xs, bases, form.inputs, body.inputs, strict=True)
            )
        ]
        (value,) = body.evaluate(b, loaded)
        value = convert(value, source, wide)
        if gate is not None:
            value = select(gate, value, number(b, neutral(kind, wide), wide))
        return value, at

    flat = axes[0]
    for n, a in zip(extents[1:], axes[1:], strict=True):
        flat = flat * n + a
    if part is not None and parts is not None:
        if form.parts == "last":
            at = flat * parts + part
        else:
            at = part
            for n, a in zip(extents, axes, strict=True):
                at = at * n + a
    else:
        at = flat if form.out == "c" else index(b, "y", form.out, axes[: len(form.out)])
    if kind.startswith("arg"):
        with b.reduce(
            lambda left, right: better(kind, left, right),
            (wide.name, "int32"),
            (neutral(kind, wide), 2**31 - 1),
        ) as r:
            value, place = elements(r.step)
            place = place.cast("int32")
            if part is not None:
                place = (r.step * parts + part < total).where(place, 2**31 - 1)
            r.take(value, place)
        best, where = r.results
        if places is not None:
            store(y, at, best, dtype)
            places[at] = where
        else:
            store(y, at, where, dtype)
        return b.build()
    real = stored(wide)
    pair = wide.category == "complex"
    if pair:
        init = number(b, neutral(kind, wide), wide)
        one, none = (1.0, 0.0) if kind == "prod" else (0.0, 0.0)
        del init
        with b.reduce(
            lambda x, z: list(combine(kind, Pair(*x), Pair(*z))),
            (real, real),
            (one, none),
        ) as r:
            r.take(*elements(r.step)[0])
        result: Scalar = Pair(*r.results)
    else:
        with b.reduce(
            lambda x, z: [combine(kind, x[0], z[0])], real, (neutral(kind, wide),)
        ) as r:
            r.take(elements(r.step)[0])
        result = r.result
    store(y, at, convert(result, wide, dtype), dtype)
    return b.build()


def _accumulator(kind: str, dtype: DType) -> DType:
    if kind in ("sum", "prod"):
        return accumulate_dtype(dtype)
    if dtype.category == "bool" and kind.startswith("arg"):
        return as_dtype("int32")
    return working(dtype)


# --------------------------------------------------------------------------- launching
class Reduction:
    """A reduction for one set of layouts: one launch, or two with partial results."""

    def __init__(
        self,
        engine: Engine,
        body: Body,
        kind: str,
        xs: Sequence[Buffer],
        shape: tuple[int, ...],
        axes: tuple[int, ...],
        dtype: DType,
    ) -> None:
        wide = [x.broadcast(shape) for x in xs]
        kept = tuple([i for i in range(len(shape)) if i not in axes])
        self.shape = tuple([shape[i] for i in kept])
        self.dtype = dtype
        c = c_strides(self.shape)
        outer = collapse(
            self.shape, [*[tuple([x.strides[i] for i in kept]) for x in wide], c]
        )
        over = tuple([shape[i] for i in axes])
        inner = collapse(over, [tuple([x.strides[i] for i in axes]) for x in wide])
        rows, steps = prod(self.shape), prod(over)
        parts = _parts(engine, rows, steps)
        contiguous = any("1" in k for k in inner.kinds) or not any(
            "1" in k for k in outer.kinds[:-1]
        )
        side = "" if parts == 1 else "last" if contiguous else "first"
        form = Form(
            body,
            kind,
            len(outer.shape),
            len(inner.shape),
            tuple(zip(outer.kinds[:-1], inner.kinds, strict=True)),
            kinds_of(outer)[-1],
            side,
            dtype,
        )
        sizes = {f"n{i}": n for i, n in enumerate(outer.shape)}
        if not outer.shape:
            sizes["n0"] = 0 if 0 in self.shape else 1
        sizes |= {f"m{i}": n for i, n in enumerate(inner.shape)}
        names = [f"x{i}" for i in range(len(xs))]
        sizes |= sizes_of([*names, "y"], outer)
        sizes |= sizes_of([f"{n}r" for n in names], inner)
        sizes |= {"steps": -(-steps // parts), "parts": parts, "total": steps}
        self.partial: DType | None = None
        if parts == 1:
            out = engine.empty(self.shape, dtype)
            self.launch = engine.prepare(program(form), [*wide, out], sizes)
            return
        self.partial = _accumulator(kind, body.dtype(body.outputs[0]))
        form = form._replace(dtype=self.partial)
        lead = (rows, parts) if side == "last" else (parts, rows)
        self.between = lead
        temporary = [engine.empty(lead, self.partial)]
        if kind.startswith("arg"):
            temporary.append(engine.empty(lead, as_dtype("int32")))
        self.launch = engine.prepare(program(form), [*wide, *temporary], sizes)
        axis = 1 if side == "last" else 0
        self.second: Any
        if kind.startswith("arg"):
            self.second = _Best(engine, kind, temporary, axis, dtype, self.shape)
        else:
            copy = single("copy", (self.partial,), self.partial)
            self.second = Reduction(engine, copy, kind, temporary, lead, (axis,), dtype)
            self.second.shape = self.shape

    def __call__(self, engine: Engine, *xs: Buffer) -> Buffer:
        if self.partial is None:
            out = engine.empty(self.shape, self.dtype)
            self.launch(*xs, out)
            return out
        temporary = [engine.empty(self.between, self.partial)]
        if isinstance(self.second, _Best):
            temporary.append(engine.empty(self.between, as_dtype("int32")))
        self.launch(*xs, *temporary)
        result: Buffer = self.second(engine, *temporary)
        return result


def _parts(engine: Engine, rows: int, steps: int) -> int:
    """In how many parts the steps of a row are split."""
    if rows >= POINTS or steps < 2 * STEPS or rows == 0:
        return 1
    return max(1, min(-(-POINTS // rows), steps // STEPS))


@lru_cache(maxsize=64)
def _best_program(kind: str, dtype: DType, last: bool) -> LoopProgram:
    """The best of partial results."""
    b = Builder(f"{kind}_of_parts")
    x, places = b.input("x", stored(dtype)), b.input("places", "int32")
    y = b.output("y", "int32")
    rows, parts = b.size("rows"), b.size("parts")
    i = b.axis(rows)
    b.serial(parts)
    with b.reduce(
        lambda left, right: better(kind, left, right),
        (dtype.name, "int32"),
        (neutral(kind, dtype), 2**31 - 1),
    ) as r:
        at = i * parts + r.step if last else r.step * rows + i
        r.take(x[at], places[at])
    y[i] = r.results[1]
    return b.build()


class _Best:
    def __init__(
        self,
        engine: Engine,
        kind: str,
        temporary: Sequence[Buffer],
        axis: int,
        dtype: DType,
        shape: tuple[int, ...],
    ) -> None:
        self.shape, self.dtype = shape, dtype
        x = temporary[0]
        sizes = {"rows": x.shape[1 - axis], "parts": x.shape[axis]}
        made = _best_program(kind, x.dtype, axis == 1)
        out = engine.empty(shape, dtype)
        flat = out.view((out.size,), (1,))
        self.launch = engine.prepare(made, [*temporary, flat], sizes)

    def __call__(self, engine: Engine, *xs: Buffer) -> Buffer:
        out = engine.empty(self.shape, self.dtype)
        self.launch(*xs, out)
        return out


def reduce(
    engine: Engine, kind: str, x: Buffer, axes: tuple[int, ...], dtype: DType
) -> Buffer:
    key = (kind, x.shape, x.strides, x.dtype, axes)
    entry = engine.entries.get(key)
    if entry is None:
        body = single("copy", (x.dtype,), x.dtype)
        entry = engine.remembered(
            key, lambda: Reduction(engine, body, kind, [x], x.shape, axes, dtype)
        )
    result: Buffer = entry(engine, x)
    return result


def _over_axes(kind: str) -> Callable[..., Buffer]:
    def run(engine: Engine, x: Buffer, axes: Any, out: Any = None) -> Buffer:
        if not axes:
            return x
        return reduce(engine, kind, x, tuple(sorted(axes)), x.dtype)

    return run


def _over_axis(kind: str) -> Callable[..., Buffer]:
    def run(engine: Engine, x: Buffer, axis: int, out: Any = None) -> Buffer:
        axis %= x.ndim
        return reduce(engine, kind, x, (axis,), as_dtype("int32"))

    return run


LOWERINGS: dict[str, Callable[..., Any]] = {
    name: (_over_axis if kind.startswith("arg") else _over_axes)(kind)
    for name, kind in KINDS.items()
}
