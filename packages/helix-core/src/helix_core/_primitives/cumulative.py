"""``cumulative``: running sum, product, maximum, minimum or logsumexp along an axis."""

from __future__ import annotations

from typing import Any

from .. import _dtypes as dt
from .. import _ops as ops
from .._aval import Aval
from .._errors import ShapeError
from .._primitive import bind, primitive
from ._rules import need, normal_axes

_KINDS = {
    "sum": ("int", "uint", "float", "complex"),
    "prod": ("int", "uint", "float", "complex"),
    "max": ("bool", "int", "uint", "float"),
    "min": ("bool", "int", "uint", "float"),
    "logsumexp": ("float",),
}


def _infer(a: Aval, kind: str, axis: int, reverse: bool) -> tuple[Aval, ...]:
    if kind not in _KINDS:
        raise ShapeError(
            f"[cumulative] expected a kind of {', '.join(_KINDS)}; got {kind!r}"
        )
    need("cumulative", a, *_KINDS[kind])
    normal_axes("cumulative", (axis,), a.ndim)
    return (Aval(a.shape, a.dtype),)


def shift(x: Any, axis: int, by: int, fill: float, reverse: bool) -> Any:
    """What came ``by`` steps earlier (later in reverse); ``fill`` where nothing did."""
    pads = [(0, 0, 0)] * x.ndim
    pads[axis] = (-by, by, 0) if reverse else (by, -by, 0)
    return ops.pad_p(x, ops.full((), fill, x.dtype, x.device), tuple(pads))


def _back(a: Any, ct: Any, axis: int, reverse: bool) -> Any:
    """s_t = ct_t + a_t s_{t+1}: a linear scan against the direction of the forward."""
    from .scan import linear_scan_p

    state = (*ct.shape[:axis], *ct.shape[axis + 1 :])
    s0 = ops.zeros(state, ct.dtype, ct.device)
    return bind(linear_scan_p, a, ct, s0, axis=axis, reverse=not reverse)


def _vjp(
    inputs: Any,
    outputs: Any,
    cts: Any,
    wanted: Any,
    kind: str,
    axis: int,
    reverse: bool,
) -> Any:
    x, y, ct = inputs[0], outputs[0], cts[0]
    at: dict[str, Any] = {"axis": axis, "reverse": reverse}
    later = {"axis": axis, "reverse": not reverse}
    if kind == "sum":
        return (bind(cumulative_p, ct, kind="sum", **later),)
    if kind == "prod":  # exact where elements are zero: no division
        before = shift(bind(cumulative_p, x, kind="prod", **at), axis, 1, 1, reverse)
        s = _back(shift(x, axis, 1, 0, not reverse), ct, **at)
        return (ops.mul_p(before, s),)
    if kind == "logsumexp":
        step = _difference(y, shift(y, axis, 1, float("inf"), not reverse))
        s = _back(ops.exp(step), ct, **at)
        return (ops.mul_p(ops.exp(_difference(x, y)), s),)
    # an element that equals the running extremum takes over from earlier ones
    record = ops.eq(x, y)
    record = ops.cast(ops.logical_or(record, ops.isnan(x)), ct.dtype)
    keep = ops.sub(1, shift(record, axis, 1, 0, not reverse))
    return (ops.mul_p(record, _back(keep, ct, **at)),)


def _difference(a: Any, b: Any) -> Any:
    """a - b, and 0 where they are equal, also as infinities."""
    return ops.where(ops.eq(a, b), ops.zeros_like(a), ops.sub_p(a, b))


def _decompose(x: Any, kind: str, axis: int, reverse: bool) -> Any:
    """Log-step shifts: after step k every element covers 2^k of its predecessors."""
    combine, fill = {
        "sum": (ops.add_p, 0),
        "prod": (ops.mul_p, 1),
        "max": (ops.max_p, lowest(x.dtype)),
        "min": (ops.min_p, highest(x.dtype)),
        "logsumexp": (ops.logaddexp, float("-inf")),
    }[kind]
    y = ops.cast(x, dt.accumulate_dtype(x.dtype))
    by = 1
    while by < x.shape[axis]:
        y = combine(y, shift(y, axis, by, fill, reverse))
        by *= 2
    return ops.cast(y, x.dtype)


def lowest(dtype: Any) -> Any:
    """The identity of max."""
    if dtype.category in ("bool", "uint"):
        return 0
    if dtype.category == "int":
        return -(2 ** (8 * dtype.itemsize - 1))
    return float("-inf")


def highest(dtype: Any) -> Any:
    """The identity of min."""
    if dtype.category == "bool":
        return 1
    if dtype.category in ("int", "uint"):
        return 2 ** (8 * dtype.itemsize - (dtype.category == "int")) - 1
    return float("inf")


cumulative_p = primitive(
    "cumulative", "SCAN", _infer, _vjp, reads=((0, ~0),), decompose=_decompose
)
