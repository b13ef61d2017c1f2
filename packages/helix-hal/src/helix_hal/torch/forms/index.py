"""gather and scatter in torch; the same bits in every run."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch

from ..dtypes import UNSIGNED, raw
from .common import Tensor, accumulated, narrow, ordered, unordered

_REDUCE = {"max": "amax", "min": "amin", "mul": "prod"}

with warnings.catch_warnings():  # torch says once that index_reduce is in beta
    warnings.simplefilter("ignore")
    torch.zeros(1).index_reduce(
        0, torch.zeros(1, dtype=torch.int64), torch.zeros(1), "amax"
    )


def _gather(x: Tensor, idx: Tensor, axis: int) -> Tensor:
    """Outside the axis, the nearest element."""
    shape = (*x.shape[:axis], *idx.shape, *x.shape[axis + 1 :])
    if x.shape[axis] == 0:  # then there is no index either
        return x.new_empty(shape)
    at = idx.reshape(-1).clamp(0, x.shape[axis] - 1)
    return torch.index_select(raw(x), axis, at).view(x.dtype).reshape(shape)


def _scatter(
    x: Tensor, idx: Tensor, u: Tensor, axis: int, mode: str, out: Tensor | None = None
) -> Tensor:
    """Outside the axis nothing is written; of repeated indices the last ``set`` wins."""
    n = x.shape[axis]
    if n == 0 or idx.numel() == 0 or u.numel() == 0:
        return x if out is x else x.clone()
    at = idx.reshape(-1)
    rows = u.reshape(*u.shape[:axis], at.numel(), *u.shape[axis + idx.ndim :])
    if mode == "set":
        res = raw(x) if out is x else raw(x).clone()
        return _set(res, at, raw(rows), axis).view(x.dtype)
    if mode == "add":
        y = raw(x) if x.dtype in UNSIGNED else x.to(accumulated(x))
        rows = raw(rows) if x.dtype in UNSIGNED else rows.to(y.dtype)
        y = y.clone() if y is x or x.dtype in UNSIGNED else y
        y = _add(y, at, rows, axis)
        return y.view(x.dtype) if x.dtype in UNSIGNED else narrow(y, x.dtype)
    if mode == "mul" and x.dtype in UNSIGNED:
        y = _combined(raw(x), at, raw(rows), axis, mode)
        return y.view(x.dtype)
    if mode == "mul":
        wide = accumulated(x)
        y = _combined(x.to(wide), at, rows.to(wide), axis, mode)
        return narrow(y, x.dtype)
    if x.dtype == torch.bool:
        y = _combined(x.to(torch.uint8), at, rows.to(torch.uint8), axis, mode)
        return y != 0
    y = _combined(ordered(x), at, ordered(rows), axis, mode)
    return unordered(y, x.dtype)


def _inside(at: Tensor, rows: Tensor, axis: int, n: int) -> tuple[Tensor, Tensor]:
    """Indices in the axis, and their rows. The host waits for the indices."""
    keep = (at >= 0) & (at < n)
    if bool(keep.all()):
        return at, rows
    kept = keep.nonzero().reshape(-1)
    return at[kept], torch.index_select(rows, axis, kept)


def _set(y: Tensor, at: Tensor, rows: Tensor, axis: int) -> Tensor:
    n = y.shape[axis]
    if y.device.type == "cpu":  # in the order of the indices
        at, rows = _inside(at, rows, axis, n)
        return y.index_copy_(axis, at.long(), rows)
    # elsewhere in any order: each place takes the last row that is for it
    place = torch.arange(at.numel(), device=y.device)
    bin_ = torch.where((at >= 0) & (at < n), at, n).long()
    last = torch.full((n + 1,), -1, dtype=torch.int64, device=y.device)
    last = last.scatter_reduce(0, bin_, place, "amax")[:n]
    new = torch.index_select(rows, axis, last.clamp(min=0))
    hit = (last >= 0).reshape(n, *(1,) * (y.ndim - axis - 1))
    return y.copy_(torch.where(hit, new, y))


def _add(y: Tensor, at: Tensor, rows: Tensor, axis: int) -> Tensor:
    at, rows = _inside(at, rows, axis, y.shape[axis])
    if y.device.type == "cpu":
        return y.index_add_(axis, at, rows)
    key = (*(slice(None),) * axis, at.long())
    return y.index_put_(key, rows, accumulate=True)  # sorted, unlike index_add_


def _combined(y: Tensor, at: Tensor, rows: Tensor, axis: int, mode: str) -> Tensor:
    at, rows = _inside(at, rows, axis, y.shape[axis])
    if y.dtype.is_complex:
        return _product(y.clone(), at, rows, axis)
    return torch.index_reduce(y, axis, at, rows, _REDUCE[mode])


def _product(y: Tensor, at: Tensor, rows: Tensor, axis: int) -> Tensor:
    """Of complex numbers: one row after another."""
    for i, j in enumerate(at.tolist()):
        y.select(axis, j).mul_(rows.select(axis, i))
    return y


FORMS: dict[str, Callable[..., Any]] = {"gather": _gather, "scatter": _scatter}
