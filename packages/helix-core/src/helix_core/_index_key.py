"""Parsing of ``x[key]``: what each axis of x and of the result is.

Positions known on the host (ints, slices) are checked: out of range raises. Positions
that are data (index tensors and arrays) never raise: a read takes the nearest element,
a write is dropped, on every device.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from . import _dtypes as dt
from ._cell import Cell
from ._create import tensor
from ._errors import DTypeError, HelixError, ShapeError, TraceError
from ._shape import broadcast_p
from ._state import STATE
from ._tensor import Tensor


class IndexOutOfRange(HelixError, IndexError):
    """An int is outside its axis, or there are more indices than axes."""


class Key:
    """A parsed index.

    ``items``: per axis of x an int, a ``range`` (a slice), or ``("array", k)``.
    ``layout``: what the axes of the result are: a sliced axis of x by its number, a new
    one as None, and ``"block"`` for the axes that the index arrays broadcast to.
    """

    __slots__ = ("arrays", "block", "items", "layout")

    def __init__(self, items: Any, layout: Any, arrays: Any, block: Any) -> None:
        self.items: list[Any] = items
        self.layout: list[Any] = layout
        self.arrays: list[Any] = arrays  # on the host or tensors; wrapped
        self.block: tuple[int, ...] | None = block  # None without arrays


def index_array(item: Any) -> Any:
    """An index array on the host, or a tensor; ``bool`` stays bool."""
    if isinstance(item, Cell):
        item = item.value
    if isinstance(item, (list, tuple)) and _has_tensor(item):
        item = tensor(item)
    if isinstance(item, Tensor):
        if type(item.buffer) is np.ndarray and STATE.get().trace is None:
            item = item.buffer  # in host memory: no need to ask the device
    elif not isinstance(item, np.ndarray):
        item = np.asarray(item)
        item = item if item.size else item.astype(np.int32)  # [] is an empty index
    dtype = item.aval.dtype.dtype if isinstance(item, Tensor) else item.dtype
    if dtype.kind not in "biu":
        raise DTypeError(
            f"[index] expected ints, slices, None, ..., or tensors of integers or "
            f"bools; got {getattr(item, 'aval', item)!r}"
        )
    return item


def _has_tensor(item: Any) -> bool:
    return any(
        isinstance(v, (Tensor, Cell)) or (isinstance(v, list) and _has_tensor(v))
        for v in item
    )


def host_mask(m: Any) -> np.ndarray:
    if not isinstance(m, Tensor):
        return np.asarray(m)
    if m.buffer is None:
        raise TraceError(
            f"[index] expected a mask with values; got a traced {m.aval}, whose number "
            "of true elements is not known. Hint: hx.where(mask, x, other), or "
            "x.at[mask].set(value) with one value"
        )
    return np.asarray(m.device.backend.to_host(m.buffer))


def _plain(item: Any) -> Any:
    """An int for ints that are known now, the item itself for anything else."""
    if item is None or item is Ellipsis or isinstance(item, (slice, bool, np.bool_)):
        return item
    if isinstance(item, (int, np.integer)):
        return int(item)
    if isinstance(item, np.ndarray) and item.ndim == 0 and item.dtype.kind in "iu":
        return int(item)
    return index_array(item)


def is_bool(item: Any) -> bool:
    return isinstance(item, (bool, np.bool_)) or (
        hasattr(item, "dtype") and dt.as_dtype(item.dtype) is dt.bool_
    )


def _consumes(item: Any) -> int:
    """How many axes of x an item takes."""
    if item is None or item is Ellipsis:
        return 0
    if is_bool(item):
        return np.ndim(item) if not isinstance(item, Tensor) else item.ndim
    return 1


def parse_key(x: Tensor, key: Any) -> Key:
    parts = [_plain(p) for p in (key if isinstance(key, tuple) else (key,))]
    used = sum(_consumes(p) for p in parts)
    dots = [i for i, p in enumerate(parts) if p is Ellipsis]
    if len(dots) > 1 or used > x.ndim:
        why = "one ..." if len(dots) > 1 else f"at most {x.ndim} indices"
        raise IndexOutOfRange(f"[index] expected {why}; got {used} for {x.aval!r}")
    at = dots[0] if dots else len(parts)
    # the ... stays in the list: also where it stands for no axis, it separates arrays
    parts[at + 1 : at + 1] = [slice(None)] * (x.ndim - used)
    has_array = any(is_bool(p) or hasattr(p, "dtype") for p in parts)
    items: list[Any] = []
    layout: list[Any] = []
    arrays: list[Any] = []
    shapes: list[Any] = []
    places: list[int] = []
    for place, p in enumerate(parts):
        axis = len(items)
        if p is Ellipsis:
            continue
        if p is None:
            layout.append(None)
        elif isinstance(p, slice):
            items.append(range(*p.indices(x.shape[axis])))
            layout.append(axis)
        elif type(p) is int and not has_array:
            items.append(_checked(x, p, axis))
        else:
            if not places:
                layout.append("block")
            places.append(place)
            for a in _index_arrays(x, p, axis, shapes):
                items.append(("array", len(arrays)))
                arrays.append(a)
    if not places:
        return Key(items, layout, arrays, None)
    if places[-1] - places[0] >= len(places):  # not neighbours: to the front
        layout.remove("block")
        layout.insert(0, "block")
    return Key(items, layout, arrays, _broadcast(shapes))


def _checked(x: Tensor, i: int, axis: int) -> int:
    n = x.shape[axis]
    if not -n <= i < n:
        raise IndexOutOfRange(
            f"[index] expected an index in [{-n}, {n}) for axis {axis}; got {i} for "
            f"{x.aval!r}"
        )
    return i % n


def _index_arrays(x: Tensor, p: Any, axis: int, shapes: list[Any]) -> list[Any]:
    """The index arrays of one item, one per axis that it takes; notes their shape."""
    if type(p) is int:
        shapes.append(())
        return [wrap(np.asarray(_checked(x, p, axis)), x.shape[axis], x.device)]
    if not is_bool(p):
        shapes.append(tuple(p.shape))
        return [wrap(p, x.shape[axis], x.device)]
    mask = host_mask(p)
    if mask.ndim == 0:  # takes no axis, and adds one of size 1 or 0
        shapes.append((int(bool(mask)),))
        return []
    want = x.shape[axis : axis + mask.ndim]
    if mask.shape != want:
        raise ShapeError(
            f"[index] expected a mask of shape {want} at axis {axis}; got {mask.shape} "
            f"for {x.aval!r}"
        )
    found = np.nonzero(mask)
    shapes.append(found[0].shape)
    return [wrap(a, x.shape[axis + i], x.device) for i, a in enumerate(found)]


def _broadcast(shapes: list[Any]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(
            "[index] expected index arrays that broadcast; got shapes "
            + ", ".join(map(str, shapes))
        ) from None


def wrap(a: Any, n: int, device: Any) -> Any:
    """Negative positions count from the end; int32 or int64."""
    if not isinstance(a, Tensor):
        if a.dtype.itemsize > 4 or a.dtype == np.uint32:  # may not fit the result
            low = 0 if a.dtype.kind == "u" else -n - 1
            a = np.clip(a, low, min(n, np.iinfo(a.dtype).max))
        a = a.astype(np.int64 if n >= 2**31 else np.int32)
        return np.where(a < 0, a + n, a) if a.min(initial=0) < 0 else a
    from ._ops import add, cast, lt, minimum, where

    if a.dtype.category == "uint":
        if a.dtype.itemsize >= 4:
            a = minimum(a, n)
        return cast(a, dt.int32 if n < 2**31 else dt.int64)
    if a.dtype not in (dt.int32, dt.int64):
        a = cast(a, dt.int32)
    if n >= 2**31:
        a = cast(a, dt.int64)
    return where(lt(a, 0), add(a, n), a)


def linear_index(
    arrays: list[Any],
    sizes: Sequence[int],
    block: tuple[int, ...],
    device: Any,
    clamp: bool,
) -> Tensor:
    """One position per element of the block, in the row-major product of the sizes.

    With ``clamp`` each position is clamped; else one outside its axis makes it -1.
    """
    width = dt.int32 if prod(sizes) < 2**31 else dt.int64
    if len(arrays) == 1:
        a = arrays[0]
        if not isinstance(a, Tensor):
            a = tensor(a, device=device)
        return broadcast_p(a, block)
    if any(isinstance(a, Tensor) for a in arrays):
        return _traced_index(arrays, sizes, block, device, clamp, width)
    flat = np.zeros(block, np.int64)
    bad = np.zeros(block, bool)
    for a, n in zip(arrays, sizes, strict=True):
        if clamp:
            a = np.clip(a, 0, max(n - 1, 0))
        bad = bad | (a < 0) | (a >= n)
        flat = flat * n + a
    if not clamp:
        flat = np.where(bad, -1, flat)
    return tensor(flat.astype(width.dtype), device=device)


def _traced_index(
    arrays: list[Any],
    sizes: Sequence[int],
    block: tuple[int, ...],
    device: Any,
    clamp: bool,
    width: Any,
) -> Tensor:
    from . import _ops as ops

    out: Any = None
    good: Any = None
    for a, n in zip(arrays, sizes, strict=True):
        t = ops.cast(a if isinstance(a, Tensor) else tensor(a, device=device), width)
        if not clamp:
            ok = ops.logical_and(ops.le(0, t), ops.lt(t, n))
            good = ok if good is None else ops.logical_and(good, ok)
        t = ops.clip(t, 0, max(n - 1, 0))
        out = t if out is None else ops.add(ops.mul(out, n), t)
    if good is not None:
        out = ops.where(good, out, -1)
    return broadcast_p(out, block)
