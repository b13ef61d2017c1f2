"""Movement and creation in torch: views where they can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ..dtypes import FLOAT8, OURS, TORCH, UNSIGNED, raw, tensor_of
from .common import Tensor, moving


def pad(x: Tensor, value: Tensor, pads: Any) -> Tensor:
    """(low, high, interior) of each axis; what is negative cuts."""
    if not any(inner for _, _, inner in pads):
        flat = [n for lo, hi, _ in reversed(pads) for n in (lo, hi)]
        fits = all(n + lo >= 0 and n + hi >= 0 for n, (lo, hi, _) in _sized(x, pads))
        if fits and value.device.type == "cpu" and x.dtype not in _EXACT:
            return functional.pad(x, flat, value=value.item())
    return _placed(x, value, pads)


# what a Python float does not hold
_EXACT = (torch.int64, torch.complex64, torch.complex128)


def _sized(x: Tensor, pads: Any) -> Any:
    return zip(x.shape, pads, strict=True)


def _placed(x: Tensor, value: Tensor, pads: Any) -> Tensor:
    """What is left of ``x``, written into a tensor filled with the value."""
    dst, src, shape = [], [], []
    for n, (lo, hi, inner) in _sized(x, pads):
        k = inner + 1
        m = lo + max(n + (n - 1) * inner, 0) + hi
        first = -(lo // k) if lo < 0 else 0  # first element that is inside
        last = max(min(n, (m - lo - 1) // k + 1) if m - lo > 0 else 0, first)
        at = lo + first * k
        src.append(slice(first, last))
        dst.append(slice(at, at + (last - first - 1) * k + 1, k))
        shape.append(m)
    out = value.expand(shape).clone(memory_format=torch.contiguous_format)
    if all(s.stop > s.start for s in src):
        out[tuple(dst)] = x[tuple(src)]
    return out


def _pad(x: Tensor, value: Tensor, pads: Any) -> Tensor:
    return pad(raw(x), raw(value), pads).view(x.dtype)


def _slice(x: Tensor, start: Any, stop: Any, step: Any) -> Tensor:
    for axis, (n, i, j, k) in enumerate(zip(x.shape, start, stop, step, strict=True)):
        if i or j != n or k != 1:
            x = torch.ops.aten.slice(x, axis, i, max(i, j), k)
    return x


def _concat(*xs: Tensor, axis: int) -> Tensor:
    return torch.cat([raw(x) for x in xs], axis).view(xs[0].dtype)


def full(shape: Any, value: Any, dtype: Any, where: torch.device) -> Tensor:
    """The value wraps and rounds as NumPy's fill does."""
    to = TORCH[dtype]
    if to in UNSIGNED or to in FLOAT8:
        scalar = np.empty((), dtype.dtype)
        scalar.fill(value)
        one = raw(tensor_of(scalar, dtype)).item()
        signed = raw(torch.empty((), dtype=to)).dtype
        return torch.full(shape, one, dtype=signed, device=where).view(to)
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.item()
    if dtype.category == "int":
        scalar = np.empty((), dtype.dtype)
        scalar.fill(value)
        value = scalar.item()
    return torch.full(shape, value, dtype=to, device=where)


def iota(n: int, dtype: Any, where: torch.device) -> Tensor:
    to = TORCH[dtype]
    if to in (torch.int32, torch.int64, torch.float64):
        return torch.arange(n, dtype=to, device=where)
    from .elementwise import cast

    return cast(torch.arange(n, device=where), dtype)


def aval_dtype(x: Tensor) -> Any:
    return OURS[x.dtype]


FORMS: dict[str, Callable[..., Any]] = {
    "reshape": lambda x, shape: x.reshape(shape),
    "permute": lambda x, axes: x.permute(axes),
    "broadcast": lambda x, shape: x.expand(shape),
    "pad": _pad,
    "slice": _slice,
    "flip": moving(lambda x, axes: torch.flip(x, axes)),
    "concat": _concat,
}
