"""NumPy lowerings of gather and scatter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._dtypes import accumulate_dtype, as_dtype
from .quiet import quiet

_AT = {
    "add": np.add.at,
    "mul": np.multiply.at,
    "max": np.maximum.at,
    "min": np.minimum.at,
}


def _gather(
    dev: Any, x: np.ndarray, idx: np.ndarray, axis: int, out: Any = None
) -> np.ndarray:
    return np.asarray(np.take(x, idx, axis=axis, mode="clip", out=out))


def _scatter(
    dev: Any,
    x: np.ndarray,
    idx: np.ndarray,
    u: np.ndarray,
    axis: int,
    mode: str,
    out: Any = None,
) -> np.ndarray:
    """Writes in index order: of repeated indices the last ``set`` wins."""
    dtype, ndim = x.dtype, idx.ndim
    wide = accumulate_dtype(as_dtype(dtype)).dtype
    res = out
    if out is None or (mode != "set" and wide != dtype) or not out.flags.c_contiguous:
        res = np.array(x, dtype=dtype if mode == "set" else wide, order="C")
    elif out is not x:
        out[...] = x
    at = idx.reshape(-1)
    shape = (*u.shape[:axis], at.size, *u.shape[axis + ndim :])
    rows = u.reshape(shape)
    inside = (at >= 0) & (at < x.shape[axis])
    if not inside.all():
        at, rows = at[inside], np.compress(inside, rows, axis=axis)
    target = np.moveaxis(res, axis, 0)
    rows = np.moveaxis(rows, axis, 0)
    if mode == "set":
        target[at] = rows
    elif at.size:
        _AT[mode](target, at, rows.astype(wide, copy=False))
    return res.astype(dtype, copy=False)


LOWERINGS: dict[str, Callable[..., Any]] = {
    "gather": _gather,
    "scatter": quiet(_scatter),
}
