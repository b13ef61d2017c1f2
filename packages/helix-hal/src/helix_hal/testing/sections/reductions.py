"""Sums, products, extremes and their places, over any axes; windows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import helix_core as hx
import numpy as np

from .._case import Section, case, each
from .._compare import Allowed, of_largest, summed, wide
from .._values import COMPUTED, LAYOUTS, accepts, array, category, f32, rng, some

_SHAPES = {
    "all": ((4, 5), (0, 1)),
    "rows": ((4, 33), (1,)),
    "columns": ((33, 4), (0,)),
    "middle": ((3, 5, 4), (1,)),
    "ends": ((3, 5, 4), (0, 2)),
    "none": ((3, 2), ()),
    "one": ((1,), (0,)),
    "scalar": ((), ()),
    "kept_nothing": ((0, 3), (1,)),
}


def magnitudes(axes: Any) -> Allowed:
    return summed(lambda want, x: np.sum(np.abs(wide(x)), axis=axes))


def tolerance(kind: str, dtype: str, axes: Any) -> Allowed | None:
    if category(dtype) not in ("float", "complex") or kind.endswith(("max", "min")):
        return None
    return of_largest(2e-5) if kind == "reduce_prod" else magnitudes(axes)


def _rows(*names: str, **attrs: Any) -> Iterator[tuple[str, str]]:
    for n in names:
        yield from ((n, d) for d in COMPUTED if accepts(n, 1, d, **attrs))


_ALL = ("reduce_sum", "reduce_prod", "reduce_max", "reduce_min")


class Reductions(Section):
    """reduce_*, argmax, argmin, reduce_window, and the functions over them."""

    @each(lambda: _rows(*_ALL, axes=(0,)))
    def dtypes(self, name: str, dtype: str) -> None:
        t = self.target
        t.need(dtype)
        for key in ("rows", "ends"):
            shape, axes = _SHAPES[key]
            x = some(shape, dtype, 1)
            allow = tolerance(name, dtype, axes)
            t.op(name, x, axes=axes, allowed=allow, zeros=False)

    @each([(n, s) for n in _ALL for s in _SHAPES])
    def axes(self, name: str, key: str) -> None:
        shape, axes = _SHAPES[key]
        x = some(shape, "float32", 2)
        allow = tolerance(name, "float32", axes)
        self.target.op(name, x, axes=axes, allowed=allow, zeros=False)

    @each([(n, v) for n in ("reduce_sum", "reduce_max", "argmax") for v in LAYOUTS])
    def layouts(self, name: str, layout: str) -> None:
        base, view = LAYOUTS[layout]
        x = some(base, "float32", 3)
        if name == "argmax":
            self.target.op(name, x, view=view, axis=1)
            return
        for axes in ((0,), (1,)):
            allow = tolerance(name, "float32", axes)
            self.target.op(name, x, view=view, axes=axes, allowed=allow, zeros=False)

    @each(["reduce_sum", "reduce_prod"])
    def nothing(self, name: str) -> None:
        """A sum of nothing is 0, a product 1."""
        for shape, axes in [((0,), (0,)), ((3, 0), (1,)), ((0, 4), (0,))]:
            self.target.op(name, np.zeros(shape, np.float32), axes=axes)
            self.target.op(name, np.zeros(shape, np.int32), axes=axes)

    @each(_ALL)
    def special_values(self, name: str) -> None:
        """NaN wins over everything, infinities over numbers."""
        x = f32(
            [
                [1, np.nan, 2, 3],
                [np.inf, 1, 2, 3],
                [-np.inf, 1, 2, 3],
                [np.inf, -np.inf, 1, 2],
                [np.nan, np.inf, -np.inf, 1],
                [-5, -4, -3, -2],
            ]
        )
        self.target.op(name, x, axes=(1,))
        self.target.op(name, np.ascontiguousarray(x.T), axes=(0,))

    @each([(d, n) for d in ("float16", "bfloat16") for n in (1024, 4096)])
    def sixteen_bits_accumulate_in_float32(self, dtype: str, n: int) -> None:
        t = self.target
        t.need(dtype)
        n = t.size(n, 64)
        x = t.put(array(np.full((2, n), 1.0), dtype))
        t.values(f"sum of {n} ones", hx.sum(x, 1), [n, n])
        y = some((3, n), dtype, 4)
        t.op("reduce_sum", y, axes=(1,), allowed=magnitudes((1,)), zeros=False)

    @each([("int32",), ("uint8",), ("int64",), ("uint32",)])
    def integers_wrap(self, dtype: str) -> None:
        t = self.target
        t.need(dtype)
        x = np.full((2, 9), np.iinfo(dtype).max, dtype)
        t.op("reduce_sum", x, axes=(1,))
        t.op("reduce_prod", x, axes=(1,))

    @each([(n,) for n in (1, 2, 31, 64, 257, 1000, 70_001)])
    def lengths(self, n: int) -> None:
        """Around the sizes of vectors, groups and blocks."""
        t = self.target
        if t.simulated and n > 64:
            n = 70
        x = some((n,), "float32", 5)
        t.op("reduce_sum", x, axes=(0,), allowed=magnitudes(0))
        t.op("reduce_max", x, axes=(0,))
        t.op("argmin", x, axis=0)
        z = x.reshape(1, n)
        t.op("reduce_sum", z, axes=(1,), allowed=magnitudes((1,)))
        t.op("reduce_sum", z.T.copy(), axes=(0,), allowed=magnitudes((0,)))

    @each(lambda: _rows("argmax", "argmin", axis=0))
    def places(self, name: str, dtype: str) -> None:
        """Of equals the first."""
        t = self.target
        t.need(dtype)
        for axis in (0, 1, 2):
            t.op(name, some((4, 5, 6), dtype, 6), axis=axis)

    @each(["argmax", "argmin"])
    def place_of_nan(self, name: str) -> None:
        x = f32([[1, np.nan, 3, np.nan], [2, 2, 1, 1], [-np.inf, 0, np.inf, 0]])
        self.target.op(name, x, axis=1)
        self.target.op(name, f32([4.0]), axis=0)

    @case
    def functions(self) -> None:
        """keepdims, means, variances, logsumexp, any and all."""
        t, x = self.target, some((3, 7), "float32", 7)
        near = of_largest(1e-5)
        for name in ("mean", "var", "std", "logsumexp", "sum", "max", "min", "prod"):
            fn = getattr(hx, name)
            t.same(name, lambda a, f=fn: f(a, 1, keepdims=True), x, allowed=near)
            t.same(name, lambda a, f=fn: f(a), x, allowed=near)
        b = some((3, 4), "bool", 8)
        t.same("any", lambda a: hx.any(a, 0), b)
        t.same("all", lambda a: hx.all(a, 1), b)
        big = f32([[1000.0, 1001.0], [-np.inf, -np.inf], [np.inf, 0.0]])
        t.same("logsumexp", lambda a: hx.logsumexp(a, 1), big, allowed=near)

    @each(["sum", "max", "min"])
    def window(self, kind: str) -> None:
        t = self.target
        for dtype in ("float32", "int32"):
            x = some((2, 7, 8), dtype, 9)
            for at in (
                {"window": (1, 2, 3), "strides": (1, 2, 1)},
                {"window": (1, 3, 3), "padding": ((0, 0), (1, 2), (2, 0))},
                {"window": (2, 2, 2), "dilation": (1, 3, 2), "strides": (1, 1, 2)},
                {"window": (1, 9, 1)},
            ):
                attrs: dict[str, Any] = {
                    "strides": (1, 1, 1),
                    "padding": ((0, 0),) * 3,
                    "dilation": (1, 1, 1),
                    **at,
                }
                scale = summed(lambda want, a: np.full(want.shape, 8 * 3.0))
                allow = scale if (kind, dtype) == ("sum", "float32") else None
                t.op("reduce_window", x, kind=kind, allowed=allow, zeros=False, **attrs)

    @case
    def literals(self) -> None:
        t = self.target
        x = t.put(f32([[1, 2, 3], [4, 5, 6]]))
        t.values("sum", hx.sum(x), 21)
        t.values("sum", hx.sum(x, 0), [5, 7, 9])
        t.values("max", hx.max(x, 1), [3, 6])
        t.values("argmax", hx.argmax(x, 1), [2, 2])
        t.values("prod", hx.prod(x, 1), [6, 120])
        t.values("mean", hx.mean(x, 1), [2, 5], 1e-6)
        pairwise = rng(10).standard_normal(t.size(100_000, 100)).astype(np.float32)
        want = float(np.sum(pairwise, dtype=np.float64))
        t.values("sum", hx.sum(t.put(pairwise)), want, 1e-2)
