"""Functions whose result has as many elements as the data says: they read the values.

Inside a trace they raise, because a plan is for one shape.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ._create import as_tensor, tensor
from ._dtypes import foreign
from ._errors import ShapeError, TraceError
from ._ops import operand
from ._shape import reshape_p
from ._take import take
from ._tensor import Tensor


class UniqueAll(NamedTuple):
    """What `unique_all` returns."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """What `unique_counts` returns."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """What `unique_inverse` returns."""

    values: Tensor
    inverse_indices: Tensor


def host_values(name: str, x: Any) -> tuple[Tensor, np.ndarray]:
    """The tensor, and its values on the host; they may share memory.

    Raises
    ------
    TraceError
        Inside a trace, where there are no values.
    """
    t = as_tensor(operand(x))
    if t.buffer is None:
        raise TraceError(
            f"[{name}] expected a tensor with values, because the shape of the result "
            f"depends on them; got a traced tensor {t.aval}. Hint: call it outside the "
            "traced function, or keep the shape with hx.where(mask, x, 0)"
        )
    return t, t.device.backend.to_host(t.buffer)


def _place(a: np.ndarray, x: Tensor) -> Tensor:
    """Positions and counts as int32, on the device of x."""
    wide = a.size and a.max() > np.iinfo(np.int32).max
    return tensor(a.astype(np.int64 if wide else np.int32), device=x.device)


def nonzero(x: Any) -> tuple[Tensor, ...]:
    """The positions (int32) of true elements in row-major order, one vector per axis.

    Raises
    ------
    ShapeError
        For a 0-d tensor.
    TraceError
        Inside a trace: the number of positions depends on the values.
    """
    x, a = host_values("nonzero", x)
    if x.ndim == 0:
        raise ShapeError(f"[nonzero] expected at least one axis; got {x.aval!r}")
    return tuple([_place(i, x) for i in np.nonzero(a)])


def _unique(name: str, x: Any) -> tuple[Tensor, np.ndarray, np.ndarray, np.ndarray]:
    x, a = host_values(name, x)
    if foreign(a.dtype):
        a = a.astype(np.float32)
    _, first, inverse, counts = np.unique(
        a, return_index=True, return_inverse=True, return_counts=True, equal_nan=False
    )
    return x, first, inverse.reshape(x.shape), counts


def _values(x: Tensor, first: np.ndarray) -> Tensor:
    if not first.size:
        return tensor(np.zeros(0, x.dtype.dtype), device=x.device)
    return take(reshape_p(x, (x.aval.size,)), first)


def unique_values(x: Any) -> Tensor:
    """Each value once, ascending; every NaN counts as a value of its own.

    >>> import helix_core as hx
    >>> unique_values(hx.tensor([3, 1, 3])).tolist()
    [1, 3]
    """
    x, first, _, _ = _unique("unique_values", x)
    return _values(x, first)


def unique_counts(x: Any) -> UniqueCounts:
    """Each value once, and how often it occurs (int32)."""
    x, first, _, counts = _unique("unique_counts", x)
    return UniqueCounts(_values(x, first), _place(counts, x))


def unique_inverse(x: Any) -> UniqueInverse:
    """Each value once, and for every element the place of its value (int32)."""
    x, first, inverse, _ = _unique("unique_inverse", x)
    return UniqueInverse(_values(x, first), _place(inverse, x))


def unique_all(x: Any) -> UniqueAll:
    """Each value once: ``values, indices, inverse_indices, counts``.

    ``indices`` are where each value occurs first in the flattened tensor,
    ``inverse_indices`` (shape of x) where each element's value stands in ``values``.

    Raises
    ------
    TraceError
        Inside a trace: the number of values depends on the data.
    """
    x, first, inverse, counts = _unique("unique_all", x)
    return UniqueAll(
        _values(x, first), _place(first, x), _place(inverse, x), _place(counts, x)
    )
