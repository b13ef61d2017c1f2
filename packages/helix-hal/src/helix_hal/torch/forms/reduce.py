"""Reductions, running reductions and sorting in torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..dtypes import UNSIGNED, raw
from .common import Tensor, accumulated, narrow, ordered, unordered, wide


def _sum(x: Tensor, axes: Any) -> Tensor:
    if not axes:
        return x.clone()
    if x.dtype in UNSIGNED:
        s = raw(x)
        return torch.sum(s, axes, dtype=s.dtype).view(x.dtype)
    return narrow(torch.sum(wide(x), axes, dtype=accumulated(x)), x.dtype)


def _prod(x: Tensor, axes: Any) -> Tensor:
    y = raw(x) if x.dtype in UNSIGNED else x.to(accumulated(x))
    for axis in sorted([a % x.ndim for a in axes], reverse=True):
        y = torch.prod(y, axis, dtype=y.dtype)
    y = y if axes else y.clone()
    return y.view(x.dtype) if x.dtype in UNSIGNED else narrow(y, x.dtype)


def _extremum(f: Any) -> Callable[..., Tensor]:
    def form(x: Tensor, axes: Any) -> Tensor:
        return unordered(f(ordered(x), axes), x.dtype) if axes else x.clone()

    return form


def _arg(f: Any) -> Callable[..., Tensor]:
    """The first of equals; the first NaN before all others."""

    def form(x: Tensor, axis: int) -> Tensor:
        y = x.to(torch.uint8) if x.dtype == torch.bool else ordered(x)
        return f(y, axis).to(torch.int32)

    return form


# ------------------------------------------------------------------------------- running
def _cumulative(x: Tensor, kind: str, axis: int, reverse: bool) -> Tensor:
    axis = axis % x.ndim
    if kind in ("max", "min"):
        a = x.to(torch.uint8) if x.dtype == torch.bool else ordered(x)
    else:
        a = raw(x) if x.dtype in UNSIGNED else x.to(accumulated(x))
    a = torch.flip(a, (axis,)) if reverse else a
    if kind == "max":
        r = torch.cummax(a, axis).values
    elif kind == "min":
        r = torch.cummin(a, axis).values
    elif kind == "logsumexp":
        r = torch.logcumsumexp(a, axis)
    else:
        r = (torch.cumsum if kind == "sum" else torch.cumprod)(a, axis, dtype=a.dtype)
    r = torch.flip(r, (axis,)) if reverse else r
    if kind in ("max", "min"):
        return unordered(r, x.dtype)
    return r.view(x.dtype) if x.dtype in UNSIGNED else narrow(r, x.dtype)


# ------------------------------------------------------------------------------- sorting
def _sort(
    *xs: Tensor, axis: int, num_keys: int, descending: bool, stable: bool
) -> tuple[Tensor, ...]:
    """Stable always; NaN counts as the largest value. The last key is sorted first."""
    how: dict[str, Any] = {"dim": axis, "descending": descending, "stable": True}
    if len(xs) == 1:
        values = torch.sort(ordered(xs[0]), **how).values
        return (unordered(values, xs[0].dtype),)
    order: Tensor | None = None
    for key in reversed(xs[:num_keys]):
        a = ordered(key)
        a = a if order is None else torch.gather(a, axis, order)
        step = torch.sort(a, **how).indices
        order = step if order is None else torch.gather(order, axis, step)
    assert order is not None
    return tuple([torch.gather(raw(x), axis, order).view(x.dtype) for x in xs])


FORMS: dict[str, Callable[..., Any]] = {
    "reduce_sum": _sum,
    "reduce_prod": _prod,
    "reduce_max": _extremum(torch.amax),
    "reduce_min": _extremum(torch.amin),
    "argmax": _arg(torch.argmax),
    "argmin": _arg(torch.argmin),
    "cumulative": _cumulative,
    "sort": _sort,
}
