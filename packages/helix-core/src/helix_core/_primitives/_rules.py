"""Shape and dtype rules that several primitives share. Errors are raised here."""

from __future__ import annotations

from typing import Any

from .._aval import Aval
from .._dtypes import DType
from .._errors import DTypeError, ShapeError


def shapes(*avals: Aval) -> str:
    return ", ".join(map(repr, avals))


def broadcast_shapes(op: str, *avals: Aval) -> tuple[int, ...]:
    """NumPy's broadcasting rule."""
    first = avals[0].shape
    if all(a.shape == first for a in avals):
        return first
    out: list[int] = []
    for k in range(max(len(a.shape) for a in avals)):
        n = 1
        for a in avals:
            d = a.shape[-1 - k] if k < len(a.shape) else 1
            if d != 1 and n not in (1, d):
                raise ShapeError(
                    f"[{op}] expected shapes that broadcast; got {shapes(*avals)}. "
                    "Hint: sizes match from the right, or one of them is 1"
                )
            n = d if d != 1 else n
        out.append(n)
    return tuple(reversed(out))


def same_dtype(op: str, *avals: Aval) -> DType:
    dtype = avals[0].dtype
    for a in avals[1:]:
        if a.dtype is not dtype:
            raise DTypeError(
                f"[{op}] expected one dtype; got {shapes(*avals)}. "
                "Hint: x.astype(dtype), or the function of the same name in hx"
            )
    return dtype


def need(op: str, aval: Aval, *categories: str) -> None:
    if aval.dtype.category not in categories:
        raise DTypeError(f"[{op}] expected {' or '.join(categories)}; got {aval!r}")


def elementwise(op: str, *categories: str, out: DType | None = None) -> Any:
    """The rule of an elementwise primitive on operands of one dtype."""

    def infer(*avals: Aval) -> tuple[Aval, ...]:
        dtype = same_dtype(op, *avals)
        if categories and dtype.category not in categories:
            raise DTypeError(
                f"[{op}] expected {' or '.join(categories)}; got {shapes(*avals)}"
            )
        shape = broadcast_shapes(op, *avals)
        weak = out is None and all(a.weak for a in avals)
        return (Aval(shape, out or dtype, weak),)

    return infer


def normal_axes(op: str, axes: Any, ndim: int) -> tuple[int, ...]:
    """Axes in 0..ndim, each once."""
    out = []
    for a in axes:
        if not -ndim <= a < ndim:
            raise ShapeError(
                f"[{op}] expected an axis of a tensor with {ndim} dimensions; got {a}"
            )
        out.append(a % ndim)
    if len(set(out)) != len(out):
        raise ShapeError(f"[{op}] expected different axes; got {tuple(axes)}")
    return tuple(out)
