"""Rotary position embedding: a point per pair of features; tables' gradients."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from helix_core.loop import Builder, Expr, LoopProgram

from helix_hal.loop.buffer import Buffer
from helix_hal.programs._kernels import Kernel, serves, wide
from helix_hal.programs._run import channels_last, empty, engine, launch, like

KERNELS: list[Kernel] = []
_TABLE, _HEADS = "bt", "bth"  # whose strides are sizes; neighbours lie side by side


def _strides(b: Builder, name: str, axes: str) -> list[Expr]:
    return [b.size(f"{name}_{a}") for a in axes]


def _given(name: str, axes: str, x: Buffer) -> dict[str, int]:
    """Strides; 0 along a batch of one that serves every batch."""
    steps = {f"{name}_{a}": s for a, s in zip(axes, x.strides, strict=False)}
    return steps | {f"{name}_b": 0} if x.shape[0] == 1 else steps


def _members(p: Expr, half: Expr, interleaved: bool) -> tuple[Expr, Expr]:
    """Where the two features of pair p are."""
    return (p * 2, p * 2 + 1) if interleaved else (p, half + p)


@lru_cache
def rotary(dtype: str, interleaved: bool, back: bool) -> LoopProgram:
    """y of x, both (batch, time, heads, features), and tables (batch, time, pair).

    ``back`` turns the other way, which is the gradient.
    """
    b, real = Builder("rotary_backward" if back else "rotary"), wide(dtype)
    x, cos, sin = (b.input(name, dtype) for name in ("x", "cos", "sin"))
    y = b.output("y", dtype)
    n, time, heads, half = (b.size(s) for s in ("batch", "time", "heads", "half"))
    sx, sc = _strides(b, "x", _HEADS), _strides(b, "cos", _TABLE)
    ss, sy = _strides(b, "sin", _TABLE), _strides(b, "y", _HEADS)
    i, t, h, p = b.axis(n), b.axis(time), b.axis(heads), b.axis(half)
    c = cos[i * sc[0] + t * sc[1] + p].cast(real)
    s = sin[i * ss[0] + t * ss[1] + p].cast(real)
    if back:
        s = s * -1.0
    first, second = _members(p, half, interleaved)
    base = i * sx[0] + t * sx[1] + h * sx[2]
    u, v = (x[base + at].cast(real) for at in (first, second))
    to = i * sy[0] + t * sy[1] + h * sy[2]
    y[to + first] = (u * c - v * s).cast(dtype)
    y[to + second] = (v * c + u * s).cast(dtype)
    return b.build()


@lru_cache
def rotary_tables(dtype: str, interleaved: bool) -> LoopProgram:
    """dcos and dsin (batch of the tables, time, pair) of cos, sin, y and dy.

    Sums over heads, and over ``each`` batches that share a table.
    """
    b, real = Builder("rotary_tables"), wide(dtype)
    cos, sin, y, dy = (b.input(name, dtype) for name in ("cos", "sin", "y", "dy"))
    dcos, dsin = b.output("dcos", dtype), b.output("dsin", dtype)
    n, time, half = b.size("tables"), b.size("time"), b.size("half")
    steps, heads, each = b.size("steps"), b.size("heads"), b.size("each")
    sc, ss = _strides(b, "cos", _TABLE), _strides(b, "sin", _TABLE)
    sy, sg = _strides(b, "y", _HEADS), _strides(b, "dy", _HEADS)
    i, t, p = b.axis(n), b.axis(time), b.axis(half)
    b.serial(steps)
    members = _members(p, half, interleaved)

    def pair(array: Any, s: list[Expr], step: Expr) -> list[Expr]:
        batch, head = i * each + step // heads, step % heads
        base = batch * s[0] + t * s[1] + head * s[2]
        return [array[base + at].cast(real) for at in members]

    def add(left: Any, right: Any) -> list[Expr]:
        return [u + v for u, v in zip(left, right, strict=True)]

    with b.reduce(add, [real] * 2, [0.0] * 2) as r:
        (u, v), (du, dv) = pair(y, sy, r.step), pair(dy, sg, r.step)
        r.take(du * u + dv * v, dv * u - du * v)
    along, turned = r.results
    c = cos[i * sc[0] + t * sc[1] + p].cast(real)
    s = sin[i * ss[0] + t * ss[1] + p].cast(real)
    size = c * c + s * s
    size = size.eq(0.0).where(1.0, size)
    at = (i * time + t) * half + p
    dcos[at] = ((c * along - s * turned) / size).cast(dtype)
    dsin[at] = ((c * turned + s * along) / size).cast(dtype)
    return b.build()


# ------------------------------------------------------------------------- adapters
def _turn(dev: Any, x: Any, cos: Any, sin: Any, interleaved: bool, back: bool) -> Any:
    x, cos, sin = (channels_last(dev, a) for a in (x, cos, sin))
    y, half = like(dev, x), cos.shape[2]
    sizes = dict(zip(("batch", "time", "heads"), x.shape, strict=False)) | {
        "half": half
    }
    sizes |= _given("x", _HEADS, x) | _given("y", _HEADS, y)
    sizes |= _given("cos", _TABLE, cos) | _given("sin", _TABLE, sin)
    program = rotary(x.dtype.name, interleaved, back)
    launch(dev, program, (x, cos, sin, y), **sizes)
    if 2 * half < x.shape[3]:
        rest = (0, 0, 0, 2 * half), x.shape, (1, 1, 1, 1)
        engine(dev).copy(x.slice(*rest), y.slice(*rest))
    return y


@serves(KERNELS, "rotary", "rotary.fwd")
def _forward(dev: Any, x: Any, cos: Any, sin: Any, interleaved: bool) -> Any:
    return _turn(dev, x, cos, sin, interleaved, False)


@serves(KERNELS, "rotary.bwd")
def _backward(
    dev: Any, cos: Any, sin: Any, y: Any, dy: Any, interleaved: bool
) -> tuple[Any, ...]:
    cos, sin, y, dy = (channels_last(dev, a) for a in (cos, sin, y, dy))
    dcos, dsin = (empty(dev, cos.shape, cos.dtype) for _ in range(2))
    tables, time, half = cos.shape
    batch, _, heads, _ = y.shape
    each = batch // tables
    sizes = {"tables": tables, "time": time, "half": half, "heads": heads}
    sizes |= {"each": each, "steps": each * heads}
    sizes |= _given("cos", _TABLE, cos) | _given("sin", _TABLE, sin)
    sizes |= _given("y", _HEADS, y) | _given("dy", _HEADS, dy)
    program = rotary_tables(y.dtype.name, interleaved)
    launch(dev, program, (cos, sin, y, dy, dcos, dsin), **sizes)
    return _turn(dev, dy, cos, sin, interleaved, True), dcos, dsin
