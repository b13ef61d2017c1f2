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
from ._primitives.movement import slice_p
from ._shape import flip_p, permute_p, reshape_p
from ._take import take as take
from ._take import take_along_axis as take_along_axis
from ._tensor import Tensor

_WHOLE = ("int", "uint")
_PLANS: dict[Any, Any] = {}  # (shape, basic key) -> how to cut and reshape


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
    basic = _basic(key)
    if basic is None:
        if type(key) is Tensor and x.aval.shape and key.aval.dtype.category in _WHOLE:
            return take(x, key, 0)
        k = parse_key(x, key)
        y = _sliced(x, _cuts(x.aval.shape, k.items))
        if k.block is not None:
            return _gathered(y, k)
        return reshape_p(
            y, _basic_shape(k)
        )  # ints that were arrays or scalars of NumPy
    plan = _PLANS.get((x.aval.shape, basic))
    if plan is None:
        k = parse_key(x, key)
        plan = _cuts(x.aval.shape, k.items), _basic_shape(k)
        if len(_PLANS) > 20_000:  # a program that walks over every int
            _PLANS.clear()
        _PLANS[x.aval.shape, basic] = plan
    y = _sliced(x, plan[0])
    return y if y.aval.shape == plan[1] else reshape_p(y, plan[1])


def _basic(key: Any) -> Any:
    """A hashable form of a key of plain ints, slices, None and ``...``; else None."""
    if type(key) is int:
        return key
    out: list[Any] = []
    for p in key if type(key) is tuple else (key,):
        if type(p) is slice:
            ends = (p.start, p.stop, p.step)
            for e in ends:
                if e is not None and type(e) is not int:
                    return None
            out.append(ends)
        elif type(p) is int or p is None or p is Ellipsis:
            out.append(p)
        else:
            return None
    return tuple(out)


def _basic_shape(k: Key) -> tuple[int, ...]:
    return tuple([1 if a is None else len(k.items[a]) for a in k.layout])


def _cuts(shape: tuple[int, ...], items: list[Any]) -> Any:
    """``(start, stop, step, flips)`` for ranges and ints; None where all is kept.

    Ints leave an axis of size 1, arrays the whole axis.
    """
    start, stop, step, flips = [], [], [], []
    for axis, (n, item) in enumerate(zip(shape, items, strict=True)):
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
    whole = stop == list(shape) and not any(start) and all(k == 1 for k in step)
    cut = None if whole else (tuple(start), tuple(stop), tuple(step))
    return cut, tuple(flips)


def _sliced(x: Tensor, cuts: Any) -> Tensor:
    cut, flips = cuts
    if cut is not None:
        x = bind(slice_p, x, start=cut[0], stop=cut[1], step=cut[2])
    return flip_p(x, flips) if flips else x


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
