"""``sort``: order operands along an axis by the first ones."""

from __future__ import annotations

from math import prod
from typing import Any

from .. import _dtypes as dt
from .. import _ops as ops
from .._aval import Aval
from .._errors import ShapeError
from .._primitive import bind, primitive
from ._rules import need, normal_axes, shapes
from .index import gather_p, scatter_p


def _infer(
    *avals: Aval, axis: int, num_keys: int, descending: bool, stable: bool
) -> tuple[Aval, ...]:
    if not avals or any(a.shape != avals[0].shape for a in avals):
        raise ShapeError(
            f"[sort] expected one or more operands of one shape; got {shapes(*avals)}"
        )
    if not 1 <= num_keys <= len(avals):
        raise ShapeError(
            f"[sort] expected 1 to {len(avals)} keys; got num_keys={num_keys}"
        )
    for key in avals[:num_keys]:
        need("sort", key, "bool", "int", "uint", "float")
    normal_axes("sort", (axis,), avals[0].ndim)
    return tuple([Aval(a.shape, a.dtype) for a in avals])


def _vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any, **attrs: Any) -> Any:
    """Send every cotangent back through the inverse permutation."""
    keys, axis = inputs[: attrs["num_keys"]], attrs["axis"]
    place = _flat_place(keys[0].shape, axis, keys[0].device)
    moved = bind(sort_p, *keys, place, **attrs)[-1]
    size = prod(keys[0].shape)
    flat = ops.reshape_p(moved, (size,))
    count = ops.reshape_p(place, (size,))
    # moved[p] = q says that element q came to p; its inverse says where q went
    back = bind(scatter_p, count, flat, count, axis=0, mode="set")
    grads: list[Any] = []
    for ct, w in zip(cts, wanted, strict=True):
        if not w or ct is None:
            grads.append(None)
            continue
        g = bind(gather_p, ops.reshape_p(ct, (size,)), back, axis=0)
        grads.append(ops.reshape_p(g, ct.shape))
    return tuple(grads)


def _flat_place(shape: tuple[int, ...], axis: int, device: Any) -> Any:
    """The position of every element in the flattened tensor."""
    size = prod(shape)
    dtype = dt.int32 if size < 2**31 else dt.int64
    return ops.reshape_p(ops.arange(size, dtype=dtype, device=device), shape)


sort_p = primitive("sort", "SORT", _infer, _vjp, multi=True, required=True)
