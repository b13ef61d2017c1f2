"""NumPy lowering of sort: stable always; NaN counts as the largest value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._dtypes import foreign


def _key(a: np.ndarray) -> np.ndarray:
    return a.astype(np.float32) if foreign(a.dtype) else a


def _sort(
    dev: Any,
    *operands: np.ndarray,
    axis: int,
    num_keys: int,
    descending: bool,
    stable: bool,
    out: Any = None,
) -> tuple[np.ndarray, ...]:
    # reversed before and after, a stable ascending sort is a stable descending one
    def turn(a: np.ndarray) -> np.ndarray:
        return np.flip(a, axis) if descending else a

    xs = [turn(a) for a in operands]
    if num_keys == 1:
        order = np.argsort(_key(xs[0]), axis=axis, kind="stable")
    else:
        order = np.lexsort([_key(a) for a in reversed(xs[:num_keys])], axis=axis)
    return tuple([turn(np.take_along_axis(a, order, axis)) for a in xs])


LOWERINGS: dict[str, Callable[..., Any]] = {"sort": _sort}
