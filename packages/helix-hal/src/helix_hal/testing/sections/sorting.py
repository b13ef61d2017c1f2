"""sort: stable, by several keys, NaN last, either direction."""

from __future__ import annotations

from typing import Any

import helix_core as hx
import numpy as np

from .._case import Section, case, each
from .._values import COMPUTED, LAYOUTS, accepts, edges, f32, i32, rng, some

_PLAIN: dict[str, Any] = {"axis": 0, "num_keys": 1, "descending": False, "stable": True}
_SORTABLE = [d for d in COMPUTED if accepts("sort", 1, d, **_PLAIN)]


class Sorting(Section):
    """One primitive: equal keys keep their order, in either direction."""

    @each([(d, o) for d in _SORTABLE for o in ("up", "down")])
    def dtypes(self, dtype: str, order: str) -> None:
        t = self.target
        t.need(dtype)
        x = np.concatenate([edges(dtype), some((20,), dtype, 1)])
        x = x[rng(2).permutation(len(x))]
        place = np.arange(len(x), dtype=np.int32)
        t.op("sort", x, place, **{**_PLAIN, "descending": order == "down"})

    @each([0, 1, 2])
    def axes(self, axis: int) -> None:
        x = some((4, 5, 6), "float32", 3)
        for down in (False, True):
            self.target.op("sort", x, **{**_PLAIN, "axis": axis, "descending": down})

    @each([0, 1, 2, 3, 31, 64, 1000, 4097])
    def lengths(self, n: int) -> None:
        n = min(n, self.target.size(n, 20))
        x = rng(4).integers(0, 9, (2, n)).astype(np.int32)
        place = np.broadcast_to(np.arange(n, dtype=np.int32), (2, n)).copy()
        for down in (False, True):
            at = {**_PLAIN, "axis": 1, "descending": down}
            self.target.op("sort", x, place, **at)

    @each([2, 3])
    def keys(self, n: int) -> None:
        keys = [rng(5 + i).integers(0, 3, (2, 40)).astype(np.int32) for i in range(n)]
        keys[1] = keys[1].astype(np.float32)
        rest = some((2, 40), "float32", 9)
        for down in (False, True):
            at = {**_PLAIN, "axis": 1, "num_keys": n, "descending": down}
            self.target.op("sort", *keys, rest, **at)

    @each(LAYOUTS)
    def layouts(self, layout: str) -> None:
        base, view = LAYOUTS[layout]
        for axis in (0, 1):
            x = some(base, "float32", 10)
            self.target.op("sort", x, view=view, **{**_PLAIN, "axis": axis})

    @case
    def functions(self) -> None:
        t, x = self.target, some((3, 9), "float32", 11)
        t.same("argsort", lambda a: hx.argsort(a, 1), x)
        t.same("argsort", lambda a: hx.argsort(a, 0, descending=True), x)
        t.same("topk", lambda a: hx.topk(a, 4), x)
        grid = np.sort(x[0])
        t.same("searchsorted", hx.searchsorted, grid, x[1])
        t.pullback("sort", lambda a: hx.sort(a, 1), x)

    @case
    def literals(self) -> None:
        t = self.target
        x = t.put(f32([3, np.nan, 1, np.inf, 2, -np.inf]))
        up = [-np.inf, 1, 2, 3, np.inf, np.nan]
        t.values("sort", hx.sort(x), up)
        t.values("descending", hx.sort(x, descending=True), up[::-1])
        y = t.put(i32([2, 1, 2, 1]))
        t.values("argsort", hx.argsort(y), [1, 3, 0, 2])
        t.values("argsort down", hx.argsort(y, descending=True), [0, 2, 1, 3])
