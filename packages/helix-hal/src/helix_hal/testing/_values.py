"""Operands: edge values of each dtype, and layouts that are not contiguous."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import helix_core as hx
import numpy as np
from helix_core._dtypes import ALL

from ._compare import info

DTYPES = tuple(d.name for d in ALL)
STORAGE = ("float8_e4m3fn", "float8_e5m2")  # cast, moved and stored; no arithmetic
COMPUTED = tuple(d for d in DTYPES if d not in STORAGE)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def category(dtype: str) -> str:
    return hx.as_dtype(dtype).category


def array(values: Any, dtype: str) -> np.ndarray:
    return np.asarray(values).astype(hx.as_dtype(dtype).dtype)


def f32(values: Any) -> np.ndarray:
    return np.asarray(values, np.float32)


def i32(values: Any) -> np.ndarray:
    return np.asarray(values, np.int32)


def u32(values: Any) -> np.ndarray:
    return np.asarray(values, np.uint32)


def accepts(primitive: str, n: int, dtype: str, **attrs: Any) -> bool:
    """Whether a primitive takes ``n`` operands of a dtype."""
    prim = hx.PRIMITIVES[primitive]
    try:
        prim.infer(*[hx.Aval((2,), hx.as_dtype(dtype))] * n, **attrs)
    except TypeError:  # DTypeError, or another number of operands
        return False
    return True


def edges(dtype: str) -> np.ndarray:
    """Small numbers, halves, extremes, signed zeros, infinities, NaN."""
    kind = category(dtype)
    if kind == "bool":
        return np.array([False, True])
    if kind in ("int", "uint"):
        i = np.iinfo(dtype)
        small = [0, 1, 2, 3, 5, 7, 64, 100]
        signed = [-1, -2, -3, -7, -100] if kind == "int" else []
        return np.array([*small, *signed, i.max, i.max - 1, i.min, i.min + 1], dtype)
    if kind == "complex":
        parts = [0.0, 1.0, -1.5, 0.25, -3.0]
        return np.array([complex(a, b) for a in parts for b in parts], dtype)
    f = info(hx.as_dtype(dtype).dtype)
    big = float(f.max)
    return array(
        [
            *(0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 3.0, -7.0),
            *(0.1, -0.3, 10.25, 100.5, 1e-3, float(f.tiny) * 4),
            *(big, -big, np.inf, -np.inf, np.nan),
        ],
        dtype,
    )


def finite(dtype: str) -> np.ndarray:
    """The edges without infinities, NaN and extremes."""
    x = edges(dtype)
    if category(dtype) != "float":
        return x
    w = x.astype(np.float64)
    keep = np.isfinite(w) & (np.abs(w) < 200)
    return x[keep]


def pairs(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every value beside every value."""
    n = len(x)
    return np.repeat(x, n), np.tile(x, n)


def some(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    """Plain values: normal numbers, integers of -9 to 9 (0 to 9), bools."""
    r, kind = rng(seed), category(dtype)
    if kind == "bool":
        return r.integers(0, 2, shape).astype(bool)
    if kind in ("int", "uint"):
        return array(r.integers(-9 if kind == "int" else 0, 10, shape), dtype)
    x: Any = r.standard_normal(shape)
    return array(x + 1j * r.standard_normal(shape) if kind == "complex" else x, dtype)


# every layout gives the same logical shape (4, 6) from a base of the shape beside it
Layout = tuple[tuple[int, ...], Callable[[hx.Tensor], hx.Tensor]]
LAYOUTS: dict[str, Layout] = {
    "contiguous": ((4, 6), lambda x: x),
    "permuted": ((6, 4), lambda x: hx.permute_dims(x, (1, 0))),
    "sliced": ((9, 15), lambda x: x[1:8:2, 3:15:2]),
    "flipped": ((4, 6), lambda x: hx.flip(x, (0, 1))),
    "broadcast": ((1, 6), lambda x: hx.broadcast_to(x, (4, 6))),
    "row": ((3, 4, 6), lambda x: x[1]),
    "permuted_slice": ((7, 4), lambda x: hx.permute_dims(x[1:], (1, 0))),
    "scalar": ((), lambda x: hx.broadcast_to(x, (4, 6))),
}
