"""Casts between all pairs, bit patterns, and how dtypes combine."""

from __future__ import annotations

from collections.abc import Iterator

import helix_core as hx
import numpy as np
from helix_core._dtypes import promote

from .._case import Section, case, each
from .._compare import info, wide
from .._values import COMPUTED, DTYPES, array, category, edges, f32, i32, some


def _castable() -> Iterator[tuple[str, str]]:
    for a in DTYPES:
        for b in DTYPES:
            real = category(b) in ("complex", "bool") or category(a) != "complex"
            if a != b and real:
                yield a, b


def _defined(x: np.ndarray, target: str) -> np.ndarray:
    """The values whose cast has one meaning: a float outside an integer has none."""
    if category(target) not in ("int", "uint") or x.dtype.kind in "biu":
        return x
    i, w = np.iinfo(target), wide(x)
    with np.errstate(invalid="ignore"):
        inside = np.isfinite(w) & (np.trunc(w) >= i.min) & (w < float(i.max))
    kept: np.ndarray = x[inside]
    return kept


class Dtypes(Section):
    """Conversion: rounding, wrapping, truncation; promotion."""

    @each(_castable)
    def cast(self, source: str, target: str) -> None:
        """Integers wrap, floats truncate to integers and round to nearest even."""
        self.target.need(source, target)
        x = _defined(np.concatenate([edges(source), some((20,), source, 1)]), target)
        self.target.op("cast", x, dtype=hx.as_dtype(target))

    @each([("float32", d) for d in ("float16", "bfloat16", *DTYPES[-2:])])
    def rounding(self, source: str, target: str) -> None:
        """Ties to even, at every tenth number of the narrow dtype."""
        self.target.need(source, target)
        f = info(hx.as_dtype(target).dtype)
        base = f32([1.0, 3.0, 0.1, float(f.tiny), float(f.max) / 2])
        steps = np.arange(-9, 10, dtype=np.float32) / 8
        x = (base[:, None] * (1 + steps * float(f.eps))).ravel()
        self.target.op("cast", x, dtype=hx.as_dtype(target))

    @each(
        [
            ("int32", "uint32"),
            ("uint32", "float32"),
            ("float32", "int32"),
            ("int16", "float16"),
            ("uint16", "bfloat16"),
            ("float64", "uint64"),
            ("int64", "float64"),
            ("uint8", "float8_e5m2"),
            ("int8", "uint8"),
        ]
    )
    def bitcast(self, source: str, target: str) -> None:
        self.target.need(source, target)
        x = edges(source)
        if category(target) == "float":  # bits of a NaN need not survive
            x = np.abs(x[np.abs(x) < 100]) if x.dtype.itemsize > 1 else x[:8]
        self.target.op("bitcast", x, dtype=hx.as_dtype(target))

    @each([(a, b) for i, a in enumerate(COMPUTED) for b in COMPUTED[i + 1 :]])
    def promotion(self, first: str, second: str) -> None:
        """The dtype of a sum is that of the lattice."""
        t = self.target
        want = promote((hx.as_dtype(first), False), (hx.as_dtype(second), False))[0]
        t.need(first, second, want.name)
        x, y = t.put(array([1, 0, 1], first)), t.put(array([1, 1, 0], second))
        got = x + y
        if got.dtype is not want:
            raise AssertionError(
                f"{first} + {second}: expected {want}; got {got.dtype}"
            )
        t.values(f"{first} + {second}", got, [2, 1, 1])

    @each(["int8", "int32", "float16", "bfloat16", "float32"])
    def weak_scalars(self, dtype: str) -> None:
        """A Python number takes the dtype of the tensor beside it."""
        t = self.target
        t.need(dtype)
        x = t.put(array([1, 2], dtype))
        if (x + 2).dtype is not x.dtype:
            raise AssertionError(f"{dtype} + 2: expected {dtype}; got {(x + 2).dtype}")
        t.values(f"{dtype} + 2", x + 2, [3, 4])
        want = x.dtype if x.dtype.inexact else hx.float32
        got = x * 0.5
        if got.dtype is not want:
            raise AssertionError(f"{dtype} * 0.5: expected {want}; got {got.dtype}")
        t.values(f"{dtype} * 0.5", got, [0.5, 1.0])

    @case
    def literals(self) -> None:
        t = self.target
        x = t.put(f32([1.9, -1.9, 0.5, -0.5, 255.0]))
        t.values("to int32", x.astype("int32"), [1, -1, 0, 0, 255])
        t.values("to bool", x.astype("bool"), [True] * 5)
        y = t.put(i32([300, -1, 128, 2**31 - 1]))
        t.values(
            "int32 to uint32", y.astype("uint32"), [300, 2**32 - 1, 128, 2**31 - 1]
        )
        if t.has("uint8") and t.has("int8"):
            t.values("int32 to uint8", y.astype("uint8"), [44, 255, 128, 255])
            t.values("int32 to int8", y.astype("int8"), [44, -1, -128, -1])
        if t.has("bfloat16"):
            z = t.put(f32([1.00390625, 1.01171875])).astype("bfloat16")
            t.values("ties to even", z.astype("float32"), [1.0, 1.015625])
