"""Positions: taking, finding, sorting, and the values that are there."""

from __future__ import annotations

from .. import _arrange, _ops, _reduce, _sets, _sort
from .. import _take as _taking
from .._errors import ShapeError
from .._sets import UniqueAll, UniqueCounts, UniqueInverse
from .._tensor import Tensor
from ._check import ALL, BOOL, INTEGER, ORDERED, REAL, one_axis, pair_of, tensor_of


# ---------------------------------------------------------------------------- indexing
def take(x: Tensor, indices: Tensor, /, *, axis: int | None = None) -> Tensor:
    """Elements of an axis by position; those outside take the nearest element."""
    x = tensor_of("take", x)
    i = tensor_of("take", indices, INTEGER)
    return _taking.take(x, i, one_axis("take", x, axis))


def take_along_axis(x: Tensor, indices: Tensor, /, *, axis: int = -1) -> Tensor:
    """One element per index and per position on the other axes."""
    x = tensor_of("take_along_axis", x)
    return _taking.take_along_axis(
        x, tensor_of("take_along_axis", indices, INTEGER), axis
    )


# --------------------------------------------------------------------------- searching
def argmax(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Position (int32) of the first largest element."""
    return _reduce.argmax(tensor_of("argmax", x, REAL), axis, keepdims)


def argmin(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Position (int32) of the first smallest element."""
    return _reduce.argmin(tensor_of("argmin", x, REAL), axis, keepdims)


def count_nonzero(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False
) -> Tensor:
    """How many elements are not zero, as int32."""
    return _arrange.count_nonzero(tensor_of("count_nonzero", x), axis, keepdims)


def nonzero(x: Tensor, /) -> tuple[Tensor, ...]:
    """The positions (int32) of elements that are not zero; see ``hx.nonzero``."""
    return _sets.nonzero(tensor_of("nonzero", x))


def searchsorted(
    x1: Tensor,
    x2: Tensor | float,
    /,
    *,
    side: str = "left",
    sorter: Tensor | None = None,
) -> Tensor:
    """Where to insert x2 into the sorted vector x1 (``x1[sorter]``); int32."""
    a, v = pair_of("searchsorted", x1, x2, REAL)
    a = tensor_of("searchsorted", a)
    if sorter is not None and a.aval.size:
        a = _taking.take(a, tensor_of("searchsorted", sorter, INTEGER), 0)
    return _sort.searchsorted(a, v, side)


def where(condition: Tensor, x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """x1 where the condition is true, else x2."""
    c = tensor_of("where", condition, BOOL)
    return _ops.where(c, *pair_of("where", x1, x2, ALL))


# ----------------------------------------------------------------------------- sorting
def _sortable(name: str, x: Tensor) -> Tensor:
    x = tensor_of(name, x, ORDERED)
    if x.ndim == 0:
        raise ShapeError(f"[{name}] expected at least one axis; got {x.aval!r}")
    return x


def sort(
    x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True
) -> Tensor:
    """In order along an axis. Always stable; NaN counts as the largest value."""
    return _sort.sort(_sortable("sort", x), axis, descending)


def argsort(
    x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True
) -> Tensor:
    """The positions (int32) that would sort an axis."""
    return _sort.argsort(_sortable("argsort", x), axis, descending)


# -------------------------------------------------------------------------------- sets
def unique_all(x: Tensor, /) -> UniqueAll:
    """``values, indices, inverse_indices, counts``; see ``hx.unique_all``."""
    return _sets.unique_all(tensor_of("unique_all", x))


def unique_counts(x: Tensor, /) -> UniqueCounts:
    """``values, counts``."""
    return _sets.unique_counts(tensor_of("unique_counts", x))


def unique_inverse(x: Tensor, /) -> UniqueInverse:
    """``values, inverse_indices``."""
    return _sets.unique_inverse(tensor_of("unique_inverse", x))


def unique_values(x: Tensor, /) -> Tensor:
    """Each value once, ascending."""
    return _sets.unique_values(tensor_of("unique_values", x))
