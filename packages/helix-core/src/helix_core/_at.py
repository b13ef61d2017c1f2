"""``x.at[key]``: a tensor with some of its elements replaced."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from . import _dtypes as dt
from . import _ops as ops
from ._cell import Cell
from ._create import tensor
from ._errors import DTypeError, ShapeError
from ._index_key import Key, linear_index, parse_key
from ._primitive import bind
from ._primitives.index import scatter_p
from ._shape import broadcast_to, permute_p, reshape_p
from ._tensor import Tensor


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
        from ._indexing import getitem

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
        return self._key


_RANK = {"bool": 0, "uint": 1, "int": 1, "float": 2, "complex": 3}


def _value_for(x: Tensor, value: Any) -> Tensor:
    v = ops.operand(value)
    ops.check_scalar(v, x.dtype)
    dtype = v.dtype if isinstance(v, Tensor) else dt.as_dtype(type(v))
    if _RANK[dtype.category] > _RANK[x.dtype.category]:
        raise DTypeError(
            f"[at] expected a value that fits {x.dtype}; got {getattr(v, 'aval', v)!r}. "
            f"Hint: value.astype({x.dtype.name!r}), or cast x first"
        )
    if not isinstance(v, Tensor):  # recorded by a trace, not a constant of it
        return ops.full((), v, x.dtype, x.device)
    return ops.cast(v, x.dtype)


def _combined(mode: str, x: Tensor, v: Tensor) -> Any:
    if mode == "set":
        return v
    pairs = {"add": ops.add_p, "mul": ops.mul_p, "max": ops.max_p, "min": ops.min_p}
    return pairs[mode](x, v)


def _write(x: Tensor, key: tuple[Any, ...], value: Any, mode: str) -> Tensor:
    v = _value_for(x, value)
    mask = _one_mask(x, key)
    if mask is not None and v.ndim <= x.ndim - mask.ndim:
        # one value per true element: no need to know which they are
        v = _spread(v, x.shape[mask.ndim :], x)
        mask = reshape_p(mask, (*mask.shape, *(1,) * (x.ndim - mask.ndim)))
        new = broadcast_to(_combined(mode, x, v), x.shape)
        return ops.where(mask, new, x)
    k = parse_key(x, key)
    block = k.block or ()
    shape: list[int] = []
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
            f"[at] expected a value that broadcasts to {shape}, the shape of x[key]; "
            f"got {v.aval!r} for x of {x.aval!r}"
        ) from None


def _scattered(x: Tensor, k: Key, v: Tensor, order: list[Any], mode: str) -> Tensor:
    """Index every axis that the key cuts, merge these axes, and scatter along them."""
    cut = [
        i
        for i, (n, item) in enumerate(zip(x.shape, k.items, strict=True))
        if type(item) is not range or item != range(n)
    ]
    sliced = [i for i in cut if type(k.items[i]) is range]
    whole = [i for i in range(x.ndim) if i not in cut]
    if not cut and k.block is None:
        return broadcast_to(_combined(mode, x, v), x.shape)
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
    idx = linear_index(arrays, sizes, block, x.device, clamp=False)
    y = bind(scatter_p, y, idx, v, axis=at, mode=mode)
    y = reshape_p(y, moved)
    inverse = tuple(sorted(range(x.ndim), key=perm.__getitem__))
    return y if inverse == tuple(range(x.ndim)) else permute_p(y, inverse)


def _cut_indices(k: Key, cut: list[int], sliced: list[int]) -> tuple[list[Any], Any]:
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
