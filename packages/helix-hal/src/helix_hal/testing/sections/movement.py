"""Where elements are: reshape, permute, broadcast, pad, slice, flip, concat, copies."""

from __future__ import annotations

import helix_core as hx
import numpy as np

from .._case import Section, case, each
from .._values import DTYPES, LAYOUTS, i32, some

_PADS = {
    "none": ((0, 0, 0), (0, 0, 0)),
    "outside": ((1, 2, 0), (0, 3, 0)),
    "negative": ((-1, 0, 0), (0, -2, 0)),
    "mixed": ((-1, 2, 0), (3, -2, 0)),
    "interior": ((0, 0, 2), (1, 1, 1)),
    "interior_cut": ((-2, -1, 2), (-1, 0, 1)),
    "all_cut": ((-2, -2, 0), (1, 1, 0)),
    "one_axis_gone": ((0, 0, 0), (-5, 0, 0)),
    "cut_beyond": ((-6, 4, 0), (0, 0, 0)),
}
_SLICES = {
    "all": ((0, 0), (4, 6), (1, 1)),
    "inner": ((1, 2), (3, 5), (1, 1)),
    "steps": ((0, 1), (4, 6), (2, 3)),
    "empty": ((2, 0), (2, 6), (1, 1)),
    "backwards": ((3, 0), (1, 6), (1, 1)),
    "last": ((3, 5), (4, 6), (1, 1)),
    "long_step": ((0, 0), (4, 6), (7, 7)),
}


class Movement(Section):
    """Movement primitives move bits: exact for every dtype."""

    @each(DTYPES)
    def every_dtype(self, dtype: str) -> None:
        t = self.target
        t.need(dtype)
        x = some((2, 3, 4), dtype)
        t.op("permute", x, axes=(2, 0, 1))
        t.op("reshape", x, shape=(4, 6))
        t.op("slice", x, start=(0, 1, 0), stop=(2, 3, 4), step=(1, 1, 2))
        t.op("flip", x, axes=(0, 2))
        t.op("broadcast", x[:, :1], shape=(3, 2, 5, 4))
        t.op("concat", x, x[:, ::-1], axis=1)
        t.op("pad", x, some((), dtype, 1), pads=((1, 0, 0), (0, 1, 0), (0, 0, 1)))
        t.op("identity", x)
        t.op("stop_gradient", x)

    @each([(), (1,), (0,), (2, 0, 3)])
    def small(self, *shape: int) -> None:
        t = self.target
        x = some(shape, "float32", 2)
        t.op("permute", x, axes=tuple(reversed(range(x.ndim))))
        t.op("reshape", x, shape=(*shape, 1))
        t.op("flip", x, axes=tuple(range(x.ndim)))
        t.op("broadcast", x, shape=(2, *shape))
        t.op("slice", x, start=(0,) * x.ndim, stop=shape, step=(1,) * x.ndim)
        t.op("pad", x, np.float32(7), pads=((1, 2, 1),) * x.ndim)

    @each(_PADS)
    def pad(self, name: str) -> None:
        t = self.target
        for value in (0.0, -1.5, np.inf):
            t.op("pad", some((4, 6), "float32", 3), np.float32(value), pads=_PADS[name])
        t.op("pad", some((4, 6), "int32", 4), np.int32(9), pads=_PADS[name])

    @case
    def pad_of_nothing(self) -> None:
        x = some((0, 2), "float32", 5)
        self.target.op("pad", x, np.float32(3), pads=((1, 2, 4), (1, 0, 0)))
        self.target.op("pad", x, np.float32(3), pads=((0, 0, 0), (-1, -1, 0)))

    @each(_SLICES)
    def slice(self, name: str) -> None:
        start, stop, step = _SLICES[name]
        x = some((4, 6), "float32", 6)
        self.target.op("slice", x, start=start, stop=stop, step=step)

    @each(LAYOUTS)
    def views_of_views(self, layout: str) -> None:
        """A view, moved again, then copied: offsets and strides add up."""
        base, view = LAYOUTS[layout]
        x = some(base, "float32", 7)
        t = self.target
        t.op("reshape", x, view=view, shape=(3, 8))
        t.op("slice", x, view=view, start=(1, 0), stop=(4, 6), step=(2, 4))
        t.op("flip", x, view=view, axes=(1,))
        t.op("permute", x, view=view, axes=(1, 0))
        t.op("broadcast", x, view=view, shape=(2, 4, 6))
        t.op("concat", x, x, view=view, axis=0)
        pads = ((1, -1, 0), (0, 2, 1))
        t.same("pad", lambda a: hx.pad(view(a), [(1, 0), (0, 2)]), x)
        t.same(
            "pad_p",
            lambda a: hx.bind(hx.PRIMITIVES["pad"], view(a), _zero(a), pads=pads),
            x,
        )

    @each([1, 2, 5])
    def concat(self, n: int) -> None:
        t = self.target
        parts = [some((2, k, 3), "float32", 8 + k) for k in (1, 0, 4, 2, 3)[:n]]
        t.op("concat", *parts, axis=1)

    @each([((4,), (5,), 0), ((0, 3), (2, 3), 0), ((2, 1), (2, 70), 1)])
    def concat_of(self, a: tuple[int, ...], b: tuple[int, ...], axis: int) -> None:
        x, y = some(a, "int32", 9), some(b, "int32", 10)
        self.target.op("concat", x, y, axis=axis)

    @each(DTYPES)
    def create(self, dtype: str) -> None:
        t = self.target
        t.need(dtype)
        d = hx.as_dtype(dtype)
        for shape in [(), (3,), (2, 0), (2, 3)]:
            t.op("full", shape=shape, value=1, dtype=d)
        if d.category != "bool":
            for n in (0, 1, 9):
                t.op("iota", n=n, dtype=d)

    @each(
        [("nan", "float32"), ("inf", "float32"), ("-0.0", "float32"), ("-7", "int32")]
    )
    def full_of(self, value: str, dtype: str) -> None:
        number = int(value) if dtype == "int32" else float(value)
        self.target.op("full", shape=(5,), value=number, dtype=hx.as_dtype(dtype))

    @each(DTYPES)
    def to_numpy_and_back(self, dtype: str) -> None:
        t = self.target
        t.need(dtype)
        for shape in [(), (0, 2), (3, 5)]:
            x = some(shape, dtype, 11)
            away = t.put(x).to("numpy")
            t_back = away.to(t.device)
            if not np.array_equal(np.asarray(away.buffer), x):
                raise AssertionError(f"to('numpy'): expected the values of {dtype}")
            t.values("to(device)", t_back, x)

    @case
    def literals(self) -> None:
        t = self.target
        x = t.put(i32([[1, 2, 3], [4, 5, 6]]))
        t.values("permute", hx.permute_dims(x, (1, 0)), [[1, 4], [2, 5], [3, 6]])
        t.values("flip", hx.flip(x, (1,)), [[3, 2, 1], [6, 5, 4]])
        t.values("reshape", x.reshape(3, 2), [[1, 2], [3, 4], [5, 6]])
        t.values("roll", hx.roll(x, 1, 1), [[3, 1, 2], [6, 4, 5]])
        t.values("tile", hx.tile(x[0], (2,)), [1, 2, 3, 1, 2, 3])
        t.values("tril", hx.tril(x), [[1, 0, 0], [4, 5, 0]])


def _zero(x: hx.Tensor) -> hx.Tensor:
    return hx.zeros((), x.dtype, x.device)
