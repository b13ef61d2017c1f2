"""Products: dot_general with every arrangement of axes, conv with every attribute."""

from __future__ import annotations

from typing import Any

import helix_core as hx
import numpy as np

from .._case import Section, case, each
from .._compare import Allowed, summed, wide
from .._values import COMPUTED, LAYOUTS, category, f32, some

_DIMS: dict[str, Any] = {
    "matrix": ((4, 5), (5, 3), (((1,), (0,)), ((), ()))),
    "left_transposed": ((5, 4), (5, 3), (((0,), (0,)), ((), ()))),
    "right_transposed": ((4, 5), (3, 5), (((1,), (1,)), ((), ()))),
    "both_transposed": ((5, 4), (3, 5), (((0,), (1,)), ((), ()))),
    "batch": ((2, 4, 5), (2, 5, 3), (((2,), (1,)), ((0,), (0,)))),
    "batch_last": ((4, 5, 2), (5, 3, 2), (((1,), (0,)), ((2,), (2,)))),
    "batch_crossed": ((2, 3, 4, 5), (3, 2, 5, 6), (((3,), (2,)), ((0, 1), (1, 0)))),
    "two_contracted": ((4, 2, 5), (5, 3, 2), (((1, 2), (2, 0)), ((), ()))),
    "outer": ((4,), (3,), (((), ()), ((), ()))),
    "inner": ((7,), (7,), (((0,), (0,)), ((), ()))),
    "vector": ((4, 5), (5,), (((1,), (0,)), ((), ()))),
    "vector_left": ((5,), (5, 4), (((0,), (0,)), ((), ()))),
    "batch_only": ((6,), (6,), (((), ()), ((0,), (0,)))),
    "no_rows": ((0, 5), (5, 3), (((1,), (0,)), ((), ()))),
    "no_batch": ((0, 4, 5), (0, 5, 3), (((2,), (1,)), ((0,), (0,)))),
    "nothing_contracted": ((4, 0), (0, 3), (((1,), (0,)), ((), ()))),
    "one": ((1, 1), (1, 1), (((1,), (0,)), ((), ()))),
    "scalars": ((), (), (((), ()), ((), ()))),
    "high": ((2, 3, 4), (4, 5, 6), (((2,), (0,)), ((), ()))),
}
_MATRIX = (((1,), (0,)), ((), ()))


def products(dims: Any) -> Allowed:
    """By the same product of magnitudes."""

    def scale(want: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        x, y = (hx.tensor(np.abs(wide(v)), device="numpy") for v in (a, b))
        return np.asarray(hx.dot_general(x, y, dims).buffer)

    return summed(scale)


def _tolerance(dtype: str, dims: Any) -> Allowed | None:
    return products(dims) if category(dtype) in ("float", "complex") else None


class Contractions(Section):
    """dot_general and conv."""

    @each([d for d in COMPUTED if d != "bool"])
    def dtypes(self, dtype: str) -> None:
        t = self.target
        t.need(dtype)
        for key in ("matrix", "batch", "right_transposed"):
            a, b, dims = _DIMS[key]
            x, y = some(a, dtype, 1), some(b, dtype, 2)
            allow = _tolerance(dtype, dims)
            t.op("dot_general", x, y, dims=dims, allowed=allow, zeros=False)

    @each(_DIMS)
    def dims(self, key: str) -> None:
        a, b, dims = _DIMS[key]
        x, y = some(a, "float32", 3), some(b, "float32", 4)
        allow = products(dims)
        self.target.op("dot_general", x, y, dims=dims, allowed=allow, zeros=False)

    @each(
        [
            (1, 1, 1),
            (1, 300, 1),
            (17, 33, 9),
            (64, 64, 64),
            (65, 31, 130),
            (3, 1000, 5),
            (200, 3, 200),
        ]
    )
    def sizes(self, m: int, k: int, n: int) -> None:
        """Around the edges of tiles."""
        t = self.target
        if t.simulated:
            m, k, n = min(m, 9), min(k, 17), min(n, 6)
        x, y = some((m, k), "float32", 5), some((k, n), "float32", 6)
        allow = products(_MATRIX)
        t.op("dot_general", x, y, dims=_MATRIX, allowed=allow, zeros=False)

    @each([(a, b) for a in LAYOUTS for b in ("contiguous", "permuted_slice")])
    def layouts(self, first: str, second: str) -> None:
        (a, f), (b, g) = LAYOUTS[first], LAYOUTS[second]
        x, y = some(a, "float32", 7), some(b, "float32", 8)
        self.target.same(
            f"product of {first} and {second}",
            lambda p, q: hx.matmul(f(p), hx.permute_dims(g(q), (1, 0))),
            *(x, y),
            allowed=lambda want, *xs: 1e-5 * max(1.0, float(np.max(np.abs(want)))),
        )

    @each(["int32", "uint8", "int64", "int8"])
    def integers_wrap(self, dtype: str) -> None:
        t = self.target
        t.need(dtype)
        x = np.full((2, 5), np.iinfo(dtype).max, dtype)
        t.op("dot_general", x, x.T.copy(), dims=_MATRIX)

    @each(["float16", "bfloat16"])
    def sixteen_bits_accumulate_in_float32(self, dtype: str) -> None:
        t = self.target
        t.need(dtype)
        n = t.size(4096, 64)
        one = np.ones((2, n), hx.as_dtype(dtype).dtype)
        got = hx.matmul(t.put(one), t.put(one.T.copy()))
        t.values(f"{n} ones", got, np.full((2, 2), n))

    @each(["matrix", "batch", "two_contracted"])
    def bfloat16_compute(self, key: str) -> None:
        """Operands are rounded to bfloat16, products accumulate in float32."""
        a, b, dims = _DIMS[key]
        t, x, y = self.target, some(a, "float32", 9), some(b, "float32", 10)
        attrs = {"dims": dims, "compute": "bfloat16"}
        t.op("dot_general", x, y, allowed=products(dims), zeros=False, **attrs)

    @case
    def float32_is_float32(self) -> None:
        """No tensor cores of 10 bits unless they were asked for."""
        t = self.target
        x = f32([[1 + 2.0**-20, 1.0]])
        y = f32([[1.0], [-1.0]])
        t.values("1 + 2^-20 - 1", hx.matmul(t.put(x), t.put(y)), [[2.0**-20]])

    @case
    def special_values(self) -> None:
        x = f32([[1, np.inf], [np.nan, 1], [0, 2]])
        y = f32([[1, 0], [2, -1]])
        self.target.op("dot_general", x, y, dims=_MATRIX, zeros=False)

    # ------------------------------------------------------------------- convolutions
    @each([1, 2, 3])
    def conv(self, n: int) -> None:
        """Strides, padding, both dilations, by number of axes."""
        slow = self.target.simulated
        spatial, kernel = ((5, 4, 3) if slow else (6, 5, 4))[:n], (3, 2, 2)[:n]
        batch, channels, out = (1, 2, 1) if slow else (2, 4, 6)
        x = some((batch, channels, *spatial), "float32", 11)
        w = some((out, channels, *kernel), "float32", 12)
        plain: dict[str, Any] = {
            "strides": (1,) * n,
            "padding": ((0, 0),) * n,
            "lhs_dilation": (1,) * n,
            "rhs_dilation": (1,) * n,
        }
        for change in (
            {},
            {"strides": (2, 1, 2)[:n]},
            {"padding": ((1, 2), (0, 1), (2, 2))[:n]},
            {"padding": ((-1, 1), (0, -1), (1, 0))[:n]},
            {"lhs_dilation": (2, 3, 1)[:n], "padding": ((1, 1),) * n},
            {"rhs_dilation": (2, 2, 1)[:n]},
            {
                "strides": (2, 2, 1)[:n],
                "lhs_dilation": (2, 1, 2)[:n],
                "rhs_dilation": (1, 2, 2)[:n],
                "padding": ((2, 1), (1, 1), (2, 0))[:n],
            },
        ):
            self._conv(x, w, **{**plain, **change})

    @each([("feature_groups", 2), ("feature_groups", 4), ("batch_groups", 2)])
    def conv_groups(self, name: str, groups: int) -> None:
        channel = 4 // groups if name == "feature_groups" else 4
        x = some((2, 4, 6, 5), "float32", 13)
        w = some((8, channel, 3, 2), "float32", 14)
        at: dict[str, Any] = {**_PLAIN_2D, name: groups}
        self._conv(x, w, **at)

    @each(["float16", "bfloat16", "float64", "int32", "complex64"])
    def conv_dtypes(self, dtype: str) -> None:
        self.target.need(dtype)
        self._conv(
            some((2, 3, 6, 5), dtype, 15), some((4, 3, 3, 2), dtype, 16), **_PLAIN_2D
        )

    @case
    def conv_edges(self) -> None:
        """No batch, a kernel larger than the input, one element."""
        at = _PLAIN_2D
        self._conv(
            some((0, 2, 5, 5), "float32", 17), some((3, 2, 2, 2), "float32", 18), **at
        )
        self._conv(
            some((1, 2, 2, 2), "float32", 19), some((3, 2, 5, 5), "float32", 20), **at
        )
        self._conv(
            some((1, 1, 1, 1), "float32", 21), some((1, 1, 1, 1), "float32", 22), **at
        )
        x, w = some((1, 3, 9, 9), "float32", 23), some((2, 3, 3, 3), "float32", 24)
        self._conv(x, w, **{**at, "compute": "bfloat16"})

    @each(["matmul", "conv"])
    def backward(self, name: str) -> None:
        t = self.target
        if name == "matmul":
            x, y = some((2, 4, 5), "float32", 25), some((2, 5, 3), "float32", 26)
            t.pullback("matmul", hx.matmul, x, y)
            return
        x, w = some((2, 4, 7, 6), "float32", 27), some((6, 2, 3, 2), "float32", 28)
        t.pullback(
            "conv2d",
            lambda a, b: hx.conv2d(a, b, stride=2, padding=1, groups=2),
            *(x, w),
        )

    @case
    def literals(self) -> None:
        t = self.target
        x = t.put(f32([[1, 2], [3, 4]]))
        y = t.put(f32([[5, 6], [7, 8]]))
        t.values("matmul", hx.matmul(x, y), [[19, 22], [43, 50]])
        s = t.put(f32([[[1, 2, 3, 4]]]))
        k = t.put(f32([[[1, 0, -1]]]))
        t.values("conv1d", hx.conv1d(s, k), [[[-2, -2]]])

    def _conv(self, x: np.ndarray, w: np.ndarray, **attrs: Any) -> None:
        def scale(want: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
            p, q = (hx.tensor(np.abs(wide(v)), device="numpy") for v in (a, b))
            same = {k: v for k, v in attrs.items() if k != "compute"}
            return np.asarray(hx.bind(hx.PRIMITIVES["conv"], p, q, **same).buffer)

        allow = None if x.dtype.kind == "i" else summed(scale)
        self.target.op("conv", x, w, allowed=allow, zeros=False, **attrs)


_PLAIN_2D: dict[str, Any] = {
    "strides": (1, 1),
    "padding": ((1, 0), (0, 1)),
    "lhs_dilation": (1, 1),
    "rhs_dilation": (1, 1),
}
