"""``gather`` and ``scatter`` along one axis.

Indices are int32 or int64, already wrapped. Outside the axis a read takes the nearest
element and a write is dropped, on every device.
"""

from __future__ import annotations

from typing import Any

from .. import _dtypes as dt
from .. import _ops as ops
from .._aval import Aval
from .._errors import DTypeError, ShapeError
from .._primitive import bind, primitive
from ._rules import need, same_dtype, shapes

MODES = ("set", "add", "max", "min", "mul")


def _check_index(name: str, x: Aval, idx: Aval, axis: int) -> tuple[int, ...]:
    """The shape of what the index selects."""
    if idx.dtype not in (dt.int32, dt.int64):
        raise DTypeError(
            f"[{name}] expected int32 or int64 indices; got {shapes(x, idx)}. "
            "Hint: idx.astype('int32')"
        )
    if not 0 <= axis < x.ndim:
        raise ShapeError(
            f"[{name}] expected 0 <= axis < {x.ndim}; got axis={axis} for {x!r}"
        )
    return (*x.shape[:axis], *idx.shape, *x.shape[axis + 1 :])


def _gather_infer(x: Aval, idx: Aval, axis: int) -> tuple[Aval, ...]:
    shape = _check_index("gather", x, idx, axis)
    if x.shape[axis] == 0 and idx.size:
        raise ShapeError(
            f"[gather] expected elements to read along axis {axis}; got {x!r}"
        )
    return (Aval(shape, x.dtype),)


def _gather_vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any, axis: int) -> Any:
    (x, idx), ct = inputs, cts[0]
    if not wanted[0]:
        return None, None
    zero = ops.zeros(x.shape, ct.dtype, ct.device)
    if x.shape[axis] == 0:  # nothing was read
        return zero, None
    # a clamped read has its gradient at the element that was read
    idx = ops.clip(idx, 0, x.shape[axis] - 1)
    return bind(scatter_p, zero, idx, ct, axis=axis, mode="add"), None


gather_p = primitive(
    "gather", "INDEX", _gather_infer, _gather_vjp, reads=((1,),), required=True
)


def _scatter_infer(x: Aval, idx: Aval, u: Aval, axis: int, mode: str) -> Any:
    if mode not in MODES:
        raise ValueError(
            f"[scatter] expected a mode of {', '.join(MODES)}; got {mode!r}"
        )
    same_dtype("scatter", x, u)
    if mode in ("add", "mul"):
        need("scatter", x, "int", "uint", "float", "complex")
    elif mode != "set":
        need("scatter", x, "bool", "int", "uint", "float")
    shape = _check_index("scatter", x, idx, axis)
    if u.shape != shape:
        raise ShapeError(
            f"[scatter] expected updates of shape {shape}; got {shapes(x, idx, u)}"
        )
    return (Aval(x.shape, x.dtype),)


def _scatter_vjp(
    inputs: Any, outputs: Any, cts: Any, wanted: Any, axis: int, mode: str
) -> Any:
    (x, idx, u), ct = inputs, cts[0]
    if 0 in u.shape or x.shape[axis] == 0:  # nothing was written
        zero = ops.zeros(u.shape, ct.dtype, ct.device) if wanted[2] else None
        return ct if wanted[0] else None, None, zero
    if mode == "set":
        gx, gu = _set_rule(x, idx, u, ct, wanted, axis)
    elif mode == "add":
        gx, gu = ct, _read(ct, idx, axis) if wanted[2] else None
    elif mode == "mul":
        gx, gu = _mul_rule(x, idx, u, ct, axis)
    else:
        gx, gu = _extremum_rule(x, idx, u, outputs[0], ct, axis)
    if gu is not None:
        gu = _kept(gu, _inside(idx, x.shape[axis]), axis, idx.ndim)
    return gx if wanted[0] else None, None, gu if wanted[2] else None


def _read(x: Any, idx: Any, axis: int) -> Any:
    return bind(gather_p, x, idx, axis=axis)


def _inside(idx: Any, n: int) -> Any:
    return ops.logical_and(ops.le(0, idx), ops.lt(idx, n))


def _kept(g: Any, mask: Any, axis: int, ndim: int) -> Any:
    """``g`` where the mask over the index axes is true, else zero."""
    mask = ops.reshape_p(mask, (*mask.shape, *(1,) * (g.ndim - axis - ndim)))
    return ops.where(mask, g, ops.zeros((), g.dtype, g.device))


def _set_rule(x: Any, idx: Any, u: Any, ct: Any, wanted: Any, axis: int) -> Any:
    gx = gu = None
    if wanted[0]:
        zero = ops.zeros(u.shape, ct.dtype, ct.device)
        gx = bind(scatter_p, ct, idx, zero, axis=axis, mode="set")
    if wanted[2]:
        # of repeated indices the last one won: the largest position
        place = ops.arange(idx.size, dtype=dt.int32, device=ct.device)
        place = ops.reshape_p(place, idx.shape)
        none = ops.full((x.shape[axis],), -1, dt.int32, ct.device)
        last = bind(scatter_p, none, idx, place, axis=0, mode="max")
        won = ops.eq(_read(last, idx, 0), place)
        gu = _kept(_read(ct, idx, axis), won, axis, idx.ndim)
    return gx, gu


def _extremum_rule(x: Any, idx: Any, u: Any, y: Any, ct: Any, axis: int) -> Any:
    """All that equal the result share its gradient evenly."""
    own = ops.cast(ops.eq(x, y), ct.dtype)
    theirs = ops.cast(ops.eq(u, _read(y, idx, axis)), ct.dtype)
    count = bind(scatter_p, own, idx, theirs, axis=axis, mode="add")
    share = ops.div_p(ct, ops.where(ops.eq(count, 0), ops.ones_like(count), count))
    return ops.mul_p(share, own), ops.mul_p(_read(share, idx, axis), theirs)


def _mul_rule(x: Any, idx: Any, u: Any, ct: Any, axis: int) -> Any:
    """The product of the other factors, exact where one of them is zero."""
    x0, u0 = ops.eq(x, 0), ops.eq(u, 0)
    one = ops.ones((), x.dtype, x.device)
    x1, u1 = ops.where(x0, one, x), ops.where(u0, one, u)
    rest = bind(scatter_p, x1, idx, u1, axis=axis, mode="mul")
    zeros = bind(
        scatter_p,
        ops.cast(x0, dt.int32),
        idx,
        ops.cast(u0, dt.int32),
        axis=axis,
        mode="add",
    )
    gx = _others(ct, rest, zeros, x1, x0)
    ct, rest, zeros = (_read(t, idx, axis) for t in (ct, rest, zeros))
    return gx, _others(ct, rest, zeros, u1, u0)


def _others(ct: Any, rest: Any, zeros: Any, factor: Any, is_zero: Any) -> Any:
    alone = ops.eq(ops.sub_p(zeros, ops.cast(is_zero, dt.int32)), 0)
    g = ops.mul_p(ct, ops.div_p(rest, factor))
    return ops.where(alone, g, ops.zeros((), g.dtype, g.device))


scatter_p = primitive("scatter", "INDEX", _scatter_infer, _scatter_vjp, required=True)
