"""Reductions over a tuple of axes; the axes disappear."""

from __future__ import annotations

from typing import Any

from .. import _dtypes as dt
from .. import _ops as ops
from .._aval import Aval
from .._errors import ShapeError
from .._primitive import primitive
from ._rules import need, normal_axes

R = "REDUCE"


def _kept(a: Aval, axes: Any) -> tuple[int, ...]:
    return tuple(n for i, n in enumerate(a.shape) if i not in axes)


def _infer(name: str, *kinds: str, identity: bool = True) -> Any:
    def infer(a: Aval, axes: Any) -> tuple[Aval, ...]:
        need(name, a, *kinds)
        normal_axes(name, axes, a.ndim)
        if not identity and any(a.shape[i] == 0 for i in axes):
            raise ShapeError(
                f"[{name}] expected at least one element along axes {axes}; got {a!r}"
            )
        return (Aval(_kept(a, axes), a.dtype, a.weak),)

    return infer


def spread(ct: Any, shape: tuple[int, ...], axes: Any) -> Any:
    """Undo a reduction's shape: the reduced axes are 1, then broadcast."""
    keep = tuple(1 if i in axes else n for i, n in enumerate(shape))
    return ops.broadcast_p(ops.reshape_p(ct, keep), shape)


reduce_sum_p = primitive(
    "reduce_sum",
    R,
    _infer("reduce_sum", "int", "uint", "float", "complex"),
    lambda inputs, outputs, cts, wanted, axes: (spread(cts[0], inputs[0].shape, axes),),
    reads=((),),
    required=True,
)


def _prod_vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any, axes: Any) -> Any:
    """Exclusive products from both sides: exact where elements are zero."""
    x, ct = inputs[0], cts[0]
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    flat = ops.permute_p(x, (*rest, *axes))
    moved = flat.shape
    flat = ops.reshape_p(flat, (*moved[: len(rest)], -1 if 0 not in moved else 0))
    last = flat.ndim - 1
    one = ops.ones((*flat.shape[:-1], 1), x.dtype, x.device)
    n = flat.shape[-1]
    before = ops.cumulative(
        ops.concat([one, ops.narrow(flat, last, 0, max(n - 1, 0))], last), "prod", last
    )
    after = ops.cumulative(
        ops.concat([ops.narrow(flat, last, min(1, n), n), one], last),
        "prod",
        last,
        reverse=True,
    )
    if n == 0:
        return (ops.zeros_like(x),)
    g = ops.reshape_p(ops.mul_p(before, after), moved)
    inverse = tuple(sorted(range(x.ndim), key=(*rest, *axes).__getitem__))
    return (ops.mul_p(ops.permute_p(g, inverse), spread(ct, x.shape, axes)),)


def _fold(name: str, x: Any, axes: Any) -> Any:
    """Halve the axis until one element is left."""
    combine = {"prod": ops.mul_p, "min": ops.min_p}[name]
    for axis in sorted(axes, reverse=True):
        n = x.shape[axis]
        if n == 0:
            shape = tuple(m for i, m in enumerate(x.shape) if i != axis)
            x = ops.ones(shape, x.dtype, x.device)
            continue
        while n > 1:
            half = n // 2
            lo, hi = ops.narrow(x, axis, 0, half), ops.narrow(x, axis, half, 2 * half)
            y = combine(lo, hi)
            odd = ops.narrow(x, axis, 2 * half, n)
            x = ops.concat([y, odd], axis) if n % 2 else y
            n = x.shape[axis]
        x = ops.reshape_p(x, tuple(m for i, m in enumerate(x.shape) if i != axis))
    return x


reduce_prod_p = primitive(
    "reduce_prod",
    R,
    _infer("reduce_prod", "int", "uint", "float", "complex"),
    _prod_vjp,
    reads=((0,),),
    decompose=lambda x, axes: _fold("prod", x, axes),
)


def _extremum_vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any, axes: Any) -> Any:
    """Ties share the gradient evenly."""
    x, y, ct = inputs[0], outputs[0], cts[0]
    hit = ops.cast(ops.eq(x, spread(y, x.shape, axes)), ct.dtype)
    count = ops.reduce_sum_p(hit, axes)
    return (ops.mul_p(hit, spread(ops.div_p(ct, count), x.shape, axes)),)


reduce_max_p = primitive(
    "reduce_max",
    R,
    _infer("reduce_max", "bool", "int", "uint", "float", identity=False),
    _extremum_vjp,
    reads=((0, ~0),),
    required=True,
)
reduce_min_p = primitive(
    "reduce_min",
    R,
    _infer("reduce_min", "bool", "int", "uint", "float", identity=False),
    _extremum_vjp,
    reads=((0, ~0),),
    decompose=lambda x, axes: _min_decomposed(x, axes),
)


def _min_decomposed(x: Any, axes: Any) -> Any:
    flip = ops.neg_p if x.dtype.inexact else ops.bitwise_not
    return flip(ops.reduce_max_p(flip(x), axes))


def _arg_infer(name: str) -> Any:
    def infer(a: Aval, axis: int) -> tuple[Aval, ...]:
        need(name, a, "bool", "int", "uint", "float")
        normal_axes(name, (axis,), a.ndim)
        if a.shape[axis] == 0:
            raise ShapeError(
                f"[{name}] expected at least one element along axis {axis}; got {a!r}"
            )
        return (Aval(_kept(a, (axis,)), dt.int32),)

    return infer


def _arg_decomposed(reduce: str) -> Any:
    def run(x: Any, axis: int) -> Any:
        best = ops.reduce_max_p if reduce == "max" else ops.reduce_min_p
        top = spread(best(x, (axis,)), x.shape, (axis,))
        hit = ops.eq(x, top)
        if x.dtype.inexact:  # a NaN wins, and is not equal to itself
            hit = ops.logical_or(hit, ops.isnan(x))
        n = x.shape[axis]
        shape = tuple(n if i == axis else 1 for i in range(x.ndim))
        place = ops.reshape_p(ops.arange(n, dtype=dt.int32, device=x.device), shape)
        rank = ops.where(hit, n - place, 0)
        return n - ops.reduce_max_p(rank, (axis,))

    return run


argmax_p = primitive(
    "argmax", R, _arg_infer("argmax"), decompose=_arg_decomposed("max")
)
argmin_p = primitive(
    "argmin", R, _arg_infer("argmin"), decompose=_arg_decomposed("min")
)
