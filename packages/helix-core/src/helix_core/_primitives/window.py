"""``reduce_window``: sum, maximum or minimum of every window; and windows as axes."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .. import _ops as ops
from .._aval import Aval
from .._errors import ShapeError
from .._primitive import bind, primitive
from ._rules import need
from .cumulative import highest, lowest
from .index import gather_p, scatter_p


def out_size(n: int, k: int, stride: int, pads: tuple[int, int], step: int) -> int:
    """How many windows of k elements, ``step`` apart, fit into a padded axis."""
    return max(0, (n + sum(pads) - (k - 1) * step - 1) // stride + 1)


def _infer(
    x: Aval, kind: str, window: Any, strides: Any, padding: Any, dilation: Any
) -> tuple[Aval, ...]:
    if kind not in ("sum", "max", "min"):
        raise ShapeError(
            f"[reduce_window] expected a kind of sum, max, min; got {kind!r}"
        )
    need("reduce_window", x, "int", "uint", "float", *["complex"] * (kind == "sum"))
    per_axis = (window, strides, padding, dilation)
    if any(len(p) != x.ndim for p in per_axis) or (
        x.ndim and min(*window, *strides, *dilation, 1) < 1
    ):
        raise ShapeError(
            "[reduce_window] expected window, strides, padding and dilation for each "
            f"axis, sizes at least 1; got window={window}, strides={strides}, "
            f"padding={padding}, dilation={dilation} for {x!r}"
        )
    shape = map(out_size, x.shape, window, strides, padding, dilation)
    return (Aval(tuple(shape), x.dtype),)


def windows(x: Any, axes: Any, sizes: Any, strides: Any, dilation: Any) -> Any:
    """Each of the axes becomes two: the window's place, and the place in the window."""
    order = sorted(zip(axes, sizes, strides, dilation, strict=True), reverse=True)
    for axis, k, stride, step in order:
        n = out_size(x.shape[axis], k, stride, (0, 0), step)
        if n == 0:  # nothing fits
            shape = (*x.shape[:axis], 0, k, *x.shape[axis + 1 :])
            x = ops.zeros(shape, x.dtype, x.device)
            continue
        at = np.arange(n)[:, None] * stride + np.arange(k) * step
        idx = ops.tensor(at.astype(np.int32), device=x.device)
        x = bind(gather_p, x, idx, axis=axis)
    return x


def _windows_last(x: Any, window: Any, strides: Any, dilation: Any) -> Any:
    """(places..., elements of the window)."""
    n = x.ndim
    x = windows(x, range(n), window, strides, dilation)
    places = tuple(range(0, 2 * n, 2))
    x = ops.permute_p(x, (*places, *range(1, 2 * n, 2)))
    return ops.reshape_p(x, (*x.shape[:n], prod(window)))


def _padded(x: Any, kind: str, padding: Any) -> Any:
    fill = {"sum": 0, "max": lowest(x.dtype), "min": highest(x.dtype)}[kind]
    pads = tuple((lo, hi, 0) for lo, hi in padding)
    return ops.pad_p(x, ops.full((), fill, x.dtype, x.device), pads)


def _decompose(
    x: Any, kind: str, window: Any, strides: Any, padding: Any, dilation: Any
) -> Any:
    w = _windows_last(_padded(x, kind, padding), window, strides, dilation)
    reduce = {
        "sum": ops.reduce_sum_p,
        "max": ops.reduce_max_p,
        "min": ops.reduce_min_p,
    }[kind]
    return reduce(w, (w.ndim - 1,))


def _vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any, kind: str, **at: Any) -> Any:
    x, y, ct = inputs[0], outputs[0], cts[0]
    if 0 in ct.shape or 0 in x.shape:
        return (ops.zeros(x.shape, ct.dtype, ct.device),)
    rule = _sum_vjp(x.shape, ct, **at) if kind == "sum" else _pick_vjp(x, y, ct, **at)
    return (rule,)


def _sum_vjp(
    shape: Any, ct: Any, window: Any, strides: Any, padding: Any, dilation: Any
) -> Any:
    """Sum of the cotangents of all windows that hold the element."""
    pads = []
    for n, m, k, stride, (lo, _), step in zip(
        shape, ct.shape, window, strides, padding, dilation, strict=True
    ):
        reach = (k - 1) * step
        spread = (m - 1) * stride + 1
        pads.append((reach - lo, n + lo - spread, stride - 1))
    wide = ops.pad_p(ct, ops.zeros((), ct.dtype, ct.device), tuple(pads))
    one, none = (1,) * ct.ndim, ((0, 0),) * ct.ndim
    return bind(
        reduce_window_p,
        wide,
        kind="sum",
        window=window,
        strides=one,
        padding=none,
        dilation=dilation,
    )


def _pick_vjp(
    x: Any, y: Any, ct: Any, window: Any, strides: Any, padding: Any, dilation: Any
) -> Any:
    """To the first element of the window that equals the result, never the border."""
    place = _places(x.shape, window, strides, padding, dilation)
    size, k = x.size, prod(window)
    idx = ops.tensor(np.maximum(place, 0), device=x.device)
    values = bind(gather_p, ops.reshape_p(x, (size,)), idx, axis=0)
    hit = ops.eq(values, ops.reshape_p(y, (*y.shape, 1)))
    hit = ops.logical_or(hit, ops.isnan(values))
    hit = ops.logical_and(hit, ops.tensor(place >= 0, device=x.device))
    order = ops.arange(k, device=x.device)
    first = ops.min(ops.where(hit, order, k), -1, True)
    chosen = ops.where(ops.eq(order, first), idx, -1)
    flat = ops.max(chosen, -1)  # -1, and dropped, where the window is all border
    zero = ops.zeros((size,), ct.dtype, ct.device)
    g = bind(scatter_p, zero, flat, ct, axis=0, mode="add")
    return ops.reshape_p(g, x.shape)


def _places(
    shape: Any, window: Any, strides: Any, padding: Any, dilation: Any
) -> np.ndarray:
    """(places..., element of the window) -> position in the flat tensor, -1 outside."""
    n = len(shape)
    flat = np.zeros((1,) * (2 * n), np.int64)
    inside = np.ones((1,) * (2 * n), bool)
    for i, (size, k, stride, pads, step) in enumerate(
        zip(shape, window, strides, padding, dilation, strict=True)
    ):
        m = out_size(size, k, stride, pads, step)
        at = np.arange(m)[:, None] * stride + np.arange(k) * step - pads[0]
        view = [1] * (2 * n)
        view[i], view[n + i] = m, k
        at = at.reshape(view)
        inside = inside & (at >= 0) & (at < size)
        flat = flat * size + at
    width = np.int32 if prod(shape) < 2**31 else np.int64
    places = np.where(inside, flat, -1).astype(width)
    return places.reshape(*places.shape[:n], prod(window))


reduce_window_p = primitive(
    "reduce_window",
    "REDUCE",
    _infer,
    _vjp,
    reads=((0, ~0),),
    decompose=_decompose,
)
