"""Numbers of every dtype inside a program.

A complex number is a `Pair` of reals. A float8 is its code, a uint8. 16-bit floats are
computed in float32, and rounded after each operation.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from helix_core._dtypes import DType, as_dtype
from helix_core.loop import Builder, Expr, Ref

from helix_hal.loop.engine import PARTS


class Pair(NamedTuple):
    """A complex number."""

    re: Expr
    im: Expr


Scalar = Any  # Expr or Pair


def stored(dtype: DType) -> str:
    """The dtype of a program's argument for memory of this dtype."""
    return PARTS.get(dtype.name, (dtype.name, 1))[0]


def load(
    x: Ref, at: Expr, dtype: DType, gate: Expr | None = None, other: Any = 0
) -> Scalar:
    """The element, or where ``gate`` is false the number ``other``."""

    def one(i: Expr, default: Any) -> Expr:
        return x[i] if gate is None else x.load(i, gate, default)

    if dtype.category == "complex":
        re, im = other if isinstance(other, Pair) else (other, 0)
        return Pair(one(at * 2, re), one(at * 2 + 1, im))
    return one(at, other)


def store(
    x: Ref, at: Expr, value: Scalar, dtype: DType, gate: Expr | None = None
) -> None:
    if dtype.category == "complex":
        x.store(at * 2, value.re, gate)
        x.store(at * 2 + 1, value.im, gate)
    else:
        x.store(at, value, gate)


def select(c: Expr, x: Scalar, y: Scalar) -> Scalar:
    if isinstance(x, Pair):
        return Pair(c.where(x.re, y.re), c.where(x.im, y.im))
    return c.where(x, y)


def number(b: Builder, value: Any, dtype: DType) -> Scalar:
    """A Python number, rounded to the dtype."""
    if dtype.category == "complex":
        real = stored(dtype)
        value = complex(value)
        return Pair(b.const(value.real, real), b.const(value.imag, real))
    if dtype.category == "bool":
        return b.const(bool(value), "bool")
    exact = dtype.dtype.type(value)
    if dtype.name in PARTS:
        return b.const(int(exact.view("uint8")), "uint8")
    return b.const(exact, dtype.name)


def working(dtype: DType) -> DType:
    """What it is computed in: float32 for small floats."""
    small = dtype.category == "float" and dtype.itemsize < 4
    return as_dtype("float32") if small else dtype


# ------------------------------------------------------------------------- conversions
def convert(x: Scalar, source: DType, target: DType) -> Scalar:
    """``cast``."""
    if source is target:
        return x
    if source.category == "complex":
        if target.category == "bool":
            return x.re.cast("bool") | x.im.cast("bool")
        real = stored(target)
        return Pair(x.re.cast(real), x.im.cast(real))
    if source.name in PARTS:
        x, source = decode(x, source), as_dtype("float32")
        return convert(x, source, target)
    if target.category == "complex":
        real = stored(target)
        return Pair(x.cast(real), x.builder.const(0.0, real))
    if target.name in PARTS:
        return encode(x.cast("float32"), target)
    return x.cast(target.name)


_FORMS = {"float8_e4m3fn": (3, 7, 0x7E, 0x7F), "float8_e5m2": (2, 15, 0x7B, 0x7C)}


def decode(x: Expr, dtype: DType) -> Expr:
    """float32 of a float8 code."""
    mantissa, bias, top, over = _FORMS[dtype.name]
    code = x.cast("uint32")
    sign, rest = (code >> 7) << 31, code & 0x7F
    normal = ((rest << (23 - mantissa)) + ((127 - bias) << 23)) | sign
    tiny = rest.cast("float32") * 2.0 ** (1 - bias - mantissa)
    tiny = (sign | tiny.bitcast("uint32")).bitcast("float32")
    out = (rest < (1 << mantissa)).where(tiny, normal.bitcast("float32"))
    infinite = (sign | 0x7F800000).bitcast("float32")
    last = infinite if over == 0x7C else infinite * 0.0
    out = (rest > top).where(last, out)
    return (rest > 0x7C).where(infinite * 0.0, out) if over == 0x7C else out


def encode(x: Expr, dtype: DType) -> Expr:
    """The float8 code of a float32, rounded half to even."""
    mantissa, bias, top, over = _FORMS[dtype.name]
    bits = x.bitcast("uint32")
    sign, rest = (bits >> 31) << 7, bits & 0x7FFFFFFF
    drop = 23 - mantissa
    up = ((rest >> drop) & 1) + ((1 << (drop - 1)) - 1)
    edge = (128 - bias) << 23  # the smallest normal number
    normal = ((rest.max(edge) + up) >> drop) - ((127 - bias) << mantissa)
    small = rest.min(edge).bitcast("float32") * 2.0 ** (bias - 1 + mantissa)
    code = (rest < edge).where(small.round().cast("uint32"), normal)
    code = (code > top).where(over, code)
    code = (rest > 0x7F800000).where(0x7F if over == 0x7F else 0x7E, code)
    return (code | sign).cast("uint8")


def rounded_bfloat16(x: Expr) -> Expr:
    """float32 rounded to what bfloat16 can hold, half to even."""
    bits = x.bitcast("uint32")
    near = (bits + (((bits >> 16) & 1) + 0x7FFF)) & 0xFFFF0000
    return x.eq(x).where(near.bitcast("float32"), x)
