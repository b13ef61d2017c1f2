"""NumPy lowering of cumulative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._dtypes import accumulate_dtype, as_dtype
from .quiet import quiet

_UFUNC = {
    "sum": np.add,
    "prod": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "logsumexp": np.logaddexp,
}


def _cumulative(
    dev: Any, x: np.ndarray, kind: str, axis: int, reverse: bool, out: Any = None
) -> np.ndarray:
    """16-bit floats accumulate in float32; integers wrap in their own dtype."""
    wide = accumulate_dtype(as_dtype(x.dtype)).dtype
    a = np.flip(x, axis) if reverse else x
    r = _UFUNC[kind].accumulate(a.astype(wide, copy=False), axis, dtype=wide)
    r = r.astype(x.dtype, copy=False)
    return np.flip(r, axis) if reverse else r


LOWERINGS: dict[str, Callable[..., Any]] = {"cumulative": quiet(_cumulative)}
