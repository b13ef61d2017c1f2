"""Functions that move elements: reshape, transpose, join, cut."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from . import _dtypes as dt
from . import _ops as ops
from ._create import as_tensor, zeros
from ._device import Device
from ._errors import ShapeError
from ._primitive import bind
from ._primitives import movement as M
from ._primitives._rules import broadcast_shapes, normal_axes
from ._primitives.control import barrier_p
from ._state import STATE
from ._tensor import Tensor


def _axis(name: str, axis: int, ndim: int) -> int:
    return normal_axes(name, (axis,), ndim)[0]


def _in(x: Any) -> Tensor:
    return x if type(x) is Tensor else as_tensor(ops.operand(x))


def reshape_p(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    if -1 in shape:
        rest = prod(n for n in shape if n != -1)
        if shape.count(-1) > 1 or rest == 0 or x.aval.size % rest:
            raise ShapeError(
                f"[reshape] expected a shape of {x.aval.size} elements with at most one "
                f"-1; got {shape} for {x.aval!r}"
            )
        shape = tuple(x.aval.size // rest if n == -1 else n for n in shape)
    return bind(M.reshape_p, x, shape=shape)


def reshape(x: Any, *shape: Any) -> Tensor:
    """The elements in row-major order in another shape; one size may be -1."""
    if len(shape) == 1 and not isinstance(shape[0], int):
        shape = tuple(shape[0])
    return reshape_p(_in(x), tuple(int(n) for n in shape))


def permute_p(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return bind(M.permute_p, x, axes=axes)


def permute_dims(x: Any, axes: Sequence[int]) -> Tensor:
    """Axes in a new order."""
    x = _in(x)
    return permute_p(x, normal_axes("permute", axes, x.ndim))


def transpose(x: Any, *axes: Any) -> Tensor:
    """Axes reversed, or in the given order."""
    x = _in(x)
    if len(axes) == 1 and not isinstance(axes[0], int):
        axes = tuple(axes[0])
    return permute_dims(x, axes or tuple(reversed(range(x.ndim))))


def swapaxes(x: Any, a: int, b: int) -> Tensor:
    """Two axes exchanged."""
    x = _in(x)
    a, b = _axis("swapaxes", a, x.ndim), _axis("swapaxes", b, x.ndim)
    order = list(range(x.ndim))
    order[a], order[b] = b, a
    return permute_p(x, tuple(order))


def moveaxis(x: Any, source: Any, destination: Any) -> Tensor:
    """Axes moved to new places; the others keep their order."""
    x = _in(x)
    src = (source,) if isinstance(source, int) else source
    dst = (destination,) if isinstance(destination, int) else destination
    src = normal_axes("moveaxis", src, x.ndim)
    dst = normal_axes("moveaxis", dst, x.ndim)
    if len(src) != len(dst):
        raise ShapeError(f"[moveaxis] expected as many axes; got {src} and {dst}")
    order = [i for i in range(x.ndim) if i not in src]
    for d, s in sorted(zip(dst, src, strict=True)):
        order.insert(d, s)
    return permute_p(x, tuple(order))


def broadcast_p(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    if x.aval.shape == shape:
        return x
    return bind(M.broadcast_p, x, shape=shape)


def broadcast_to(x: Any, shape: Sequence[int]) -> Tensor:
    """Repeat along new and size-1 axes, without copying where the device can."""
    return broadcast_p(_in(x), tuple(int(n) for n in shape))


def broadcast_arrays(*xs: Any) -> list[Tensor]:
    """All in their common shape."""
    ts = [_in(x) for x in xs]
    shape = broadcast_shapes("broadcast", *[t.aval for t in ts])
    return [broadcast_p(t, shape) for t in ts]


def expand_dims(x: Any, axis: int) -> Tensor:
    """A new axis of size 1."""
    x = _in(x)
    axis = _axis("expand_dims", axis, x.ndim + 1)
    return reshape_p(x, (*x.shape[:axis], 1, *x.shape[axis:]))


def squeeze(x: Any, axis: Any = None) -> Tensor:
    """Without the given axes of size 1, or without all of them."""
    x = _in(x)
    if axis is None:
        axes: tuple[int, ...] = tuple(i for i, n in enumerate(x.shape) if n == 1)
    else:
        axes = normal_axes(
            "squeeze", (axis,) if isinstance(axis, int) else axis, x.ndim
        )
    if any(x.shape[i] != 1 for i in axes):
        raise ShapeError(f"[squeeze] expected size 1 on axes {axes}; got {x.aval!r}")
    return reshape_p(x, tuple(n for i, n in enumerate(x.shape) if i not in axes))


def pad_p(x: Tensor, value: Tensor, pads: tuple[tuple[int, int, int], ...]) -> Tensor:
    return bind(M.pad_p, x, value, pads=pads)


def slice_p(x: Tensor, start: Any, stop: Any, step: Any) -> Tensor:
    return bind(M.slice_p, x, start=tuple(start), stop=tuple(stop), step=tuple(step))


def narrow(x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """``x[start:stop]`` along one axis; bounds are inside the axis."""
    n = len(x.aval.shape)
    if start == 0 and stop == x.aval.shape[axis]:
        return x
    begin, end = [0] * n, list(x.aval.shape)
    begin[axis], end[axis] = start, stop
    return slice_p(x, begin, end, (1,) * n)


def flip_p(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return bind(M.flip_p, x, axes=axes)


def flip(x: Any, axis: Any = None) -> Tensor:
    """Reverse along axes; all of them where none is given."""
    x = _in(x)
    if axis is None:
        axis = tuple(range(x.ndim))
    return flip_p(
        x, normal_axes("flip", (axis,) if isinstance(axis, int) else axis, x.ndim)
    )


def concat(xs: Sequence[Any], axis: int = 0) -> Tensor:
    """Join along an axis; other sizes are equal. Operands promote."""
    if not len(xs):
        raise ShapeError("[concat] expected at least one tensor; got none")
    ts = ops.lift(*[_in(x) for x in xs])
    ndim = ts[0].ndim
    axis = _axis("concat", axis, ndim)
    return ts[0] if len(ts) == 1 else bind(M.concat_p, *ts, axis=axis)


def stack(xs: Sequence[Any], axis: int = 0) -> Tensor:
    """Join along a new axis; all shapes are equal."""
    if not len(xs):
        raise ShapeError("[stack] expected at least one tensor; got none")
    return concat([expand_dims(x, axis) for x in xs], axis)


def split(x: Any, sections: Any, axis: int = 0) -> list[Tensor]:
    """Cut into equal parts (a number) or parts of the given sizes (a sequence)."""
    x = _in(x)
    axis = _axis("split", axis, x.ndim)
    n = x.shape[axis]
    if isinstance(sections, int):
        if sections <= 0 or n % sections:
            raise ShapeError(
                f"[split] expected a divisor of {n}; got {sections} for {x.aval!r}"
            )
        sections = [n // sections] * sections
    if sum(sections) != n:
        raise ShapeError(f"[split] expected sizes that add up to {n}; got {sections}")
    out, at = [], 0
    for m in sections:
        out.append(narrow(x, axis, at, at + m))
        at += m
    return out


def tile(x: Any, reps: Any) -> Tensor:
    """The whole tensor repeated ``reps`` times per axis."""
    x = _in(x)
    reps = (reps,) if isinstance(reps, int) else tuple(reps)
    ndim = max(x.ndim, len(reps))
    shape = (1,) * (ndim - x.ndim) + x.shape
    reps = (1,) * (ndim - len(reps)) + reps
    paired = tuple(k for r, n in zip(reps, shape, strict=True) for k in (r, n))
    y = reshape_p(x, tuple(k for n in shape for k in (1, n)))
    y = broadcast_p(y, paired)
    return reshape_p(y, tuple(r * n for r, n in zip(reps, shape, strict=True)))


def repeat(x: Any, repeats: int, axis: int | None = None) -> Tensor:
    """Each element ``repeats`` times, along an axis or in the flattened tensor."""
    x = _in(x)
    if axis is None:
        x, axis = reshape_p(x, (x.aval.size,)), 0
    axis = _axis("repeat", axis, x.ndim)
    y = expand_dims(x, axis + 1)
    shape = (*x.shape[: axis + 1], repeats, *x.shape[axis + 1 :])
    out = (*x.shape[:axis], x.shape[axis] * repeats, *x.shape[axis + 1 :])
    return reshape_p(broadcast_p(y, shape), out)


def roll(x: Any, shift: int, axis: int | None = None) -> Tensor:
    """Shift elements around an axis (or the flattened tensor); what falls off returns."""
    x = _in(x)
    if axis is None:
        return reshape_p(roll(reshape_p(x, (x.aval.size,)), shift, 0), x.shape)
    axis = _axis("roll", axis, x.ndim)
    n = x.shape[axis]
    k = shift % n if n else 0
    if k == 0:
        return x
    return concat([narrow(x, axis, n - k, n), narrow(x, axis, 0, n - k)], axis)


def _triangle(x: Any, k: int, lower: bool) -> Tensor:
    x = _in(x)
    if x.ndim < 2:
        raise ShapeError(f"[tril] expected at least 2 dimensions; got {x.aval!r}")
    n, m = x.shape[-2:]
    row = reshape_p(ops.arange(n, device=x.device), (n, 1))
    col = reshape_p(ops.arange(m, device=x.device), (1, m))
    keep = ops.le(col, row + k) if lower else ops.le(row + k, col)
    return ops.where(keep, x, zeros((), x.dtype, x.device))


def tril(x: Any, k: int = 0) -> Tensor:
    """Zeros above the k-th diagonal of the last two axes."""
    return _triangle(x, k, True)


def triu(x: Any, k: int = 0) -> Tensor:
    """Zeros below the k-th diagonal of the last two axes."""
    return _triangle(x, k, False)


def copy_to(x: Any, device: Any) -> Tensor:
    """The tensor on another device; itself where it is there already."""
    x, device = _in(x), Device(device)
    if x.device is device:
        return x
    return bind(M.copy_to_p, x, target=device)


def detach(x: Any) -> Tensor:
    """The same value without its history: no gradient flows through it."""
    x = _in(x)
    if STATE.get().trace is None:
        return Tensor(x.buffer, x.aval, x.device)
    return bind(M.stop_gradient_p, x)


def barrier(*xs: Tensor) -> tuple[Tensor, ...]:
    """Tie tensors together: none is available before all are."""
    return bind(barrier_p, *xs)


def atleast_1d(x: Any) -> Tensor:
    """A 0-d tensor in shape (1,); others unchanged."""
    x = _in(x)
    return reshape_p(x, (1,)) if x.ndim == 0 else x


def one_hot(labels: Any, n: int, dtype: Any = dt.float32) -> Tensor:
    """1 where the new last axis equals the label, else 0; all 0 for labels outside."""
    x = _in(labels)
    hit = ops.eq(expand_dims(x, -1), ops.arange(n, dtype=x.dtype, device=x.device))
    return ops.cast(hit, dtype)
