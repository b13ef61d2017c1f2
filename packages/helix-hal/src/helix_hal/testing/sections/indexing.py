"""gather and scatter: clamped reads, dropped writes, the last of equals wins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import helix_core as hx
import numpy as np

from .._case import Section, case, each
from .._compare import Allowed, summed
from .._values import COMPUTED, DTYPES, LAYOUTS, accepts, category, f32, i32, rng, some

_MODES = ("set", "add", "max", "min", "mul")


def _scatters() -> Iterator[tuple[str, str]]:
    for mode in _MODES:
        for d in COMPUTED:
            kinds = ("int", "uint", "float", "complex")
            takes = category(d) in kinds if mode in ("add", "mul") else True
            if mode in ("max", "min"):
                takes = accepts("max", 2, d)
            if takes:
                yield mode, d


def tolerance(mode: str, dtype: str) -> Allowed | None:
    """Sums and products of duplicates may come in any order."""
    inexact = category(dtype) in ("float", "complex")
    if mode not in ("add", "mul") or not inexact:
        return None
    return summed(lambda want, *xs: np.maximum(np.abs(want).astype(np.float64), 8.0))


class Indexing(Section):
    """Never declined: every model reads and writes by index."""

    @each([(d, i) for d in DTYPES for i in ("int32", "int64")])
    def gather(self, dtype: str, index: str) -> None:
        t = self.target
        t.need(dtype, index)
        x = some((5, 6), dtype, 1)
        idx = np.array([[0, 4], [2, 2], [3, 0]], index)
        t.op("gather", x, idx, axis=0)
        t.op("gather", x, idx.ravel(), axis=1)

    @each([0, 1, 2])
    def gather_axis(self, axis: int) -> None:
        t, x = self.target, some((3, 4, 5), "float32", 2)
        n = x.shape[axis]
        for shape in [(), (1,), (7,), (2, 3), (0,), (2, 0)]:
            idx = rng(3).integers(0, n, shape).astype(np.int32)
            t.op("gather", x, idx, axis=axis)

    @case
    def reads_outside_take_the_nearest(self) -> None:
        t, x = self.target, some((4, 3), "float32", 4)
        idx = i32([-1, 4, 100, -(2**31), 2**31 - 1, 0, 3])
        t.op("gather", x, idx, axis=0)
        t.op("gather", x.T.copy(), idx, axis=1)
        y = t.put(i32([10, 20, 30]))
        got = hx.bind(hx.PRIMITIVES["gather"], y, t.put(i32([-9, 1, 9])), axis=0)
        t.values("gather", got, [10, 20, 30])

    @each(LAYOUTS)
    def layouts(self, layout: str) -> None:
        base, view = LAYOUTS[layout]
        t, x = self.target, some(base, "float32", 5)
        idx = i32([3, 0, 0, 2])
        for axis in (0, 1):
            t.same(
                f"gather of {layout}",
                lambda a, i, k=axis: hx.take(view(a), i, axis=k),
                x,
                idx,
            )
            t.same(
                f"scatter into {layout}",
                lambda a, i, u, k=axis: hx.bind(
                    hx.PRIMITIVES["scatter"],
                    view(a),
                    i,
                    hx.permute_dims(u, (1, 0)) if k else u,
                    axis=k,
                    mode="add",
                ),
                x,
                i32([3, 0, 1]),
                some((3, 6) if axis == 0 else (3, 4), "float32", 6),
            )

    @each(_scatters)
    def scatter(self, mode: str, dtype: str) -> None:
        t = self.target
        t.need(dtype)
        x = some((5, 4), dtype, 7)
        idx = i32([1, 3, 1, 0, 1])
        u = some((5, 4), dtype, 8)
        allow = tolerance(mode, dtype)
        t.op("scatter", x, idx, u, axis=0, mode=mode, allowed=allow, zeros=False)
        t.op(
            "scatter",
            x,
            idx[:3],
            u[:, :3],
            axis=1,
            mode=mode,
            allowed=allow,
            zeros=False,
        )

    @each(_MODES)
    def writes_outside_are_dropped(self, mode: str) -> None:
        t, x = self.target, some((4, 3), "float32", 9)
        idx = i32([-1, 2, 4, 100, -(2**31), 2**31 - 1])
        u = some((6, 3), "float32", 10)
        t.op("scatter", x, idx, u, axis=0, mode=mode)
        t.op("scatter", x, i32([-1, 9]), u[:2], axis=0, mode=mode)

    @each(_MODES)
    def scatter_shapes(self, mode: str) -> None:
        t, x = self.target, some((3, 4, 5), "float32", 11)
        allow = tolerance(mode, "float32")
        for axis, shape in [(0, ()), (1, (2, 3)), (2, (1,)), (1, (0,)), (2, (2, 2))]:
            n = x.shape[axis]
            idx = rng(12).integers(0, n, shape).astype(np.int32)
            us = (*x.shape[:axis], *shape, *x.shape[axis + 1 :])
            u = some(us, "float32", 13)
            at: dict[str, Any] = {"axis": axis, "mode": mode}
            t.op("scatter", x, idx, u, allowed=allow, zeros=False, **at)

    @each([1, 7, 64, 1000])
    def last_of_equals_wins(self, n: int) -> None:
        """Written as if in order, however many threads write."""
        t = self.target
        n = min(n, t.size(n, 20))
        x = t.put(np.zeros((3, 2), np.float32))
        u = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
        idx = np.full(n, 1, np.int32)
        got = _set(x, t.put(idx), t.put(u))
        t.values(f"set of {n} equal indices", got, [[0, 0], u[-1], [0, 0]])
        many = rng(14).integers(0, 5, n).astype(np.int32)
        w = np.arange(n, dtype=np.int32)
        t.op("scatter", np.full(5, -1, np.int32), many, w, axis=0, mode="set")

    @each([("float32",), ("int32",)])
    def many_duplicates(self, dtype: str) -> None:
        t = self.target
        n = t.size(5000, 30)
        idx = rng(15).integers(0, 7, n).astype(np.int32)
        u = some((n,), dtype, 16)
        x = np.zeros(7, u.dtype)
        allow = summed(lambda want, *xs: np.full(want.shape, n / 7.0))
        floats = dtype == "float32"
        t.op(
            "scatter", x, idx, u, axis=0, mode="add", allowed=allow if floats else None
        )

    @each([("float16",), ("bfloat16",)])
    def sixteen_bit_sums(self, dtype: str) -> None:
        """Accumulate in float32."""
        t = self.target
        t.need(dtype)
        n = t.size(1000, 40)
        one = np.ones(n, hx.as_dtype(dtype).dtype)
        x = np.zeros(2, one.dtype)
        t.op("scatter", x, np.zeros(n, np.int32), one, axis=0, mode="add")

    @case
    def special_values(self) -> None:
        t = self.target
        x = f32([0, np.nan, np.inf, 1])
        u = f32([np.nan, 1, -np.inf, np.nan])
        for mode in _MODES:
            t.op("scatter", x, i32([0, 1, 2, 3]), u, axis=0, mode=mode)

    @case
    def functions(self) -> None:
        """Indexing as people write it."""
        t, x = self.target, some((5, 6), "float32", 17)
        i, j = i32([0, -1, 2]), i32([1, 5, -6])
        t.same("x[i]", lambda a, k: a[k], x, i)
        t.same("x[i, j]", lambda a, k, m: a[k, m], x, i, j)
        t.same("x[:, j]", lambda a, m: a[:, m], x, j)
        t.same("x[::-2, 1:]", lambda a: a[::-2, 1:], x)
        t.same("x[..., None]", lambda a: a[..., None], x)
        t.same("at.set", lambda a, k: a.at[k].set(0.0), x, i)
        t.same("at.add", lambda a, k, m: a.at[k, m].add(1.0), x, i, j)
        t.same("at.max", lambda a: a.at[1].max(0.0), x)
        t.same("slices", lambda a: a.at[1:3, ::2].set(7.0), x)
        along = np.argsort(x, axis=1).astype(np.int32)
        t.same("along", lambda a, k: hx.take_along_axis(a, k, 1), x, along)
        mask = x > 0
        t.same("where", lambda a, m: a.at[m].set(0.0), x, mask)
        t.same("one_hot", lambda k: hx.one_hot(k, 6), i32([0, 5, 2]))

    @case
    def literals(self) -> None:
        t = self.target
        x = t.put(i32([10, 20, 30, 40]))
        idx = t.put(i32([3, 0, 3, 7]))
        u = t.put(i32([1, 2, 3, 4]))
        t.values("gather", hx.take(x, t.put(i32([3, 0, 3])), axis=0), [40, 10, 40])
        t.values("scatter set", _set(x, idx, u), [2, 20, 30, 3])
        add = hx.bind(hx.PRIMITIVES["scatter"], x, idx, u, axis=0, mode="add")
        t.values("scatter add", add, [12, 20, 30, 44])


def _set(x: hx.Tensor, idx: hx.Tensor, u: hx.Tensor) -> hx.Tensor:
    out: hx.Tensor = hx.bind(hx.PRIMITIVES["scatter"], x, idx, u, axis=0, mode="set")
    return out
