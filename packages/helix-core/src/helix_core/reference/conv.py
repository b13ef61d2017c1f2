"""NumPy lowerings of conv and reduce_window over strided views."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .._dtypes import accumulate_dtype, as_dtype
from .._primitives.cumulative import highest, lowest
from .movement import LOWERINGS as MOVEMENT
from .quiet import quiet
from .rounding import rounded


def _windows(
    x: np.ndarray, first: int, sizes: Any, strides: Any, dilation: Any
) -> np.ndarray:
    """A view (..., places from axis ``first``, elements of the window)."""
    axes = range(first, x.ndim)
    reach = [(k - 1) * d + 1 for k, d in zip(sizes, dilation, strict=True)]
    if any(x.shape[a] < r for a, r in zip(axes, reach, strict=True)):
        places = [
            max(0, (x.shape[a] - r) // s + 1)
            for a, r, s in zip(axes, reach, strides, strict=True)
        ]
        return np.zeros((*x.shape[:first], *places, *sizes), x.dtype)
    view = sliding_window_view(x, reach, tuple(axes))
    at = [slice(None)] * first
    at += [slice(None, None, s) for s in strides]
    at += [slice(None, None, d) for d in dilation]
    return view[tuple(at)]


def _conv(
    dev: Any,
    x: np.ndarray,
    w: np.ndarray,
    strides: Any,
    padding: Any,
    lhs_dilation: Any,
    rhs_dilation: Any,
    feature_groups: int = 1,
    batch_groups: int = 1,
    compute: str = "float32",
    out: Any = None,
) -> np.ndarray:
    """im2col, then one matrix product per group."""
    dtype = x.dtype
    x, w = rounded(x, compute), rounded(w, compute)
    wide = accumulate_dtype(as_dtype(dtype)).dtype
    x, w = x.astype(wide, copy=False), w.astype(wide, copy=False)
    n, fg, bg = x.ndim - 2, feature_groups, batch_groups
    pads = [(0, 0, 0)] * 2
    pads += [(lo, hi, d - 1) for (lo, hi), d in zip(padding, lhs_dilation, strict=True)]
    x = MOVEMENT["pad"](dev, x, np.zeros((), x.dtype), tuple(pads))
    v = _windows(x, 2, w.shape[2:], strides, rhs_dilation)
    spatial, taps = v.shape[2 : n + 2], v.shape[n + 2 :]
    batch, channel, made = x.shape[0] // bg, x.shape[1] // fg, w.shape[0]
    v = _split(v, bg, fg)  # (bg, batch, fg, channel, *spatial, *taps)
    order = (0, 2, 3, *range(4 + n, 4 + 2 * n), 1, *range(4, 4 + n))
    columns = v.transpose(order).reshape(fg * bg, channel * prod(taps), -1)
    rows = w.reshape(fg * bg, made // (fg * bg), channel * prod(taps))
    y = np.matmul(rows, columns).reshape(made, batch, *spatial)
    return np.ascontiguousarray(np.swapaxes(y, 0, 1)).astype(dtype, copy=False)


def _split(v: np.ndarray, bg: int, fg: int) -> np.ndarray:
    """Batch and channel by their groups, as a view."""
    b, c = v.shape[:2]
    s, t = v.strides[:2]
    return np.lib.stride_tricks.as_strided(
        v,
        (bg, b // bg, fg, c // fg, *v.shape[2:]),
        (b // bg * s, s, c // fg * t, t, *v.strides[2:]),
        writeable=False,
    )


def _reduce_window(
    dev: Any,
    x: np.ndarray,
    kind: str,
    window: Any,
    strides: Any,
    padding: Any,
    dilation: Any,
    out: Any = None,
) -> np.ndarray:
    dtype = as_dtype(x.dtype)
    fill = {"sum": 0, "max": lowest(dtype), "min": highest(dtype)}[kind]
    pads = tuple((lo, hi, 0) for lo, hi in padding)
    x = MOVEMENT["pad"](dev, x, np.asarray(fill, x.dtype), pads)
    v = _windows(x, 0, window, strides, dilation)
    axes = tuple(range(x.ndim, 2 * x.ndim))
    if kind == "sum":
        r = np.sum(v, axes, dtype=accumulate_dtype(dtype).dtype)
    else:
        r = (np.max if kind == "max" else np.min)(v, axes)
    return np.asarray(r).astype(x.dtype, copy=False)


LOWERINGS: dict[str, Callable[..., Any]] = {
    "conv": quiet(_conv),
    "reduce_window": quiet(_reduce_window),
}
