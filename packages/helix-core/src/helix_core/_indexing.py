"""Reading ``x[...]`` with NumPy's rules; ``x.at[...]`` writes (see ``_at``)."""

from __future__ import annotations

from math import prod
from typing import Any

from ._at import At as At
from ._cell import Cell
from ._index_key import IndexOutOfRange as IndexOutOfRange
from ._index_key import Key, linear_index, parse_key
from ._primitive import bind
from ._primitives.index import gather_p
from ._shape import flip_p, permute_p, reshape_p, slice_p
from ._take import take as take
from ._take import take_along_axis as take_along_axis
from ._tensor import Tensor


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
    k = parse_key(x, key)
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


def _shaped(y: Tensor, rest: list[int], k: Key) -> Tensor:
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


def _gathered(y: Tensor, k: Key) -> Tensor:
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
    idx = linear_index(k.arrays, sizes, k.block, y.device, clamp=len(axes) > 1)
    y = bind(gather_p, y, idx, axis=first)
    n = len(k.block)
    if first != before:  # the block belongs elsewhere, always further in front
        order = list(range(y.ndim))
        moved = order[first : first + n]
        del order[first : first + n]
        order[before:before] = moved
        y = permute_p(y, tuple(order))
    return _shaped(y, list(y.shape), k)
