"""Elementwise programs: a body over merged axes, for any strides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any

from helix_core._dtypes import DType, as_dtype
from helix_core._primitive import PRIMITIVES
from helix_core.loop import Builder, Expr, LoopProgram

from helix_hal.loop.buffer import Buffer, c_strides
from helix_hal.loop.engine import Engine, Prepared
from helix_hal.loop.lower.body import Body, single
from helix_hal.loop.lower.scalars import load, store, stored
from helix_hal.loop.nest import Nest, collapse, index, sizes_of


@lru_cache(maxsize=4096)
def program(
    body: Body, ndim: int, inputs: tuple[str, ...], outputs: tuple[str, ...]
) -> LoopProgram:
    """A body at every place of ``ndim`` axes.

    ``inputs`` and ``outputs``: the kinds of strides of each operand, as in `Nest`;
    ``"c"`` where it lies in C order over these axes.
    """
    b = Builder(f"map_{body.name}")
    xs = [b.input(f"x{i}", stored(d)) for i, d in enumerate(body.inputs)]
    ys = [b.output(f"y{i}", stored(body.dtype(o))) for i, o in enumerate(body.outputs)]
    extents = [b.size(f"n{i}") for i in range(max(ndim, 1))]
    axes = [b.axis(n) for n in extents]
    flat: Expr = axes[0]
    for n, a in zip(extents[1:], axes[1:], strict=True):
        flat = flat * n + a
    places = [*_indices(b, "x", inputs, axes, flat)]
    values = [load(x, at, d) for x, at, d in zip(xs, places, body.inputs, strict=True)]
    results = body.evaluate(b, values)
    for y, at, o, v in zip(
        ys, _indices(b, "y", outputs, axes, flat), body.outputs, results, strict=True
    ):
        store(y, at, v, body.dtype(o))
    return b.build()


def _indices(
    b: Builder, name: str, kinds: Sequence[str], axes: Sequence[Expr], flat: Expr
) -> list[Expr]:
    return [
        flat if k == "c" else index(b, f"{name}{i}", k, axes[: len(k)])
        for i, k in enumerate(kinds)
    ]


def kinds_of(nest: Nest) -> tuple[str, ...]:
    """The kinds of a nest's operands, ``"c"`` where C order over all axes."""
    c = c_strides(nest.shape)
    return tuple(
        [
            "c" if s == c and s else k
            for s, k in zip(nest.strides, nest.kinds, strict=True)
        ]
    )


def prepare(
    engine: Engine, body: Body, inputs: Sequence[Buffer], outputs: Sequence[Buffer]
) -> Prepared:
    """A launch of a body over the outputs' shape, to which the inputs broadcast."""
    shape = outputs[0].shape
    wide = [x.broadcast(shape) for x in inputs]
    nest = collapse(shape, [x.strides for x in (*wide, *outputs)])
    kinds = kinds_of(nest)
    made = program(body, len(nest.shape), kinds[: len(wide)], kinds[len(wide) :])
    names = [f"x{i}" for i in range(len(wide))]
    names += [f"y{i}" for i in range(len(outputs))]
    sizes = {f"n{i}": n for i, n in enumerate(nest.shape)}
    if not nest.shape:
        sizes["n0"] = 0 if 0 in shape else 1
    sizes |= sizes_of(names, nest)
    return engine.prepare(made, [*wide, *outputs], sizes)


def layout(shape: tuple[int, ...], inputs: Sequence[Buffer]) -> tuple[int, ...]:
    """Strides for a result: as the operands lie where they agree, else C order."""
    full = [x for x in inputs if x.shape == shape]
    if not full or any(x.strides != full[0].strides for x in full):
        return c_strides(shape)
    strides = full[0].strides
    step = 1
    for i in sorted(range(len(shape)), key=lambda i: (strides[i], shape[i])):
        if shape[i] != 1 and strides[i] != step:
            return c_strides(shape)
        step *= shape[i]
    return strides


class Entry:
    """What an elementwise op needs when it comes again with the same layouts."""

    __slots__ = ("dtype", "launch", "nbytes", "shape", "strides")

    def __init__(
        self, engine: Engine, body: Body, xs: Sequence[Buffer], shape: tuple[int, ...]
    ) -> None:
        self.shape, self.strides = shape, layout(shape, xs)
        self.dtype = body.dtype(body.outputs[0])
        self.nbytes = prod(shape) * self.dtype.itemsize
        out = self.fresh(engine)
        self.launch = prepare(engine, body, xs, [out])

    def fresh(self, engine: Engine) -> Buffer:
        if self.dtype not in engine.dtypes:
            engine.refuse(self.dtype)
        block = engine.pool.take(self.nbytes)
        return Buffer(block, 0, self.shape, self.strides, self.dtype)


def lowering(name: str) -> Callable[..., Buffer]:
    """The lowering of an elementwise primitive."""
    infer = PRIMITIVES[name].infer

    def run(engine: Engine, *xs: Buffer, out: Any = None, **attrs: Any) -> Buffer:
        key = (name, *[(x.shape, x.strides, x.dtype) for x in xs], *attrs.values())
        entry = engine.entries.get(key)
        if entry is None:
            (aval,) = infer(*[x.aval for x in xs], **attrs)
            body = single(name, tuple([x.dtype for x in xs]), aval.dtype)
            entry = engine.remembered(key, lambda: Entry(engine, body, xs, aval.shape))
        block = engine.pool.take(entry.nbytes)
        result = Buffer(block, 0, entry.shape, entry.strides, entry.dtype)
        entry.launch(*xs, result)
        return result

    return run


def copy(engine: Engine, x: Buffer, out: Buffer) -> None:
    """Write ``x`` into a view of its shape and dtype."""
    key = ("copy", x.shape, x.strides, x.dtype, out.strides)

    def make() -> Prepared:
        return prepare(engine, single("copy", (x.dtype,), x.dtype), [x], [out])

    engine.remembered(key, make)(x, out)


# ----------------------------------------------------------------------------- views
def _part(which: int) -> Callable[..., Buffer]:
    def run(engine: Engine, x: Buffer, out: Any = None) -> Buffer:
        dtype = as_dtype(stored(x.dtype))
        strides = tuple([2 * s for s in x.strides])
        return Buffer(x.memory, 2 * x.offset + which, x.shape, strides, dtype)

    return run


def _cast(engine: Engine, x: Buffer, dtype: DType, out: Any = None) -> Buffer:
    return x if x.dtype is dtype else _convert(engine, x, dtype=dtype)


def _bitcast(engine: Engine, x: Buffer, dtype: DType, out: Any = None) -> Buffer:
    if dtype not in engine.dtypes:
        engine.refuse(dtype, "bitcast")
    return Buffer(x.memory, x.offset, x.shape, x.strides, dtype)


_convert = lowering("cast")
LOWERINGS: dict[str, Callable[..., Any]] = {
    p.name: lowering(p.name) for p in PRIMITIVES.values() if p.category == "ELEMENTWISE"
} | {"real": _part(0), "imag": _part(1), "cast": _cast, "bitcast": _bitcast}
