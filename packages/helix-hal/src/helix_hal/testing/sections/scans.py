"""cumulative and linear_scan: both directions, long, complex."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import helix_core as hx
import numpy as np

from .._case import Section, case, each
from .._compare import Allowed, of_largest
from .._values import COMPUTED, LAYOUTS, accepts, array, category, f32, i32, rng, some

_KINDS = ("sum", "prod", "max", "min", "logsumexp")


def _cumulatives() -> Iterator[tuple[str, str]]:
    for kind in _KINDS:
        for d in COMPUTED:
            if accepts("cumulative", 1, d, kind=kind, axis=0, reverse=False):
                yield kind, d


def _near(kind: str, dtype: str) -> Allowed | None:
    if category(dtype) not in ("float", "complex") or kind in ("max", "min"):
        return None
    return of_largest(1e-5)


class Scans(Section):
    """Never declined: every state space model is a linear scan."""

    @each(_cumulatives)
    def cumulative(self, kind: str, dtype: str) -> None:
        t = self.target
        t.need(dtype)
        for axis in (0, 1):
            for reverse in (False, True):
                x = some((5, 6), dtype, 1)
                at: dict[str, Any] = {"kind": kind, "axis": axis, "reverse": reverse}
                t.op("cumulative", x, allowed=_near(kind, dtype), zeros=False, **at)

    @each([(k, n) for k in _KINDS for n in (0, 1, 2, 33, 1000)])
    def cumulative_lengths(self, kind: str, n: int) -> None:
        t = self.target
        n = min(n, t.size(n, 40))
        x: np.ndarray = some((2, n), "float32", 2) * np.float32(0.5)
        if kind == "prod":
            x = 1 + x / 8
        for reverse in (False, True):
            at: dict[str, Any] = {"kind": kind, "axis": 1, "reverse": reverse}
            t.op("cumulative", x, allowed=_near(kind, "float32"), zeros=False, **at)

    @each(_KINDS)
    def special_values(self, kind: str) -> None:
        x = f32([[1, np.nan, 2], [np.inf, 1, -np.inf], [-np.inf, -np.inf, 0]])
        for reverse in (False, True):
            at: dict[str, Any] = {"kind": kind, "axis": 1, "reverse": reverse}
            self.target.op("cumulative", x, allowed=of_largest(1e-6), zeros=False, **at)

    @each([(k, v) for k in ("cumulative", "linear_scan") for v in LAYOUTS])
    def layouts(self, name: str, layout: str) -> None:
        base, view = LAYOUTS[layout]
        t, x = self.target, some(base, "float32", 3)
        near = of_largest(1e-5)
        for axis in (0, 1):
            if name == "cumulative":
                at: dict[str, Any] = {"kind": "sum", "axis": axis, "reverse": True}
                t.op(name, x, view=view, allowed=near, **at)
                continue
            h0 = some((6,) if axis == 0 else (4,), "float32", 4)
            t.same(
                f"linear_scan of {layout}",
                lambda a, h, k=axis: hx.linear_scan(view(a), view(a) * 0.5, h, axis=k),
                x,
                h0,
                allowed=near,
            )

    @each(
        [d for d in COMPUTED if category(d) in ("float", "complex")],
    )
    def linear_scan(self, dtype: str) -> None:
        t = self.target
        t.need(dtype)
        for shape, axis in [((2, 9, 3), 1), ((9, 4), 0), ((3, 9), 1)]:
            a, b, h0 = _decaying(shape, axis, dtype)
            for reverse in (False, True):
                at: dict[str, Any] = {"axis": axis, "reverse": reverse}
                t.op(
                    "linear_scan", a, b, h0, allowed=of_largest(1e-5), zeros=False, **at
                )

    @each([0, 1, 2, 31, 64, 65, 1000])
    def linear_scan_lengths(self, n: int) -> None:
        t = self.target
        n = min(n, t.size(n, 40))
        a, b, h0 = _decaying((2, n, 5), 1, "float32")
        for reverse in (False, True):
            at: dict[str, Any] = {"axis": 1, "reverse": reverse}
            t.op("linear_scan", a, b, h0, allowed=of_largest(1e-5), zeros=False, **at)

    @case
    def long(self) -> None:
        """Errors do not pile up: a = 1 counts, a near 1 keeps its memory."""
        t = self.target
        n = t.size(20_000, 50)
        one = np.ones((1, n, 1), np.float32)
        got = hx.linear_scan(
            t.put(one), t.put(one), t.put(np.zeros((1, 1), np.float32)), axis=1
        )
        t.values(
            "counting", got, np.arange(1, n + 1, dtype=np.float32).reshape(1, n, 1)
        )
        a = np.full((1, n, 3), 0.999, np.float32)
        b, h0 = some((1, n, 3), "float32", 5), some((1, 3), "float32", 6)
        at: dict[str, Any] = {"axis": 1, "reverse": False}
        t.op("linear_scan", a, b, h0, allowed=of_largest(2e-5), **at)

    @case
    def resets(self) -> None:
        """a = 0 forgets; infinities and NaN go on until then."""
        a = f32([[1, 0, 1, 1, 0, 1]])
        b = f32([[np.inf, 1, np.nan, 2, 3, 4]])
        h0 = f32([5])
        for reverse in (False, True):
            self.target.op("linear_scan", a, b, h0, axis=1, reverse=reverse)

    @each(["sum", "prod", "max", "min", "logsumexp", "linear"])
    def backward(self, kind: str) -> None:
        t = self.target
        x = some((2, 7, 3), "float32", 7)
        if kind == "linear":
            a, b, h0 = _decaying((2, 7, 3), 1, "float32")
            for reverse in (False, True):
                t.pullback(
                    "linear_scan",
                    lambda p, q, r, v=reverse: hx.linear_scan(
                        p, q, r, axis=1, reverse=v
                    ),
                    *(a, b, h0),
                )
            return
        name = {"logsumexp": "cumlogsumexp"}.get(kind, f"cum{kind}")
        t.pullback(name, lambda a: getattr(hx, name)(a, 1), x)

    @case
    def literals(self) -> None:
        t = self.target
        a = t.put(f32([[2, 2, 2, 2]]))
        b = t.put(f32([[1, 0, 0, 3]]))
        h0 = t.put(f32([1]))
        t.values("linear_scan", hx.linear_scan(a, b, h0, axis=1), [[3, 6, 12, 27]])
        back = hx.linear_scan(a, b, h0, axis=1, reverse=True)
        t.values("linear_scan reverse", back, [[41, 20, 10, 5]])
        x = t.put(i32([3, 1, 2]))
        t.values("cumsum", hx.cumsum(x, 0), [3, 4, 6])
        t.values("cummax", hx.cummax(x, 0), [3, 3, 3])


def _decaying(
    shape: tuple[int, ...], axis: int, dtype: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """a within the unit circle, b, h0."""
    r = rng(8)
    size = r.uniform(0.5, 0.99, shape)
    a = (
        size * np.exp(1j * r.uniform(-1, 1, shape))
        if category(dtype) == "complex"
        else size
    )
    state = (*shape[:axis], *shape[axis + 1 :])
    return array(a, dtype), some(shape, dtype, 9), some(state, dtype, 10)
