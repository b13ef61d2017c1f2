"""scan, cond, while_loop, barrier; and backwards."""

from __future__ import annotations

from typing import Any

import helix_core as hx
import numpy as np

from .._case import Section, case, each
from .._compare import of_largest
from .._values import i32, some

_NEAR = of_largest(1e-5)


class Control(Section):
    """Loops and branches with bodies of any ops."""

    @each([0, 1, 7])
    def scan(self, length: int) -> None:
        t = self.target

        def fn(h: Any, xs: Any, w: Any) -> Any:
            def step(c: Any, x: Any) -> Any:
                c = hx.tanh(hx.matmul(c, w) + x)
                return c, (c * 2.0, hx.sum(c))

            return [hx.scan(step, h, xs, reverse=r) for r in (False, True)]

        xs = some((2, 3), "float32", 1), some((length, 2, 3), "float32", 2)
        t.same("scan", fn, *xs, some((3, 3), "float32", 3), allowed=_NEAR)

    @case
    def scan_without_inputs(self) -> None:
        def fn(x: Any) -> Any:
            return hx.scan(lambda c, _: (c * 2, c), x, length=5)

        self.target.same("scan", fn, i32([1, 3]))

    @case
    def scan_backward(self) -> None:
        def fn(h: Any, xs: Any, w: Any) -> Any:
            last, ys = hx.scan(lambda c, x: (hx.sin(c * w + x),) * 2, h, xs)
            return last, ys

        xs = (
            some((3,), "float32", 4),
            some((6, 3), "float32", 5),
            some((3,), "float32", 6),
        )
        self.target.pullback("scan", fn, *xs)

    @each(["yes", "no"])
    def cond(self, which: str) -> None:
        def fn(p: Any, x: Any) -> Any:
            return hx.cond(p, lambda a: a * 2.0, lambda a: hx.exp(a), x)

        x = some((3,), "float32", 7)
        self.target.same("cond", fn, np.bool_(which == "yes"), x, allowed=_NEAR)
        self.target.pullback("cond", lambda a: fn(hx.sum(a) > -99.0, a), x)

    @each([0, 1, 10])
    def while_loop(self, n: int) -> None:
        def fn(i: Any, x: Any) -> Any:
            return hx.while_loop(
                lambda s: s[0] < n, lambda s: (s[0] + 1, s[1] * 1.5), (i, x)
            )

        x = some((3,), "float32", 8)
        self.target.same("while_loop", fn, np.int32(0), x, allowed=_NEAR)

    @case
    def nested(self) -> None:
        """A branch inside a scan, a loop inside a branch."""

        def fn(x: Any) -> Any:
            def step(c: Any, v: Any) -> Any:
                c = hx.cond(hx.sum(v) > 0, lambda a: a + v, lambda a: a - v, c)
                return c, c

            return hx.scan(step, x[0], x)

        self.target.same("nested", fn, some((5, 3), "float32", 9), allowed=_NEAR)

    @case
    def barrier(self) -> None:
        def fn(x: Any, y: Any) -> Any:
            return hx.barrier(x, y)

        self.target.same("barrier", fn, some((3,), "float32", 10), i32([1, 2]))

    @case
    def literals(self) -> None:
        t = self.target
        with hx.device(t.device):
            last, ys = hx.scan(
                lambda c, x: (c + x, c), t.put(np.int32(10)), t.put(i32([1, 2, 3]))
            )
            i = hx.while_loop(lambda s: s < 100, lambda s: s * 3, t.put(np.int32(1)))
        t.values("carry", last, 16)
        t.values("rows", ys, [10, 11, 13])
        t.values("while_loop", i, 243)
