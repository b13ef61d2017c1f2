"""Shapes by Hypothesis: the profile "full" only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import helix_core as hx
import numpy as np

from .._case import Section, each
from .._compare import of_largest
from .._values import some
from .contractions import products
from .reductions import magnitudes

_NEAR = of_largest(1e-5)
_KINDS = (
    "broadcasting views reduce dot gather scatter pad cumulative linear_scan sort "
    "concat softmax window conv"
).split()


def _examples(t: Any, body: Callable[[Any], None]) -> None:
    """Run a body on drawn data; the smallest failing example is reported."""
    import hypothesis as h
    from hypothesis import strategies as st

    settings = h.settings(
        max_examples=t.size(40, 5),
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(h.HealthCheck),
        report_multiple_bugs=False,
    )
    settings(h.given(st.data())(body))()


class Shapes(Section):
    """Any shape, axis, stride and layout."""

    @each(_KINDS, full=True)
    def hypothesis(self, kind: str) -> None:
        _examples(self.target, getattr(_Drawn(self.target), kind))


class _Drawn:
    """A body per kind: draws a case, then compares it with NumPy."""

    def __init__(self, target: Any) -> None:
        from hypothesis import strategies as st

        self.t, self.st = target, st
        self.n = st.integers(0, target.size(9, 3))
        self.some = st.integers(1, target.size(9, 3))

    def shape(self, data: Any, low: int = 0, high: int = 4) -> tuple[int, ...]:
        found: list[int] = data.draw(self.st.lists(self.n, min_size=low, max_size=high))
        return tuple(found)

    def axis(self, data: Any, ndim: int) -> int:
        return int(data.draw(self.st.integers(0, ndim - 1)))

    def broadcasting(self, data: Any) -> None:
        shape = self.shape(data)
        one = [data.draw(self.st.booleans()) for _ in shape]
        lead = data.draw(self.st.integers(0, len(shape)))
        other = tuple(1 if o else n for o, n in zip(one, shape, strict=True))[lead:]
        x, y = some(shape, "float32", 1), some(other, "float32", 2)
        self.t.op("sub", x, y)
        self.t.op("max", y, x, zeros=False)

    def views(self, data: Any) -> None:
        shape = self.shape(data, 1)
        order = tuple(data.draw(self.st.permutations(range(len(shape)))))
        steps = tuple(data.draw(self.st.sampled_from([1, 2, 3, -1, -2])) for _ in shape)
        cut = tuple(slice(None, None, k) for k in steps)

        def fn(a: hx.Tensor) -> Any:
            v = hx.permute_dims(a[cut], order)
            return v + 1.0, v.reshape(-1), hx.sum(v)

        self.t.same("views", fn, some(shape, "float32", 3), allowed=_NEAR)

    def reduce(self, data: Any) -> None:
        shape = self.shape(data, 1)
        subset = self.st.sets(self.st.integers(0, len(shape) - 1))
        axes = tuple(sorted(data.draw(subset)))
        x = some(shape, "float32", 4)
        self.t.op("reduce_sum", x, axes=axes, allowed=magnitudes(axes), zeros=False)
        if all(shape[a] for a in axes):
            self.t.op("reduce_max", x, axes=axes, zeros=False)
        axis = self.axis(data, len(shape))
        if shape[axis]:
            self.t.op("argmin", x, axis=axis)

    def dot(self, data: Any) -> None:
        size = self.shape(data, 3, 5)
        names = "mnkbc"[: len(size)]
        where = dict(zip(names, size, strict=True))
        left = data.draw(self.st.permutations([c for c in names if c != "n"]))
        right = data.draw(self.st.permutations([c for c in names if c != "m"]))
        batch, over = [c for c in names if c in "bc"], ["k"]
        dims = (
            (tuple(map(left.index, over)), tuple(map(right.index, over))),
            (tuple(map(left.index, batch)), tuple(map(right.index, batch))),
        )
        x = some(tuple(where[c] for c in left), "float32", 5)
        y = some(tuple(where[c] for c in right), "float32", 6)
        self.t.op("dot_general", x, y, dims=dims, allowed=products(dims), zeros=False)

    def gather(self, data: Any) -> None:
        shape, at = self.shape(data, 1), self.shape(data, 0, 2)
        axis = self.axis(data, len(shape))
        if not shape[axis]:
            return
        idx = np.random.default_rng(7).integers(-3, shape[axis] + 3, at)
        self.t.op("gather", some(shape, "float32", 8), idx.astype(np.int32), axis=axis)

    def scatter(self, data: Any) -> None:
        shape, at = self.shape(data, 1), self.shape(data, 0, 2)
        axis = self.axis(data, len(shape))
        mode = data.draw(self.st.sampled_from(["set", "add", "max", "min", "mul"]))
        idx = (
            np.random.default_rng(9).integers(-2, shape[axis] + 2, at).astype(np.int32)
        )
        u = some((*shape[:axis], *at, *shape[axis + 1 :]), "float32", 10)
        x = some(shape, "float32", 11)
        near = _NEAR if mode in ("add", "mul") else None
        self.t.op("scatter", x, idx, u, axis=axis, mode=mode, allowed=near, zeros=False)

    def pad(self, data: Any) -> None:
        shape = self.shape(data)
        side, inner = self.st.integers(-3, 3), self.st.integers(0, 2)
        pads = []
        for n in shape:
            lo, hi, k = data.draw(side), data.draw(side), data.draw(inner)
            if lo + n + max(n - 1, 0) * k + hi < 0:
                lo, hi = 0, 0
            pads.append((lo, hi, k))
        x = some(shape, "float32", 12)
        self.t.op("pad", x, np.float32(2.5), pads=tuple(pads))

    def cumulative(self, data: Any) -> None:
        shape = self.shape(data, 1)
        at: dict[str, Any] = {
            "kind": data.draw(
                self.st.sampled_from(["sum", "prod", "max", "logsumexp"])
            ),
            "axis": self.axis(data, len(shape)),
            "reverse": data.draw(self.st.booleans()),
        }
        x = some(shape, "float32", 13)
        self.t.op("cumulative", x, allowed=_NEAR, zeros=False, **at)

    def linear_scan(self, data: Any) -> None:
        shape = self.shape(data, 1)
        axis = self.axis(data, len(shape))
        at: dict[str, Any] = {"axis": axis, "reverse": data.draw(self.st.booleans())}
        a, b = some(shape, "float32", 14) * np.float32(0.4), some(shape, "float32", 15)
        h0 = some((*shape[:axis], *shape[axis + 1 :]), "float32", 16)
        self.t.op("linear_scan", a, b, h0, allowed=_NEAR, zeros=False, **at)

    def sort(self, data: Any) -> None:
        shape = self.shape(data, 1, 3)
        x = np.random.default_rng(17).integers(0, 4, shape).astype(np.float32)
        place = np.arange(x.size, dtype=np.int32).reshape(shape)
        at: dict[str, Any] = {
            "axis": self.axis(data, len(shape)),
            "num_keys": 1,
            "descending": data.draw(self.st.booleans()),
            "stable": True,
        }
        self.t.op("sort", x, place, **at)

    def concat(self, data: Any) -> None:
        shape = self.shape(data, 1)
        axis = self.axis(data, len(shape))
        sizes = data.draw(self.st.lists(self.n, min_size=1, max_size=4))
        parts = [
            some((*shape[:axis], n, *shape[axis + 1 :]), "float32", 18 + i)
            for i, n in enumerate(sizes)
        ]
        self.t.op("concat", *parts, axis=axis)

    def softmax(self, data: Any) -> None:
        shape = self.shape(data, 1)
        axis = self.axis(data, len(shape))
        if shape[axis]:
            self.t.pullback(
                "softmax", lambda a: hx.softmax(a, axis), some(shape, "float32")
            )

    def window(self, data: Any) -> None:
        shape = self.shape(data, 1, 3)
        small = self.st.integers(1, 3)
        n = len(shape)
        at: dict[str, Any] = {
            "kind": data.draw(self.st.sampled_from(["sum", "max", "min"])),
            "window": tuple(data.draw(small) for _ in shape),
            "strides": tuple(data.draw(small) for _ in shape),
            "dilation": tuple(data.draw(small) for _ in shape),
            "padding": ((1, 0),) * n
            if data.draw(self.st.booleans())
            else ((0, 0),) * n,
        }
        x = some(shape, "float32", 19)
        self.t.op("reduce_window", x, allowed=_NEAR, zeros=False, **at)

    def conv(self, data: Any) -> None:
        n, small = data.draw(self.st.integers(1, 2)), self.st.integers(1, 3)
        groups = data.draw(self.st.integers(1, 2))
        batch, out = data.draw(self.n), groups * data.draw(self.some)
        channel = data.draw(small)
        spatial = tuple(data.draw(self.some) for _ in range(n))
        kernel = tuple(data.draw(small) for _ in range(n))
        per_axis = {
            k: tuple(data.draw(small) for _ in range(n))
            for k in ("strides", "lhs_dilation", "rhs_dilation")
        }
        side = self.st.integers(-1, 2)
        padding = tuple((data.draw(side), data.draw(side)) for _ in range(n))
        x = some((batch, channel * groups, *spatial), "float32", 20)
        w = some((out, channel, *kernel), "float32", 21)
        attrs: dict[str, Any] = {
            **per_axis,
            "padding": padding,
            "feature_groups": groups,
        }
        self.t.op("conv", x, w, allowed=_NEAR, zeros=False, **attrs)
