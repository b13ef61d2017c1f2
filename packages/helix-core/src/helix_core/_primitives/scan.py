"""``linear_scan``: h_t = a_t h_{t-1} + b_t, the primitive under every state space model."""

from __future__ import annotations

from typing import Any

from .. import _ops as ops
from .._aval import Aval
from .._errors import ShapeError
from .._primitive import bind, primitive
from ._rules import need, normal_axes, same_dtype, shapes


def _infer(a: Aval, b: Aval, h0: Aval, axis: int, reverse: bool) -> tuple[Aval, ...]:
    same_dtype("linear_scan", a, b, h0)
    need("linear_scan", a, "float", "complex")
    normal_axes("linear_scan", (axis,), b.ndim)
    state = b.shape[:axis] + b.shape[axis + 1 :]
    if a.shape != b.shape or h0.shape != state or axis < 0:
        raise ShapeError(
            "[linear_scan] expected a and b of one shape and h0 without the axis; got "
            f"{shapes(a, b, h0)}, axis={axis}"
        )
    return (b,)


def _vjp(
    inputs: Any, outputs: Any, cts: Any, wanted: Any, axis: int, reverse: bool
) -> Any:
    """g_t = ct_t + a_{t+1} g_{t+1}: a scan in the other direction."""
    (a, _, h0), h, ct = inputs, outputs[0], cts[0]
    n = a.shape[axis]
    if n == 0:
        return ops.zeros_like(a), ct, ops.zeros_like(h0)
    edge = tuple(1 if i == axis else m for i, m in enumerate(a.shape))

    def shifted(x: Any, end: Any, later: bool) -> Any:
        """x one step later or earlier, with ``end`` where nothing was."""
        if later:
            return ops.concat([end, ops.narrow(x, axis, 0, n - 1)], axis)
        return ops.concat([ops.narrow(x, axis, 1, n), end], axis)

    zero = ops.zeros(edge, a.dtype, a.device)
    none = ops.zeros(h0.shape, a.dtype, a.device)
    a_next = shifted(a, zero, reverse)
    g = bind(linear_scan_p, a_next, ct, none, axis=axis, reverse=not reverse)
    ga = g0 = None
    if wanted[0]:  # only then h and h0 were kept
        ga = ops.mul_p(g, shifted(h, ops.reshape_p(h0, edge), not reverse))
    if wanted[2]:
        at = n - 1 if reverse else 0
        first = [
            ops.reshape_p(ops.narrow(t, axis, at, at + 1), h0.shape) for t in (a, g)
        ]
        g0 = ops.mul_p(*first)
    return ga, g, g0


linear_scan_p = primitive(
    "linear_scan",
    "SCAN",
    _infer,
    _vjp,
    reads=((0, 2, ~0), (0,), (0,)),
    required=True,
)
