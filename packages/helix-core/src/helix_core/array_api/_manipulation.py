"""Shapes: joining, cutting, moving and repeating."""

from __future__ import annotations

import numpy as np

from .. import _arrange, _shape
from .._errors import ShapeError
from .._sets import host_values
from .._take import take as _take
from .._tensor import Tensor
from ._check import INTEGER, copied, tensor_of


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that tensors of these shapes broadcast to."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(
            "[broadcast_shapes] expected shapes that broadcast; got "
            + ", ".join(map(str, shapes))
        ) from None


def concat(
    arrays: tuple[Tensor, ...] | list[Tensor], /, *, axis: int | None = 0
) -> Tensor:
    """Join along an axis; None joins the flattened tensors."""
    ts = [tensor_of("concat", x) for x in arrays]
    if axis is None:
        ts, axis = [_shape.reshape_p(t, (t.aval.size,)) for t in ts], 0
    return _shape.concat(ts, axis)


def expand_dims(x: Tensor, /, axis: int) -> Tensor:
    """A new axis of size 1."""
    return _shape.expand_dims(tensor_of("expand_dims", x), axis)


def flip(x: Tensor, /, *, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """Reversed along axes; along all of them by default."""
    return _shape.flip(tensor_of("flip", x), axis)


def moveaxis(
    x: Tensor, source: int | tuple[int, ...], destination: int | tuple[int, ...], /
) -> Tensor:
    """Axes moved to new places; the others keep their order."""
    return _shape.moveaxis(tensor_of("moveaxis", x), source, destination)


def permute_dims(x: Tensor, /, axes: tuple[int, ...]) -> Tensor:
    """Axes in a new order."""
    x = tensor_of("permute_dims", x)
    if len(axes) != x.ndim:
        raise ShapeError(
            f"[permute_dims] expected {x.ndim} axes; got {tuple(axes)} for {x.aval!r}"
        )
    return _shape.permute_dims(x, axes)


def repeat(x: Tensor, repeats: int | Tensor, /, *, axis: int | None = None) -> Tensor:
    """Each element ``repeats`` times, along an axis or in the flattened tensor.

    Raises
    ------
    TraceError
        For a tensor of repeats inside a trace: they decide the shape.
    """
    x = tensor_of("repeat", x)
    if isinstance(repeats, int):
        if repeats < 0:
            raise ShapeError(f"[repeat] expected repeats >= 0; got {repeats}")
        return _shape.repeat(x, repeats, axis)
    if axis is None:
        x, axis = _shape.reshape_p(x, (x.aval.size,)), 0
    r, counts = host_values("repeat", tensor_of("repeat", repeats, INTEGER))
    n = x.shape[_shape._axis("repeat", axis, x.ndim)]
    if counts.ndim > 1 or counts.size not in (1, n) or counts.min(initial=0) < 0:
        raise ShapeError(
            f"[repeat] expected one or {n} repeats >= 0; got {r.aval!r} for {x.aval!r}"
        )
    where = np.repeat(np.arange(n, dtype=np.int32), counts)
    return _take(x, where, axis) if n else x


def reshape(
    x: Tensor, /, shape: tuple[int, ...], *, copy: bool | None = None
) -> Tensor:
    """The elements in row-major order in another shape; one size may be -1.

    Raises
    ------
    ValueError
        If ``copy=False`` and the new shape needs a copy.
    """
    x = tensor_of("reshape", x)
    y = _shape.reshape(x, tuple(shape))
    if copy:
        return copied(y)
    a, b = x.buffer, y.buffer
    if (
        copy is False
        and isinstance(a, np.ndarray)
        and a.size
        and not np.may_share_memory(a, b)
    ):
        raise ValueError(
            f"[reshape] expected a shape that needs no copy for copy=False; got {shape} "
            f"for {x.aval!r}"
        )
    return y


def roll(
    x: Tensor,
    /,
    shift: int | tuple[int, ...],
    *,
    axis: int | tuple[int, ...] | None = None,
) -> Tensor:
    """Elements shifted around axes, or around the flattened tensor."""
    x = tensor_of("roll", x)
    if axis is None:
        if not isinstance(shift, int):
            raise ShapeError(f"[roll] expected axis for several shifts; got {shift}")
        return _shape.roll(x, shift)
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    shifts = (shift,) * len(axes) if isinstance(shift, int) else tuple(shift)
    if len(shifts) != len(axes):
        raise ShapeError(
            f"[roll] expected one shift for each axis; got {shifts} for axes {axes}"
        )
    for k, a in zip(shifts, axes, strict=True):
        x = _shape.roll(x, k, a)
    return x


def squeeze(x: Tensor, /, axis: int | tuple[int, ...]) -> Tensor:
    """Without the given axes, whose size is 1."""
    return _shape.squeeze(tensor_of("squeeze", x), axis)


def stack(arrays: tuple[Tensor, ...] | list[Tensor], /, *, axis: int = 0) -> Tensor:
    """Joined along a new axis."""
    return _shape.stack([tensor_of("stack", x) for x in arrays], axis)


def tile(x: Tensor, repetitions: tuple[int, ...], /) -> Tensor:
    """The whole tensor repeated along each axis."""
    x = tensor_of("tile", x)
    if any(n < 0 for n in repetitions):
        raise ShapeError(f"[tile] expected repetitions >= 0; got {repetitions}")
    return _shape.tile(x, repetitions)


def unstack(x: Tensor, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices along an axis, each without it."""
    return _arrange.unstack(tensor_of("unstack", x), axis)
