"""Every elementwise primitive, over every dtype that it takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import helix_core as hx
import numpy as np

from .._case import Section, each
from .._compare import Allowed, info, ulps, wide
from .._values import (
    COMPUTED,
    LAYOUTS,
    accepts,
    array,
    category,
    edges,
    f32,
    finite,
    i32,
    pairs,
    some,
)

_APART = ("cast", "bitcast", "where")  # attributes, or operands of two dtypes
_ELEMENTWISE = [
    p.name
    for p in hx.PRIMITIVES.values()
    if p.category == "ELEMENTWISE" and p.name not in _APART
]
_EXACT = frozenset(
    "add sub mul neg abs sign floor ceil round max min not and or xor shl shr eq lt le "
    "complex real imag conj floordiv mod".split()
)
_ROUNDED = frozenset({"div", "sqrt", "rsqrt"})


_UNARY = frozenset(
    "neg abs sign floor ceil round exp log expm1 log1p sqrt rsqrt sin cos tanh erf not "
    "real imag conj".split()
)


def operands(name: str) -> int:
    return 1 if name in _UNARY else 2


def rows(n: int) -> Iterator[tuple[str, str]]:
    for name in _ELEMENTWISE:
        if operands(name) == n:
            yield from ((name, d) for d in COMPUTED if accepts(name, n, d))


def tolerance(name: str, dtype: str) -> Allowed | None:
    """Exact where IEEE 754 or integers are; else some ulp, and what the domain adds."""
    kind = category(dtype)
    if kind == "complex" and name not in ("neg", "real", "imag", "conj", "eq", "add"):
        # a part may be small beside the other, as log's is near 1
        near = ulps("function")
        return lambda want, *xs: near(want) + 32 * float(info(want.dtype).eps)
    if name in _EXACT or kind not in ("float", "complex"):
        return None
    if name in _ROUNDED:
        return ulps("rounded")

    def allowed(want: np.ndarray, *xs: np.ndarray) -> Any:
        eps = float(info(want.dtype).eps)
        base = ulps("power" if name == "pow" else "function")(want)
        x = wide(xs[0])
        with np.errstate(all="ignore"):
            if name in ("sin", "cos"):  # the argument is reduced in its own dtype
                return base + 4 * eps * np.maximum(1.0, np.abs(x))
            if name == "exp":
                return base * (1 + np.abs(x) / 8)
            if name == "log":  # absolute near 1
                return base + 4 * eps * (np.abs(x - 1) < 0.5)
            if name == "pow":
                turns = np.abs(wide(xs[1]) * np.log(np.abs(x)))
                return base * (1 + np.where(np.isfinite(turns), turns, 0) / 8)
        return base

    return allowed


class Arithmetic(Section):
    """Elementwise primitives: edges, NaN, infinities, broadcasting, layouts."""

    @each(lambda: rows(1))
    def unary(self, name: str, dtype: str) -> None:
        self.target.need(dtype)
        x = edges(dtype)
        if name in ("sin", "cos") and category(dtype) == "float":
            w = x.astype(np.float64)
            x = x[~(np.isfinite(w) & (np.abs(w) > 1000))]
        more = some((self.target.size(111, 5),), dtype, 1)
        x = np.concatenate([x, more])
        # signs of complex zeros, and that of sign(-0), are not settled by NumPy either
        zeros = category(dtype) == "float" and name != "sign"
        self.target.op(name, x, allowed=tolerance(name, dtype), zeros=zeros)

    @each(lambda: rows(2))
    def binary(self, name: str, dtype: str) -> None:
        self.target.need(dtype, *_complex_of(name, dtype))
        kind = category(dtype)
        if name in ("floordiv", "mod") and kind == "float":
            # whole halves: quotients are exact, or far from a whole number
            x, y = pairs(array([0.0, 0.5, -0.5, 1.0, -1.5, 3.0, -7.0, 10.5], dtype))
        elif self.target.simulated or kind == "complex":
            x, y = pairs(finite(dtype)[:9])
        else:
            x, y = pairs(edges(dtype))
        if kind == "complex" and name in ("div", "pow"):
            keep = (np.abs(y) > 0) & (np.abs(x) > 0)
            x, y = x[keep], y[keep]
        # the sign of a zero of max(0, -0) is open in IEEE 754
        zeros = name not in ("max", "min", "mod", "floordiv", "pow") and kind == "float"
        self.target.op(name, x, y, allowed=tolerance(name, dtype), zeros=zeros)

    @each(["add", "mul", "max", "lt", "div", "pow", "atan2"])
    def broadcasting(self, name: str) -> None:
        t, allow = self.target, tolerance(name, "float32")
        for a, b in [
            ((3, 1, 5), (4, 1)),
            ((), (2, 3)),
            ((1,), (3, 4)),
            ((2, 1, 3, 1), (1, 4, 1, 5)),
        ]:
            x, y = np.abs(some(a, "float32", 2)), some(b, "float32", 3)
            t.op(name, x, y, allowed=allow)
            t.op(name, y if name != "pow" else x, x, allowed=allow)

    @each(["neg", "exp", "abs", "not", "sqrt"])
    def scalars_and_nothing(self, name: str) -> None:
        dtype = "int32" if name == "not" else "float32"
        for shape in [(), (0,), (3, 0, 2), (1, 1)]:
            x = np.abs(some(shape, dtype, 4))
            self.target.op(name, x, allowed=tolerance(name, dtype))

    @each(["add", "le", "div"])
    def binary_of_nothing(self, name: str) -> None:
        allow = tolerance(name, "float32")
        for a, b in [((), ()), ((0,), (0,)), ((0,), ()), ((3, 0), (1,)), ((0,), (1,))]:
            x, y = some(a, "float32", 5), some(b, "float32", 6)
            self.target.op(name, x, y, allowed=allow)

    @each([(n, v) for n in ("mul", "neg", "sub", "exp", "eq") for v in LAYOUTS])
    def layouts(self, name: str, layout: str) -> None:
        base, view = LAYOUTS[layout]
        xs = [some(base, "float32", 7 + i) for i in range(operands(name))]
        self.target.op(name, *xs, view=view, allowed=tolerance(name, "float32"))

    @each([(a, b) for a in LAYOUTS for b in ("permuted", "broadcast") if a != b])
    def mixed_layouts(self, first: str, second: str) -> None:
        t = self.target
        (a, f), (b, g) = LAYOUTS[first], LAYOUTS[second]
        x, y = some(a, "float32", 9), some(b, "float32", 10)
        t.same(f"add of {first} and {second}", lambda p, q: hx.add(f(p), g(q)), x, y)

    @each(COMPUTED)
    def where(self, dtype: str) -> None:
        t = self.target
        t.need(dtype)
        x, y = pairs(edges(dtype)[:6])
        t.op("where", some(x.shape, "bool", 11), x, y)
        c = some((3, 1), "bool", 12)
        t.op("where", c, some((4,), dtype, 13), some((), dtype, 14))

    @each(["bool", "int32", "float32"])
    def literals(self, dtype: str) -> None:
        """Values that anyone can check by hand."""
        t = self.target
        if dtype == "bool":
            p, q = t.put([False, False, True, True]), t.put([False, True, False, True])
            t.values("or", p | q, [False, True, True, True])
            t.values("and", p & q, [False, False, False, True])
            t.values("xor", p ^ q, [False, True, True, False])
            return
        x = t.put(array([7, -7, 7, -7], dtype))
        y = t.put(array([2, 2, -2, -2], dtype))
        t.values("floor_divide", x // y, [3, -4, -4, 3])
        t.values("mod", x % y, [1, 1, -1, -1])
        t.values("maximum", hx.maximum(x, y), [7, 2, 7, -2])
        if dtype == "float32":
            z = t.put(f32([0.5, 1.5, 2.5, -0.5, -2.5]))
            t.values("round", hx.round(z), [0, 2, 2, 0, -2])
            t.values("floor", hx.floor(z), [0, 1, 2, -1, -3])
            one = t.put(f32([0.0, 1.0]))
            t.values("exp", hx.exp(one), [1.0, 2.7182817], 1e-6)
            t.values("erf", hx.erf(one), [0.0, 0.8427008], 1e-6)
        else:
            t.values("wrap", t.put(i32([2**31 - 1])) + 1, [-(2**31)])
            t.values("shift", t.put(i32([1, -8])) << 3, [8, -64])
            t.values("shift", t.put(i32([1, -8])) >> 1, [0, -4])


def _complex_of(name: str, dtype: str) -> tuple[str, ...]:
    """The dtype that ``complex`` makes."""
    if name != "complex":
        return ()
    return ("complex64" if dtype == "float32" else "complex128",)
