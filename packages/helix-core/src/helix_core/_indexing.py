"""``x[...]`` with NumPy's rules, ``x.at[...]``, and functions that move by index.

Positions known on the host (ints, slices) are checked: out of range raises. Positions
that are data (index tensors and arrays) never raise: a read takes the nearest element, a
write is dropped, on every device.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from . import _dtypes as dt
from ._aval import Aval
from ._cell import Cell
from ._create import as_tensor, tensor
from ._errors import DTypeError, HelixError, ShapeError, TraceError
from ._primitive import bind
from ._primitives._rules import broadcast_shapes, normal_axes
from ._primitives.index import gather_p, scatter_p
from ._shape import (
    broadcast_p,
    broadcast_to,
    flip_p,
    permute_p,
    reshape_p,
    slice_p,
)
from ._tensor import Tensor


class IndexOutOfRange(HelixError, IndexError):
    """An int is outside its axis, or there are more indices than axes."""


class _Key:
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


# ------------------------------------------------------------------------------ parsing
def _int_array(item: Any) -> Any:
    """An index array on the host or a tensor; ``bool`` stays bool."""
    if isinstance(item, Cell):
        item = item.value
    if isinstance(item, Tensor):
        kind = item.dtype.category
    else:
        if isinstance(item, (list, tuple)) and _has_tensor(item):
            return _int_array(tensor(item))
        host = np.asarray(item)
        if host.size == 0 and not isinstance(item, np.ndarray):
            host = host.astype(np.int32)  # [] is an empty index
        item = host
        kind = {"b": "bool", "i": "int", "u": "uint"}.get(host.dtype.kind, "other")
    if kind not in ("bool", "int", "uint"):
        raise DTypeError(
            f"[index] expected ints, slices, None, ..., or tensors of integers or bools; "
            f"got {getattr(item, 'aval', item)!r}"
        )
    return item


def _has_tensor(item: Any) -> bool:
    return any(
        isinstance(v, (Tensor, Cell)) or (isinstance(v, list) and _has_tensor(v))
        for v in item
    )


def _host_mask(m: Any) -> np.ndarray:
    if not isinstance(m, Tensor):
        return np.asarray(m)
    if m.buffer is None:
        raise TraceError(
            f"[index] expected a mask with values; got a traced {m.aval}, whose number of "
            "true elements is not known. Hint: hx.where(mask, x, other), or "
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
    return _int_array(item)


def _is_bool(item: Any) -> bool:
    return isinstance(item, (bool, np.bool_)) or (
        hasattr(item, "dtype") and dt.as_dtype(item.dtype) is dt.bool_
    )


def _consumes(item: Any) -> int:
    """How many axes of x an item takes."""
    if item is None or item is Ellipsis:
        return 0
    if _is_bool(item):
        return np.ndim(item) if not isinstance(item, Tensor) else item.ndim
    return 1


def _parse(x: Tensor, key: Any) -> _Key:
    parts = [_plain(p) for p in (key if isinstance(key, tuple) else (key,))]
    used = sum(_consumes(p) for p in parts)
    dots = [i for i, p in enumerate(parts) if p is Ellipsis]
    if len(dots) > 1 or used > x.ndim:
        why = "one ..." if len(dots) > 1 else f"at most {x.ndim} indices"
        raise IndexOutOfRange(f"[index] expected {why}; got {used} for {x.aval!r}")
    at = dots[0] if dots else len(parts)
    # the ... stays in the list: also where it stands for no axis, it separates arrays
    parts[at + 1 : at + 1] = [slice(None)] * (x.ndim - used)
    has_array = any(_is_bool(p) or hasattr(p, "dtype") for p in parts)
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
        return _Key(items, layout, arrays, None)
    if places[-1] - places[0] >= len(places):  # not neighbours: to the front
        layout.remove("block")
        layout.insert(0, "block")
    return _Key(items, layout, arrays, _broadcast(shapes))


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
        return [_wrap(np.asarray(_checked(x, p, axis)), x.shape[axis], x.device)]
    if not _is_bool(p):
        shapes.append(tuple(p.shape))
        return [_wrap(p, x.shape[axis], x.device)]
    mask = _host_mask(p)
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
    return [_wrap(a, x.shape[axis + i], x.device) for i, a in enumerate(found)]


def _broadcast(shapes: list[Any]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(
            "[index] expected index arrays that broadcast; got shapes "
            + ", ".join(map(str, shapes))
        ) from None


def _wrap(a: Any, n: int, device: Any) -> Any:
    """Negative positions count from the end; int32 or int64."""
    if not isinstance(a, Tensor):
        if a.dtype.kind == "u" and a.dtype.itemsize == 8:
            a = np.minimum(a, np.uint64(2**63 - 1))
        a = a.astype(np.int64)
        a = np.where(a < 0, np.maximum(a + n, -1), np.minimum(a, n))
        return a if n >= 2**31 else a.astype(np.int32)
    from ._ops import add, cast, lt, where

    if a.dtype.category == "uint":
        return cast(a, dt.int32 if a.dtype.itemsize < 4 else dt.int64)
    if a.dtype not in (dt.int32, dt.int64):
        a = cast(a, dt.int32)
    if n >= 2**31:
        a = cast(a, dt.int64)
    return where(lt(a, 0), add(a, n), a)


# ------------------------------------------------------------------------------ reading
def getitem(x: Any, key: Any) -> Tensor:
    """``x[key]``: ints, slices, None, ``...``, masks and index arrays, as in NumPy.

    Raises
    ------
    IndexOutOfRange
        For an int outside its axis, or too many indices.
    TraceError
        For a mask without a value: the shape of the result would depend on it.
    """
    x = x.value if isinstance(x, Cell) else x
    k = _parse(x, key)
    y = _sliced(x, k.items)
    if k.block is not None:
        return _gathered(y, k)
    kept = [n for n, i in zip(y.shape, k.items, strict=True) if type(i) is not int]
    return _shaped(y, kept, k)


def _sliced(x: Tensor, items: list[Any]) -> Tensor:
    """Every range and int applied; ints leave an axis of size 1."""
    start, stop, step, flips = [], [], [], []
    for axis, (n, item) in enumerate(zip(x.shape, items, strict=True)):
        i, j, k = 0, n, 1
        if type(item) is int:
            i, j = item, item + 1
        elif type(item) is range:
            if len(item) == 0:
                i = j = 0
            elif item.step > 0:
                i, j, k = item.start, min(item[-1] + 1, n), item.step
            else:
                i, j, k = item[-1], item.start + 1, -item.step
                flips.append(axis)
        start.append(i)
        stop.append(j)
        step.append(k)
    if stop != list(x.shape) or any(start) or any(k != 1 for k in step):
        x = slice_p(x, start, stop, step)
    return flip_p(x, tuple(flips)) if flips else x


def _shaped(y: Tensor, rest: list[int], k: _Key) -> Tensor:
    """Insert the new axes. ``rest``: the sizes of the others."""
    sizes = iter(rest)
    shape: list[int] = []
    for axis in k.layout:
        if axis is None:
            shape.append(1)
        elif axis == "block":
            shape += [next(sizes) for _ in k.block or ()]
        else:
            shape.append(next(sizes))
    return y if tuple(shape) == y.shape else reshape_p(y, tuple(shape))


def _gathered(y: Tensor, k: _Key) -> Tensor:
    """Index arrays applied to what is left of the slices."""
    assert k.block is not None
    axes = [i for i, item in enumerate(k.items) if type(item) is tuple]
    before = sum(a is not None for a in k.layout[: k.layout.index("block")])
    first = axes[0] if axes else before
    if axes and axes[-1] - first >= len(axes):
        y = permute_p(y, (*axes, *[i for i in range(y.ndim) if i not in axes]))
        first = 0
    sizes = y.shape[first : first + len(axes)]
    merged = (*y.shape[:first], prod(sizes), *y.shape[first + len(axes) :])
    if merged != y.shape:
        y = reshape_p(y, merged)
    idx = _linear(k.arrays, sizes, k.block, y.device, clamp=len(axes) > 1)
    y = bind(gather_p, y, idx, axis=first)
    n = len(k.block)
    if first != before:  # the block belongs elsewhere, always further in front
        order = list(range(y.ndim))
        moved = order[first : first + n]
        del order[first : first + n]
        order[before:before] = moved
        y = permute_p(y, tuple(order))
    return _shaped(y, list(y.shape), k)


def _linear(
    arrays: list[Any], sizes: Sequence[int], block: tuple[int, ...], device: Any, clamp: bool
) -> Tensor:
    """One position per element of the block, in the row-major product of the sizes.

    With ``clamp`` each position is clamped; else one outside its axis makes the whole -1.
    """
    from . import _ops as ops

    width = dt.int32 if prod(sizes) < 2**31 else dt.int64
    if all(not isinstance(a, Tensor) for a in arrays):
        flat = np.zeros(block, np.int64)
        bad = np.zeros(block, bool)
        for a, n in zip(arrays, sizes, strict=True):
            bad = bad | (a < 0) | (a >= n)
            flat = flat * n + (np.clip(a, 0, max(n - 1, 0)) if clamp else a)
        if len(arrays) > 1 and not clamp:
            flat = np.where(bad, -1, flat)
        return tensor(np.broadcast_to(flat, block).astype(width.dtype), device=device)
    out: Any = None
    good: Any = None
    for a, n in zip(arrays, sizes, strict=True):
        t = ops.cast(as_tensor(a, device=None if isinstance(a, Tensor) else device), width)
        if len(arrays) > 1:
            if not clamp:
                ok = ops.logical_and(ops.le(0, t), ops.lt(t, n))
                good = ok if good is None else ops.logical_and(good, ok)
            t = ops.clip(t, 0, max(n - 1, 0))
        out = t if out is None else ops.add(ops.mul(out, n), t)
    if good is not None:
        out = ops.where(good, out, -1)
    return broadcast_p(out, block)


# ------------------------------------------------------------------------------ writing
class At:
    """``x.at[key]``: the tensor with some of its elements replaced.

    ``set``, ``add``, ``multiply``, ``max``, ``min`` return a new tensor; ``get`` reads.
    Values are broadcast to the shape of ``x[key]`` and cast to the dtype of x. Of
    repeated indices the last ``set`` wins and the others get zero gradient; ``add`` and
    the others apply every one. Positions outside are dropped.

    >>> import helix_core as hx
    >>> hx.zeros((3,)).at[hx.tensor([0, 0, 2])].add(1.0).tolist()
    [2.0, 0.0, 1.0]
    """

    __slots__ = ("_key", "_x")

    def __init__(self, x: Tensor, key: Any = None) -> None:
        self._x = x
        self._key = key

    def __getitem__(self, key: Any) -> At:
        return At(self._x, (key,) if not isinstance(key, tuple) else key)

    def get(self) -> Tensor:
        """``x[key]``."""
        return getitem(self._x, self._chosen())

    def set(self, value: Any) -> Tensor:
        """With the elements replaced."""
        return _write(self._x, self._chosen(), value, "set")

    def add(self, value: Any) -> Tensor:
        """With the value added; once for each time that an index occurs."""
        return _write(self._x, self._chosen(), value, "add")

    def multiply(self, value: Any) -> Tensor:
        """With the elements multiplied by the value."""
        return _write(self._x, self._chosen(), value, "mul")

    def max(self, value: Any) -> Tensor:
        """With the larger of element and value."""
        return _write(self._x, self._chosen(), value, "max")

    def min(self, value: Any) -> Tensor:
        """With the smaller of element and value."""
        return _write(self._x, self._chosen(), value, "min")

    def _chosen(self) -> tuple[Any, ...]:
        if self._key is None:
            raise TypeError("[at] expected an index first. Hint: x.at[i].set(value)")
        return self._key  # type: ignore[no-any-return]


_RANK = {"bool": 0, "uint": 1, "int": 1, "float": 2, "complex": 3}


def _value_for(x: Tensor, value: Any) -> Tensor:
    from ._ops import cast, operand

    v = operand(value)
    v = v if isinstance(v, Tensor) else tensor(v, device=x.device)
    if _RANK[v.dtype.category] > _RANK[x.dtype.category]:
        raise DTypeError(
            f"[at] expected a value that fits {x.dtype}; got {v.aval!r}. "
            f"Hint: value.astype({x.dtype.name!r}), or cast x first"
        )
    return cast(v, x.dtype)


_COMBINE = {
    "set": lambda x, v: v,
    "add": lambda x, v: _ops().add_p(x, v),
    "mul": lambda x, v: _ops().mul_p(x, v),
    "max": lambda x, v: _ops().max_p(x, v),
    "min": lambda x, v: _ops().min_p(x, v),
}


def _ops() -> Any:
    from . import _ops as ops

    return ops


def _write(x: Tensor, key: tuple[Any, ...], value: Any, mode: str) -> Tensor:
    v = _value_for(x, value)
    mask = _one_mask(x, key)
    if mask is not None and v.ndim <= x.ndim - mask.ndim:
        # one value per true element: no need to know which they are
        mask = reshape_p(mask, (*mask.shape, *(1,) * (x.ndim - mask.ndim)))
        new = broadcast_to(_COMBINE[mode](x, v), x.shape)
        return _ops().where(mask, new, x)  # type: ignore[no-any-return]
    k = _parse(x, key)
    block = k.block or ()
    shape = []
    for axis in k.layout:
        if axis == "block":
            shape += block
        else:
            shape.append(1 if axis is None else len(k.items[axis]))
    v = _spread(v, tuple(shape), x)
    order = [a for a in k.layout if a is not None]
    sizes = [block if a == "block" else (len(k.items[a]),) for a in order]
    v = reshape_p(v, tuple(n for part in sizes for n in part))
    return _scattered(x, k, v, order, mode)


def _one_mask(x: Tensor, key: tuple[Any, ...]) -> Any:
    """The mask, where the key is one boolean tensor and nothing else."""
    parts = [p.value if isinstance(p, Cell) else p for p in key if p is not Ellipsis]
    if len(parts) != 1 or key[0] is Ellipsis:
        return None
    m = parts[0]
    if isinstance(m, np.ndarray) and m.dtype == np.bool_:
        m = tensor(m, device=x.device)
    if not isinstance(m, Tensor) or m.dtype is not dt.bool_ or m.ndim == 0:
        return None
    return m if m.shape == x.shape[: m.ndim] else None


def _spread(v: Tensor, shape: tuple[int, ...], x: Tensor) -> Tensor:
    extra = v.ndim - len(shape)
    if extra > 0 and all(n == 1 for n in v.shape[:extra]):
        v = reshape_p(v, v.shape[extra:])
    try:
        return broadcast_to(v, shape)
    except ShapeError:
        raise ShapeError(
            f"[at] expected a value that broadcasts to {shape}, the shape of x[key]; got "
            f"{v.aval!r} for x of {x.aval!r}"
        ) from None


def _scattered(x: Tensor, k: _Key, v: Tensor, order: list[Any], mode: str) -> Tensor:
    """Index every axis that the key cuts, merge these axes, and scatter along them."""
    cut = [
        i
        for i, (n, item) in enumerate(zip(x.shape, k.items, strict=True))
        if type(item) is not range or item != range(n)
    ]
    sliced = [i for i in cut if type(k.items[i]) is range]
    whole = [i for i in range(x.ndim) if i not in cut]
    if not cut and k.block is None:
        return broadcast_to(_COMBINE[mode](x, v), x.shape)
    together = bool(cut) and cut == list(range(cut[0], cut[0] + len(cut)))
    before = [i for i in whole if together and i < cut[0]]
    after = [i for i in whole if i not in before]
    # the value: whole axes in front, block, cut slices, whole axes behind
    n = len(k.block or ())
    start: dict[Any, int] = {}
    for a in order:
        start[a] = sum(n if b == "block" else 1 for b in start)
    axes = [start[a] for a in before]
    axes += range(start["block"], start["block"] + n) if "block" in start else []
    axes += [start[a] for a in (*sliced, *after)]
    if axes != list(range(v.ndim)):
        v = permute_p(v, tuple(axes))
    perm = (*before, *cut, *after)
    y = x if perm == tuple(range(x.ndim)) else permute_p(x, perm)
    sizes = [x.shape[i] for i in cut]
    at = len(before)
    moved = y.shape
    y = reshape_p(y, (*moved[:at], prod(sizes), *moved[at + len(cut) :]))
    arrays, block = _cut_indices(k, cut, sliced)
    idx = _linear(arrays, sizes, block, x.device, clamp=False)
    y = bind(scatter_p, y, idx, v, axis=at, mode=mode)
    y = reshape_p(y, moved)
    inverse = tuple(sorted(range(x.ndim), key=perm.__getitem__))
    return y if inverse == tuple(range(x.ndim)) else permute_p(y, inverse)


def _cut_indices(k: _Key, cut: list[int], sliced: list[int]) -> tuple[list[Any], Any]:
    """Per cut axis its positions, shaped to broadcast to (block, slices)."""
    n, m = len(k.block or ()), len(sliced)
    lengths = tuple(len(k.items[i]) for i in sliced)
    out: list[Any] = []
    for i in cut:
        item = k.items[i]
        if type(item) is int:
            out.append(np.asarray(item))
        elif type(item) is range:
            view = [1] * (n + m)
            view[n + sliced.index(i)] = len(item)
            out.append(np.fromiter(item, np.int64, len(item)).reshape(view))
        else:
            a = k.arrays[item[1]]
            shape = (*a.shape, *(1,) * m)
            out.append(a.reshape(shape) if m else a)
    return out, (*(k.block or ()), *lengths)


# ------------------------------------------------------------------------- user functions
def _positions(name: str, idx: Any, n: int, device: Any) -> Any:
    a = _int_array(idx)
    if _is_bool(a):
        raise DTypeError(f"[{name}] expected integer indices; got bools")
    a = _wrap(a, n, device)
    return a if isinstance(a, Tensor) else tensor(a, device=device)


def _axis(name: str, x: Tensor, axis: int) -> int:
    return normal_axes(name, (operator.index(axis),), x.ndim)[0]


def _in(x: Any) -> Tensor:
    from ._ops import operand

    return as_tensor(operand(x))


def take(x: Any, indices: Any, axis: int | None = None) -> Tensor:
    """Elements of an axis (of the flattened tensor by default) by position.

    Parameters
    ----------
    x : Tensor
    indices : Tensor, array or int
        Negative ones count from the end; those outside take the nearest element.
    axis : int, optional

    Returns
    -------
    Tensor
        Shape of x with the axis replaced by the shape of the indices.
    """
    x = _in(x)
    if axis is None:
        x, axis = reshape_p(x, (x.aval.size,)), 0
    axis = _axis("take", x, axis)
    idx = _positions("take", indices, x.shape[axis], x.device)
    return bind(gather_p, x, idx, axis=axis)  # type: ignore[no-any-return]


def take_along_axis(x: Any, indices: Any, axis: int = -1) -> Tensor:
    """One element per index and per position on the other axes.

    ``indices`` has as many axes as x, and broadcasts with x except along the axis.
    """
    from . import _ops as ops

    x = _in(x)
    axis = _axis("take_along_axis", x, axis)
    idx = _positions("take_along_axis", indices, x.shape[axis], x.device)
    if idx.ndim != x.ndim:
        raise ShapeError(
            f"[take_along_axis] expected indices with {x.ndim} axes; got {idx.aval!r} "
            f"for {x.aval!r}"
        )
    n = x.shape[axis]
    one = [Aval((*t.shape[:axis], 1, *t.shape[axis + 1 :]), dt.int32) for t in (x, idx)]
    rest = broadcast_shapes("take_along_axis", *one)
    wide = (*rest[:axis], n, *rest[axis + 1 :])
    idx = broadcast_p(idx, (*rest[:axis], idx.shape[axis], *rest[axis + 1 :]))
    x = broadcast_p(x, wide)
    last = x.ndim - 1
    rows = ops.swapaxes(x, axis, last)
    idx = ops.swapaxes(idx, axis, last)
    count = prod(rows.shape[:-1])
    width = dt.int32 if count * max(n, 1) < 2**31 else dt.int64
    offset = ops.arange(count, dtype=width, device=x.device) * n
    offset = ops.reshape_p(offset, (*rows.shape[:-1], 1))
    idx = ops.add_p(ops.cast(ops.clip(idx, 0, max(n - 1, 0)), width), offset)
    y = bind(gather_p, reshape_p(rows, (count * n,)), idx, axis=0)
    return ops.swapaxes(y, axis, last)

