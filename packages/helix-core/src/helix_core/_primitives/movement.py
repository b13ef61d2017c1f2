"""Movement primitives: where elements are, never what they are."""

from __future__ import annotations

from math import prod
from typing import Any

from .. import _ops as ops
from .._aval import Aval
from .._errors import ShapeError
from .._primitive import bind, primitive
from ._rules import normal_axes, same_dtype, shapes

M = "MOVEMENT"
NOTHING = ((),)


def _identity_infer(a: Aval) -> tuple[Aval, ...]:
    return (a,)


# marks the inputs of a gradient level; graphs drop it
identity_p = primitive(
    "identity",
    M,
    _identity_infer,
    lambda inputs, outputs, cts, wanted: cts,
    reads=NOTHING,
    decompose=lambda x: x,
)


# unlike identity it stays in graphs: a replay must not differentiate through it
stop_gradient_p = primitive("stop_gradient", M, _identity_infer, decompose=lambda x: x)


def _reshape_infer(a: Aval, shape: Any) -> tuple[Aval, ...]:
    if any(n < 0 for n in shape) or prod(shape) != a.size:
        raise ShapeError(
            f"[reshape] expected a shape of {a.size} elements; got {shape} for {a!r}"
        )
    return (Aval(shape, a.dtype, a.weak),)


reshape_p = primitive(
    "reshape",
    M,
    _reshape_infer,
    lambda inputs, outputs, cts, wanted, shape: (
        ops.reshape_p(cts[0], inputs[0].shape),
    ),
    reads=NOTHING,
    required=True,
)


def _permute_infer(a: Aval, axes: Any) -> tuple[Aval, ...]:
    if sorted(axes) != list(range(a.ndim)):
        raise ShapeError(
            f"[permute] expected each of {a.ndim} axes once; got {axes} for {a!r}"
        )
    return (Aval(tuple(a.shape[i] for i in axes), a.dtype, a.weak),)


def _permute_vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any, axes: Any) -> Any:
    inverse = tuple(sorted(range(len(axes)), key=axes.__getitem__))
    return (ops.permute_p(cts[0], inverse),)


permute_p = primitive(
    "permute", M, _permute_infer, _permute_vjp, reads=NOTHING, required=True
)


def _broadcast_infer(a: Aval, shape: Any) -> tuple[Aval, ...]:
    lead = len(shape) - a.ndim
    fits = lead >= 0 and all(
        n == m or n == 1 for n, m in zip(a.shape, shape[lead:], strict=False)
    )
    if not fits:
        raise ShapeError(
            f"[broadcast] expected a shape that {a!r} broadcasts to; got {shape}"
        )
    return (Aval(shape, a.dtype, a.weak),)


# the engine sums the cotangent down to the input's shape
broadcast_p = primitive(
    "broadcast",
    M,
    _broadcast_infer,
    lambda inputs, outputs, cts, wanted, shape: cts,
    reads=NOTHING,
    required=True,
)


def _pad_infer(a: Aval, value: Aval, pads: Any) -> tuple[Aval, ...]:
    same_dtype("pad", a, value)
    if len(pads) != a.ndim or value.shape != ():
        raise ShapeError(
            f"[pad] expected one (low, high, interior) per axis and a 0-d value; got "
            f"{pads} for {shapes(a, value)}"
        )
    shape = []
    for n, (lo, hi, inner) in zip(a.shape, pads, strict=True):
        m = lo + n + max(n - 1, 0) * inner + hi
        if inner < 0 or m < 0:
            raise ShapeError(f"[pad] expected sizes >= 0; got {pads} for {a!r}")
        shape.append(m)
    return (Aval(tuple(shape), a.dtype),)


def _pad_vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any, pads: Any) -> Any:
    x, ct = inputs[0], cts[0]
    zero = ops.zeros((), ct.dtype, ct.device)
    gx = None
    undo = tuple((-lo, -hi, 0) for lo, hi, _ in pads)
    if wanted[0] or wanted[1]:
        g = ops.pad_p(ct, zero, undo)
        steps = tuple(inner + 1 for _, _, inner in pads)
        gx = ops.slice_p(g, (0,) * len(pads), g.shape, steps)
        gx = ops.reshape_p(gx, x.shape) if gx.shape != x.shape else gx
    gv = ops.sum(ct) - ops.sum(gx) if wanted[1] else None
    return gx if wanted[0] else None, gv


# a negative low or high cuts
pad_p = primitive("pad", M, _pad_infer, _pad_vjp, reads=NOTHING, required=True)


def _slice_infer(a: Aval, start: Any, stop: Any, step: Any) -> tuple[Aval, ...]:
    shape = []
    ok = len(start) == len(stop) == len(step) == a.ndim
    for n, i, j, k in zip(a.shape, start, stop, step, strict=False):
        ok = ok and 0 <= i <= n and 0 <= j <= n and k > 0
        shape.append(max(0, -(-(j - i) // k)) if k > 0 else 0)
    if not ok:
        raise ShapeError(
            f"[slice] expected 0 <= start, stop <= size and step > 0 per axis; got "
            f"start={start}, stop={stop}, step={step} for {a!r}"
        )
    return (Aval(tuple(shape), a.dtype, a.weak),)


def _slice_vjp(
    inputs: Any, outputs: Any, cts: Any, wanted: Any, start: Any, stop: Any, step: Any
) -> Any:
    ct, shape = cts[0], inputs[0].shape
    if 0 in ct.shape:
        return (ops.zeros(shape, ct.dtype, ct.device),)
    pads = []
    for n, m, i, k in zip(shape, ct.shape, start, step, strict=True):
        last = i + (m - 1) * k + 1
        pads.append((i, n - last, k - 1))
    return (ops.pad_p(ct, ops.zeros((), ct.dtype, ct.device), tuple(pads)),)


slice_p = primitive("slice", M, _slice_infer, _slice_vjp, reads=NOTHING, required=True)


def _flip_infer(a: Aval, axes: Any) -> tuple[Aval, ...]:
    normal_axes("flip", axes, a.ndim)
    return (a,)


flip_p = primitive(
    "flip",
    M,
    _flip_infer,
    lambda inputs, outputs, cts, wanted, axes: (ops.flip_p(cts[0], axes),),
    reads=NOTHING,
    required=True,
)


def _concat_infer(*avals: Aval, axis: int) -> tuple[Aval, ...]:
    same_dtype("concat", *avals)
    a = avals[0]
    for b in avals[1:]:
        if b.ndim != a.ndim or any(
            n != m
            for i, (n, m) in enumerate(zip(a.shape, b.shape, strict=True))
            if i != axis
        ):
            raise ShapeError(
                f"[concat] expected shapes equal but for axis {axis}; got "
                f"{shapes(*avals)}"
            )
    n = sum(b.shape[axis] for b in avals)
    return (Aval((*a.shape[:axis], n, *a.shape[axis + 1 :]), a.dtype),)


def _concat_vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any, axis: int) -> Any:
    ct, out, at = cts[0], [], 0
    for x, w in zip(inputs, wanted, strict=True):
        n = x.shape[axis]
        out.append(ops.narrow(ct, axis, at, at + n) if w else None)
        at += n
    return tuple(out)


concat_p = primitive(
    "concat", M, _concat_infer, _concat_vjp, reads=NOTHING, required=True
)


def _copy_infer(a: Aval, target: Any) -> tuple[Aval, ...]:
    return (a,)


copy_to_p = primitive(
    "copy_to",
    "TRANSFER",
    _copy_infer,
    lambda inputs, outputs, cts, wanted, target: (
        bind(copy_to_p, cts[0], target=inputs[0].device),
    ),
    reads=NOTHING,
    required=True,
)
