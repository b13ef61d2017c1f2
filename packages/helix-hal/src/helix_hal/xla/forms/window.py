"""Convolution and windowed reductions as JAX functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from helix_core._aval import Aval
from helix_core._dtypes import as_dtype
from helix_core._primitive import PRIMITIVES
from helix_core._primitives.cumulative import highest, lowest
from jax import lax

from .common import Array, accumulated, cast, category
from .contract import FULL, rounded


def _empty(name: str, *xs: Array, **attrs: Any) -> Array | None:
    """Zeros of the result's shape, where the result or an operand has no elements."""
    avals = [Aval(x.shape, as_dtype(x.dtype)) for x in xs]
    (out,) = PRIMITIVES[name].infer(*avals, **attrs)
    if 0 in out.shape or any(x.size == 0 for x in xs):
        return jnp.zeros(out.shape, xs[0].dtype)
    return None


def _conv(
    x: Array,
    w: Array,
    strides: Any,
    padding: Any,
    lhs_dilation: Any,
    rhs_dilation: Any,
    feature_groups: int = 1,
    batch_groups: int = 1,
    compute: str = "float32",
) -> Array:
    attrs: dict[str, Any] = {
        "strides": strides,
        "padding": padding,
        "lhs_dilation": lhs_dilation,
        "rhs_dilation": rhs_dilation,
        "feature_groups": feature_groups,
        "batch_groups": batch_groups,
    }
    none = _empty("conv", x, w, **attrs)
    if none is not None:
        return none
    dtype = x.dtype
    x, w = (accumulated(rounded(a, compute)) for a in (x, w))
    if any(n < 0 for pair in padding for n in pair):
        # XLA's CPU miscounts padding of (-1, 1): jax 0.10.2 gives the unshifted result
        edges = [
            (lo, hi, d - 1) for (lo, hi), d in zip(padding, lhs_dilation, strict=True)
        ]
        x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0)] * 2 + edges)
        padding, lhs_dilation = [(0, 0)] * len(padding), [1] * len(padding)
    axes = "".join(chr(ord("a") + i) for i in range(x.ndim - 2))
    y = lax.conv_general_dilated(
        x,
        w,
        strides,
        padding,
        lhs_dilation,
        rhs_dilation,
        ("NC" + axes, "OI" + axes, "NC" + axes),
        feature_groups,
        batch_groups,
        precision=FULL,
    )
    return cast(y, dtype)


_FOLD: dict[str, Any] = {"sum": lax.add, "max": lax.max, "min": lax.min}


def _reduce_window(
    x: Array, kind: str, window: Any, strides: Any, padding: Any, dilation: Any
) -> Array:
    none = _empty(
        "reduce_window",
        x,
        kind=kind,
        window=window,
        strides=strides,
        padding=padding,
        dilation=dilation,
    )
    if none is not None and 0 in none.shape:
        return none
    dtype = as_dtype(x.dtype)
    fill = {"sum": 0, "max": lowest(dtype), "min": highest(dtype)}[kind]
    pads = tuple((lo, hi, 0) for lo, hi in padding)
    wide = lax.pad(x, np.asarray(fill, x.dtype), pads)
    wide = accumulated(wide)
    start = np.asarray(fill, x.dtype).astype(wide.dtype)
    if kind != "sum" and category(wide) == "float":
        start = np.asarray(-np.inf if kind == "max" else np.inf, wide.dtype)
    y = lax.reduce_window(
        wide,
        start,
        _FOLD[kind],
        window,
        strides,
        ((0, 0),) * x.ndim,
        window_dilation=dilation,
    )
    return cast(y, x.dtype)


FORMS: dict[str, Callable[..., Any]] = {
    "conv": _conv,
    "reduce_window": _reduce_window,
}
