"""NumPy lowerings of movement and creation: views where they can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def _pad(dev: Any, a: Any, value: Any, pads: Any, out: Any = None) -> np.ndarray:
    """Allocate the result filled with the value, and write what is left of ``a``."""
    inner = tuple(p + 1 for _, _, p in pads)
    spread = [
        max(n + (n - 1) * (k - 1), 0) for n, k in zip(a.shape, inner, strict=True)
    ]
    shape = [lo + n + hi for n, (lo, hi, _) in zip(spread, pads, strict=True)]
    res = np.full(shape, value, a.dtype)
    dst, src = [], []
    for n, (lo, _, _), k, m in zip(a.shape, pads, inner, shape, strict=True):
        first = -(min(lo, 0) // k) if lo < 0 else 0  # first element that is inside
        last = min(n, (m - lo - 1) // k + 1) if m - lo > 0 else 0
        last = max(last, first)
        at = lo + first * k
        src.append(slice(first, last))
        dst.append(
            slice(at, at + (last - first - 1) * k + 1, k)
            if last > first
            else slice(0, 0)
        )
    if all(s.stop > s.start for s in src):
        res[tuple(dst)] = a[tuple(src)]
    return res


def _slice(dev: Any, a: Any, start: Any, stop: Any, step: Any, out: Any = None) -> Any:
    at = tuple(slice(i, j, k) for i, j, k in zip(start, stop, step, strict=True))
    return a[at] if at else a


def _flip(dev: Any, a: Any, axes: Any, out: Any = None) -> np.ndarray:
    return np.asarray(np.flip(a, axes)) if axes else a


def _copy_to(dev: Any, a: Any, target: Any, out: Any = None) -> Any:
    return target.backend.from_host(np.array(dev.backend.to_host(a)), target)


def _full(
    dev: Any, shape: Any, value: Any, dtype: Any, weak: bool = False, out: Any = None
) -> np.ndarray:
    res = np.empty(shape, dtype.dtype)
    res.fill(value)
    return res


LOWERINGS: dict[str, Callable[..., Any]] = {
    "identity": lambda dev, a, out=None: a,
    "stop_gradient": lambda dev, a, out=None: a,
    "reshape": lambda dev, a, shape, out=None: a.reshape(shape),
    "permute": lambda dev, a, axes, out=None: a.transpose(axes),
    "broadcast": lambda dev, a, shape, out=None: np.broadcast_to(a, shape),
    "pad": _pad,
    "slice": _slice,
    "flip": _flip,
    "concat": lambda dev, *xs, axis, out=None: np.concatenate(xs, axis, out=out),
    "copy_to": _copy_to,
    "full": _full,
    "iota": lambda dev, n, dtype, out=None: np.arange(n).astype(dtype.dtype),
}
